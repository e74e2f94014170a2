//! The layers of a configuration: flags, over the environment, over a file, over the defaults.
//!
//! Each layer holds values with their origins. The crate `config` merges and deserializes the layers;
//! unknown names are reported here, where their origin is known. A setting is named after its path in the file
//! (`queue.url`); its variable is `LINEAGE_PROXY_QUEUE_URL`.

mod file;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use config_rs::{ConfigError as ReadError, Map, Value, ValueKind};
use serde::Deserialize;
use targets::Kind;

use super::injected::is_injected;
use super::names::{self, PREFIX};
use super::problems::{ConfigError, Problems, SettingOrigin, VARIABLE};
use super::raw::{Raw, RawConfig};

pub(super) type Table = Map<String, Value>;

/// The variable of `sources`, without the prefix.
const SOURCES: &str = "SOURCES";

/// Layers of settings, one over the other.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The strongest first.
    stack: Vec<Layer>,
    errors: Vec<ConfigError>,
}

/// The values of flags, of the environment or of a file, with their origins.
#[derive(Clone, Default)]
struct Layer {
    values: Table,
    // Kept apart from the values, because merging loses the origins of maps.
    origins: BTreeMap<String, SettingOrigin>,
    /// The entries of `targets`.
    targets: Vec<TargetLayer>,
    /// The entries of `sources`.
    sources: Vec<SourceLayer>,
}

/// What an entry of `targets` sets, under the names of a proxy with this one target.
#[derive(Clone)]
struct TargetLayer {
    name: String,
    /// Its `type`, as it is written.
    kind: String,
    values: Table,
    origins: BTreeMap<String, SettingOrigin>,
}

/// What an entry of `sources` sets.
#[derive(Clone)]
pub(super) struct SourceLayer {
    pub(super) name: String,
    /// Its `type`, as it is written.
    pub(super) kind: String,
    /// By the name within the entry.
    pub(super) values: Table,
    /// By the whole name.
    pub(super) origins: BTreeMap<String, SettingOrigin>,
}

impl std::fmt::Debug for SourceLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.origins.keys()).finish() // values may be secret
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.origins.keys()).finish() // values may be secret
    }
}

impl config_rs::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config_rs::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, ReadError> {
        Ok(self.values.clone())
    }
}

impl Layers {
    /// Returns the settings of the environment of this process. Nothing else reads the environment.
    pub fn from_env() -> Layers {
        #[expect(
            clippy::disallowed_methods,
            reason = "the environment has one door, and this is it"
        )]
        Layers::environment(std::env::vars_os())
    }

    /// Returns the settings of environment variables: those that begin with [`PREFIX`], except those that Kubernetes
    /// and Docker set. An empty variable counts as not set, because shells and templates write it that way.
    pub fn environment<N: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Layers {
        let mut layers = Layers::default();
        for (variable, value) in variables {
            // A name that is not UTF-8 is not that of a setting.
            let Ok(variable) = variable.into().into_string() else {
                continue;
            };
            let Some(rest) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            let origin = format!("{VARIABLE}{variable}");
            let wrong = |message: String| ConfigError {
                setting: None,
                origin: Some(origin.clone()),
                message,
            };
            match (value.into().into_string(), names::of_variable(&variable)) {
                // A map, which a function has no file for: as it would stand there.
                (Ok(value), _) if rest == SOURCES => layers.set_sources(&variable, &value),
                (Ok(value), _) if is_injected(rest, &value) => {}
                (Ok(value), Some(name)) => layers.set(name, value, &origin),
                (Ok(_), None) => {
                    let hint = names::variable_hint(&variable);
                    layers.errors.push(wrong(format!("unknown setting{hint}")));
                }
                (Err(_), _) => layers.errors.push(wrong("expected UTF-8".to_owned())),
            }
        }
        // The order of an environment has no meaning.
        layers
            .errors
            .sort_by(|one, other| one.origin.cmp(&other.origin));
        layers
    }

    /// Sets `sources` to a map of YAML, or of JSON, which is YAML. An empty value counts as not set.
    fn set_sources(&mut self, variable: &str, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        let (layer, errors) = file::read(variable, &format!("sources: {value}"));
        self.errors.extend(errors);
        if self.stack.is_empty() {
            self.stack.push(Layer::default());
        }
        if let Some(first) = self.stack.first_mut() {
            first.sources = layer.sources;
        }
    }

    /// Returns the settings of a YAML file. Text that is not YAML is one of the errors.
    pub fn yaml(file: &str, text: &str) -> Layers {
        let (layer, errors) = file::read(file, text);
        Layers {
            stack: vec![layer],
            errors,
        }
    }

    /// Sets a setting from a flag. An empty value counts as not set.
    pub fn set(&mut self, name: &str, value: String, origin: &str) {
        if value.trim().is_empty() {
            return;
        }
        if self.stack.is_empty() {
            self.stack.push(Layer::default());
        }
        if let Some(layer) = self.stack.first_mut() {
            insert(&mut layer.values, name, Value::new(None, value));
            let origin = SettingOrigin {
                name: name.to_owned(),
                place: origin.to_owned(),
            };
            layer.origins.insert(name.to_owned(), origin);
        }
    }

    /// Makes a relative path in a file relative to the folder of that file.
    #[must_use]
    pub fn beside(mut self, name: &str, folder: &Path) -> Layers {
        for layer in &mut self.stack {
            let targets = layer.targets.iter_mut().map(|target| &mut target.values);
            for values in targets.chain([&mut layer.values]) {
                if let Some(Value {
                    kind: ValueKind::String(path),
                    ..
                }) = find_mut(values, name)
                    && !path.contains("://")
                {
                    *path = folder.join(&*path).display().to_string();
                }
            }
        }
        self
    }

    /// Returns these settings, and those of `weaker` that are not among them.
    #[must_use]
    pub fn over(mut self, weaker: Layers) -> Layers {
        self.stack.extend(weaker.stack);
        self.errors.extend(weaker.errors);
        self
    }

    /// Returns the entries of `sources`: those of the strongest layer that has some.
    pub(super) fn entries(&self) -> Vec<SourceLayer> {
        let mut layers = self.stack.iter();
        let found = layers.find(|layer| !layer.sources.is_empty());
        found.map_or_else(Vec::new, |layer| layer.sources.clone())
    }

    /// Returns the layers for each target: those of all, with what its entry of `targets` sets. Without entries there is
    /// one target.
    pub(super) fn for_each_target(mut self) -> Vec<Layers> {
        let Some(place) = self
            .stack
            .iter()
            .position(|layer| !layer.targets.is_empty())
        else {
            return vec![self];
        };
        let targets = match self.stack.get_mut(place) {
            Some(layer) => std::mem::take(&mut layer.targets),
            None => Vec::new(),
        };
        if let [_, _, ..] = targets.as_slice() {
            self.report_ambiguous(place, &targets);
        }
        let with = |target: TargetLayer| {
            let mut layers = self.clone();
            let layer = Layer {
                values: target.values,
                origins: target.origins,
                targets: Vec::new(),
                sources: Vec::new(),
            };
            layers.stack.insert(place, layer);
            layers
        };
        targets.into_iter().map(with).collect()
    }

    /// Reports settings of layers before `place` that would set several targets at once: which is meant is not known, and
    /// one target must not get the key of another.
    fn report_ambiguous(&mut self, place: usize, targets: &[TargetLayer]) {
        let mut errors = Vec::new();
        for layer in self.stack.iter().take(place) {
            for (name, origin) in &layer.origins {
                let section = name
                    .split_once('.')
                    .map_or(name.as_str(), |(section, _)| section);
                let set = targets
                    .iter()
                    .filter(|target| target.kind == section || name == "target");
                let set: Vec<&str> = set.map(|target| target.name.as_str()).collect();
                if let [_, _, ..] = set.as_slice() {
                    let set = set.join(", ");
                    errors.push(ConfigError {
                        setting: Some(name.clone()),
                        origin: Some(origin.place.clone()),
                        message: format!("would set several targets ({set}): set it in targets"),
                    });
                }
            }
        }
        self.errors.extend(errors);
    }

    /// Reads all values into their types. An invalid value is reported and replaced by its default.
    pub(super) fn read(self) -> (Raw, Problems) {
        let mut problems = Problems {
            errors: self.errors,
            ..Problems::default()
        };
        let mut builder = config_rs::Config::builder();
        for layer in self.stack.into_iter().rev() {
            problems.origins.extend(layer.origins.clone());
            builder = builder.add_source(layer);
        }
        let mut tree = match builder.build() {
            Ok(merged) => merged.cache,
            Err(error) => {
                problems.general(error.to_string()); // only layers that read something fail
                Value::new(None, Table::new())
            }
        };
        let sections = Kind::ALL.map(|kind| {
            let section = take(&mut tree, kind.name());
            (
                kind,
                section.unwrap_or_else(|| Value::new(None, Table::new())),
            )
        });
        let config = read_all(tree, "", &mut problems, RawConfig::deserialize);
        let sections = sections.map(|(kind, section)| {
            let read = |section| kind.read(section);
            (kind, read_all(section, kind.name(), &mut problems, read))
        });
        let sections = sections.into_iter();
        let raw = Raw {
            config: config.unwrap_or_default(),
            sections: sections
                .filter_map(|(kind, settings)| Some((kind, settings?)))
                .collect(),
        };
        (raw, problems)
    }
}

/// Reads the values of a section. serde stops at the first error, so the wrong value is removed and the section read
/// again.
pub(super) fn read_all<T>(
    mut tree: Value,
    section: &str,
    problems: &mut Problems,
    read: impl Fn(Value) -> Result<T, ReadError>,
) -> Option<T> {
    loop {
        match read(tree.clone()) {
            Ok(values) => return Some(values),
            Err(error) => match located(error) {
                (Some(name), message) if remove(&mut tree, &name) => match section {
                    "" => problems.at(&name, message),
                    section => problems.at(&format!("{section}.{name}"), message),
                },
                (_, message) => {
                    problems.general(message);
                    return None;
                }
            },
        }
    }
}

/// Returns the setting that an error is about, and what is wrong with it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other errors of the crate config are reported without a setting"
)]
fn located(error: ReadError) -> (Option<String>, String) {
    match error {
        ReadError::At { error, key, .. } => (key, located(*error).1),
        // The value itself may be secret.
        ReadError::Type { expected, key, .. } => (key, format!("expected {expected}")),
        error => (None, error.to_string()),
    }
}

/// Sets a setting by its name.
fn insert(table: &mut Table, name: &str, value: Value) {
    let Some((section, rest)) = name.split_once('.') else {
        table.insert(name.to_owned(), value);
        return;
    };
    let section = table
        .entry(section.to_owned())
        .or_insert_with(|| Value::new(None, Table::new()));
    if let ValueKind::Table(inner) = &mut section.kind {
        insert(inner, rest, value);
    }
}

fn find_mut<'t>(table: &'t mut Table, name: &str) -> Option<&'t mut Value> {
    match name.split_once('.') {
        None => table.get_mut(name),
        Some((section, rest)) => find_mut(table_mut(table.get_mut(section)?)?, rest),
    }
}

/// Removes a section and returns it.
fn take(tree: &mut Value, section: &str) -> Option<Value> {
    table_mut(tree)?.shift_remove(section)
}

fn table_mut(value: &mut Value) -> Option<&mut Table> {
    if let ValueKind::Table(table) = &mut value.kind {
        return Some(table);
    }
    None
}

/// Removes a setting by its name. Returns whether it was there.
fn remove(tree: &mut Value, name: &str) -> bool {
    let ValueKind::Table(table) = &mut tree.kind else {
        return false;
    };
    match name.split_once('.') {
        None => table.shift_remove(name).is_some(),
        Some((section, rest)) => table
            .get_mut(section)
            .is_some_and(|inner| remove(inner, rest)),
    }
}
