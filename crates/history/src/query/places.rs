//! Where the events of a run, a job or a dataset are found in the log. Only those that a target has.

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
    Ok(newest(found.collect::<rusqlite::Result<_>>()?, limit))
}

/// The last events of a job, or those that name a dataset by any of its names.
pub(super) fn of_node(
    connection: &Connection,
    node: &NodeRef,
    limit: usize,
) -> rusqlite::Result<Vec<EventPlace>> {
    let named = (node.namespace.as_str(), node.name.as_str());
    let Some(first) = numbers::find(connection, node.is_job(), named)? else {
        return Ok(Vec::new());
    };
    let mut reading = Reading::new(connection, false);
    reading.add(first, node.into())?;
    let names = reading.numbers_of(&reading.canonical(&node.into()));
    let from = match node.is_job() {
        true => {
            format!("(SELECT * FROM events WHERE job = ?1 ORDER BY changed DESC LIMIT {MAX_LOOKED}) e")
        }
        // By their numbers, which an index has in order: those that were recorded last.
        false => format!(
            "(SELECT event FROM event_nodes WHERE node = ?1 ORDER BY event DESC LIMIT {MAX_LOOKED}) n
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
fn newest(mut all: Vec<Timed>, limit: usize) -> Vec<EventPlace> {
    all.sort_by(|a, b| {
        let key = |(time, place): &Timed| (*time, place.accepted_at, place.id.clone());
        key(b).cmp(&key(a))
    });
    all.dedup_by(|a, b| a.1.id == b.1.id);
    all.into_iter()
        .map(|(_, place)| place)
        .take(limit)
        .collect()
}
