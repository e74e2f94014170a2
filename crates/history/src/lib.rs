//! The history: what happened to each event, at each target.
//!
//! A database beside the log, written by an observer of outcomes. It promises nothing: what cannot be recorded in time is left
//! out and counted, and delivery never waits for it. Bodies are not in it: the log has them. Names and reasons are, so whoever
//! records has taken secrets out of them.
//!
//! Of what was delivered it has the lineage too: `lineage.rs` reads it, `query.rs` answers questions about it.
//!
//! `search.rs` reads what people type, and is pure. A damaged file is repaired or replaced when it is opened, by `journal`.

mod entry;
mod find;
mod found;
mod known;
mod lineage;
mod numbers;
mod query;
mod record;
mod retention;
mod schema;
mod search;
mod state;

use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use journal::{Claim, Journal};
use rusqlite::{Connection, ErrorCode};
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};
use time::format_description::well_known::{Iso8601, Rfc3339};

pub use entry::{Entry, MAX_DATASETS, Outcome, datasets, time};
pub use find::Page;
pub use found::{Found, FoundEvent, FoundOutcome, FoundPage, FoundWaiting, Name, WaitingEvent};
pub use graph::{EdgeKind, NodeKind, Reach};
pub use known::{
    ColumnPath, ColumnRef, ColumnStep, Connected, ConnectedNode, Count, EventPlace, FieldType,
    FoundColumn, FoundRun, KnownEdge, KnownNode, LatestRun, NamespaceCount, Near, NearNode,
    Neighbours, NodeDetails, NodeFacts, NodeRef, OpenedColumns, Overview, Period, Tally, Whole,
};
pub use lineage::DeliveredEvent;
use lineage::held::Held;
pub use query::{Bounds, EventsOfNodes, NodeOrder, NodeSearch};
pub use retention::Retention;
pub use search::{IdStart, Kind, Pattern, Search, SearchError, Term, Unsettled};
pub use state::RunState;

/// How long a search may take. Usually it takes milliseconds; a word that half of a million events have takes longer.
const BUDGET: Duration = Duration::from_secs(2);

/// The history of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    journal: Journal,
    /// Only what records has any.
    recording: Recording,
}

/// What is kept in memory between two writes: the events whose lineage waits for the first target. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Recording(Arc<Mutex<Unrecorded>>);

#[derive(Debug, Default)]
struct Unrecorded {
    held: Held,
    /// Of how many events the lineage was left out.
    left_out: u64,
}

impl Recording {
    fn lock(&self) -> MutexGuard<'_, Unrecorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The search took longer than 2 s.
    #[error(
        "the search takes longer than 2 s: add a term that fewer events match, such as since:2h, job: or run:"
    )]
    TooLong,
    /// The database cannot be read.
    #[error(transparent)]
    Failed(#[from] journal::Error),
}

impl FindError {
    fn from_read(error: journal::Error) -> FindError {
        let is_interrupted = match &error {
            journal::Error::Database { source, .. } => {
                source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
            }
            journal::Error::Panicked(_) | journal::Error::Failed(_) => false,
        };
        match is_interrupted {
            true => FindError::TooLong,
            false => FindError::Failed(error),
        }
    }
}

impl History {
    /// The file in a data folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(schema::FILE)
    }

    /// Opens or creates the history in the folder that this process has claimed. Of a damaged file, what can be read is kept.
    pub fn own(claim: &Arc<Claim>) -> Result<History, journal::Error> {
        History::own_with(claim, Recording::default())
    }

    /// The same after the file has failed: what waited to be recorded is recorded in the new one.
    pub fn own_with(claim: &Arc<Claim>, recording: Recording) -> Result<History, journal::Error> {
        let path = History::path(claim.folder());
        let journal = Journal::own(&path, schema::SCHEMA, claim)?;
        Ok(History { journal, recording })
    }

    /// Opens the history in a folder beside the process that owns it, to read it. Nothing is created.
    pub fn open(folder: &Path) -> Result<History, journal::Error> {
        let journal = Journal::open_to_read(&History::path(folder), schema::SCHEMA)?;
        let recording = Recording::default();
        Ok(History { journal, recording })
    }

    /// Records the outcomes that `entries` returns, in their order, after a gap of so many that were left out, and deletes up to as
    /// many events that are kept no longer: there are never more than `retention` says, however fast they come. `now` is in
    /// milliseconds since 1970. `entries` is called on the thread that writes.
    pub async fn record(
        &self,
        entries: impl FnOnce() -> Vec<Entry> + Send + 'static,
        gap: Option<Gap>,
        retention: Retention,
        now: i64,
    ) -> Result<(), journal::Error> {
        self.write(move |connection, held| {
            if let Some(Gap { at, count }) = gap {
                record::gap(connection, at, count)?;
            }
            let entries = entries();
            let left_out = record::record(connection, &entries, held, now)?;
            retention::delete(connection, retention, now, entries.len())?;
            Ok(((), left_out))
        })
        .await
    }

    /// Deletes some of what is kept no longer. `now` is in milliseconds since 1970. Returns whether there may be more.
    pub async fn forget(&self, retention: Retention, now: i64) -> Result<bool, journal::Error> {
        self.write(move |connection, held| {
            let left_out = record::record(connection, &[], held, now)?; // what has waited long enough
            Ok((retention::forget(connection, retention, now)?, left_out))
        })
        .await
    }

    /// Records the lineage of the events that another target has and that wait for the first one: to be called before a stop. `now` is in
    /// milliseconds since 1970.
    pub async fn settle(&self, now: i64) -> Result<(), journal::Error> {
        self.write(move |connection, held| Ok(((), record::settle(connection, held, now)?)))
            .await
    }

    /// Of how many events the lineage was left out since this was called last: too much was new at once. Their outcomes are recorded.
    pub fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.recording.lock().left_out)
    }

    /// Writes, with the events that wait for the first target, and counts those whose lineage was left out. If nothing is written, the
    /// same ones wait as before. For one caller at a time.
    async fn write<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &mut Held) -> rusqlite::Result<(R, u64)> + Send + 'static,
    ) -> Result<R, journal::Error> {
        let mut held = self.recording.lock().held.clone();
        let write = move |connection: &Connection| Ok((work(connection, &mut held)?, held));
        let ((written, left_out), held) = self.journal.write(write).await?;
        let mut unrecorded = self.recording.lock();
        unrecorded.held = held;
        unrecorded.left_out += left_out;
        Ok(written)
    }

    /// Finds at most `limit` events, and no more after some 8 MB of them. `now` is in milliseconds since 1970.
    pub async fn find(
        &self,
        search: Search,
        page: Page,
        limit: usize,
        now: i64,
    ) -> Result<Found, FindError> {
        self.ask(move |connection| {
            // In one snapshot: what is recorded meanwhile comes with the next page, and `newest` is not older than the page.
            let newest = find::newest(connection)?;
            // One more than asked for, which tells whether there are more.
            let asked = (page, limit.saturating_add(1));
            let (events, is_cut) = find::find(connection, &search, asked, now)?;
            let mut found = Found::page(events, limit, newest);
            found.more |= is_cut;
            Ok(found)
        })
        .await
    }

    /// See [`Journal::closed`].
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.journal.closed()
    }

    /// See [`Journal::has_failed`].
    pub fn has_failed(&self) -> bool {
        self.journal.has_failed()
    }

    /// See [`Journal::failed`].
    pub async fn failed(&self) -> journal::Failure {
        self.journal.failed().await
    }
}

/// Outcomes that were not recorded.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How many.
    pub count: u64,
}

/// Does `work`, and interrupts it when it takes longer.
fn within<R>(
    connection: &Connection,
    budget: Duration,
    work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    let handle = connection.get_interrupt_handle();
    let (ended, ends) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if ends.recv_timeout(budget) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let result = work(connection);
        // Before the thread is joined: the next work on this connection is not interrupted.
        drop(ended);
        result
    })
}

/// RFC 3339 with three decimals.
const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second {
        decimal_digits: NonZeroU8::new(3),
    })
    .encode();

/// A time in RFC 3339 with three decimals, the rest of which is cut: so texts of times in UTC sort as the times do.
pub fn written(time: OffsetDateTime) -> String {
    time.format(&Iso8601::<MILLISECONDS>).unwrap_or_default()
}

/// A time in milliseconds since 1970, in RFC 3339.
pub fn shown(time: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000_000);
    time.map_or_else(|_| String::new(), written)
}

/// A time in RFC 3339, in milliseconds since 1970.
pub fn milliseconds(text: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests;
