//! The nodes and edges of many events together.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::EventGraph;
use crate::node::Node;

/// Nodes and the edges between them. The same in whatever order they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Each node with what it is read by or writes.
    after: BTreeMap<Node, BTreeSet<Node>>,
    /// Each node with what it reads or is written by.
    before: BTreeMap<Node, BTreeSet<Node>>,
    /// Other names of datasets.
    aliases: BTreeMap<Node, BTreeSet<Node>>,
}

impl Graph {
    /// Adds the nodes, edges and aliases of an event.
    pub fn add(&mut self, event: &EventGraph) {
        for node in &event.nodes {
            self.add_node(node.clone());
        }
        for (from, to) in &event.edges {
            self.add_edge(from.clone(), to.clone());
        }
        for (alias, dataset) in &event.aliases {
            let [alias, dataset] = [alias, dataset].map(|name| Node::dataset(name.clone()));
            self.add_alias(alias, dataset);
        }
    }

    /// Adds a node.
    pub fn add_node(&mut self, node: Node) {
        self.after.entry(node).or_default();
    }

    /// Adds an edge, with its nodes.
    pub fn add_edge(&mut self, from: Node, to: Node) {
        self.add_node(to.clone());
        let before = self.before.entry(to.clone()).or_default();
        before.insert(from.clone());
        self.after.entry(from).or_default().insert(to);
    }

    /// Adds another name of a dataset.
    pub fn add_alias(&mut self, alias: Node, dataset: Node) {
        self.aliases.entry(alias).or_default().insert(dataset);
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.after.keys()
    }

    /// All edges, in order.
    pub fn edges(&self) -> impl Iterator<Item = (&Node, &Node)> {
        let edges = self.after.iter();
        edges.flat_map(|(from, after)| after.iter().map(move |to| (from, to)))
    }

    /// What follows a node directly.
    pub(crate) fn after(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.after.get(node).into_iter().flatten()
    }

    /// What a node follows directly.
    pub(crate) fn before(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.before.get(node).into_iter().flatten()
    }

    /// The graph in which each dataset has one name, and so is one node. Of names that lead to each other, or to several
    /// datasets, the smallest is taken.
    #[must_use]
    pub fn without_aliases(&self) -> Graph {
        let mut one = Graph::default();
        let name = |node: &Node| self.dataset_of(node).clone();
        for node in self.nodes() {
            one.add_node(name(node));
        }
        for (from, to) in self.edges() {
            one.add_edge(name(from), name(to));
        }
        one
    }

    /// The dataset that a name stands for; the node itself, if it is no alias.
    pub fn dataset_of<'g>(&'g self, node: &'g Node) -> &'g Node {
        let mut path = vec![node];
        let mut last = node;
        while let Some(next) = self.aliases.get(last).and_then(BTreeSet::first) {
            // Names that lead to each other: what the circle is, and not where it is entered, decides.
            if let Some(begin) = path.iter().position(|name| *name == next) {
                let circle = path.iter().skip(begin).copied();
                return circle.min().unwrap_or(next);
            }
            path.push(next);
            last = next;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Identity;

    use super::*;

    fn node(name: &str) -> Node {
        Node::dataset(Identity {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        })
    }

    fn graph(edges: &[(&str, &str)], aliases: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add_edge(node(from), node(to));
        }
        for (alias, dataset) in aliases {
            graph.add_alias(node(alias), node(dataset));
        }
        graph
    }

    #[test]
    fn names_of_one_dataset_are_one_node() {
        let graph = graph(&[("a", "b"), ("t", "c")], &[("t", "s"), ("s", "b")]);
        let one = graph.without_aliases();
        let edges: Vec<_> = one.edges().collect();
        assert_eq!(edges, [(&node("a"), &node("b")), (&node("b"), &node("c"))]);
    }

    #[test]
    fn names_that_lead_to_each_other_are_one_from_wherever_one_begins() {
        let graph = graph(&[], &[("x", "c"), ("c", "b"), ("b", "d"), ("d", "c")]);
        for name in ["x", "b", "c", "d"] {
            assert_eq!(graph.dataset_of(&node(name)), &node("b"), "{name}");
        }
    }

    #[test]
    fn the_order_in_which_edges_were_added_is_not_seen() {
        let one = graph(&[("a", "b"), ("b", "c")], &[("t", "a"), ("t", "b")]);
        let other = graph(&[("b", "c"), ("a", "b")], &[("t", "b"), ("t", "a")]);
        assert_eq!(one, other);
    }
}
