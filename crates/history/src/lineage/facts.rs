//! What is known of the jobs and datasets that a group names. Each is read once, and written once at the end of the group, if an
//! event told something new: those of an estate name the same jobs and datasets again and again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::query::runs;
use crate::record::HOUR;
use crate::state::{Run, RunState};

/// The facts of a group, by the number of the job or dataset.
pub(super) struct GroupFacts<'c> {
    connection: &'c Connection,
    jobs: BTreeMap<i64, Known<JobFacts>>,
    datasets: BTreeMap<i64, Known<DatasetFacts>>,
    /// How many are new.
    added: usize,
}

/// What is known of a job.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct JobFacts {
    /// The time of the newest event about the job itself, which says the parent.
    pub(super) said_at: Option<i64>,
    pub(super) parent: Option<i64>,
    /// The latest run.
    pub(super) run: Option<(String, Run)>,
    /// The last run that completed and named datasets: when it began and ended.
    pub(super) completed_from: Option<i64>,
    pub(super) completed_at: Option<i64>,
}

/// What is known of a dataset.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct DatasetFacts {
    /// What its fields are made of.
    pub(super) fields_hash: Option<i64>,
    /// The time of the event that said so.
    pub(super) fields_at: Option<i64>,
}

/// Facts, and when an event named what they are about.
struct Known<T> {
    facts: T,
    /// What the database has; `None`: nothing.
    stored: Option<Stored<T>>,
    /// When this group named it first.
    at: i64,
}

struct Stored<T> {
    facts: Option<T>,
    seen: i64,
}

impl<T: Default> Known<T> {
    fn of(stored: Option<(T, i64)>, at: i64) -> Known<T> {
        let (facts, stored) = stored.map_or_else(
            || (T::default(), None),
            |(facts, seen)| (facts, Some(Stored { facts: None, seen })),
        );
        Known { facts, stored, at }
    }
}

impl<T: Clone + PartialEq> Known<T> {
    /// Keeps what is stored beside what it becomes.
    fn set(&mut self, facts: T) {
        let before = std::mem::replace(&mut self.facts, facts);
        if let Some(stored) = &mut self.stored {
            stored.facts.get_or_insert(before);
        }
    }
}

impl<'c> GroupFacts<'c> {
    pub(super) fn new(connection: &'c Connection) -> GroupFacts<'c> {
        GroupFacts {
            connection,
            jobs: BTreeMap::new(),
            datasets: BTreeMap::new(),
            added: 0,
        }
    }

    /// How many jobs and datasets are new.
    pub(super) fn added(&self) -> usize {
        self.added
    }

    /// What is known of a job that an event names, which was delivered at `at`, in milliseconds since 1970.
    pub(super) fn job(&mut self, node: i64, at: i64) -> rusqlite::Result<&JobFacts> {
        let known = match self.jobs.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let select = "
                    SELECT seen, said_at, parent, run, state, started_at, ended_at, ran_at, completed_from, completed_at
                    FROM facts WHERE node = ?1";
                let mut select = self.connection.prepare_cached(select)?;
                let stored = select.query_row([node], job_facts).optional()?;
                self.added += usize::from(stored.is_none());
                vacant.insert(Known::of(stored, at))
            }
        };
        Ok(&known.facts)
    }

    /// What is known of a dataset that an event names, which was delivered at `at`, in milliseconds since 1970.
    pub(super) fn dataset(&mut self, node: i64, at: i64) -> rusqlite::Result<&DatasetFacts> {
        let known = match self.datasets.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let select = "SELECT seen, fields_hash, fields_at FROM facts WHERE node = ?1";
                let mut select = self.connection.prepare_cached(select)?;
                let stored = select.query_row([node], |row| {
                    let facts = DatasetFacts {
                        fields_hash: row.get(1)?,
                        fields_at: row.get(2)?,
                    };
                    Ok((facts, row.get(0)?))
                });
                let stored = stored.optional()?;
                self.added += usize::from(stored.is_none());
                vacant.insert(Known::of(stored, at))
            }
        };
        Ok(&known.facts)
    }

    /// Changes what is known of a job that was asked for.
    pub(super) fn set_job(&mut self, node: i64, facts: JobFacts) {
        if let Some(known) = self.jobs.get_mut(&node) {
            known.set(facts);
        }
    }

    /// Changes what is known of a dataset that was asked for.
    pub(super) fn set_dataset(&mut self, node: i64, facts: DatasetFacts) {
        if let Some(known) = self.datasets.get_mut(&node) {
            known.set(facts);
        }
    }

    /// Writes what is new.
    pub(super) fn write(self) -> rusqlite::Result<()> {
        for (node, known) in self.jobs {
            write_job(self.connection, node, &known)?;
        }
        for (node, known) in self.datasets {
            write_dataset(self.connection, node, &known)?;
        }
        Ok(())
    }
}

fn write_job(connection: &Connection, node: i64, known: &Known<JobFacts>) -> rusqlite::Result<()> {
    let Known { facts, stored, at } = known;
    let (id, run) = match &facts.run {
        Some((id, run)) => (Some(id), Some(run)),
        None => (None, None),
    };
    let state = run.and_then(|run| run.state).map(RunState::name);
    let started_at = run.map(|run| run.started_at);
    let ended_at = run.and_then(|run| run.ended_at);
    let ran_at = run.map(|run| run.ran_at);
    let JobFacts {
        said_at,
        parent,
        completed_from,
        completed_at,
        ..
    } = facts;
    let Some(stored) = stored else {
        let insert = "
            INSERT INTO facts (node, since, seen, said_at, parent, run, state, started_at, ended_at, ran_at, completed_from, completed_at)
            VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        connection.prepare_cached(insert)?.execute(params![
            node,
            at,
            said_at,
            parent,
            id,
            state,
            started_at,
            ended_at,
            ran_at,
            completed_from,
            completed_at,
        ])?;
        return Ok(());
    };
    see(connection, node, stored.seen, *at)?;
    let Some(before) = stored.facts.as_ref().filter(|before| *before != facts) else {
        return Ok(());
    };
    // An index is written with what it has, whether or not it is the same.
    if before.parent != *parent {
        let update = "UPDATE facts SET parent = ?2 WHERE node = ?1";
        connection
            .prepare_cached(update)?
            .execute(params![node, parent])?;
    }
    let update = "
        UPDATE facts SET said_at = ?2, run = ?3, state = ?4, started_at = ?5, ended_at = ?6, ran_at = ?7, completed_from = ?8,
            completed_at = ?9
        WHERE node = ?1";
    connection.prepare_cached(update)?.execute(params![
        node,
        said_at,
        id,
        state,
        started_at,
        ended_at,
        ran_at,
        completed_from,
        completed_at,
    ])?;
    Ok(())
}

fn write_dataset(
    connection: &Connection,
    node: i64,
    known: &Known<DatasetFacts>,
) -> rusqlite::Result<()> {
    let Known { facts, stored, at } = known;
    let DatasetFacts {
        fields_hash,
        fields_at,
    } = facts;
    let Some(stored) = stored else {
        let insert = "
            INSERT INTO facts (node, since, seen, fields_hash, fields_at) VALUES (?1, ?2, ?2, ?3, ?4)";
        let values = params![node, at, fields_hash, fields_at];
        connection.prepare_cached(insert)?.execute(values)?;
        return Ok(());
    };
    see(connection, node, stored.seen, *at)?;
    if stored.facts.as_ref().is_some_and(|before| before != facts) {
        let update = "UPDATE facts SET fields_hash = ?2, fields_at = ?3 WHERE node = ?1";
        let values = params![node, fields_hash, fields_at];
        connection.prepare_cached(update)?.execute(values)?;
    }
    Ok(())
}

/// Writes that an event named a node, exact to an hour.
fn see(connection: &Connection, node: i64, seen: i64, at: i64) -> rusqlite::Result<()> {
    if at - seen >= HOUR {
        let update = "UPDATE facts SET seen = ?2 WHERE node = ?1";
        connection.prepare_cached(update)?.execute([node, at])?;
    }
    Ok(())
}

fn job_facts(row: &Row<'_>) -> rusqlite::Result<(JobFacts, i64)> {
    let facts = JobFacts {
        said_at: row.get("said_at")?,
        parent: row.get("parent")?,
        run: runs::latest_of(row)?,
        completed_from: row.get("completed_from")?,
        completed_at: row.get("completed_at")?,
    };
    Ok((facts, row.get("seen")?))
}
