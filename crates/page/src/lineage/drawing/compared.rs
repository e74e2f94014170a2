//! The drawings of two graphs of which one becomes the other. What both have is at one place, and so is what gets another name:
//! whoever looks from one to the other sees what differs. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use graph::{BoxSize, Layout, Line};

use super::{
    Drawing, DrawnLine, DrawnNode, DrawnState, HEIGHT, MORE_HEIGHT, Namespaces, WIDTH, path, shape,
    shortened, whole,
};
use crate::line::rules::{ChangedEdge, ChangedGraph, ChangedNode, MAX_NAME, Within};
use crate::lineage::packed::packed;

/// The signs of what is only in one of the graphs, and of what has another name.
pub(crate) const GONE: &str = "−";
pub(crate) const NEW: &str = "+";
pub(crate) const RENAMED: &str = "✎";

/// What has no state, and what is as in the other graph: its namespace is shown instead.
const SAME: DrawnState = (Cow::Borrowed(""), "", "");

/// Which of the two graphs is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Side {
    fn has(self, within: Within) -> bool {
        match self {
            Side::Before => within.before(),
            Side::After => within.after(),
        }
    }
}

/// Draws both graphs. Takes up to 0.3 s of a core, whatever they are.
pub(crate) fn compared(graph: &ChangedGraph) -> [Drawing; 2] {
    let places = places(&graph.nodes);
    let count = places.iter().max().map_or(0, |last| last + 1);
    let has_rest = graph.more != (0, 0);
    let heights = std::iter::repeat_n(HEIGHT, count).chain(has_rest.then_some(MORE_HEIGHT));
    let width = WIDTH;
    let boxes = heights.map(|height| BoxSize { width, height });
    let boxes: Vec<(usize, BoxSize)> = boxes.enumerate().collect();
    let place = |node: usize| places.get(node).copied();
    let edges = graph.edges.iter();
    let edges: BTreeSet<(usize, usize)> = edges
        .filter_map(|edge| Some((place(edge.from)?, place(edge.to)?)))
        .collect();
    let edges: Vec<(usize, usize)> = edges.into_iter().collect();
    let layout = packed(&boxes, &edges);
    [Side::Before, Side::After].map(|side| drawing(graph, &places, &layout, side))
}

/// The place of each node, which the two sides share: a new name has that of the first node that becomes it, if nothing else has.
fn places(nodes: &[ChangedNode]) -> Vec<usize> {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let mut count = 0;
    let mut next = || {
        count += 1;
        count - 1
    };
    for (at, node) in nodes
        .iter()
        .enumerate()
        .filter(|(_, it)| it.within.before())
    {
        let place = next();
        places.insert(at, place);
        if node.within.after() {
            continue;
        }
        let is_free = |other: &&usize| {
            let other = (nodes.get(**other), places.get(*other));
            matches!(other, (Some(other), None) if !other.within.before())
        };
        if let Some(new) = node.becomes.iter().find(is_free) {
            places.insert(*new, place);
        }
    }
    let place = |at| *places.entry(at).or_insert_with(&mut next);
    (0..nodes.len()).map(place).collect()
}

fn drawing(graph: &ChangedGraph, places: &[usize], layout: &Layout, side: Side) -> Drawing {
    let mut states = vec![SAME, SAME]; // the first is that of what has no state
    let mut namespaces = Namespaces::default();
    let mut numbers = BTreeMap::new();
    let mut nodes = Vec::new();
    let all = graph.nodes.iter().zip(places).enumerate();
    for (at, (node, place)) in all.filter(|(_, (node, _))| side.has(node.within)) {
        let Some(rect) = layout.boxes.get(*place) else {
            continue;
        };
        let state = state(node, side);
        let known = states.iter().skip(1).position(|it| *it == state);
        let number = known.map_or(states.len(), |known| known + 1);
        if number == states.len() {
            states.push(state);
        }
        let at_place = (whole(rect.x), whole(rect.y));
        numbers.insert(at, nodes.len());
        nodes.push(drawn(node, at_place, number, &mut namespaces));
    }
    let rest = match side {
        Side::Before => graph.more.0,
        Side::After => graph.more.1,
    };
    if let Some(rect) = layout.boxes.last().filter(|_| rest > 0) {
        let (x, y) = (whole(rect.x), whole(rect.y));
        let namespace = namespaces.number(String::new());
        let (name, height) = (String::new(), whole(MORE_HEIGHT));
        nodes.push(DrawnNode(3, namespace, name, x, y, height, 0, 0, rest, 1));
    }
    let lines: BTreeMap<(usize, usize), &Line> = layout
        .lines
        .iter()
        .map(|line| ((line.from, line.to), line))
        .collect();
    let line = |edge: &ChangedEdge| {
        let ends = (*numbers.get(&edge.from)?, *numbers.get(&edge.to)?);
        let places = (*places.get(edge.from)?, *places.get(edge.to)?);
        Some(drawn_line(edge, ends, lines.get(&places)?))
    };
    let mut lines: Vec<DrawnLine> = graph
        .edges
        .iter()
        .filter(|edge| side.has(edge.within))
        .filter_map(line)
        .collect();
    // What differs is drawn above the others.
    lines.sort_by_key(|line| line.2 >= 4);
    Drawing {
        size: (whole(layout.width), whole(layout.height)),
        width: whole(WIDTH),
        focus: None,
        shape: shape(&nodes, &lines, &[]),
        states,
        namespaces: namespaces.names,
        nodes,
        lines,
        opened: Vec::new(),
        more: Vec::new(),
        columns: Vec::new(),
    }
}

/// What is to be said of a node.
fn state(node: &ChangedNode, side: Side) -> DrawnState {
    let renamed = |word: String| (Cow::Owned(word), RENAMED, "state-renamed");
    match (side, node.within) {
        (Side::Before, _) if node.into > 1 => renamed(format!("becomes {}", node.into)),
        (Side::After, _) if node.from > 1 => renamed(format!("{} in one", node.from)),
        (Side::Before, Within::Before) if node.into > 0 => renamed("renamed".to_owned()),
        (Side::After, Within::After) if node.from > 0 => renamed("renamed".to_owned()),
        (Side::Before, Within::Before) => ("gone".into(), GONE, "state-gone"),
        (Side::After, Within::After) => ("new".into(), NEW, "state-new"),
        (Side::Before | Side::After, _) => SAME,
    }
}

fn drawn(
    node: &ChangedNode,
    (x, y): (i64, i64),
    state: usize,
    namespaces: &mut Namespaces,
) -> DrawnNode {
    let [namespace, name] = [&node.node.name.namespace, &node.node.name.name];
    // The lineage knows neither what is new, nor the beginning of a name, nor one as it is shown.
    let is_cut = |text: &String| text.chars().count() >= MAX_NAME || shortened(text).1;
    let has_no_link = node.within == Within::After || is_cut(namespace) || is_cut(name);
    DrawnNode(
        u8::from(!node.node.is_job),
        namespaces.number(shortened(namespace).0),
        shortened(name).0,
        x,
        y,
        whole(HEIGHT),
        state,
        0,
        0,
        u8::from(has_no_link),
    )
}

fn drawn_line(edge: &ChangedEdge, (from, to): (usize, usize), line: &Line) -> DrawnLine {
    let differs = match (edge.within, edge.is_renamed) {
        (Within::Both, _) => 0,
        (Within::Before, false) => 1,
        (Within::After, false) => 2,
        (Within::Before | Within::After, true) => 3,
    };
    let kind = u8::from(line.is_reversed) + 4 * differs;
    (from, to, kind, path(&line.points))
}

#[cfg(test)]
mod tests {
    use history::Name;

    use super::*;
    use crate::line::rules::TrialNode;

    fn node(name: &str, within: Within, becomes: &[usize]) -> ChangedNode {
        ChangedNode {
            node: TrialNode {
                is_job: name.starts_with("job"),
                name: Name {
                    namespace: "n".to_owned(),
                    name: name.to_owned(),
                },
            },
            within,
            from: 0,
            into: becomes.len(),
            becomes: becomes.to_vec(),
        }
    }

    fn edge(from: usize, to: usize, within: Within, is_renamed: bool) -> ChangedEdge {
        ChangedEdge {
            from,
            to,
            within,
            is_renamed,
        }
    }

    /// Two spellings become one new name; a dataset is gone with its edge, another one is new.
    fn graph() -> ChangedGraph {
        let mut nodes = vec![
            node("job", Within::Both, &[]),
            node("a1", Within::Before, &[3]),
            node("a2", Within::Before, &[3]),
            node("b", Within::After, &[]),
            node("gone", Within::Before, &[]),
            node("new", Within::After, &[]),
        ];
        nodes[3].from = 2;
        ChangedGraph {
            nodes,
            edges: vec![
                edge(0, 4, Within::Before, false),
                edge(0, 5, Within::After, false),
                edge(1, 0, Within::Before, true),
                edge(2, 0, Within::Before, true),
                edge(3, 0, Within::After, true),
            ],
            more: (7, 0),
        }
    }

    fn words(drawing: &Drawing) -> Vec<(&str, &str)> {
        let nodes = drawing.nodes.iter();
        let words = nodes.map(|node| (&*node.2, &*drawing.states[node.6].0));
        words.collect()
    }

    #[test]
    fn each_side_has_its_nodes_with_what_becomes_of_them() {
        let [before, after] = compared(&graph());
        let expected = [
            ("job", ""),
            ("a1", "renamed"),
            ("a2", "renamed"),
            ("gone", "gone"),
            ("", ""),
        ];
        assert_eq!(words(&before), expected);
        assert_eq!((before.nodes[4].0, before.nodes[4].8), (3, 7), "+ 7 more");
        let expected = [("job", ""), ("b", "2 in one"), ("new", "new")];
        assert_eq!(words(&after), expected);
        let kinds = |drawing: &Drawing| {
            let lines = drawing.lines.iter();
            lines.map(|line| line.2).collect::<Vec<_>>()
        };
        assert_eq!(
            (kinds(&before), kinds(&after)),
            (vec![4, 12, 12], vec![8, 12])
        );
    }

    #[test]
    fn what_stays_and_what_is_renamed_keeps_its_place_and_only_what_is_known_has_a_link() {
        let [before, after] = compared(&graph());
        let place = |node: &DrawnNode| (node.3, node.4);
        assert_eq!(place(&before.nodes[0]), place(&after.nodes[0]));
        assert_eq!(place(&before.nodes[1]), place(&after.nodes[1]), "a1 and b");
        assert_eq!(before.size, after.size);
        let has_link = |drawing: &Drawing| {
            let nodes = drawing.nodes.iter();
            nodes.map(|node| node.9 == 0).collect::<Vec<_>>()
        };
        assert_eq!(has_link(&before), [true, true, true, true, false]);
        assert_eq!(has_link(&after), [true, false, false]);
    }

    #[test]
    fn a_line_leads_from_box_to_box() {
        for drawing in compared(&graph()) {
            assert!(!drawing.lines.is_empty());
            for line in &drawing.lines {
                let [from, to] = [line.0, line.1].map(|at| &drawing.nodes[at]);
                let begin = format!("M{} {}", from.3 + 212, from.4 + 23);
                let end = format!(" {} {}", to.3, to.4 + 23);
                let level = format!("H{}", to.3);
                let path = &line.3;
                assert!(path.starts_with(&begin), "{path} {begin}");
                assert!(
                    path.ends_with(&end) || path.ends_with(&level),
                    "{path} {end}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_drawn_of_no_change() {
        for drawing in compared(&ChangedGraph::default()) {
            assert!(drawing.nodes.is_empty() && drawing.lines.is_empty());
        }
    }
}
