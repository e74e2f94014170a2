//! Reads the events of the log as they were accepted, beside everything else that happens to it: whoever replays them.
//!
//! A read takes one step: a limited number of events, and of bytes, on a connection that only reads. So a reader needs little
//! memory whatever the size of the log, and neither delays the writer nor keeps its file from shrinking. Between two steps
//! the retention may delete events; the next step goes on with those that are left.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Log, unavailable};
use crate::QueueError;

/// Most events that one step returns, most bytes that it returns beyond the first event, and most events that it looks at.
/// Of those that it does not return, only the times are read, which stand before the body.
const STEP: usize = 256;
const STEP_BYTES: usize = 8 << 20;
const LOOK_AT: i64 = 4_096;

/// How far the order of the numbers and that of the times of acceptance may differ, in milliseconds: an event is appended up
/// to 4 s after it was accepted, and a clock is set back by a little. A search looks no further, so that it need not look at
/// all events. A read does: see [`Log::read`].
pub(super) const DISORDER: i64 = 60_000;

/// When events were accepted, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptedBetween {
    /// At this time or later.
    pub since: i64,
    /// Before this time.
    pub until: i64,
}

impl AcceptedBetween {
    /// Any time.
    pub const EVER: AcceptedBetween = AcceptedBetween {
        since: i64::MIN,
        until: i64::MAX,
    };

    /// Whether a time is among them.
    pub fn contains(self, time: i64) -> bool {
        time >= self.since && time < self.until
    }
}

/// An event of the log, as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its position: what to pass to [`Log::read`] to go on after it.
    pub position: i64,
    /// The event's id.
    pub id: String,
    /// When it was accepted, in milliseconds since 1970.
    pub received_at: i64,
    /// Its text. Bytes that are not UTF-8, on a damaged page, are replaced.
    pub body: String,
}

/// Some events of the log, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvents {
    /// The events, in the order in which they were appended. There may be none although others follow.
    pub events: Vec<LoggedEvent>,
    /// What to pass to [`Log::read`] next; `None` when there are no more for now.
    pub next: Option<i64>,
}

impl Log {
    /// Reads the next events that were accepted at such a time, in the order in which they were appended: those after
    /// `position`, which is that of an earlier step, or `i64::MIN` at first, up to the position `last`.
    ///
    /// Positions stay valid as long as the log exists. The time of every event is compared: a clock that was wrong for a
    /// while hides no other event.
    pub async fn read(
        &self,
        position: i64,
        last: i64,
        accepted: AcceptedBetween,
    ) -> Result<LoggedEvents, QueueError> {
        let read = move |connection: &Connection| step(connection, position, last, accepted);
        self.journal.read(read).await.map_err(unavailable)
    }

    /// Returns the position of the newest event. `None` if there is none.
    pub async fn newest(&self) -> Result<Option<i64>, QueueError> {
        let newest = |connection: &Connection| {
            connection.query_row("SELECT max(seq) FROM events", [], |row| row.get(0))
        };
        self.journal.read(newest).await.map_err(unavailable)
    }

    /// Returns when the oldest event of the log was accepted, in milliseconds since 1970: earlier ones are there no more.
    /// `None` if there is none.
    pub async fn oldest(&self) -> Result<Option<i64>, QueueError> {
        let oldest = |connection: &Connection| {
            let sql = format!("SELECT {RECEIVED_AT} FROM events ORDER BY seq LIMIT 1");
            connection.query_row(&sql, [], |row| row.get(0)).optional()
        };
        self.journal.read(oldest).await.map_err(unavailable)
    }
}

/// Another writer may have written anything.
pub(super) const RECEIVED_AT: &str = "iif(typeof(received_at) = 'integer', received_at, 0)";

fn step(
    connection: &Connection,
    position: i64,
    last: i64,
    accepted: AcceptedBetween,
) -> rusqlite::Result<LoggedEvents> {
    let sql = format!(
        "SELECT seq, {RECEIVED_AT}, id, body FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params![position, last, LOOK_AT])?;
    let (mut events, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
    let mut next = None;
    while let Some(row) = rows.next()? {
        let (position, received_at) = (row.get(0)?, row.get(1)?);
        next = Some(position);
        looked_at += 1;
        if accepted.contains(received_at) {
            let body = text(row, 3)?;
            bytes += body.len();
            events.push(LoggedEvent {
                position,
                id: text(row, 2)?,
                received_at,
                body,
            });
        }
        if bytes > STEP_BYTES || events.len() >= STEP {
            return Ok(LoggedEvents { events, next });
        }
    }
    Ok(LoggedEvents {
        events,
        next: next.filter(|_| looked_at == LOOK_AT),
    })
}

/// Reads a text; a damaged row may hold other bytes.
pub(super) fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
    })
}
