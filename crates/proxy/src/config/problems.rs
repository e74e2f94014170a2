//! The errors of a configuration, each with its setting and where that was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// An error in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The setting, if the error is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Where the setting was set: `proxy.yaml:2:15`, `environment variable LINEAGE_PROXY_LISTEN`, `--listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The message. Does not contain secrets.
    pub message: String,
}

impl ConfigError {
    /// Creates an error that is not about a setting.
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
        // The origin of a flag or variable already names the setting.
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

/// The prefix of the origin of a variable.
pub(super) const VARIABLE: &str = "environment variable ";

/// All errors of a configuration.
#[derive(Debug, thiserror::Error)]
#[error("invalid configuration:{}", .0.iter().map(|error| format!("\n  - {error}")).collect::<String>())]
pub struct Errors(pub Vec<ConfigError>);

impl Errors {
    /// Creates a single error that is not about a setting.
    pub fn general(message: impl Into<String>) -> Errors {
        Errors(vec![ConfigError::general(message)])
    }
}

/// Collects errors, with the origin of each setting.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The origin of each setting that was set.
    pub(super) origins: BTreeMap<String, Origin>,
    pub(super) errors: Vec<ConfigError>,
}

/// The origin of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The name at the origin: `targets.catalog.domain_id` for `datazone.domain_id`.
    pub(super) name: String,
    /// `proxy.yaml:2:15`, `environment variable LINEAGE_PROXY_LISTEN`, `--listen`.
    pub(super) place: String,
}

impl Problems {
    /// Returns `value` if there is no error; else all errors, those of a file in the order of its lines.
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

    /// Reports an error that is not about a setting.
    pub(super) fn general(&mut self, message: impl Into<String>) {
        self.errors.push(ConfigError::general(message));
    }

    /// Whether a setting was set, also if its value was invalid: that is reported already, and the setting is not
    /// missing.
    pub(super) fn is_set(&self, setting: &str) -> bool {
        self.origins.contains_key(setting)
    }

    /// Reports a missing setting.
    pub(super) fn require<T>(&mut self, setting: &str, value: Option<&T>, message: &str) {
        if value.is_none() && !self.is_set(setting) {
            self.at(setting, message);
        }
    }
}

/// Returns line and column of an error in a file.
fn position(error: &ConfigError) -> Option<(u64, u64)> {
    let mut parts = error.origin.as_deref()?.rsplitn(3, ':');
    let (column, line) = (parts.next()?, parts.next()?);
    Some((line.parse().ok()?, column.parse().ok()?))
}
