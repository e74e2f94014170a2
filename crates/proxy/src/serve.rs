//! `serve`: ingest, queue and batch in one process, until it is told to stop.
//!
//! The same router and the same batch as the two functions. A stop takes no new requests, answers those that are
//! under way, ends the batch in hand, and leaves what is not done in the queue. A panic is a bug of ours and ends as
//! little as can be: one event's turn, one batch, at worst the worker's round; ingest that ended would end the process.

mod check;
mod clients;
mod listen;
mod signals;
mod watch;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use axum::Router;
use targets::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use transform::{Builtins, Transforms};

use crate::admin::{self, Admin, Hosts};
use crate::config::{Config, KeyRole, Part};
use crate::http::{self, Guard, Paths, RejectionLog};
use crate::ingest::{self, Ingest};
use crate::pipeline::{CoalesceBuffer, Observer, Pipeline};
use crate::queue::{Queue, QueueConfig};
use crate::rules::RuleOptions;
use crate::setup;
use crate::telemetry::{Prometheus, STOP};
pub use signals::{ToldToReload, ToldToStop};
use worker::Worker;

pub use check::{Checked, WouldNotStart, check};

/// How long to wait after the queue could not be read, and after a panic of the worker.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a stop may verify its files at last, and how long it may save what only open files hold.
const VERIFY: Duration = Duration::from_millis(500);
const SAVE: Duration = Duration::from_secs(5);

/// The signal that says that a file has reached the limit of its size, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A proxy that listens, and can be stopped.
pub struct Served {
    /// Where it listens; with port 0 configured, the port that was given.
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    queue: Queue,
    pipeline: Option<Arc<Pipeline>>,
}

/// Why a proxy has to end although nobody asked it to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A part of it has ended or panicked, which is a bug.
    Part,
    /// The files of the queue or the store are damaged, or were taken away. All that was accepted is where the next start
    /// finds it.
    Storage,
}

/// Starts a proxy. `observers` learn of the outcome of each event, besides log and metrics.
pub async fn start(
    config: &Config,
    prometheus: Prometheus,
    observers: Vec<Box<dyn Observer>>,
    transforms: Transforms,
) -> anyhow::Result<Served> {
    let aws = Aws::new();
    let claim = setup::claim(config)?;
    let queue = setup::queue(config, &aws, claim.clone()).await?;
    // At a limit of file sizes a write fails, like at a full disk, in place of ending us.
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let mut store = None;
    let (mut worker, mut watched) = (None, None);
    if config.only != Some(Part::Ingest) {
        let (visible, older) = (config.queue.visibility_timeout(), older(config));
        let options = rule_options(config, transforms);
        // A FIFO queue gives out nothing more of a run while an event of it is held back.
        let buffer = match config.queue.is_fifo() {
            true => CoalesceBuffer::disabled(),
            false => CoalesceBuffer::new(visible, older),
        };
        let pipeline = setup::pipeline(config, &aws, queue.clone(), options, claim.clone()).await?;
        let pipeline = Arc::new(pipeline.long_lived(buffer, observers));
        store = pipeline.target.store().cloned();
        watched = Some(pipeline.clone());
        let (queue, config, stop) = (queue.clone(), config.clone(), stop.clone());
        worker = Some(move || {
            let (queue, config, stop) = (queue.clone(), config.clone(), stop.clone());
            Worker::new(pipeline.clone(), queue, config, stop).work()
        });
    }
    setup::warn_of_exposed(config, claim.as_deref());
    // A proxy that only takes out of the queue still answers whether it is alive.
    let listener = setup::listener(config).await?;
    let address = listener.local_addr()?;
    let keys = setup::keys(config, &aws);
    tasks.spawn(prometheus.clone().run_upkeep(stop.clone()));
    let rejections = RejectionLog::new();
    tasks.spawn(watch::watch(
        queue.clone(),
        watched.clone(),
        rejections.clone(),
        stop.clone(),
    ));
    let auth = &config.ingest.auth;
    let reads = auth.keys.iter().any(|key| key.may(KeyRole::Metrics));
    if !auth.keys.is_empty() && !reads && auth.secret_id.is_none() && !auth.anonymous {
        info!("no key has the role read or metrics: /metrics and the store are closed");
    }
    let hosts = Hosts::new(address.ip(), &config.ingest.allowed_hosts);
    let guard = Guard::new(keys).counting_senders();
    let admin = Admin {
        queue: queue.clone(),
        prometheus,
        store,
        hosts,
        guard: guard.clone(),
    };
    let ingest = Ingest::new(&config.ingest, queue.clone(), guard);
    let router = router(ingest, admin, rejections, &config.ingest.path_prefix);
    // Only now that nothing can fail any more.
    if let Some(worker) = worker {
        tasks.spawn(supervised("worker", stop.clone(), worker));
    }
    let (most, told) = (config.max_connections, stop.clone());
    tasks.spawn(listen::listen(listener, router, most, told));
    info!(%address, target = %config.target.name, data_dir = %config.data_dir.display(), "listening");
    Ok(Served {
        address,
        stop,
        tasks,
        queue,
        pipeline: watched,
    })
}

/// All routes of a `serve`.
fn router(ingest: Ingest, admin: Admin, rejections: RejectionLog, prefix: &str) -> Router {
    let routes = ingest::routes(ingest, prefix).merge(admin.routes(prefix));
    let paths = Paths {
        get: &admin::PATHS,
        post: &ingest::PATHS,
    };
    http::app(routes, paths, prefix, rejections)
}

/// What the rules file of a proxy with this configuration may use.
pub fn rule_options(config: &Config, transforms: Transforms) -> RuleOptions {
    let visible = config.queue.visibility_timeout();
    RuleOptions {
        transforms,
        max_window: Some(CoalesceBuffer::max_window(visible, older(config))),
        target: Some(config.target.name.clone()),
        builtins: Builtins::default(),
    }
}

/// How long events may have been out of sight when they come: SQS gives out one by one what is then a batch.
fn older(config: &Config) -> Duration {
    match &config.queue {
        QueueConfig::Sqs(_) => config.batch.window + Duration::from_secs(1),
        QueueConfig::Embedded(_) => Duration::ZERO,
    }
}

impl Served {
    /// Waits until the proxy cannot go on. The process is of no use then, and its supervisor has to start it again.
    pub async fn ended(&mut self) -> Ended {
        let store = (self.pipeline.as_ref()).and_then(|pipeline| pipeline.target.store());
        let failure = tokio::select! {
            failure = storage_failed(&self.queue, store) => failure,
            ended = self.tasks.join_next() => {
                if let Some(Err(panic)) = ended {
                    error!(error = %panic, "a part panicked, exiting");
                }
                return Ended::Part;
            }
        };
        // The same may have happened to the other database.
        let _ = self.verify().await;
        self.saved().await;
        error!(error = %failure, "storage failed, exiting; the next start recovers it");
        Ended::Storage
    }

    /// Reads the rules again, opens the file of target `file` again, and checks that the databases are in place.
    pub async fn reload(&self) {
        if let Some(pipeline) = &self.pipeline {
            pipeline.rules.reload().await;
        }
        match self.verify().await {
            Ok(()) => info!("reloaded"),
            Err(error) => error!(%error, "reloaded the rules, but storage has failed"),
        }
    }

    /// Checks that all open files are the ones that their paths name. After an error, [`Served::ended`] returns.
    async fn verify(&self) -> anyhow::Result<()> {
        let target = async {
            match &self.pipeline {
                Some(pipeline) => pipeline.target.reopen().await,
                None => Ok(()),
            }
        };
        let (target, queue) = tokio::join!(target, self.queue.verify());
        target?;
        queue?;
        Ok(())
    }

    /// Waits until everything is saved that only the open files of failed databases hold.
    async fn saved(&self) {
        if self.queue.has_failed() {
            self.queue.failed().await;
        }
        let store = (self.pipeline.as_ref()).and_then(|pipeline| pipeline.target.store());
        if let Some(store) = store.filter(|store| store.has_failed()) {
            store.failed().await;
        }
    }

    /// Stops: answers what is under way, ends the batch in hand.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP, ended).await.is_err() {
            warn!("shutdown timed out; unfinished events stay queued");
        }
        // What is in files that nobody finds any more ends with the process.
        if (tokio::time::timeout(VERIFY, self.verify()).await).is_err() {
            warn!("the disk is too slow to verify that all files are in place");
        }
        if tokio::time::timeout(SAVE, self.saved()).await.is_err() {
            error!("storage failed, and what only open files hold could not be saved in time");
        }
        // Whoever removes the data folder next must not find it in use.
        let store = (self.pipeline.as_ref()).and_then(|pipeline| pipeline.target.store());
        let store = store.map(Store::closed);
        let queue = self.queue.closed();
        drop((self.tasks, self.queue, self.pipeline));
        let closed = async {
            queue.await;
            if let Some(store) = store {
                store.await;
            }
        };
        let _ = tokio::time::timeout(VERIFY, closed).await;
        info!("stopped");
    }
}

/// Waits until the files of the queue or the store have failed for good.
async fn storage_failed(queue: &Queue, store: Option<&Store>) -> journal::Failure {
    let store = async {
        match store {
            Some(store) => store.failed().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        failure = queue.failed() => failure,
        failure = store => failure,
    }
}

/// Runs a part until it ends by itself. A panic in it costs a pause; then there is a new one.
async fn supervised<P>(name: &'static str, stop: CancellationToken, anew: impl Fn() -> P)
where
    P: Future<Output = ()> + Send + 'static,
{
    while let Err(panic) = tokio::spawn(anew()).await {
        error!(part = name, error = %panic, "worker panicked, restarting");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Embedded;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_part_that_panics_starts_again_until_it_ends_by_itself() {
        let starts = Arc::new(AtomicU32::new(0));
        let part = {
            let starts = starts.clone();
            move || {
                let start = starts.fetch_add(1, Ordering::Relaxed);
                async move { assert!(start > 0, "a bug") }
            }
        };
        supervised("part", CancellationToken::new(), part).await;
        assert_eq!(starts.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_part_that_panics_at_every_start_does_not_keep_the_process_from_stopping() {
        let stop = CancellationToken::new();
        let always = || async { panic!("a bug") };
        let supervising = tokio::spawn(supervised("part", stop.clone(), always));
        stop.cancel();
        supervising.await.unwrap();
    }

    #[tokio::test]
    async fn a_part_that_ends_untold_is_noticed() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        tasks.spawn(async { panic!("a bug") });
        let stop = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::own(folder.path(), PAUSE).await.unwrap();
        let mut served = Served {
            address: ([127, 0, 0, 1], 0).into(),
            stop,
            tasks,
            queue: Queue::Embedded(queue),
            pipeline: None,
        };
        assert_eq!(served.ended().await, Ended::Part);
    }
}
