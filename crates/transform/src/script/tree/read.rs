//! Reads a text into a value and the positions of its parts, in one pass. Part of `tree.rs`.

use rhai::{Array, Dynamic, ImmutableString, Map};

use super::leaf::{number, unquote};
use super::{Interior, Member, Node, Tree};

/// Reads text that is known to be JSON: finds the ends of its parts, and checks nothing.
pub(super) struct Reader<'t> {
    pub(super) at: usize,
    pub(super) tree: Tree<'t>,
}

impl Reader<'_> {
    /// Reads the next value, and its node.
    pub(super) fn value(&mut self) -> (Dynamic, usize) {
        self.space();
        let (node, start) = (self.tree.nodes.len(), self.at);
        // Its node comes before those of its parts.
        self.tree.nodes.push(Node {
            span: 0..0,
            inside: Interior::Leaf,
        });
        let (mut value, inside) = match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => (self.string().into(), Interior::Leaf),
            _ => (self.word(), Interior::Leaf),
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

    fn object(&mut self) -> (Dynamic, Interior) {
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
        (Dynamic::from_map(map), Interior::Members(members))
    }

    fn array(&mut self) -> (Dynamic, Interior) {
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
        (Dynamic::from_array(array), Interior::Items(items))
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
