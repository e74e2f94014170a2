//! From a configuration to the parts that run: clients, queue, target. Called by the mains of all shells.

use std::fs;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use targets::{DataZone, File, OpenLineageHttp, Store, Target};
use tokio::net::TcpListener;

use crate::batch::Batch;
use crate::config::{self, Config};
use crate::ingest::Keys;
use crate::lookup::Lookups;
use crate::queue::{Embedded, Queue, Sqs};

/// The store in the data folder.
const STORE: &str = "store.db";

/// Why a part could not be set up: the process does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotStarted(String);

/// The shared AWS configuration, if anything that was configured needs one: without, nothing looks for credentials.
pub async fn aws(config: &Config) -> Option<SdkConfig> {
    let target = matches!(config.target, config::Target::DataZone { .. });
    let needed = target
        || config.redshift_lookup
        || config.queue.url.is_some()
        || config.ingest.auth.secret_id.is_some();
    if needed {
        Some(aws_config::defaults(BehaviorVersion::latest()).load().await)
    } else {
        None
    }
}

/// The queue: SQS where a URL is set, else the one in the data folder.
pub async fn queue(config: &Config, aws: Option<&SdkConfig>) -> Result<Queue, NotStarted> {
    let visibility = config.queue.visibility_timeout;
    match (&config.queue.url, aws) {
        (Some(url), Some(aws)) => Ok(Queue::Sqs(Sqs::new(
            aws,
            url.clone(),
            config.queue.dead_letter_url.clone(),
            visibility,
        ))),
        (Some(_), None) => Err(NotStarted(
            "an SQS queue needs an AWS configuration".to_owned(),
        )),
        (None, _) => {
            let queue = Embedded::own(&config.data_dir, visibility).await;
            queue
                .map(Queue::Embedded)
                .map_err(|error| NotStarted(error.to_string()))
        }
    }
}

/// The address that `serve` listens on.
pub async fn listener(config: &Config) -> Result<TcpListener, NotStarted> {
    let bound = TcpListener::bind(config.listen).await;
    bound.map_err(|error| NotStarted(format!("listen: {}: {error}", config.listen)))
}

/// The target.
pub fn target(config: &Config, aws: Option<&SdkConfig>) -> Result<Target, NotStarted> {
    match &config.target {
        config::Target::Store => {
            let path = config.data_dir.join(STORE);
            let store = fs::create_dir_all(&config.data_dir).map_err(|error| error.to_string());
            let store = store.and_then(|()| Store::open(&path).map_err(|error| error.to_string()));
            store
                .map(Target::Store)
                .map_err(|error| NotStarted(format!("store: {error}")))
        }
        config::Target::File(settings) => {
            let path = settings.path.display().to_string();
            File::open(settings.clone())
                .map(Target::File)
                .map_err(|error| NotStarted(format!("file.path: {path}: {error}")))
        }
        config::Target::OpenLineage(settings) => {
            let target = OpenLineageHttp::new(settings.clone());
            target
                .map(Target::OpenLineage)
                .map_err(|error| NotStarted(format!("openlineage: {error}")))
        }
        config::Target::DataZone {
            domain,
            region,
            per_second,
            ..
        } => {
            let Some(aws) = aws else {
                return Err(NotStarted("DataZone needs an AWS configuration".to_owned()));
            };
            let mut client = DataZone::config(aws);
            if let Some(region) = region {
                client = client.region(Region::new(region.clone()));
            }
            Ok(Target::DataZone(DataZone::new(
                client,
                domain.clone(),
                *per_second,
            )))
        }
    }
}

/// The batch, ready to run.
pub fn batch(config: &Config, aws: Option<&SdkConfig>) -> Result<Batch, NotStarted> {
    let lookups = Lookups::new(aws.filter(|_| config.redshift_lookup).cloned());
    Ok(Batch::new(config, target(config, aws)?, lookups))
}

/// The keys that ingest lets in.
pub fn keys(config: &Config, aws: Option<&SdkConfig>) -> Keys {
    Keys::new(&config.ingest.auth, aws)
}
