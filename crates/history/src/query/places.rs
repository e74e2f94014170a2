//! Where the events of a run, a job or a dataset are found in the log. Only those that a target has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Row};

use super::near::Reading;
use super::nodes::number;
use crate::{EventPlace, NodeRef, numbers};

/// Of the events that are looked at, those that a target has: `?1` is what they are of, `?2` the most.
const THAT_A_TARGET_HAS: &str = "
    LEFT JOIN event_details d USING (event)
    WHERE EXISTS (SELECT 1 FROM outcomes o WHERE o.event = e.event AND o.outcome = 'delivered')
    ORDER BY e.changed DESC LIMIT ?2";

/// The last events of a job `?1` that a target has, at most `?2`, of the last `?3 + 1`. The index has them in order, so that no more are
/// read than are found, unless some of them are not delivered.
const OF_JOB: &str = "
    SELECT d.time, e.id, e.accepted_at, e.size FROM events e LEFT JOIN event_details d USING (event)
    WHERE e.job = ?1 AND e.changed >= coalesce(
        (SELECT changed FROM events WHERE job = ?1 ORDER BY changed DESC LIMIT 1 OFFSET ?3), 0)
    AND EXISTS (SELECT 1 FROM outcomes o WHERE o.event = e.event AND o.outcome = 'delivered')
    ORDER BY e.changed DESC LIMIT ?2";

/// The same for a name of a dataset, by the numbers of events, of which an index is: those that were recorded last.
const OF_DATASET: &str = "
    SELECT d.time, e.id, e.accepted_at, e.size
    FROM event_nodes n CROSS JOIN events e USING (event) LEFT JOIN event_details d USING (event)
    WHERE n.node = ?1 AND n.event >= coalesce(
        (SELECT event FROM event_nodes WHERE node = ?1 ORDER BY event DESC LIMIT 1 OFFSET ?3), 0)
    AND EXISTS (SELECT 1 FROM outcomes o WHERE o.event = n.event AND o.outcome = 'delivered')
    ORDER BY n.event DESC LIMIT ?2";

/// The most events of each that are looked at, the last ones: there may be a million of a dataset, and none of them delivered. Of 200
/// nodes that takes 300 ms if so many of each wait for their target, and 10 ms if none do.
const MAX_LOOKED: usize = 2_000;

/// Where the events of some jobs and datasets are found in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsOfNodes {
    /// The events, each once, the last one first.
    pub places: Vec<EventPlace>,
    /// For each node the positions of its events in `places`, the last one first.
    pub of_nodes: Vec<Vec<usize>>,
}

/// An event with the time that it says itself.
type Timed = (Option<i64>, EventPlace);

/// The last events of a run.
pub(super) fn of_run(
    connection: &Connection,
    run: &str,
    limit: usize,
) -> rusqlite::Result<Vec<EventPlace>> {
    let select = format!(
        "SELECT d.time, e.id, e.accepted_at, e.size
        FROM (SELECT * FROM events WHERE run = ?1 ORDER BY changed DESC LIMIT {MAX_LOOKED}) e {THAT_A_TARGET_HAS}"
    );
    let mut select = connection.prepare_cached(&select)?;
    let found = select.query_map((run, number(limit)), timed)?;
    let found = newest(found.collect::<rusqlite::Result<_>>()?, limit);
    Ok(found.into_iter().map(|(_, place)| place).collect())
}

/// The last events of a job, or those that name a dataset by any of its names.
pub(super) fn of_node(
    connection: &Connection,
    node: &NodeRef,
    limit: usize,
) -> rusqlite::Result<Vec<EventPlace>> {
    let found = timed_of_node(connection, node, limit)?;
    Ok(found.into_iter().map(|(_, place)| place).collect())
}

/// The last events of each of some nodes.
pub(super) fn of_nodes(
    connection: &Connection,
    nodes: &[NodeRef],
    limit: usize,
) -> rusqlite::Result<EventsOfNodes> {
    let (mut each, mut all) = (Vec::new(), BTreeMap::new());
    for node in nodes {
        let found = timed_of_node(connection, node, limit)?;
        let ids: Vec<String> = found.iter().map(|(_, place)| place.id.clone()).collect();
        each.push(ids);
        all.extend(found.into_iter().map(|it| (Reverse(age_key(&it)), it.1)));
    }
    let places: Vec<EventPlace> = all.into_values().collect();
    let positions: HashMap<&str, usize> = (places.iter().enumerate())
        .map(|(position, place)| (place.id.as_str(), position))
        .collect();
    let of_nodes = each.iter().map(|ids| {
        let found = ids.iter().filter_map(|id| positions.get(id.as_str()));
        found.copied().collect()
    });
    Ok(EventsOfNodes {
        of_nodes: of_nodes.collect(),
        places,
    })
}

/// The last events of a job, or those that name a dataset by any of its names: at most so many.
fn timed_of_node(
    connection: &Connection,
    node: &NodeRef,
    limit: usize,
) -> rusqlite::Result<Vec<Timed>> {
    let named = (node.namespace.as_str(), node.name.as_str());
    let Some(first) = numbers::find(connection, node.is_job(), named)? else {
        return Ok(Vec::new());
    };
    let mut reading = Reading::new(connection, false);
    reading.add(first, node.into())?;
    let names = reading.numbers_of(&reading.canonical(&node.into()));
    let select = match node.is_job() {
        true => OF_JOB,
        false => OF_DATASET,
    };
    let mut select = connection.prepare_cached(select)?;
    let (most, offset) = (number(limit), number(MAX_LOOKED - 1));
    let mut all = Vec::new();
    for name in names {
        let found = select.query_map((name, most, offset), timed)?;
        all.extend(found.collect::<rusqlite::Result<Vec<Timed>>>()?);
    }
    Ok(newest(all, limit))
}

fn timed(row: &Row<'_>) -> rusqlite::Result<Timed> {
    let size: i64 = row.get(3)?;
    let place = EventPlace {
        id: row.get(1)?,
        accepted_at: row.get(2)?,
        size: usize::try_from(size).unwrap_or(0),
    };
    Ok((row.get(0)?, place))
}

/// Returns those of the last times, the last one first, each once: an event may have several names of a dataset.
fn newest(mut all: Vec<Timed>, limit: usize) -> Vec<Timed> {
    all.sort_by_cached_key(|it| Reverse(age_key(it)));
    all.dedup_by(|a, b| a.1.id == b.1.id);
    all.truncate(limit);
    all
}

/// What is larger for a later event.
fn age_key((time, place): &Timed) -> (Option<i64>, i64, String) {
    (*time, place.accepted_at, place.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_the_order_of_an_index_as_far_as_they_are_needed() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(crate::schema::SCHEMA.tables)
            .unwrap();
        for (select, index) in [
            (
                OF_JOB,
                "SEARCH e USING INDEX events_of_job (job=? AND changed>?)",
            ),
            (
                OF_DATASET,
                "SEARCH n USING COVERING INDEX sqlite_autoindex_event_nodes_1 (node=? AND event>?)",
            ),
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {select}");
            let mut explain = connection.prepare(&explain).unwrap();
            let plan = explain.query_map((1, 1, 1), |row| row.get::<_, String>(3));
            let plan = plan.unwrap().collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(plan[0], index, "{plan:?}");
            assert!(
                !plan.iter().any(|it| it.contains("TEMP B-TREE")),
                "{plan:?}"
            );
        }
    }
}
