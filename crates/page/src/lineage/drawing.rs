//! The drawing of a picture, as the script reads it: where each box is, and the lines between them. Pure.
//!
//! Namespaces stand in it once, numbers are whole pixels, and nodes and lines are arrays: 150 nodes take some 10 KB.

mod compared;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use graph::{BoxSize, EdgeKind, Line, NodeKind, Point, Rect};
use history::NodeRef;
use openlineage::{is_unseen, visible};
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub(crate) use compared::{GONE, NEW, RENAMED, compared};

use super::packed::packed;
use super::picture::{Picture, PictureNode, Port, State, What};
use super::wish::kind_name;
use crate::query::link;

/// The width of all boxes, in pixels. The style sheet and the script have no copy: they are told.
const WIDTH: f64 = 212.0;

/// The height of a node, of one that stands for others, and of a column, in pixels. The style sheet has them too.
const HEIGHT: f64 = 46.0;
const MORE_HEIGHT: f64 = 28.0;
const FIELD_HEIGHT: f64 = 22.0;

/// The longest name or namespace that is drawn, in characters. The end of a name tells most, so its middle is left out.
const MAX_NAME: usize = 500;

/// What the script draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Drawing {
    /// The size of it all.
    size: (i64, i64),
    /// The width of each box.
    width: i64,
    /// The number of the chosen node.
    focus: Option<usize>,
    /// A hash of all places: with the same one a drawing differs in states alone.
    shape: String,
    states: Vec<DrawnState>,
    namespaces: Vec<String>,
    nodes: Vec<DrawnNode>,
    /// Of each line the numbers of its nodes; 1 if it leads to the left, 2 more if it is old, and 4 more if it is gone, 8 if it
    /// is new, 12 if an end of it has another name; and its path, as in SVG.
    lines: Vec<DrawnLine>,
    /// The columns of opened datasets: the number of the node, their names, the positions of those that are lit, and how many there
    /// are besides.
    opened: Vec<(usize, Vec<String>, Vec<usize>, usize)>,
    /// Where the nodes are listed for which one stands.
    more: Vec<(usize, String)>,
    /// Between columns: the path, 1 if it is indirect, and 1 if it is lit.
    columns: Vec<(String, u8, u8)>,
}

/// See [`Drawing::lines`].
type DrawnLine = (usize, usize, u8, String);

/// A state: its word, sign and class. The first one of a drawing is that of what has none.
type DrawnState = (Cow<'static, str>, &'static str, &'static str);

/// A node: its kind (0 job, 1 dataset, 2 a parent for its jobs, 3 further nodes), the number of its namespace, its name, its left upper
/// corner, its height, the number of its state, the time of that in seconds since 1970 (0: none), how many it stands for or has as
/// columns, and 1 if it has no link, as where its name is shortened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct DrawnNode(u8, usize, String, i64, i64, i64, usize, i64, usize, u8);

impl Drawing {
    /// Places everything. Takes up to 0.3 s of a core, whatever the graph.
    pub(crate) fn of(picture: &Picture) -> Drawing {
        let boxes: Vec<(Key<'_>, BoxSize)> = picture.nodes.iter().map(sized).collect();
        let edges: Vec<(usize, usize)> = picture.edges.iter().copied().collect();
        let layout = packed(&boxes, &edges);
        let mut namespaces = Namespaces::default();
        let nodes = picture.nodes.iter().zip(&layout.boxes);
        let nodes = nodes.map(|(node, place)| {
            let at = (whole(place.x), whole(place.y), whole(place.size.height));
            drawn(node, at, &mut namespaces)
        });
        let nodes: Vec<DrawnNode> = nodes.collect();
        let lines = layout.lines.iter().map(|line| {
            let is_old = picture.old.contains(&(line.from, line.to));
            let kind = u8::from(line.is_reversed) + 2 * u8::from(is_old);
            (line.from, line.to, kind, path(&line.points))
        });
        let lines: Vec<_> = lines.collect();
        let opened: Vec<_> = opened(picture).collect();
        let columns = picture.columns.iter().filter_map(|edge| {
            let is_indirect = match edge.kind {
                EdgeKind::Direct => 0,
                EdgeKind::Indirect => 1,
            };
            let at = |port: &Port| Some(beside(layout.boxes.get(port.node)?, port.field));
            let (from, to) = (at(&edge.from)?, at(&edge.to)?);
            let from = Point {
                x: from.x + WIDTH,
                ..from
            };
            Some((path(&[from, to]), is_indirect, u8::from(edge.is_lit)))
        });
        Drawing {
            size: (whole(layout.width), whole(layout.height)),
            width: whole(WIDTH),
            focus: picture.focus,
            shape: shape(&nodes, &lines, &opened),
            states: State::ALL
                .map(|it| (it.word().into(), it.sign(), it.class()))
                .to_vec(),
            more: more(picture, &layout.lines),
            columns: columns.collect(),
            nodes,
            namespaces: namespaces.names,
            lines,
            opened,
        }
    }

    /// Whether nothing is drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// As the script reads it.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // text and numbers always are JSON
    }

    /// The same with another node chosen.
    pub(crate) fn focused(self, focus: Option<usize>) -> Drawing {
        Drawing { focus, ..self }
    }
}

/// By what boxes are told apart and ordered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'p> {
    Node(&'p graph::Node),
    More(i64),
}

fn sized(node: &PictureNode) -> (Key<'_>, BoxSize) {
    let rows = node.opened.as_ref().map_or(0, |opened| {
        opened.fields.len() + usize::from(opened.hidden > 0)
    });
    let (key, height) = match &node.what {
        What::Node(name) | What::Group(name, _) => {
            (Key::Node(name), HEIGHT + FIELD_HEIGHT * rows as f64)
        }
        What::More(level, _) => (Key::More(*level), MORE_HEIGHT),
    };
    let width = WIDTH;
    (key, BoxSize { width, height })
}

/// Namespaces, numbered in the order in which nodes have them.
#[derive(Default)]
struct Namespaces {
    names: Vec<String>,
    numbers: BTreeMap<String, usize>,
}

impl Namespaces {
    fn number(&mut self, namespace: String) -> usize {
        if let Some(number) = self.numbers.get(&namespace) {
            return *number;
        }
        let number = self.names.len();
        self.names.push(namespace.clone());
        self.numbers.insert(namespace, number);
        number
    }
}

fn drawn(node: &PictureNode, at: (i64, i64, i64), namespaces: &mut Namespaces) -> DrawnNode {
    let (kind, count) = match &node.what {
        What::Node(name) => match name.kind {
            NodeKind::Job => (0, 0),
            NodeKind::Dataset => (1, node.facts.fields),
        },
        What::Group(_, count) => (2, *count),
        What::More(_, count) => (3, *count),
    };
    let identity = node.what.node().map(|node| &node.identity);
    let (namespace, is_cut) = identity.map_or_else(Default::default, |it| shortened(&it.namespace));
    let (name, is_name_cut) = identity.map_or_else(Default::default, |it| shortened(&it.name));
    let (x, y, height) = at;
    let state = State::ALL.iter().position(|it| *it == node.facts.state);
    DrawnNode(
        kind,
        namespaces.number(namespace),
        name,
        x,
        y,
        height,
        state.unwrap_or_default(),
        node.facts.at.map_or(0, OffsetDateTime::unix_timestamp),
        count,
        u8::from(is_cut || is_name_cut),
    )
}

/// The path of a line, in whole pixels: level within a column, and elsewhere a curve from level to level.
fn path(points: &[Point]) -> String {
    let mut path = String::new();
    let mut last = None;
    for point in points {
        let (x, y) = (whole(point.x), whole(point.y));
        // Writing to a text cannot fail.
        let _ = match last.replace((x, y)) {
            None => write!(path, "M{x} {y}"),
            Some((from, level)) if level == y && from < x => write!(path, "H{x}"),
            Some((from, level)) => {
                let middle = (from + x) / 2;
                write!(path, "C{middle} {level} {middle} {y} {x} {y}")
            }
        };
    }
    path
}

/// The left side of a column, or of all of a dataset.
fn beside(rect: &Rect, field: Option<usize>) -> Point {
    let down = match field {
        None => HEIGHT / 2.0,
        Some(field) => HEIGHT + FIELD_HEIGHT * (field as f64 + 0.5),
    };
    Point {
        x: rect.x,
        y: rect.y + down,
    }
}

fn opened(picture: &Picture) -> impl Iterator<Item = (usize, Vec<String>, Vec<usize>, usize)> {
    let nodes = picture.nodes.iter().enumerate();
    nodes.filter_map(|(number, node)| {
        let opened = node.opened.as_ref()?;
        let fields = opened.fields.iter().map(|field| shortened(field).0);
        let ports = picture.columns.iter().filter(|edge| edge.is_lit);
        let ports = ports.flat_map(|edge| [edge.from, edge.to]);
        let lit = ports.filter(|port| port.node == number);
        let lit = lit.filter_map(|port| port.field).collect();
        Some((number, fields.collect(), lit, opened.hidden))
    })
}

/// Further nodes are listed on the page of what they lead to, which stands beside that of the lineage.
fn more(picture: &Picture, lines: &[Line]) -> Vec<(usize, String)> {
    let is_more = |at: usize| {
        let node = picture.nodes.get(at);
        node.is_some_and(|node| matches!(node.what, What::More(..)))
    };
    let ends = lines.iter().flat_map(|line| {
        [
            (line.to, line.from, "after"),
            (line.from, line.to, "before"),
        ]
    });
    let ends = ends.filter(|(at, ..)| is_more(*at));
    let mut found = BTreeMap::new();
    for (at, of, list) in ends {
        if let Some(node) = picture.nodes.get(of).and_then(|node| node.what.node()) {
            let name = [
                ("namespace", &*node.identity.namespace),
                ("name", &*node.identity.name),
            ];
            let address = || {
                format!(
                    "{}#{list}",
                    link(kind_name(NodeRef::from(node).kind), &name)
                )
            };
            found.entry(at).or_insert_with(address);
        }
    }
    found.into_iter().collect()
}

/// A hash of what a drawing looks like, but for states.
fn shape(
    nodes: &[DrawnNode],
    lines: &[DrawnLine],
    opened: &[(usize, Vec<String>, Vec<usize>, usize)],
) -> String {
    let places = nodes
        .iter()
        .map(|node| (node.0, node.1, &node.2, node.3, node.4));
    let places: Vec<_> = places.collect();
    // Numbers and texts can always be written.
    let all = serde_json::to_vec(&(places, lines, opened)).unwrap_or_default();
    let hash = hex::encode(Sha256::digest(all));
    hash.chars().take(16).collect()
}

/// What is seen of a text: its beginning and its end, if it is too long. And whether that differs from it.
fn shortened(text: &str) -> (String, bool) {
    if text.contains(is_unseen) {
        return (visible(text, MAX_NAME), true);
    }
    let count = match text.len() <= MAX_NAME {
        true => 0,
        false => text.chars().count(),
    };
    if count <= MAX_NAME {
        return (text.to_owned(), false);
    }
    let half = MAX_NAME / 2;
    let begin = text.chars().take(half);
    let end = text.chars().skip(count - half);
    (begin.chain(['…']).chain(end).collect(), true)
}

fn whole(pixels: f64) -> i64 {
    pixels.round() as i64
}

#[cfg(test)]
mod tests;
