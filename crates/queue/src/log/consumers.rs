//! The consumers of the log: one for each target, with its own position, attempts and dead letters.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::claims::Claims;
use super::cursor::{self, Cursor};
use super::import::IMPORTED;
use super::settle::UnwrittenSettlements;
use super::{Log, floors, read, reconcile, status, store, unavailable};
use crate::QueueError;

/// How many events become pending in one transaction when a consumer is stopped: a target that was down for a week may have
/// millions, and memory and the write-ahead log are bounded all the same.
const STOP_STEP: i64 = 10_000;

/// What one target reads of the log. Cheap to clone; all handles of a target share what is in hand.
#[derive(Debug, Clone)]
pub struct Consumer {
    pub(super) log: Log,
    pub(super) target: Arc<str>,
    pub(super) state: Arc<ConsumerState>,
    started: Option<ConsumerStart>,
}

/// What a consumer keeps in memory.
#[derive(Debug)]
pub(super) struct ConsumerState {
    /// Its number in the tables.
    pub(super) number: i64,
    /// Up to where this process has received, by its last receive that was committed; the highest number before that. Only
    /// tells whether looking is worthwhile: what to receive is decided by the row.
    pub(super) received: AtomicI64,
    pub(super) claims: Claims,
    pub(super) unwritten: UnwrittenSettlements,
}

/// Where a new consumer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the events that are appended from now on.
    Next,
    /// With the oldest event that is still in the log.
    Oldest,
    /// With the first event that was accepted at this time or later, in milliseconds since 1970.
    Since(i64),
}

/// A target of an owner.
#[derive(Debug, Clone, Copy)]
pub struct OwnerTarget<'t> {
    /// Its name.
    pub name: &'t str,
    /// Where it starts if the log does not know it, also where it could take the place of another one. `None` is the usual
    /// start: see [`Log::owner_consumers`].
    pub start: Option<Start>,
}

impl<'t> From<&'t str> for OwnerTarget<'t> {
    fn from(name: &'t str) -> OwnerTarget<'t> {
        OwnerTarget { name, start: None }
    }
}

/// How a target started that the log did not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerStart {
    /// Where it started.
    pub start: Start,
    /// How many events of the log it gets.
    pub events: u64,
    /// When the first of them was accepted, in milliseconds since 1970.
    pub first: Option<i64>,
}

/// A consumer of the log, and how much it has not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsumerStatus {
    /// The name of the target.
    pub target: String,
    /// Events that are not settled.
    pub pending: u64,
    /// Events that could not be delivered.
    pub dead_letters: u64,
}

impl Consumer {
    /// The name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// How it started, if the log did not know its target when [`Log::owner_consumers`] returned it.
    pub fn started(&self) -> Option<ConsumerStart> {
        self.started
    }
}

impl Log {
    /// Returns the consumer for a target. One that the log does not know starts at `start`; the first such one after an
    /// import takes over what was imported.
    pub async fn consumer(&self, target: &str, start: Start) -> Result<Consumer, journal::Error> {
        let name = target.to_owned();
        let find = move |connection: &Connection| {
            adopt_imported(connection, std::slice::from_ref(&name))?;
            find_or_add(connection, &name, start).map(|(number, _)| number)
        };
        let number = self.journal.write(find).await?;
        Ok(self.handle(target, number, None))
    }

    /// Returns the consumers for all targets of an owner, in their order. All of them are added in one transaction: a start
    /// that is interrupted has added none.
    ///
    /// Those that the log does not know take over what was imported, each all of it. Otherwise they start with the next
    /// event. But a target that is alone takes the place of another one if that is the only one that the log has ever had:
    /// it gets what that one has not settled. A target with a start of its own does neither.
    pub async fn owner_consumers<'t, T: Into<OwnerTarget<'t>> + Copy>(
        &self,
        targets: &[T],
    ) -> Result<Vec<Consumer>, journal::Error> {
        let targets: Vec<OwnerTarget<'t>> = targets.iter().map(|&target| target.into()).collect();
        let owned: Vec<(String, Option<Start>)> = targets
            .iter()
            .map(|target| (target.name.to_owned(), target.start))
            .collect();
        let find = move |connection: &Connection| {
            let names: Vec<String> = owned.iter().map(|(name, _)| name.clone()).collect();
            adopt_imported(connection, &names)?;
            let usual = match owned.as_slice() {
                [(only, None)] => replace_only(connection, only)?,
                _ => Start::Next,
            };
            let found = owned
                .iter()
                .map(|(name, start)| find_or_add(connection, name, start.unwrap_or(usual)));
            found.collect::<rusqlite::Result<Vec<_>>>()
        };
        let found = self.journal.write(find).await?;
        let consumers = targets.iter().zip(found);
        Ok(consumers
            .map(|(target, (number, started))| self.handle(target.name, number, started))
            .collect())
    }

    /// Returns the consumer for a target that the log knows.
    pub async fn existing_consumer(&self, target: &str) -> Result<Option<Consumer>, QueueError> {
        let name = target.to_owned();
        let find = move |connection: &Connection| number(connection, &name);
        let number = self.journal.read(find).await.map_err(unavailable)?;
        Ok(number.map(|number| self.handle(target, number, None)))
    }

    /// Lists the consumers, in the order in which they were added.
    pub async fn consumers(&self) -> Result<Vec<ConsumerStatus>, QueueError> {
        self.journal.read(statuses).await.map_err(unavailable)
    }

    /// Stops the consumers of all targets but `targets`, when an owner starts: nothing reads for them any more. What such a
    /// consumer has not settled and its dead letters stay until it is removed, and it gets no event that is appended from
    /// now on: nobody would settle it, and the log would grow without end. One that has nothing left is removed. A stopped
    /// consumer goes on when a later owner asks for it again. Returns those that have something left.
    pub async fn stop_others(
        &self,
        targets: &[&str],
    ) -> Result<Vec<ConsumerStatus>, journal::Error> {
        let targets: Vec<String> = targets.iter().map(|&target| target.to_owned()).collect();
        let find = move |connection: &Connection| {
            let mut left = Vec::new();
            for other in statuses(connection)? {
                if targets.contains(&other.target) {
                    continue;
                }
                let Some(number) = number(connection, &other.target)? else {
                    continue;
                };
                match (other.pending, other.dead_letters) {
                    (0, 0) => delete(connection, number)?,
                    _ => left.push((number, other)),
                }
            }
            Ok(left)
        };
        let left = self.journal.write(find).await?;
        for (number, _) in &left {
            let number = *number;
            let stop = move |connection: &Connection| cursor::stop(connection, number, STOP_STEP);
            while !self.journal.write(stop).await? {}
        }
        Ok(left.into_iter().map(|(_, status)| status).collect())
    }

    /// Gives the consumer `from` another name: its target is called `to` from now on. Returns whether there was one, and
    /// none called `to`.
    pub async fn rename_consumer(&self, from: &str, to: &str) -> Result<bool, QueueError> {
        let (old, new) = (from.to_owned(), to.to_owned());
        let rename = move |connection: &Connection| rename(connection, &old, &new);
        let renamed = self.journal.write(rename).await.map_err(unavailable)?;
        if renamed {
            let mut known = self.known();
            if let Some(state) = known.remove(from) {
                known.insert(to.to_owned(), state);
            }
        }
        Ok(renamed)
    }

    /// Removes a consumer, its pending events and its dead letters. Returns what it had not settled, or `None` if there is
    /// no such consumer.
    pub async fn remove_consumer(
        &self,
        target: &str,
    ) -> Result<Option<ConsumerStatus>, QueueError> {
        let name = target.to_owned();
        let remove = move |connection: &Connection| remove(connection, &name);
        let removed = self.journal.write(remove).await.map_err(unavailable)?;
        self.known().remove(target);
        Ok(removed)
    }

    /// Removes a consumer as [`remove_consumer`](Self::remove_consumer) does, unless its owner reads for it. Returns whether
    /// that was so.
    pub(crate) async fn remove_stopped_consumer(&self, target: &str) -> Result<bool, QueueError> {
        let name = target.to_owned();
        let remove = move |connection: &Connection| {
            // In the transaction that deletes: an owner may start it again at any moment.
            match number(connection, &name)? {
                Some(number) if !cursor::is_stopped(connection, number)? => Ok(false),
                Some(_) | None => remove(connection, &name).map(|_| true),
            }
        };
        self.journal.write(remove).await.map_err(unavailable)
    }

    fn handle(&self, target: &str, number: i64, started: Option<ConsumerStart>) -> Consumer {
        let state = match self.known().entry(target.to_owned()) {
            Entry::Occupied(known) if known.get().number == number => known.get().clone(),
            entry @ (Entry::Occupied(_) | Entry::Vacant(_)) => {
                let state = Arc::new(ConsumerState {
                    number,
                    received: AtomicI64::new(i64::MAX),
                    claims: Claims::default(),
                    unwritten: UnwrittenSettlements::default(),
                });
                entry.insert_entry(state.clone());
                state
            }
        };
        Consumer {
            log: self.clone(),
            target: target.into(),
            state,
            started,
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<ConsumerState>>> {
        self.consumers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives what was imported to each of these targets that the log does not know: an older version had one target, and which of
/// these it is, is not known. So an event may be delivered where it was delivered before, and none is missing anywhere.
fn adopt_imported(connection: &Connection, targets: &[String]) -> rusqlite::Result<()> {
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
fn replace_only(connection: &Connection, target: &str) -> rusqlite::Result<Start> {
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
fn find_or_add(
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

fn remove(connection: &Connection, target: &str) -> rusqlite::Result<Option<ConsumerStatus>> {
    let Some(number) = number(connection, target)? else {
        return Ok(None);
    };
    let left = statuses(connection)?;
    delete(connection, number)?;
    Ok(left.into_iter().find(|it| it.target == target))
}

fn delete(connection: &Connection, consumer: i64) -> rusqlite::Result<()> {
    store::forget_consumer(connection, consumer)?;
    for table in ["cursors", "pending", "dead_letters", "floors"] {
        let delete = format!("DELETE FROM {table} WHERE consumer = ?1");
        connection.execute(&delete, [consumer])?;
    }
    Ok(())
}

fn rename(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE OR IGNORE cursors SET target = ?2 WHERE target = ?1";
    connection.execute(sql, [from, to]).map(|rows| rows > 0)
}

fn number(connection: &Connection, target: &str) -> rusqlite::Result<Option<i64>> {
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

fn statuses(connection: &Connection) -> rusqlite::Result<Vec<ConsumerStatus>> {
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
