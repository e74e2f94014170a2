//! Where a setting comes from: a flag, the environment, the file, in that order. And the reader that collects errors.
//!
//! A setting has one name, that of its place in the file (`queue.url`); in the environment it is
//! `LINEAGE_PROXY_QUEUE_URL`. Knows no setting by itself: `config.rs` asks for each, so what it never asks for is unknown.

use std::collections::{BTreeMap, BTreeSet};

use super::injected::is_injected;

/// Every variable of ours begins with this.
pub const PREFIX: &str = "LINEAGE_PROXY_";

/// What was set, by name, with where it was set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    given: BTreeMap<String, Given>,
    errors: Vec<String>,
}

#[derive(Debug, Clone)]
struct Given {
    value: Value,
    place: String,
}

/// A value, before anyone has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

impl Settings {
    /// Settings of the environment: the variables that begin with [`PREFIX`], but for those that Kubernetes sets.
    pub fn environment(variables: impl IntoIterator<Item = (String, String)>) -> Settings {
        let mut settings = Settings::default();
        for (variable, value) in variables {
            if let Some(name) = variable.strip_prefix(PREFIX)
                && !is_injected(name, &value)
            {
                let given = Given {
                    value: Value::Text(value),
                    place: format!("environment variable {variable}"),
                };
                settings.given.insert(name.to_owned(), given);
            }
        }
        settings
    }

    /// Settings of a YAML file. A text that is no YAML is an error among the others.
    pub fn yaml(file: &str, text: &str) -> Settings {
        let mut settings = Settings::default();
        match serde_saphyr::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Null) => {}
            Ok(value @ serde_json::Value::Object(_)) => {
                settings.flatten(file, &mut Vec::new(), &value)
            }
            Ok(_) => settings
                .errors
                .push(format!("{file}: expected settings by name (`listen: …`)")),
            Err(error) => settings.errors.push(format!("{file}: {error}")),
        }
        settings
    }

    /// One setting, as a flag gives it.
    pub fn set(&mut self, name: &str, value: String, place: &str) {
        let given = Given {
            value: Value::Text(value),
            place: place.to_owned(),
        };
        self.given.insert(variable(name), given);
    }

    /// These settings, and those of `weaker` where these say nothing.
    #[must_use]
    pub fn over(mut self, weaker: Settings) -> Settings {
        for (name, given) in weaker.given {
            self.given.entry(name).or_insert(given);
        }
        self.errors.extend(weaker.errors);
        self
    }

    /// Maps join names with `_`, so that `queue: {url: …}` is QUEUE_URL. A map of free keys (hosts) stays a map.
    fn flatten(&mut self, file: &str, path: &mut Vec<String>, value: &serde_json::Value) {
        use serde_json::Value as Json;
        let name = path.join(".");
        let value = match value {
            Json::Object(members) if !FREE_MAPS.contains(&name.as_str()) => {
                for (key, value) in members {
                    path.push(key.clone());
                    self.flatten(file, path, value);
                    path.pop();
                }
                return;
            }
            Json::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), plain(value)))
                    .collect(),
            ),
            Json::Array(items) => Value::List(items.iter().map(plain).collect()),
            Json::Null => return,
            Json::String(_) | Json::Number(_) | Json::Bool(_) => Value::Text(plain(value)),
        };
        self.given.insert(
            variable(&name),
            Given {
                value,
                place: format!("{file}: {name}"),
            },
        );
    }
}

/// Settings whose keys are the user's own.
const FREE_MAPS: [&str; 1] = ["redshift.hosts"];

/// Reads settings one by one; what is wrong is noted, and reading goes on with the default.
pub(super) struct Reader {
    settings: Settings,
    asked: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(settings: Settings) -> Reader {
        Reader {
            settings,
            asked: BTreeSet::new(),
        }
    }

    /// A single value, read by `parse`; `None` when it is not set or wrong.
    pub(super) fn get<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.given(name)?;
        let result = match &given.value {
            // An empty variable is how shells and templates say that something is not set.
            Value::Text(text) if text.is_empty() => return None,
            Value::Text(text) => parse(text.trim()),
            Value::List(_) | Value::Map(_) => Err("expected a single value".to_owned()),
        };
        self.noted(&given, result)
    }

    /// A list: a YAML list, or one value with commas.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let Some(given) = self.given(name) else {
            return Vec::new();
        };
        let result = match &given.value {
            Value::List(items) => Ok(items.clone()),
            Value::Text(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::Map(_) => Err("expected a list".to_owned()),
        };
        self.noted(&given, result).unwrap_or_default()
    }

    /// A map: a YAML map, or `key=value` with commas.
    pub(super) fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let Some(given) = self.given(name) else {
            return BTreeMap::new();
        };
        let pair = |item: &str| match item.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
            None => Err(format!("expected key=value, found {item:?}")),
        };
        let result = match &given.value {
            Value::Map(map) => Ok(map.clone()),
            Value::Text(text) => text
                .split(',')
                .filter(|item| !item.trim().is_empty())
                .map(pair)
                .collect(),
            Value::List(items) => items.iter().map(|item| pair(item)).collect(),
        };
        self.noted(&given, result).unwrap_or_default()
    }

    /// Notes what is wrong with the settings together.
    pub(super) fn error(&mut self, message: String) {
        self.settings.errors.push(message);
    }

    /// The errors, those about settings that nothing reads among them, and the names of all that there are.
    pub(super) fn finish(self) -> (Vec<String>, BTreeSet<String>) {
        let mut errors = self.settings.errors;
        for (name, given) in &self.settings.given {
            if !self.asked.contains(name) {
                errors.push(format!("{}: there is no such setting", given.place));
            }
        }
        (errors, self.asked)
    }

    fn given(&mut self, name: &str) -> Option<Given> {
        let variable = variable(name);
        let given = self.settings.given.get(&variable).cloned();
        self.asked.insert(variable);
        given
    }

    fn noted<T>(&mut self, given: &Given, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.settings
                    .errors
                    .push(format!("{}: {message}", given.place));
                None
            }
        }
    }
}

fn variable(name: &str) -> String {
    name.replace('.', "_").to_ascii_uppercase()
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
