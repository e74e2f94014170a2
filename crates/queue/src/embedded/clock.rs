//! When the clock of the owner starts: after the latest time in the file. See `clock.rs` of the crate.

use rusqlite::Connection;

use crate::clock::{Clock, NEVER};

/// Starts the clock of an owner when the wall clock shows `now`.
pub(super) fn start(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let reset = "UPDATE messages SET visible_at = 0 WHERE visible_at >= ?1";
    connection.execute(reset, [NEVER])?;
    let latest = "SELECT max(visible_at) FROM messages";
    let latest: Option<i64> = connection.query_row(latest, [], |row| row.get(0))?;
    let start = latest.map_or(now, |latest| now.max(latest.saturating_add(1)));
    connection.execute("UPDATE owner SET ahead = ?1", [start.saturating_sub(now)])?;
    Ok(Clock::starting_at(start))
}

/// Estimates the owner's clock when the wall clock shows `now`.
pub(super) fn beside(connection: &Connection, now: i64) -> rusqlite::Result<Clock> {
    let ahead = connection.query_row("SELECT ahead FROM owner", [], |row| row.get(0));
    Ok(Clock::starting_at(now.saturating_add(ahead?)))
}
