//! A JSON text that is read once: where each of its values stands. Without that, a [`Json`] reads its text again at each level, which
//! takes several times as long for a text that is looked into at every level.
//!
//! `graph` and `history` use its values, which copy nothing. The checks and the rules use views of it, by [`Indexed`].

use std::borrow::Cow;

use crate::event::Identity;
use crate::json::Json;

/// A JSON text, and where its values stand.
#[derive(Debug, Clone)]
pub struct Tree<'t> {
    text: &'t str,
    /// Those of objects and arrays stand behind them. Of a member, its key stands before its value.
    values: Vec<Place>,
}

/// The largest text, in bytes, that an [`Indexed`] reads as a tree. A text of nothing but brackets takes 12 times its size.
const MAX_INDEXED: usize = 1 << 20;

/// A text whose values are looked up, unless it is so large that the tree would take much memory: then it is read again at each level.
#[derive(Debug, Clone)]
pub struct Indexed<'t> {
    json: Json<'t>,
    tree: Option<Tree<'t>>,
}

/// Where a value stands. No event is larger than 4 GB.
#[derive(Debug, Clone, Copy)]
struct Place {
    begin: u32,
    end: u32,
    /// The number of the first value that is not inside of this one.
    next: u32,
}

/// A value of a tree. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    tree: &'a Tree<'a>,
    number: usize,
}

impl<'t> Tree<'t> {
    /// Reads a text that was validated before, as that of an [`Event`](crate::Event) was. The tree of any other text is wrong, and
    /// nothing worse.
    pub fn of(json: Json<'t>) -> Tree<'t> {
        let text = json.text();
        let bytes = text.as_bytes();
        let mut values: Vec<Place> = Vec::with_capacity(bytes.len() / 16);
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let end = match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {
                    at += 1;
                    continue;
                }
                b'}' | b']' => {
                    at += 1;
                    let next = number(values.len());
                    if let Some(place) = open.pop().and_then(|container| values.get_mut(container))
                    {
                        (place.end, place.next) = (number(at), next);
                    }
                    continue;
                }
                b'{' | b'[' => {
                    open.push(values.len());
                    at + 1
                }
                b'"' => end_of_string(bytes, at + 1),
                _ => end_of_word(bytes, at + 1),
            };
            values.push(Place {
                begin: number(at),
                end: number(end),
                next: number(values.len() + 1),
            });
            at = end;
        }
        Tree { text, values }
    }

    /// The value of the whole text.
    pub fn root(&self) -> Value<'_> {
        Value {
            tree: self,
            number: 0,
        }
    }
}

impl<'t> Indexed<'t> {
    /// Reads a text that was validated before; see [`Tree::of`].
    pub fn of(json: Json<'t>) -> Indexed<'t> {
        let tree = (json.text().len() <= MAX_INDEXED).then(|| Tree::of(json));
        Indexed { json, tree }
    }

    /// A view of it.
    pub fn json(&self) -> Json<'_> {
        let root = self.tree.as_ref().map(Tree::root);
        root.map_or(self.json, Value::json)
    }
}

impl<'a> Value<'a> {
    /// The value as it is written. Looking into it reads nothing again.
    pub fn json(self) -> Json<'a> {
        let text = self.place().and_then(|Place { begin, end, .. }| {
            let range = usize::try_from(begin).ok()?..usize::try_from(end).ok()?;
            self.tree.text.get(range)
        });
        Json::of(text.unwrap_or_default(), Some(self))
    }

    /// The decoded string, as [`Json::string`] has it.
    pub fn string(self) -> Option<Cow<'a, str>> {
        self.json().string()
    }

    /// The members of an object in order, including duplicates: each key, and the value. None of any other value.
    pub fn members(self) -> impl Iterator<Item = (Json<'a>, Value<'a>)> {
        let mut inside = self.inside('{');
        std::iter::from_fn(move || Some((inside.next()?.json(), inside.next()?)))
    }

    /// The elements of an array. None of any other value.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.inside('[')
    }

    /// The last member with that name, as [`Json::get`] has it.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let named = self.members().filter(|(key, _)| is(*key, name));
        named.last().map(|(_, value)| value)
    }

    /// Follows [`get`](Self::get) down a path of names.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// `namespace` and `name` of an object, if both are strings, decoded.
    pub fn names(self) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        let (mut namespace, mut name) = (None, None);
        for (key, value) in self.members() {
            if is(key, "namespace") {
                namespace = Some(value);
            } else if is(key, "name") {
                name = Some(value);
            }
        }
        Some((namespace?.string()?, name?.string()?))
    }

    /// The same, as [`Identity::of`] has them.
    pub fn identity(self) -> Option<Identity> {
        let (namespace, name) = self.names()?;
        Some(Identity {
            namespace: namespace.into_owned(),
            name: name.into_owned(),
        })
    }

    fn place(self) -> Option<Place> {
        self.tree.values.get(self.number).copied()
    }

    /// The values directly inside of one that begins so.
    fn inside(self, begin: char) -> impl Iterator<Item = Value<'a>> {
        let place = self
            .place()
            .filter(|_| self.json().text().starts_with(begin));
        let until = place.map_or(0, |place| place.next as usize);
        let mut number = self.number + 1;
        std::iter::from_fn(move || {
            let value = Value { number, ..self };
            let next = value.place().filter(|_| number < until)?.next;
            number = next as usize;
            Some(value)
        })
    }
}

/// Whether a key is `name`, decoded.
fn is(key: Json<'_>, name: &str) -> bool {
    key.string().is_some_and(|key| key == name)
}

/// Where a string ends whose first character stands at `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
            return bytes.len();
        };
        match rest.get(found) {
            Some(b'\\') => at += found + 2,
            _ => return at + found + 1,
        }
    }
}

/// Where a number, `true`, `false` or `null` ends.
fn end_of_word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let is_end = |byte: &u8| {
        matches!(
            byte,
            b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'
        )
    };
    at + rest.iter().position(is_end).unwrap_or(rest.len())
}

fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a tree shows what reading the text at each level shows.
    fn is_same(value: Value<'_>, json: Json<'_>) -> bool {
        let members: Vec<_> = value.members().collect();
        let items: Vec<_> = value.items().collect();
        let (read_members, read_items) = (json.members(), json.items());
        let view = value.json();
        let (viewed_members, viewed_items) = (view.members(), view.items());
        view == json
            && viewed_items == read_items
            && (viewed_members
                .iter()
                .map(|member| (member.key, member.value)))
            .eq(read_members.iter().map(|member| (member.key, member.value)))
            && view.get("name") == json.get("name")
            && value.identity() == Identity::of(json)
            && value.get("name").map(Value::json) == json.get("name")
            && (members.len(), items.len()) == (read_members.len(), read_items.len())
            && members
                .iter()
                .zip(read_members)
                .all(|((key, value), read)| *key == read.key && is_same(*value, read.value))
            && items
                .iter()
                .zip(read_items)
                .all(|(value, read)| is_same(*value, read))
    }

    #[test]
    fn what_is_repeated_escaped_or_spaced_is_where_it_is() {
        for text in [
            r#"{"a": 1, "name": {"x": "y"}, "n\u0061me" : -1.5e3 }"#,
            r#"[ ]"#,
            r#"{"":[[],{},[{}]], "namespace":"n", "namespace":null}"#,
            r#"{"namespace":"\\", "name":"\"}{][,:"}"#,
            r#"{"name":"\ud800", "namespace":"n"}"#,
            "true",
            r#""text""#,
        ] {
            let json = Json::parse(text).unwrap();
            assert!(is_same(Tree::of(json).root(), json), "{text}");
        }
    }

    #[test]
    fn a_hundred_thousand_levels_do_not_overflow_the_stack() {
        let text = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let tree = Tree::of(Json::parse(&text).unwrap());
        let inner = tree.root().items().next().unwrap();
        assert_eq!(inner.json().text().len(), text.len() - 2);
    }

    fn any_json() -> impl Strategy<Value = String> {
        let string =
            "([a-z \"{}\\[\\]:,é\n]|\\\\){0,6}|name|namespace".prop_map(|text| crate::quote(&text));
        let word = prop::sample::select(vec![
            "null",
            "true",
            "-0",
            "12.5E-3",
            "123456789012345678901",
        ]);
        let leaf = prop_oneof![string.clone(), word.prop_map(str::to_owned)];
        leaf.prop_recursive(5, 40, 6, move |inner| {
            let space = prop::sample::select(vec!["", " ", "\n\t"]);
            let member = (string.clone(), space.clone(), inner.clone())
                .prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}{space}"));
            let list = |items: Vec<String>| items.join(",");
            prop_oneof![
                prop::collection::vec(inner, 0..6)
                    .prop_map(move |items| format!("[{}]", list(items))),
                prop::collection::vec(member, 0..6)
                    .prop_map(move |items| format!("{{{}}}", list(items))),
            ]
        })
    }

    #[test]
    fn a_large_text_takes_no_more_memory_than_its_size() {
        let text = format!("[{}]", "[],".repeat(MAX_INDEXED / 3) + "1");
        let indexed = Indexed::of(Json::parse(&text).unwrap());
        assert!(indexed.tree.is_none());
        assert_eq!(indexed.json().items().len(), MAX_INDEXED / 3 + 1);
    }

    proptest! {
        #[test]
        fn a_tree_shows_what_reading_each_level_shows(text in any_json()) {
            let json = Json::parse(&text).unwrap();
            prop_assert!(is_same(Tree::of(json).root(), json));
        }

        /// Of a text that is no JSON, too.
        #[test]
        fn any_text_can_be_looked_into(text in "[\\[\\]{}:,\"a1 \\\\é]{0,30}") {
            let tree = Tree::of(Json::parsed(&text));
            fn walk(value: Value<'_>) -> usize {
                1 + value.members().map(|(_, value)| walk(value)).sum::<usize>() + value.items().map(walk).sum::<usize>()
            }
            prop_assert!(walk(tree.root()) <= text.len() + 1);
        }
    }
}
