//! Laws of the layout, for any graph.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use graph::{BoxSize, Layout, Line, MAX_DUMMIES, MAX_WORK, Point, Rect, layout};
use proptest::prelude::*;

const WIDTH: f64 = 200.0;
/// What adding numbers up in another order may change.
const CLOSE: f64 = 1e-6;

type Boxes = Vec<(usize, BoxSize)>;
type Edges = Vec<(usize, usize)>;

fn boxes(heights: &[u32]) -> Boxes {
    let size = |height: &u32| BoxSize {
        width: WIDTH,
        height: f64::from(*height),
    };
    heights.iter().map(size).enumerate().collect()
}

fn any_graph() -> impl Strategy<Value = (Boxes, Edges)> {
    prop::collection::vec(20u32..200, 1..40).prop_flat_map(|heights| {
        let node = 0..heights.len();
        let edges = prop::collection::vec((node.clone(), node), 0..90);
        (Just(boxes(&heights)), edges)
    })
}

fn overlap(one: &Rect, other: &Rect) -> bool {
    let apart = |from: f64, length: f64, other: f64| from + length <= other + CLOSE;
    !(apart(one.x, one.size.width, other.x)
        || apart(other.x, other.size.width, one.x)
        || apart(one.y, one.size.height, other.y)
        || apart(other.y, other.size.height, one.y))
}

/// Whether a segment runs through the inside of a box. It is level within a column, and boxes are within columns.
fn runs_through(from: Point, to: Point, rect: &Rect) -> bool {
    let (left, right) = (from.x.min(to.x), from.x.max(to.x));
    let (top, bottom) = (from.y.min(to.y), from.y.max(to.y));
    let segment = Rect {
        x: left,
        y: top,
        size: BoxSize {
            width: right - left,
            height: bottom - top,
        },
    };
    // A point of it within the box is asked for, so what only touches the box is not in it.
    left < rect.x + rect.size.width - CLOSE
        && rect.x + CLOSE < right
        && segment.y < rect.y + rect.size.height - CLOSE
        && rect.y + CLOSE < segment.y + segment.size.height.max(CLOSE)
}

fn lines_through_boxes(layout: &Layout) -> usize {
    let routed = layout.lines.iter().filter(|line| line.is_routed);
    let through = |line: &Line| {
        let rects = layout.boxes.iter().enumerate();
        let foreign = rects.filter(|(node, _)| *node != line.from && *node != line.to);
        foreign
            .filter(|(_, rect)| {
                let mut pairs = line.points.windows(2);
                pairs.any(|pair| runs_through(pair[0], pair[1], rect))
            })
            .count()
    };
    routed.map(through).sum()
}

/// The picture by the keys of its boxes.
fn picture(boxes: &[(usize, BoxSize)], layout: &Layout) -> (BTreeMap<usize, String>, Vec<String>) {
    let rects = boxes.iter().zip(&layout.boxes);
    let rects = rects.map(|((key, _), rect)| (*key, format!("{rect:?}")));
    let key = |position: usize| boxes[position].0;
    let lines = layout.lines.iter();
    let lines = lines.map(|line| {
        let Line {
            points,
            is_reversed,
            is_routed,
            ..
        } = line;
        format!(
            "{} {} {points:?} {is_reversed} {is_routed}",
            key(line.from),
            key(line.to)
        )
    });
    (rects.collect(), lines.collect())
}

fn obeys(boxes: &[(usize, BoxSize)], layout: &Layout) -> Result<(), TestCaseError> {
    prop_assert_eq!(boxes.len(), layout.boxes.len());
    for (index, one) in layout.boxes.iter().enumerate() {
        let others = layout.boxes.iter().skip(index + 1);
        prop_assert!(others.clone().all(|other| !overlap(one, other)));
        prop_assert!(one.x >= 0.0 && one.x + one.size.width <= layout.width + CLOSE);
        prop_assert!(one.y >= -CLOSE && one.y + one.size.height <= layout.height + CLOSE);
    }
    for line in &layout.lines {
        let [from, to] = [line.from, line.to].map(|node| layout.boxes[node]);
        let (left, right) = match line.is_reversed {
            false => (from, to),
            true => (to, from),
        };
        prop_assert!(left.x + left.size.width < right.x, "x grows");
        prop_assert!(line.points.len() >= 2);
    }
    prop_assert_eq!(lines_through_boxes(layout), 0);
    Ok(())
}

proptest! {
    #[test]
    fn boxes_are_apart_and_lines_lead_to_the_right_around_them((boxes, edges) in any_graph()) {
        let layout = layout(&boxes, &edges);
        obeys(&boxes, &layout)?;
        prop_assert!(layout.lines.iter().all(|line| line.is_routed));
        let pairs: std::collections::BTreeSet<_> = edges.iter().filter(|(from, to)| from != to).collect();
        prop_assert_eq!(layout.lines.len(), pairs.len());
    }

    #[test]
    fn the_picture_is_the_same_for_any_order((boxes, edges) in any_graph(), seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        random.shuffle(&mut order);
        let shuffled: Boxes = order.iter().map(|position| boxes[*position]).collect();
        let mut now = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| now[*old] = new);
        let mut other: Edges = edges.iter().map(|(from, to)| (now[*from], now[*to])).collect();
        random.shuffle(&mut other);
        let one = picture(&boxes, &layout(&boxes, &edges));
        prop_assert_eq!(one, picture(&shuffled, &layout(&shuffled, &other)));
    }
}

fn flat(count: usize) -> Boxes {
    boxes(&vec![34; count])
}

/// A step more or less is a sweep of the largest of these graphs.
fn within_budget(boxes: &[(usize, BoxSize)], edges: &[(usize, usize)]) -> Layout {
    let layout = layout(boxes, edges);
    assert!(layout.work <= MAX_WORK + MAX_WORK / 4, "{}", layout.work);
    assert!(layout.dummies <= MAX_DUMMIES);
    obeys(boxes, &layout).unwrap();
    layout
}

#[test]
fn a_chain_with_edges_from_the_first_to_all_is_bounded() {
    let count = 2_000;
    let chain = (1..count).map(|n| (n - 1, n));
    let edges: Edges = chain.chain((2..count).map(|n| (0, n))).collect();
    let boxes = flat(count);
    let layout = layout(&boxes, &edges);
    assert!(layout.work <= MAX_WORK + MAX_WORK / 4, "{}", layout.work);
    assert!(layout.dummies <= MAX_DUMMIES);
    let (routed, curves): (Vec<&Line>, _) = layout.lines.iter().partition(|line| line.is_routed);
    assert!(!curves.is_empty() && routed.len() > count);
    let length = |line: &&Line| line.to.abs_diff(line.from);
    let (longest, shortest) = (
        routed.iter().map(length).max(),
        curves.iter().map(length).min(),
    );
    assert!(longest <= shortest, "the longest are curves");
}

#[test]
fn a_complete_bipartite_graph_is_bounded() {
    let edges = (0..100).flat_map(|from| (100..200).map(move |to| (from, to)));
    let layout = within_budget(&flat(200), &edges.collect::<Edges>());
    assert_eq!(layout.lines.len(), 10_000);
}

#[test]
fn an_edge_of_a_box_to_itself_has_no_line() {
    let layout = within_budget(&flat(2), &[(0, 0), (1, 1), (0, 1)]);
    assert_eq!(layout.lines.len(), 1);
}

#[test]
fn lone_boxes_fill_a_square() {
    let layout = within_budget(&flat(2_000), &[]);
    assert!(layout.width < 16_000.0 && layout.height < 4_000.0);
}

#[test]
fn a_circle_has_one_line_that_leads_back() {
    let count = 300;
    let edges: Edges = (0..count).map(|n| (n, (n + 1) % count)).collect();
    let layout = within_budget(&flat(count), &edges);
    let reversed = layout.lines.iter().filter(|line| line.is_reversed);
    assert_eq!(reversed.count(), 1);
}

#[test]
fn many_nodes_and_edges_of_any_kind_are_bounded() {
    let mut random = fastrand::Rng::with_seed(7);
    let count = 1_500;
    let edges = (0..6_000).map(|_| (random.usize(..count), random.usize(..count)));
    let boxes = flat(count);
    let layout = layout(&boxes, &edges.collect::<Edges>());
    assert!(layout.work <= MAX_WORK + MAX_WORK / 4, "{}", layout.work);
    assert!(layout.dummies <= MAX_DUMMIES);
}

#[test]
fn nothing_and_edges_of_nothing_are_drawn_as_nothing() {
    assert_eq!(layout(&Boxes::new(), &[(0, 1)]), Layout::default());
}
