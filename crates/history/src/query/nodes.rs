//! Jobs and datasets: finds them, and tells what is known of one.

use graph::NodeKind;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::near::Reading;
use super::runs::{latest, latest_of};
use super::{NodeOrder, NodeSearch};
use crate::numbers;
use crate::{FieldType, KnownNode, Name, NodeDetails, NodeFacts, NodeRef, RunState, shown};

/// The most neighbours and children of a node.
const MAX_LISTED: i64 = 1_000;

/// The most events and nodes that are counted.
const MAX_COUNTED: i64 = 10_000;

pub(super) fn find(
    connection: &Connection,
    search: &NodeSearch,
    page: (usize, usize),
) -> rusqlite::Result<(Vec<KnownNode>, u64)> {
    let (found, count) = list(connection, search, page)?;
    let mut nodes = Vec::new();
    for (number, node) in found {
        let mut reading = Reading::new(connection, false);
        reading.add(number, (&node).into())?;
        let facts = facts_of(connection, &reading.numbers_of(&(&node).into()))?;
        nodes.push(KnownNode { node, facts });
    }
    Ok((nodes, count))
}

pub(super) fn find_details(
    connection: &Connection,
    search: &NodeSearch,
    page: (usize, usize),
) -> rusqlite::Result<(Vec<NodeDetails>, u64)> {
    let (found, count) = list(connection, search, page)?;
    let mut nodes = Vec::new();
    for (_, found) in found {
        nodes.extend(node(connection, &found)?);
    }
    Ok((nodes, count))
}

/// Finds nodes by their names, with their numbers, and how many there are.
fn list(
    connection: &Connection,
    search: &NodeSearch,
    (limit, offset): (usize, usize),
) -> rusqlite::Result<(Vec<(i64, NodeRef)>, u64)> {
    let escaped = escaped_like(&search.text);
    let kind = search.kind.map(|kind| kind == NodeKind::Job);
    let conditions = "
        WHERE (?1 IS NULL OR is_job = ?1) AND (?2 IS NULL OR namespace = ?2)
        AND namespace || '/' || name LIKE '%' || ?3 || '%' ESCAPE '\\'
        AND (NOT ?4 OR EXISTS (SELECT 1 FROM facts WHERE facts.node = nodes.node))
        AND (?5 IS NULL OR EXISTS (SELECT 1 FROM facts WHERE facts.node = nodes.node
            AND (run IS NULL OR instr(?5, ',' || coalesce(state, '') || ','))))";
    let count = format!("SELECT count(*) FROM (SELECT 1 FROM nodes {conditions} LIMIT ?6)");
    let NodeSearch {
        namespace,
        delivered,
        states,
        ..
    } = search;
    let states = states.as_ref().map(|states| {
        let names = states.iter().map(|it| it.map_or("", RunState::name));
        format!(",{},", names.collect::<Vec<_>>().join(","))
    });
    let values = params![kind, namespace, escaped, delivered, states, MAX_COUNTED];
    let count: i64 = (connection.prepare_cached(&count)?).query_row(values, |row| row.get(0))?;
    let order = match search.order {
        NodeOrder::Match => "name NOT LIKE ?3 || '%' ESCAPE '\\',",
        NodeOrder::Name => "",
        NodeOrder::LastSeen => {
            "(SELECT max(seen) FROM facts WHERE facts.node IN (
                SELECT nodes.node UNION SELECT alias FROM aliases WHERE dataset = nodes.node
                UNION SELECT dataset FROM aliases WHERE alias = nodes.node)) DESC,"
        }
    };
    let select = format!(
        "SELECT node, is_job, namespace, name FROM nodes {conditions}
        ORDER BY {order} name, namespace, is_job LIMIT ?6 OFFSET ?7"
    );
    let mut select = connection.prepare_cached(&select)?;
    let (limit, offset) = (number(limit), number(offset));
    let values = params![kind, namespace, escaped, delivered, states, limit, offset];
    let found = select.query_map(values, |row| Ok((row.get(0)?, node_ref(row, 1)?)))?;
    Ok((
        found.collect::<rusqlite::Result<_>>()?,
        count.unsigned_abs(),
    ))
}

pub(super) fn node(
    connection: &Connection,
    asked: &NodeRef,
) -> rusqlite::Result<Option<NodeDetails>> {
    let named = (asked.namespace.as_str(), asked.name.as_str());
    let Some(number) = numbers::find(connection, asked.is_job(), named)? else {
        return Ok(None);
    };
    let mut reading = Reading::new(connection, false);
    reading.add(number, asked.into())?;
    let node = reading.canonical(&asked.into());
    let names = reading.numbers_of(&node);
    let node = KnownNode {
        node: NodeRef::from(&node),
        facts: facts_of(connection, &names)?,
    };
    let neighbours = |is_before: bool| {
        // What a job reads is its inputs; what writes a dataset are those of which it is an output.
        let is_output = is_before != asked.is_job();
        let mut found = Vec::new();
        for name in &names {
            found.extend(direct(connection, asked.kind, *name, is_output)?);
        }
        found.sort();
        found.dedup();
        Ok::<_, rusqlite::Error>(found)
    };
    let (before, after) = (neighbours(true)?, neighbours(false)?);
    let mut schema = Vec::new();
    for name in &names {
        if schema.is_empty() {
            schema = fields(connection, *name)?;
        }
    }
    let (mut events, mut last): (i64, Option<(i64, String)>) = (0, None);
    for name in &names {
        let (count, newest) = events_of(connection, asked.is_job(), *name)?;
        events += count;
        last = last.max(newest);
    }
    Ok(Some(NodeDetails {
        schema,
        children: children(connection, number)?,
        before,
        after,
        events: events.unsigned_abs(),
        last_event: last.map(|(_, id)| id),
        node,
    }))
}

/// What is known of a node by its names, the most important one first.
pub(super) fn facts_of(connection: &Connection, names: &[i64]) -> rusqlite::Result<NodeFacts> {
    let select = "
        SELECT f.since, f.seen, f.run, f.state, f.started_at, f.ended_at, f.ran_at, p.namespace, p.name,
            (SELECT count(*) FROM fields WHERE fields.node = f.node) AS fields
        FROM facts f LEFT JOIN nodes p ON p.node = f.parent WHERE f.node = ?1";
    let mut select = connection.prepare_cached(select)?;
    let mut all = NodeFacts::default();
    let (mut since, mut seen): (Option<i64>, Option<i64>) = (None, None);
    for (at, name) in names.iter().enumerate() {
        let read = |row: &Row<'_>| {
            let facts = NodeFacts {
                run: latest_of(row)?.map(|(id, run)| latest(id, run)),
                parent: (row.get::<_, Option<String>>(7)?.zip(row.get(8)?))
                    .map(|(namespace, name)| Name { namespace, name }),
                fields: row.get("fields")?,
                ..NodeFacts::default()
            };
            Ok((
                facts,
                row.get::<_, i64>("since")?,
                row.get::<_, i64>("seen")?,
            ))
        };
        if let Some((facts, first, last)) = select.query_row([name], read).optional()? {
            all.run = all.run.or(facts.run);
            all.parent = all.parent.or(facts.parent);
            if all.fields == 0 {
                all.fields = facts.fields;
            }
            since = Some(since.map_or(first, |since| since.min(first)));
            seen = seen.max(Some(last));
        }
        if at > 0 {
            all.aliases.extend(name_of(connection, *name)?);
        }
    }
    all.aliases.sort();
    all.first_seen = since.map(shown);
    all.last_seen = seen.map(shown);
    Ok(all)
}

fn name_of(connection: &Connection, number: i64) -> rusqlite::Result<Option<Name>> {
    let select = "SELECT namespace, name FROM nodes WHERE node = ?1";
    let mut select = connection.prepare_cached(select)?;
    select.query_row([number], |row| name(row, 0)).optional()
}

/// The present neighbours of a node in one direction.
fn direct(
    connection: &Connection,
    kind: NodeKind,
    number: i64,
    is_output: bool,
) -> rusqlite::Result<Vec<NodeRef>> {
    let (this, other) = match kind {
        NodeKind::Job => ("job", "dataset"),
        NodeKind::Dataset => ("dataset", "job"),
    };
    let select = format!(
        "SELECT n.is_job, n.namespace, n.name FROM edges e JOIN nodes n ON n.node = e.{other}
        LEFT JOIN facts f ON f.node = e.job
        WHERE e.{this} = ?1 AND e.is_output = ?2 AND coalesce(e.run_at >= f.completed_from, true) LIMIT ?3"
    );
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(params![number, is_output, MAX_LISTED], |row| {
        node_ref(row, 0)
    })?;
    rows.collect()
}

/// The fields of a dataset.
pub(super) fn fields(connection: &Connection, number: i64) -> rusqlite::Result<Vec<FieldType>> {
    let select = "SELECT name, type FROM fields WHERE node = ?1 ORDER BY position";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([number], |row| {
        Ok(FieldType {
            name: row.get(0)?,
            of_type: row.get(1)?,
        })
    })?;
    rows.collect()
}

fn children(connection: &Connection, number: i64) -> rusqlite::Result<Vec<Name>> {
    let select = "
        SELECT namespace, name FROM facts JOIN nodes USING (node) WHERE parent = ?1
        ORDER BY namespace, name LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([number, MAX_LISTED], |row| name(row, 0))?;
    rows.collect()
}

/// How many events name a node, and the last one of them with its place.
fn events_of(
    connection: &Connection,
    is_job: bool,
    number: i64,
) -> rusqlite::Result<(i64, Option<(i64, String)>)> {
    let (count, last) = match is_job {
        true => (
            "SELECT count(*) FROM (SELECT 1 FROM events WHERE job = ?1 LIMIT ?2)",
            "SELECT changed, id FROM events WHERE job = ?1 ORDER BY changed DESC LIMIT 1",
        ),
        false => (
            "SELECT count(*) FROM (SELECT 1 FROM event_nodes WHERE node = ?1 LIMIT ?2)",
            "SELECT changed, id FROM event_nodes JOIN events USING (event) WHERE node = ?1 ORDER BY event DESC LIMIT 1",
        ),
    };
    let values = [number, MAX_COUNTED];
    let count = (connection.prepare_cached(count)?).query_row(values, |row| row.get(0))?;
    let last = (connection.prepare_cached(last)?)
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok((count, last))
}

/// The text as a part of a pattern of LIKE in which nothing else has a meaning.
fn escaped_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// The name in two columns of a row.
pub(super) fn name(row: &Row<'_>, at: usize) -> rusqlite::Result<Name> {
    Ok(Name {
        namespace: row.get(at)?,
        name: row.get(at + 1)?,
    })
}

/// The node in three columns of a row.
pub(super) fn node_ref(row: &Row<'_>, at: usize) -> rusqlite::Result<NodeRef> {
    let kind = match row.get(at)? {
        true => NodeKind::Job,
        false => NodeKind::Dataset,
    };
    Ok(NodeRef::new(kind, name(row, at + 1)?))
}

/// A number as SQLite has it.
pub(super) fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
