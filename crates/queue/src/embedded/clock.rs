//! The clock by which events become visible: it starts at the time of the wall clock, and runs on however that is set.
//!
//! A file outlives its owner, and the wall clock may have been set back since: the next owner starts after the latest time
//! in the file, so that every event in it is visible. A process beside the owner reads how far that clock is ahead.

use std::time::{Duration, Instant};

use rusqlite::Connection;

/// A time that no clock shows (the year 2200): later ones were not written by us, or are damaged.
const NEVER: i64 = 7_258_118_400_000;

/// Milliseconds, from about 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began_at: i64,
    began: Instant,
}

impl Clock {
    fn at(now: i64) -> Clock {
        Clock {
            began_at: now,
            began: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.began_at.saturating_add(millis(self.began.elapsed()))
    }

    pub(super) fn after(&self, wait: Duration) -> i64 {
        self.now().saturating_add(millis(wait))
    }
}

/// Starts the clock of an owner when the wall clock shows `now`.
pub(super) fn start(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let reset = "UPDATE messages SET visible_at = 0 WHERE visible_at >= ?1";
    connection.execute(reset, [NEVER])?;
    let latest = "SELECT max(visible_at) FROM messages";
    let latest: Option<i64> = connection.query_row(latest, [], |row| row.get(0))?;
    let start = latest.map_or(now, |latest| now.max(latest.saturating_add(1)));
    connection.execute("UPDATE owner SET ahead = ?1", [start.saturating_sub(now)])?;
    Ok(Clock::at(start))
}

/// Estimates the owner's clock when the wall clock shows `now`.
pub(super) fn beside(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let ahead = connection.query_row("SELECT ahead FROM owner", [], |row| row.get(0));
    Ok(Clock::at(now.saturating_add(ahead?)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
