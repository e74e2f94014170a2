//! Gives each node its column.
#![allow(
    clippy::indexing_slicing,
    reason = "nodes are numbered from 0 without gaps"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::acyclic::Arc;

/// How often nodes are pulled to the left and to the right.
const PULLS: usize = 4;

/// Returns the columns of the nodes, from 0 without gaps. First each is as far to the left as its longest path allows; then
/// those with more edges to one side are pulled there, so that lines are short. Nodes without an edge are spread.
pub(super) fn ranks(nodes: usize, arcs: &[Arc]) -> Vec<usize> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for arc in arcs {
        after[arc.from].push(arc.to);
        before[arc.to].push(arc.from);
    }
    let order = in_order(&after, &before);
    let mut rank = vec![0; nodes];
    for node in &order {
        rank[*node] = least(&rank, &before[*node]);
    }
    for _ in 0..PULLS {
        for node in order.iter().rev() {
            let nearest = after[*node].iter().map(|node| rank[*node]).min();
            if let Some(nearest) = nearest
                && after[*node].len() > before[*node].len()
            {
                rank[*node] = nearest.saturating_sub(1).max(rank[*node]);
            }
        }
        for node in &order {
            if before[*node].len() > after[*node].len() {
                rank[*node] = least(&rank, &before[*node]);
            }
        }
    }
    let lone: Vec<usize> = (0..nodes)
        .filter(|node| after[*node].is_empty() && before[*node].is_empty())
        .collect();
    without_gaps(&mut rank, &lone);
    let columns = rank.iter().max().map_or(1, |last| last + 1);
    let columns = columns.max(lone.len().isqrt());
    for (position, node) in lone.into_iter().enumerate() {
        rank[node] = position % columns;
    }
    rank
}

/// The first column behind these nodes.
fn least(rank: &[usize], before: &[usize]) -> usize {
    let last = before.iter().map(|node| rank[*node]).max();
    last.map_or(0, |last| last + 1)
}

/// The nodes, each behind all that lead to it.
fn in_order(after: &[Vec<usize>], before: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = before.iter().map(Vec::len).collect();
    let ready = (0..missing.len()).filter(|node| missing[*node] == 0);
    let mut ready: VecDeque<usize> = ready.collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(node) = ready.pop_front() {
        order.push(node);
        for next in &after[node] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                ready.push_back(*next);
            }
        }
    }
    order
}

/// Numbers the columns anew that a node with an edge is in.
fn without_gaps(rank: &mut [usize], lone: &[usize]) {
    let mut is_lone = vec![false; rank.len()];
    lone.iter().for_each(|node| is_lone[*node] = true);
    let used: BTreeSet<usize> = rank
        .iter()
        .zip(&is_lone)
        .filter(|(_, is_lone)| !**is_lone)
        .map(|(rank, _)| *rank)
        .collect();
    let new: BTreeMap<usize, usize> = used.into_iter().zip(0..).collect();
    for rank in rank {
        *rank = new.get(rank).copied().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nodes: usize, arcs: &[(usize, usize)]) -> Vec<usize> {
        let arc = |(from, to): &(usize, usize)| Arc {
            from: *from,
            to: *to,
            is_reversed: false,
        };
        ranks(nodes, &arcs.iter().map(arc).collect::<Vec<_>>())
    }

    #[test]
    fn a_node_is_behind_all_that_lead_to_it() {
        assert_eq!(of(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_source_stands_beside_what_reads_it() {
        // 3 leads to 2 alone, which is far to the right.
        assert_eq!(of(4, &[(0, 1), (1, 2), (3, 2)]), [0, 1, 2, 1]);
    }

    #[test]
    fn nodes_without_an_edge_are_spread() {
        let ranks = of(100, &[]);
        assert_eq!(ranks.iter().max(), Some(&9));
    }
}
