//! What is known of many events at once, so that nobody has to look at each of them: how many there are.
//!
//! Numbers are given out one after the other, and the oldest events are deleted first. So the events from some number on are
//! as many as their numbers, and only those below are counted, as they come and go. Inside of transactions only.

use rusqlite::{Connection, OptionalExtension};

use super::cursor;

/// From where on no number is missing, and how many events are below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    whole_from: i64,
    below: i64,
}

impl Marks {
    /// Reads the marks. If a repair has lost them, counts all events.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Marks> {
        let sql = "SELECT whole_from, below FROM marks";
        let marks = connection.prepare_cached(sql)?.query_row([], |row| {
            Ok(Marks {
                whole_from: row.get(0)?,
                below: row.get(1)?,
            })
        });
        marks
            .optional()?
            .map_or_else(|| Marks::count(connection), Ok)
    }

    /// Finds from where on no number is missing, and counts the events below. May read the whole table.
    fn count(connection: &Connection) -> rusqlite::Result<Marks> {
        let mut newest = connection.prepare("SELECT seq FROM events ORDER BY seq DESC")?;
        let mut rows = newest.query([])?;
        let mut whole_from = None;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            if whole_from.is_some_and(|whole_from| seq != whole_from - 1) {
                break;
            }
            whole_from = Some(seq);
        }
        let whole_from = whole_from.unwrap_or(1);
        let below = "SELECT count(*) FROM events WHERE seq < ?1";
        let below = connection.query_row(below, [whole_from], |row| row.get(0))?;
        Ok(Marks { whole_from, below })
    }

    /// Whether there are none: the file is new, or of a version that had none.
    pub(super) fn are_missing(connection: &Connection) -> rusqlite::Result<bool> {
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM marks)", [], |row| {
            row.get(0)
        })
    }

    /// Counts all events, and writes that down.
    pub(super) fn recount(connection: &Connection) -> rusqlite::Result<()> {
        Marks::count(connection)?.write(connection)
    }

    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO marks (one, whole_from, below) VALUES (1, ?1, ?2)";
        let mut write = connection.prepare_cached(sql)?;
        write.execute([self.whole_from, self.below]).map(drop)
    }

    /// An event was deleted.
    pub(super) fn delete(&mut self, seq: i64) {
        if seq < self.whole_from {
            self.below -= 1;
        } else {
            self.below += seq - self.whole_from;
            self.whole_from = seq + 1;
        }
    }

    /// An event was added in front of all others.
    pub(super) fn add_first(&mut self, seq: i64) {
        if seq == self.whole_from - 1 && self.below == 0 {
            self.whole_from = seq;
        } else {
            self.below += 1;
        }
    }

    /// How many events there are.
    pub(super) fn all(self, connection: &Connection) -> rusqlite::Result<i64> {
        let above = cursor::last(connection)? - self.whole_from + 1;
        Ok(self.below + above.max(0))
    }

    /// How many events there are from one number to another, both included. Counts those below the mark, which are few.
    pub(super) fn between(
        self,
        connection: &Connection,
        first: i64,
        last: i64,
    ) -> rusqlite::Result<i64> {
        let last = last.min(cursor::last(connection)?);
        let above = last.saturating_sub(first.max(self.whole_from).saturating_sub(1));
        let below = match (self.below, self.whole_from.saturating_sub(1).min(last)) {
            (0, _) => 0,
            (all, last) if last == self.whole_from - 1 && is_first(connection, first)? => all,
            (_, last) => {
                let sql = "SELECT count(*) FROM events WHERE seq BETWEEN ?1 AND ?2";
                let mut count = connection.prepare_cached(sql)?;
                count.query_row([first, last], |row| row.get(0))?
            }
        };
        Ok(below + above.max(0))
    }
}

/// Whether no event has a lower number.
fn is_first(connection: &Connection, seq: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT coalesce(min(seq), 0) >= ?1 FROM events";
    let mut is_first = connection.prepare_cached(sql)?;
    is_first.query_row([seq], |row| row.get(0))
}
