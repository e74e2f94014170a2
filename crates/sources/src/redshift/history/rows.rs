//! The columns of each view, and what a row of them says. Called by `add.rs` with the pages of an answer.

use super::super::catalogue::Catalogue;
use super::super::result::{NoValue, Page, Row};
use super::{History, Outcome, Query, Scan, SessionSpan, Status, Transfer, View};

impl History {
    /// Adds the rows of a page. `Err` names a column that the view must have and has not.
    pub(super) fn add_page(
        &mut self,
        catalogue: &mut Catalogue,
        view: View,
        place: &str,
        page: &Page,
    ) -> Result<(), &'static str> {
        match view {
            View::Queries => self.each(place, page, QUERIES, 9, |history, row| {
                let query = query(row)?;
                history.queries.insert(query.id, query);
                Ok(())
            }),
            View::Texts => self.each(place, page, TEXTS, 3, |history, row| {
                let query = row.needed(0, row.number(0))?;
                let sequence = row.number(1).and_then(|number| number.try_into().ok());
                let sequence = row.needed(1, sequence)?;
                let text = row.needed(2, row.padded(2))?;
                history.texts.entry(query).or_default().add(sequence, text);
                Ok(())
            }),
            View::Details => self.each(place, page, DETAILS, 3, |history, row| {
                let query = row.needed(0, row.number(0))?;
                let step = row.text_or_empty(1);
                let writes = ["insert", "delete", "update"].contains(&step.as_str());
                let table = row.text_or_empty(2);
                if (writes || step == "scan") && !table.is_empty() {
                    let scan = Scan { table, writes };
                    history.scans.entry(query).or_default().insert(scan);
                }
                Ok(())
            }),
            View::Loads => self.each(place, page, LOADS, 1, transfer),
            View::Unloads => self.each(place, page, UNLOADS, 1, transfer),
            View::Calls => self.each(place, page, CALLS, 1, |history, row| {
                let query = row.needed(0, row.number(0))?;
                history.calls.insert(query, row.number(1));
                Ok(())
            }),
            View::Transactions => self.each(place, page, TRANSACTIONS, 2, |history, row| {
                let transaction = row.needed(0, row.number(0))?;
                let outcome = match row.text_or_empty(1).as_str() {
                    "committed" => Outcome::Committed,
                    "rolledback" | "rolled back" | "aborted" => Outcome::RolledBack,
                    _ => return Ok(()), // it is not over
                };
                let known = history.transactions.get_or_insert_default();
                known.insert(transaction, outcome);
                Ok(())
            }),
            View::Sessions => self.each(place, page, SESSIONS, 2, |history, row| {
                history.sessions.push(SessionSpan {
                    session: row.needed(0, row.number(0))?,
                    start: row.needed(1, row.time(1))?,
                });
                Ok(())
            }),
            View::Users => self.each(place, page, USERS, 2, |history, row| {
                let user = row.needed(0, row.number(0))?;
                history.users.insert(user, row.text_or_empty(1));
                Ok(())
            }),
            View::Version => self.each(place, page, VERSION, 1, |history, row| {
                history.engine = row.text(0).and_then(engine_version);
                Ok(())
            }),
            View::Columns => self.each(place, page, COLUMNS, 6, |_, row| {
                let position = row.needed(4, row.number(4))?;
                let column = (position, row.text_or_empty(3), row.text_or_empty(5));
                let [database, schema, table] = [0, 1, 2].map(|part| row.text_or_empty(part));
                catalogue.add_column([database, schema, table], column);
                Ok(())
            }),
            View::LateBindingColumns => self.each(place, page, LATE_BINDING, 5, |_, row| {
                let position = row.needed(4, row.number(4))?;
                let column = (position, row.text_or_empty(2), row.text_or_empty(3));
                // Only of the database that one is connected to, which the row does not name.
                let database = row.text_or_empty(5);
                let [schema, view] = [0, 1].map(|part| row.text_or_empty(part));
                catalogue.add_column([database, schema, view], column);
                Ok(())
            }),
            View::Databases => self.each(place, page, DATABASES, 2, |_, row| {
                let is_shared = row.text(1) == Some("shared");
                catalogue.add_database(row.text_or_empty(0), is_shared);
                Ok(())
            }),
            View::ExternalSchemas => self.each(place, page, EXTERNAL_SCHEMAS, 3, |_, row| {
                let kind = row.needed(1, row.number(1))?;
                let options = row.text_or_empty(3);
                let [schema, database] = [0, 2].map(|part| row.text_or_empty(part));
                catalogue.add_external_schema(&schema, kind, &database, &options);
                Ok(())
            }),
            View::Unused => Ok(()),
        }
    }
}

pub(super) const QUERIES: [&str; 12] = [
    "user_id",
    "query_id",
    "transaction_id",
    "session_id",
    "database_name",
    "status",
    "start_time",
    "end_time",
    "query_text",
    "query_label",
    "error_message",
    "generic_query_hash",
];
pub(super) const TEXTS: [&str; 3] = ["query_id", "sequence", "text"];
pub(super) const DETAILS: [&str; 3] = ["query_id", "step_name", "table_name"];
/// <https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_HISTORY.html>
pub(super) const LOADS: [&str; 6] = [
    "query_id",
    "data_source",
    "file_format",
    "loaded_rows",
    "source_file_count",
    "source_file_bytes",
];
/// <https://docs.aws.amazon.com/redshift/latest/dg/SYS_UNLOAD_HISTORY.html>
pub(super) const UNLOADS: [&str; 6] = [
    "query_id",
    "unloaded_location",
    "file_format",
    "unloaded_rows",
    "unloaded_files_count",
    "unloaded_files_size",
];
pub(super) const CALLS: [&str; 2] = ["query_id", "caller_procedure_query_id"];
pub(super) const TRANSACTIONS: [&str; 2] = ["transaction_id", "status"];
pub(super) const SESSIONS: [&str; 2] = ["session_id", "start_time"];
pub(super) const USERS: [&str; 2] = ["user_id", "user_name"];
pub(super) const VERSION: [&str; 1] = ["version"];
pub(super) const COLUMNS: [&str; 6] = [
    "database_name",
    "schema_name",
    "table_name",
    "column_name",
    "ordinal_position",
    "data_type",
];
pub(super) const LATE_BINDING: [&str; 6] = [
    "view_schema",
    "view_name",
    "col_name",
    "col_type",
    "col_num",
    "database_name",
];
pub(super) const DATABASES: [&str; 2] = ["database_name", "database_type"];
pub(super) const EXTERNAL_SCHEMAS: [&str; 4] =
    ["schemaname", "eskind", "databasename", "esoptions"];
fn query(row: &Row<'_, 12>) -> Result<Query, NoValue> {
    let status = match row.text_or_empty(5).as_str() {
        "success" => Status::Success,
        "failed" => Status::Failed,
        "canceled" | "cancelled" | "aborted" => Status::Canceled,
        // planning, queued, running, returning, and what may come: it is not over.
        _ => Status::Running,
    };
    Ok(Query {
        id: row.needed(1, row.number(1))?,
        user: row.number(0).unwrap_or_default(),
        label: row.text_or_empty(9),
        transaction: row.needed(2, row.number(2))?,
        session: row.needed(3, row.number(3))?,
        database: row.text_or_empty(4),
        status,
        start: row.needed(6, row.time(6))?,
        end: row.time(7),
        error: row.text_or_empty(10),
        text: row.text_or_empty(8),
        generic_hash: row.text_or_empty(11),
    })
}

/// A row of [`LOADS`] or [`UNLOADS`].
fn transfer(history: &mut History, row: &Row<'_, 6>) -> Result<(), NoValue> {
    let query = row.needed(0, row.number(0))?;
    let count = |column: usize| row.number(column).and_then(|count| count.try_into().ok());
    let transfer = Transfer {
        location: row.text_or_empty(1),
        format: row.text_or_empty(2),
        rows: count(3),
        files: count(4),
        bytes: count(5),
    };
    history.transfers.insert(query, transfer);
    Ok(())
}

/// The number in `PostgreSQL 8.0.2 on …, Redshift 1.0.127456`.
fn engine_version(version: &str) -> Option<String> {
    let (_, number) = version.split_once("Redshift ")?;
    let number = number.split_whitespace().next()?;
    let is_number = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_number && number.len() <= 40).then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_redshift() {
        let text = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.127456";
        assert_eq!(engine_version(text).as_deref(), Some("1.0.127456"));
        assert_eq!(engine_version("Redshift x"), None);
    }
}
