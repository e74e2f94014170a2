//! Up to which event everything is settled by every consumer, and so what a repair need not deliver again.
//!
//! Cursors, `pending` and `dead_letters` say the same, until a repair loses rows of them. Then this number stands in. It may
//! be too low, which delivers events again; it must never be too high, which would lose them. So whatever gives a consumer an
//! earlier event to settle updates it in the same transaction. Redriving does not: a dead letter is not settled. Called
//! by the sweep, which moves it on, and where consumers and events are added. Inside of transactions only.

use rusqlite::{Connection, OptionalExtension};

use super::{cursor, reconcile};

/// What each consumer has settled without a gap. One row of each index is read.
const SETTLED_BY_ALL: &str = "
    SELECT min(min(settled,
        coalesce((SELECT seq - 1 FROM pending WHERE pending.consumer = cursors.consumer ORDER BY seq LIMIT 1), settled),
        coalesce((SELECT seq - 1 FROM dead_letters WHERE dead_letters.consumer = cursors.consumer ORDER BY seq LIMIT 1), settled)
    )) FROM cursors";

/// Returns the last event up to which everything is settled, or a number before all events if that is not known.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT iif(typeof(seq) = 'integer', seq, NULL) FROM all_settled";
    let mut select = connection.prepare_cached(sql)?;
    let seq = select.query_row([], |row| row.get::<_, Option<i64>>(0));
    Ok(seq.optional()?.flatten().unwrap_or(i64::MIN))
}

/// Takes the number from the consumers. While cursors are lost, those that are left do not speak for all: it only gets lower.
pub(super) fn update(connection: &Connection) -> rusqlite::Result<()> {
    let before = read(connection)?;
    let mut settled = connection.prepare_cached(SETTLED_BY_ALL)?;
    let settled = settled.query_row([], |row| row.get::<_, Option<i64>>(0))?;
    let settled = match reconcile::has_lost_cursors(connection)? {
        true => settled.unwrap_or(before).min(before),
        false => settled.unwrap_or(before),
    };
    // A stopped consumer has settled what is not appended yet.
    let settled = settled.min(cursor::last(connection)?);
    if settled == before {
        return Ok(());
    }
    let write = "INSERT OR REPLACE INTO all_settled (one, seq) VALUES (1, ?1)";
    let mut write = connection.prepare_cached(write)?;
    write.execute([settled]).map(drop)
}

/// Forgets the number: events have other numbers now.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM all_settled", []).map(drop)
}
