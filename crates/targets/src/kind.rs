//! The kinds of targets: the one list. For each kind: its name, what it accepts, and its settings.
//!
//! A kind has a file of its own under `kind/` with its settings, its client, and the classification of its service's
//! responses. A new kind is such a file, and one line for it in each `match` here, in `config.rs` and in `client.rs`;
//! nothing else in the workspace lists kinds.

pub(crate) mod archive;
mod client;
mod config;
pub(crate) mod datahub;
pub(crate) mod datazone;
pub(crate) mod file;
pub(crate) mod glue;
pub(crate) mod openlineage;
mod place;
#[cfg(test)]
mod tests;

use serde::de::{Deserialize, Deserializer};
use settings::Choice;

use crate::{Capabilities, JobEvents, SettingError};
use archive::ArchiveSettings;
pub(crate) use client::Client;
pub use config::{KindConfig, OpenQuestion};
use datahub::DataHubSettings;
use datazone::DataZoneSettings;
use file::FileSettings;
pub use file::Gathering;
use glue::GlueSettings;
use openlineage::OpenLineageSettings;

/// A kind of target: the value of its setting `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The log in the data folder, from which events can be read back.
    Store,
    /// JSON lines in a file.
    File,
    /// Gzipped JSON lines by date and hour, on disk or in S3.
    Archive,
    /// An HTTP endpoint that accepts OpenLineage: Marquez, DataHub, another proxy.
    OpenLineage,
    /// DataHub, by its own write API.
    DataHub,
    /// Amazon DataZone / SageMaker Catalog.
    DataZone,
    /// The AWS Glue Data Catalog.
    Glue,
}

/// The settings of a target as they are written, not yet checked against each other.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(untagged)]
pub enum TargetSettings {
    /// The store has none.
    Store,
    /// JSON lines in a file.
    File(FileSettings),
    /// Gzipped JSON lines by date and hour.
    Archive(ArchiveSettings),
    /// An HTTP endpoint that accepts OpenLineage.
    OpenLineage(Box<OpenLineageSettings>),
    /// DataHub, by its own write API.
    DataHub(Box<DataHubSettings>),
    /// Amazon DataZone / SageMaker Catalog.
    DataZone(DataZoneSettings),
    /// The AWS Glue Data Catalog.
    Glue(GlueSettings),
}

/// The store has an event once it is settled.
const STORE: Capabilities = Capabilities {
    batches: true,
    local: true,
    ..Capabilities::UNLIMITED
};

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 7] = [
        Kind::Store,
        Kind::File,
        Kind::Archive,
        Kind::OpenLineage,
        Kind::DataHub,
        Kind::DataZone,
        Kind::Glue,
    ];

    /// The value of the setting `type`, which is also the name of a target that was given none.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Store => "store",
            Kind::File => "file",
            Kind::Archive => "archive",
            Kind::OpenLineage => "openlineage",
            Kind::DataHub => "datahub",
            Kind::DataZone => "datazone",
            Kind::Glue => "glue",
        }
    }

    /// What a target of this kind accepts with its default settings.
    pub const fn capabilities(self) -> Capabilities {
        match self {
            Kind::OpenLineage => Capabilities::UNLIMITED,
            Kind::Store => STORE,
            Kind::File => file::CAPABILITIES,
            Kind::Archive => archive::CAPABILITIES,
            Kind::DataHub => datahub::CAPABILITIES,
            Kind::DataZone => datazone::capabilities(JobEvents::Convert),
            Kind::Glue => glue::CAPABILITIES,
        }
    }

    /// Lists the settings of this kind, with their documentation and defaults.
    pub fn settings(self) -> Vec<settings::Entry> {
        match self {
            Kind::Store => Vec::new(),
            Kind::File => settings::list::<FileSettings>(),
            Kind::Archive => settings::list::<ArchiveSettings>(),
            Kind::OpenLineage => settings::list::<OpenLineageSettings>(),
            Kind::DataHub => settings::list::<DataHubSettings>(),
            Kind::DataZone => settings::list::<DataZoneSettings>(),
            Kind::Glue => settings::list::<GlueSettings>(),
        }
    }

    /// Reads the settings of a target of this kind from a map of them, without `type`.
    pub fn read<'de, D: Deserializer<'de>>(self, section: D) -> Result<TargetSettings, D::Error> {
        Ok(match self {
            Kind::Store => {
                NoSettings::deserialize(section)?;
                TargetSettings::Store
            }
            Kind::File => TargetSettings::File(FileSettings::deserialize(section)?),
            Kind::Archive => TargetSettings::Archive(ArchiveSettings::deserialize(section)?),
            Kind::OpenLineage => {
                TargetSettings::OpenLineage(Box::new(OpenLineageSettings::deserialize(section)?))
            }
            Kind::DataHub => {
                TargetSettings::DataHub(Box::new(DataHubSettings::deserialize(section)?))
            }
            Kind::DataZone => TargetSettings::DataZone(DataZoneSettings::deserialize(section)?),
            Kind::Glue => TargetSettings::Glue(GlueSettings::deserialize(section)?),
        })
    }
}

impl Choice for Kind {
    const CHOICES: &'static [(&'static str, Kind)] = &[
        (Kind::Store.name(), Kind::Store),
        (Kind::File.name(), Kind::File),
        (Kind::Archive.name(), Kind::Archive),
        (Kind::OpenLineage.name(), Kind::OpenLineage),
        (Kind::DataHub.name(), Kind::DataHub),
        (Kind::DataZone.name(), Kind::DataZone),
        (Kind::Glue.name(), Kind::Glue),
    ];
}

impl TargetSettings {
    /// Whether the rules are applied to the events of this target.
    pub fn rules_applied(&self) -> RuleUse {
        match self {
            TargetSettings::Archive(settings) => settings.rules_applied(),
            TargetSettings::Store
            | TargetSettings::File(_)
            | TargetSettings::OpenLineage(_)
            | TargetSettings::DataHub(_)
            | TargetSettings::DataZone(_)
            | TargetSettings::Glue(_) => RuleUse::Always,
        }
    }

    /// Checks that all settings are present that the target requires, and that none exclude each other.
    pub fn validate(self) -> Result<KindConfig, Vec<SettingError>> {
        Ok(match self {
            TargetSettings::Store => KindConfig::Store,
            TargetSettings::File(settings) => KindConfig::File(settings.validate()?),
            TargetSettings::Archive(settings) => KindConfig::Archive(settings.validate()?),
            TargetSettings::OpenLineage(settings) => {
                KindConfig::OpenLineage(Box::new(settings.validate()?))
            }
            TargetSettings::DataHub(settings) => {
                KindConfig::DataHub(Box::new(settings.validate()?))
            }
            TargetSettings::DataZone(settings) => KindConfig::DataZone(settings.validate()?),
            TargetSettings::Glue(settings) => KindConfig::Glue(settings.validate()?),
        })
    }
}

/// Whether the rules are applied to the events of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleUse {
    /// They are.
    Always,
    /// They are not: every event is delivered as it was accepted.
    Never,
    /// They are not, and the setting of this name that decides it was left to its default.
    NotDecided(&'static str),
}

/// The settings of a kind that has none.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}
