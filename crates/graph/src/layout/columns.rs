//! The columns: the nodes, and a dummy point for each column that an edge crosses.
#![allow(
    clippy::indexing_slicing,
    reason = "vertices are numbered from 0 without gaps"
)]

use super::acyclic::Arc;

/// The most dummy points. The longest edges get none beyond: each is one curve.
pub const MAX_DUMMIES: usize = 20_000;

/// Nodes and dummy points, which are called vertices together: the nodes first.
#[derive(Debug)]
pub(super) struct Columns {
    /// How many of the vertices are nodes.
    pub(super) nodes: usize,
    /// The vertices of each column, from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// The vertices in the column before that lead to each vertex.
    pub(super) before: Vec<Vec<usize>>,
    /// The vertices in the column after to which each leads.
    pub(super) after: Vec<Vec<usize>>,
    /// The vertices of each arc, from its first node to its last; `None` for those without dummy points.
    pub(super) paths: Vec<Option<Vec<usize>>>,
}

impl Columns {
    pub(super) fn new(arcs: &[Arc], ranks: &[usize]) -> Columns {
        let nodes = ranks.len();
        let count = ranks.iter().max().map_or(0, |last| last + 1);
        let mut all = Columns {
            nodes,
            columns: vec![Vec::new(); count],
            before: vec![Vec::new(); nodes],
            after: vec![Vec::new(); nodes],
            paths: vec![None; arcs.len()],
        };
        for (node, rank) in ranks.iter().enumerate() {
            all.columns[*rank].push(node);
        }
        let crossed = |arc: &Arc| ranks[arc.to] - ranks[arc.from] - 1;
        let mut shortest_first: Vec<usize> = (0..arcs.len()).collect();
        shortest_first.sort_by_key(|arc| crossed(&arcs[*arc]));
        let mut is_routed = vec![false; arcs.len()];
        let mut left = MAX_DUMMIES;
        for arc in shortest_first {
            let Some(rest) = left.checked_sub(crossed(&arcs[arc])) else {
                break;
            };
            (left, is_routed[arc]) = (rest, true);
        }
        for (number, arc) in arcs.iter().enumerate() {
            if is_routed[number] {
                let between = ranks[arc.from] + 1..ranks[arc.to];
                let mut path = vec![arc.from];
                path.extend(between.map(|column| all.dummy(column)));
                path.push(arc.to);
                for pair in path.windows(2) {
                    all.after[pair[0]].push(pair[1]);
                    all.before[pair[1]].push(pair[0]);
                }
                all.paths[number] = Some(path);
            }
        }
        all
    }

    fn dummy(&mut self, column: usize) -> usize {
        let vertex = self.before.len();
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        self.columns[column].push(vertex);
        vertex
    }

    /// How many vertices there are.
    pub(super) fn len(&self) -> usize {
        self.before.len()
    }

    pub(super) fn is_dummy(&self, vertex: usize) -> bool {
        vertex >= self.nodes
    }

    /// How many segments there are between neighbouring columns.
    pub(super) fn segments(&self) -> usize {
        self.after.iter().map(Vec::len).sum()
    }

    /// The place of each vertex in its column.
    pub(super) fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0; self.len()];
        for column in &self.columns {
            for (position, vertex) in column.iter().enumerate() {
                positions[*vertex] = position;
            }
        }
        positions
    }
}
