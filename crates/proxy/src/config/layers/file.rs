//! Reads a configuration file into a layer, and reports unknown settings with their position. Its entries of `targets` and
//! `sources` are read by `file/entries.rs`, `file/target.rs` and `file/source.rs`. Called by `layers.rs`.

mod entries;
mod source;
mod target;
mod values;

use config_rs::{Value, ValueKind};
use serde::Deserialize;
use transform::Conditions;
use transform::yaml::{self, FilePosition, Key, Node};

use super::super::keys::Keys;
use super::super::names;
use super::super::problems::{ConfigError, SettingOrigin};
use super::{Layer, Table};
use values::{is_unset, plain, position};

/// Reads a YAML file.
pub(super) fn read(file: &str, text: &str) -> (Layer, Vec<ConfigError>) {
    let mut reader = FileReader {
        file,
        layer: Layer::default(),
        errors: Vec::new(),
    };
    match yaml::parse(text) {
        Ok(node) => {
            let members = reader.members(&node, None, "settings by name (`listen: …`)");
            reader.layer.values = reader.top(members);
        }
        Err(problem) => {
            let at = FilePosition {
                line: problem.line,
                column: problem.column,
            };
            reader.error(at, None, problem.message);
        }
    }
    (reader.layer, reader.errors)
}

/// Reads the nodes of a file into a layer.
struct FileReader<'f> {
    file: &'f str,
    layer: Layer,
    errors: Vec<ConfigError>,
}

impl FileReader<'_> {
    fn top(&mut self, members: &[(Key, Node)]) -> Table {
        let mut table = Table::new();
        for (key, node) in members {
            if key.text == SOURCES {
                self.read_sources(node);
            } else if key.text != TARGETS {
                self.member("", key, node, &mut table);
            }
        }
        if let Some((key, node)) = members.iter().find(|(key, _)| key.text == TARGETS) {
            self.read_targets(key, node, &table);
        }
        table
    }

    /// Returns the members of a map, which is called `called` in messages. What is no map is reported, and has none.
    fn members<'n>(
        &mut self,
        node: &'n Node,
        called: Option<&str>,
        expected: &str,
    ) -> &'n [(Key, Node)] {
        match &node.value {
            yaml::Value::Map(members) => members,
            yaml::Value::Null => &[],
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let message = format!("expected {expected}, found {}", node.found());
                self.error(node.at, called, message);
                &[]
            }
        }
    }

    /// A setting, or a section of settings.
    fn member(&mut self, section: &str, key: &Key, node: &Node, table: &mut Table) {
        let name = match section {
            "" => key.text.clone(),
            section => format!("{section}.{}", key.text),
        };
        if names::is_setting(&name) {
            if let Some(value) = self.leaf(node, &name, &name) {
                table.insert(key.text.clone(), value);
            }
            return;
        }
        let mut inside = names::in_section(&name).peekable();
        if inside.peek().is_none() {
            let hint = names::hint(&name);
            self.error(key.at, Some(&name), format!("unknown setting{hint}"));
            return;
        }
        match &node.value {
            yaml::Value::Map(members) => {
                let mut section = Table::new();
                for (key, node) in members {
                    self.member(&name, key, node, &mut section);
                }
                table.insert(key.text.clone(), Value::new(None, section));
            }
            yaml::Value::Null => {}
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let inside = inside.collect::<Vec<_>>().join(", ");
                let message = format!("is a section; its settings are {inside}");
                self.error(node.at, Some(&name), message);
            }
        }
    }

    /// Reads the value of the setting `name`, which has the name `called` below `targets`.
    fn leaf(&mut self, node: &Node, name: &str, called: &str) -> Option<Value> {
        if is_unset(node) {
            return None;
        }
        if called == TARGET && matches!(node.value, yaml::Value::Map(_)) {
            let message =
                "expected a kind of target, found a map: a target with a name stands in targets";
            self.error(node.at, Some(called), message.to_owned());
            return None;
        }
        let value = match name {
            WHEN => self.conditions(node, called),
            KEYS => self.keys(node, called),
            _ => Some(plain(node)),
        };
        self.note(node.at, name, called);
        value.map(|value| Value::new(None, value))
    }

    /// Reads the conditions of a target, and reports all errors where they stand. Returns them as one text, so that those of
    /// several layers are not mixed.
    fn conditions(&mut self, node: &Node, called: &str) -> Option<ValueKind> {
        let own = called.split('.').nth(1);
        match Conditions::read(node, own.as_slice()) {
            Ok(conditions) => Some(ValueKind::String(conditions.text().to_owned())),
            Err(problems) => {
                for problem in problems {
                    let (line, column) = (problem.line, problem.column);
                    self.error(FilePosition { line, column }, Some(called), problem.message);
                }
                None
            }
        }
    }

    /// Reads keys, and reports all errors where they stand.
    fn keys(&mut self, node: &Node, called: &str) -> Option<ValueKind> {
        let value = plain(node);
        // A value that is not JSON, such as `.nan`, is reported where all values are read.
        let Ok(json) = serde_json::Value::deserialize(Value::new(None, value.clone())) else {
            return Some(value);
        };
        match Keys::check(json) {
            Ok(_) => Some(value),
            Err(errors) => {
                for error in errors {
                    let at = position(node, &error.path.0);
                    self.error(at, Some(called), error.to_string());
                }
                None
            }
        }
    }

    /// Records the origin of a setting.
    fn note(&mut self, at: FilePosition, name: &str, called: &str) {
        let origin = SettingOrigin {
            name: called.to_owned(),
            place: format!("{}:{at}", self.file),
        };
        self.layer.origins.insert(name.to_owned(), origin);
    }

    /// Reports a setting that nobody knows, with the nearest of those that are known.
    fn unknown<'k>(&mut self, key: &Key, called: &str, known: impl IntoIterator<Item = &'k str>) {
        let near = settings::nearest(&key.text, known);
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        self.error(key.at, Some(called), format!("unknown setting{hint}"));
    }

    fn error(&mut self, at: FilePosition, setting: Option<&str>, message: String) {
        self.errors.push(ConfigError {
            setting: setting.map(str::to_owned),
            origin: Some(format!("{}:{at}", self.file)),
            message,
        });
    }
}

/// The keys of clients, which have errors of their own.
const KEYS: &str = "auth.keys";

/// The events that a target gets.
const WHEN: &str = "when";

/// The settings that `targets` resolves to, besides the section.
const TARGETS: &str = "targets";
const TARGET: &str = "target";

/// The sources of events.
const SOURCES: &str = "sources";
