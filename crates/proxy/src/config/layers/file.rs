//! Reads a configuration file into a layer: reports unknown settings with their position, and resolves each entry of
//! `targets` to the target and the section of its kind.

use std::collections::BTreeMap;

use config_rs::{Value, ValueKind};
use serde::Deserialize;
use targets::{Kind, TargetName};
use transform::Conditions;
use transform::yaml::{self, FilePosition, Key, Node};

use super::super::keys::{Keys, Step};
use super::super::names;
use super::super::problems::{ConfigError, Origin};
use super::{Layer, SourceLayer, Table, TargetLayer};

/// Reads a YAML file.
pub(super) fn read(file: &str, text: &str) -> (Layer, Vec<ConfigError>) {
    let mut reader = FileReader {
        file,
        layer: Layer::default(),
        errors: Vec::new(),
    };
    match yaml::parse(text) {
        Ok(node) => match &node.value {
            yaml::Value::Null => {}
            yaml::Value::Map(members) => reader.layer.values = reader.top(members),
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let found = node.found();
                let message = format!("expected settings by name (`listen: …`), found {found}");
                reader.error(node.at, None, message);
            }
        },
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
                self.sources(node);
            } else if key.text != TARGETS {
                self.member("", key, node, &mut table);
            }
        }
        if let Some((key, node)) = members.iter().find(|(key, _)| key.text == TARGETS) {
            self.targets(key, node, &table);
        }
        table
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
        match &node.value {
            yaml::Value::Null => return None,
            yaml::Value::Text(text) if text.trim().is_empty() => return None,
            yaml::Value::Map(_) if called == TARGET => {
                let message = "expected a kind of target, found a map: a target with a name stands in targets";
                self.error(node.at, Some(called), message.to_owned());
                return None;
            }
            yaml::Value::Map(_)
            | yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {}
        }
        let value = match name {
            WHEN => self.conditions(node, called),
            KEYS => self.keys(node, called),
            _ => Some(kind(node)),
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
        let value = kind(node);
        // A value that is not JSON, such as `.nan`, is reported where all values are read.
        let Ok(json) = serde_json::Value::deserialize(Value::new(None, value.clone())) else {
            return Some(value);
        };
        match Keys::check(json) {
            Ok(_) => Some(value),
            Err(errors) => {
                for error in errors {
                    let at = place(node, &error.path.0);
                    self.error(at, Some(called), error.to_string());
                }
                None
            }
        }
    }

    /// Records the origin of a setting.
    fn note(&mut self, at: FilePosition, name: &str, called: &str) {
        let origin = Origin {
            name: called.to_owned(),
            place: format!("{}:{at}", self.file),
        };
        self.layer.origins.insert(name.to_owned(), origin);
    }

    /// Reads `targets: {NAME: {type: KIND, …}}`: each entry becomes a layer with the target, the section of its kind, and
    /// the settings of its own.
    fn targets(&mut self, key: &Key, node: &Node, table: &Table) {
        let members = match &node.value {
            yaml::Value::Map(members) => members.as_slice(),
            yaml::Value::Null => return,
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let message = format!(
                    "expected targets by name (`catalog: {{type: datazone, …}}`), found {}",
                    node.found()
                );
                return self.error(node.at, Some(TARGETS), message);
            }
        };
        if members.is_empty() {
            return;
        }
        let sections = Kind::ALL.map(Kind::name);
        if let Some(other) = table
            .keys()
            .find(|key| *key == TARGET || sections.contains(&key.as_str()))
        {
            let message = format!(
                "cannot be combined with {other}: put the settings of a target beside its type"
            );
            self.error(key.at, Some(TARGETS), message);
        }
        for (name, target) in members {
            if let Some(layer) = self.target(name, target) {
                self.layer.targets.push(layer);
            }
        }
    }

    /// Reads `sources: {NAME: {type: KIND, …}}`.
    fn sources(&mut self, node: &Node) {
        let members = match &node.value {
            yaml::Value::Map(members) => members.as_slice(),
            yaml::Value::Null => return,
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let message = format!(
                    "expected sources by name (`crawls: {{type: glue-crawlers}}`), found {}",
                    node.found()
                );
                return self.error(node.at, Some(SOURCES), message);
            }
        };
        for (name, source) in members {
            if let Some(layer) = self.source(name, source) {
                self.layer.sources.push(layer);
            }
        }
    }

    /// Reads an entry of `sources`.
    fn source(&mut self, name: &Key, source: &Node) -> Option<SourceLayer> {
        let called = format!("{SOURCES}.{}", name.text);
        // The same names as those of targets: they are labels of metrics.
        if let Err(error) = TargetName::new(&name.text) {
            self.error(name.at, Some(&called), error.to_string());
            return None;
        }
        let yaml::Value::Map(members) = &source.value else {
            let found = source.found();
            let message =
                format!("expected the settings of a source (`{{type: …}}`), found {found}");
            self.error(source.at, Some(&called), message);
            return None;
        };
        let kinds = fetch::Kind::ALL.map(fetch::Kind::name);
        let Some((_, kind)) = members.iter().find(|(key, _)| key.text == TYPE) else {
            let message = format!("lacks its type: one of {}", kinds.join(", "));
            self.error(name.at, Some(&called), message);
            return None;
        };
        let chosen = fetch::Kind::ALL.into_iter().find(|it| match &kind.value {
            yaml::Value::Text(word) => it.name() == word,
            yaml::Value::Null
            | yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::List(_)
            | yaml::Value::Map(_) => false,
        });
        let Some(chosen) = chosen else {
            let (kinds, found) = (kinds.join(", "), kind.found());
            let message = format!("expected one of {kinds}, found {found}");
            self.error(kind.at, Some(&format!("{called}.{TYPE}")), message);
            return None;
        };
        let known = super::super::source_settings(chosen);
        let mut layer = SourceLayer {
            name: name.text.clone(),
            kind: chosen.name().to_owned(),
            values: Table::new(),
            origins: BTreeMap::new(),
        };
        layer.note(TYPE, format!("{}:{}", self.file, kind.at));
        for (key, node) in members.iter().filter(|(key, _)| key.text != TYPE) {
            if !known.iter().any(|entry| entry.name == key.text) {
                let names = known.iter().map(|entry| entry.name.as_str());
                let near = settings::nearest(&key.text, names);
                let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
                let setting = format!("{called}.{}", key.text);
                self.error(key.at, Some(&setting), format!("unknown setting{hint}"));
                continue;
            }
            match &node.value {
                yaml::Value::Null => continue,
                yaml::Value::Text(text) if text.trim().is_empty() => continue,
                yaml::Value::Map(_)
                | yaml::Value::Bool(_)
                | yaml::Value::Number(_)
                | yaml::Value::Text(_)
                | yaml::Value::List(_) => {}
            }
            let value = Value::new(None, self::kind(node));
            layer.values.insert(key.text.clone(), value);
            layer.note(&key.text, format!("{}:{}", self.file, node.at));
        }
        Some(layer)
    }

    /// Reads an entry of `targets`.
    fn target(&mut self, name: &Key, target: &Node) -> Option<TargetLayer> {
        let sections = Kind::ALL.map(Kind::name);
        let called = format!("{TARGETS}.{}", name.text);
        if let Err(error) = TargetName::new(&name.text) {
            self.error(name.at, Some(&called), error.to_string());
            return None;
        }
        let yaml::Value::Map(members) = &target.value else {
            let message = format!(
                "expected the settings of a target (`{{type: datazone, …}}`), found {}",
                target.found()
            );
            self.error(target.at, Some(&called), message);
            return None;
        };
        let Some((_, kind)) = members.iter().find(|(key, _)| key.text == TYPE) else {
            self.error(
                name.at,
                Some(&called),
                format!("lacks its type: one of {}", sections.join(", ")),
            );
            return None;
        };
        let called_type = format!("{called}.{TYPE}");
        let yaml::Value::Text(word) = &kind.value else {
            self.error(
                kind.at,
                Some(&called_type),
                format!(
                    "expected one of {}, found {}",
                    sections.join(", "),
                    kind.found()
                ),
            );
            return None;
        };
        let choice = [("name", name.text.as_str()), ("type", word.as_str())];
        let choice: Table = choice
            .map(|(key, text)| (key.to_owned(), Value::from(text)))
            .into_iter()
            .collect();
        // What is noted while the entry is read belongs to its layer.
        let shared = std::mem::take(&mut self.layer.origins);
        self.note(kind.at, TARGET, &called_type);
        let mut values = Table::new();
        values.insert(TARGET.to_owned(), Value::new(None, choice));
        // Another word is reported where it is read.
        if sections.contains(&word.as_str()) {
            let section = self.target_settings(&called, word, members, &mut values);
            values.insert(word.clone(), Value::new(None, section));
        }
        let origins = std::mem::replace(&mut self.layer.origins, shared);
        Some(TargetLayer {
            name: name.text.clone(),
            kind: word.clone(),
            values,
            origins,
        })
    }

    /// Reads the settings of an entry of `targets`: returns those of its kind, and adds those of other sections that a
    /// target may have of its own to `values`.
    fn target_settings(
        &mut self,
        called: &str,
        kind: &str,
        members: &[(Key, Node)],
        values: &mut Table,
    ) -> Table {
        let mut section = Table::new();
        for (key, node) in members.iter().filter(|(key, _)| key.text != TYPE) {
            let called = format!("{called}.{}", key.text);
            let name = format!("{kind}.{}", key.text);
            if names::is_setting(&name) {
                if let Some(value) = self.leaf(node, &name, &called) {
                    section.insert(key.text.clone(), value);
                }
            } else if key.text == RULES {
                let rules = self.own_rules(&called, node);
                values.insert(RULES.to_owned(), Value::new(None, rules));
            } else if let Some((_, name)) = OWN.iter().find(|(own, _)| *own == key.text) {
                if let Some(value) = self.leaf(node, name, &called) {
                    super::insert(values, name, value);
                }
            } else {
                let inside = names::in_section(kind).filter_map(|name| name.split('.').nth(1));
                let own = OWN.map(|(own, _)| own);
                let inside: Vec<&str> = inside.chain(own).chain([RULES]).collect();
                let near = settings::nearest(&key.text, inside.iter().copied());
                let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
                self.error(key.at, Some(&called), format!("unknown setting{hint}"));
            }
        }
        section
    }

    /// Reads `rules: {file: …}` of an entry of `targets`. The other settings of rules are those of all targets.
    fn own_rules(&mut self, called: &str, node: &Node) -> Table {
        let mut rules = Table::new();
        let members = match &node.value {
            yaml::Value::Map(members) => members.as_slice(),
            yaml::Value::Null => return rules,
            yaml::Value::Bool(_)
            | yaml::Value::Number(_)
            | yaml::Value::Text(_)
            | yaml::Value::List(_) => {
                let message = format!("expected `{{file: …}}`, found {}", node.found());
                self.error(node.at, Some(called), message);
                return rules;
            }
        };
        for (key, node) in members {
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

    fn error(&mut self, at: FilePosition, setting: Option<&str>, message: String) {
        self.errors.push(ConfigError {
            setting: setting.map(str::to_owned),
            origin: Some(format!("{}:{at}", self.file)),
            message,
        });
    }
}

/// Settings that a target may have of its own besides those of its kind, and what they stand for. They are not written as a
/// section, since a kind has a setting `batch`.
const OWN: [(&str, &str); 5] = [
    (WHEN, WHEN),
    ("start_from", "start_from"),
    ("batch_size", "batch.size"),
    ("batch_window", "batch.window"),
    ("batch_concurrency", "batch.concurrency"),
];

/// The keys of clients, which have errors of their own.
const KEYS: &str = "auth.keys";

/// The events that a target gets.
const WHEN: &str = "when";

/// The section of rules, of which a target may have a file of its own.
const RULES: &str = "rules";
const FILE: &str = "file";

/// The settings that `targets` resolves to, besides the section.
const TARGETS: &str = "targets";
const TARGET: &str = "target";
const TYPE: &str = "type";

/// The sources of events.
const SOURCES: &str = "sources";

/// Returns the place of a value inside a node, or of the innermost value around it.
fn place(node: &Node, path: &[Step]) -> FilePosition {
    let mut at = node.at;
    let mut inside = Some(node);
    for step in path {
        let found = match (inside.map(|node| &node.value), step) {
            (Some(yaml::Value::Map(members)), Step::Member(name)) => {
                let member = members.iter().find(|(key, _)| key.text == *name);
                member.map(|(key, node)| (key.at, node))
            }
            (Some(yaml::Value::List(items)), Step::Item(index)) => {
                items.get(*index).map(|item| (item.at, item))
            }
            (_, Step::Member(_) | Step::Item(_)) => None,
        };
        at = found.map_or(at, |(at, _)| at);
        inside = found.map(|(_, node)| node);
    }
    at
}

/// Returns the value of a node, without its position.
fn kind(node: &Node) -> ValueKind {
    let value = |node: &Node| Value::new(None, kind(node));
    match &node.value {
        yaml::Value::Null => ValueKind::Nil,
        yaml::Value::Bool(flag) => ValueKind::Boolean(*flag),
        yaml::Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => ValueKind::U64(number),
            (None, Some(number), _) => ValueKind::I64(number),
            (None, None, number) => ValueKind::Float(number.unwrap_or(f64::NAN)),
        },
        yaml::Value::Text(text) => ValueKind::String(text.clone()),
        yaml::Value::List(items) => ValueKind::Array(items.iter().map(value).collect()),
        yaml::Value::Map(members) => {
            let members = members.iter();
            ValueKind::Table(
                members
                    .map(|(key, node)| (key.text.clone(), value(node)))
                    .collect(),
            )
        }
    }
}
