//! The bodies of the newest events, or of some of them by their ids, in bounded time and memory. The log has no index of ids: it is
//! read from its end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::dead_letters::text;
use super::{Log, unavailable};
use crate::QueueError;

/// How many rows are read between two looks at the clock.
const CHUNK: usize = 256;

/// How many bodies are read at most, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// The most events.
    pub events: usize,
    /// The most bytes, beyond the last event.
    pub bytes: usize,
    /// How long the log is read.
    pub time: Duration,
}

/// An event of the log with its body as it was accepted. Bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedBody {
    /// The event's id.
    pub id: String,
    /// Its body.
    pub body: String,
}

impl Log {
    /// Reads the bodies of the newest events, newest first: of those with these ids, or of any.
    pub async fn newest_bodies(
        &self,
        ids: Option<HashSet<String>>,
        limits: BodyLimits,
    ) -> Result<Vec<LoggedBody>, QueueError> {
        let read = move |connection: &Connection| newest(connection, ids, limits);
        self.journal.read(read).await.map_err(unavailable)
    }
}

fn newest(
    connection: &Connection,
    mut ids: Option<HashSet<String>>,
    limits: BodyLimits,
) -> rusqlite::Result<Vec<LoggedBody>> {
    let mut select = connection.prepare_cached("SELECT seq, id FROM events ORDER BY seq DESC")?;
    let mut body = connection.prepare_cached("SELECT body FROM events WHERE seq = ?1")?;
    let (begun, mut found, mut bytes, mut count) = (Instant::now(), Vec::new(), 0, 0);
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        count += 1;
        let is_late = count % CHUNK == 0 && begun.elapsed() >= limits.time;
        let is_over = ids.as_ref().is_some_and(HashSet::is_empty);
        if is_late || is_over || found.len() >= limits.events || bytes >= limits.bytes {
            break;
        }
        let id = text(row, 1)?;
        // Each once: another writer may have appended an id twice.
        if ids.as_mut().is_none_or(|ids| ids.remove(&id)) {
            let seq: i64 = row.get(0)?;
            let body = body.query_row([seq], |row| text(row, 0))?;
            bytes += body.len();
            found.push(LoggedBody { id, body });
        }
    }
    Ok(found)
}
