//! The cursor of a consumer: how it divides the events, and how it moves. Inside of transactions only. What a
//! repair has lost is put right in `reconcile.rs`.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

/// Where a consumer stands; see `log.rs`. Rows in `pending` are at or below `settled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) settled: i64,
    pub(super) received: i64,
}

impl Cursor {
    pub(super) fn read(connection: &Connection, consumer: i64) -> rusqlite::Result<Cursor> {
        let sql = "SELECT settled, received FROM cursors WHERE consumer = ?1";
        connection
            .prepare_cached(sql)?
            .query_row([consumer], |row| {
                let (settled, received): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Cursor {
                    settled,
                    received: received.max(settled), // of one that is stopped, it is where that was
                })
            })
    }

    pub(super) fn write(self, connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE cursors SET settled = ?2, received = ?3 WHERE consumer = ?1";
        let mut update = connection.prepare_cached(sql)?;
        update
            .execute([consumer, self.settled, self.received])
            .map(drop)
    }

    /// Moves `settled` up to `to`. What is passed over and not among `settled` becomes pending, with the attempt that was
    /// made, and visible when `visible_at` says.
    pub(super) fn advance(
        &mut self,
        connection: &Connection,
        consumer: i64,
        to: i64,
        settled: &BTreeSet<i64>,
        visible_at: impl Fn(i64) -> i64,
    ) -> rusqlite::Result<()> {
        let width = to.saturating_sub(self.settled);
        // As many as there are numbers: nothing is passed over.
        if usize::try_from(width).is_ok_and(|width| width > settled.len()) {
            let between = "SELECT seq FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
            let mut between = connection.prepare_cached(between)?;
            let mut add = connection.prepare_cached(
                "INSERT OR IGNORE INTO pending (consumer, seq, attempts, receipt, visible_at) VALUES (?1, ?2, 1, 1, ?3)",
            )?;
            let mut rows = between.query([self.settled, to])?;
            while let Some(row) = rows.next()? {
                let seq = row.get(0)?;
                if !settled.contains(&seq) {
                    add.execute([consumer, seq, visible_at(seq)])?;
                }
            }
        }
        self.settled = self.settled.max(to);
        Ok(())
    }
}

/// A position beyond every event: that of a consumer that is stopped. Its row still has the last event that it was to get, as
/// `received`: a repair that delivers again does not go beyond that.
pub(super) const STOPPED: i64 = i64::MAX;

/// Whether a consumer is stopped.
pub(super) fn is_stopped(connection: &Connection, consumer: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT settled IS ?2 FROM cursors WHERE consumer = ?1";
    connection.query_row(sql, [consumer, STOPPED], |row| row.get(0))
}

/// Takes a step of stopping a consumer: what it has not settled becomes pending, of what it has not received at most
/// `limit` numbers. Returns whether it is stopped: later events pass it by then. After an interruption it goes on where the last
/// step ended.
pub(super) fn stop(connection: &Connection, consumer: i64, limit: i64) -> rusqlite::Result<bool> {
    let mut cursor = Cursor::read(connection, consumer)?;
    if cursor.settled == STOPPED {
        return Ok(true);
    }
    let last = last(connection)?;
    let to = last.min(cursor.received.saturating_add(limit));
    // None of these was received: it is their first attempt that is still to come.
    let never_received =
        "INSERT OR IGNORE INTO pending (consumer, seq, attempts, receipt, visible_at)
                          SELECT ?1, seq, 0, 0, 0 FROM events WHERE seq > ?2 AND seq <= ?3";
    connection.execute(never_received, params![consumer, cursor.received, to])?;
    let received = cursor.received;
    cursor.advance(connection, consumer, received, &BTreeSet::new(), |_| 0)?;
    let is_stopped = to >= last;
    let settled = match is_stopped {
        true => STOPPED,
        false => to,
    };
    let received = to;
    Cursor { settled, received }.write(connection, consumer)?;
    Ok(is_stopped)
}

/// Lets a consumer that is stopped go on, after the last event that there is now.
pub(super) fn start(connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
    if !is_stopped(connection, consumer)? {
        return Ok(());
    }
    let last = last(connection)?;
    let (settled, received) = (last, last);
    Cursor { settled, received }.write(connection, consumer)
}

/// Returns the number of the last event.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<i64> {
    let last = "SELECT coalesce(max(seq), 0) FROM events";
    connection
        .prepare_cached(last)?
        .query_row([], |row| row.get(0))
}
