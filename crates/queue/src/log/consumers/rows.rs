//! The rows of consumers: found, added, renamed and removed, each within a transaction of the caller.
//!
//! The callers in `consumers.rs` open the transactions, and keep what consumers have in memory.

use rusqlite::{Connection, OptionalExtension, params};

use super::{ConsumerStart, ConsumerStatus, Start};
use crate::log::cursor::{self, Cursor};
use crate::log::import::IMPORTED;
use crate::log::{floors, read, reconcile, status, store};

/// Gives what was imported to each of these targets that the log does not know: an older version had one target, and which of
/// these it is, is not known. So an event may be delivered where it was delivered before, and none is missing anywhere.
pub(super) fn adopt_imported(connection: &Connection, targets: &[String]) -> rusqlite::Result<()> {
    let Some(imported) = number(connection, IMPORTED)? else {
        return Ok(());
    };
    let mut new = Vec::new();
    for target in targets {
        if number(connection, target)?.is_none() {
            new.push(target);
        }
    }
    let Some((first, further)) = new.split_first() else {
        return Ok(());
    };
    for target in further {
        let add = "INSERT INTO cursors (target, settled, received)
                   SELECT ?2, settled, received FROM cursors WHERE consumer = ?1";
        connection.execute(add, params![imported, target])?;
        let consumer = connection.last_insert_rowid();
        let pending = "INSERT OR REPLACE INTO pending (consumer, seq, attempts, receipt, visible_at)
                       SELECT ?2, seq, attempts, receipt, visible_at FROM pending WHERE consumer = ?1 ORDER BY row";
        connection.execute(pending, [imported, consumer])?;
        let dead_letters =
            "INSERT OR REPLACE INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
             SELECT ?2, seq, id, received_at, dead_at, attempts, receipt, reason
             FROM dead_letters WHERE consumer = ?1 ORDER BY row";
        connection.execute(dead_letters, [imported, consumer])?;
    }
    rename(connection, IMPORTED, first).map(drop)
}

/// Lets a target that is alone take the place of the only one that the log has ever had. Returns where it starts otherwise.
pub(super) fn replace_only(connection: &Connection, target: &str) -> rusqlite::Result<Start> {
    let statuses = statuses(connection)?;
    let [only] = statuses.as_slice() else {
        // Where all were removed, events are left that were delivered to them.
        return Ok(match statuses.is_empty() && has_had_none(connection)? {
            true => Start::Oldest,
            false => Start::Next,
        });
    };
    // Where there was or may have been another one, nobody knows which of them this one replaces.
    if !reconcile::has_lost_cursors(connection)? && has_had_one(connection)? {
        rename(connection, &only.target, target)?;
    }
    Ok(Start::Next)
}

/// Whether the log has never had a second consumer: its numbers are not given out again
/// (<https://www.sqlite.org/autoinc.html>).
fn has_had_one(connection: &Connection) -> rusqlite::Result<bool> {
    let greatest = "SELECT max(seq) IS 1 FROM sqlite_sequence WHERE name = 'cursors'";
    connection.query_row(greatest, [], |row| row.get(0))
}

/// Whether the log has never had a consumer.
fn has_had_none(connection: &Connection) -> rusqlite::Result<bool> {
    let any = "SELECT count(*) = 0 FROM sqlite_sequence WHERE name = 'cursors' AND seq > 0";
    connection.query_row(any, [], |row| row.get(0))
}

/// Returns the number of the consumer for a target. A new one starts at `start`, or, while lost cursors are missing, with the
/// oldest event that some consumer may not have settled, if that comes first; the second result says how.
pub(super) fn find_or_add(
    connection: &Connection,
    target: &str,
    start: Start,
) -> rusqlite::Result<(i64, Option<ConsumerStart>)> {
    if let Some(number) = number(connection, target)? {
        cursor::start(connection, number)?;
        return Ok((number, None));
    }
    let oldest = before_first(connection, i64::MIN)?;
    let asked_for = match start {
        Start::Next => cursor::last(connection)?,
        Start::Oldest => oldest,
        Start::Since(time) => before_first(connection, time)?,
    };
    let (start, before) = match reconcile::has_lost_cursors(connection)? {
        // It may be one of them.
        true => {
            let unsettled = floors::lowest(connection)?.max(oldest);
            (Start::Oldest, unsettled.min(asked_for))
        }
        false => (start, asked_for),
    };
    let add = "INSERT INTO cursors (target, settled, received) VALUES (?1, ?2, ?2)";
    connection.execute(add, params![target, before])?;
    let number = connection.last_insert_rowid();
    floors::write(connection, number, before)?;
    let first = read::RECEIVED_AT;
    let after = format!(
        "SELECT count(*), (SELECT {first} FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1)
         FROM events WHERE seq > ?1"
    );
    let started = connection.query_row(&after, [before], |row| {
        Ok(ConsumerStart {
            start,
            events: row.get::<_, i64>(0)?.unsigned_abs(),
            first: row.get(1)?,
        })
    })?;
    Ok((number, Some(started)))
}

pub(super) fn remove(
    connection: &Connection,
    target: &str,
) -> rusqlite::Result<Option<ConsumerStatus>> {
    let Some(number) = number(connection, target)? else {
        return Ok(None);
    };
    let left = statuses(connection)?;
    delete(connection, number)?;
    Ok(left.into_iter().find(|it| it.target == target))
}

pub(super) fn delete(connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
    store::forget_consumer(connection, consumer)?;
    for table in ["cursors", "pending", "dead_letters", "floors"] {
        let delete = format!("DELETE FROM {table} WHERE consumer = ?1");
        connection.execute(&delete, [consumer])?;
    }
    Ok(())
}

pub(super) fn rename(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE OR IGNORE cursors SET target = ?2 WHERE target = ?1";
    connection.execute(sql, [from, to]).map(|rows| rows > 0)
}

pub(super) fn number(connection: &Connection, target: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT consumer FROM cursors WHERE target = ?1";
    let number = connection.query_row(sql, [target], |row| row.get(0));
    number.optional()
}

/// Returns the position before the first event that was accepted at `time` or later. Reads all before it.
fn before_first(connection: &Connection, time: i64) -> rusqlite::Result<i64> {
    let first = "SELECT seq - 1 FROM events WHERE received_at >= ?1 ORDER BY seq LIMIT 1";
    let first = connection.query_row(first, [time], |row| row.get(0));
    first
        .optional()?
        .map_or_else(|| cursor::last(connection), Ok)
}

pub(super) fn statuses(connection: &Connection) -> rusqlite::Result<Vec<ConsumerStatus>> {
    let sql = "SELECT consumer, target FROM cursors ORDER BY consumer";
    let mut select = connection.prepare(sql)?;
    let consumers = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let consumers: Vec<(i64, String)> = consumers.collect::<rusqlite::Result<_>>()?;
    let status = |(number, target)| {
        let cursor = Cursor::read(connection, number)?;
        Ok(ConsumerStatus {
            target,
            pending: status::outstanding(connection, number, cursor)?,
            dead_letters: status::dead_letters(connection, number)?,
        })
    };
    consumers.into_iter().map(status).collect()
}
