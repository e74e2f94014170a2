//! The event's text as a script's value, and back: what is still as it was comes out as it was written.
//!
//! Each part of the value is tagged with the place in the text that it was read from (Rhai keeps tags when values are
//! copied and moved). Writing follows the value: an object or array that has a place is written as edits of the
//! text there, an equal string or number as its text. Tags are hints: a wrong one costs formatting, never meaning.

use std::ops::Range;

use openlineage::quote;
use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString, Map};

/// A number that neither `i64` nor `f64` holds exactly, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number(pub(super) ImmutableString);

/// The text, and where its parts stand.
pub(super) struct Tree<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

struct Node {
    span: Range<usize>,
    inside: Inside,
}

enum Inside {
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

/// No text has more parts than this: each but the first stands behind a bracket, comma or colon.
pub(super) fn items_at_most(text: &str) -> usize {
    1 + text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':'))
        .count()
}

impl<'t> Tree<'t> {
    /// Reads `text`, which is the text of an event: JSON, and not deep.
    pub(super) fn read(text: &'t str) -> (Tree<'t>, Dynamic) {
        let nodes = Vec::new();
        let mut reader = Reader {
            at: 0,
            tree: Tree { text, nodes },
        };
        let (value, _) = reader.value();
        (reader.tree, value)
    }

    /// How many parts the text has.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The value as JSON text. Errors: the type in it that JSON does not have.
    pub(super) fn write(&self, value: &Dynamic) -> Result<String, String> {
        let mut out = String::with_capacity(self.text.len());
        // White space around the event, if there is any, is no part of the value.
        let root = self.nodes.first().map_or(0..0, |node| node.span.clone());
        out.push_str(self.slice(0..root.start));
        self.put(value, Some(0), &mut out)?;
        out.push_str(self.slice(root.end..self.text.len()));
        Ok(out)
    }

    /// Writes a value that stands where `place` stood.
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
                Inside::Members(members) => Some((node, members.as_slice())),
                Inside::Leaf | Inside::Items(_) => None,
            });
            return match old {
                Some((node, members)) => self.put_map(&map, node.span.clone(), members, out),
                None => self.put_map(&map, 0..0, &[], out),
            };
        }
        if let Some(array) = value.read_lock::<Array>() {
            let old = places().find_map(|node| match &node.inside {
                Inside::Items(items) => Some((node, items.as_slice())),
                Inside::Leaf | Inside::Members(_) => None,
            });
            return match old {
                Some((node, items)) => self.put_array(&array, node.span.clone(), items, out),
                None => self.put_array(&array, 0..0, &[], out),
            };
        }
        let same = |node: &&Node| {
            matches!(node.inside, Inside::Leaf) && equal(value, self.slice(node.span.clone()))
        };
        match places().find(same) {
            Some(node) => out.push_str(self.slice(node.span.clone())),
            None => put_leaf(value, out)?,
        }
        Ok(())
    }

    /// As edits of the object at `span`; an empty span is that of no object.
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
        // The last of duplicated keys is the one in the map.
        let mut last = std::collections::HashMap::new();
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

    /// As edits of the array at `span`; an empty span is that of no array.
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

/// Whether the JSON text of a leaf stands for that value.
fn equal(value: &Dynamic, text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'"') => match value.read_lock::<ImmutableString>() {
            Some(string) if text.contains('\\') => string.as_str() == unquote(text).as_str(),
            Some(string) => text.get(1..text.len() - 1) == Some(string.as_str()),
            None => false,
        },
        Some(b't') => value.as_bool() == Ok(true),
        Some(b'f') => value.as_bool() == Ok(false),
        Some(b'n') => value.is_unit(),
        _ => {
            let old = number(text);
            if let (Ok(a), Ok(b)) = (old.as_int(), value.as_int()) {
                a == b
            } else if let (Ok(a), Ok(b)) = (old.as_float(), value.as_float()) {
                a.to_bits() == b.to_bits()
            } else {
                match (old.read_lock::<Number>(), value.read_lock::<Number>()) {
                    (Some(a), Some(b)) => *a == *b,
                    _ => false,
                }
            }
        }
    }
}

fn put_leaf(value: &Dynamic, out: &mut String) -> Result<(), String> {
    if value.is_unit() {
        out.push_str("null");
    } else if let Ok(bool) = value.as_bool() {
        out.push_str(if bool { "true" } else { "false" });
    } else if let Ok(int) = value.as_int() {
        out.push_str(&int.to_string());
    } else if let Ok(float) = value.as_float() {
        let number = serde_json::Number::from_f64(float)
            .ok_or("the event holds a number that is infinite or none")?;
        out.push_str(&number.to_string());
    } else if let Ok(char) = value.as_char() {
        out.push_str(&quote(char.encode_utf8(&mut [0; 4])));
    } else if let Some(string) = value.read_lock::<ImmutableString>() {
        out.push_str(&quote(&string));
    } else if let Some(number) = value.read_lock::<Number>() {
        out.push_str(&number.0);
    } else {
        let kind = value.type_name();
        return Err(format!(
            "the event holds a value of type {kind}, which JSON has not"
        ));
    }
    Ok(())
}

/// The number as `i64` or `f64` if that holds it exactly, else as it is written.
fn number(text: &str) -> Dynamic {
    if !text.contains(['.', 'e', 'E']) {
        if let Ok(int) = text.parse::<INT>()
            && text != "-0"
        {
            return Dynamic::from_int(int);
        }
    } else if let Ok(float) = text.parse::<FLOAT>()
        && let Some(written) = serde_json::Number::from_f64(float)
        && digits(&written.to_string()) == digits(text)
    {
        return Dynamic::from_float(float);
    }
    Dynamic::from(Number(text.into()))
}

/// A decimal number in its one form: sign, digits without zeros at either end, and the power of ten of the last one.
/// Nothing for an exponent that no `f64` has.
fn digits(text: &str) -> Option<(bool, String, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent
        .parse()
        .ok()
        .filter(|power: &i32| power.abs() < 1000)?;
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let dropped = i32::try_from(all.len() - kept.len()).ok()?;
    let power = exponent - i32::try_from(fraction.len()).ok()? + dropped;
    let kept = kept.trim_start_matches('0');
    Some((
        negative,
        kept.to_owned(),
        if kept.is_empty() { 0 } else { power },
    ))
}

fn unquote(text: &str) -> ImmutableString {
    // Events hold no lone surrogates, so each string has a value.
    serde_json::from_str::<String>(text)
        .unwrap_or_default()
        .into()
}

/// Reads text that is known to be JSON: it looks for the ends of things, and judges nothing.
struct Reader<'t> {
    at: usize,
    tree: Tree<'t>,
}

impl Reader<'_> {
    fn value(&mut self) -> (Dynamic, usize) {
        self.space();
        let (node, start) = (self.tree.nodes.len(), self.at);
        // Its place among the nodes comes before those of its parts.
        self.tree.nodes.push(Node {
            span: 0..0,
            inside: Inside::Leaf,
        });
        let (mut value, inside) = match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => (self.string().into(), Inside::Leaf),
            _ => (self.word(), Inside::Leaf),
        };
        if let Some(slot) = self.tree.nodes.get_mut(node) {
            *slot = Node {
                span: start..self.at,
                inside,
            };
        }
        if let Ok(tag) = i32::try_from(node + 1) {
            value.set_tag(tag);
        }
        (value, node)
    }

    fn object(&mut self) -> (Dynamic, Inside) {
        let (mut map, mut members) = (Map::new(), Vec::new());
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'"') => {
                    let key_at = self.at;
                    let key = self.string();
                    self.space();
                    self.at += 1; // the colon
                    let (value, node) = self.value();
                    map.insert(key.as_str().into(), value);
                    members.push(Member { key, key_at, node });
                }
                _ => break,
            }
        }
        self.at += 1;
        (Dynamic::from_map(map), Inside::Members(members))
    }

    fn array(&mut self) -> (Dynamic, Inside) {
        let (mut array, mut items) = (Array::new(), Vec::new());
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') | None => break,
                Some(_) => {
                    let (value, node) = self.value();
                    array.push(value);
                    items.push(node);
                }
            }
        }
        self.at += 1;
        (Dynamic::from_array(array), Inside::Items(items))
    }

    fn string(&mut self) -> ImmutableString {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    escaped = true;
                }
                _ => {}
            }
        }
        if escaped {
            unquote(self.tree.slice(start..self.at))
        } else {
            self.tree
                .slice(start + 1..self.at.saturating_sub(1).max(start + 1))
                .into()
        }
    }

    fn word(&mut self) -> Dynamic {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| !matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'))
        {
            self.at += 1;
        }
        match self.tree.slice(start..self.at) {
            "null" => Dynamic::UNIT,
            "true" => Dynamic::TRUE,
            "false" => Dynamic::FALSE,
            text => number(text),
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.tree.text.as_bytes().get(self.at).copied()
    }
}
