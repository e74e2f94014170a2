//! Where a setting comes from: a flag, the environment, the file, in that order. And the reader that collects errors.
//!
//! A setting has one name, that of its place in the file (`queue.url`); in the environment it is
//! `LINEAGE_PROXY_QUEUE_URL`. Knows no setting by itself: `config.rs` asks for each, so what it never asks for is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use transform::nearest;
use transform::yaml::{self, Node};

use ::settings::{Format, List, Pairs, object};

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
    /// What the setting is called where it was set: `--listen`, `LINEAGE_PROXY_LISTEN`, `listen`.
    called: String,
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
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Settings {
        let mut settings = Settings::default();
        for (variable, value) in variables {
            // What is no text cannot be ours by name, and is nothing to us.
            let Ok(variable) = variable.into().into_string() else {
                continue;
            };
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            let place = format!("environment variable {variable}");
            match value.into().into_string() {
                Ok(value) if is_injected(name, &value) => {}
                Ok(value) => {
                    let given = Given {
                        value: Value::Text(value),
                        place,
                        called: variable.clone(),
                    };
                    settings.given.insert(name.to_owned(), given);
                }
                Err(_) => settings.errors.push(format!("{place}: expected UTF-8")),
            }
        }
        settings
    }

    /// Settings of a YAML file. A text that is no YAML is an error among the others.
    pub fn yaml(file: &str, text: &str) -> Settings {
        let mut settings = Settings::default();
        match yaml::parse(text) {
            Ok(node) => match &node.value {
                yaml::Value::Null => {}
                yaml::Value::Map(_) => settings.flatten(file, &mut Vec::new(), &node),
                yaml::Value::Bool(_)
                | yaml::Value::Number(_)
                | yaml::Value::Text(_)
                | yaml::Value::List(_) => settings.errors.push(format!(
                    "{file}:{}: expected settings by name (`listen: …`), found {}",
                    node.at,
                    node.found()
                )),
            },
            Err(problem) => settings.errors.push(format!("{file}:{problem}")),
        }
        settings
    }

    /// A relative path that is set here is one from `folder`: a file that names another means one beside it.
    #[must_use]
    pub fn beside(mut self, name: &str, folder: &Path) -> Settings {
        if let Some(given) = self.given.get_mut(&variable(name))
            && let Value::Text(path) = &mut given.value
            && !path.is_empty()
            && !path.contains("://")
        {
            *path = folder.join(&*path).display().to_string();
        }
        self
    }

    /// One setting, as a flag gives it.
    pub fn set(&mut self, name: &str, value: String, place: &str) {
        let given = Given {
            value: Value::Text(value),
            place: place.to_owned(),
            called: place.to_owned(),
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
    fn flatten(&mut self, file: &str, path: &mut Vec<String>, node: &Node) {
        let name = path.join(".");
        let place = format!("{file}:{}: {name}", node.at);
        let mut wrong = Vec::new();
        let mut text = |node: &Node| {
            let text = single(node);
            if text.is_none() {
                let (at, found) = (node.at, node.found());
                wrong.push(format!(
                    "{file}:{at}: {name}: expected a text, found {found}"
                ));
            }
            text.unwrap_or_default()
        };
        let value = match &node.value {
            yaml::Value::Map(_) if STRUCTURES.contains(&name.as_str()) => {
                Value::Text(node.json().to_string())
            }
            yaml::Value::Map(members) if !FREE_MAPS.contains(&name.as_str()) => {
                for (key, node) in members {
                    path.push(key.text.clone());
                    self.flatten(file, path, node);
                    path.pop();
                }
                return;
            }
            yaml::Value::Map(members) => {
                let members = members.iter();
                let members = members.map(|(key, node)| (key.text.clone(), text(node)));
                Value::Map(members.collect())
            }
            yaml::Value::List(items) => Value::List(items.iter().map(text).collect()),
            yaml::Value::Null => return,
            yaml::Value::Text(_) | yaml::Value::Number(_) | yaml::Value::Bool(_) => {
                Value::Text(text(node))
            }
        };
        if !wrong.is_empty() {
            self.errors.append(&mut wrong);
            return;
        }
        let given = Given {
            value,
            place: place.clone(),
            called: name.clone(),
        };
        if let Some(before) = self.given.insert(variable(&name), given) {
            self.errors
                .push(format!("{place}: the same setting as {}", before.place));
        }
    }
}

/// Settings whose keys are the user's own.
const FREE_MAPS: [&str; 1] = ["redshift.hosts"];

/// Settings that are a list, or a map of any depth.
const STRUCTURES: [&str; 1] = ["auth.keys"];

/// Reads settings one by one; what is wrong is noted, and reading goes on with the default.
pub(super) struct Reader {
    settings: Settings,
    /// The settings that there are: variable, and name.
    asked: BTreeMap<String, String>,
}

impl Reader {
    pub(super) fn new(settings: Settings) -> Reader {
        Reader {
            settings,
            asked: BTreeMap::new(),
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
            Value::List(_) => Err("expected a single value, found a list".to_owned()),
            Value::Map(_) => Err("expected a single value, found a map".to_owned()),
        };
        self.noted(&given, result)
    }

    /// A list: a YAML list, or one text as `forms.rs` has it.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let Some(given) = self.given(name) else {
            return Vec::new();
        };
        let result = match &given.value {
            Value::List(items) => Ok(items.clone()),
            Value::Text(text) => List::parse(text),
            Value::Map(_) => Err("expected a list, found a map".to_owned()),
        };
        self.noted(&given, result).unwrap_or_default()
    }

    /// A map: a YAML map, or one text as `forms.rs` has it.
    pub(super) fn map(&mut self, name: &str) -> BTreeMap<String, String> {
        let Some(given) = self.given(name) else {
            return BTreeMap::new();
        };
        let result = match &given.value {
            Value::Map(map) => Ok(map.clone()),
            Value::Text(text) => Pairs::parse(text),
            Value::List(_) => Err("expected a map, found a list".to_owned()),
        };
        self.noted(&given, result).unwrap_or_default()
    }

    /// A list, or a map of any depth: as the file has it, or one text, a list as `forms.rs` has it or a map in JSON. Errors do
    /// not tell the value.
    pub(super) fn structure(&mut self, name: &str) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        let given = self.given(name)?;
        let result = match &given.value {
            Value::Text(text) if text.trim_start().starts_with('{') => {
                object(text).map_err(|why| format!("expected a list, or a map in JSON: {why}"))
            }
            Value::Text(text) => List::parse(text).map(Json::from),
            Value::List(items) => Ok(Json::from(items.clone())),
            Value::Map(_) => Err("expected a list or a map".to_owned()),
        };
        self.noted(&given, result)
    }

    /// Whether something is set, right or wrong. What is wrong is said already and not missing.
    pub(super) fn is_given(&self, name: &str) -> bool {
        let given = self.settings.given.get(&variable(name));
        given.is_some_and(|given| !matches!(&given.value, Value::Text(text) if text.is_empty()))
    }

    /// Notes what is wrong with a setting beside others: where it was set, if it was.
    pub(super) fn refuse(&mut self, name: &str, message: impl std::fmt::Display) {
        let given = self.settings.given.get(&variable(name));
        let place = given.map_or(name, |given| given.place.as_str());
        self.settings.errors.push(format!("{place}: {message}"));
    }

    /// Notes what is wrong with the settings together.
    pub(super) fn error(&mut self, message: String) {
        self.settings.errors.push(message);
    }

    /// The errors, those about settings that nothing reads among them, and the names of all that there are.
    pub(super) fn finish(self) -> (Vec<String>, BTreeSet<String>) {
        let mut errors = self.settings.errors;
        for (variable, given) in &self.settings.given {
            if !self.asked.contains_key(variable) {
                let meant = meant(variable, given, &self.asked);
                errors.push(format!("{}: there is no such setting{meant}", given.place));
            }
        }
        (errors, self.asked.into_keys().collect())
    }

    fn given(&mut self, name: &str) -> Option<Given> {
        let variable = variable(name);
        let given = self.settings.given.get(&variable).cloned();
        self.asked.insert(variable, name.to_owned());
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

/// Which settings may have been meant by one that there is not, as they are called where it was set.
fn meant(unknown: &str, given: &Given, known: &BTreeMap<String, String>) -> String {
    let called = |variable: &str| match given.called.strip_prefix(PREFIX) {
        Some(_) => format!("{PREFIX}{variable}"),
        None => known.get(variable).cloned().unwrap_or_default(),
    };
    let all = || known.keys().map(String::as_str);
    // `batch: 5`, and `listen: {port: 5000}`.
    let section = |name: &str| name.rsplit_once('.').map(|(section, _)| variable(section));
    let inside: Vec<String> = known
        .iter()
        .filter(|(_, name)| section(name).as_deref() == Some(unknown))
        .map(|(variable, _)| called(variable))
        .collect();
    if !inside.is_empty() {
        return format!(" (it has settings in it: {})", inside.join(", "));
    }
    let above = |name: &&str| {
        unknown
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    if let Some(name) = all().find(above) {
        return format!(" ({} is a value and no map)", called(name));
    }
    // A part of the name is missing: `url`, `api_key`.
    let ends: Vec<String> = all()
        .filter(|name| {
            name.strip_suffix(unknown)
                .is_some_and(|rest| rest.ends_with('_'))
        })
        .map(called)
        .collect();
    let near = nearest(unknown, all()).map(called);
    match (near, ends.as_slice()) {
        (Some(near), _) => format!(" (did you mean {near}?)"),
        (None, []) => String::new(),
        (None, ends) => format!(" (did you mean {}?)", ends.join(" or ")),
    }
}

/// A single value as a text.
fn single(node: &Node) -> Option<String> {
    match &node.value {
        yaml::Value::Text(text) => Some(text.clone()),
        yaml::Value::Number(number) => Some(number.to_string()),
        yaml::Value::Bool(flag) => Some(flag.to_string()),
        yaml::Value::Null | yaml::Value::List(_) | yaml::Value::Map(_) => None,
    }
}
