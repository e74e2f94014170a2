//! Chooses the order of the vertices in each column, for few crossings.
//!
//! It begins with the order in which a depth-first search comes, which keeps together what belongs together. Then sweeps
//! put each vertex at the mean of its neighbours in the column before, or after, and exchange neighbours where that helps. The
//! best order of all is kept.
#![allow(
    clippy::indexing_slicing,
    reason = "vertices are numbered from 0 without gaps"
)]

use super::columns::Columns;
use super::crossings::count;
use super::work::Work;

/// The most sweeps, and how many without gain are the last.
const MAX_SWEEPS: usize = 100;
const PATIENCE: usize = 20;

/// How often a column is gone through for exchanges, at most.
const MAX_PASSES: usize = 4;

/// Puts the vertices of each column in order.
pub(super) fn arrange(all: &mut Columns, work: &mut Work) {
    search(all, work);
    let mut positions = all.positions();
    let mut least = count(all, &positions, work);
    let mut best = all.columns.clone();
    let mut without_gain = 0;
    for sweep in 0..MAX_SWEEPS {
        if least == 0 || without_gain == PATIENCE || !work.is_left() {
            break;
        }
        let is_forward = sweep % 2 == 0;
        for step in 0..all.columns.len() {
            let column = match is_forward {
                true => step,
                false => all.columns.len() - 1 - step,
            };
            centre(all, column, is_forward, &mut positions);
        }
        work.spend(all.segments() + all.len());
        if sweep % 4 == 3 {
            for column in 0..all.columns.len() {
                exchange(all, column, &mut positions, work);
            }
        }
        let crossings = count(all, &positions, work);
        match crossings < least {
            true => {
                (least, without_gain) = (crossings, 0);
                best.clone_from(&all.columns);
            }
            false => without_gain += 1,
        }
    }
    all.columns = best;
}

/// Orders each column as a depth-first search comes along, which goes forward and back.
fn search(all: &mut Columns, work: &mut Work) {
    let mut column_of = vec![0; all.len()];
    for (number, column) in all.columns.iter().enumerate() {
        column.iter().for_each(|vertex| column_of[*vertex] = number);
    }
    let begins: Vec<usize> = all.columns.iter().flatten().copied().collect();
    let mut found: Vec<Vec<usize>> = vec![Vec::new(); all.columns.len()];
    let mut is_found = vec![false; all.len()];
    let mut path = Vec::new();
    for begin in begins {
        path.push(begin);
        while let Some(vertex) = path.pop() {
            if std::mem::replace(&mut is_found[vertex], true) {
                continue;
            }
            found[column_of[vertex]].push(vertex);
            // The last is looked at first.
            path.extend(all.before[vertex].iter().rev());
            path.extend(all.after[vertex].iter().rev());
        }
    }
    work.spend(2 * all.segments() + all.len());
    all.columns = found;
}

/// Orders a column by the means of the neighbours in the column before, or after. A vertex without any keeps its place.
fn centre(all: &mut Columns, column: usize, is_forward: bool, positions: &mut [usize]) {
    let neighbours = match is_forward {
        true => &all.before,
        false => &all.after,
    };
    #[expect(clippy::cast_precision_loss, reason = "positions are below 2^52")]
    let mean = |vertex: usize| {
        let near = &neighbours[vertex];
        let sum: usize = near.iter().map(|vertex| positions[*vertex]).sum();
        match near.len() {
            0 => positions[vertex] as f64,
            count => sum as f64 / count as f64,
        }
    };
    let vertices = &mut all.columns[column];
    let mut means: Vec<(f64, usize)> = vertices.iter().map(|it| (mean(*it), *it)).collect();
    means.sort_by(|(one, _), (other, _)| one.total_cmp(other)); // stable
    for (position, (_, vertex)) in means.into_iter().enumerate() {
        vertices[position] = vertex;
        positions[vertex] = position;
    }
}

/// Exchanges neighbours in a column while that removes crossings.
fn exchange(all: &mut Columns, column: usize, positions: &mut [usize], work: &mut Work) {
    // The vertices of other columns stay where they are meanwhile.
    let sorted = |near: &[usize]| {
        let mut places: Vec<usize> = near.iter().map(|vertex| positions[*vertex]).collect();
        places.sort_unstable();
        places
    };
    let mut vertices: Vec<(usize, [Vec<usize>; 2])> = (all.columns[column].iter())
        .map(|vertex| {
            let ends = [&all.before[*vertex], &all.after[*vertex]];
            (*vertex, ends.map(|near| sorted(near)))
        })
        .collect();
    for _ in 0..MAX_PASSES {
        let mut is_changed = false;
        for upper in 1..vertices.len() {
            if !work.is_left() {
                break;
            }
            let (one, other) = (&vertices[upper - 1].1, &vertices[upper].1);
            let (mut now, mut then) = (0, 0);
            for side in 0..2 {
                now += crossing(&one[side], &other[side]);
                then += crossing(&other[side], &one[side]);
                work.spend(one[side].len() + other[side].len() + 1);
            }
            if then < now {
                vertices.swap(upper - 1, upper);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    for (position, (vertex, _)) in vertices.into_iter().enumerate() {
        all.columns[column][position] = vertex;
        positions[vertex] = position;
    }
}

/// How often segments of an upper vertex cross those of the one below it, by the sorted positions of their ends.
fn crossing(upper: &[usize], lower: &[usize]) -> usize {
    let (mut crossings, mut above) = (0, 0);
    for end in upper {
        while lower.get(above).is_some_and(|other| other < end) {
            above += 1;
        }
        crossings += above;
    }
    crossings
}

#[cfg(test)]
mod tests {
    use super::super::acyclic::Arc;
    use super::*;

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let arcs = [(0, 5), (1, 4), (2, 3), (0, 4)];
        let arcs = arcs.map(|(from, to)| Arc {
            from,
            to,
            is_reversed: false,
        });
        let mut all = Columns::new(&arcs, &[0, 0, 0, 1, 1, 1]);
        let mut work = Work::default();
        arrange(&mut all, &mut work);
        assert_eq!(count(&all, &all.positions(), &mut work), 0);
        for column in &all.columns {
            assert_eq!(column.len(), 3);
        }
    }

    #[test]
    fn pairs_of_ends_are_compared_once() {
        assert_eq!(crossing(&[1, 3], &[0, 2, 3]), 1 + 2);
        assert_eq!(crossing(&[0], &[]), 0);
    }
}
