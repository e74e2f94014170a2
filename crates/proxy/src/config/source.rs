//! The sources of events: `sources: {NAME: {type: KIND, …}}` in the file.
//!
//! Each kind defines its settings and what they require (`fetch::Kind`); here are those that every kind has. `layers/file.rs`
//! reads the entries and reports unknown settings. A setting of a source has no environment variable, since its name begins
//! with that of the source.

use std::collections::BTreeMap;
use std::time::Duration;

use config_rs::{Value, ValueKind};
use fetch::{Kind, KindConfig, SourceSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Entry, Format, OneOf, Seconds, Setting};

use super::layers::{Layers, SourceLayer, Table, read_all};
use super::problems::{ConfigError, Errors, Problems, SettingOrigin};
use super::{EffectiveSetting, SourceConfig};

/// The settings that every kind of source has, besides its type.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CommonSettings {
    /// How long the source waits before it polls again, once it has read everything.
    #[schemars(extend("x-default" = "depends on the type"))]
    pub(super) interval: Option<Setting<Interval>>,
}

/// From a second to a day.
type Interval = Seconds<1, 86_400>;

/// A source as it was read, for `config show`.
#[derive(Debug)]
pub(super) struct SourceView {
    layer: SourceLayer,
    kind: Kind,
    settings: SourceSettings,
    interval: Duration,
    kind_config: Option<KindConfig>,
}

/// Lists the settings of a source of this kind: those of all kinds, and its own.
pub fn source_settings(kind: Kind) -> Vec<Entry> {
    let common = settings::list::<CommonSettings>().into_iter();
    let common = common.map(|entry| Entry {
        default: match entry.name.as_str() {
            INTERVAL => Some(Interval::show(&kind.interval())),
            _ => entry.default,
        },
        ..entry
    });
    let mut all: Vec<Entry> = common.chain(kind.settings()).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

const INTERVAL: &str = "interval";

/// Reads and checks an entry. Reports all errors.
pub(super) fn read(layer: SourceLayer, problems: &mut Problems) -> Option<SourceView> {
    problems.origins.extend(layer.origins.clone());
    let section = layer.section();
    let kind = match OneOf::<Kind>::parse(&layer.kind) {
        Ok(kind) => kind,
        Err(message) => {
            problems.at(&format!("{section}.type"), message);
            return None;
        }
    };
    let mut own = layer.values.clone();
    let mut common = Table::new();
    if let Some(interval) = own.shift_remove(INTERVAL) {
        common.insert(INTERVAL.to_owned(), interval);
    }
    let table = |values: Table| Value::new(None, ValueKind::Table(values));
    let common = read_all(
        table(common),
        &section,
        problems,
        CommonSettings::deserialize,
    );
    let settings = read_all(table(own), &section, problems, |values| kind.read(values))?;
    let kind_config = match settings.clone().validate() {
        Ok(config) => Some(config),
        Err(errors) => {
            for error in errors {
                let setting = format!("{section}.{}", error.setting);
                problems.at_or_beside(&setting, &format!("{section}.type"), error.problem);
            }
            None
        }
    };
    let interval = common.and_then(|common| common.interval);
    Some(SourceView {
        kind,
        settings,
        interval: interval.map_or(kind.interval(), |interval| *interval),
        kind_config,
        layer,
    })
}

/// Reads one source: see [`Config::read_source`](super::Config::read_source).
pub(super) fn read_one(
    layers: &Layers,
    name: Option<&str>,
    kind: Kind,
    set: &[(String, String)],
) -> Result<SourceConfig, Errors> {
    let mut problems = Problems::default();
    let mut layer = match name {
        None => SourceLayer {
            name: kind.name().to_owned(),
            kind: kind.name().to_owned(),
            values: Table::new(),
            origins: BTreeMap::new(),
        },
        Some(name) => {
            let entries = layers.entries();
            let names: Vec<&str> = entries.iter().map(|it| it.name.as_str()).collect();
            let found = entries.iter().find(|it| it.name == name).cloned();
            let why = match &found {
                None => Some(format!(
                    "sources: expected one of {}, found {name:?}",
                    names.join(", ")
                )),
                Some(it) if it.kind != kind.name() => Some(format!(
                    "sources.{name} is of the type {}, and not {}",
                    it.kind,
                    kind.name()
                )),
                Some(_) => None,
            };
            match (found, why) {
                (Some(layer), None) => layer,
                (_, why) => return Err(Errors::general(why.unwrap_or_default())),
            }
        }
    };
    let known = kind.settings();
    for (name, value) in set {
        let place = format!("--set {name}");
        if !known.iter().any(|entry| entry.name == *name) {
            let names: Vec<&str> = known.iter().map(|entry| entry.name.as_str()).collect();
            let message = format!("unknown setting; {} has {}", kind.name(), names.join(", "));
            let setting = format!("{}.{name}", layer.section());
            problems.errors.push(ConfigError {
                origin: Some(place),
                ..ConfigError::about(setting, message)
            });
            continue;
        }
        layer
            .values
            .insert(name.clone(), Value::new(None, value.clone()));
        layer.note(name, place);
    }
    let config = read(layer, &mut problems).and_then(|view| view.config());
    problems.check(config)
}

impl SourceView {
    /// The configuration, unless there was an error.
    pub(super) fn config(&self) -> Option<SourceConfig> {
        Some(SourceConfig {
            name: self.layer.name.clone(),
            interval: self.interval,
            kind: self.kind_config.clone()?,
        })
    }

    /// Lists its settings in effect.
    pub(super) fn effective(&self) -> Vec<EffectiveSetting> {
        let section = self.layer.section();
        let written = serde_json::to_value(&self.settings).unwrap_or_default();
        let text = |name: &str| match name {
            INTERVAL => Some(Interval::show(&self.interval)),
            _ => Some(written.get(name)?.as_str()?.to_owned()),
        };
        let setting = |name: &str, value: String| {
            let setting = format!("{section}.{name}");
            let origin = self.layer.origins.get(&setting);
            EffectiveSetting {
                origin: origin.map_or("default", |origin| &origin.place).to_owned(),
                value,
                setting,
            }
        };
        let entries = source_settings(self.kind);
        let own = entries
            .iter()
            .filter_map(|entry| Some((entry, text(&entry.name)?)));
        let own = own.map(|(entry, value)| setting(&entry.name, value));
        std::iter::once(setting("type", self.kind.name().to_owned()))
            .chain(own)
            .collect()
    }
}

impl SourceLayer {
    /// The name of its section in the file.
    pub(super) fn section(&self) -> String {
        format!("sources.{}", self.name)
    }

    /// Notes where one of its settings stands.
    pub(super) fn note(&mut self, setting: &str, place: String) {
        let name = format!("{}.{setting}", self.section());
        let origin = SettingOrigin {
            name: name.clone(),
            place,
        };
        self.origins.insert(name, origin);
    }
}
