//! The errors of a configuration, each with its setting and where that was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::rules::RulesFile;

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

    /// Creates an error about a setting. Where that was set is added by [`Origins::locate`].
    pub fn about(setting: impl Into<String>, message: impl Into<String>) -> ConfigError {
        ConfigError {
            setting: Some(setting.into()),
            origin: None,
            message: message.into(),
        }
    }
}

/// Whether an origin is a flag or a variable, which already names the setting.
fn is_named(origin: &str) -> bool {
    origin.starts_with("--") || origin.starts_with(VARIABLE)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// A configuration with errors, and what can be checked in spite of them.
#[derive(Debug)]
pub struct InvalidConfig {
    /// The errors.
    pub errors: Errors,
    /// The rules files of all targets whose setting is valid, each once.
    pub rules: Vec<RulesFile>,
    /// Where the settings were set.
    pub origins: Origins,
}

/// Where each setting of a configuration was set, by its name there: `targets.catalog.domain_id`.
#[derive(Debug, Clone, Default)]
pub struct Origins(BTreeMap<String, String>);

impl Origins {
    /// Adds to an error where its setting was set.
    pub fn locate(&self, error: ConfigError) -> ConfigError {
        let setting = error.setting.as_ref();
        let origin = setting.and_then(|setting| self.0.get(setting));
        ConfigError {
            origin: error.origin.or(origin.cloned()),
            ..error
        }
    }

    /// Whether a setting was set.
    pub fn is_set(&self, setting: &str) -> bool {
        self.0.contains_key(setting)
    }

    /// Adds the origins of settings.
    pub(super) fn extend<'o>(&mut self, origins: impl IntoIterator<Item = &'o SettingOrigin>) {
        let origins = origins.into_iter();
        let named = origins.map(|origin| (origin.name.clone(), origin.place.clone()));
        self.0.extend(named);
    }
}

/// Collects errors, with the origin of each setting.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The origin of each setting that was set.
    pub(super) origins: BTreeMap<String, SettingOrigin>,
    pub(super) errors: Vec<ConfigError>,
}

/// The origin of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SettingOrigin {
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

    /// Reports an error about a setting that may not be set: then it stands where `cause` is set, which makes it an error.
    pub(super) fn at_or_beside(&mut self, setting: &str, cause: &str, message: impl Into<String>) {
        if self.is_set(setting) {
            return self.at(setting, message);
        }
        let origin = self.origins.get(cause).map(|origin| origin.place.clone());
        self.errors.push(ConfigError {
            // A flag or a variable would be taken for the setting itself.
            origin: origin.filter(|origin| !is_named(origin)),
            ..ConfigError::about(setting, message)
        });
    }

    /// Reports a missing setting that `cause` requires.
    pub(super) fn require<T>(
        &mut self,
        setting: &str,
        cause: &str,
        value: Option<&T>,
        message: &str,
    ) {
        if value.is_none() && !self.is_set(setting) {
            self.at_or_beside(setting, cause, message);
        }
    }
}

/// Returns line and column of an error in a file.
fn position(error: &ConfigError) -> Option<(u64, u64)> {
    let mut parts = error.origin.as_deref()?.rsplitn(3, ':');
    let (column, line) = (parts.next()?, parts.next()?);
    Some((line.parse().ok()?, column.parse().ok()?))
}
