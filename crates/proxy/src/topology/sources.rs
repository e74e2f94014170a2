//! The sources of a running `serve`: opens their ledger, and starts a task for each.
//!
//! Opening a source calls nothing, so a service that does not answer keeps no `serve` from starting; its first poll says so.
//! A source that panics is opened again. What a source does is in `source.rs`.

use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use journal::Claim;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::storage::{self, Storage};
use super::{StartError, StartErrors};
use crate::config::{Config, SourceConfig};
use crate::intake::{CpuPool, Intake, MemoryBudget};
use crate::queue::{Ledger, Log, LogOptions, Queue, QueueConfig, Sqs};
use crate::source::{Sender, SourceTask};

/// How long to wait after a panic.
const PAUSE: Duration = Duration::from_secs(60);

/// How often a command tries a queue that is not available: 0.2 s apart first, and each time twice as long.
const ATTEMPTS: u32 = 6;

/// The least memory of the events that sources are sending, all together, in bytes.
const LEAST_MEMORY: usize = 64 << 20;

/// The sources, with what they share. Nothing runs yet.
pub(super) struct Sources {
    sources: Vec<(SourceConfig, Sender)>,
    ledger: Ledger,
    aws: Aws,
}

/// Opens the queue of a configuration for a command that sends what it finds: the log of a `serve` that does not run, whatever its
/// targets are, or SQS. `name` is that of the source. A queue that is not available is given up after some attempts.
pub async fn open_sender(config: &Config, aws: &Aws, name: &str) -> Result<Sender, StartErrors> {
    let claim = storage::claim_folder(config)?;
    let intake = |queue| Intake::new(queue, config.ingest.level, CpuPool::new());
    let intake = match &config.queue {
        QueueConfig::Embedded(settings) => {
            let options = LogOptions {
                visibility_timeout: settings.visibility_timeout,
                retention: settings.retention,
            };
            let log = Log::claimed(claim, options).await;
            let log = log.map_err(|error| StartError::database("queue", &error))?;
            intake(Queue::Log(log))
        }
        QueueConfig::Sqs(settings) => {
            let ledger = open_ledger(claim).await?;
            let queue = Sqs::new(aws, settings, targets::words).await;
            intake(Queue::Sqs(queue)).with_ledger(ledger)
        }
    };
    let max_size = config.ingest.max_decompressed_size;
    let sender = Sender::new(name.into(), intake, memory(max_size), max_size);
    Ok(sender
        .with_data_folder(&config.data_dir)
        .with_attempts(ATTEMPTS))
}

async fn open_ledger(folder: Arc<Claim>) -> Result<Ledger, StartError> {
    let ledger = Ledger::own(folder).await;
    ledger.map_err(|error| StartError::database("sources", &error))
}

/// The memory of what all sources are sending: a large event leaves a quarter to the others.
fn memory(max_size: usize) -> MemoryBudget {
    MemoryBudget::new(LEAST_MEMORY.max(max_size.saturating_mul(2)))
}

impl Sources {
    /// Opens what the configured sources need, if there are some.
    pub(super) async fn open(
        config: &Config,
        aws: &Aws,
        queue: &Queue,
        storage: &Storage<'_>,
    ) -> Result<Option<Sources>, StartError> {
        let Some(folder) = storage.ledger(config) else {
            return Ok(None);
        };
        let ledger = open_ledger(folder).await?;
        let intake = Intake::new(queue.clone(), config.ingest.level, CpuPool::new());
        let intake = match storage {
            Storage::Sqs { .. } => intake.with_ledger(ledger.clone()),
            Storage::Log { .. } => intake, // which knows the identities itself
        };
        let max_size = config.ingest.max_decompressed_size;
        let memory = memory(max_size);
        let sender = |source: &SourceConfig| {
            let name = source.name.as_str().into();
            Sender::new(name, intake.clone(), memory.clone(), max_size)
                .with_data_folder(&config.data_dir)
        };
        let sources = config.running_sources();
        Ok(Some(Sources {
            sources: sources
                .map(|source| (source.clone(), sender(source)))
                .collect(),
            ledger,
            aws: aws.clone(),
        }))
    }

    /// Starts a task for each. Returns the ledger.
    pub(super) fn start(self, tasks: &mut JoinSet<()>, stop: &CancellationToken) -> Ledger {
        let Sources {
            sources,
            ledger,
            aws,
        } = self;
        for (config, sender) in sources {
            let (ledger, aws, stop) = (ledger.clone(), aws.clone(), stop.clone());
            tasks.spawn(async move {
                let start = || SourceTask {
                    name: config.name.as_str().into(),
                    source: config.kind.clone().open(&aws),
                    interval: config.interval,
                    ledger: ledger.clone(),
                    sender: sender.clone(),
                };
                while let Err(panic) = tokio::spawn(start().run(stop.clone())).await {
                    error!(source = config.name, error = %panic, "source panicked, restarting");
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = stop.cancelled() => break,
                    }
                }
            });
        }
        ledger
    }
}
