//! The history: what happened to each event, at each target.
//!
//! A database beside the log, written by an observer of outcomes. It promises nothing: what cannot be recorded in time is left
//! out and counted, and delivery never waits for it. Bodies are not in it: the log has them. Names and reasons are, so whoever
//! records has taken secrets out of them.
//!
//! `search.rs` reads what people type, and is pure. A damaged file is repaired or replaced when it is opened, by `journal`.

mod entry;
mod find;
mod found;
mod record;
mod retention;
mod schema;
mod search;

use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use journal::{Claim, Journal};
use rusqlite::{Connection, ErrorCode};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

pub use entry::{Entry, MAX_DATASETS, Outcome, datasets};
pub use find::Page;
pub use found::{Found, FoundEvent, FoundOutcome, Name};
pub use retention::Retention;
pub use search::{IdStart, Kind, Pattern, Search, SearchError, Term};

/// How long a search may take. Usually it takes milliseconds; a word that half of a million events have takes longer.
const BUDGET: Duration = Duration::from_secs(2);

/// The history of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    journal: Journal,
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

impl History {
    /// The file in a data folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(schema::FILE)
    }

    /// Opens or creates the history in the folder that this process has claimed. Of a damaged file, what can be read is kept.
    pub fn own(claim: &Arc<Claim>) -> Result<History, journal::Error> {
        let path = History::path(claim.folder());
        let journal = Journal::own(&path, schema::SCHEMA, claim)?;
        Ok(History { journal })
    }

    /// Opens the history in a folder beside the process that owns it. Nothing is created.
    pub fn open(folder: &Path) -> Result<History, journal::Error> {
        let journal = Journal::open(&History::path(folder), schema::SCHEMA)?;
        Ok(History { journal })
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
        let write = move |connection: &Connection| {
            if let Some(Gap { at, count }) = gap {
                record::gap(connection, at, count)?;
            }
            let entries = entries();
            record::record(connection, &entries)?;
            retention::delete(connection, retention, now, entries.len()).map(drop)
        };
        self.journal.write(write).await
    }

    /// Deletes some of what is kept no longer. `now` is in milliseconds since 1970. Returns whether there may be more.
    pub async fn forget(&self, retention: Retention, now: i64) -> Result<bool, journal::Error> {
        let write = move |connection: &Connection| retention::forget(connection, retention, now);
        self.journal.write(write).await
    }

    /// Finds at most `limit` events, and no more after some 8 MB of them. `now` is in milliseconds since 1970.
    pub async fn find(
        &self,
        search: Search,
        page: Page,
        limit: usize,
        now: i64,
    ) -> Result<Found, FindError> {
        let read = move |connection: &Connection| {
            within(connection, BUDGET, |connection| {
                // One snapshot: what is recorded meanwhile comes with the next page, and `newest` is not older than the page.
                let connection = connection.unchecked_transaction()?;
                let newest = find::newest(&connection)?;
                // One more than asked for, which tells whether there are more.
                let asked = (page, limit.saturating_add(1));
                let (events, is_cut) = find::find(&connection, &search, asked, now)?;
                let mut found = Found::page(events, limit, newest);
                found.more |= is_cut;
                Ok(found)
            })
        };
        self.journal.read(read).await.map_err(|error| {
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
        })
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
fn shown(time: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000_000);
    time.map_or_else(|_| String::new(), written)
}

#[cfg(test)]
mod tests;
