//! What is near a node, as far as it fits a screen: levels before and after it, each a column, nearest first.

use std::collections::{BTreeMap, BTreeSet};

use crate::edges::Graph;
use crate::node::Node;

/// The most nodes that are shown, those that stand for others included.
pub const MAX_NODES: usize = 150;

/// The most nodes of one level. More are read in a list, not in a picture.
pub const MAX_COLUMN: usize = 30;

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The levels before the node. An edge is a level: from a dataset to the dataset before it are two.
    pub up: u32,
    /// The levels after it.
    pub down: u32,
}

/// The nodes near a node, and all edges between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbourhood {
    /// In the order of their levels, and by name within one.
    pub nodes: Vec<ShownNode>,
    /// By the positions of their nodes.
    pub edges: BTreeSet<(usize, usize)>,
}

/// A node, or what stands for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownNode {
    /// How far it is from the one in the middle: below 0 before it.
    pub level: i64,
    /// What is shown.
    pub what: Shown,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A node.
    Node(Node),
    /// So many further nodes of the level: "+37 more". What is behind them is not looked at.
    More(usize),
}

impl Graph {
    /// Returns what is near a node. It is empty if the node is not in the graph. A node that is both before and after it is
    /// shown before it, unless it is nearer after it.
    pub fn neighbourhood(&self, focus: &Node, reach: Reach) -> Neighbourhood {
        if !self.nodes().any(|node| node == focus) {
            return Neighbourhood::default();
        }
        let mut search = Search {
            graph: self,
            levels: BTreeMap::from([(focus, 0)]),
            rest: BTreeMap::new(),
            left: MAX_NODES - 3, // besides the one in the middle, and the last rest of each direction
        };
        let (mut up, mut down) = (vec![focus], vec![focus]);
        for distance in 1..=reach.up.max(reach.down) {
            let distance = i64::from(distance);
            if distance <= i64::from(reach.up) {
                up = search.next(&up, -distance);
            }
            if distance <= i64::from(reach.down) {
                down = search.next(&down, distance);
            }
            if up.is_empty() && down.is_empty() {
                break;
            }
        }
        search.shown()
    }
}

struct Search<'g> {
    graph: &'g Graph,
    levels: BTreeMap<&'g Node, i64>,
    /// What a level has no room for.
    rest: BTreeMap<i64, BTreeSet<&'g Node>>,
    /// How many nodes there is room for.
    left: usize,
}

impl<'g> Search<'g> {
    /// Takes the nodes of a level that follow those of the level before it, and returns them.
    fn next(&mut self, nodes: &[&'g Node], level: i64) -> Vec<&'g Node> {
        let mut found: BTreeSet<&'g Node> = BTreeSet::new();
        for node in nodes {
            match level < 0 {
                true => found.extend(self.graph.before(node)),
                false => found.extend(self.graph.after(node)),
            }
        }
        found.retain(|node| !self.levels.contains_key(node));
        let room = self.left.min(MAX_COLUMN);
        let kept = match found.len() <= room {
            true => found.len(),
            false => room.saturating_sub(1), // one place is for the rest
        };
        let rest: BTreeSet<&Node> = found.iter().skip(kept).copied().collect();
        self.left -= (kept + usize::from(!rest.is_empty())).min(self.left);
        if !rest.is_empty() {
            self.rest.insert(level, rest);
        }
        let kept: Vec<&Node> = found.into_iter().take(kept).collect();
        self.levels.extend(kept.iter().map(|node| (*node, level)));
        kept
    }

    fn shown(mut self) -> Neighbourhood {
        // A node for which there was no room in one level can be shown in another.
        let levels = &self.levels;
        for rest in self.rest.values_mut() {
            rest.retain(|node| !levels.contains_key(node));
        }
        self.rest.retain(|_, rest| !rest.is_empty());
        let mut nodes: Vec<(i64, Option<&Node>)> = (self.levels.iter())
            .map(|(node, level)| (*level, Some(*node)))
            .collect();
        nodes.extend(self.rest.keys().map(|level| (*level, None)));
        // The rest of a level is its last.
        nodes.sort_by_key(|(level, node)| (*level, node.is_none(), *node));
        let at: BTreeMap<(i64, Option<&Node>), usize> = (nodes.iter().copied())
            .enumerate()
            .map(|(position, node)| (node, position))
            .collect();
        let mut stands_for: BTreeMap<&Node, usize> = BTreeMap::new();
        for (level, rest) in &self.rest {
            let position = at.get(&(*level, None)).copied();
            stands_for.extend(rest.iter().filter_map(|node| Some((*node, position?))));
        }
        for (node, level) in &self.levels {
            let position = at.get(&(*level, Some(*node))).copied();
            stands_for.extend(position.map(|position| (*node, position)));
        }
        let edges = self.levels.keys().flat_map(|node| {
            let after = self.graph.after(node).map(move |to| (*node, to));
            after.chain(self.graph.before(node).map(move |from| (from, *node)))
        });
        let edges =
            edges.filter_map(|(from, to)| Some((*stands_for.get(from)?, *stands_for.get(to)?)));
        let edges = edges.filter(|(from, to)| from != to).collect();
        let rest = &self.rest;
        let nodes = nodes.into_iter().map(|(level, node)| ShownNode {
            level,
            what: match node {
                Some(node) => Shown::Node(node.clone()),
                None => Shown::More(rest.get(&level).map_or(0, BTreeSet::len)),
            },
        });
        Neighbourhood {
            nodes: nodes.collect(),
            edges,
        }
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Identity;

    use super::*;

    fn node(name: impl ToString) -> Node {
        Node::dataset(Identity {
            namespace: "n".to_owned(),
            name: name.to_string(),
        })
    }

    fn graph(edges: &[(String, String)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add_edge(node(from), node(to));
        }
        graph
    }

    fn names(found: &Neighbourhood) -> Vec<String> {
        let name = |shown: &ShownNode| match &shown.what {
            Shown::Node(node) => format!("{} {}", shown.level, node.identity.name),
            Shown::More(count) => format!("{} +{count}", shown.level),
        };
        found.nodes.iter().map(name).collect()
    }

    fn chain(count: usize) -> Graph {
        let edges = (0..count).map(|n| (format!("{n:04}"), format!("{:04}", n + 1)));
        graph(&edges.collect::<Vec<_>>())
    }

    #[test]
    fn it_reaches_so_many_levels_before_and_after() {
        let reach = Reach { up: 1, down: 2 };
        let found = chain(9).neighbourhood(&node("0004"), reach);
        assert_eq!(names(&found), ["-1 0003", "0 0004", "1 0005", "2 0006"]);
        assert_eq!(found.edges, BTreeSet::from([(0, 1), (1, 2), (2, 3)]));
        let none = chain(9).neighbourhood(&node("elsewhere"), reach);
        assert_eq!(none, Neighbourhood::default());
    }

    #[test]
    fn what_does_not_fit_a_level_is_one_node_that_says_how_many() {
        let edges = (0..67).map(|n| ("hub".to_owned(), format!("{n:02}")));
        let mut edges: Vec<_> = edges.collect();
        edges.push(("66".to_owned(), "behind".to_owned()));
        let found = graph(&edges).neighbourhood(&node("hub"), Reach { up: 2, down: 2 });
        assert_eq!(found.nodes.len(), 1 + MAX_COLUMN);
        assert_eq!(names(&found)[MAX_COLUMN], "1 +38");
        assert!(found.edges.contains(&(0, MAX_COLUMN)), "with its edge");
    }

    #[test]
    fn no_more_nodes_are_shown_than_fit() {
        for width in [2, 5, 6, 29, 40] {
            // A tree in each direction: each node leads to so many.
            let edges = (1..4_000).flat_map(|n: usize| {
                let name = |tree: &str, n: usize| match n {
                    0 => "root".to_owned(),
                    n => format!("{tree}{n:04}"),
                };
                let (before, n) = ((n - 1) / width, n);
                let down = (name("down", before), name("down", n));
                [down, (name("up", n), name("up", before))]
            });
            let graph = graph(&edges.collect::<Vec<_>>());
            let found = graph.neighbourhood(&node("root"), Reach { up: 9, down: 9 });
            assert!(
                found.nodes.len() <= MAX_NODES,
                "{width}: {}",
                found.nodes.len()
            );
            for is_before in [true, false] {
                let side = found
                    .nodes
                    .iter()
                    .filter(|shown| (shown.level < 0) == is_before);
                let mut more = side.filter(|shown| matches!(shown.what, Shown::More(_)));
                assert!(more.next().is_some(), "{width}");
            }
        }
    }

    #[test]
    fn a_circle_is_shown_once_with_all_of_its_edges() {
        let edges = [("a", "b"), ("b", "c"), ("c", "a")];
        let edges = edges.map(|(from, to)| (from.to_owned(), to.to_owned()));
        let found = graph(&edges).neighbourhood(&node("a"), Reach { up: 5, down: 5 });
        assert_eq!(names(&found), ["-1 c", "0 a", "1 b"]);
        assert_eq!(found.edges.len(), 3);
    }
}
