//! What becomes of the lineage of events: nodes and edges that are new, or there no longer. Pure.

use std::collections::BTreeSet;

use graph::{EventGraph, Graph, Node, NodeKind};
use openlineage::Event;
use page::line::rules::{GraphChange, Listed, TrialNode};

use super::changed::changed;
use super::name;
use super::names::NameMap;

/// The most nodes or edges of each kind that are listed.
const LISTED: usize = 100;

/// The lineage of events with the rules in force, and with those that are tried.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    before: Graph,
    after: Graph,
}

impl Lineage {
    /// Adds an event, as it is delivered with both rules, if it is.
    pub(super) fn add(&mut self, before: Option<&Event>, after: Option<&Event>) {
        for (graph, event) in [(&mut self.before, before), (&mut self.after, after)] {
            if let Some(event) = event {
                graph.add(&EventGraph::of(event));
            }
        }
    }

    /// Compares both. `names` are those of the same events.
    pub(super) fn change(&self, names: &NameMap) -> GraphChange {
        let nodes = |graph: &'_ Graph| graph.nodes().cloned().collect::<BTreeSet<_>>();
        let edges = |graph: &'_ Graph| {
            let edges = graph.edges();
            edges
                .map(|(from, to)| (from.clone(), to.clone()))
                .collect::<BTreeSet<_>>()
        };
        let (nodes_before, nodes_after) = (nodes(&self.before), nodes(&self.after));
        let (edges_before, edges_after) = (edges(&self.before), edges(&self.after));
        let edge = |(from, to): &(Node, Node)| (shown(from), shown(to));
        GraphChange {
            nodes: (nodes_before.len(), nodes_after.len()),
            edges: (edges_before.len(), edges_after.len()),
            removed_nodes: listed(nodes_before.difference(&nodes_after).map(shown)),
            added_nodes: listed(nodes_after.difference(&nodes_before).map(shown)),
            removed_edges: listed(edges_before.difference(&edges_after).map(edge)),
            added_edges: listed(edges_after.difference(&edges_before).map(edge)),
            near: changed(&self.before, &self.after, names),
        }
    }
}

fn listed<T>(mut all: impl Iterator<Item = T>) -> Listed<T> {
    Listed {
        some: all.by_ref().take(LISTED).collect(),
        more: all.count(),
    }
}

pub(super) fn shown(node: &Node) -> TrialNode {
    TrialNode {
        is_job: node.kind == NodeKind::Job,
        name: name(&node.identity),
    }
}
