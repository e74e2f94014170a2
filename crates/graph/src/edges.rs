//! The nodes and edges of many events together.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::EventGraph;
use crate::node::{Name, Names, Node};

/// Nodes and the edges between them. The same in whatever order they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Each node with what it is read by or writes.
    after: BTreeMap<Node, BTreeSet<Node>>,
    /// Each node with what it reads or is written by.
    before: BTreeMap<Node, BTreeSet<Node>>,
    /// Other names of datasets.
    aliases: BTreeMap<Node, BTreeSet<Node>>,
    names: Names,
}

impl Graph {
    /// Adds the nodes, edges and aliases of an event.
    pub fn add(&mut self, event: &EventGraph) {
        // Each name is compared with that of other events once, and not for each of its edges.
        let of_nodes = event.nodes.iter().map(|node| &node.identity);
        let of_aliases = event.aliases.iter().flat_map(|(one, other)| [one, other]);
        let mut names: BTreeMap<&Name, Name> = BTreeMap::new();
        for name in of_nodes.chain(of_aliases) {
            let shared = names.entry(name);
            shared.or_insert_with(|| self.names.share(name.clone()));
        }
        let shared = |name: &Name| names.get(name).unwrap_or(name).clone();
        let node = |node: &Node| Node {
            kind: node.kind,
            identity: shared(&node.identity),
        };
        for one in &event.nodes {
            self.add_node(node(one));
        }
        for (from, to) in &event.edges {
            self.add_edge(node(from), node(to));
        }
        for (alias, dataset) in &event.aliases {
            let [alias, dataset] = [alias, dataset].map(|name| Node::dataset(shared(name)));
            self.add_alias(alias, dataset);
        }
    }

    /// Adds a node.
    pub fn add_node(&mut self, node: Node) {
        let node = self.shared(node);
        self.after.entry(node).or_default();
    }

    /// Adds an edge, with its nodes.
    pub fn add_edge(&mut self, from: Node, to: Node) {
        let [from, to] = [from, to].map(|node| self.shared(node));
        self.add_node(to.clone());
        let before = self.before.entry(to.clone()).or_default();
        before.insert(from.clone());
        self.after.entry(from).or_default().insert(to);
    }

    /// Adds another name of a dataset.
    pub fn add_alias(&mut self, alias: Node, dataset: Node) {
        let [alias, dataset] = [alias, dataset].map(|node| self.shared(node));
        self.aliases.entry(alias).or_default().insert(dataset);
    }

    fn shared(&mut self, node: Node) -> Node {
        Node {
            identity: self.names.share(node.identity),
            ..node
        }
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
    pub fn after(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.after.get(node).into_iter().flatten()
    }

    /// What a node follows directly.
    pub fn before(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.before.get(node).into_iter().flatten()
    }

    /// The graph in which each dataset has one name, and so is one node. Of names that lead to each other, or to several
    /// datasets, the smallest is taken.
    #[must_use]
    pub fn without_aliases(&self) -> Graph {
        let mut one = Graph::default();
        let datasets = self.datasets();
        let name = |node: &Node| datasets.get(node).copied().unwrap_or(node).clone();
        for node in self.nodes() {
            one.add_node(name(node));
        }
        for (from, to) in self.edges() {
            one.add_edge(name(from), name(to));
        }
        one
    }

    /// Each alias with the dataset that it stands for. Takes steps in proportion to the aliases, however they lead to each other.
    pub fn datasets(&self) -> BTreeMap<&Node, &Node> {
        let mut datasets: BTreeMap<&Node, &Node> = BTreeMap::new();
        for alias in self.aliases.keys() {
            let mut path: Vec<&Node> = Vec::new();
            let mut positions: BTreeMap<&Node, usize> = BTreeMap::new();
            let mut last = alias;
            let dataset = loop {
                if let Some(dataset) = datasets.get(last) {
                    break *dataset;
                }
                // Names that lead to each other: what the circle is, and not where it is entered, decides.
                if let Some(begin) = positions.get(last) {
                    let circle = path.iter().skip(*begin).copied();
                    break circle.min().unwrap_or(last);
                }
                let Some(next) = self.aliases.get(last).and_then(BTreeSet::first) else {
                    break last;
                };
                positions.insert(last, path.len());
                path.push(last);
                last = next;
            };
            datasets.extend(path.into_iter().map(|name| (name, dataset)));
        }
        datasets
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Identity;
    use proptest::prelude::*;

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
            assert_eq!(graph.datasets()[&node(name)], &node("b"), "{name}");
        }
    }

    /// Where the first names lead, from this one on, step by step.
    fn walked(aliases: &BTreeMap<u8, BTreeSet<u8>>, from: u8) -> u8 {
        let next = |name: u8| aliases.get(&name).and_then(BTreeSet::first).copied();
        let mut path = vec![from];
        let mut last = from;
        while let Some(name) = next(last) {
            if let Some(begin) = path.iter().position(|one| *one == name) {
                return path.iter().skip(begin).min().copied().unwrap();
            }
            path.push(name);
            last = name;
        }
        last
    }

    proptest! {
        #[test]
        fn each_alias_stands_for_the_dataset_to_which_its_names_lead(pairs in prop::collection::vec((0u8..9, 0u8..9), 0..20)) {
            let mut graph = Graph::default();
            let mut aliases: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
            for (alias, dataset) in pairs {
                graph.add_alias(node(&alias.to_string()), node(&dataset.to_string()));
                aliases.entry(alias).or_default().insert(dataset);
            }
            let datasets = graph.datasets();
            prop_assert_eq!(datasets.len(), aliases.len());
            for alias in aliases.keys() {
                let dataset = node(&walked(&aliases, *alias).to_string());
                prop_assert_eq!(datasets[&node(&alias.to_string())], &dataset);
            }
        }
    }

    #[test]
    fn a_long_chain_of_names_is_followed_once() {
        const LENGTH: usize = 50_000; // a step for each pair would take minutes
        let names = (0..=LENGTH).map(|n| format!("{n:05}")).collect::<Vec<_>>();
        let mut graph = Graph::default();
        for pair in names.windows(2) {
            graph.add_alias(node(&pair[0]), node(&pair[1]));
            graph.add_edge(node("a"), node(&pair[0]));
        }
        let one = graph.without_aliases();
        let edges: Vec<_> = one.edges().collect();
        assert_eq!(edges, [(&node("a"), &node(&names[LENGTH]))]);
    }

    #[test]
    fn the_order_in_which_edges_were_added_is_not_seen() {
        let one = graph(&[("a", "b"), ("b", "c")], &[("t", "a"), ("t", "b")]);
        let other = graph(&[("b", "c"), ("a", "b")], &[("t", "b"), ("t", "a")]);
        assert_eq!(one, other);
    }
}
