//! What is wrong with a configuration: every error with the setting it is about and where that was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The setting, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Where the setting was set: `proxy.yaml:2:15`, `environment variable LINEAGE_PROXY_LISTEN`, `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is wrong. Does not contain secrets.
    pub message: String,
}

impl ConfigError {
    /// An error about no setting in particular.
    pub fn general(message: impl Into<String>) -> ConfigError {
        ConfigError {
            setting: None,
            origin: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A flag and a variable name their setting themselves.
        let is_named = |origin: &str| origin.starts_with("--") || origin.starts_with(VARIABLE);
        match (&self.origin, &self.setting) {
            (Some(origin), Some(setting)) if !is_named(origin) => {
                write!(f, "{origin}: {setting}: ")?
            }
            (Some(origin), _) => write!(f, "{origin}: ")?,
            (None, Some(setting)) => write!(f, "{setting}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

/// How the origin of a variable begins.
pub(super) const VARIABLE: &str = "environment variable ";

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration:{}", .0.iter().map(|error| format!("\n  - {error}")).collect::<String>())]
pub struct Errors(pub Vec<ConfigError>);

impl Errors {
    /// A single error about no setting in particular.
    pub fn general(message: impl Into<String>) -> Errors {
        Errors(vec![ConfigError::general(message)])
    }
}

/// Collects errors, knowing where each setting was set.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The name that a setting has where it was set, and where that is, by its name.
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) errors: Vec<ConfigError>,
}

/// Where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The name there: `targets.catalog.domain_id` for `datazone.domain_id`.
    pub(super) name: String,
    /// `proxy.yaml:2:15`, `environment variable LINEAGE_PROXY_LISTEN`, `--listen`.
    pub(super) place: String,
}

impl Problems {
    /// Returns what was read if nothing is wrong with it; else all errors, those in a file in the order of its lines.
    pub(super) fn check<T>(&self, read: Option<T>) -> Result<T, Errors> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            Some(_) | None => {
                let mut errors = self.errors.clone();
                errors.sort_by_key(|error| position(error).unwrap_or((u64::MAX, 0)));
                Err(Errors(errors))
            }
        }
    }

    /// Reports an error about a setting.
    pub(super) fn at(&mut self, setting: &str, message: impl Into<String>) {
        let origin = self.origins.get(setting);
        self.errors.push(ConfigError {
            setting: Some(
                origin
                    .map_or(setting, |origin| origin.name.as_str())
                    .to_owned(),
            ),
            origin: origin.map(|origin| origin.place.clone()),
            message: message.into(),
        });
    }

    /// Reports an error about no setting in particular.
    pub(super) fn general(&mut self, message: impl Into<String>) {
        self.errors.push(ConfigError::general(message));
    }

    /// Whether a setting was set, to a valid value or not. An invalid one is reported already, and is not missing.
    pub(super) fn is_set(&self, setting: &str) -> bool {
        self.origins.contains_key(setting)
    }

    /// Reports a setting that is missing.
    pub(super) fn require<T>(&mut self, setting: &str, value: Option<&T>, message: &str) {
        if value.is_none() && !self.is_set(setting) {
            self.at(setting, message);
        }
    }
}

/// Line and column of an error in a file.
fn position(error: &ConfigError) -> Option<(u64, u64)> {
    let mut parts = error.origin.as_deref()?.rsplitn(3, ':');
    let (column, line) = (parts.next()?, parts.next()?);
    Some((line.parse().ok()?, column.parse().ok()?))
}
