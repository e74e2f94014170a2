//! What is connected with a node over jobs, as Marquez' API has it: jobs are next to each other if they share a dataset, whichever of
//! them reads or writes it (`getLineage` in
//! <https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/db/LineageDao.java>).

use std::collections::{BTreeMap, BTreeSet};

use graph::{Node, NodeKind};
use rusqlite::Connection;

use super::near::Reading;
use super::nodes::{facts_of, fields};
use crate::numbers;
use crate::{Connected, ConnectedNode, KnownEdge, KnownNode, NodeRef};

/// The most nodes.
const MAX_NODES: usize = 2_000;

pub(super) fn connected(
    connection: &Connection,
    start: &NodeRef,
    depth: u32,
) -> rusqlite::Result<Option<Connected>> {
    let named = (start.namespace.as_str(), start.name.as_str());
    let Some(number) = numbers::find(connection, start.is_job(), named)? else {
        return Ok(None);
    };
    let mut reading = Reading::new(connection, false);
    reading.add(number, start.into())?;
    let start = reading.canonical(&start.into());
    reading.read_all(&start)?;
    let one = reading.graph.without_aliases();
    let mut jobs: BTreeSet<Node> = match start.kind {
        NodeKind::Job => BTreeSet::from([start.clone()]),
        NodeKind::Dataset => one
            .before(&start)
            .chain(one.after(&start))
            .cloned()
            .collect(),
    };
    let mut nodes: BTreeSet<Node> = BTreeSet::from([start]);
    let mut is_cut = false;
    let mut level: Vec<Node> = jobs.iter().cloned().collect();
    for distance in 0..=depth {
        for job in &level {
            reading.read_all(job)?;
        }
        let one = reading.graph.without_aliases();
        let mut datasets = BTreeSet::new();
        for job in &level {
            datasets.extend(one.before(job).chain(one.after(job)).cloned());
            nodes.insert(job.clone());
        }
        nodes.extend(datasets.iter().cloned());
        is_cut |= nodes.len() > MAX_NODES;
        if distance == depth || is_cut {
            break;
        }
        for dataset in &datasets {
            reading.read_all(dataset)?;
        }
        let one = reading.graph.without_aliases();
        let next: BTreeSet<Node> = (datasets.iter())
            .flat_map(|dataset| one.before(dataset).chain(one.after(dataset)))
            .cloned()
            .collect();
        level = next
            .into_iter()
            .filter(|job| jobs.insert(job.clone()))
            .collect();
        if level.is_empty() {
            break;
        }
    }
    answer(&reading, nodes, is_cut).map(Some)
}

fn answer(
    reading: &Reading<'_>,
    nodes: BTreeSet<Node>,
    is_cut: bool,
) -> rusqlite::Result<Connected> {
    let one = reading.graph.without_aliases();
    let nodes: Vec<Node> = nodes.into_iter().take(MAX_NODES).collect();
    let positions: BTreeMap<&Node, usize> = (nodes.iter().enumerate())
        .map(|(position, node)| (node, position))
        .collect();
    let mut edges = BTreeSet::new();
    for (from, position) in &positions {
        let after = one.after(from).filter_map(|to| positions.get(to));
        edges.extend(after.map(|to| KnownEdge {
            from: *position,
            to: *to,
            is_old: false,
        }));
    }
    let mut known = Vec::new();
    for node in &nodes {
        let names = reading.numbers_of(node);
        let mut schema = Vec::new();
        for name in &names {
            if schema.is_empty() {
                schema = fields(reading.connection, *name)?;
            }
        }
        known.push(ConnectedNode {
            node: KnownNode {
                node: NodeRef::from(node),
                facts: facts_of(reading.connection, &names)?,
            },
            schema,
        });
    }
    Ok(Connected {
        nodes: known,
        edges: edges.into_iter().collect(),
        is_cut: is_cut || reading.is_cut,
    })
}
