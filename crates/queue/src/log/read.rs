//! Reads the events of the log as they were accepted, beside everything else that happens to it: whoever replays them.
//!
//! A read takes one step: a limited number of events, and of bytes, on a connection that only reads. So a reader needs little
//! memory whatever the size of the log, and neither delays the writer nor keeps its file from shrinking. Between two steps
//! the retention may delete events; the next step goes on with those that are left.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Log, unavailable};
use crate::Unavailable;

/// Most events that one step looks at, and most bytes that it returns beyond the first event.
const STEP: i64 = 256;
const STEP_BYTES: usize = 8 << 20;

/// How far the order of the numbers and that of the times of acceptance may differ, in milliseconds: an event is appended up
/// to 4 s after it was accepted, and a clock is set back by a little. Times are compared for each event; this only decides
/// where to look.
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
    /// `position`, which is that of an earlier step, or `i64::MIN` at first.
    ///
    /// Positions stay valid as long as the log exists. Events of one time are found by the order of the log, where the clock
    /// was not set back by more than a minute.
    pub async fn read(
        &self,
        position: i64,
        accepted: AcceptedBetween,
    ) -> Result<LoggedEvents, Unavailable> {
        let read = move |connection: &Connection| step(connection, position, accepted);
        self.journal.read(read).await.map_err(unavailable)
    }

    /// Returns when the oldest event of the log was accepted, in milliseconds since 1970: earlier ones are there no more.
    /// `None` if there is none.
    pub async fn oldest(&self) -> Result<Option<i64>, Unavailable> {
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
    accepted: AcceptedBetween,
) -> rusqlite::Result<LoggedEvents> {
    let from = position.max(before(connection, accepted.since)?);
    let sql = format!(
        "SELECT seq, {RECEIVED_AT}, id, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params![from, STEP])?;
    let (mut step, mut looked_at, mut bytes) = (Vec::new(), 0, 0);
    let mut next = None;
    while let Some(row) = rows.next()? {
        let received_at: i64 = row.get(1)?;
        if received_at >= accepted.until.saturating_add(DISORDER) {
            return Ok(LoggedEvents {
                events: step,
                next: None, // later ones are younger
            });
        }
        let position = row.get(0)?;
        next = Some(position);
        looked_at += 1;
        if accepted.contains(received_at) {
            let body = text(row, 3)?;
            bytes += body.len();
            step.push(LoggedEvent {
                position,
                id: text(row, 2)?,
                received_at,
                body,
            });
        }
        if bytes > STEP_BYTES {
            return Ok(LoggedEvents { events: step, next });
        }
    }
    Ok(LoggedEvents {
        events: step,
        next: next.filter(|_| looked_at == STEP),
    })
}

/// Returns a position before all events that were accepted at `time` or later, by halving: numbers and times grow together.
pub(super) fn before(connection: &Connection, time: i64) -> rusqlite::Result<i64> {
    let ends = "SELECT min(seq), max(seq) FROM events";
    let ends = connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = ends else {
        return Ok(i64::MIN);
    };
    let time = time.saturating_sub(DISORDER);
    let sql = format!("SELECT seq, {RECEIVED_AT} FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1");
    let mut at = connection.prepare_cached(&sql)?;
    // All up to `low` are older; none from `high` on has to be.
    let (mut low, mut high) = (first.saturating_sub(1), last.saturating_add(1));
    while high.saturating_sub(low) > 1 {
        let middle = low + (high - low) / 2;
        let found = at.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?)));
        let (seq, received_at): (i64, i64) = found?;
        match received_at < time {
            true => low = seq.min(high - 1),
            false => high = middle,
        }
    }
    Ok(low)
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
