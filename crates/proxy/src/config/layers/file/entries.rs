//! What the entries of `targets` and of `sources` have in common: each has a name, and is a map with a `type`. What else an
//! entry sets is read by `target.rs` and `source.rs`.

use targets::TargetName;
use transform::yaml::{self, Key, Node};

use super::FileReader;

/// The kind of an entry.
pub(super) const TYPE: &str = "type";

/// One of the maps, and what messages say of it.
pub(super) struct NamedMap {
    /// Its name in the file.
    pub(super) setting: &'static str,
    /// What it and each of its entries are expected to be.
    pub(super) expected: &'static str,
    pub(super) expected_entry: &'static str,
    /// The kinds of its entries.
    pub(super) kinds: Vec<&'static str>,
}

/// An entry with its name and type.
pub(super) struct Entry<'n> {
    pub(super) name: &'n Key,
    /// Its name in messages.
    pub(super) called: String,
    /// Its type as it is written, which may be no kind.
    pub(super) word: &'n str,
    pub(super) kind: &'n Node,
    members: &'n [(Key, Node)],
}

impl Entry<'_> {
    /// Returns its settings, besides its type.
    pub(super) fn settings(&self) -> impl Iterator<Item = &(Key, Node)> {
        self.members.iter().filter(|(key, _)| key.text != TYPE)
    }

    /// Returns what one of its settings is called in messages.
    pub(super) fn setting(&self, setting: &str) -> String {
        format!("{}.{setting}", self.called)
    }
}

impl FileReader<'_> {
    /// Reads an entry, and reports what it lacks.
    pub(super) fn entry<'n>(
        &mut self,
        map: &NamedMap,
        name: &'n Key,
        node: &'n Node,
    ) -> Option<Entry<'n>> {
        let called = format!("{}.{}", map.setting, name.text);
        // All names are labels of metrics.
        if let Err(error) = TargetName::new(&name.text) {
            self.error(name.at, Some(&called), error.to_string());
            return None;
        }
        let yaml::Value::Map(members) = &node.value else {
            let message = format!("expected {}, found {}", map.expected_entry, node.found());
            self.error(node.at, Some(&called), message);
            return None;
        };
        let Some((_, kind)) = members.iter().find(|(key, _)| key.text == TYPE) else {
            let message = format!("lacks its type: one of {}", map.kinds.join(", "));
            self.error(name.at, Some(&called), message);
            return None;
        };
        let yaml::Value::Text(word) = &kind.value else {
            self.unknown_kind(map, &called, kind);
            return None;
        };
        Some(Entry {
            name,
            called,
            word,
            kind,
            members,
        })
    }

    /// Reports a type that is no kind.
    pub(super) fn unknown_kind(&mut self, map: &NamedMap, called: &str, kind: &Node) {
        let (kinds, found) = (map.kinds.join(", "), kind.found());
        let message = format!("expected one of {kinds}, found {found}");
        self.error(kind.at, Some(&format!("{called}.{TYPE}")), message);
    }
}
