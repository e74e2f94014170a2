//! How much a consumer has not settled, and whether the log accepts events. Cheap with a million of them.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::consumers::Consumer;
use super::cursor::{self, Cursor};
use super::marks::Marks;
use super::{Log, SEND, unavailable};
use crate::free_space::FreeSpace;
use crate::{Depth, QueueError, now};

/// How long a probe counts: each costs a commit, and anyone may ask.
const FRESH: Duration = Duration::from_secs(1);

/// When the log was probed, and the result.
pub(super) type Probe = (Instant, Result<(), QueueError>);

/// How much is in the queue.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Events that wait for their first attempt. In SQS, all that can be received now: it does not tell those apart that were attempted
    /// before.
    pub waiting: u64,
    /// Events that were received and are not settled, those that are retried included.
    pub in_flight: u64,
    /// Those in flight that were attempted before: they wait for another attempt, are due, or it is under way. SQS does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrying: Option<u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// Age of the event that has been in the queue for longest, in seconds.
    pub oldest_seconds: Option<u64>,
}

impl Log {
    /// Whether an event could be appended now.
    pub async fn ready(&self) -> Result<(), QueueError> {
        let mut last = self.readiness.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
        {
            return result.clone();
        }
        let result = self.probe().await;
        self.log(&result);
        let result = result.map_err(QueueError);
        *last = Some((Instant::now(), result.clone()));
        result
    }

    /// Writes something, since only that shows whether it works.
    async fn probe(&self) -> Result<(), String> {
        let folder = self.folder.clone();
        let probe = move |connection: &Connection| {
            connection.execute("UPDATE owner SET probes = probes + 1", [])?;
            FreeSpace::of(&folder).suffices(connection)
        };
        match tokio::time::timeout(SEND, self.journal.write(probe)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(self.no_space()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the disk is too slow".to_owned()),
        }
    }
}

impl Consumer {
    /// Counts what is not settled, with the indexes. A caller that asks regularly should ask the less often, the longer it takes.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        let number = self.state.number;
        let depth = move |connection: &Connection| {
            let cursor = Cursor::read(connection, number)?;
            Ok(Depth {
                events: outstanding(connection, number, cursor)?,
                dead_letters: Some(dead_letters(connection, number)?),
                oldest_seconds: Some(oldest_seconds(connection, number, cursor)?.unwrap_or(0)),
            })
        };
        self.log.journal.read(depth).await.map_err(unavailable)
    }

    /// Returns how much is not settled.
    pub async fn status(&self) -> Result<Status, QueueError> {
        let number = self.state.number;
        let status = move |connection: &Connection| {
            let cursor = Cursor::read(connection, number)?;
            // Whether it is due or not: an event that was attempted is retried until it is settled.
            let attempted = "SELECT count(*) FROM pending WHERE consumer = ?1 AND attempts > 0";
            let attempted =
                connection.query_row(attempted, [number], |row| row.get::<_, i64>(0))?;
            let in_hand = cursor.received.saturating_sub(cursor.settled);
            let in_flight = attempted
                .unsigned_abs()
                .saturating_add(in_hand.unsigned_abs());
            Ok(Status {
                waiting: outstanding(connection, number, cursor)?.saturating_sub(in_flight),
                in_flight,
                retrying: Some(attempted.unsigned_abs()),
                dead_letters: dead_letters(connection, number)?,
                oldest_seconds: oldest_seconds(connection, number, cursor)?,
            })
        };
        self.log.journal.read(status).await.map_err(unavailable)
    }
}

/// Returns how many events are not settled. Above the cursor no event is deleted, so there are as many as numbers, unless a repair
/// has lost some.
pub(super) fn outstanding(
    connection: &Connection,
    consumer: i64,
    cursor: Cursor,
) -> rusqlite::Result<u64> {
    let (first, last) = (cursor.settled.saturating_add(1), cursor::last(connection)?);
    let above = Marks::read(connection)?.between(connection, first, last)?;
    let pending = "SELECT count(*) FROM pending WHERE consumer = ?1";
    let mut pending = connection.prepare_cached(pending)?;
    let pending: i64 = pending.query_row([consumer], |row| row.get(0))?;
    Ok(above.max(0).saturating_add(pending).unsigned_abs())
}

pub(super) fn dead_letters(connection: &Connection, consumer: i64) -> rusqlite::Result<u64> {
    let count = "SELECT count(*) FROM dead_letters WHERE consumer = ?1";
    let mut count = connection.prepare_cached(count)?;
    let count = count.query_row([consumer], |row| row.get::<_, i64>(0));
    count.map(i64::unsigned_abs)
}

/// Returns the age of the first event that is not settled, in seconds.
fn oldest_seconds(
    connection: &Connection,
    consumer: i64,
    cursor: Cursor,
) -> rusqlite::Result<Option<u64>> {
    let first = "SELECT min(seq) FROM pending WHERE consumer = ?1";
    let mut first = connection.prepare_cached(first)?;
    let first: Option<i64> = first.query_row([consumer], |row| row.get(0))?;
    let first = first.unwrap_or(cursor.settled.saturating_add(1));
    let oldest =
        "SELECT CAST(received_at AS INTEGER) FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let mut oldest = connection.prepare_cached(oldest)?;
    let oldest: Option<i64> = oldest.query_row([first], |row| row.get(0)).optional()?;
    Ok(oldest.map(|oldest| now().saturating_sub(oldest).max(0).unsigned_abs() / 1_000))
}
