//! The settings of a target of any kind, complete and checked, and what follows from them: what the target accepts, where
//! its events go, and how it is opened.
//!
//! What each kind does about it is in its own file. Called by the configuration, by the proxy when it starts, and by the
//! commands.

use std::path::Path;

use aws::Aws;
use sha2::{Digest, Sha256};

use super::archive::{self, Archive, ArchiveConfig};
use super::datahub::{self, DataHub, DataHubConfig};
use super::datazone::{self, DataZone, DataZoneConfig, Verifier};
use super::file::{self, FileConfig};
use super::glue::{self, Glue, GlueConfig};
use super::openlineage::{self, OpenLineage, OpenLineageConfig};
use super::{Client, Kind};
use crate::secret::Credential;
use crate::{Capabilities, OpenError, Resources};

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

/// What only opening a target can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// The name of the setting.
    pub setting: &'static str,
    /// What is not known, as a clause: `whether … answers`.
    pub what: String,
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
                Client::DataZone(DataZone::new(config, resources.aws).await)
            }
            KindConfig::Glue(config) => Client::Glue(Glue::new(config, resources.aws).await),
        })
    }
}
