//! The consumers of the log: one for each target, with its own position, attempts and dead letters.
//!
//! The SQL is in `consumers/rows.rs`. Called by the queue of `serve`, and by the commands about targets.

mod rows;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use rusqlite::Connection;
use serde::Serialize;

use super::claims::Claims;
use super::cursor;
use super::pace::Pace;
use super::settle::UnwrittenSettlements;
use super::{Log, unavailable};
use crate::QueueError;
use rows::{adopt_imported, delete, find_or_add, number, remove, rename, replace_only, statuses};

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
    pub(super) pace: Pace,
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
                    pace: Pace::new(available_parallelism().ok()),
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
