//! `serve`: ingest, queue and batch in one process, until it is told to stop.
//!
//! The same router and the same batch as the two functions. A stop takes no new requests, answers those that are
//! under way, ends the batch in hand, and leaves what is not done in the queue. A panic is a bug of ours and ends as
//! little as can be: one event's turn, one batch, at worst the worker's round; ingest that ended would end the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use journal::Trouble;
use targets::Target;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
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

/// How long to wait after the queue could not be read, and after a panic of the worker.
const PAUSE: Duration = Duration::from_secs(1);

/// The signal that says that a file has reached the limit of its size, on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// A proxy that listens, and can be stopped.
pub struct Served {
    /// Where it listens; with port 0 configured, the port that was given.
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
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
    let mut tasks = JoinSet::new();
    let mut store = None;
    let mut worker = None;
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
        worker = Some(Worker {
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
        });
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
    // Only now that nothing can fail any more.
    if let Some(worker) = worker {
        let (stop, again) = (stop.clone(), move || worker.anew().work());
        tasks.spawn(supervised("worker", stop, again));
    }
    tasks.spawn(async move {
        if let Err(error) = axum::serve(no_delay, router)
            .with_graceful_shutdown(stopped)
            .await
        {
            error!(%error, "no longer listening");
        }
    });
    info!(%address, target = config.target.name(), data_dir = %config.data_dir.display(), "listening");
    Ok(Served {
        address,
        stop,
        tasks,
    })
}

impl Served {
    /// Comes back when a part has ended that was not told to: the process is of no use then, and whoever watches over
    /// it can start it anew.
    pub async fn ended(&mut self) {
        if let Some(Err(panic)) = self.tasks.join_next().await {
            error!(error = %panic, "ended in a panic");
        }
    }

    /// Stops: answers what is under way, ends the batch in hand.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP, ended).await.is_err() {
            warn!("not everything ended in time; what is not done stays in the queue");
        }
        info!("stopped");
    }
}

/// SIGTERM and Ctrl-C, from when it is made: one that comes during the start counts too.
#[derive(Debug)]
pub struct ToldToStop {
    terminate: Signal,
    interrupt: Signal,
}

impl ToldToStop {
    /// Begins to listen.
    pub fn listen() -> anyhow::Result<ToldToStop> {
        Ok(ToldToStop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Comes back when one came.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs a part until it ends by itself. A panic in it costs a pause; then there is a new one.
async fn supervised<P>(name: &'static str, stop: CancellationToken, anew: impl Fn() -> P)
where
    P: Future<Output = ()> + Send + 'static,
{
    while let Err(panic) = tokio::spawn(anew()).await {
        error!(part = name, error = %panic, "ended in a panic; it starts again");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => break,
        }
    }
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
    /// One that holds nothing yet.
    fn anew(&self) -> Worker {
        Worker {
            batch: self.batch.clone(),
            queue: self.queue.clone(),
            config: self.config.clone(),
            stop: self.stop.clone(),
            watcher: self.watcher.clone(),
            hold: self.hold.anew(),
            trouble: Trouble::new("the queue cannot be read"),
        }
    }

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
        let deadline = Instant::now() + time;
        let again = self.hold.anew();
        let hold = std::mem::replace(&mut self.hold, again);
        match self.run(records.clone(), hold, deadline).await {
            Ok(hold) => self.hold = hold,
            Err(panic) => {
                // What was held comes again when its time out of sight is over.
                error!(error = %panic, "a batch ended in a panic; its events go one by one");
                self.one_by_one(records, deadline).await;
            }
        }
    }

    /// A batch in a task of its own: a panic ends the batch and not the worker.
    async fn run(
        &self,
        records: Vec<Record>,
        mut hold: Hold,
        deadline: Instant,
    ) -> Result<Hold, JoinError> {
        let (batch, queue) = (self.batch.clone(), self.queue.clone());
        let running = tokio::spawn(async move {
            let report = batch::run(&batch, &queue, &mut hold, records, deadline).await;
            (report, hold)
        });
        let (report, hold) = running.await?;
        if let Some(watcher) = &self.watcher {
            let _ = watcher.send(report); // it may have seen enough
        }
        Ok(hold)
    }

    /// So that an event on which something panics that is not caught event by event harms itself alone.
    async fn one_by_one(&self, records: Vec<Record>, deadline: Instant) {
        for record in records {
            let alone = self.run(vec![record.clone()], Hold::nothing(), deadline);
            let Err(panic) = alone.await else { continue };
            error!(id = record.id, error = %panic, "an event ended in a panic");
            let settlement = batch::after_panic(&record, self.batch.max_receives);
            for answer in self.queue.settle(&[(&record, settlement)]).await {
                if let Err(error) = answer {
                    warn!(%error, "not handed back: the event will come again later");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut served = Served {
            address: ([127, 0, 0, 1], 0).into(),
            stop,
            tasks,
        };
        served.ended().await;
    }
}
