//! Writes outcomes. An event has one row, however often it is attempted, at however many targets.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use crate::lineage::held::{Due, Held};
use crate::lineage::write::LineageWriter;
use crate::lineage::{bounded, forget};
use crate::numbers::Numbers;
use crate::{Entry, Outcome, find};

/// An hour, in milliseconds.
pub(crate) const HOUR: i64 = 3_600_000;

/// Writes outcomes in their order, as part of one transaction, at `now`, in milliseconds since 1970. Returns of how many events
/// the lineage was left out.
pub(crate) fn record(
    connection: &Connection,
    entries: &[Entry],
    held: &mut Held,
    now: i64,
) -> rusqlite::Result<u64> {
    let mut changed = find::newest(connection)?;
    let mut numbers = Numbers::new(connection);
    let mut lineages = LineageWriter::new(connection);
    let mut ended = BTreeMap::new();
    for entry in entries {
        changed += 1;
        let (event, before) = event(connection, &mut numbers, entry, changed)?;
        outcome(connection, entry, (event, changed))?;
        // The rules of each target may change names.
        if !before.is_at(&entry.target) {
            for dataset in &entry.datasets {
                let node = numbers.dataset(dataset)?;
                let insert = "INSERT OR IGNORE INTO event_nodes (node, event) VALUES (?1, ?2)";
                connection.prepare_cached(insert)?.execute([node, event])?;
            }
        }
        if let Some(due) = due(entry, &before, held) {
            lineages.add(&mut numbers, &due)?;
        }
        if entry.outcome.is_final() {
            let hour = entry.at.div_euclid(HOUR);
            let end = (hour, &*entry.target, entry.outcome.name());
            *ended.entry(end).or_insert(0) += 1;
        }
    }
    for (end, events) in ended {
        count(connection, end, events)?;
    }
    while let Some(due) = held.due(now) {
        lineages.add(&mut numbers, &due)?;
    }
    let at = entries.last().map_or(now, |last| last.at);
    let left_out = finish(connection, lineages, at)?;
    let given = "
        INSERT INTO changes (row, last) VALUES (1, ?1)
        ON CONFLICT (row) DO UPDATE SET last = excluded.last";
    connection.prepare_cached(given)?.execute([changed])?;
    Ok(left_out)
}

/// Writes the lineage of all events that wait for the first target, at `now`, in milliseconds since 1970. Returns of how many events it
/// was left out.
pub(crate) fn settle(connection: &Connection, held: &mut Held, now: i64) -> rusqlite::Result<u64> {
    let mut numbers = Numbers::new(connection);
    let mut lineages = LineageWriter::new(connection);
    while let Some(due) = held.due(i64::MAX) {
        lineages.add(&mut numbers, &due)?;
    }
    finish(connection, lineages, now)
}

/// Ends the lineage of a group: no more of it is kept than may be.
fn finish(connection: &Connection, lineages: LineageWriter<'_>, at: i64) -> rusqlite::Result<u64> {
    let written = lineages.finish(at)?;
    if written.left_out > 0 {
        let insert = "INSERT INTO lineage_gaps (at, count) VALUES (?1, ?2)";
        let count = i64::try_from(written.left_out).unwrap_or(i64::MAX);
        connection.prepare_cached(insert)?.execute([at, count])?;
    }
    forget::shrink(connection, written.added, forget::BOUNDS)?;
    Ok(written.left_out)
}

/// The event whose lineage an outcome makes due.
fn due(entry: &Entry, before: &Before, held: &mut Held) -> Option<Due> {
    let is_of_first = entry.target == entry.first_target;
    match &entry.delivered {
        Some(delivered) if is_of_first => {
            // What was held is superseded. Otherwise the lineage has what another target had.
            let other = held.take(&entry.id);
            let is_due = other.is_some() || !before.is_delivered();
            is_due.then(|| Due::of(entry, delivered))
        }
        Some(_) if before.is_delivered() => None,
        Some(delivered) if before.has_left(&entry.first_target) => Some(Due::of(entry, delivered)),
        Some(delivered) => {
            held.hold(entry, delivered);
            None
        }
        None if is_of_first => match entry.outcome {
            // It has it in another event.
            Outcome::Delivered => {
                drop(held.take(&entry.id));
                None
            }
            Outcome::Unchanged | Outcome::Dropped | Outcome::DeadLettered => held.take(&entry.id),
            Outcome::Retry => None,
        },
        None => None,
    }
}

/// Writes that outcomes were not recorded.
pub(crate) fn gap(connection: &Connection, at: i64, count: u64) -> rusqlite::Result<()> {
    let insert = "INSERT INTO gaps (at, count) VALUES (?1, ?2)";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    connection.prepare_cached(insert)?.execute([at, count])?;
    Ok(())
}

/// What was recorded of an event before: its target and outcome at each.
#[derive(Debug, Default)]
struct Before(Vec<(String, String)>);

impl Before {
    fn of(connection: &Connection, event: i64) -> rusqlite::Result<Before> {
        let select = "SELECT target, outcome FROM outcomes WHERE event = ?1";
        let mut select = connection.prepare_cached(select)?;
        let outcomes = select.query_map([event], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Before(outcomes.collect::<rusqlite::Result<_>>()?))
    }

    /// Whether it has an outcome at a target.
    fn is_at(&self, target: &str) -> bool {
        self.0.iter().any(|(at, _)| at == target)
    }

    /// Whether a target has it.
    fn is_delivered(&self) -> bool {
        let had = [Outcome::Delivered, Outcome::Unchanged].map(Outcome::name);
        self.0.iter().any(|(_, outcome)| had.contains(&&**outcome))
    }

    /// Whether it is done with at a target.
    fn has_left(&self, target: &str) -> bool {
        let is_done = |outcome: &str| outcome != Outcome::Retry.name();
        let mut outcomes = self.0.iter();
        outcomes.any(|(at, outcome)| at == target && is_done(outcome))
    }
}

/// Writes the row of the event. Returns its number, and what was recorded of it before.
fn event(
    connection: &Connection,
    numbers: &mut Numbers<'_>,
    entry: &Entry,
    changed: i64,
) -> rusqlite::Result<(i64, Before)> {
    let known = "SELECT event, job FROM events WHERE id = ?1";
    let known: Option<(i64, Option<i64>)> = (connection.prepare_cached(known)?)
        .query_row([&entry.id], |row| row.try_into())
        .optional()?;
    let before = match known {
        Some((event, _)) => Before::of(connection, event)?,
        None => Before::default(),
    };
    // The name that another target has is not kept: nothing would have it.
    let job = match (known.and_then(|(_, job)| job), &entry.job) {
        (Some(job), _) => Some(job),
        (None, Some(job)) => Some(numbers.job(job)?),
        (None, None) => None,
    };
    let upsert = "
        INSERT INTO events (changed, changed_at, id, accepted_at, kind, run, job, size)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, changed_at = excluded.changed_at,
            kind = coalesce(kind, excluded.kind), run = coalesce(run, excluded.run), job = coalesce(job, excluded.job)
        RETURNING event";
    let event = connection.prepare_cached(upsert)?.query_row(
        params![
            changed,
            entry.at,
            entry.id,
            entry.accepted_at,
            entry.kind,
            entry.run,
            job,
            i64::try_from(entry.size).unwrap_or(i64::MAX),
        ],
        |row| row.get(0),
    )?;
    if let Some(time) = entry.time {
        let insert =
            "INSERT OR IGNORE INTO event_details (event, time, datasets) VALUES (?1, ?2, ?3)";
        let cut = (entry.dataset_count > entry.datasets.len()).then_some(entry.dataset_count);
        let cut = cut.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let mut insert = connection.prepare_cached(insert)?;
        insert.execute(params![event, bounded(time, entry.accepted_at), cut])?;
    }
    Ok((event, before))
}

/// Writes the outcome of the event at the target.
fn outcome(
    connection: &Connection,
    entry: &Entry,
    (event, changed): (i64, i64),
) -> rusqlite::Result<()> {
    let upsert = "
        INSERT INTO outcomes (row, event, target, outcome, at, attempts, duration, reason, detail, rules, merged)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (event, target) DO UPDATE SET row = excluded.row, outcome = excluded.outcome, at = excluded.at,
            attempts = excluded.attempts, duration = excluded.duration, reason = excluded.reason,
            detail = excluded.detail, rules = excluded.rules, merged = excluded.merged";
    let rules = (!entry.rules.is_empty()).then(|| entry.rules.join("\n"));
    connection.prepare_cached(upsert)?.execute(params![
        changed,
        event,
        entry.target,
        entry.outcome.name(),
        entry.at,
        entry.attempts,
        i64::try_from(entry.duration).unwrap_or(i64::MAX),
        entry.reason,
        entry.detail,
        rules,
        entry.merged,
    ])?;
    Ok(())
}

/// Counts events that ended so in an hour.
fn count(
    connection: &Connection,
    (hour, target, outcome): (i64, &str, &str),
    events: i64,
) -> rusqlite::Result<()> {
    let upsert = "
        INSERT INTO tally (hour, target, outcome, count) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (hour, target, outcome) DO UPDATE SET count = count + excluded.count";
    let values = params![hour, target, outcome, events];
    connection.prepare_cached(upsert)?.execute(values)?;
    Ok(())
}
