//! The floor of a consumer: up to it, the consumer has settled everything, or was never to get it. A repair delivers nothing
//! of that again.
//!
//! Cursors, `pending` and `dead_letters` say the same, until a repair loses rows of them. Then the floor stands in. It may be
//! too low, which delivers events again; it must never be too high, which would lose them. So whatever gives a consumer
//! earlier events updates it in the same transaction. Redriving does not: a dead letter is not settled. Called
//! by the sweep, which raises floors, and where consumers and events are added. Inside of transactions only.

use rusqlite::{Connection, OptionalExtension};

use super::{cursor, reconcile};

/// What each consumer has settled without a gap. One row of each index is read.
const SETTLED: &str = "
    SELECT consumer, min(settled, ?1,
        coalesce((SELECT seq - 1 FROM pending WHERE pending.consumer = cursors.consumer ORDER BY seq LIMIT 1), settled),
        coalesce((SELECT seq - 1 FROM dead_letters WHERE dead_letters.consumer = cursors.consumer ORDER BY seq LIMIT 1), settled)
    ) FROM cursors";

/// Returns the floor of a consumer, or a number before all events if it is not known.
pub(super) fn read(connection: &Connection, consumer: i64) -> rusqlite::Result<i64> {
    Ok(find(connection, consumer)?.unwrap_or(i64::MIN))
}

/// Returns the lowest floor, also of consumers whose cursors are lost, or a number before all events if none is known.
pub(super) fn lowest(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT min(iif(typeof(seq) = 'integer', seq, NULL)) FROM floors";
    let lowest = connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0))?;
    Ok(lowest.unwrap_or(i64::MIN))
}

pub(super) fn write(connection: &Connection, consumer: i64, seq: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO floors (consumer, seq) VALUES (?1, ?2)";
    let mut write = connection.prepare_cached(sql)?;
    write.execute([consumer, seq]).map(drop)
}

/// Takes all floors from the consumers. While cursors are lost, floors only get lower: the lowest one is that of a consumer
/// that is not there.
pub(super) fn update(connection: &Connection) -> rusqlite::Result<()> {
    let are_lost = reconcile::has_lost_cursors(connection)?;
    // A stopped consumer has settled what is not appended yet.
    let last = cursor::last(connection)?;
    let mut settled = connection.prepare_cached(SETTLED)?;
    let settled = settled.query_map([last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let settled: Vec<(i64, i64)> = settled.collect::<rusqlite::Result<_>>()?;
    for (consumer, settled) in settled {
        let floor = find(connection, consumer)?;
        let changes = match are_lost {
            true => floor.is_some_and(|floor| settled < floor),
            false => floor != Some(settled),
        };
        if changes {
            write(connection, consumer, settled)?;
        }
    }
    Ok(())
}

/// Forgets the floors of consumers that are not there, once none is lost.
pub(super) fn forget_removed(connection: &Connection) -> rusqlite::Result<()> {
    let removed = "DELETE FROM floors WHERE consumer NOT IN (SELECT consumer FROM cursors)";
    connection.execute(removed, []).map(drop)
}

/// Forgets all floors: they are not known any more.
pub(super) fn forget_all(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM floors", []).map(drop)
}

fn find(connection: &Connection, consumer: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT iif(typeof(seq) = 'integer', seq, NULL) FROM floors WHERE consumer = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let seq = select.query_row([consumer], |row| row.get(0));
    Ok(seq.optional()?.flatten())
}
