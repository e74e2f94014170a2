//! Writes what events say of lineage, as part of the transaction of their outcomes.
//!
//! Most events say what is known already, so each row is read first, and written only if it tells something new. What changes with
//! each run is collected and written once, at the end of a group: `facts.rs`, and the times of edges.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::counts::{self, Counted};
use super::facts::{DatasetFacts, GroupFacts, JobFacts};
use super::held::Due;
use super::{ColumnStep, Field, Lineage, RunStep, hash};
use crate::numbers::Numbers;
use crate::query::runs;
use crate::record::HOUR;
use crate::state::{Run, RunState};

/// The most jobs and datasets, and the most rows, that are new in a group: a transaction of a second. The lineage of further events
/// of the group is left out. Groups of a new estate have a tenth of that.
const MAX_NEW_NODES: usize = 10_000;
const MAX_NEW_ROWS: usize = 100_000;

/// The most events of a run that are read at each end, to write one: the first ones tell when it began, the last ones its state.
const RUN_EVENTS: usize = 50;

/// Which edge: job, dataset, and whether the job writes it.
type EdgeKey = (i64, i64, bool);

/// What a group says of lineage.
pub(crate) struct LineageWriter<'c> {
    connection: &'c Connection,
    facts: GroupFacts<'c>,
    /// The time of the newest event that has the edge.
    edges: BTreeMap<EdgeKey, i64>,
    /// Runs that completed: job, when it began, when it ended.
    completed: Vec<(i64, i64, i64)>,
    /// How many rows are new, besides jobs and datasets.
    added: usize,
    /// The events of which nothing was written, since the group is full.
    left_out: u64,
}

/// What a group wrote of lineage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// How many rows are new, by which the bounds may be passed.
    pub(crate) added: usize,
    /// Of how many events nothing was written.
    pub(crate) left_out: u64,
}

impl<'c> LineageWriter<'c> {
    pub(crate) fn new(connection: &'c Connection) -> LineageWriter<'c> {
        LineageWriter {
            connection,
            facts: GroupFacts::new(connection),
            edges: BTreeMap::new(),
            completed: Vec::new(),
            added: 0,
            left_out: 0,
        }
    }

    /// Whether the group has no room for a further event.
    fn is_full(&self) -> bool {
        let new_nodes = self.facts.added();
        new_nodes >= MAX_NEW_NODES || new_nodes + self.added + self.edges.len() >= MAX_NEW_ROWS
    }

    /// Writes what an event says that a target has. The event itself is recorded.
    pub(crate) fn add(&mut self, numbers: &mut Numbers<'_>, due: &Due) -> rusqlite::Result<()> {
        if self.is_full() {
            self.left_out += 1;
            return Ok(());
        }
        let (lineage, at) = (&due.lineage(), due.at);
        let job = lineage.job.as_ref().map(|job| numbers.job(job));
        let job = job.transpose()?;
        if let Some(job) = job {
            let parent = match &lineage.parent {
                Some(parent) => {
                    let parent = numbers.job(parent)?;
                    self.facts.job(parent, at)?;
                    Some(parent).filter(|parent| *parent != job)
                }
                None => None,
            };
            self.job(job, parent, lineage, at)?;
            for (dataset, is_output) in &lineage.edges {
                let dataset = numbers.dataset(dataset)?;
                self.facts.dataset(dataset, at)?;
                let time = self.edges.entry((job, dataset, *is_output));
                let time = time.or_insert(lineage.time);
                *time = lineage.time.max(*time);
            }
        }
        for dataset in &lineage.datasets {
            let dataset = numbers.dataset(dataset)?;
            self.facts.dataset(dataset, at)?;
        }
        for (alias, dataset) in &lineage.aliases {
            let (alias, dataset) = (numbers.dataset(alias)?, numbers.dataset(dataset)?);
            self.facts.dataset(alias, at)?;
            self.facts.dataset(dataset, at)?;
            self.alias(alias, dataset, at)?;
        }
        for (dataset, fields) in &lineage.fields {
            let dataset = numbers.dataset(dataset)?;
            self.fields(dataset, fields, (lineage.time, at))?;
        }
        for (dataset, steps) in &lineage.columns {
            let dataset = numbers.dataset(dataset)?;
            self.facts.dataset(dataset, at)?;
            let sources = steps.iter().map(|step| numbers.dataset(&step.source));
            let sources = sources.collect::<rusqlite::Result<Vec<i64>>>()?;
            let steps = sources.into_iter().zip(steps);
            self.columns((dataset, job.unwrap_or(0)), steps, (lineage.time, at))?;
        }
        Ok(())
    }

    /// Writes what was collected.
    pub(crate) fn finish(mut self, at: i64) -> rusqlite::Result<Written> {
        let edges = std::mem::take(&mut self.edges);
        for (edge, time) in &edges {
            self.edge(*edge, *time, at)?;
        }
        for (job, from, to) in std::mem::take(&mut self.completed) {
            let known = self.facts.job(job, at)?;
            let is_newer = known
                .completed_at
                .is_none_or(|completed_at| completed_at <= to);
            // A run that named nothing says nothing about what the job reads and writes.
            if is_newer && self.has_edge(&edges, job, from)? {
                let facts = JobFacts {
                    completed_from: Some(from),
                    completed_at: Some(to),
                    ..self.facts.job(job, at)?.clone()
                };
                self.facts.set_job(job, facts);
            }
        }
        let added = self.added + self.facts.added();
        self.facts.write()?;
        Ok(Written {
            added,
            left_out: self.left_out,
        })
    }

    /// Whether a job has an edge since a time, of this group or of an earlier one.
    fn has_edge(
        &self,
        edges: &BTreeMap<EdgeKey, i64>,
        job: i64,
        since: i64,
    ) -> rusqlite::Result<bool> {
        let mut of_job = edges.range((job, i64::MIN, false)..=(job, i64::MAX, true));
        if of_job.any(|(_, time)| *time >= since) {
            return Ok(true);
        }
        let select = "SELECT 1 FROM edges WHERE job = ?1 AND run_at >= ?2";
        (self.connection.prepare_cached(select)?).exists([job, since])
    }

    /// Takes what an event says of its job.
    fn job(
        &mut self,
        job: i64,
        parent: Option<i64>,
        lineage: &Lineage,
        at: i64,
    ) -> rusqlite::Result<()> {
        let known = self.facts.job(job, at)?.clone();
        let time = lineage.time;
        let mut facts = known.clone();
        if known.said_at.is_none_or(|said_at| time >= said_at) {
            facts.said_at = Some(time);
            facts.parent = parent.or(known.parent);
        }
        match &lineage.run {
            Some(step) if may_change(&known, step, time) => {
                let run = self.run(&known, step, time)?;
                if run.state == Some(RunState::Completed)
                    && let Some(ended_at) = run.ended_at
                {
                    self.completed.push((job, run.started_at, ended_at));
                }
                let is_latest = known.run.as_ref().is_none_or(|(id, latest)| {
                    *id == step.id
                        || (run.started_at, run.ran_at) > (latest.started_at, latest.ran_at)
                });
                if is_latest {
                    facts.run = Some((step.id.clone(), run));
                }
            }
            Some(_) => {}
            // A JobEvent tells all that the job reads and writes.
            None if !lineage.edges.is_empty() => self.completed.push((job, time, time)),
            None => {}
        }
        if facts != known {
            self.facts.set_job(job, facts);
        }
        Ok(())
    }

    /// What is known of the run of an event: from the events that are recorded, of which the target may have got some in others.
    fn run(&self, known: &JobFacts, step: &RunStep, time: i64) -> rusqlite::Result<Run> {
        let latest = known.run.as_ref().filter(|(id, _)| *id == step.id);
        let recorded = match latest {
            Some((_, run)) => Some(*run),
            None => runs::run(self.connection, &step.id, RUN_EVENTS)?,
        };
        Ok(recorded.map_or(Run::new(step.state, time), |run| run.with(step.state, time)))
    }

    fn edge(
        &mut self,
        (job, dataset, is_output): EdgeKey,
        time: i64,
        at: i64,
    ) -> rusqlite::Result<()> {
        let connection = self.connection;
        // Nearly always. Without `seen`, whose index is written with it.
        let update = "
            UPDATE edges SET run_at = ?4
            WHERE job = ?1 AND is_output = ?2 AND dataset = ?3 AND run_at < ?4 AND seen > ?5";
        let mut update = connection.prepare_cached(update)?;
        if update.execute(params![job, is_output, dataset, time, at - HOUR])? > 0 {
            return Ok(());
        }
        let select = "SELECT row, run_at, seen FROM edges WHERE job = ?1 AND is_output = ?2 AND dataset = ?3";
        let known: Option<(i64, i64, i64)> = (connection.prepare_cached(select)?)
            .query_row(params![job, is_output, dataset], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((row, run_at, seen)) = known else {
            let insert = "INSERT INTO edges (job, dataset, is_output, run_at, seen) VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![job, dataset, is_output, time, at];
            connection.prepare_cached(insert)?.execute(values)?;
            self.added += 1;
            return Ok(());
        };
        if at - seen >= HOUR {
            let update = "UPDATE edges SET run_at = ?2, seen = ?3 WHERE row = ?1";
            (connection.prepare_cached(update)?).execute([row, run_at.max(time), at])?;
        }
        Ok(())
    }

    fn alias(&mut self, alias: i64, dataset: i64, at: i64) -> rusqlite::Result<()> {
        let connection = self.connection;
        let select = "SELECT seen FROM aliases WHERE alias = ?1 AND dataset = ?2";
        let seen: Option<i64> = (connection.prepare_cached(select)?)
            .query_row([alias, dataset], |row| row.get(0))
            .optional()?;
        let write = match seen {
            None => "INSERT INTO aliases (alias, dataset, seen) VALUES (?1, ?2, ?3)",
            Some(seen) if at - seen >= HOUR => {
                "UPDATE aliases SET seen = ?3 WHERE alias = ?1 AND dataset = ?2"
            }
            Some(_) => return Ok(()),
        };
        self.added += usize::from(seen.is_none());
        (connection.prepare_cached(write)?).execute([alias, dataset, at])?;
        Ok(())
    }

    /// Writes the fields of a dataset, unless a newer event has said them.
    fn fields(
        &mut self,
        dataset: i64,
        fields: &[Field],
        (time, at): (i64, i64),
    ) -> rusqlite::Result<()> {
        let connection = self.connection;
        let known = self.facts.dataset(dataset, at)?;
        if known.fields_at.is_some_and(|said_at| time <= said_at) {
            return Ok(());
        }
        let fields_hash = Some(hash(fields));
        let is_same = known.fields_hash == fields_hash;
        let facts = DatasetFacts {
            fields_hash,
            fields_at: Some(time),
        };
        self.facts.set_dataset(dataset, facts);
        if is_same {
            return Ok(());
        }
        let delete = "DELETE FROM fields WHERE node = ?1";
        let removed = connection.prepare_cached(delete)?.execute([dataset])?;
        counts::removed(connection, Counted::Fields, removed)?;
        counts::added(connection, Counted::Fields, fields.len())?;
        self.added += fields.len();
        let insert = "INSERT INTO fields (node, position, name, type) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = connection.prepare_cached(insert)?;
        for (position, field) in fields.iter().enumerate() {
            let position = i64::try_from(position).unwrap_or(i64::MAX);
            insert.execute(params![dataset, position, field.name, field.of_type])?;
        }
        Ok(())
    }

    /// Writes of what a job makes the columns of a dataset, unless a newer event has said it.
    fn columns<'s>(
        &mut self,
        (dataset, job): (i64, i64),
        steps: impl Iterator<Item = (i64, &'s ColumnStep)> + Clone,
        (time, at): (i64, i64),
    ) -> rusqlite::Result<()> {
        let connection = self.connection;
        for (source, _) in steps.clone() {
            self.facts.dataset(source, at)?;
        }
        let hash = hash(steps.clone().collect::<Vec<_>>());
        let select =
            "SELECT row, hash, said_at, seen FROM column_sets WHERE dataset = ?1 AND job = ?2";
        let known: Option<(i64, i64, i64, i64)> = (connection.prepare_cached(select)?)
            .query_row([dataset, job], |row| row.try_into())
            .optional()?;
        if known.is_some_and(|(_, _, said_at, _)| time < said_at) {
            return Ok(());
        }
        let (row, is_same) = match known {
            Some((row, known, said_at, seen)) => {
                if (hash, time) != (known, said_at) {
                    let update = "UPDATE column_sets SET hash = ?2, said_at = ?3 WHERE row = ?1";
                    (connection.prepare_cached(update)?).execute([row, hash, time])?;
                }
                if at - seen >= HOUR {
                    let update = "UPDATE column_sets SET seen = ?2 WHERE row = ?1";
                    (connection.prepare_cached(update)?).execute([row, at])?;
                }
                (row, known == hash)
            }
            None => {
                let insert = "INSERT INTO column_sets (dataset, job, hash, said_at, seen) VALUES (?1, ?2, ?3, ?4, ?5)";
                let values = [dataset, job, hash, time, at];
                self.added += 1;
                (connection.prepare_cached(insert)?.insert(values)?, false)
            }
        };
        if is_same {
            return Ok(());
        }
        let delete = "DELETE FROM column_edges WHERE column_set = ?1";
        let removed = connection.prepare_cached(delete)?.execute([row])?;
        counts::removed(connection, Counted::ColumnEdges, removed)?;
        let count = steps.clone().count();
        counts::added(connection, Counted::ColumnEdges, count)?;
        self.added += count;
        let insert = "
            INSERT INTO column_edges (column_set, source, source_field, field, is_direct)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = connection.prepare_cached(insert)?;
        for (source, step) in steps {
            insert.execute(params![
                row,
                source,
                step.source_field,
                step.field,
                step.is_direct
            ])?;
        }
        Ok(())
    }
}

/// Whether an event of a run may change what is known of the job: not if it neither ends a run nor is newer than the beginning of
/// the latest run. An event from before the last completed run may be its first one.
fn may_change(known: &JobFacts, step: &RunStep, time: i64) -> bool {
    let Some((id, latest)) = &known.run else {
        return true;
    };
    *id == step.id
        || step.state.is_some_and(RunState::is_end)
        || time >= latest.started_at
        || known.completed_from.is_some_and(|from| time < from)
}
