//! The configuration of a target: its name and the settings of its kind; and what can be wrong with them.

use std::path::PathBuf;

use aws::{Aws, ExternalIdAlone};

use crate::secret::Credential;
use crate::{Kind, KindConfig, TargetName};

/// A target, complete and checked: what the configuration has to produce.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// The name that the user chose.
    pub name: TargetName,
    /// Where its settings are, for messages: `datazone`, or `targets.NAME`.
    pub section: String,
    /// The settings of its kind.
    pub kind: KindConfig,
}

/// An error in the settings of a target. The names of settings are without their section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A required setting is missing.
    #[error("required by a target of type {}", .kind.name())]
    Required {
        /// The setting.
        setting: &'static str,
        /// The kind that requires it.
        kind: Kind,
    },
    /// Two settings exclude each other.
    #[error("cannot be combined with {with}")]
    Conflict {
        /// The setting.
        setting: &'static str,
        /// The other setting.
        with: &'static str,
    },
    /// A value does not suffice, and why.
    #[error("{reason}")]
    Insufficient {
        /// The setting.
        setting: &'static str,
        /// Why it is not enough.
        reason: &'static str,
    },
    /// A setting is used only with another value of another setting.
    #[error("used only when {with} is {values}")]
    OnlyWith {
        /// The setting.
        setting: &'static str,
        /// The other setting.
        with: &'static str,
        /// Its values with which this one is used.
        values: &'static str,
    },
    /// A setting is missing that a value of another one requires.
    #[error("required when {with} is {value}")]
    RequiredWhen {
        /// The setting.
        setting: &'static str,
        /// The other setting.
        with: &'static str,
        /// Its value.
        value: &'static str,
    },
    /// A setting is missing that another one requires.
    #[error("required with {with}")]
    RequiredWith {
        /// The setting.
        setting: &'static str,
        /// The other setting.
        with: &'static str,
    },
}

/// Of the settings `role_arn` and `external_id`, which [`aws::Role::of`] checks together.
impl From<ExternalIdAlone> for SettingError {
    fn from(_: ExternalIdAlone) -> SettingError {
        SettingError::RequiredWith {
            setting: "role_arn",
            with: "external_id",
        }
    }
}

/// What a target may need of the process that opens it.
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a> {
    /// The AWS configuration.
    pub aws: &'a Aws,
    /// The credential of [`KindConfig::credential`].
    pub credential: Option<&'a Credential>,
}

/// Why a target could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file could not be opened.
    #[error("{}: {error}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// A credential could not be read. The message does not contain it.
    #[error("{message}")]
    Credential {
        /// The setting that names it.
        setting: &'static str,
        /// Why it could not be read.
        message: String,
        /// Whether another start may succeed: the service did not refuse.
        is_transient: bool,
    },
    /// A value cannot work.
    #[error("{message}")]
    Invalid {
        /// The setting that holds it.
        setting: &'static str,
        /// Why it cannot work.
        message: String,
    },
}

impl SettingError {
    /// The setting that is wrong.
    pub fn setting(&self) -> &'static str {
        match self {
            SettingError::Required { setting, .. }
            | SettingError::Conflict { setting, .. }
            | SettingError::Insufficient { setting, .. }
            | SettingError::OnlyWith { setting, .. }
            | SettingError::RequiredWhen { setting, .. }
            | SettingError::RequiredWith { setting, .. } => setting,
        }
    }
}

impl TargetConfig {
    /// The full name of one of its settings, as messages have it.
    pub fn setting(&self, name: &str) -> String {
        format!("{}.{name}", self.section)
    }
}
