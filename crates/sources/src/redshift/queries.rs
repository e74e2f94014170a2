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
        "{OURS} SELECT user_id, query_id, query_label, transaction_id, session_id, database_name, query_type, status, \
         start_time, end_time, error_message, query_text, generic_query_hash FROM sys_query_history \
         WHERE start_time >= '{from}' AND start_time < '{to}' \
         AND NOT (query_type = 'SELECT' AND query_text NOT ILIKE '%into%' AND query_label <> '{}') \
         ORDER BY start_time, query_id LIMIT {limit}",
        super::OWN_LABEL
    )
}

/// The text of these statements, which started from `from` to `to`.
pub fn texts(ids: &[i64], from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{OURS} SELECT query_id, sequence, text FROM sys_query_text WHERE start_time >= '{from}' \
         AND start_time <= '{to}' AND query_id IN ({}) ORDER BY query_id, sequence",
        numbers(ids)
    )
}

/// The tables that the steps of these statements read and wrote.
pub fn details(ids: &[i64]) -> String {
    format!(
        "{OURS} SELECT DISTINCT query_id, step_name, table_name FROM sys_query_detail WHERE query_id IN ({}) \
         AND step_name IN ('scan', 'insert', 'delete', 'update') AND table_name <> ''",
        numbers(ids)
    )
}

/// The procedures that started from `from` to before `to`.
pub fn calls(from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{OURS} SELECT query_id, caller_procedure_query_id FROM sys_procedure_call \
         WHERE start_time >= '{from}' AND start_time < '{to}'"
    )
}

/// How transactions ended, of these ids and all between them.
pub fn transactions(first: i64, last: i64) -> String {
    format!(
        "{OURS} SELECT transaction_id, status FROM sys_transaction_history \
         WHERE transaction_id >= {first} AND transaction_id <= {last}"
    )
}

/// The sessions that were there at some time from `from` to before `to`.
pub fn sessions(from: OffsetDateTime, to: OffsetDateTime) -> String {
    let (from, to) = (written(from), written(to));
    format!(
        "{OURS} SELECT session_id, start_time FROM sys_session_history \
         WHERE start_time < '{to}' AND (end_time IS NULL OR end_time >= '{from}')"
    )
}

/// The columns of the tables of these names, in all databases and schemas.
pub fn columns(tables: &[String]) -> String {
    format!(
        "{OURS} SELECT database_name, schema_name, table_name, column_name, ordinal_position, data_type \
         FROM svv_all_columns WHERE table_name IN ({}) ORDER BY 1, 2, 3, 5",
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
        (
            View::Databases,
            format!("{OURS} SELECT database_name, database_type FROM svv_redshift_databases"),
        ),
        (
            View::ExternalSchemas,
            format!(
                "{OURS} SELECT schemaname, eskind, databasename, esoptions FROM svv_external_schemas"
            ),
        ),
        (
            View::Users,
            format!("{OURS} SELECT user_id, user_name FROM svv_user_info LIMIT 20000"),
        ),
        (View::Version, format!("{OURS} SELECT version() AS version")),
    ]
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_cannot_end_its_literal(name in ".{0,40}") {
            let literal = quoted(&name);
            let inside = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
            let mut left = inside.replace("\\\\", "").replace("''", "");
            left.retain(|c| c == '\'' || c == '\\');
            prop_assert_eq!(left, "");
        }
    }

    #[test]
    fn a_query_with_the_most_ids_fits_into_a_statement() {
        let ids = vec![i64::MAX; MAX_NAMES];
        let names = vec!["n".repeat(127); MAX_NAMES];
        let time = OffsetDateTime::UNIX_EPOCH;
        for query in [
            texts(&ids, time, time),
            details(&ids),
            columns(&names),
            late_binding_columns(&names),
        ] {
            assert!(query.len() < 100_000, "{}", query.len());
        }
    }
}
