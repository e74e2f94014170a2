//! Places a graph of several parts: each part by itself, and the parts beside and below each other. Pure.
//!
//! An estate has many small parts, and one column of all of them would be a thousand nodes high. Columns of a high part are
//! spread, so that its lines can be told apart.

use std::collections::BTreeMap;

use graph::{BoxSize, Layout, Point, layout};

/// The space between two parts, in pixels.
const BETWEEN_PARTS: f64 = 48.0;

/// How wide a picture is to be for its height, about as a screen.
const SHAPE: f64 = 1.5;

/// How much wider or narrower the space between two columns gets, in pixels: near by, a box beside is to be in sight.
const LEAST_SPREAD: f64 = -24.0;
const MOST_SPREAD: f64 = 220.0;

/// The same for a high part, as a share of its height: there the next box on a line is out of sight anyway, and far away all of
/// it would be a thread.
const MOST_SPREAD_OF_HEIGHT: f64 = 0.05;

/// How wide a part is at least for its height, if spreading its columns can do it.
const LEAST_SHAPE: f64 = 0.5;

/// Places boxes, which have different keys, and the edges between them, as [`layout`] does.
pub(crate) fn packed<K: Ord + Copy>(boxes: &[(K, BoxSize)], edges: &[(usize, usize)]) -> Layout {
    let mut parts = parts(boxes, edges);
    // The largest first; those of one size in the order of their keys.
    parts.sort_by(|one, other| other.placed.height.total_cmp(&one.placed.height));
    let area =
        |part: &Part| (part.placed.width + BETWEEN_PARTS) * (part.placed.height + BETWEEN_PARTS);
    let widest = parts.iter().map(|part| part.placed.width);
    let widest = widest.fold(0.0, f64::max);
    let room = (parts.iter().map(area).sum::<f64>() * SHAPE)
        .sqrt()
        .max(widest);

    let mut all = Layout::default();
    let mut boxes_at = BTreeMap::new();
    let mut shelf = Shelf::default();
    for part in parts {
        let placed = part.placed;
        let (x, y) = shelf.place(placed.width, placed.height, room);
        for (member, mut rect) in part.members.iter().copied().zip(placed.boxes) {
            (rect.x, rect.y) = (rect.x + x, rect.y + y);
            boxes_at.insert(member, rect);
        }
        for mut line in placed.lines {
            let member = |at: usize| part.members.get(at).copied().unwrap_or_default();
            (line.from, line.to) = (member(line.from), member(line.to));
            for point in &mut line.points {
                (point.x, point.y) = (point.x + x, point.y + y);
            }
            all.lines.push(line);
        }
        all.width = all.width.max(x + placed.width);
        all.height = all.height.max(y + placed.height);
        all.dummies += placed.dummies;
        all.work += placed.work;
    }
    all.boxes = boxes_at.into_values().collect();
    all
}

/// Where parts are placed, from high ones to low ones: beneath each other as far as the first of a shelf is high, then beside that,
/// then on a shelf below.
#[derive(Default)]
struct Shelf {
    top: f64,
    height: f64,
    /// The left side, the width and the height of the parts beneath each other.
    pile: (f64, f64, f64),
}

impl Shelf {
    /// Finds the left upper corner of a part.
    fn place(&mut self, width: f64, height: f64, room: f64) -> (f64, f64) {
        let (x, wide, high) = self.pile;
        let is_first = self.height == 0.0;
        let fits_beneath = high + height <= self.height && x + width <= room;
        let beside = x + wide + BETWEEN_PARTS;
        let (x, wide, high) = if fits_beneath {
            (x, wide.max(width), high)
        } else if !is_first && beside + width <= room {
            (beside, width, 0.0)
        } else {
            if !is_first {
                self.top += self.height + BETWEEN_PARTS;
            }
            self.height = height;
            (0.0, width, 0.0)
        };
        self.pile = (x, wide, high + height + BETWEEN_PARTS);
        (x, self.top + high)
    }
}

/// Nodes that edges connect, and where they are by themselves.
struct Part {
    /// The positions of its nodes in the input, by their keys.
    members: Vec<usize>,
    placed: Layout,
}

fn parts<K: Ord + Copy>(boxes: &[(K, BoxSize)], edges: &[(usize, usize)]) -> Vec<Part> {
    let mut by_key: Vec<usize> = (0..boxes.len()).collect();
    by_key.sort_by_key(|at| boxes.get(*at).map(|(key, _)| key));
    let mut leaders: Vec<usize> = (0..boxes.len()).collect();
    for (from, to) in edges {
        let (from, to) = (leader(&mut leaders, *from), leader(&mut leaders, *to));
        if let Some(leader) = leaders.get_mut(from.max(to)) {
            *leader = from.min(to);
        }
    }
    // Parts in the order of their first keys, and nodes without an edge together.
    let mut has_edge = vec![false; boxes.len()];
    for at in edges
        .iter()
        .filter(|(from, to)| from != to)
        .flat_map(|(from, to)| [from, to])
    {
        has_edge.get_mut(*at).into_iter().for_each(|it| *it = true);
    }
    let mut numbers: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for at in by_key {
        let leads = leader(&mut leaders, at);
        let is_connected = has_edge.get(at).copied().unwrap_or_default();
        let number = *numbers
            .entry(is_connected.then_some(leads))
            .or_insert(members.len());
        match members.get_mut(number) {
            Some(part) => part.push(at),
            None => members.push(vec![at]),
        }
    }
    let mut place = vec![(0, 0); boxes.len()];
    for (part, members) in members.iter().enumerate() {
        for (within, at) in members.iter().enumerate() {
            place
                .get_mut(*at)
                .into_iter()
                .for_each(|it| *it = (part, within));
        }
    }
    let mut of_parts = vec![Vec::new(); members.len()];
    for (from, to) in edges {
        let (Some((part, from)), Some((_, to))) = (place.get(*from), place.get(*to)) else {
            continue;
        };
        of_parts
            .get_mut(*part)
            .into_iter()
            .for_each(|edges| edges.push((*from, *to)));
    }
    let parts = members.into_iter().zip(of_parts).map(|(members, edges)| {
        let boxes: Vec<(K, BoxSize)> = members
            .iter()
            .filter_map(|at| boxes.get(*at).copied())
            .collect();
        let placed = spread(layout(&boxes, &edges));
        Part { members, placed }
    });
    parts.collect()
}

/// The one node that stands for all that are connected with it.
fn leader(leaders: &mut [usize], at: usize) -> usize {
    let mut at = at;
    while let Some(next) = leaders.get(at).copied().filter(|next| *next != at) {
        // Each step halves the way for the next one.
        let after = leaders.get(next).copied().unwrap_or(next);
        leaders.get_mut(at).into_iter().for_each(|it| *it = after);
        at = after;
    }
    at
}

/// Moves the columns apart, or together.
fn spread(mut placed: Layout) -> Layout {
    let mut lefts: Vec<f64> = placed.boxes.iter().map(|it| it.x).collect();
    lefts.sort_by(f64::total_cmp);
    lefts.dedup();
    let gaps = lefts.len().saturating_sub(1) as f64;
    if gaps == 0.0 {
        return placed;
    }
    let wish = (LEAST_SHAPE * placed.height - placed.width) / gaps;
    let most = MOST_SPREAD.max(MOST_SPREAD_OF_HEIGHT * placed.height);
    let more = wish.clamp(LEAST_SPREAD, most);
    let moved =
        |x: f64| x + more * lefts.partition_point(|left| *left <= x).saturating_sub(1) as f64;
    for rect in &mut placed.boxes {
        rect.x = moved(rect.x);
    }
    let points = placed.lines.iter_mut().flat_map(|line| &mut line.points);
    points.for_each(|point: &mut Point| point.x = moved(point.x));
    placed.width += more * gaps;
    placed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: BoxSize = BoxSize {
        width: 200.0,
        height: 46.0,
    };

    fn boxes(count: usize) -> Vec<(usize, BoxSize)> {
        (0..count).map(|key| (key, SIZE)).collect()
    }

    #[test]
    fn many_small_parts_fill_a_screen_and_not_a_column() {
        let edges: Vec<(usize, usize)> = (0..300).map(|n| (2 * n, 2 * n + 1)).collect();
        let all = packed(&boxes(620), &edges);
        assert!(
            (0.8..2.5).contains(&(all.width / all.height)),
            "{} {}",
            all.width,
            all.height
        );
    }

    #[test]
    fn one_large_part_is_no_thread() {
        // Four columns of five hundred boxes, each connected with two of the next column.
        let edges =
            (0..1_500).flat_map(|n| [(n, n + 500), (n, n / 500 * 500 + 500 + (n * 7 + 3) % 500)]);
        let edges: std::collections::BTreeSet<(usize, usize)> = edges.collect();
        let edges: Vec<_> = edges.into_iter().collect();
        let all = packed(&boxes(2_000), &edges);
        let ratio = all.width / all.height;
        assert!((0.15..2.0).contains(&ratio), "{} {}", all.width, all.height);
    }

    proptest! {
        #[test]
        fn no_two_boxes_overlap_and_each_edge_has_its_line(
            edges in prop::collection::btree_set((0usize..40, 0usize..40), 0..40),
        ) {
            let edges: Vec<_> = edges.into_iter().filter(|(from, to)| from != to).collect();
            let all = packed(&boxes(40), &edges);
            prop_assert_eq!(all.boxes.len(), 40);
            for (at, one) in all.boxes.iter().enumerate() {
                for other in all.boxes.iter().skip(at + 1) {
                    let apart = (one.x - other.x).abs() >= SIZE.width || (one.y - other.y).abs() >= SIZE.height;
                    prop_assert!(apart, "{one:?} {other:?}");
                }
                prop_assert!(one.x + SIZE.width <= all.width + 0.1 && one.y + SIZE.height <= all.height + 0.1);
            }
            let mut lines: Vec<_> = all.lines.iter().map(|line| (line.from, line.to)).collect();
            lines.sort_unstable();
            prop_assert_eq!(&lines, &edges);
            for line in &all.lines {
                let (first, last) = (line.points.first().unwrap(), line.points.last().unwrap());
                let at = |node: usize, side: f64| all.boxes[node].x + side;
                let (from, to) = if line.is_reversed { (0.0, SIZE.width) } else { (SIZE.width, 0.0) };
                prop_assert!((first.x - at(line.from, from)).abs() < 0.1 && (last.x - at(line.to, to)).abs() < 0.1);
            }
        }

        #[test]
        fn the_order_of_the_input_is_not_seen(edges in prop::collection::btree_set((0usize..20, 0usize..20), 0..25)) {
            let edges: Vec<_> = edges.into_iter().collect();
            let there = packed(&boxes(20), &edges);
            let turned: Vec<_> = boxes(20).into_iter().rev().collect();
            let turned_edges: Vec<_> = edges.iter().rev().map(|(from, to)| (19 - from, 19 - to)).collect();
            let back = packed(&turned, &turned_edges);
            let again: Vec<_> = back.boxes.into_iter().rev().collect();
            prop_assert_eq!(there.boxes, again);
        }
    }
}
