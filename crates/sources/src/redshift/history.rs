//! What the system views say about statements, as typed rows. What it comes to is decided in `extract`; how an answer
//! is written is known by `result`. `fetch` adds the answers to its queries, and the tests saved ones.
//!
//! The views are those of <https://docs.aws.amazon.com/redshift/latest/dg/serverless_views-monitoring.html>, which
//! provisioned clusters have, too.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::catalogue::Catalogue;
use super::result::{Columns, NoValue, Page, Row};
use super::text::Pieces;
use crate::{Finding, FindingRule};

/// Findings about single rows are counted beyond these.
const MAX_ROW_FINDINGS: usize = 20;

/// What was read of the history of a warehouse, and of its catalogue.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(super) queries: BTreeMap<i64, Query>,
    pub(super) texts: BTreeMap<i64, Pieces>,
    pub(super) scans: BTreeMap<i64, BTreeSet<Scan>>,
    /// The procedures that ran, each with the one that called it.
    pub(super) calls: BTreeMap<i64, Option<i64>>,
    /// By their id. `None`: the view cannot be read.
    pub(super) transactions: Option<BTreeMap<i64, Outcome>>,
    pub(super) sessions: Vec<SessionSpan>,
    pub(super) users: BTreeMap<i64, String>,
    /// What `version()` says.
    pub(super) engine: Option<String>,
    /// Rows that cannot be read.
    pub(super) findings: Vec<Finding>,
    /// Views that cannot be read, with the reason.
    pub(super) invisible: BTreeMap<View, String>,
    unreadable: usize,
    /// Whether the last page of a view is there.
    ends: BTreeMap<View, bool>,
}

/// What a result is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    /// SYS_QUERY_HISTORY.
    Queries,
    /// SYS_QUERY_TEXT.
    Texts,
    /// SYS_QUERY_DETAIL.
    Details,
    /// SYS_PROCEDURE_CALL.
    Calls,
    /// SYS_TRANSACTION_HISTORY.
    Transactions,
    /// SYS_SESSION_HISTORY.
    Sessions,
    /// SVV_ALL_COLUMNS.
    Columns,
    /// `pg_get_late_binding_view_cols()`.
    LateBindingColumns,
    /// SVV_REDSHIFT_DATABASES.
    Databases,
    /// SVV_EXTERNAL_SCHEMAS.
    ExternalSchemas,
    /// SVV_USER_INFO.
    Users,
    /// `SELECT version()`.
    Version,
    /// A view that says nothing more: SYS_LOAD_HISTORY, SYS_UNLOAD_HISTORY, SVV_EXTERNAL_TABLES.
    Unused,
}

/// A statement.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) id: i64,
    pub(super) user: i64,
    pub(super) label: String,
    pub(super) transaction: i64,
    pub(super) session: i64,
    pub(super) database: String,
    pub(super) status: Status,
    pub(super) start: OffsetDateTime,
    pub(super) end: Option<OffsetDateTime>,
    pub(super) error: String,
    /// As it is stored: escaped, and cut after 4,000 bytes.
    pub(super) text: String,
    /// The same for statements that differ in literals alone. May be empty.
    pub(super) generic_hash: String,
}

/// How far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Success,
    Failed,
    Canceled,
}

/// A table that a step of a statement read or wrote, as `database.schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scan {
    pub(super) table: String,
    pub(super) writes: bool,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Committed,
    RolledBack,
}

/// From when to when a session id stood for one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionSpan {
    pub(super) session: i64,
    pub(super) start: OffsetDateTime,
}

/// A result that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no answer of GetStatementResult.
    #[error(
        "{place}: not an answer of GetStatementResult: JSON {category} error at line {line}, column {column}"
    )]
    NotAnAnswer {
        /// The name of the result.
        place: String,
        /// Which kind of error, in words of JSON.
        category: &'static str,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A column is not there.
    #[error("{place}: no column {column}")]
    NoColumn {
        /// The name of the result.
        place: String,
        /// The column.
        column: &'static str,
    },
    /// Neither its name nor its columns are those of a view.
    #[error(
        "{place}: not a result of a view that is read; give the file the name of its view: {known}"
    )]
    UnknownView {
        /// The name of the result.
        place: String,
        /// What views there are.
        known: String,
    },
}

/// The names of results: those of their views, in lower case.
pub(super) const VIEWS: [(&str, View); 15] = [
    ("sys_query_history", View::Queries),
    ("sys_query_text", View::Texts),
    ("sys_query_detail", View::Details),
    ("sys_procedure_call", View::Calls),
    ("sys_transaction_history", View::Transactions),
    ("sys_session_history", View::Sessions),
    ("svv_all_columns", View::Columns),
    ("pg_get_late_binding_view_cols", View::LateBindingColumns),
    ("svv_redshift_databases", View::Databases),
    ("svv_external_schemas", View::ExternalSchemas),
    ("svv_user_info", View::Users),
    ("version", View::Version),
    ("sys_load_history", View::Unused),
    ("sys_unload_history", View::Unused),
    ("svv_external_tables", View::Unused),
];

impl View {
    /// Its name.
    pub fn name(self) -> &'static str {
        let is_it = |(_, view): &&(&str, View)| *view == self;
        VIEWS.iter().find(is_it).map_or("", |(name, _)| *name)
    }

    /// The view whose name is that of a result up to its first dot: `sys_query_history.page-2.json`.
    pub fn of_name(name: &str) -> Option<View> {
        let stem = name.split('.').next().unwrap_or_default();
        let is_it = |(known, _): &&(&str, View)| known.eq_ignore_ascii_case(stem);
        VIEWS.iter().find(is_it).map(|(_, view)| *view)
    }
}

impl History {
    /// Adds an answer, or an array of the pages of one. `place` names it in errors and findings.
    ///
    /// # Errors
    ///
    /// It is no answer of GetStatementResult, or has not the columns of that view. Rows that cannot be read are findings.
    pub fn add(
        &mut self,
        catalogue: &mut Catalogue,
        view: View,
        place: &str,
        bytes: &[u8],
    ) -> Result<(), ReadError> {
        // Told apart by the first byte: trying both would hide the position of an error.
        let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let pages = match is_array {
            true => serde_json::from_slice::<Vec<Page>>(bytes),
            false => serde_json::from_slice(bytes).map(|page| vec![page]),
        };
        let pages = pages.map_err(|error| not_an_answer(place, &error))?;
        let is_last = pages.iter().any(|page| !page.goes_on());
        *self.ends.entry(view).or_default() |= is_last;
        if view == View::Transactions {
            self.transactions.get_or_insert_default();
        }
        for page in pages.iter().filter(|page| !page.is_empty()) {
            self.add_page(catalogue, view, place, page)
                .map_err(|column| ReadError::NoColumn {
                    place: place.to_owned(),
                    column,
                })?;
        }
        Ok(())
    }

    fn add_page(
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

    /// Reads every row. One that cannot be read is a finding, and harms no other.
    fn each<const N: usize>(
        &mut self,
        place: &str,
        page: &Page,
        names: [&'static str; N],
        required: usize,
        mut read: impl FnMut(&mut History, &Row<'_, N>) -> Result<(), NoValue>,
    ) -> Result<(), &'static str> {
        let columns: Columns<N> = page.columns(names, required)?;
        for (number, row) in (1..).zip(page.rows(&columns)) {
            let Err(NoValue(column)) = read(self, &row) else {
                continue;
            };
            self.unreadable += 1;
            if self.unreadable <= MAX_ROW_FINDINGS {
                let column = names.get(column).copied().unwrap_or_default();
                self.findings.push(Finding {
                    rule: FindingRule::Unreadable,
                    place: format!("{place}, row {number}"),
                    message: format!("no value that can be read in column {column}"),
                });
            }
        }
        Ok(())
    }

    /// Says that a view cannot be read, and why. It is reported once.
    pub fn add_invisible(&mut self, view: View, reason: &str) {
        self.invisible.insert(view, reason.to_owned());
    }

    /// The views of which only the first pages are there.
    pub(super) fn cut_views(&self) -> impl Iterator<Item = View> {
        self.ends
            .iter()
            .filter(|(_, is_there)| !**is_there)
            .map(|(view, _)| *view)
    }

    /// Forgets findings, once they are reported.
    pub fn forget_findings(&mut self) {
        self.findings.clear();
        self.unreadable = 0;
    }

    /// The ids of the first and the last transaction.
    pub fn transactions_between(&self) -> Option<(i64, i64)> {
        let ids = || self.queries.values().map(|query| query.transaction);
        Some((ids().min()?, ids().max()?))
    }

    /// The statements that had started by a time, as the history had them then: for tests.
    #[cfg(test)]
    pub(super) fn as_of(&self, from: OffsetDateTime, now: OffsetDateTime) -> History {
        let mut then = self.clone();
        then.queries
            .retain(|_, query| query.start >= from && query.start < now);
        for query in then.queries.values_mut() {
            if query.end.is_some_and(|end| end >= now) {
                query.end = None;
                query.status = Status::Running;
            }
        }
        // Transactions are told when they are over: after their last statement.
        let mut last: BTreeMap<i64, OffsetDateTime> = BTreeMap::new();
        for query in self.queries.values() {
            let end = query.end.unwrap_or(query.start);
            let last = last.entry(query.transaction).or_insert(end);
            *last = end.max(*last);
        }
        if let Some(told) = &mut then.transactions {
            told.retain(|id, _| last.get(id).is_some_and(|last| *last < now));
        }
        then
    }

    /// How many rows could not be read, beyond those that are findings.
    pub(super) fn unreadable_beyond(&self) -> usize {
        self.unreadable.saturating_sub(MAX_ROW_FINDINGS)
    }

    /// The ids of the statements of which the history row may not have all of the text.
    pub fn long_texts(&self) -> Vec<i64> {
        let is_long = |query: &&Query| may_be_cut(&query.text);
        let long = self.queries.values().filter(is_long);
        long.map(|query| query.id).collect()
    }

    /// How many statements there are.
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether there is no statement.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// When the last statement started.
    pub fn last_start(&self) -> Option<OffsetDateTime> {
        self.queries.values().map(|query| query.start).max()
    }
}

/// Whether `query_text` may not be all of a text: it is cut somewhat before its 4,000 bytes, too.
pub(super) fn may_be_cut(stored: &str) -> bool {
    const SHORTEST_CUT: usize = 3_800;
    stored.len() >= SHORTEST_CUT
}

const QUERIES: [&str; 12] = [
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
const TEXTS: [&str; 3] = ["query_id", "sequence", "text"];
const DETAILS: [&str; 3] = ["query_id", "step_name", "table_name"];
const CALLS: [&str; 2] = ["query_id", "caller_procedure_query_id"];
const TRANSACTIONS: [&str; 2] = ["transaction_id", "status"];
const SESSIONS: [&str; 2] = ["session_id", "start_time"];
const USERS: [&str; 2] = ["user_id", "user_name"];
const VERSION: [&str; 1] = ["version"];
const COLUMNS: [&str; 6] = [
    "database_name",
    "schema_name",
    "table_name",
    "column_name",
    "ordinal_position",
    "data_type",
];
const LATE_BINDING: [&str; 6] = [
    "view_schema",
    "view_name",
    "col_name",
    "col_type",
    "col_num",
    "database_name",
];
const DATABASES: [&str; 2] = ["database_name", "database_type"];
const EXTERNAL_SCHEMAS: [&str; 4] = ["schemaname", "eskind", "databasename", "esoptions"];

pub(super) fn not_an_answer(place: &str, error: &serde_json::Error) -> ReadError {
    ReadError::NotAnAnswer {
        place: place.to_owned(),
        category: match error.classify() {
            serde_json::error::Category::Io => "input",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "type",
            serde_json::error::Category::Eof => "end of input",
        },
        line: error.line(),
        column: error.column(),
    }
}

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

    fn added(name: &str, json: &str) -> (History, Result<(), ReadError>) {
        let mut history = History::default();
        let added = history.add_file(&mut Catalogue::default(), name, json.as_bytes());
        (history, added)
    }

    #[test]
    fn a_row_without_its_id_is_a_finding_and_harms_no_other() {
        let json = r#"[
            {"ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
             "Records": [[{"isNull": true}, {"longValue": 0}, {"stringValue": "x"}]]},
            {"ColumnMetadata": [{"name": "query_id"}, {"name": "sequence"}, {"name": "text"}],
             "Records": [[{"longValue": 7}, {"longValue": 0}, {"stringValue": "x"}]]}]"#;
        let (history, added) = added("sys_query_text.json", json);
        assert_eq!(added, Ok(()));
        assert_eq!(history.texts.len(), 1);
        let [finding] = &history.findings[..] else {
            panic!()
        };
        assert_eq!(finding.place, "sys_query_text.json, row 1");
        assert!(finding.message.ends_with("column query_id"));
    }

    #[test]
    fn an_error_names_the_place_and_nothing_that_stands_there() {
        let (_, broken) = added("sys_query_text.json", "{\"Records\": \"secret\"}");
        let error = broken.unwrap_err().to_string();
        assert!(
            error.contains("line 1") && !error.contains("secret"),
            "{error}"
        );
        let (_, other) = added(
            "sys_query_text.json",
            r#"{"ColumnMetadata": [{"name": "query_id"}], "Records": []}"#,
        );
        assert_eq!(
            other.unwrap_err().to_string(),
            "sys_query_text.json: no column sequence"
        );
    }

    #[test]
    fn the_version_is_that_of_redshift() {
        let text = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.127456";
        assert_eq!(engine_version(text).as_deref(), Some("1.0.127456"));
        assert_eq!(engine_version("Redshift x"), None);
    }
}
