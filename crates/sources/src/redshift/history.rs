//! What the system views say about statements, as typed rows, and what is asked of it. What it comes to is decided in
//! `extract`. `history/view.rs` names the views, `history/add.rs` takes their answers, and `history/rows.rs` reads the rows.
//!
//! The views are those of <https://docs.aws.amazon.com/redshift/latest/dg/serverless_views-monitoring.html>, which
//! provisioned clusters have, too.

mod add;
mod rows;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::result::Page;
use super::text::Pieces;
use crate::{Finding, UnreadInput};

pub use add::ReadError;
pub(super) use add::not_an_answer;
pub(super) use view::VIEWS;
pub use view::View;

/// Findings about single rows are counted beyond these.
const MAX_ROW_FINDINGS: usize = 20;

/// What was read of the history of a warehouse, and of its catalogue.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub(super) queries: BTreeMap<i64, Query>,
    pub(super) texts: BTreeMap<i64, Pieces>,
    pub(super) scans: BTreeMap<i64, BTreeSet<Scan>>,
    /// What each COPY has loaded and each UNLOAD has written.
    pub(super) transfers: BTreeMap<i64, Transfer>,
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
    /// Those of which the reason is a bug.
    pub(super) unread: Vec<UnreadInput>,
    /// Views that cannot be read, with the reason.
    pub(super) invisible: BTreeMap<View, String>,
    unreadable: usize,
    /// Whether the last page of a view is there, of answers that do not say how many rows they have.
    ends: BTreeMap<View, bool>,
    /// The rows that are there of answers of which rows are missing, by their view and how many they have. Answers with the same
    /// number are counted together.
    partial: BTreeMap<(View, u64), u64>,
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

/// What a COPY has read from S3, or an UNLOAD has written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transfer {
    /// Where the files are, as a URL.
    pub(super) location: String,
    /// As Redshift names it: `csv`, `txt`, `Parquet`.
    pub(super) format: String,
    /// The rows that were loaded or unloaded.
    pub(super) rows: Option<u64>,
    /// The files in S3.
    pub(super) files: Option<u64>,
    /// Their size in bytes.
    pub(super) bytes: Option<u64>,
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

impl History {
    /// Says that a view cannot be read, and why. It is reported once.
    pub fn add_invisible(&mut self, view: View, reason: &str) {
        self.invisible.insert(view, reason.to_owned());
    }

    /// The views of which pages of an answer are missing.
    pub(super) fn cut_views(&self) -> BTreeSet<View> {
        let without_end = self.ends.iter().filter(|(_, is_there)| !**is_there);
        let without_end = without_end.map(|(view, _)| *view);
        without_end
            .chain(self.partial.keys().map(|(view, _)| *view))
            .collect()
    }

    /// Notes a page of an answer, in any order: answers of other times are no pages of it, so their last pages do not end it.
    fn note_page(&mut self, view: View, page: &Page) {
        let Some(total) = page.total() else {
            *self.ends.entry(view).or_default() |= !page.goes_on();
            return;
        };
        let before = self.partial.remove(&(view, total)).unwrap_or_default();
        let rows = (before + page.row_count()).checked_rem(total);
        if let Some(rows @ 1..) = rows {
            self.partial.insert((view, total), rows);
        }
    }

    /// Forgets findings, once they are reported.
    pub fn forget_findings(&mut self) {
        self.findings.clear();
        self.unread.clear();
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
