//! Finds events. A search becomes one query (`find/query.rs`), by how frequent is what it names (`find/frequency.rs`).

mod frequency;
mod query;

use rusqlite::{Connection, Row, params_from_iter};

use crate::search::Search;
use crate::{FoundEvent, FoundOutcome, Name};
pub(crate) use frequency::Frequency;
pub(crate) use frequency::frequencies;
use query::query;

/// Which of the events that a search matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The newest whose last change has a smaller number, newest first. `None`: all.
    Before(Option<i64>),
    /// The oldest whose last change has a larger number, oldest first.
    After(i64),
}

/// How large a page grows, in bytes of names and reasons, before its last event. Usually a thousand events have less than 1 MB.
const PAGE: usize = 8_000_000;

/// Finds at most `limit` events. Returns whether there are more because the page is large. `now` is in milliseconds since 1970.
pub(crate) fn find(
    connection: &Connection,
    search: &Search,
    asked: (Page, usize),
    now: i64,
) -> rusqlite::Result<(Vec<FoundEvent>, bool)> {
    let frequencies = frequencies(connection, search)?;
    find_by(connection, (search, &frequencies), asked, now)
}

/// Finds events of a search whose terms have these frequencies. They change how it is found, and not what.
pub(crate) fn find_by(
    connection: &Connection,
    (search, frequencies): (&Search, &[Frequency]),
    asked: (Page, usize),
    now: i64,
) -> rusqlite::Result<(Vec<FoundEvent>, bool)> {
    let (query, values) = query(search, frequencies, asked, now);
    let mut select = connection.prepare_cached(&query)?;
    let events = select.query_map(params_from_iter(values), |row| {
        Ok((row.get::<_, i64>("event")?, event(row)?))
    })?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for event in events {
        let (number, mut event) = event?;
        if bytes >= PAGE {
            return Ok((found, true));
        }
        event.outcomes = outcomes(connection, number)?;
        event.datasets = datasets(connection, number)?;
        bytes += size(&event);
        found.push(event);
    }
    Ok((found, false))
}

/// About how long the texts of an event are, in bytes.
fn size(event: &FoundEvent) -> usize {
    let names = event.datasets.iter().chain(&event.job);
    let names: usize = names.map(|it| it.namespace.len() + it.name.len()).sum();
    let outcome = |it: &FoundOutcome| {
        let detail = it.detail.as_ref().map_or(0, String::len);
        it.target.len() + detail + it.rules.iter().map(String::len).sum::<usize>()
    };
    names + event.outcomes.iter().map(outcome).sum::<usize>()
}

/// Returns the number of the newest change, also if its event was deleted; 0 if nothing was ever recorded.
pub(crate) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    // A repair of a damaged file may find rows of one of them only.
    let select = "
        SELECT max(
            coalesce((SELECT max(last) FROM changes), 0),
            coalesce((SELECT max(changed) FROM events), 0),
            coalesce((SELECT max(row) FROM outcomes), 0))";
    connection
        .prepare_cached(select)?
        .query_row([], |row| row.get(0))
}

fn event(row: &Row<'_>) -> rusqlite::Result<FoundEvent> {
    let (namespace, name): (Option<String>, Option<String>) =
        (row.get("namespace")?, row.get("name")?);
    let size: i64 = row.get("size")?;
    Ok(FoundEvent {
        id: row.get("id")?,
        position: row.get("changed")?,
        accepted_at: crate::shown(row.get("accepted_at")?),
        changed_at: crate::shown(row.get("changed_at")?),
        kind: row.get("kind")?,
        run: row.get("run")?,
        job: namespace
            .zip(name)
            .map(|(namespace, name)| Name { namespace, name }),
        datasets: Vec::new(),
        dataset_count: row
            .get::<_, Option<i64>>("datasets")?
            .map(i64::unsigned_abs),
        size_bytes: size.unsigned_abs(),
        outcomes: Vec::new(),
    })
}

fn outcomes(connection: &Connection, event: i64) -> rusqlite::Result<Vec<FoundOutcome>> {
    let select = "
        SELECT row, target, outcome, at, attempts, duration, reason, detail, rules, merged
        FROM outcomes WHERE event = ?1 ORDER BY at, target";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([event], |row| {
        let rules: Option<String> = row.get("rules")?;
        let duration: i64 = row.get("duration")?;
        Ok(FoundOutcome {
            position: row.get("row")?,
            target: row.get("target")?,
            outcome: row.get("outcome")?,
            at: crate::shown(row.get("at")?),
            attempts: row.get("attempts")?,
            duration_ms: duration.unsigned_abs(),
            reason: row.get("reason")?,
            detail: row.get("detail")?,
            rules: rules.map_or_else(Vec::new, |it| it.lines().map(str::to_owned).collect()),
            merged: row.get("merged")?,
        })
    })?;
    rows.collect()
}

fn datasets(connection: &Connection, event: i64) -> rusqlite::Result<Vec<Name>> {
    let select = "
        SELECT namespace, name FROM event_nodes JOIN nodes USING (node)
        WHERE event = ?1 ORDER BY namespace, name";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([event], |row| {
        Ok(Name {
            namespace: row.get(0)?,
            name: row.get(1)?,
        })
    })?;
    rows.collect()
}
