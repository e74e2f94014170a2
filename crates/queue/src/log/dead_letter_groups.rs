//! The dead letters of a consumer by reason: counted, and found, redriven or deleted as they were at a moment.
//!
//! The database cannot tell the shape of a reason, so all rows are read, one after the other: 100,000 of them in less than a
//! second, and none of their events.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::consumers::Consumer;
use super::dead_letters::{integer, text};
use super::{store, unavailable};
use crate::dead_letters::{DeadLetterGroups, Grouping, ReasonShape};
use crate::{DeadLetter, QueueError};

/// How many rows are read between two looks at the clock.
const CHUNK: usize = 1_000;

/// The most rows that a step looks at, so that no read lasts long.
const STEP: i64 = 5_000;

/// A moment: the dead letters that there were then, and none that came later, or came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LettersUntil {
    /// The last row. Rows are given out again, so it is not enough.
    pub row: i64,
    /// The time, in milliseconds since 1970.
    pub dead_at: i64,
}

/// A dead letter as it was found. One that was redriven and came back is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLetter {
    row: i64,
    id: String,
    dead_at: i64,
}

/// What a step of a search has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterStep {
    /// The dead letters, oldest first.
    pub found: Vec<FoundLetter>,
    /// The shape of their reasons, if there are some.
    pub shape: Option<ReasonShape>,
    /// What to pass to go on; `None` at the end.
    pub next: Option<i64>,
}

impl Consumer {
    /// Groups by reason the dead letters that are wanted, the newest first, as many as it can look at in that time.
    pub async fn dead_letter_groups(
        &self,
        time: Duration,
        is_wanted: impl Fn(&DeadLetter) -> bool + Send + 'static,
    ) -> Result<DeadLetterGroups, QueueError> {
        let (number, target) = (self.state.number, self.target.to_string());
        let group =
            move |connection: &Connection| group(connection, number, &target, time, is_wanted);
        self.log.journal.read(group).await.map_err(unavailable)
    }

    /// Returns the moment that is now: at most `now`, in milliseconds since 1970.
    pub async fn dead_letters_until(&self, now: i64) -> Result<LettersUntil, QueueError> {
        let number = self.state.number;
        let last = move |connection: &Connection| {
            let last = "SELECT coalesce(max(row), 0) FROM dead_letters WHERE consumer = ?1";
            connection.query_row(last, [number], |row| row.get(0))
        };
        let row = self.log.journal.read(last).await.map_err(unavailable)?;
        Ok(LettersUntil { row, dead_at: now })
    }

    /// Finds at most `limit` dead letters whose reason has the shape with that key, which were there at that moment. `after` is
    /// `next` of the step before, at first `None`.
    pub async fn letters_of_group(
        &self,
        key: &str,
        until: LettersUntil,
        after: Option<i64>,
        limit: usize,
    ) -> Result<LetterStep, QueueError> {
        let (number, key) = (self.state.number, key.to_owned());
        let after = after.unwrap_or(i64::MIN);
        let step = move |connection: &Connection| {
            letters_of_group(connection, number, &key, until, after, limit)
        };
        self.log.journal.read(step).await.map_err(unavailable)
    }

    /// Makes dead letters visible again, as events that were never received, in one transaction. Returns how many were: those
    /// are left out that are not there any more as they were found, and those whose bodies were lost.
    pub async fn redrive_found(&self, letters: Vec<FoundLetter>) -> Result<u64, QueueError> {
        let number = self.state.number;
        let redrive = move |connection: &Connection| {
            let back = format!(
                "INSERT OR REPLACE INTO pending (consumer, seq, attempts, receipt, visible_at)
                 SELECT consumer, seq, 0, receipt + 1, 0 FROM dead_letters WHERE {AS_FOUND}
                    AND EXISTS (SELECT 1 FROM events WHERE events.seq = dead_letters.seq)"
            );
            let mut back = connection.prepare_cached(&back)?;
            let mut redriven = 0;
            for letter in &letters {
                if back.execute(letter.values(number))? > 0 {
                    redriven += delete(connection, number, letter)?;
                }
            }
            Ok(redriven)
        };
        self.log.journal.write(redrive).await.map_err(unavailable)
    }

    /// Deletes dead letters for good, in one transaction. Returns how many were there as they were found.
    pub async fn delete_found(&self, letters: Vec<FoundLetter>) -> Result<u64, QueueError> {
        let number = self.state.number;
        let delete_all = move |connection: &Connection| {
            let mut deleted = 0;
            for letter in &letters {
                store::forget_dead_letters(connection, number, &letter.id)?;
                deleted += delete(connection, number, letter)?;
            }
            Ok(deleted)
        };
        self.log
            .journal
            .write(delete_all)
            .await
            .map_err(unavailable)
    }
}

/// The condition that a row is the dead letter that was found.
const AS_FOUND: &str = "row = ?1 AND consumer = ?2 AND id = ?3 AND dead_at = ?4";

impl FoundLetter {
    fn values(&self, consumer: i64) -> (i64, i64, &str, i64) {
        (self.row, consumer, &self.id, self.dead_at)
    }
}

fn delete(connection: &Connection, consumer: i64, letter: &FoundLetter) -> rusqlite::Result<u64> {
    let delete = format!("DELETE FROM dead_letters WHERE {AS_FOUND}");
    let mut delete = connection.prepare_cached(&delete)?;
    Ok(delete.execute(letter.values(consumer))? as u64)
}

fn group(
    connection: &Connection,
    consumer: i64,
    target: &str,
    time: Duration,
    is_wanted: impl Fn(&DeadLetter) -> bool,
) -> rusqlite::Result<DeadLetterGroups> {
    let mut select = connection.prepare_cached(
        "SELECT id, reason, received_at, dead_at, attempts, receipt FROM dead_letters
         WHERE +consumer = ?1 ORDER BY row DESC", // in the order of the table: an index would have to be sorted
    )?;
    let (begun, mut grouping, mut count) = (Instant::now(), Grouping::default(), 0);
    let mut rows = select.query([consumer])?;
    while let Some(row) = rows.next()? {
        count += 1;
        if count % CHUNK == 0 && begun.elapsed() >= time {
            return Ok(grouping.finish(false));
        }
        let attempts = integer(row, 4)?;
        let letter = DeadLetter {
            id: text(row, 0)?,
            target: Some(target.to_owned()),
            reason: text(row, 1)?,
            received_at: integer(row, 2)?,
            dead_at: integer(row, 3)?,
            attempts: u32::try_from(attempts).unwrap_or(0),
            size: 0, // it is with the event
        };
        if is_wanted(&letter) {
            // Receiving adds one to both. A redrive sets the attempts to 0, and never the receipt: see `../receipt.rs`.
            let came_back = integer(row, 5)? > attempts;
            grouping.add(&letter, Some(came_back));
        }
    }
    Ok(grouping.finish(true))
}

fn letters_of_group(
    connection: &Connection,
    consumer: i64,
    key: &str,
    until: LettersUntil,
    after: i64,
    limit: usize,
) -> rusqlite::Result<LetterStep> {
    let mut select = connection.prepare_cached(
        "SELECT row, id, dead_at, reason FROM dead_letters
         WHERE +consumer = ?1 AND row > ?2 AND row <= ?3 ORDER BY row LIMIT ?4",
    )?;
    let mut step = LetterStep::default();
    let mut rows = select.query(params![consumer, after, until.row, STEP])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let (number, dead_at) = (row.get(0)?, integer(row, 2)?);
        let shape = ReasonShape::of(&text(row, 3)?);
        if dead_at <= until.dead_at && shape.key() == key {
            let id = text(row, 1)?;
            step.shape.get_or_insert(shape);
            step.found.push(FoundLetter {
                row: number,
                id,
                dead_at,
            });
        }
        if step.found.len() >= limit || looked_at == STEP {
            step.next = Some(number);
            break;
        }
    }
    Ok(step)
}
