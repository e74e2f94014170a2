//! Turns edges round that close a circle, so that all others lead to the right.
#![allow(
    clippy::indexing_slicing,
    reason = "nodes are numbered from 0 without gaps"
)]

/// An edge as it leads to the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) is_reversed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the path from where the search began.
    Open,
    Done,
}

/// Returns an arc for each edge, in their order. Those that lead back to the path on which a depth-first search comes are
/// turned round. It begins at nodes without an edge to them, for which nothing has to be turned.
pub(super) fn arcs(nodes: usize, edges: &[(usize, usize)]) -> Vec<Arc> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut is_begin = vec![true; nodes];
    for (index, (from, to)) in edges.iter().enumerate() {
        after[*from].push(index);
        is_begin[*to] = false;
    }
    let mut state = vec![State::New; nodes];
    let mut is_reversed = vec![false; edges.len()];
    let begins = (0..nodes).filter(|node| is_begin[*node]);
    for begin in begins.chain(0..nodes) {
        if state[begin] != State::New {
            continue;
        }
        state[begin] = State::Open;
        let mut path = vec![(begin, 0)];
        while let Some((node, next)) = path.last_mut() {
            let Some(edge) = after[*node].get(*next) else {
                state[*node] = State::Done;
                path.pop();
                continue;
            };
            *next += 1;
            let to = edges[*edge].1;
            match state[to] {
                State::New => {
                    state[to] = State::Open;
                    path.push((to, 0));
                }
                State::Open => is_reversed[*edge] = true,
                State::Done => {}
            }
        }
    }
    let arcs = edges.iter().zip(is_reversed);
    arcs.map(|((from, to), is_reversed)| match is_reversed {
        false => Arc {
            from: *from,
            to: *to,
            is_reversed,
        },
        true => Arc {
            from: *to,
            to: *from,
            is_reversed,
        },
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reversed(edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
        let arcs = arcs(4, edges);
        let reversed = edges.iter().zip(arcs).filter(|(_, arc)| arc.is_reversed);
        reversed.map(|(edge, _)| *edge).collect()
    }

    #[test]
    fn one_edge_of_a_circle_is_turned_round_and_none_without() {
        assert_eq!(reversed(&[(0, 1), (1, 2), (2, 0), (2, 3)]), [(2, 0)]);
        assert_eq!(reversed(&[(1, 2), (2, 1), (3, 1)]), [(2, 1)]);
        assert_eq!(reversed(&[(0, 1), (0, 2), (1, 2), (2, 3)]), []);
    }
}
