//! The lineage as a whole: the far view, and what to begin with.

use std::collections::{BTreeMap, HashSet};

use graph::{Graph, Node};
use rusqlite::Connection;

use super::nodes::{facts_of, node_ref, number};
use crate::{KnownEdge, KnownNode, NamespaceCount, NodeRef, Overview, Whole, shown};

/// How much of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most nodes, before names of one dataset become one.
    pub nodes: usize,
    /// The most edges.
    pub edges: usize,
}

/// What is drawn at most: more nodes than pixels help nobody.
impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            nodes: 5_000,
            edges: 20_000,
        }
    }
}

pub(super) fn whole(connection: &Connection, bounds: Bounds) -> rusqlite::Result<Whole> {
    let select = "
        SELECT node, is_job, namespace, name FROM facts JOIN nodes USING (node) ORDER BY seen DESC, node LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    // One more than asked for, which tells whether there are more.
    let rows = select.query_map([number(bounds.nodes).saturating_add(1)], |row| {
        Ok((row.get::<_, i64>(0)?, Node::from(&node_ref(row, 1)?)))
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut is_cut = found.len() > bounds.nodes;
    found.truncate(bounds.nodes);
    let nodes: BTreeMap<i64, Node> = found.into_iter().collect();

    let mut graph = Graph::default();
    for node in nodes.values() {
        graph.add_node(node.clone());
    }
    let select = "
        SELECT job, dataset, is_output FROM edges e LEFT JOIN facts f ON f.node = e.job
        WHERE coalesce(e.run_at >= f.completed_from, true) ORDER BY e.seen DESC LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([number(bounds.edges).saturating_add(1)])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > bounds.edges {
            is_cut = true;
            break;
        }
        let ends = (nodes.get(&row.get(0)?), nodes.get(&row.get(1)?));
        let (Some(job), Some(dataset)) = ends else {
            is_cut = true;
            continue;
        };
        match row.get(2)? {
            true => graph.add_edge(job.clone(), dataset.clone()),
            false => graph.add_edge(dataset.clone(), job.clone()),
        }
    }
    let select = "SELECT alias, dataset FROM aliases ORDER BY seen DESC, row DESC LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([number(bounds.edges)])?;
    // A name that was given to several datasets is that of the last one.
    let mut known = HashSet::new();
    while let Some(row) = rows.next()? {
        let (alias, dataset) = (row.get(0)?, row.get(1)?);
        if known.insert(alias)
            && let (Some(alias), Some(dataset)) = (nodes.get(&alias), nodes.get(&dataset))
        {
            graph.add_alias(alias.clone(), dataset.clone());
        }
    }
    answer(connection, &graph, &nodes, is_cut)
}

fn answer(
    connection: &Connection,
    graph: &Graph,
    nodes: &BTreeMap<i64, Node>,
    is_cut: bool,
) -> rusqlite::Result<Whole> {
    let one = graph.without_aliases();
    let datasets = graph.datasets();
    let mut names: BTreeMap<&Node, Vec<i64>> = BTreeMap::new();
    for (number, node) in nodes {
        match datasets.get(node).copied() {
            Some(dataset) if dataset != node => names.entry(dataset).or_default().push(*number),
            // The name itself comes first.
            Some(_) | None => names.entry(node).or_default().insert(0, *number),
        }
    }
    let mut known = Vec::new();
    for node in one.nodes() {
        let names = names.get(node).map(Vec::as_slice).unwrap_or_default();
        known.push(KnownNode {
            node: NodeRef::from(node),
            facts: facts_of(connection, names)?,
        });
    }
    let positions: BTreeMap<&Node, usize> = (one.nodes().enumerate())
        .map(|(position, node)| (node, position))
        .collect();
    let edges = one.edges().filter_map(|(from, to)| {
        Some(KnownEdge {
            from: *positions.get(from)?,
            to: *positions.get(to)?,
            is_old: false,
        })
    });
    Ok(Whole {
        edges: edges.collect(),
        nodes: known,
        is_cut,
    })
}

pub(super) fn overview(connection: &Connection, limit: usize) -> rusqlite::Result<Overview> {
    let limit = number(limit);
    let count = |select: &str| {
        let mut select = connection.prepare_cached(select)?;
        select.query_row([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
    };
    let select = "
        SELECT namespace, sum(is_job), sum(NOT is_job), min(since), max(seen)
        FROM facts JOIN nodes USING (node) GROUP BY namespace ORDER BY namespace LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    let namespaces = select.query_map([limit], |row| {
        Ok(NamespaceCount {
            namespace: row.get(0)?,
            jobs: row.get::<_, i64>(1)?.unsigned_abs(),
            datasets: row.get::<_, i64>(2)?.unsigned_abs(),
            first_seen: shown(row.get(3)?),
            last_seen: shown(row.get(4)?),
        })
    })?;
    let select = "
        SELECT node, is_job, namespace, name FROM facts JOIN nodes USING (node)
        WHERE state = 'failed' ORDER BY ran_at DESC LIMIT ?1";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([limit], |row| {
        Ok((row.get::<_, i64>(0)?, node_ref(row, 1)?))
    })?;
    let mut failed = Vec::new();
    for row in rows {
        let (number, node) = row?;
        let facts = facts_of(connection, &[number])?;
        failed.push(KnownNode { node, facts });
    }
    Ok(Overview {
        namespaces: namespaces.collect::<rusqlite::Result<_>>()?,
        failed,
        jobs: count("SELECT count(*) FROM facts JOIN nodes USING (node) WHERE is_job")?,
        datasets: count("SELECT count(*) FROM facts JOIN nodes USING (node) WHERE NOT is_job")?,
        namespace_count: count(
            "SELECT count(DISTINCT namespace) FROM facts JOIN nodes USING (node)",
        )?,
        failed_count: count("SELECT count(*) FROM facts WHERE state = 'failed'")?,
    })
}
