//! What a warehouse is asked for, as SQL. `fetch` sends it by the Data API.
//!
//! Each begins with a comment by which it is known as ours. Texts and numbers in it are written by `quoted` and by
//! `Display` of numbers and times alone.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::history::View;
use super::result::written;

/// The most names or ids in one query: a statement of the Data API has at most 100 KB
/// (<https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html>).
pub const MAX_NAMES: usize = 500;

/// The comment that all begin with.
const OURS: &str = "/* lineage-proxy */";

/// The label for the session: it is in the history of our own queries.
pub fn label() -> String {
    format!("{OURS} SET query_group TO '{}'", super::OWN_LABEL)
}

/// The statements that started from `from` to before `to`, the first of them. Not those that only read, which are most.
pub fn history(from: OffsetDateTime, to: OffsetDateTime, limit: usize) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{} WHERE start_time >= '{from}' AND start_time < '{to}' \
         AND NOT (query_type = 'SELECT' AND query_text NOT ILIKE '%into%' AND query_label <> '{}') \
         ORDER BY start_time, query_id LIMIT {limit}",
        select(View::Queries),
        super::OWN_LABEL
    )
}

/// The text of these statements, which started from `from` to `to`.
pub fn texts(ids: &[i64], from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{} WHERE start_time >= '{from}' \
         AND start_time <= '{to}' AND query_id IN ({}) ORDER BY query_id, sequence",
        select(View::Texts),
        numbers(ids)
    )
}

/// The tables that the steps of these statements read and wrote.
pub fn details(ids: &[i64]) -> String {
    format!(
        "{OURS} SELECT DISTINCT {} FROM {} WHERE query_id IN ({}) \
         AND step_name IN ('scan', 'insert', 'delete', 'update') AND table_name <> ''",
        View::Details.columns().join(", "),
        View::Details.name(),
        numbers(ids)
    )
}

/// What these COPY statements have loaded.
pub fn loads(ids: &[i64]) -> String {
    of_statements(View::Loads, ids)
}

/// What these UNLOAD statements have written.
pub fn unloads(ids: &[i64]) -> String {
    of_statements(View::Unloads, ids)
}

/// The procedures that started from `from` to before `to`.
pub fn calls(from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{} WHERE start_time >= '{from}' AND start_time < '{to}'",
        select(View::Calls)
    )
}

/// How transactions ended, of these ids and all between them.
pub fn transactions(first: i64, last: i64) -> String {
    format!(
        "{} WHERE transaction_id >= {first} AND transaction_id <= {last}",
        select(View::Transactions)
    )
}

/// The sessions that were there at some time from `from` to before `to`.
pub fn sessions(from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{} WHERE start_time < '{to}' AND (end_time IS NULL OR end_time >= '{from}')",
        select(View::Sessions)
    )
}

/// The columns of the tables of these names, in all databases and schemas.
pub fn columns(tables: &[String]) -> String {
    format!(
        "{} WHERE table_name IN ({}) ORDER BY 1, 2, 3, 5",
        select(View::Columns),
        texts_of(tables)
    )
}

/// The columns of late-binding views of these names.
pub fn late_binding_columns(views: &[String]) -> String {
    format!(
        "{OURS} SELECT view_schema, view_name, col_name, col_type, col_num, current_database() AS database_name \
         FROM pg_get_late_binding_view_cols() \
         cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int) \
         WHERE view_name IN ({}) ORDER BY 1, 2, 5",
        texts_of(views)
    )
}

/// What there is besides tables: each result with its view.
pub fn surroundings() -> [(View, String); 4] {
    [
        (View::Databases, select(View::Databases)),
        (View::ExternalSchemas, select(View::ExternalSchemas)),
        (View::Users, format!("{} LIMIT 20000", select(View::Users))),
        (View::Version, format!("{OURS} SELECT version() AS version")),
    ]
}

fn of_statements(view: View, ids: &[i64]) -> String {
    format!("{} WHERE query_id IN ({})", select(view), numbers(ids))
}

/// The columns of a view that are read.
fn select(view: View) -> String {
    let (columns, name) = (view.columns().join(", "), view.name());
    format!("{OURS} SELECT {columns} FROM {name}")
}

fn numbers(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join(", ")
}

fn texts_of(names: &[String]) -> String {
    let mut list = String::new();
    for name in names {
        let comma = if list.is_empty() { "" } else { ", " };
        let _ = write!(list, "{comma}{}", quoted(name)); // a String takes all
    }
    list
}

/// Writes a text as a literal. Redshift takes a backslash in a literal for an escape.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("'{text}'")
}

#[cfg(test)]
mod tests;
