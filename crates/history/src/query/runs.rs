//! Runs, from the events that were recorded of them.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::numbers;
use crate::state::{Run, RunState};
use crate::{FoundRun, LatestRun, Name, shown};

/// The most events of a run that are read at each end: a streaming job reports for months in one run.
const MAX_EVENTS: usize = 500;

/// The most events of a job that are looked at for its runs.
const MAX_LOOKED: usize = 5_000;

/// What the events of a run say, those that no target has included: the first ones tell when it began, the last ones its state. At
/// most so many of each are read.
pub(crate) fn run(
    connection: &Connection,
    run: &str,
    most: usize,
) -> rusqlite::Result<Option<Run>> {
    let mut events = ends(connection, run, most, FIRST)?;
    // Nearly all runs have no more.
    if events.len() >= most {
        events.extend(ends(connection, run, most, LAST)?);
    }
    events.sort_by_key(|(event, ..)| *event);
    events.dedup_by_key(|(event, ..)| *event);
    let said = events.into_iter();
    Ok(Run::of(
        said.filter_map(|(_, state, time)| Some((state, time?))),
    ))
}

// An event that was recorded by an earlier version has no time.
const FIRST: &str = "
    SELECT event, kind, (SELECT time FROM event_details d WHERE d.event = e.event)
    FROM events e WHERE run = ?1 ORDER BY changed LIMIT ?2";
const LAST: &str = "
    SELECT event, kind, (SELECT time FROM event_details d WHERE d.event = e.event)
    FROM events e WHERE run = ?1 ORDER BY changed DESC LIMIT ?2";

/// The number of an event, what it says of its run, and its time.
type Said = (i64, Option<RunState>, Option<i64>);

/// The first or the last events of a run.
fn ends(
    connection: &Connection,
    run: &str,
    most: usize,
    select: &str,
) -> rusqlite::Result<Vec<Said>> {
    let mut select = connection.prepare_cached(select)?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let events = select.query_map((run, limit), |row| {
        let kind: Option<String> = row.get(1)?;
        let state = kind.as_deref().and_then(RunState::of_label);
        Ok((row.get(0)?, state, row.get(2)?))
    })?;
    events.collect()
}

/// The latest run of a job, in a row of `facts`, with its id.
pub(crate) fn latest_of(row: &Row<'_>) -> rusqlite::Result<Option<(String, Run)>> {
    let id: Option<String> = row.get("run")?;
    let state: Option<String> = row.get("state")?;
    let times: (Option<i64>, Option<i64>) = (row.get("started_at")?, row.get("ran_at")?);
    let ended_at = row.get("ended_at")?;
    Ok(id
        .zip(times.0.zip(times.1))
        .map(|(id, (started_at, ran_at))| {
            let run = Run {
                state: state.as_deref().and_then(RunState::of_name),
                started_at,
                ended_at,
                ran_at,
            };
            (id, run)
        }))
}

/// The last runs of a job.
pub(super) fn runs(
    connection: &Connection,
    job: &Name,
    limit: usize,
) -> rusqlite::Result<Vec<FoundRun>> {
    let Some(job) = numbers::find(connection, true, (&job.namespace, &job.name))? else {
        return Ok(Vec::new());
    };
    let select = "
        SELECT run FROM events WHERE job = ?1 AND run IS NOT NULL ORDER BY changed DESC LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let looked = i64::try_from(MAX_LOOKED).unwrap_or(i64::MAX);
    let mut ids: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    let mut rows = select.query([job, looked])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        if known.insert(id.clone()) {
            ids.push(id);
        }
        if ids.len() >= limit {
            break;
        }
    }
    let mut runs = Vec::new();
    for id in ids {
        runs.extend(found(connection, &id)?.map(|(run, _)| run));
    }
    runs.sort_by(|a, b| {
        let key = |run: &FoundRun| (run.run.started_at.clone(), run.run.ran_at.clone());
        key(b).cmp(&key(a))
    });
    Ok(runs)
}

/// A run with the job of its last event.
pub(super) fn found(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Option<(FoundRun, Option<Name>)>> {
    let Some(times) = run(connection, id, MAX_EVENTS)? else {
        return Ok(None);
    };
    let count = "SELECT count(*) FROM (SELECT 1 FROM events WHERE run = ?1 LIMIT 10000)";
    let count: i64 = (connection.prepare_cached(count)?).query_row([id], |row| row.get(0))?;
    let last = "
        SELECT e.id, j.namespace, j.name FROM events e LEFT JOIN nodes j ON j.node = e.job
        WHERE run = ?1 ORDER BY accepted_at DESC, event DESC LIMIT 1";
    let last = (connection.prepare_cached(last)?)
        .query_row([id], |row| {
            let name = row.get::<_, Option<String>>(1)?.zip(row.get(2)?);
            let job = name.map(|(namespace, name)| Name { namespace, name });
            Ok((row.get(0)?, job))
        })
        .optional()?;
    Ok(last.map(|(last_event, job)| {
        let run = FoundRun {
            run: latest(id.to_owned(), times),
            events: count.unsigned_abs(),
            last_event,
        };
        (run, job)
    }))
}

/// A run as answers have it.
pub(super) fn latest(id: String, run: Run) -> LatestRun {
    LatestRun {
        run: id,
        state: run.state,
        started_at: shown(run.started_at),
        ended_at: run.ended_at.map(shown),
        ran_at: shown(run.ran_at),
        duration_ms: (run.ended_at)
            .map(|ended_at| ended_at.saturating_sub(run.started_at).unsigned_abs()),
    }
}
