//! How many events were accepted, and how much is known, in each of some periods.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use crate::{Period, shown};

/// The most periods.
const MAX_PERIODS: u32 = 1_000;

/// Counts in one pass each, whatever the number of periods.
pub(super) fn periods(
    connection: &Connection,
    (until, length): (i64, i64),
    count: u32,
) -> rusqlite::Result<Vec<Period>> {
    let (length, count) = (length.max(1), i64::from(count.min(MAX_PERIODS)));
    let begin = until.saturating_sub(count.saturating_mul(length));
    let mut kinds = events(connection, (begin, until), length)?;
    let mut known = nodes(connection, (begin, until), length)?;
    for (place, count) in sources(connection, (begin, until), length)? {
        known.entry(place).or_default().sources = count;
    }
    let mut sum = Known::default();
    let mut found = Vec::new();
    for place in 0..count {
        if let Some(added) = known.get(&place) {
            sum.jobs += added.jobs;
            sum.datasets += added.datasets;
            sum.sources += added.sources;
        }
        let from = begin.saturating_add(place.saturating_mul(length));
        found.push(Period {
            from: shown(from),
            until: shown(from.saturating_add(length)),
            kinds: kinds.remove(&place).unwrap_or_default(),
            jobs: sum.jobs,
            datasets: sum.datasets,
            sources: sum.sources,
        });
    }
    Ok(found)
}

/// What became known in a period. What was known before all of them counts for the first one.
#[derive(Default)]
struct Known {
    jobs: u64,
    datasets: u64,
    sources: u64,
}

/// The events of each kind, by period.
fn events(
    connection: &Connection,
    (begin, until): (i64, i64),
    length: i64,
) -> rusqlite::Result<BTreeMap<i64, BTreeMap<String, u64>>> {
    let select = "
        SELECT (accepted_at - ?1) / ?3, kind, count(*) FROM events
        WHERE accepted_at >= ?1 AND accepted_at < ?2 AND kind IS NOT NULL GROUP BY 1, 2";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([begin, until, length])?;
    let mut found: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let count = counted(row, 2)?;
        found
            .entry(row.get(0)?)
            .or_default()
            .insert(row.get(1)?, count);
    }
    Ok(found)
}

/// The jobs and datasets, by the period in which each became known.
fn nodes(
    connection: &Connection,
    (begin, until): (i64, i64),
    length: i64,
) -> rusqlite::Result<BTreeMap<i64, Known>> {
    let select = "
        SELECT max(0, since - ?1) / ?3, sum(is_job), sum(NOT is_job) FROM facts JOIN nodes USING (node)
        WHERE since < ?2 GROUP BY 1";
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_map([begin, until, length], |row| {
        let known = Known {
            jobs: counted(row, 1)?,
            datasets: counted(row, 2)?,
            sources: 0,
        };
        Ok((row.get(0)?, known))
    })?;
    found.collect()
}

/// The namespaces of datasets, by the period in which each became known.
fn sources(
    connection: &Connection,
    (begin, until): (i64, i64),
    length: i64,
) -> rusqlite::Result<Vec<(i64, u64)>> {
    let select = "
        SELECT max(0, since - ?1) / ?3, count(*) FROM (
            SELECT min(since) AS since FROM facts JOIN nodes USING (node) WHERE NOT is_job GROUP BY namespace
        ) WHERE since < ?2 GROUP BY 1";
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_map([begin, until, length], |row| {
        Ok((row.get(0)?, counted(row, 1)?))
    })?;
    found.collect()
}

fn counted(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
