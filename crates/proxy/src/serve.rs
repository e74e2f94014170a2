//! `serve`: ingest, queue and batch in one process, until it is told to stop.
//!
//! The same router and the same batch as the two functions. A stop takes no new requests, answers those that are
//! under way, ends the batch in hand, and leaves what is not done in the queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use journal::Trouble;
use targets::Target;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use transform::Transforms;

use crate::batch::{self, Batch, Hold, Report};
use crate::config::{self, Config, Part};
use crate::ingest::{Ingest, router};
use crate::queue::{Queue, Record, Settlement};
use crate::rules::Allowed;
use crate::setup;
use crate::telemetry::{Prometheus, STOP};

/// How long to wait after the queue could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// The signal that says that a file has reached the limit of its size, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A proxy that listens, and can be stopped.
pub struct Served {
    /// Where it listens; with port 0 configured, the port that was given.
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Starts a proxy. `watcher` is sent each batch that is done, for those who show it.
pub async fn start(
    config: &Config,
    prometheus: Prometheus,
    watcher: Option<mpsc::UnboundedSender<Report>>,
    transforms: Transforms,
) -> anyhow::Result<Served> {
    let aws = setup::aws(config).await;
    let queue = setup::queue(config, aws.as_ref()).await?;
    // At a limit of file sizes a write fails, like at a full disk, in place of ending us.
    drop(signal(SignalKind::from_raw(SIGXFSZ))?);
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    let mut store = None;
    if config.only != Some(Part::Ingest) {
        let visible = config.queue.visibility_timeout;
        // SQS gives out one by one what is then a batch.
        let older = match &config.queue.url {
            Some(_) => config.batch.window + Duration::from_secs(1),
            None => Duration::ZERO,
        };
        let allowed = Allowed {
            transforms,
            longest_window: Some(Hold::longest_window(visible, older)),
        };
        let batch = Arc::new(setup::batch(config, aws.as_ref(), allowed).await?);
        store = match &batch.target {
            Target::Store(store) => Some(store.clone()),
            Target::DataZone(_) | Target::OpenLineage(_) | Target::File(_) => None,
        };
        let worker = Worker {
            batch,
            queue: queue.clone(),
            config: config.clone(),
            stop: stop.clone(),
            watcher,
            // A FIFO queue gives out nothing more of a run while an event of it is held.
            hold: match &config.queue.url {
                Some(url) if url.ends_with(".fifo") => Hold::nothing(),
                Some(_) | None => Hold::between_batches(visible, older),
            },
            trouble: Trouble::new("the queue cannot be read"),
        };
        tasks.push(tokio::spawn(worker.work()));
    }
    // A proxy that only takes out of the queue still answers whether it is alive.
    let listener = setup::listener(config).await?;
    let address = listener.local_addr()?;
    let keys = setup::keys(config, aws.as_ref());
    let ingest = Ingest::new(&config.ingest, queue, keys).with_local(prometheus, store);
    let router = router(ingest, &config.ingest.path_prefix);
    let no_delay = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true); // slower without, but not wrong
    });
    let stopped = stop.clone().cancelled_owned();
    tasks.push(tokio::spawn(async move {
        if let Err(error) = axum::serve(no_delay, router)
            .with_graceful_shutdown(stopped)
            .await
        {
            error!(%error, "no longer listening");
        }
    }));
    info!(%address, target = config.target.name(), data_dir = %config.data_dir.display(), "listening");
    Ok(Served {
        address,
        stop,
        tasks,
    })
}

impl Served {
    /// Stops: answers what is under way, ends the batch in hand.
    pub async fn stop(self) {
        self.stop.cancel();
        let deadline = Instant::now() + STOP;
        for task in self.tasks {
            if tokio::time::timeout_at(deadline, task).await.is_err() {
                warn!("not everything ended in time; what is not done stays in the queue");
            }
        }
        info!("stopped");
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

/// Takes batches out of the queue, one after another, so that a run keeps its order across batches too.
struct Worker {
    batch: Arc<Batch>,
    queue: Queue,
    config: Config,
    stop: CancellationToken,
    watcher: Option<mpsc::UnboundedSender<Report>>,
    hold: Hold,
    trouble: Trouble,
}

impl Worker {
    async fn work(mut self) {
        let mut left = Vec::new();
        while !self.stop.is_cancelled() {
            let config::Batch { size, window, .. } = self.config.batch;
            let received = self.queue.receive(size, window, &self.stop).await;
            if received.is_ok() {
                self.trouble.fine();
            }
            match received {
                Ok(records) if self.stop.is_cancelled() => left = records,
                Ok(records) if records.is_empty() && !self.hold.is_due() => {
                    self.batch.rules.refresh().await;
                }
                Ok(records) => self.handle(records).await,
                Err(error) => {
                    self.trouble.failed(&error);
                    if self.hold.is_due() {
                        self.handle(Vec::new()).await;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
        self.hand_back(left).await;
    }

    /// What was taken and not begun, and what is held, is somebody else's now, or ours after the next start.
    async fn hand_back(&mut self, left: Vec<Record>) {
        let held: Vec<Record> = self.hold.drain().into_iter().chain(left).collect();
        let again = |record| (record, Settlement::Retry(Duration::ZERO));
        let held: Vec<_> = held.iter().map(again).collect();
        for answer in self.queue.settle(&held).await {
            if let Err(error) = answer {
                warn!(%error, "not handed back: the event will come again later");
            }
        }
    }

    async fn handle(&mut self, records: Vec<Record>) {
        // What is not done when the visibility time-out is over would be received again beside us.
        let visible = self.config.queue.visibility_timeout;
        let time = visible
            .saturating_sub(self.hold.longest())
            .saturating_sub(batch::MARGIN);
        let (batch, queue) = (self.batch.clone(), self.queue.clone());
        let deadline = Instant::now() + time;
        // A task of its own: a panic ends the batch, which comes again, and not the worker.
        let again = self.hold.anew();
        let mut hold = std::mem::replace(&mut self.hold, again);
        let running = tokio::spawn(async move {
            let report = batch::run(&batch, &queue, &mut hold, records, deadline).await;
            (report, hold)
        });
        match running.await {
            Ok((report, hold)) => {
                self.hold = hold;
                if let Some(watcher) = &self.watcher {
                    let _ = watcher.send(report); // it may have seen enough
                }
            }
            Err(panic) => {
                error!(error = %panic, "a batch ended in a panic; its events will come again")
            }
        }
    }
}
