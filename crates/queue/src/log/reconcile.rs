//! Puts the log right when an owner starts: nothing is in hand any more, and a repair may have lost rows of any table.
//!
//! - Lost *events* are neither waited for, nor is what is appended next taken for one of them.
//! - Lost rows of *`pending`* or *`dead_letters`* make an event look settled that is not. So every event that looks settled
//!   is delivered again: duplicates are allowed, loss is not.
//! - Lost *cursors* leave nobody who waits for the events. So consumers start with the oldest event until all that the owner
//!   knows have been added ([`forget_lost_cursors`]).
//! - Lost *identities* let an event be appended again. And where *events* are lost, all identities are forgotten: whoever
//!   has the lost ones may send them again.
//!
//! What is delivered again does not begin before the first event that the consumer may not have settled (`floors.rs`): the rest is retained to be read, for a
//! month by default.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use tracing::warn;

use super::cursor::{self, Cursor};
use super::marks::Marks;
use super::{floors, store};
use crate::identities;

/// More events than there will ever be.
const GREATEST: i64 = 1 << 53;

/// Puts all rows right, in one transaction.
pub(super) fn reconcile(connection: &Connection) -> rusqlite::Result<()> {
    let renumbered = renumber(connection)?;
    let last = cursor::last(connection)?;
    let mut cursors = connection.prepare(
        "SELECT consumer, iif(typeof(settled) = 'integer', settled, 0), iif(typeof(received) = 'integer', received, 0)
         FROM cursors",
    )?;
    let cursors = cursors.query_map([], |row| {
        let (settled, received) = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
        // One that is stopped was to get nothing after that.
        let is_stopped = settled == cursor::STOPPED;
        let settled = if is_stopped { received } else { settled }.min(last);
        let received = received.clamp(settled, last);
        let cursor = Cursor { settled, received };
        Ok((row.get(0)?, cursor, is_stopped))
    })?;
    let cursors = cursors.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut without_event = 0;
    for (consumer, mut cursor, is_stopped) in cursors.iter().copied() {
        let stale = "DELETE FROM pending WHERE consumer = ?1 AND seq > ?2";
        without_event += connection.execute(stale, params![consumer, cursor.settled])?;
        if !is_stopped {
            let received = cursor.received;
            cursor.advance(connection, consumer, received, &BTreeSet::new(), |_| 0)?;
            cursor.write(connection, consumer)?;
        }
    }
    without_event += connection.execute("DELETE FROM dead_letters WHERE seq > ?1", [last])?;
    for table in ["pending", "dead_letters"] {
        let nobodys =
            format!("DELETE FROM {table} WHERE consumer NOT IN (SELECT consumer FROM cursors)");
        without_event += connection.execute(&nobodys, [])?;
    }
    if without_event > 0 {
        warn!(
            rows = without_event,
            "the queue had lost the events, or the targets, of some pending events and dead letters; these rows were deleted"
        );
    }
    store::reconcile(connection, last)?;
    let incomplete = journal::incomplete_tables(connection)?;
    let is_lost = |table: &String| table == "events" || table == "marks";
    if renumbered || Marks::are_missing(connection)? || incomplete.iter().any(is_lost) {
        Marks::recount(connection)?;
        journal::forget_incomplete(connection, "events")?;
        journal::forget_incomplete(connection, "marks")?;
    }
    if renumbered {
        floors::forget_all(connection)?;
    }
    deliver_again(connection, &cursors)?;
    if incomplete.iter().any(|it| it == "floors") {
        // That of a consumer whose cursor is lost may be, too.
        if has_lost_cursors(connection)? {
            floors::forget_all(connection)?;
        }
        journal::forget_incomplete(connection, "floors")?;
    }
    if incomplete.iter().any(|it| it == "events") {
        identities::forget_all(connection)?;
    }
    if incomplete.iter().any(|it| it == "identities") {
        warn!(
            "the damaged queue does not tell all events that were found; some may be accepted again"
        );
        journal::forget_incomplete(connection, "identities")?;
    }
    floors::update(connection)
}

/// Gives events new numbers whose number is damaged: near the greatest one, SQLite gives out numbers at random
/// (<https://www.sqlite.org/autoinc.html>), which a cursor may have passed. Returns whether there was any.
fn renumber(connection: &Connection) -> rusqlite::Result<bool> {
    let above = "SELECT seq FROM events WHERE seq > ?1 ORDER BY seq";
    let mut above = connection.prepare(above)?;
    let seqs = above.query_map([GREATEST], |row| row.get::<_, i64>(0))?;
    let seqs = seqs.collect::<rusqlite::Result<Vec<_>>>()?;
    for seq in &seqs {
        let update = "UPDATE events SET seq = (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE seq <= ?1) WHERE seq = ?2";
        connection.execute(update, [GREATEST, *seq])?;
    }
    Ok(!seqs.is_empty())
}

/// Makes every event pending that looks settled and may not be, if a repair lost rows that may say so.
fn deliver_again(connection: &Connection, cursors: &[(i64, Cursor, bool)]) -> rusqlite::Result<()> {
    let incomplete = journal::incomplete_tables(connection)?;
    let is_incomplete = |table: &str| incomplete.iter().any(|it| it == table);
    if !is_incomplete("pending") && !is_incomplete("dead_letters") {
        return Ok(());
    }
    for (consumer, cursor, _) in cursors {
        let floor = floors::read(connection, *consumer)?;
        let add = "INSERT OR IGNORE INTO pending (consumer, seq, attempts, receipt, visible_at)
                   SELECT ?1, seq, 0, 0, 0 FROM events WHERE seq > ?3 AND seq <= ?2 AND NOT EXISTS
                       (SELECT 1 FROM dead_letters WHERE dead_letters.consumer = ?1 AND dead_letters.seq = events.seq)";
        let events = connection.execute(add, [*consumer, cursor.settled, floor])?;
        warn!(
            consumer,
            events,
            "the damage to the queue hides which of these events were delivered; they are delivered again"
        );
    }
    for table in ["pending", "dead_letters", "owner"] {
        journal::forget_incomplete(connection, table)?;
    }
    Ok(())
}

/// Whether a repair may have lost cursors that were not added again.
pub(super) fn has_lost_cursors(connection: &Connection) -> rusqlite::Result<bool> {
    let incomplete = journal::incomplete_tables(connection)?;
    Ok(incomplete.iter().any(|it| it == "cursors"))
}

/// Forgets that cursors were lost: the owner has added all consumers that it knows.
pub(super) fn forget_lost_cursors(connection: &Connection) -> rusqlite::Result<()> {
    if has_lost_cursors(connection)? {
        journal::forget_incomplete(connection, "cursors")?;
    }
    floors::forget_removed(connection)
}
