//! What is near a node. The lineage is read step by step, only as far as the picture shows it: a hub has any number of edges.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use graph::{Graph, Node, NodeKind, Reach, Shown};
use openlineage::Identity;
use rusqlite::{Connection, Row, params};

use super::nodes::facts_of;
use crate::numbers;
use crate::{KnownEdge, KnownNode, Near, NearNode, Neighbours, NodeRef};

/// The most edges of a node that are read in one direction.
const MAX_EDGES: usize = 2_000;

/// The most names of one dataset that are read.
const MAX_NAMES: usize = 200;

/// The most nodes that are read, all names of datasets counted: a picture has some hundreds.
const MAX_NODES: usize = 50_000;

pub(super) fn near(
    connection: &Connection,
    focus: &NodeRef,
    reach: Reach,
    old: bool,
) -> rusqlite::Result<Neighbours> {
    let Some(number) = numbers::find(connection, focus.is_job(), (&focus.namespace, &focus.name))?
    else {
        return Ok(Neighbours::default());
    };
    let mut reading = Reading::new(connection, old);
    let focus = Node::from(focus);
    reading.add(number, focus.clone())?;
    let mut one = reading.graph.without_aliases();
    let mut middle = reading.canonical(&focus);
    for distance in 0..=reach.up.max(reach.down) {
        let so_far = Reach {
            up: reach.up.min(distance),
            down: reach.down.min(distance),
        };
        let shown = one.neighbourhood(&middle, so_far).nodes;
        let mut is_new = false;
        for shown in shown {
            if let Shown::Node(node) = shown.what {
                is_new |= reading.read_all(&node)?;
            }
        }
        if !is_new {
            break;
        }
        one = reading.graph.without_aliases();
        middle = reading.canonical(&focus);
    }
    answer(&reading, &one, &middle, reach)
}

fn answer(
    reading: &Reading<'_>,
    one: &Graph,
    middle: &Node,
    reach: Reach,
) -> rusqlite::Result<Neighbours> {
    let found = one.neighbourhood(middle, reach);
    let mut nodes = Vec::new();
    for shown in &found.nodes {
        let what = match &shown.what {
            Shown::More(more) => Near::More { more: *more },
            Shown::Node(node) => Near::Node(Box::new(KnownNode {
                node: NodeRef::from(node),
                facts: facts_of(reading.connection, &reading.numbers_of(node))?,
            })),
        };
        nodes.push(NearNode {
            level: shown.level,
            what,
        });
    }
    let node = |position: usize| match found.nodes.get(position).map(|shown| &shown.what) {
        Some(Shown::Node(node)) => Some(node),
        Some(Shown::More(_)) | None => None,
    };
    let edges = found.edges.iter().map(|(from, to)| KnownEdge {
        from: *from,
        to: *to,
        is_old: match (node(*from), node(*to)) {
            (Some(from), Some(to)) => reading.is_old(from, to),
            _ => false,
        },
    });
    let focus = (found.nodes.iter())
        .position(|shown| matches!(&shown.what, Shown::Node(node) if node == middle));
    Ok(Neighbours {
        focus,
        edges: edges.collect(),
        nodes,
        is_cut: reading.is_cut,
    })
}

/// The part of the lineage that was read.
pub(super) struct Reading<'c> {
    pub(super) connection: &'c Connection,
    pub(super) graph: Graph,
    nodes: HashMap<i64, Node>,
    numbers: BTreeMap<Node, i64>,
    /// The names of one dataset, by each of them.
    names: HashMap<i64, Rc<[i64]>>,
    /// Of which nodes the edges were read.
    read: HashSet<i64>,
    /// Edges of a present run, and all: what is only in the latter is old.
    current: BTreeSet<(Node, Node)>,
    old: bool,
    pub(super) is_cut: bool,
}

impl<'c> Reading<'c> {
    /// With `old`, edges that the last completed run of their job does not have are read too.
    pub(super) fn new(connection: &'c Connection, old: bool) -> Reading<'c> {
        Reading {
            connection,
            graph: Graph::default(),
            nodes: HashMap::new(),
            numbers: BTreeMap::new(),
            names: HashMap::new(),
            read: HashSet::new(),
            current: BTreeSet::new(),
            old,
            is_cut: false,
        }
    }

    /// Adds a node, with all names of a dataset.
    pub(super) fn add(&mut self, number: i64, node: Node) -> rusqlite::Result<()> {
        if self.nodes.contains_key(&number) {
            return Ok(());
        }
        let is_dataset = node.kind == NodeKind::Dataset;
        self.graph.add_node(node.clone());
        self.numbers.insert(node.clone(), number);
        self.nodes.insert(number, node);
        if is_dataset {
            self.add_names(number)?;
        }
        Ok(())
    }

    /// Adds the other names of a dataset, and those of these. A name that was given to several datasets is that of the last one.
    fn add_names(&mut self, number: i64) -> rusqlite::Result<()> {
        let select = "
            SELECT a.alias, n.namespace, n.name, a.dataset, m.namespace, m.name
            FROM (
                SELECT * FROM (
                    SELECT alias, dataset FROM aliases WHERE alias = ?1 ORDER BY seen DESC, row DESC LIMIT 1
                )
                UNION ALL SELECT * FROM (
                    SELECT alias, dataset FROM aliases one WHERE dataset = ?1 AND NOT EXISTS (
                        SELECT 1 FROM aliases two WHERE two.alias = one.alias AND (two.seen, two.row) > (one.seen, one.row)
                    ) LIMIT ?2
                )
            ) a
            JOIN nodes n ON n.node = a.alias JOIN nodes m ON m.node = a.dataset";
        let mut select = self.connection.prepare_cached(select)?;
        // One more than are read, which tells whether there are more.
        let most = i64::try_from(MAX_NAMES).unwrap_or(i64::MAX);
        let (mut names, mut known, mut at) = (vec![number], HashSet::from([number]), 0);
        while let Some(name) = names.get(at).copied() {
            at += 1;
            let pairs = select.query_map([name, most], |row| {
                Ok([
                    (row.get(0)?, dataset(row, 1)?),
                    (row.get(3)?, dataset(row, 4)?),
                ])
            })?;
            for pair in pairs {
                let [(alias, alias_node), (other, other_node)]: [(i64, Node); 2] = pair?;
                // One of the two is the name itself.
                let is_new = !known.contains(&alias) || !known.contains(&other);
                if (is_new && names.len() >= MAX_NAMES) || self.nodes.len() >= MAX_NODES {
                    self.is_cut = true;
                    continue;
                }
                self.graph.add_alias(alias_node.clone(), other_node.clone());
                for (number, node) in [(alias, alias_node), (other, other_node)] {
                    if known.insert(number) {
                        names.push(number);
                        self.numbers.insert(node.clone(), number);
                        self.nodes.insert(number, node);
                    }
                }
            }
        }
        if names.len() > 1 {
            let names: Rc<[i64]> = names.into();
            for name in names.iter() {
                self.names.insert(*name, names.clone());
            }
        }
        Ok(())
    }

    /// The node that stands for all names of a dataset.
    pub(super) fn canonical(&self, node: &Node) -> Node {
        let datasets = self.graph.datasets();
        datasets.get(node).copied().unwrap_or(node).clone()
    }

    /// The numbers of all names of a node.
    pub(super) fn numbers_of(&self, node: &Node) -> Vec<i64> {
        let Some(number) = self.numbers.get(node) else {
            return Vec::new();
        };
        let names = self.names.get(number).map(|names| names.to_vec());
        let mut names = names.unwrap_or_else(|| vec![*number]);
        // Its own first: what is known of it counts before what is known by other names.
        names.sort_by_key(|name| name != number);
        names
    }

    /// Reads the edges of a node by all of its names. Returns whether any were not read before.
    pub(super) fn read_all(&mut self, node: &Node) -> rusqlite::Result<bool> {
        let mut is_new = false;
        for number in self.numbers_of(node) {
            if self.read.insert(number) {
                is_new = true;
                for is_output in [false, true] {
                    self.read_edges(node.kind, number, is_output)?;
                }
            }
        }
        Ok(is_new)
    }

    fn read_edges(&mut self, kind: NodeKind, number: i64, is_output: bool) -> rusqlite::Result<()> {
        let select = match kind {
            NodeKind::Job => {
                "SELECT n.node, n.namespace, n.name, coalesce(e.run_at >= f.completed_from, true) AS is_current
                 FROM edges e JOIN nodes n ON n.node = e.dataset LEFT JOIN facts f ON f.node = e.job
                 WHERE e.job = ?1 AND e.is_output = ?2 AND (?3 OR is_current)
                 ORDER BY e.run_at DESC, e.row LIMIT ?4"
            }
            NodeKind::Dataset => {
                "SELECT n.node, n.namespace, n.name, coalesce(e.run_at >= f.completed_from, true) AS is_current
                 FROM edges e JOIN nodes n ON n.node = e.job LEFT JOIN facts f ON f.node = e.job
                 WHERE e.dataset = ?1 AND e.is_output = ?2 AND (?3 OR is_current)
                 ORDER BY e.run_at DESC, e.row LIMIT ?4"
            }
        };
        let mut select = self.connection.prepare_cached(select)?;
        let most = i64::try_from(MAX_EDGES).unwrap_or(i64::MAX);
        let other_kind = match kind {
            NodeKind::Job => NodeKind::Dataset,
            NodeKind::Dataset => NodeKind::Job,
        };
        let found = select.query_map(params![number, is_output, self.old, most], |row| {
            let node = Node {
                kind: other_kind,
                identity: identity(row, 1)?.into(),
            };
            Ok((row.get::<_, i64>(0)?, node, row.get::<_, bool>(3)?))
        })?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
        self.is_cut |= found.len() >= MAX_EDGES;
        let Some(this) = self.nodes.get(&number).cloned() else {
            return Ok(());
        };
        for (number, other, is_current) in found {
            self.add(number, other.clone())?;
            let is_from = (kind == NodeKind::Job) == is_output;
            let edge = match is_from {
                true => (this.clone(), other),
                false => (other, this.clone()),
            };
            self.graph.add_edge(edge.0.clone(), edge.1.clone());
            if is_current {
                self.current.insert(edge);
            }
        }
        Ok(())
    }

    /// Whether the last completed run of the job does not have an edge, by any names of the dataset.
    fn is_old(&self, from: &Node, to: &Node) -> bool {
        if !self.old {
            return false;
        }
        let nodes = |node: &Node| {
            let numbers = self.numbers_of(node).into_iter();
            numbers.filter_map(|number| self.nodes.get(&number))
        };
        !nodes(from)
            .any(|from| nodes(to).any(|to| self.current.contains(&(from.clone(), to.clone()))))
    }
}

/// The name in two columns of a row.
pub(super) fn identity(row: &Row<'_>, at: usize) -> rusqlite::Result<Identity> {
    Ok(Identity {
        namespace: row.get(at)?,
        name: row.get(at + 1)?,
    })
}

fn dataset(row: &Row<'_>, at: usize) -> rusqlite::Result<Node> {
    Ok(Node::dataset(identity(row, at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(rows: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(crate::schema::SCHEMA.tables)
            .unwrap();
        connection.execute_batch(rows).unwrap();
        connection
    }

    fn numbers(most: usize) -> String {
        format!("WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {most})")
    }

    fn named(name: &str) -> Identity {
        Identity {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn of_a_tree_of_names_a_bounded_part_is_read_and_kept_once() {
        let (all, tree) = (numbers(40_000), numbers(39_999));
        let connection = tables(&format!(
            "{all} INSERT INTO nodes (node, is_job, namespace, name) SELECT n, 0, 'n', n FROM n;
             {tree} INSERT INTO aliases (alias, dataset, seen) SELECT n + 1, n / 150 + 1, 0 FROM n;"
        ));
        let mut reading = Reading::new(&connection, false);
        let node = Node::dataset(named("1"));
        reading.add(1, node.clone()).unwrap();
        assert!(reading.is_cut);
        assert_eq!(reading.nodes.len(), MAX_NAMES);
        assert_eq!(reading.numbers_of(&node).len(), MAX_NAMES);
        let kept: HashSet<*const i64> = reading.names.values().map(|it| it.as_ptr()).collect();
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn of_more_edges_than_are_read_the_newest_are() {
        let (nodes, edges) = (numbers(MAX_EDGES + 2), numbers(MAX_EDGES + 1));
        let connection = tables(&format!(
            "{nodes} INSERT INTO nodes (node, is_job, namespace, name) SELECT n, n = 1, 'n', n FROM n;
             {edges} INSERT INTO edges (job, dataset, is_output, run_at, seen) SELECT 1, n + 1, 1, n, 0 FROM n;"
        ));
        let mut reading = Reading::new(&connection, false);
        let job = Node::job(named("1"));
        reading.add(1, job.clone()).unwrap();
        reading.read_all(&job).unwrap();
        let newest = Node::dataset(named(&(MAX_EDGES + 2).to_string()));
        let oldest = Node::dataset(named("2"));
        let has = |node: &Node| reading.graph.nodes().any(|it| it == node);
        assert!(reading.is_cut && has(&newest) && !has(&oldest));
    }
}
