//! Counts how often lines cross between two columns: the pairs of segments of which one begins above the other and ends
//! below it, by a Fenwick tree (<https://en.wikipedia.org/wiki/Fenwick_tree>).
#![allow(
    clippy::indexing_slicing,
    reason = "positions are numbered from 0 without gaps"
)]

use super::columns::Columns;
use super::work::Work;

/// Counts all crossings.
pub(super) fn count(all: &Columns, positions: &[usize], work: &mut Work) -> u64 {
    let columns = all.columns.iter();
    let gaps = columns.zip(all.columns.iter().skip(1));
    gaps.map(|(column, next)| between(all, column, next.len(), positions, work))
        .sum()
}

fn between(
    all: &Columns,
    column: &[usize],
    next: usize,
    positions: &[usize],
    work: &mut Work,
) -> u64 {
    let mut ends = Ends(vec![0; next + 1]);
    let (mut crossings, mut seen) = (0, 0);
    let mut of_one = Vec::new();
    for vertex in column {
        of_one.clear();
        of_one.extend(all.after[*vertex].iter().map(|to| positions[*to]));
        of_one.sort_unstable();
        // Segments of one vertex do not cross, so they are added when all of them are compared.
        for end in &of_one {
            crossings += seen - ends.up_to(*end);
        }
        for end in &of_one {
            ends.add(*end);
        }
        seen += of_one.len() as u64;
    }
    work.spend(seen as usize * (next.max(2).ilog2() as usize + 1));
    crossings
}

/// How many segments end at or above each position.
struct Ends(Vec<u64>);

impl Ends {
    fn add(&mut self, position: usize) {
        let mut at = position + 1;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn up_to(&self, position: usize) -> u64 {
        let (mut at, mut sum) = (position + 1, 0);
        while at > 0 {
            sum += self.0[at];
            at -= at & at.wrapping_neg();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::acyclic::Arc;
    use super::*;

    proptest! {
        #[test]
        fn each_pair_that_crosses_is_counted_once(edges in prop::collection::btree_set((0usize..9, 9usize..18), 0..40)) {
            let arcs: Vec<Arc> = edges.iter().map(|(from, to)| Arc { from: *from, to: *to, is_reversed: false }).collect();
            let ranks: Vec<usize> = (0..18).map(|node| node / 9).collect();
            let all = Columns::new(&arcs, &ranks);
            let crosses = |one: &(usize, usize), other: &(usize, usize)| one.0 < other.0 && one.1 > other.1;
            let expected = edges.iter().map(|one| edges.iter().filter(|other| crosses(one, other)).count() as u64);
            prop_assert_eq!(count(&all, &all.positions(), &mut Work::default()), expected.sum::<u64>());
        }
    }
}
