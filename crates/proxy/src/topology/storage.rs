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
    ConsumerStatus, Embedded, EmbeddedConfig, LogOptions, OwnerTarget, Queue, QueueConfig,
    Retention, Sqs, SqsConfig, SqsDeadLetters, Start, now,
};

/// Where a process keeps events, and how far its sources are. The data folder is claimed, if it uses it.
pub(super) enum Storage<'c> {
    /// The log in the data folder. The ledger of the sources stands beside it.
    Log {
        settings: &'c EmbeddedConfig,
        folder: Arc<Claim>,
    },
    /// SQS.
    Sqs {
        settings: &'c SqsConfig,
        /// The folder of the ledger, if there are sources.
        ledger: Option<Arc<Claim>>,
    },
}

/// The queues of a process. What is sent to one of them is received from each.
pub(super) struct OpenQueues {
    /// What ingest and sources send to.
    pub(super) ingest: Queue,
    /// That of each target, in their order.
    pub(super) targets: Vec<Queue>,
}

impl<'c> Storage<'c> {
    /// Claims the data folder, if the process uses it.
    pub(super) fn claim(config: &'c Config) -> Result<Storage<'c>, StartError> {
        let folder = || claim_folder(config);
        Ok(match &config.queue {
            QueueConfig::Embedded(settings) => Storage::Log {
                settings,
                folder: folder()?,
            },
            QueueConfig::Sqs(settings) => Storage::Sqs {
                settings,
                ledger: has_sources(config).then(folder).transpose()?,
            },
        })
    }

    /// Returns the data folder, if the process uses it.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Storage::Log { folder, .. } => Some(folder.folder()),
            Storage::Sqs { ledger, .. } => ledger.as_ref().map(|folder| folder.folder()),
        }
    }

    /// Returns the dead letters of a queue in SQS, if it is known where they are.
    pub(super) async fn dead_letters(&self, aws: &Aws) -> Option<SqsDeadLetters> {
        let Storage::Sqs { settings, .. } = self else {
            return None;
        };
        let (queue, letters) = (settings.queue.clone()?, settings.dead_letters.clone()?);
        let bucket = settings.bucket.clone();
        Some(SqsDeadLetters::new(aws, queue, letters, bucket, targets::words).await)
    }

    /// Returns the folder of the ledger of the sources, if there are sources.
    pub(super) fn ledger(&self, config: &Config) -> Option<Arc<Claim>> {
        match self {
            Storage::Log { folder, .. } => has_sources(config).then(|| folder.clone()),
            Storage::Sqs { ledger, .. } => ledger.clone(),
        }
    }

    /// Returns the folder of the history, if outcomes are recorded: beside the log, which has the events.
    pub(super) fn history(&self, config: &Config) -> Option<Arc<Claim>> {
        let delivers = config.running_pipelines().next().is_some();
        match self {
            Storage::Log { folder, .. } => {
                (delivers && config.history.keeps_any()).then(|| folder.clone())
            }
            Storage::Sqs { .. } => None,
        }
    }

    /// Logs that there is a history of earlier, if this process records none: `events` still shows it.
    pub(super) fn mention_old_history(&self, config: &Config) {
        let old = self.folder().map(::history::History::path);
        if let Some(path) = old.filter(|path| !config.history.keeps_any() && path.is_file()) {
            info!(
                path = %path.display(),
                remedy = "delete the file, or leave it to be read",
                "the history is switched off; an old one is kept"
            );
        }
    }

    /// Opens the queues.
    pub(super) async fn open_queues(
        &self,
        config: &Config,
        aws: &Aws,
    ) -> Result<OpenQueues, StartErrors> {
        match self {
            Storage::Sqs { settings, .. } => {
                let queue = Queue::Sqs(Sqs::new(aws, settings, targets::words).await);
                Ok(OpenQueues {
                    ingest: queue.clone(),
                    targets: vec![queue; config.pipelines().count()], // one, by the configuration
                })
            }
            Storage::Log { settings, folder } => {
                let queues = open_log(config, settings, folder.clone()).await?;
                let targets: Vec<Queue> = queues.into_iter().map(Queue::Embedded).collect();
                let none = || StartError::Invalid(ConfigError::about("target", "not set"));
                let ingest = targets.first().cloned().ok_or_else(none)?;
                Ok(OpenQueues { ingest, targets })
            }
        }
    }
}

/// Whether the process keeps events, or how far its sources are, in the data folder.
pub(super) fn uses_data_folder(config: &Config) -> bool {
    match config.queue {
        QueueConfig::Embedded(_) => true,
        QueueConfig::Sqs(_) => has_sources(config),
    }
}

fn has_sources(config: &Config) -> bool {
    config.running_sources().next().is_some()
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

/// Opens the queue of a function: SQS, since a function has no disk that lasts.
pub async fn open_queue(config: &Config, aws: &Aws) -> Result<Queue, StartErrors> {
    match &config.queue {
        QueueConfig::Sqs(settings) => Ok(Queue::Sqs(Sqs::new(aws, settings, targets::words).await)),
        QueueConfig::Embedded(_) => {
            let message = "is required: a function needs an SQS queue";
            Err(StartError::Invalid(ConfigError::about("queue.url", message)).into())
        }
    }
}

/// Opens the log, and the queue of each target in it.
async fn open_log(
    config: &Config,
    settings: &EmbeddedConfig,
    folder: Arc<Claim>,
) -> Result<Vec<Embedded>, StartError> {
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
    let opened = Embedded::claimed(folder, &targets, store(config), options).await;
    let (queues, left) = opened.map_err(|error| StartError::database("queue", &error))?;
    for (queue, pipeline) in queues.iter().zip(config.pipelines()) {
        log_start(queue, pipeline.start_from);
    }
    left.iter().for_each(warn_of_left_events);
    Ok(queues)
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
pub(super) fn warn_if_exposed(config: &Config, folder: Option<&Path>) {
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
            remedy =
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
