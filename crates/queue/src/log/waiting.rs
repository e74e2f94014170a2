//! The newest events that no target was sent yet, for a person who looks at the log.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::cursor::{Cursor, STOPPED};
use super::read::{RECEIVED_AT, text};
use super::{Log, unavailable};
use crate::QueueError;

/// How far a search goes for events that were put back into the queue: during an outage, many wait for another attempt.
const LOOK_AT: i64 = 1_000;

/// The longest body that is returned, in bytes: a hundred of them fit into memory.
const LONGEST: i64 = 65_536;

/// An event that waits for its first attempt at some targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// The event's id.
    pub id: String,
    /// When it was accepted, in milliseconds since 1970.
    pub received_at: i64,
    /// Bytes of its text.
    pub size: u64,
    /// Its text, unless it is longer than 64 KB.
    pub body: Option<String>,
    /// For which targets it waits, and whether it was received for them.
    pub targets: Vec<(String, bool)>,
}

struct Reader {
    consumer: i64,
    target: String,
    cursor: Cursor,
}

impl Log {
    /// Returns the newest events that wait for their first attempt, at most so many. Those that were attempted before are not
    /// among them.
    pub async fn waiting(&self, most: u32) -> Result<Vec<WaitingEvent>, QueueError> {
        let waiting = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let readers = readers(&snapshot)?;
            events(&snapshot, &readers, &numbers(&snapshot, &readers, most)?)
        };
        self.journal.read(waiting).await.map_err(unavailable)
    }

    /// Returns the numbers of the events that [`Log::waiting`] returns: thousands of them take little memory, and the events are
    /// read a part at a time.
    pub async fn waiting_numbers(&self, most: u32) -> Result<Vec<i64>, QueueError> {
        let waiting = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            numbers(&snapshot, &readers(&snapshot)?, most)
        };
        self.journal.read(waiting).await.map_err(unavailable)
    }

    /// Returns those of these events that still wait.
    pub async fn waiting_events(&self, numbers: Vec<i64>) -> Result<Vec<WaitingEvent>, QueueError> {
        let waiting = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            events(&snapshot, &readers(&snapshot)?, &numbers)
        };
        self.journal.read(waiting).await.map_err(unavailable)
    }
}

/// The numbers of the events that wait, the newest first.
fn numbers(connection: &Connection, readers: &[Reader], most: u32) -> rusqlite::Result<Vec<i64>> {
    let Some(lowest) = readers.iter().map(|reader| reader.cursor.settled).min() else {
        return Ok(Vec::new());
    };
    let mut numbers = BTreeSet::new();
    let newest = "SELECT seq FROM events WHERE seq > ?1 ORDER BY seq DESC LIMIT ?2";
    let mut newest = connection.prepare_cached(newest)?;
    for seq in newest.query_map(params![lowest, most], |row| row.get::<_, i64>(0))? {
        numbers.insert(seq?);
    }
    for reader in readers {
        let again = "SELECT seq FROM (SELECT seq, attempts FROM pending WHERE consumer = ?1 ORDER BY seq DESC LIMIT ?2)
                     WHERE attempts = 0 LIMIT ?3";
        let mut again = connection.prepare_cached(again)?;
        let found = params![reader.consumer, LOOK_AT, most];
        for seq in again.query_map(found, |row| row.get::<_, i64>(0))? {
            numbers.insert(seq?);
        }
    }
    let newest = numbers.into_iter().rev().take(most as usize);
    Ok(newest.collect())
}

fn events(
    connection: &Connection,
    readers: &[Reader],
    numbers: &[i64],
) -> rusqlite::Result<Vec<WaitingEvent>> {
    let events = numbers.iter();
    let events = events.filter_map(|seq| event(connection, readers, *seq).transpose());
    events.collect()
}

/// The consumers of the targets that are served.
fn readers(connection: &Connection) -> rusqlite::Result<Vec<Reader>> {
    let mut select = connection.prepare_cached("SELECT consumer, target FROM cursors")?;
    let all = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut readers = Vec::new();
    for found in all {
        let (consumer, target) = found?;
        let cursor = Cursor::read(connection, consumer)?;
        if cursor.settled != STOPPED {
            readers.push(Reader {
                consumer,
                target,
                cursor,
            });
        }
    }
    Ok(readers)
}

fn event(
    connection: &Connection,
    readers: &[Reader],
    seq: i64,
) -> rusqlite::Result<Option<WaitingEvent>> {
    let mut targets = Vec::new();
    for reader in readers {
        if seq > reader.cursor.settled {
            targets.push((reader.target.clone(), seq <= reader.cursor.received));
            continue;
        }
        let again = "SELECT 1 FROM pending WHERE consumer = ?1 AND seq = ?2 AND attempts = 0";
        if connection
            .prepare_cached(again)?
            .exists([reader.consumer, seq])?
        {
            targets.push((reader.target.clone(), false));
        }
    }
    if targets.is_empty() {
        return Ok(None); // it was settled meanwhile
    }
    let sql = format!(
        "SELECT id, {RECEIVED_AT}, octet_length(body), iif(octet_length(body) <= ?2, body, NULL) FROM events WHERE seq = ?1"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let event = select.query_row([seq, LONGEST], |row| {
        let size: i64 = row.get::<_, Option<i64>>(2)?.unwrap_or(0);
        let body = text(row, 3)?;
        Ok(WaitingEvent {
            id: text(row, 0)?,
            received_at: row.get(1)?,
            size: size.unsigned_abs(),
            body: (!body.is_empty()).then_some(body),
            targets,
        })
    });
    event.optional()
}
