//! An archive: every event as a line of gzipped JSON lines, under folders by date and hour, on disk or in S3.
//!
//! The events that are delivered at the same time make one object, whose name is unique and sorts by time. It is
//! acknowledged once it is durable: on disk when the file and the folders above it are synced (`archive/folder.rs`), in S3
//! when the object is confirmed (`archive/bucket.rs`). An attempt whose result is lost is repeated under another name, so an
//! event can be in the archive twice, and is never missing. Which events are archived, as they were accepted or as the
//! rules leave them, is decided by the configuration (`apply_rules`).

mod bucket;
mod folder;
mod location;
mod object;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use openlineage::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Flag, Setting, Text};
use tokio::time::Instant;

use super::place::{is_same_path, resolve};
use crate::batch::{BatchEvent, BatchLimits, Batcher};
use crate::{
    Capabilities, Delivery, DeliveryReport, Failure, Kind, OpenError, OpenQuestion, Reason,
    RuleUse, Scope, SettingError,
};
use bucket::Bucket;
use location::{ArchiveLocation, Location};
use object::Object;

/// An object holds the events of one batch of the pipeline; the time is for its events to get through the rules. The
/// bytes, before compression, bound the memory for an object.
const LIMITS: BatchLimits = BatchLimits {
    events: 10_000,
    bytes: 64_000_000,
    linger: Duration::from_millis(200),
    requests: 2,
};

/// The settings of an archive.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveSettings {
    /// Where objects are written: a folder, which is created if it does not exist, or `s3://BUCKET/PREFIX`. Required.
    #[schemars(extend("x-not-on-aws" = "the template does not deploy this target"))]
    pub location: Option<Setting<ArchiveLocation>>,
    /// The region of the bucket, if it differs from that of the process.
    #[schemars(extend("x-not-on-aws" = "the template does not deploy this target"))]
    pub region: Option<Setting<Text>>,
    /// Whether the rules are applied. Without them every event is archived as it was accepted. Required with `rules.file`, so
    /// that nothing is archived by oversight that a rule redacts.
    #[schemars(extend("x-not-on-aws" = "the template does not deploy this target"))]
    #[schemars(extend("x-default" = "`false`"))]
    pub apply_rules: Option<Setting<Flag>>,
}

/// The settings of an archive, complete and checked.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    location: Location,
    region: Option<String>,
}

const LOCATION: &str = "location";
const APPLY_RULES: &str = "apply_rules";

impl ArchiveSettings {
    pub(super) fn validate(self) -> Result<ArchiveConfig, Vec<SettingError>> {
        let location = self.location.ok_or(vec![SettingError::Required {
            setting: LOCATION,
            kind: Kind::Archive,
        }])?;
        Ok(ArchiveConfig {
            location: location.into_value(),
            region: self.region.map(Setting::into_value),
        })
    }

    pub(super) fn rules_applied(&self) -> RuleUse {
        match self.apply_rules.as_deref() {
            Some(true) => RuleUse::Always,
            Some(false) => RuleUse::Never,
            None => RuleUse::NotDecided(APPLY_RULES),
        }
    }
}

impl ArchiveConfig {
    pub(super) fn is_same_destination(&self, other: &ArchiveConfig) -> bool {
        match (&self.location, &other.location) {
            (Location::Folder(one), Location::Folder(other)) => is_same_path(one, other),
            (one @ Location::Bucket { .. }, other @ Location::Bucket { .. }) => one == other,
            (Location::Folder(_), Location::Bucket { .. })
            | (Location::Bucket { .. }, Location::Folder(_)) => false,
        }
    }

    /// What tells its place from others.
    pub(super) fn identity(&self) -> String {
        match &self.location {
            Location::Folder(root) => resolve(root).display().to_string(),
            bucket @ Location::Bucket { .. } => format!("{bucket:?}"),
        }
    }

    /// The folder of an archive on disk.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &self.location {
            Location::Folder(root) => Some(root),
            Location::Bucket { .. } => None,
        }
    }
}

/// What an archive accepts: everything, in any order.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    batches: true,
    ordered: false,
    ..Capabilities::UNLIMITED
};

/// Checks that objects could be written, without writing one.
pub(super) fn check(config: &ArchiveConfig) -> Result<Vec<OpenQuestion>, OpenError> {
    match &config.location {
        Location::Folder(root) => journal::check_creatable(root)
            .map(|()| Vec::new())
            .map_err(|error| not_opened(root, error)),
        Location::Bucket { bucket, .. } => Ok(vec![OpenQuestion {
            setting: LOCATION,
            what: format!("whether objects can be written to the bucket {bucket}"),
        }]),
    }
}

fn not_opened(root: &Path, error: std::io::Error) -> OpenError {
    OpenError::File {
        setting: LOCATION,
        path: root.to_owned(),
        error,
    }
}

/// An archive that events are written to.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    batches: Batcher,
}

impl Archive {
    /// Opens the archive; its folder is created.
    pub(super) fn open(config: &ArchiveConfig, aws: &Aws) -> Result<Archive, OpenError> {
        let batches = match &config.location {
            Location::Folder(root) => {
                folder::prepare(root).map_err(|error| not_opened(root, error))?;
                let root = Arc::new(root.clone());
                Batcher::start(LIMITS, move |events, _| {
                    let root = root.clone();
                    written(events, move |object| async move {
                        let write = move || folder::write(&root, &object);
                        let written = tokio::task::spawn_blocking(write).await;
                        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                            Ok(()) => Ok(()),
                            Err(error) => Err(unavailable(&error.to_string())),
                        }
                    })
                })
            }
            Location::Bucket { bucket, prefix } => {
                let bucket = Bucket::new(aws, bucket, prefix, config.region.as_deref());
                Batcher::start(LIMITS, move |events, deadline: Instant| {
                    let bucket = bucket.clone();
                    written(events, move |object| async move {
                        let left = deadline.saturating_duration_since(Instant::now());
                        bucket.put(object, left).await
                    })
                })
            }
        };
        Ok(Archive { batches })
    }

    pub(crate) async fn deliver(&self, event: &Event, deadline: Instant) -> DeliveryReport {
        self.batches.deliver(event, 1, deadline).await
    }
}

/// Writes a batch as an object. Its events share the result.
async fn written<R>(events: Vec<BatchEvent>, write: impl FnOnce(Object) -> R) -> Vec<DeliveryReport>
where
    R: Future<Output = Result<(), Failure>>,
{
    let count = events.len();
    let object = tokio::task::spawn_blocking(move || Object::of(&events)).await;
    let result = match object.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(object) => write(object).await,
        Err(error) => Err(unavailable(&error.to_string())),
    };
    let delivery = match result {
        Ok(()) => Delivery::Delivered { id: None },
        Err(failure) => Delivery::Transient(failure),
    };
    vec![DeliveryReport::once(delivery); count]
}

/// A failure that is none of the events': a full disk, for example.
fn unavailable(message: &str) -> Failure {
    Failure::new(Reason::Unavailable, Scope::Target, message)
}

#[cfg(test)]
mod tests;
