//! The data folder and the queues of a process, and who else can read them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::Aws;
use journal::{Claim, ClaimError};
use settings::{Format, PointInTime};
use targets::Kind;
use tracing::{info, warn};

use super::{StartError, StartErrors};
use crate::config::{Config, ConfigError, StartFrom};
use crate::queue::{
    ConsumerStatus, Embedded, LogOptions, OwnerTarget, Queue, QueueConfig, Retention, Sqs, Start,
    now,
};

/// Whether the process keeps events, or the positions of sources, in the data folder.
pub(super) fn uses_data_folder(config: &Config) -> bool {
    matches!(config.queue, QueueConfig::Embedded(_)) || config.running_sources().next().is_some()
}

/// Claims the data folder, if the process uses it.
pub(super) fn claim(config: &Config) -> Result<Option<Arc<Claim>>, StartError> {
    match uses_data_folder(config) {
        false => Ok(None),
        true => claim_folder(config).map(Some),
    }
}

/// Claims the data folder.
pub(super) fn claim_folder(config: &Config) -> Result<Arc<Claim>, StartError> {
    match Claim::take(&config.data_dir) {
        Ok(claim) => Ok(Arc::new(claim)),
        Err(ClaimError::Failed(folder, error)) => {
            Err(StartError::io("data_dir", folder.display(), &error))
        }
        Err(error @ ClaimError::InUse(_)) => Err(StartError::Temporary(ConfigError::general(
            error.to_string(),
        ))),
    }
}

/// Opens the queue of a process with one target: SQS where a URL is set, or else the one in the data folder.
pub async fn open_queue(
    config: &Config,
    aws: &Aws,
    claim: Option<Arc<Claim>>,
) -> Result<Queue, StartErrors> {
    let mut queues = open_queues(config, aws, claim).await?.into_iter();
    let none = || StartError::Invalid(ConfigError::about("target", "not set"));
    Ok(queues.next().ok_or_else(none)?)
}

/// Opens the queue of each target, in their order; at least one. What is sent to one of them is received from each.
pub(super) async fn open_queues(
    config: &Config,
    aws: &Aws,
    claim: Option<Arc<Claim>>,
) -> Result<Vec<Queue>, StartErrors> {
    match (&config.queue, claim) {
        (QueueConfig::Sqs(settings), _) => {
            let queue = Queue::Sqs(Sqs::new(aws, settings, targets::words).await);
            Ok(vec![queue; config.pipelines().count()]) // one, by the configuration
        }
        (QueueConfig::Embedded(settings), Some(claim)) => {
            let now = now();
            let targets = config.pipelines().map(|pipeline| OwnerTarget {
                name: pipeline.target.name.as_str(),
                start: pipeline.start_from.map(|from| from.start(now)),
            });
            let targets: Vec<OwnerTarget<'_>> = targets.collect();
            let options = LogOptions {
                visibility_timeout: settings.visibility_timeout,
                retention: settings.retention,
            };
            let opened = Embedded::claimed(claim, &targets, store(config), options).await;
            let (queues, left) = opened.map_err(|error| StartError::database("queue", &error))?;
            for (queue, pipeline) in queues.iter().zip(config.pipelines()) {
                log_start(queue, pipeline.start_from);
            }
            left.iter().for_each(warn_of_left_events);
            Ok(queues.into_iter().map(Queue::Embedded).collect())
        }
        (QueueConfig::Embedded(_), None) => {
            // A process that has claimed no folder is a function.
            let message = "is required: a function needs an SQS queue";
            Err(StartError::Invalid(ConfigError::about("queue.url", message)).into())
        }
    }
}

/// Says what a target gets that is new to the log: it may be less than was meant, since events are kept for a limited time.
fn log_start(queue: &Embedded, from: Option<StartFrom>) {
    let Some(started) = queue.started() else {
        return;
    };
    // The first target of a log.
    if from.is_none() && started.start == Start::Oldest && started.events == 0 {
        return;
    }
    let start = match started.start {
        Start::Next => "new".to_owned(),
        Start::Oldest => "oldest".to_owned(),
        Start::Since(time) => PointInTime::show(&PointInTime::At(time)),
    };
    let first = started
        .first
        .map(|time| PointInTime::show(&PointInTime::At(time)));
    info!(
        target = queue.target(),
        start,
        events = started.events,
        first,
        "a new target starts in the log"
    );
}

/// The name of the target of the kind `store`. There is at most one.
pub(super) fn store(config: &Config) -> Option<&str> {
    let mut pipelines = config.pipelines();
    let store = pipelines.find(|pipeline| pipeline.target.kind.kind() == Kind::Store);
    store.map(|pipeline| pipeline.target.name.as_str())
}

fn warn_of_left_events(left: &ConsumerStatus) {
    let target = left.target.as_str();
    warn!(
        target,
        events = left.pending,
        dead_letters = left.dead_letters,
        remedy = format!("configure the target again, or lineage-proxy queue discard {target}"),
        "events are kept for a target that is not configured"
    );
}

/// Warns of files and folders with events that others than their owner can read or change: events contain names, SQL, and
/// sometimes secrets. Their modes stay as they are, since they may have been chosen.
pub(super) fn warn_if_exposed(config: &Config, claim: Option<&Claim>) {
    let folder = claim.map(Claim::folder);
    // Where others cannot enter the folder, the modes of the files in it do not matter.
    let exposed = journal::exposed(folder);
    let databases = match exposed.is_empty() {
        true => Vec::new(),
        false => databases(folder),
    };
    let files = config
        .running_pipelines()
        .filter_map(|pipeline| pipeline.target.kind.file());
    let files = databases.iter().map(PathBuf::as_path).chain(files);
    for (path, mode) in exposed.into_iter().chain(journal::exposed(files)) {
        let path = path.display();
        warn!(
            %path,
            mode = format!("{mode:04o}"),
            remedy = format!("chmod go= {path}"),
            "other users can read or change files of the proxy"
        );
    }
}

/// Warns of a target whose rules redact, where nobody has chosen how long the log keeps events as they were accepted.
pub(super) fn warn_if_kept_unredacted(config: &Config, target: &str) {
    let QueueConfig::Embedded(settings) = &config.queue else {
        return;
    };
    let Retention { age, .. } = settings.retention;
    if settings.retention.keeps_any() && !config.origins.is_set("retention.age") {
        warn!(
            target,
            age_seconds = age.as_secs(),
            mend =
                "set retention.age: 0 to keep no event that is delivered, or how long to keep it",
            "retained events are not redacted: they are kept as they were accepted"
        );
    }
}

/// The databases in the data folder, with their journals and rescued copies.
fn databases(folder: Option<&Path>) -> Vec<PathBuf> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().filter_map(Result::ok);
    let paths = paths.map(|entry| entry.path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains(".db")
    };
    paths.filter(is_database).collect()
}
