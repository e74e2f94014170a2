//! The entries of `targets`: each becomes a layer with the target, the section of its kind, and the settings of its own.

use config_rs::Value;
use targets::Kind;
use transform::yaml::{Key, Node};

use super::super::super::names;
use super::super::{Table, TargetLayer, insert};
use super::entries::{Entry, NamedMap, TYPE};
use super::{FileReader, TARGET, TARGETS, WHEN};

/// Settings that a target may have of its own besides those of its kind, and what they stand for. They are not written as a
/// section, since a kind has a setting `batch`.
const OWN: [(&str, &str); 5] = [
    (WHEN, WHEN),
    ("start_from", "start_from"),
    ("batch_size", "batch.size"),
    ("batch_window", "batch.window"),
    ("batch_concurrency", "batch.concurrency"),
];

/// The section of rules, of which a target may have a file of its own.
const RULES: &str = "rules";
const FILE: &str = "file";

impl FileReader<'_> {
    /// Reads `targets: {NAME: {type: KIND, …}}`. `table` has the settings beside it.
    pub(super) fn read_targets(&mut self, key: &Key, node: &Node, table: &Table) {
        let map = NamedMap {
            setting: TARGETS,
            expected: "targets by name (`catalog: {type: datazone, …}`)",
            expected_entry: "the settings of a target (`{type: datazone, …}`)",
            kinds: Kind::ALL.map(Kind::name).to_vec(),
        };
        let members = self.members(node, Some(TARGETS), map.expected);
        if members.is_empty() {
            return;
        }
        let is_of_a_target = |key: &str| key == TARGET || map.kinds.contains(&key);
        if let Some(other) = table.keys().find(|key| is_of_a_target(key)) {
            let message = format!(
                "cannot be combined with {other}: put the settings of a target beside its type"
            );
            self.error(key.at, Some(TARGETS), message);
        }
        for (name, node) in members {
            if let Some(entry) = self.entry(&map, name, node) {
                let layer = self.target(&map, &entry);
                self.layer.targets.push(layer);
            }
        }
    }

    fn target(&mut self, map: &NamedMap, entry: &Entry<'_>) -> TargetLayer {
        let choice = [("name", entry.name.text.as_str()), ("type", entry.word)];
        let choice: Table = choice
            .map(|(key, text)| (key.to_owned(), Value::from(text)))
            .into_iter()
            .collect();
        // What is noted while the entry is read belongs to its layer.
        let shared = std::mem::take(&mut self.layer.origins);
        self.note(entry.kind.at, TARGET, &entry.setting(TYPE));
        let mut values = Table::new();
        values.insert(TARGET.to_owned(), Value::new(None, choice));
        // Another word is reported where it is read.
        if map.kinds.contains(&entry.word) {
            let section = self.target_settings(entry, &mut values);
            values.insert(entry.word.to_owned(), Value::new(None, section));
        }
        let origins = std::mem::replace(&mut self.layer.origins, shared);
        TargetLayer {
            name: entry.name.text.clone(),
            kind: entry.word.to_owned(),
            values,
            origins,
        }
    }

    /// Reads the settings of an entry: returns those of its kind, and adds those of other sections that a target may have of
    /// its own to `values`.
    fn target_settings(&mut self, entry: &Entry<'_>, values: &mut Table) -> Table {
        let mut section = Table::new();
        for (key, node) in entry.settings() {
            let called = entry.setting(&key.text);
            let name = format!("{}.{}", entry.word, key.text);
            if names::is_setting(&name) {
                if let Some(value) = self.leaf(node, &name, &called) {
                    section.insert(key.text.clone(), value);
                }
            } else if key.text == RULES {
                let rules = self.own_rules(&called, node);
                values.insert(RULES.to_owned(), Value::new(None, rules));
            } else if let Some((_, name)) = OWN.iter().find(|(own, _)| *own == key.text) {
                if let Some(value) = self.leaf(node, name, &called) {
                    insert(values, name, value);
                }
            } else {
                let inside = names::in_section(entry.word);
                let inside = inside.filter_map(|name| name.split('.').nth(1));
                let own = OWN.map(|(own, _)| own);
                self.unknown(key, &called, inside.chain(own).chain([RULES]));
            }
        }
        section
    }

    /// Reads `rules: {file: …}` of an entry. The other settings of rules are those of all targets.
    fn own_rules(&mut self, called: &str, node: &Node) -> Table {
        let mut rules = Table::new();
        for (key, node) in self.members(node, Some(called), "`{file: …}`") {
            let called = format!("{called}.{}", key.text);
            let name = format!("{RULES}.{}", key.text);
            if key.text == FILE {
                if let Some(value) = self.leaf(node, &name, &called) {
                    rules.insert(key.text.clone(), value);
                }
            } else {
                let message = match names::is_setting(&name) {
                    true => format!("is the same for all targets: set {name}"),
                    false => "unknown setting (a target has only file)".to_owned(),
                };
                self.error(key.at, Some(&called), message);
            }
        }
        rules
    }
}
