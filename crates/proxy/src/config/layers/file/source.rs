//! The entries of `sources`.

use std::collections::BTreeMap;

use config_rs::Value;
use transform::yaml::Node;

use super::super::super::source_settings;
use super::super::{SourceLayer, Table};
use super::entries::{Entry, NamedMap, TYPE};
use super::values::{is_unset, plain};
use super::{FileReader, SOURCES};

impl FileReader<'_> {
    /// Reads `sources: {NAME: {type: KIND, …}}`: each entry becomes a layer of its own.
    pub(super) fn read_sources(&mut self, node: &Node) {
        let map = NamedMap {
            setting: SOURCES,
            expected: "sources by name (`crawls: {type: glue-crawlers}`)",
            expected_entry: "the settings of a source (`{type: …}`)",
            kinds: fetch::Kind::ALL.map(fetch::Kind::name).to_vec(),
        };
        for (name, node) in self.members(node, Some(SOURCES), map.expected) {
            let entry = self.entry(&map, name, node);
            if let Some(layer) = entry.and_then(|entry| self.source(&map, &entry)) {
                self.layer.sources.push(layer);
            }
        }
    }

    fn source(&mut self, map: &NamedMap, entry: &Entry<'_>) -> Option<SourceLayer> {
        let mut kinds = fetch::Kind::ALL.into_iter();
        let Some(kind) = kinds.find(|kind| kind.name() == entry.word) else {
            self.unknown_kind(map, &entry.called, entry.kind);
            return None;
        };
        let known = source_settings(kind);
        let mut layer = SourceLayer {
            name: entry.name.text.clone(),
            kind: kind.name().to_owned(),
            values: Table::new(),
            origins: BTreeMap::new(),
        };
        layer.note(TYPE, format!("{}:{}", self.file, entry.kind.at));
        for (key, node) in entry.settings() {
            if !known.iter().any(|setting| setting.name == key.text) {
                let names = known.iter().map(|setting| setting.name.as_str());
                self.unknown(key, &entry.setting(&key.text), names);
            } else if !is_unset(node) {
                let value = Value::new(None, plain(node));
                layer.values.insert(key.text.clone(), value);
                layer.note(&key.text, format!("{}:{}", self.file, node.at));
            }
        }
        Some(layer)
    }
}
