//! The sources of events: `sources: {NAME: {type: KIND, …}}` in the file.
//!
//! Each kind defines its settings and what they require (`fetch::Kind`); here are those that every kind has. `layers/file.rs`
//! reads the entries and reports unknown settings. A setting of a source has no environment variable, since its name begins
//! with that of the source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use config_rs::{Value, ValueKind};
use fetch::{Kind, KindConfig, SavedSource, SettingError, SourceSettings};
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

/// An entry whose values could be read, not yet checked against each other.
struct Entered {
    kind: Kind,
    common: Option<CommonSettings>,
    settings: SourceSettings,
}

/// Reads the values of an entry. Reports all errors.
fn enter(layer: &SourceLayer, problems: &mut Problems) -> Option<Entered> {
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
    Some(Entered {
        kind,
        common,
        settings,
    })
}

/// Keeps what was checked, or reports all errors.
fn checked<T>(
    layer: &SourceLayer,
    checked: Result<T, Vec<SettingError>>,
    problems: &mut Problems,
) -> Option<T> {
    let section = layer.section();
    let report = |errors: Vec<SettingError>| {
        for error in errors {
            let setting = format!("{section}.{}", error.setting);
            problems.at_or_beside(&setting, &format!("{section}.type"), error.problem);
        }
    };
    checked.map_err(report).ok()
}

/// Reads and checks an entry. Reports all errors.
pub(super) fn read(layer: SourceLayer, problems: &mut Problems) -> Option<SourceView> {
    let Entered {
        kind,
        common,
        settings,
    } = enter(&layer, problems)?;
    let kind_config = checked(&layer, settings.clone().validate(), problems);
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
    let layer = layer(layers, name, kind, set, &mut problems)?;
    let config = read(layer, &mut problems).and_then(|view| view.config());
    problems.check(config)
}

/// Reads what was saved of a source: see [`Config::read_saved`](super::Config::read_saved).
pub(super) fn read_saved(
    layers: &Layers,
    name: Option<&str>,
    kind: Kind,
    set: &[(String, String)],
    objects: Option<PathBuf>,
) -> Result<Option<SavedSource>, Errors> {
    let mut problems = Problems::default();
    let layer = layer(layers, name, kind, set, &mut problems)?;
    let entered = enter(&layer, &mut problems);
    let saved = entered.and_then(|entered| {
        let saved = entered.settings.saved(objects);
        checked(&layer, saved, &mut problems)
    });
    problems.check(saved)
}

/// The entry of this name, or one of this kind without settings, and over it `set`.
fn layer(
    layers: &Layers,
    name: Option<&str>,
    kind: Kind,
    set: &[(String, String)],
    problems: &mut Problems,
) -> Result<SourceLayer, Errors> {
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
    Ok(layer)
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
