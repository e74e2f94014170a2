//! Places the boxes of a graph in columns, from left to right along its edges, and draws the lines between them.
//!
//! The layers of Sugiyama: edges that close a circle are turned round (`acyclic.rs`), each node gets a column (`rank.rs`), an
//! edge over several columns gets a dummy point in each (`columns.rs`), the order in each column is chosen for few crossings
//! (`order.rs`, `crossings.rs`), then the heights for straight lines (`heights.rs`), and a line runs level across a column, so
//! that it meets no box (`lines.rs`).
//!
//! Whoever sends events chooses the graph, so the work has a bound (`work.rs`), and nothing recurses. The picture depends
//! on the boxes and edges alone: not on their order, a hash or a clock.

mod acyclic;
mod columns;
mod crossings;
mod heights;
mod lines;
mod order;
mod rank;
mod work;

use std::collections::BTreeSet;

use columns::Columns;
use work::Work;

pub use columns::MAX_DUMMIES;
pub use work::MAX_WORK;

/// The size of a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxSize {
    /// In pixels.
    pub width: f64,
    /// In pixels.
    pub height: f64,
}

/// A point, in pixels from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// A box that is placed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Its left side.
    pub x: f64,
    /// Its upper side.
    pub y: f64,
    /// Its size.
    pub size: BoxSize,
}

/// The line of an edge.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The box at which it begins, by its position in the input.
    pub from: usize,
    /// The box at which it ends.
    pub to: usize,
    /// From one to the other. Between two of them it is level within a column, and elsewhere a curve from level to level.
    pub points: Vec<Point>,
    /// Whether it runs against the direction of all others, from right to left: it closes a circle.
    pub is_reversed: bool,
    /// Whether it runs around boxes. Otherwise it is one curve that may run through some: the dummy points were used up.
    pub is_routed: bool,
}

/// Where everything is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The boxes, in the order of the input.
    pub boxes: Vec<Rect>,
    /// The lines, in the order of the keys of their boxes. An edge that is given twice has one, and one of a box to itself none.
    pub lines: Vec<Line>,
    /// The size of the picture.
    pub width: f64,
    /// The size of the picture.
    pub height: f64,
    /// The dummy points, at most [`MAX_DUMMIES`].
    pub dummies: usize,
    /// The steps that it took: those of the search for few crossings end soon after [`MAX_WORK`].
    pub work: u64,
}

/// Places boxes, which have different keys, and the edges between them, by the positions of their boxes.
pub fn layout<K: Ord>(boxes: &[(K, BoxSize)], edges: &[(usize, usize)]) -> Layout {
    // From here on boxes are numbered by their keys.
    let mut by_key: Vec<(usize, &(K, BoxSize))> = boxes.iter().enumerate().collect();
    by_key.sort_by(|(_, (one, _)), (_, (other, _))| one.cmp(other));
    let sizes: Vec<BoxSize> = by_key.iter().map(|(_, (_, size))| *size).collect();
    let given: Vec<usize> = by_key.iter().map(|(position, _)| *position).collect();
    let mut number = vec![0; given.len()];
    for (now, before) in given.iter().enumerate() {
        if let Some(number) = number.get_mut(*before) {
            *number = now;
        }
    }
    let numbered = |(from, to): &(usize, usize)| Some((*number.get(*from)?, *number.get(*to)?));
    let edges: BTreeSet<(usize, usize)> = edges.iter().filter_map(numbered).collect();
    let edges: Vec<(usize, usize)> = edges.into_iter().filter(|(from, to)| from != to).collect();

    let mut work = Work::default();
    work.spend(sizes.len() + edges.len());
    let arcs = acyclic::arcs(sizes.len(), &edges);
    let ranks = rank::ranks(sizes.len(), &arcs);
    let mut columns = Columns::new(&arcs, &ranks);
    order::arrange(&mut columns, &mut work);
    let centres = heights::centres(&columns, &sizes, &mut work);
    let mut layout = lines::draw(&columns, &arcs, &sizes, &centres);
    layout.work = work.done();

    for line in &mut layout.lines {
        let before = |now: usize| given.get(now).copied().unwrap_or(now);
        (line.from, line.to) = (before(line.from), before(line.to));
    }
    let mut placed: Vec<(usize, Rect)> = given.into_iter().zip(layout.boxes).collect();
    placed.sort_by_key(|(position, _)| *position);
    layout.boxes = placed.into_iter().map(|(_, rect)| rect).collect();
    layout
}
