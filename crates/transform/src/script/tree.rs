//! Converts the event's text to a script's value and back: unchanged parts keep their text.
//!
//! Each part of the value is tagged with its position in the text (Rhai keeps tags when values are copied and moved).
//! Writing follows the value: an object or array with a position is written as edits of the text there, an equal string
//! or number as its text. Tags are hints: a wrong one costs formatting, never meaning.

mod leaf;
mod read;

use std::collections::HashMap;
use std::ops::Range;

use openlineage::quote;
use rhai::{Array, Dynamic, ImmutableString, Map};

pub(super) use leaf::Number;
use leaf::{equal, put_leaf};
use read::Reader;

/// The text, and the positions of its parts.
pub(super) struct Tree<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

struct Node {
    span: Range<usize>,
    inside: Interior,
}

enum Interior {
    /// A string, number, boolean or null.
    Leaf,
    Items(Vec<usize>),
    Members(Vec<Member>),
}

struct Member {
    key: ImmutableString,
    key_at: usize,
    node: usize,
}

/// The most parts of a text: each but the first follows a bracket, comma or colon.
pub(super) fn items_at_most(text: &str) -> usize {
    1 + text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':'))
        .count()
}

impl<'t> Tree<'t> {
    /// Reads `text`, the text of an event: JSON that is not nested too deep.
    pub(super) fn read(text: &'t str) -> (Tree<'t>, Dynamic) {
        let nodes = Vec::new();
        let mut reader = Reader {
            at: 0,
            tree: Tree { text, nodes },
        };
        let (value, _) = reader.value();
        (reader.tree, value)
    }

    /// Returns how many parts the text has.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the value as JSON text. An error names a type that JSON does not have.
    pub(super) fn write(&self, value: &Dynamic) -> Result<String, String> {
        let mut out = String::with_capacity(self.text.len());
        // White space around the event is not part of the value.
        let root = self.nodes.first().map_or(0..0, |node| node.span.clone());
        out.push_str(self.slice(0..root.start));
        self.put(value, Some(0), &mut out)?;
        out.push_str(self.slice(root.end..self.text.len()));
        Ok(out)
    }

    /// Writes a value that was read from `place`.
    fn put(&self, value: &Dynamic, place: Option<usize>, out: &mut String) -> Result<(), String> {
        let tagged = usize::try_from(value.tag())
            .ok()
            .and_then(|tag| tag.checked_sub(1));
        let places = || {
            [tagged, place]
                .into_iter()
                .flatten()
                .filter_map(|at| self.nodes.get(at))
        };
        if let Some(map) = value.read_lock::<Map>() {
            let old = places().find_map(|node| match &node.inside {
                Interior::Members(members) => Some((node, members.as_slice())),
                Interior::Leaf | Interior::Items(_) => None,
            });
            return match old {
                Some((node, members)) => self.put_map(&map, node.span.clone(), members, out),
                None => self.put_map(&map, 0..0, &[], out),
            };
        }
        if let Some(array) = value.read_lock::<Array>() {
            let old = places().find_map(|node| match &node.inside {
                Interior::Items(items) => Some((node, items.as_slice())),
                Interior::Leaf | Interior::Members(_) => None,
            });
            return match old {
                Some((node, items)) => self.put_array(&array, node.span.clone(), items, out),
                None => self.put_array(&array, 0..0, &[], out),
            };
        }
        let same = |node: &&Node| {
            matches!(node.inside, Interior::Leaf) && equal(value, self.slice(node.span.clone()))
        };
        match places().find(same) {
            Some(node) => out.push_str(self.slice(node.span.clone())),
            None => put_leaf(value, out)?,
        }
        Ok(())
    }

    /// Writes an object as edits of the one at `span`; an empty span is a new object.
    fn put_map(
        &self,
        map: &Map,
        span: Range<usize>,
        members: &[Member],
        out: &mut String,
    ) -> Result<(), String> {
        if map.is_empty() && members.is_empty() && !span.is_empty() {
            out.push_str(self.slice(span));
            return Ok(());
        }
        let first = members.first().map_or(span.end, |member| member.key_at);
        let head = self.slice(span.start..first);
        out.push_str(if members.is_empty() { "{" } else { head });
        // The map has the last of duplicate keys.
        let mut last = HashMap::new();
        for (index, member) in members.iter().enumerate() {
            last.insert(member.key.as_str(), index);
        }
        let (mut end, mut any) = (first, false);
        for (index, member) in members.iter().enumerate() {
            let old = self.span(member.node);
            if let Some(value) = map.get(member.key.as_str()) {
                let separator = if any { end } else { member.key_at };
                out.push_str(self.slice(separator..old.start));
                if last.get(member.key.as_str()) == Some(&index) {
                    self.put(value, Some(member.node), out)?;
                } else {
                    out.push_str(self.slice(old.clone()));
                }
                any = true;
            }
            end = old.end;
        }
        for (key, value) in map {
            if !last.contains_key(key.as_str()) {
                if any {
                    out.push(',');
                }
                out.push_str(&quote(key));
                out.push(':');
                self.put(value, None, out)?;
                any = true;
            }
        }
        let tail = self.slice(end..span.end);
        out.push_str(if members.is_empty() { "}" } else { tail });
        Ok(())
    }

    /// Writes an array as edits of the one at `span`; an empty span is a new array.
    fn put_array(
        &self,
        array: &Array,
        span: Range<usize>,
        items: &[usize],
        out: &mut String,
    ) -> Result<(), String> {
        let spans: Vec<Range<usize>> = items.iter().map(|item| self.span(*item)).collect();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            if array.is_empty() && !span.is_empty() {
                out.push_str(self.slice(span));
                return Ok(());
            }
            out.push('[');
            self.put_items(array, &[], &[], out)?;
            out.push(']');
            return Ok(());
        };
        out.push_str(self.slice(span.start..first.start));
        let gaps: Vec<&str> = spans
            .windows(2)
            .filter_map(|pair| match pair {
                [one, next] => Some(self.slice(one.end..next.start)),
                _ => None,
            })
            .collect();
        self.put_items(array, items, &gaps, out)?;
        out.push_str(self.slice(last.end..span.end));
        Ok(())
    }

    fn put_items(
        &self,
        array: &Array,
        places: &[usize],
        gaps: &[&str],
        out: &mut String,
    ) -> Result<(), String> {
        for (index, item) in array.iter().enumerate() {
            if let Some(before) = index.checked_sub(1) {
                out.push_str(gaps.get(before).or(gaps.last()).unwrap_or(&","));
            }
            self.put(item, places.get(index).copied(), out)?;
        }
        Ok(())
    }

    fn span(&self, node: usize) -> Range<usize> {
        self.nodes.get(node).map_or(0..0, |node| node.span.clone())
    }

    fn slice(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or_default()
    }
}
