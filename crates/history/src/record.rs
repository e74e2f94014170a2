//! Writes outcomes. An event has one row, however often it is attempted, at however many targets.

use rusqlite::{Connection, OptionalExtension, params};

use openlineage::Identity;

use crate::{Entry, find};

/// An hour, in milliseconds.
pub(crate) const HOUR: i64 = 3_600_000;

/// Writes outcomes in their order, as part of one transaction.
pub(crate) fn record(connection: &Connection, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut changed = find::newest(connection)?;
    for entry in entries {
        changed += 1;
        let event = event(connection, entry, changed)?;
        let is_new = outcome(connection, entry, (event, changed))?;
        // The rules of each target may change names.
        if is_new {
            for dataset in &entry.datasets {
                let node = node(connection, false, dataset)?;
                let insert = "INSERT OR IGNORE INTO event_nodes (node, event) VALUES (?1, ?2)";
                connection.prepare_cached(insert)?.execute([node, event])?;
            }
        }
        if entry.outcome.is_final() {
            count(connection, entry)?;
        }
    }
    let given = "
        INSERT INTO changes (row, last) VALUES (1, ?1)
        ON CONFLICT (row) DO UPDATE SET last = excluded.last";
    connection.prepare_cached(given)?.execute([changed])?;
    Ok(())
}

/// Writes that outcomes were not recorded.
pub(crate) fn gap(connection: &Connection, at: i64, count: u64) -> rusqlite::Result<()> {
    let insert = "INSERT INTO gaps (at, count) VALUES (?1, ?2)";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    connection.prepare_cached(insert)?.execute([at, count])?;
    Ok(())
}

/// Writes the row of the event, and returns its number.
fn event(connection: &Connection, entry: &Entry, changed: i64) -> rusqlite::Result<i64> {
    let job = entry.job.as_ref().map(|job| node(connection, true, job));
    let job = job.transpose()?;
    let upsert = "
        INSERT INTO events (changed, changed_at, id, accepted_at, kind, run, job, size)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (id) DO UPDATE SET changed = excluded.changed, changed_at = excluded.changed_at,
            kind = coalesce(kind, excluded.kind), run = coalesce(run, excluded.run), job = coalesce(job, excluded.job)
        RETURNING event";
    connection.prepare_cached(upsert)?.query_row(
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
    )
}

/// Writes the outcome of the event at the target. Returns whether it is the first one.
fn outcome(
    connection: &Connection,
    entry: &Entry,
    (event, changed): (i64, i64),
) -> rusqlite::Result<bool> {
    let known = "SELECT 1 FROM outcomes WHERE event = ?1 AND target = ?2";
    let known = connection
        .prepare_cached(known)?
        .exists(params![event, entry.target])?;
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
    Ok(!known)
}

/// Returns the number of a job or dataset.
fn node(connection: &Connection, is_job: bool, named: &Identity) -> rusqlite::Result<i64> {
    let select = "SELECT node FROM nodes WHERE is_job = ?1 AND namespace = ?2 AND name = ?3";
    let mut select = connection.prepare_cached(select)?;
    let values = params![is_job, named.namespace, named.name];
    if let Some(node) = select.query_row(values, |row| row.get(0)).optional()? {
        return Ok(node);
    }
    let insert = "INSERT INTO nodes (is_job, namespace, name) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(insert)?.insert(values)
}

fn count(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    let upsert = "
        INSERT INTO tally (hour, target, outcome, count) VALUES (?1, ?2, ?3, 1)
        ON CONFLICT (hour, target, outcome) DO UPDATE SET count = count + 1";
    let hour = entry.at.div_euclid(HOUR);
    let values = params![hour, entry.target, entry.outcome.name()];
    connection.prepare_cached(upsert)?.execute(values)?;
    Ok(())
}
