//! The kinds of targets: the one list. For each kind: its name, what it accepts, its settings, and how it is opened.
//!
//! A kind has a file of its own under `kind/` with its settings, its client, and the classification of its service's
//! responses. A new kind is such a file, and one line for it in each `match` here and in `client.rs`; nothing else in the workspace
//! lists kinds.

pub(crate) mod archive;
mod client;
pub(crate) mod datahub;
pub(crate) mod datazone;
pub(crate) mod file;
pub(crate) mod glue;
pub(crate) mod openlineage;
mod place;
#[cfg(test)]
mod tests;

use std::path::Path;

use aws::Aws;
use serde::de::{Deserialize, Deserializer};
use settings::Choice;
use sha2::{Digest, Sha256};

use crate::secret::Credential;
use crate::{Capabilities, JobEvents, OpenError, Resources, SettingError};
use archive::{Archive, ArchiveConfig, ArchiveSettings};
pub(crate) use client::Client;
use datahub::{DataHub, DataHubConfig, DataHubSettings};
use datazone::{DataZone, DataZoneConfig, DataZoneSettings, Verifier};
use file::{FileConfig, FileSettings};
use glue::{Glue, GlueConfig, GlueSettings};
use openlineage::{OpenLineage, OpenLineageConfig, OpenLineageSettings};

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

/// The settings of a target, complete and checked.
#[derive(Debug, Clone)]
pub enum KindConfig {
    /// The store has none.
    Store,
    /// JSON lines in a file.
    File(FileConfig),
    /// Gzipped JSON lines by date and hour.
    Archive(ArchiveConfig),
    /// An HTTP endpoint that accepts OpenLineage.
    OpenLineage(Box<OpenLineageConfig>),
    /// DataHub, by its own write API.
    DataHub(Box<DataHubConfig>),
    /// Amazon DataZone / SageMaker Catalog.
    DataZone(DataZoneConfig),
    /// The AWS Glue Data Catalog.
    Glue(GlueConfig),
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

impl KindConfig {
    /// The kind of the target.
    pub fn kind(&self) -> Kind {
        match self {
            KindConfig::Store => Kind::Store,
            KindConfig::File(_) => Kind::File,
            KindConfig::Archive(_) => Kind::Archive,
            KindConfig::OpenLineage(_) => Kind::OpenLineage,
            KindConfig::DataHub(_) => Kind::DataHub,
            KindConfig::DataZone(_) => Kind::DataZone,
            KindConfig::Glue(_) => Kind::Glue,
        }
    }

    /// What the target accepts, as it is configured.
    pub fn capabilities(&self) -> Capabilities {
        match self {
            KindConfig::DataZone(config) => datazone::capabilities(config.job_events),
            KindConfig::OpenLineage(config) => config.capabilities(),
            KindConfig::Store
            | KindConfig::File(_)
            | KindConfig::Archive(_)
            | KindConfig::DataHub(_)
            | KindConfig::Glue(_) => self.kind().capabilities(),
        }
    }

    /// The file or folder outside the data folder that holds events.
    pub fn file(&self) -> Option<&Path> {
        match self {
            KindConfig::File(config) => Some(&config.path),
            KindConfig::Archive(config) => config.folder(),
            KindConfig::Store
            | KindConfig::OpenLineage(_)
            | KindConfig::DataHub(_)
            | KindConfig::DataZone(_)
            | KindConfig::Glue(_) => None,
        }
    }

    /// Whether both targets would keep the same events in the same place: one file, one endpoint with one key.
    pub fn is_same_destination(&self, other: &KindConfig) -> bool {
        match (self, other) {
            (KindConfig::Store, KindConfig::Store) => true,
            (KindConfig::File(one), KindConfig::File(other)) => one.is_same_destination(other),
            (KindConfig::Archive(one), KindConfig::Archive(other)) => {
                one.is_same_destination(other)
            }
            (KindConfig::OpenLineage(one), KindConfig::OpenLineage(other)) => {
                one.is_same_destination(other)
            }
            (KindConfig::DataHub(one), KindConfig::DataHub(other)) => {
                one.is_same_destination(other)
            }
            (KindConfig::DataZone(one), KindConfig::DataZone(other)) => {
                one.is_same_destination(other)
            }
            (KindConfig::Glue(one), KindConfig::Glue(other)) => one.is_same_destination(other),
            (
                KindConfig::Store
                | KindConfig::File(_)
                | KindConfig::Archive(_)
                | KindConfig::OpenLineage(_)
                | KindConfig::DataHub(_)
                | KindConfig::DataZone(_)
                | KindConfig::Glue(_),
                _,
            ) => false,
        }
    }

    /// Returns a digest of what tells the destination from others, in hexadecimal: where events go, and as whom. A credential
    /// does not count, so that it can be replaced, unless it is a part of the URL.
    pub fn destination_digest(&self) -> String {
        let identity = match self {
            KindConfig::Store => String::new(),
            KindConfig::File(config) => config.identity(),
            KindConfig::Archive(config) => config.identity(),
            KindConfig::OpenLineage(config) => config.identity(),
            KindConfig::DataHub(config) => config.identity(),
            KindConfig::DataZone(config) => config.identity(),
            KindConfig::Glue(config) => config.identity(),
        };
        let digest = Sha256::digest(format!("{:?} {identity}", self.kind()));
        (digest.iter().take(8))
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Reads the credential that [`Resources::credential`] has to hold, if the target has one.
    pub async fn credential(&self, aws: &Aws) -> Result<Option<Credential>, OpenError> {
        match self {
            KindConfig::OpenLineage(config) => config.credential(aws).await,
            KindConfig::DataHub(config) => config.credential(aws).await,
            KindConfig::Store
            | KindConfig::File(_)
            | KindConfig::Archive(_)
            | KindConfig::DataZone(_)
            | KindConfig::Glue(_) => Ok(None),
        }
    }

    /// Lets the target take events again that it has accepted already, if it tells repetitions by client tokens: those with
    /// the same `salt` are the same. Returns whether it does.
    #[must_use]
    pub fn salt_tokens(&mut self, salt: &str) -> bool {
        match self {
            KindConfig::DataZone(config) => {
                config.salt_tokens(salt);
                true
            }
            KindConfig::Store
            | KindConfig::File(_)
            | KindConfig::Archive(_)
            | KindConfig::OpenLineage(_)
            | KindConfig::DataHub(_)
            | KindConfig::Glue(_) => false,
        }
    }

    /// Creates a verifier, if the target processes events after it has accepted them.
    pub async fn verifier(&self, aws: &Aws) -> Option<Verifier> {
        match self {
            KindConfig::DataZone(config) => Some(Verifier::new(config, aws).await),
            KindConfig::Store
            | KindConfig::File(_)
            | KindConfig::Archive(_)
            | KindConfig::OpenLineage(_)
            | KindConfig::DataHub(_)
            | KindConfig::Glue(_) => None,
        }
    }

    /// Checks what can be known before the target is opened, and leaves nothing behind. `data_dir` is the folder that is
    /// created before, if any. Returns what remains unchecked.
    pub fn check(&self, data_dir: Option<&Path>) -> Result<Vec<OpenQuestion>, OpenError> {
        match self {
            KindConfig::Store => Ok(Vec::new()),
            KindConfig::File(config) => file::check(config, data_dir).map(|()| Vec::new()),
            KindConfig::Archive(config) => archive::check(config),
            KindConfig::OpenLineage(config) => openlineage::check(config),
            KindConfig::DataHub(config) => datahub::check(config),
            KindConfig::DataZone(config) => Ok(datazone::check(config)),
            KindConfig::Glue(config) => Ok(glue::check(config)),
        }
    }

    pub(crate) async fn open(&self, resources: Resources<'_>) -> Result<Client, OpenError> {
        Ok(match self {
            KindConfig::Store => Client::Store,
            KindConfig::File(config) => Client::File(file::open(config)?),
            KindConfig::Archive(config) => Client::Archive(Archive::open(config, resources.aws)?),
            KindConfig::OpenLineage(config) => Client::OpenLineage(
                OpenLineage::open(config, resources.aws, resources.credential).await?,
            ),
            KindConfig::DataHub(config) => {
                Client::DataHub(DataHub::open(config, resources.aws, resources.credential).await?)
            }
            KindConfig::DataZone(config) => {
                Client::DataZone(DataZone::new(config, resources.aws.config().await).await)
            }
            KindConfig::Glue(config) => Client::Glue(Glue::new(config, resources.aws).await),
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

/// What only opening a target can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// The name of the setting.
    pub setting: &'static str,
    /// What is not known, as a clause: `whether … answers`.
    pub what: String,
}

/// The settings of a kind that has none.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}
