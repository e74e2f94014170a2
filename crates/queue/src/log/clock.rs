//! When the clock of the owner starts: after the latest time in the file.
//!
//! Two times are by that clock: when an event was appended, and when a pending one becomes visible.

use rusqlite::{Connection, OptionalExtension};

use crate::clock::{Clock, NEVER};

/// Starts the clock of an owner when the wall clock shows `now`.
pub(super) fn start(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let mut start = now;
    let appended = "SELECT appended_at FROM events ORDER BY seq DESC LIMIT 1";
    let appended = connection
        .query_row(appended, [], |row| Ok(row.get_ref(0)?.as_i64().ok()))
        .optional()?
        .flatten();
    // A later one was not written by us, or is damaged.
    if let Some(appended) = appended.filter(|it| *it < NEVER) {
        start = start.max(appended.saturating_add(1));
    }
    let mut consumers = connection.prepare("SELECT consumer FROM cursors")?;
    let consumers = consumers.query_map([], |row| row.get::<_, i64>(0))?;
    for consumer in consumers.collect::<rusqlite::Result<Vec<_>>>()? {
        let reset = "UPDATE pending SET visible_at = 0 WHERE consumer = ?1 AND visible_at >= ?2";
        connection.execute(reset, [consumer, NEVER])?;
        let latest = "SELECT CAST(max(visible_at) AS INTEGER) FROM pending WHERE consumer = ?1";
        let latest: Option<i64> = connection.query_row(latest, [consumer], |row| row.get(0))?;
        start = start.max(latest.map_or(now, |latest| latest.saturating_add(1)));
    }
    connection.execute("UPDATE owner SET ahead = ?1", [start.saturating_sub(now)])?;
    Ok(Clock::starting_at(start))
}

/// Estimates the owner's clock when the wall clock shows `now`.
pub(super) fn beside(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let ahead = connection.query_row("SELECT ahead FROM owner", [], |row| row.get(0));
    Ok(Clock::starting_at(now.saturating_add(ahead?)))
}
