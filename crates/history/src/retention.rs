//! How long the history goes back, and how the rest is deleted: in small steps.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::record::HOUR;

/// Most events that one step deletes: a step of 500 took up to a third of a second, during which nothing is recorded.
const STEP: i64 = 100;

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
    let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
    let most = i64::from(retention.events);
    let until = now.saturating_sub(age);
    // Events have numbers in the order in which they got their first outcome.
    let select = "
        SELECT event FROM (SELECT event, changed_at FROM events ORDER BY event LIMIT ?1)
        WHERE changed_at <= ?2 OR event <= (SELECT max(event) FROM events) - ?3";
    let mut select = connection.prepare_cached(select)?;
    let old = select.query_map(params![STEP, until, most], |row| row.get(0))?;
    let old: Vec<i64> = old.collect::<rusqlite::Result<_>>()?;
    for event in &old {
        forget_event(connection, *event)?;
    }
    let until_hour = until.div_euclid(HOUR);
    let tally = "DELETE FROM tally WHERE hour < ?1";
    connection.prepare_cached(tally)?.execute([until_hour])?;
    let gaps = "DELETE FROM gaps WHERE at <= ?1";
    connection.prepare_cached(gaps)?.execute([until])?;
    if journal::reclaim(connection, 0)? > SPARE_PAGES {
        journal::reclaim(connection, RECLAIM_PAGES)?;
    }
    Ok(i64::try_from(old.len()).is_ok_and(|deleted| deleted == STEP))
}

/// Deletes an event, and the jobs and datasets that no other event names.
fn forget_event(connection: &Connection, event: i64) -> rusqlite::Result<()> {
    let nodes = "
        SELECT node FROM event_nodes WHERE event = ?1
        UNION SELECT job FROM events WHERE event = ?1 AND job IS NOT NULL";
    let mut nodes = connection.prepare_cached(nodes)?;
    let nodes = nodes.query_map([event], |row| row.get(0))?;
    let nodes: Vec<i64> = nodes.collect::<rusqlite::Result<_>>()?;
    for table in ["event_nodes", "outcomes", "events"] {
        let delete = format!("DELETE FROM {table} WHERE event = ?1");
        connection.prepare_cached(&delete)?.execute([event])?;
    }
    for node in nodes {
        let delete = "
            DELETE FROM nodes WHERE node = ?1
            AND NOT EXISTS (SELECT 1 FROM event_nodes WHERE node = ?1)
            AND NOT EXISTS (SELECT 1 FROM events WHERE job = ?1)";
        connection.prepare_cached(delete)?.execute([node])?;
    }
    Ok(())
}
