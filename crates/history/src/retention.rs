//! How long the history goes back, and how the rest is deleted: a step at a time.

use std::time::Duration;

use rusqlite::Connection;

use crate::lineage::forget;
use crate::record::HOUR;

/// Most events that one step deletes: a step of 500 took up to a third of a second, during which nothing is recorded.
const STEP: usize = 100;

/// Free pages that stay in the file, to be used again: about 4 MB.
const SPARE_PAGES: u64 = 1_024;

/// Most pages that one step gives back.
const RECLAIM_PAGES: u32 = 128;

/// How long the history goes back. Whichever bound is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For so long after the last outcome of an event. Zero: there is no history.
    pub age: Duration,
    /// For so many events.
    pub events: u32,
}

impl Retention {
    /// Whether anything is recorded.
    pub fn keeps_any(self) -> bool {
        !self.age.is_zero() && self.events > 0
    }
}

/// 30 days, as the log keeps events, and a million events, which take about 500 MB.
impl Default for Retention {
    fn default() -> Retention {
        Retention {
            age: Duration::from_secs(30 * 24 * 3_600),
            events: 1_000_000,
        }
    }
}

/// Deletes some of what is kept no longer. Returns whether there may be more.
pub(crate) fn forget(
    connection: &Connection,
    retention: Retention,
    now: i64,
) -> rusqlite::Result<bool> {
    let until = until(retention, now);
    let may_be_more = delete(connection, retention, now, STEP)? | forget::forget(connection, now)?;
    let until_hour = until.div_euclid(HOUR);
    let tally = "DELETE FROM tally WHERE hour < ?1";
    connection.prepare_cached(tally)?.execute([until_hour])?;
    for gaps in [
        "DELETE FROM gaps WHERE at <= ?1",
        "DELETE FROM lineage_gaps WHERE at <= ?1",
    ] {
        connection.prepare_cached(gaps)?.execute([until])?;
    }
    if journal::reclaim(connection, 0)? > SPARE_PAGES {
        journal::reclaim(connection, RECLAIM_PAGES)?;
    }
    Ok(may_be_more)
}

/// Deletes at most `most` events that are kept no longer. Returns whether there may be more. With as many as were recorded in the
/// same transaction, the number of events stays within its bound.
pub(crate) fn delete(
    connection: &Connection,
    retention: Retention,
    now: i64,
    most: usize,
) -> rusqlite::Result<bool> {
    // Events have numbers in the order in which they got their first outcome.
    let too_many = "
        SELECT event FROM events WHERE event <= (SELECT max(event) FROM events) - ?1
        ORDER BY event LIMIT ?2";
    let too_old = "SELECT event FROM events WHERE changed_at <= ?1 ORDER BY changed_at LIMIT ?2";
    let bounds = [
        (too_many, i64::from(retention.events)),
        (too_old, until(retention, now)),
    ];
    let mut left = most;
    for (select, bound) in bounds {
        let limit = i64::try_from(left).unwrap_or(i64::MAX);
        let mut select = connection.prepare_cached(select)?;
        let events = select.query_map([bound, limit], |row| row.get(0))?;
        let events: Vec<i64> = events.collect::<rusqlite::Result<_>>()?;
        for event in &events {
            forget_event(connection, *event)?;
        }
        left = left.saturating_sub(events.len());
    }
    Ok(left == 0)
}

/// The last time of a change that is too long ago.
fn until(retention: Retention, now: i64) -> i64 {
    let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
    now.saturating_sub(age)
}

/// Deletes an event, and the jobs and datasets that neither another event names nor the lineage has.
fn forget_event(connection: &Connection, event: i64) -> rusqlite::Result<()> {
    let nodes = "
        SELECT node FROM event_nodes WHERE event = ?1
        UNION SELECT job FROM events WHERE event = ?1 AND job IS NOT NULL";
    let mut nodes = connection.prepare_cached(nodes)?;
    let nodes = nodes.query_map([event], |row| row.get(0))?;
    let nodes: Vec<i64> = nodes.collect::<rusqlite::Result<_>>()?;
    for table in ["event_nodes", "outcomes", "event_details", "events"] {
        let delete = format!("DELETE FROM {table} WHERE event = ?1");
        connection.prepare_cached(&delete)?.execute([event])?;
    }
    for node in nodes {
        forget_name(connection, node)?;
    }
    Ok(())
}

/// Deletes the name of a job or dataset, unless an event or the lineage has it.
pub(crate) fn forget_name(connection: &Connection, node: i64) -> rusqlite::Result<()> {
    let delete = "
        DELETE FROM nodes WHERE node = ?1
        AND NOT EXISTS (SELECT 1 FROM facts WHERE node = ?1)
        AND NOT EXISTS (SELECT 1 FROM event_nodes WHERE node = ?1)
        AND NOT EXISTS (SELECT 1 FROM events WHERE job = ?1)";
    connection.prepare_cached(delete)?.execute([node])?;
    Ok(())
}
