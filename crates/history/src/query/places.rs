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

/// The most events that are looked at, the last ones: there may be a million of a dataset, and none of them delivered.
const MAX_LOOKED: usize = 2_000;

/// The same for each of many nodes. Nearly all events are delivered.
const MAX_LOOKED_EACH: usize = 100;

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
    let found = timed_of_node(connection, node, (limit, MAX_LOOKED))?;
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
        let found = timed_of_node(connection, node, (limit, MAX_LOOKED_EACH))?;
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

/// The last events of a job, or those that name a dataset by any of its names: at most so many, of at most so many that are looked at.
fn timed_of_node(
    connection: &Connection,
    node: &NodeRef,
    (limit, looked): (usize, usize),
) -> rusqlite::Result<Vec<Timed>> {
    let named = (node.namespace.as_str(), node.name.as_str());
    let Some(first) = numbers::find(connection, node.is_job(), named)? else {
        return Ok(Vec::new());
    };
    let mut reading = Reading::new(connection, false);
    reading.add(first, node.into())?;
    let names = reading.numbers_of(&reading.canonical(&node.into()));
    let from = match node.is_job() {
        true => {
            format!("(SELECT * FROM events WHERE job = ?1 ORDER BY changed DESC LIMIT {looked}) e")
        }
        // By their numbers, which an index has in order: those that were recorded last.
        false => format!(
            "(SELECT event FROM event_nodes WHERE node = ?1 ORDER BY event DESC LIMIT {looked}) n
            JOIN events e USING (event)"
        ),
    };
    let select =
        format!("SELECT d.time, e.id, e.accepted_at, e.size FROM {from} {THAT_A_TARGET_HAS}");
    let mut select = connection.prepare_cached(&select)?;
    let mut all = Vec::new();
    for name in names {
        let found = select.query_map((name, number(limit)), timed)?;
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
