//! The store: what a target of that kind has, which is a part of the log and no copy of it.
//!
//! Such a target is a consumer whose settled events can be read. The usual one is read as it was accepted, and has no row for
//! that: it is in a *range* of the consumer, from the first event that it got, and it is settled. What is out of the ordinary
//! has a row, written by the transaction that settles: the text of an event that the rules changed, and the number of one
//! that the store does not have although it is settled, since a rule dropped it or it was merged into another. So an event
//! that is delivered twice is in the store once. The rows are deleted with their event (`retention.rs`).
//!
//! Ranges end when another consumer becomes the store, or none. Reading is in `search.rs`.

use rusqlite::{Connection, params};

use super::{Log, cursor};
use crate::StoredForm;

/// The consumer of the range that was taken over from the store of an older version: none has this number.
pub(super) const OLD_STORE: i64 = 0;

/// The ranges of one consumer.
#[derive(Debug)]
pub(super) struct Ranges {
    consumer: i64,
    ranges: Vec<Range>,
    /// The last event that has a row of its own, read on first use. Later events have none to delete.
    last_row: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    row: i64,
    first: i64,
    last: Option<i64>,
}

impl Log {
    /// Lets the consumer for a target be the store from now on, or none. The owner calls it before it receives or appends.
    pub async fn set_store(&self, target: Option<&str>) -> Result<(), journal::Error> {
        let target = target.map(str::to_owned);
        let set = move |connection: &Connection| set(connection, target.as_deref());
        self.journal.write(set).await
    }
}

impl Ranges {
    pub(super) fn read(connection: &Connection, consumer: i64) -> rusqlite::Result<Ranges> {
        let sql = "SELECT row, first, last FROM stored_ranges WHERE consumer = ?1";
        let mut select = connection.prepare_cached(sql)?;
        let ranges = select.query_map([consumer], |row| {
            Ok(Range {
                row: row.get(0)?,
                first: row.get(1)?,
                last: row.get(2)?,
            })
        })?;
        Ok(Ranges {
            consumer,
            ranges: ranges.collect::<rusqlite::Result<_>>()?,
            last_row: None,
        })
    }

    /// Notes what the store has of an event that is settled now; `None`: nothing.
    pub(super) fn settle(
        &mut self,
        connection: &Connection,
        seq: i64,
        form: Option<&StoredForm>,
    ) -> rusqlite::Result<()> {
        let covers = self.covers(seq);
        if form.is_none() && !covers {
            return Ok(());
        }
        if !covers {
            self.extend(connection, seq)?;
        }
        if seq <= self.last_row(connection)? {
            forget_event(connection, seq)?;
        }
        match form {
            None => {
                let insert = "INSERT OR IGNORE INTO unstored VALUES (?1)";
                execute(connection, insert, seq)?;
            }
            Some(StoredForm::Changed(text)) => {
                let sql = "INSERT OR REPLACE INTO stored_texts (seq, text) VALUES (?1, ?2)";
                let mut insert = connection.prepare_cached(sql)?;
                insert.execute(params![seq, text])?;
            }
            Some(StoredForm::Accepted) => return Ok(()),
        }
        self.last_row = self.last_row.max(Some(seq));
        Ok(())
    }

    /// Returns the last event that has a row of its own. It is read once, and then kept up to date.
    fn last_row(&mut self, connection: &Connection) -> rusqlite::Result<i64> {
        let last = match self.last_row {
            Some(last) => last,
            None => {
                let last = "SELECT max((SELECT coalesce(max(seq), 0) FROM unstored),
                                       (SELECT coalesce(max(seq), 0) FROM stored_texts))";
                let mut last = connection.prepare_cached(last)?;
                last.query_row([], |row| row.get(0))?
            }
        };
        self.last_row = Some(last);
        Ok(last)
    }

    fn covers(&self, seq: i64) -> bool {
        let covers = |range: &Range| range.first <= seq && range.last.is_none_or(|it| seq <= it);
        self.ranges.iter().any(covers)
    }

    /// Makes a range cover an event that the consumer had before it became the store, and settles only now.
    fn extend(&mut self, connection: &Connection, seq: i64) -> rusqlite::Result<()> {
        let before = self.ranges.iter_mut();
        let mut next_to = before.filter(|it| it.last == Some(seq - 1) || it.first == seq + 1);
        let Some(range) = next_to.next() else {
            let add = "INSERT INTO stored_ranges (consumer, first, last) VALUES (?1, ?2, ?2)";
            connection.execute(add, [self.consumer, seq])?;
            let row = connection.last_insert_rowid();
            let (first, last) = (seq, Some(seq));
            self.ranges.push(Range { row, first, last });
            return Ok(());
        };
        match range.first == seq + 1 {
            true => range.first = seq,
            false => range.last = Some(seq),
        }
        let update = "UPDATE stored_ranges SET first = ?2, last = ?3 WHERE row = ?1";
        let mut update = connection.prepare_cached(update)?;
        update
            .execute(params![range.row, range.first, range.last])
            .map(drop)
    }
}

/// Ends the range of the store before, and begins that of the next one.
fn set(connection: &Connection, target: Option<&str>) -> rusqlite::Result<()> {
    let stale = "DELETE FROM stored_ranges WHERE last < (SELECT min(seq) FROM events)";
    connection.execute(stale, [])?;
    let open = "SELECT consumer FROM stored_ranges WHERE last IS NULL";
    let mut open = connection.prepare(open)?;
    let open = open.query_map([], |row| row.get::<_, i64>(0))?;
    let open = open.collect::<rusqlite::Result<Vec<_>>>()?;
    let number = match target {
        Some(target) => {
            let number = "SELECT consumer FROM cursors WHERE target = ?1";
            Some(connection.query_row(number, [target], |row| row.get::<_, i64>(0))?)
        }
        None => None,
    };
    for consumer in open.iter().filter(|it| Some(**it) != number) {
        close(connection, *consumer)?;
    }
    if let Some(number) = number.filter(|it| !open.contains(it)) {
        let begin = "INSERT INTO stored_ranges (consumer, first)
                     SELECT consumer, settled + 1 FROM cursors WHERE consumer = ?1";
        connection.execute(begin, [number])?;
    }
    Ok(())
}

/// Ends the range of a consumer after what it has settled: the rest goes elsewhere, or nowhere.
fn close(connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
    // One that is stopped has settled everything that is not pending.
    let close = "UPDATE stored_ranges SET last = min(?2,
                     coalesce((SELECT settled FROM cursors WHERE cursors.consumer = ?1), ?2))
                 WHERE consumer = ?1 AND last IS NULL";
    connection.execute(close, [consumer, cursor::last(connection)?])?;
    let empty = "DELETE FROM stored_ranges WHERE consumer = ?1 AND last < first";
    connection.execute(empty, [consumer]).map(drop)
}

/// Notes that a consumer settles nothing any more, which is about to be deleted: the store does not have what it had not
/// settled.
pub(super) fn forget_consumer(connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
    close(connection, consumer)?;
    let ranges = "SELECT EXISTS (SELECT 1 FROM stored_ranges WHERE consumer = ?1)";
    if !connection.query_row(ranges, [consumer], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    for table in ["pending", "dead_letters"] {
        let add = format!(
            "INSERT OR IGNORE INTO unstored SELECT seq FROM {table} WHERE consumer = ?1 AND {IN_RANGE}"
        );
        connection.execute(&add, [consumer])?;
    }
    Ok(())
}

/// Notes that the store does not have these dead letters, which are about to be deleted.
pub(super) fn forget_dead_letters(
    connection: &Connection,
    consumer: i64,
    id: &str,
) -> rusqlite::Result<()> {
    let add = format!(
        "INSERT OR IGNORE INTO unstored SELECT seq FROM dead_letters WHERE consumer = ?1 AND id = ?2 AND {IN_RANGE}"
    );
    connection.execute(&add, params![consumer, id]).map(drop)
}

/// Whether the event of a row is in a range of the consumer of that row.
const IN_RANGE: &str = "EXISTS (SELECT 1 FROM stored_ranges AS stored WHERE stored.consumer = ?1
                            AND seq BETWEEN stored.first AND coalesce(stored.last, seq))";

/// Deletes the rows of an event that is deleted.
pub(super) fn forget_event(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    execute(connection, "DELETE FROM unstored WHERE seq = ?1", seq)?;
    execute(connection, "DELETE FROM stored_texts WHERE seq = ?1", seq)
}

/// Puts the rows right when an owner starts: a repair may have lost events, whose numbers are given out again, or rows that
/// say that an event is not in the store, or not as it was accepted. Which events these are is not known then, so the store
/// has none of them: one of them may show what a rule redacts.
pub(super) fn reconcile(connection: &Connection, last: i64) -> rusqlite::Result<()> {
    for table in ["unstored", "stored_texts"] {
        connection.execute(&format!("DELETE FROM {table} WHERE seq > ?1"), [last])?;
    }
    let shorten = "UPDATE stored_ranges SET first = min(first, ?1 + 1), last = min(last, ?1)";
    connection.execute(shorten, [last])?;
    let tables = ["stored_ranges", "unstored", "stored_texts"];
    let incomplete = journal::incomplete_tables(connection)?;
    if incomplete.iter().any(|it| tables.contains(&it.as_str())) {
        connection.execute("DELETE FROM stored_ranges", [])?;
        for table in tables {
            journal::forget_incomplete(connection, table)?;
        }
    }
    Ok(())
}

/// Returns the number of the last event that was taken over from the store of an older version; `i64::MIN` if there is none.
pub(super) fn end_of_old(connection: &Connection) -> rusqlite::Result<i64> {
    let end = "SELECT coalesce(max(last), ?2) FROM stored_ranges WHERE consumer = ?1";
    let mut end = connection.prepare_cached(end)?;
    end.query_row([OLD_STORE, i64::MIN], |row| row.get(0))
}

fn execute(connection: &Connection, sql: &str, seq: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([seq]).map(drop)
}
