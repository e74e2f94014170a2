//! The part of the lineage that changes with the rules that are tried, as far as it fits a picture. Pure.
//!
//! Both graphs are one here: each node and edge says which of them has it. `crates/page` draws them side by side.

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, MAX_NODES, Node};
use page::line::rules::{ChangedEdge, ChangedGraph, ChangedNode, Within};

use super::lineage::shown;
use super::names::NameMap;

/// The most nodes, so that one that stands for the rest still fits.
const MOST: usize = MAX_NODES - 1;

/// How many neighbours of a node come before the next node that changes: one with a thousand would leave no place.
const NEIGHBOURS: usize = 12;

/// How many names of each end of an edge are looked at to find the edge under other names. A name seldom becomes several.
const OTHER_NAMES: usize = 8;

/// Returns the nodes and edges that are not in both graphs, or whose names become one or several, with what is next to them.
pub(super) fn changed(before: &Graph, after: &Graph, names: &NameMap) -> ChangedGraph {
    let both = Both::of(before, after, names);
    let wanted = both.wanted();
    let fit = both.fitting(&wanted);
    let more = |is_in: fn(Within) -> bool| {
        let rest = wanted.difference(&fit);
        rest.filter(|at| both.nodes.get(**at).is_some_and(|node| is_in(node.within)))
            .count()
    };
    let positions: BTreeMap<usize, usize> = fit.iter().copied().zip(0..).collect();
    let nodes = fit.iter().filter_map(|at| {
        let node = both.nodes.get(*at)?;
        let others = node.into.iter().filter(|other| *other != at);
        Some(ChangedNode {
            node: shown(node.node),
            within: node.within,
            from: node.from.len(),
            into: node.into.len(),
            becomes: others
                .filter_map(|other| positions.get(other).copied())
                .collect(),
        })
    });
    let edges = both.edges.iter().filter_map(|((from, to), within)| {
        Some(ChangedEdge {
            from: *positions.get(from)?,
            to: *positions.get(to)?,
            within: *within,
            is_renamed: both.is_renamed((*from, *to), *within),
        })
    });
    ChangedGraph {
        nodes: nodes.collect(),
        edges: edges.collect(),
        more: (more(Within::before), more(Within::after)),
    }
}

/// Two graphs in one, in which nodes are numbered in their order.
struct Both<'g> {
    nodes: Vec<BothNode<'g>>,
    edges: BTreeMap<(usize, usize), Within>,
}

struct BothNode<'g> {
    node: &'g Node,
    within: Within,
    /// The nodes of which it has the name with the rules that are tried.
    from: BTreeSet<usize>,
    /// The nodes whose names it gets.
    into: BTreeSet<usize>,
    /// What an edge of either graph connects it with.
    next: BTreeSet<usize>,
}

impl<'g> Both<'g> {
    fn of(before: &'g Graph, after: &'g Graph, names: &NameMap) -> Both<'g> {
        let within = merged(before.nodes(), after.nodes());
        let numbers: BTreeMap<&Node, usize> = within.keys().copied().zip(0..).collect();
        let number = |node: &Node| numbers.get(node).copied();
        let numbered = |(from, to): (&Node, &Node)| Some((number(from)?, number(to)?));
        let edges = merged(
            before.edges().filter_map(numbered),
            after.edges().filter_map(numbered),
        );
        let nodes = within.into_iter().map(|(node, within)| BothNode {
            node,
            within,
            from: BTreeSet::new(),
            into: BTreeSet::new(),
            next: BTreeSet::new(),
        });
        let mut both = Both {
            nodes: nodes.collect(),
            edges: BTreeMap::new(),
        };
        for (from, to) in edges.keys().copied() {
            both.change(from, |node| node.next.insert(to));
            both.change(to, |node| node.next.insert(from));
        }
        both.edges = edges;
        for (is_job, one, other) in names.pairs() {
            let node = |identity: &openlineage::Identity| match is_job {
                true => Node::job(identity.clone()),
                false => Node::dataset(identity.clone()),
            };
            let (Some(one), Some(other)) = (number(&node(one)), number(&node(other))) else {
                continue;
            };
            let is_in = |at: usize, is_in: fn(Within) -> bool| {
                both.nodes.get(at).is_some_and(|node| is_in(node.within))
            };
            if is_in(one, Within::before) && is_in(other, Within::after) {
                both.change(one, |node| node.into.insert(other));
                both.change(other, |node| node.from.insert(one));
            }
        }
        both
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut BothNode<'g>) -> bool) {
        if let Some(node) = self.nodes.get_mut(at) {
            change(node);
        }
    }

    /// The nodes that a picture is to have: those that change with what is next to them, and the ends of edges that do.
    fn wanted(&self) -> BTreeSet<usize> {
        let own = self.changed_nodes();
        let near = own.iter().filter_map(|at| self.nodes.get(*at));
        let near: BTreeSet<usize> = near.flat_map(|node| node.next.iter().copied()).collect();
        let mut wanted = self.ends();
        wanted.extend(near);
        wanted.extend(own);
        wanted
    }

    /// The nodes that are not in both graphs, after those whose names become one or several.
    fn changed_nodes(&self) -> Vec<usize> {
        let is_several = |node: &BothNode<'_>| node.from.len() > 1 || node.into.len() > 1;
        let nodes = self.nodes.iter().enumerate();
        let mut changed: Vec<(bool, usize)> = nodes
            .filter(|(_, node)| node.within != Within::Both || is_several(node))
            .map(|(at, node)| (!is_several(node), at))
            .collect();
        changed.sort_unstable();
        changed.into_iter().map(|(_, at)| at).collect()
    }

    /// The ends of edges that one of the graphs does not have.
    fn ends(&self) -> BTreeSet<usize> {
        let edges = self.edges.iter();
        let changed = edges.filter(|(_, within)| **within != Within::Both);
        changed.flat_map(|((from, to), _)| [*from, *to]).collect()
    }

    /// Those of the wanted nodes that fit: each that changes stands with what it becomes and what is next to it.
    fn fitting(&self, wanted: &BTreeSet<usize>) -> BTreeSet<usize> {
        let own = self.changed_nodes();
        let together = own.into_iter().chain(self.ends()).flat_map(|at| {
            let node = self.nodes.get(at).into_iter();
            let near = node.flat_map(|node| {
                let others = node.into.iter().chain(&node.from).take(OTHER_NAMES);
                others.chain(node.next.iter().take(NEIGHBOURS)).copied()
            });
            std::iter::once(at).chain(near)
        });
        let mut fit = BTreeSet::new();
        for at in together.chain(wanted.iter().copied()) {
            if fit.len() == MOST {
                break;
            }
            if wanted.contains(&at) {
                fit.insert(at);
            }
        }
        fit
    }

    /// Whether the other graph has an edge under other names.
    fn is_renamed(&self, (from, to): (usize, usize), within: Within) -> bool {
        let others = |at: usize| -> Vec<usize> {
            let Some(node) = self.nodes.get(at) else {
                return Vec::new();
            };
            let others = match within {
                Within::Before => &node.into,
                Within::After => &node.from,
                Within::Both => return Vec::new(),
            };
            match others.is_empty() {
                true => vec![at],
                false => others.iter().copied().take(OTHER_NAMES).collect(),
            }
        };
        let is_there = |edge: &(usize, usize)| match (within, self.edges.get(edge)) {
            (Within::Before, Some(found)) => found.after(),
            (Within::After, Some(found)) => found.before(),
            (Within::Both, _) | (_, None) => false,
        };
        let tos = others(to);
        let mut edges = others(from)
            .into_iter()
            .flat_map(|from| tos.iter().map(move |to| (from, *to)));
        edges.any(|edge| is_there(&edge))
    }
}

/// What is in one of two, or in both.
fn merged<T: Ord>(
    before: impl Iterator<Item = T>,
    after: impl Iterator<Item = T>,
) -> BTreeMap<T, Within> {
    let mut all: BTreeMap<T, Within> = before.map(|it| (it, Within::Before)).collect();
    for it in after {
        let within = all.entry(it).and_modify(|within| *within = Within::Both);
        within.or_insert(Within::After);
    }
    all
}
