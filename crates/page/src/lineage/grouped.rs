//! Puts the jobs of a parent together: the tasks of a DAG, the models of a dbt run, the jobs of a Spark application. Pure.
//!
//! The parent comes from the facet `parent`. It stands for its jobs, and for the datasets that only they read and write.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, Name, Node, NodeKind};

/// How many parents of parents are followed: a task, its task group, its DAG, what triggered it.
const MAX_DEPTH: usize = 8;

/// A graph in which parents stand for their jobs.
#[derive(Debug, Default)]
pub(crate) struct Grouped {
    pub(crate) graph: Graph,
    /// How many jobs each parent stands for.
    pub(crate) counts: BTreeMap<Node, usize>,
    /// What each node that is not shown is part of.
    pub(crate) parts: BTreeMap<Node, Node>,
}

impl Grouped {
    /// Puts the jobs of each parent together. `parents` has the parent of each job that has one.
    pub(crate) fn of(graph: &Graph, parents: &BTreeMap<Name, Name>) -> Grouped {
        let mut grouped = Grouped::default();
        for node in graph.nodes() {
            if let Some(parent) = topmost(node, parents) {
                *grouped.counts.entry(parent.clone()).or_default() += 1;
                grouped.parts.insert(node.clone(), parent);
            }
        }
        for (dataset, parent) in inner(graph, &grouped.parts) {
            grouped.parts.insert(dataset, parent);
        }
        let of = |node: &Node| grouped.parts.get(node).unwrap_or(node).clone();
        for node in graph.nodes() {
            grouped.graph.add_node(of(node));
        }
        for (from, to) in graph.edges() {
            let (from, to) = (of(from), of(to));
            if from != to {
                grouped.graph.add_edge(from, to);
            }
        }
        grouped
    }
}

/// The parent of a job that has no parent itself. Jobs that are parents of each other have none.
fn topmost(node: &Node, parents: &BTreeMap<Name, Name>) -> Option<Node> {
    if node.kind != NodeKind::Job {
        return None;
    }
    let mut top = parents.get(&node.identity)?;
    let mut seen = BTreeSet::from([&node.identity]);
    for _ in 0..MAX_DEPTH {
        if !seen.insert(top) {
            return None;
        }
        let Some(parent) = parents.get(top) else {
            break;
        };
        top = parent;
    }
    Some(Node::job(top.clone()))
}

/// The datasets that are both written and read, by jobs of one parent alone.
fn inner(graph: &Graph, parts: &BTreeMap<Node, Node>) -> BTreeMap<Node, Node> {
    #[derive(Default)]
    struct Use<'g> {
        parents: BTreeSet<Option<&'g Node>>,
        is_written: bool,
        is_read: bool,
    }
    let mut uses: BTreeMap<&Node, Use<'_>> = BTreeMap::new();
    for (from, to) in graph.edges() {
        // The parent itself may read and write too.
        let of = |job| parts.get(job).or(Some(job));
        if to.kind == NodeKind::Dataset {
            let it = uses.entry(to).or_default();
            it.is_written = true;
            it.parents.insert(of(from));
        }
        if from.kind == NodeKind::Dataset {
            let it = uses.entry(from).or_default();
            it.is_read = true;
            it.parents.insert(of(to));
        }
    }
    let groups: BTreeSet<&Node> = parts.values().collect();
    let inner = uses.into_iter().filter_map(|(dataset, it)| {
        let is_inner = it.is_written && it.is_read && it.parents.len() == 1;
        let parent = it.parents.into_iter().flatten().next()?;
        (is_inner && groups.contains(parent)).then(|| (dataset.clone(), parent.clone()))
    });
    inner.collect()
}

#[cfg(test)]
mod tests {
    use openlineage::Identity;

    use super::*;

    fn name(name: &str) -> Name {
        Name::from(Identity {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        })
    }

    fn node(text: &str) -> Node {
        match text.strip_prefix('t') {
            Some(_) => Node::dataset(name(text)),
            None => Node::job(name(text)),
        }
    }

    fn grouped(edges: &[(&str, &str)], parents: &[(&str, &str)]) -> Grouped {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add_edge(node(from), node(to));
        }
        let parents = parents
            .iter()
            .map(|(job, parent)| (name(job), name(parent)));
        Grouped::of(&graph, &parents.collect())
    }

    fn edges(grouped: &Grouped) -> Vec<(&str, &str)> {
        let edges = grouped.graph.edges();
        edges
            .map(|(from, to)| (&*from.identity.name, &*to.identity.name))
            .collect()
    }

    #[test]
    fn a_parent_stands_for_its_jobs_and_the_tables_between_them() {
        let chain = [
            ("t1", "a"),
            ("a", "t2"),
            ("t2", "b"),
            ("b", "t3"),
            ("t3", "c"),
        ];
        let grouped = grouped(&chain, &[("a", "dag"), ("b", "dag")]);
        let mut found = edges(&grouped);
        found.sort_unstable();
        assert_eq!(found, [("dag", "t3"), ("t1", "dag"), ("t3", "c")]);
        assert_eq!(grouped.counts, BTreeMap::from([(node("dag"), 2)]));
        assert_eq!(grouped.parts.get(&node("t2")), Some(&node("dag")));
        assert_eq!(grouped.parts.get(&node("c")), None);
    }

    #[test]
    fn a_table_that_others_read_is_no_part_of_the_group() {
        let chain = [("a", "t1"), ("t1", "b"), ("t1", "c")];
        let grouped = grouped(&chain, &[("a", "dag"), ("b", "dag")]);
        let mut found = edges(&grouped);
        found.sort_unstable();
        assert_eq!(found, [("dag", "t1"), ("t1", "c"), ("t1", "dag")]);
    }

    #[test]
    fn the_parent_of_a_parent_stands_for_both_and_jobs_in_a_circle_for_themselves() {
        let chain = [("a", "t1"), ("x", "t2"), ("t2", "y")];
        let grouped = grouped(
            &chain,
            &[("a", "group"), ("group", "dag"), ("x", "y"), ("y", "x")],
        );
        let mut found = edges(&grouped);
        found.sort_unstable();
        assert_eq!(found, [("dag", "t1"), ("t2", "y"), ("x", "t2")]);
    }
}
