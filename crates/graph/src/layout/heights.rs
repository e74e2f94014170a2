//! Chooses the heights of the vertices in each column, in their order, so that lines are as straight as can be.
//!
//! Each vertex would like to be at the mean of its neighbours. In a column, the heights that come nearest to that by least
//! squares, at the least distance from each other, are found by pooling adjacent violators
//! (<https://en.wikipedia.org/wiki/Isotonic_regression>). A sweep does so for each column.
#![allow(
    clippy::indexing_slicing,
    reason = "vertices are numbered from 0 without gaps"
)]

use super::BoxSize;
use super::columns::Columns;
use super::work::Work;

/// How often all columns are gone through.
const SWEEPS: usize = 10;

/// How much a segment counts, by how many of its ends are dummy points: a long line is to be straight.
const WEIGHTS: [f64; 3] = [1.0, 2.0, 8.0];

/// The space between two boxes, and beside a line, in pixels.
const BETWEEN_BOXES: f64 = 20.0;
const BESIDE_LINES: f64 = 10.0;

/// Returns the height of the centre of each vertex. The topmost box or line is at 0.
pub(super) fn centres(all: &Columns, sizes: &[BoxSize], work: &mut Work) -> Vec<f64> {
    let height = |vertex: usize| sizes.get(vertex).map_or(0.0, |size| size.height);
    let mut centres = vec![0.0; all.len()];
    let distances: Vec<Vec<f64>> = (all.columns.iter())
        .map(|column| distances(all, column, &height))
        .collect();
    for (column, distances) in all.columns.iter().zip(&distances) {
        for (vertex, distance) in column.iter().zip(distances) {
            centres[*vertex] = *distance;
        }
    }
    for sweep in 0..SWEEPS {
        for step in 0..all.columns.len() {
            let column = match sweep % 2 == 0 {
                true => step,
                false => all.columns.len() - 1 - step,
            };
            // First what was just placed counts alone, and then both sides.
            let sides: &[&Vec<Vec<usize>>] = match sweep {
                0 => &[&all.before],
                1 => &[&all.after],
                _ => &[&all.before, &all.after],
            };
            place(all, column, &distances[column], sides, &mut centres);
        }
        work.spend(2 * all.segments() + all.len());
    }
    let tops = centres.iter().enumerate();
    let top = tops.map(|(vertex, centre)| centre - height(vertex) / 2.0);
    let top = top.fold(f64::INFINITY, f64::min);
    centres.iter_mut().for_each(|centre| *centre -= top);
    centres
}

/// How far below the first vertex of a column each is at least.
fn distances(all: &Columns, column: &[usize], height: &impl Fn(usize) -> f64) -> Vec<f64> {
    let mut distances = Vec::with_capacity(column.len());
    let (mut distance, mut above) = (0.0, None);
    for vertex in column {
        if let Some(above) = above {
            let space = match all.is_dummy(above) || all.is_dummy(*vertex) {
                true => BESIDE_LINES,
                false => BETWEEN_BOXES,
            };
            distance += height(above) / 2.0 + space + height(*vertex) / 2.0;
        }
        distances.push(distance);
        above = Some(*vertex);
    }
    distances
}

/// Places the vertices of a column as near to the means of their neighbours as their distances allow.
fn place(
    all: &Columns,
    column: usize,
    distances: &[f64],
    sides: &[&Vec<Vec<usize>>],
    centres: &mut [f64],
) {
    // Less the distances, heights that grow are heights that do not fall.
    let mut blocks: Vec<Block> = Vec::new();
    for (vertex, distance) in all.columns[column].iter().zip(distances) {
        let (mut sum, mut weight) = (0.0, 0.0);
        for side in sides {
            for near in &side[*vertex] {
                let dummies = [*vertex, *near].map(|vertex| usize::from(all.is_dummy(vertex)));
                let counts = WEIGHTS[dummies[0] + dummies[1]];
                sum += counts * centres[*near];
                weight += counts;
            }
        }
        // A vertex without a neighbour would like to stay, but gives way.
        let (wish, weight) = match weight > 0.0 {
            true => (sum / weight, weight),
            false => (centres[*vertex], 0.01),
        };
        let mut block = Block {
            sum: (wish - distance) * weight,
            weight,
            count: 1,
        };
        while let Some(above) = blocks.pop() {
            if above.mean() <= block.mean() {
                blocks.push(above);
                break;
            }
            block = Block {
                sum: above.sum + block.sum,
                weight: above.weight + block.weight,
                count: above.count + block.count,
            };
        }
        blocks.push(block);
    }
    let means = blocks.iter();
    let means = means.flat_map(|block| std::iter::repeat_n(block.mean(), block.count));
    let placed = all.columns[column].iter().zip(distances).zip(means);
    for ((vertex, distance), mean) in placed {
        centres[*vertex] = mean + distance;
    }
}

/// Vertices that are as near to each other as they may be.
struct Block {
    sum: f64,
    weight: f64,
    count: usize,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}
