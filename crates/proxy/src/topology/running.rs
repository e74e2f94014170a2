//! A topology that runs: supervises its tasks and its storage, reloads, and stops in order.
//!
//! A stop accepts no new requests, answers those under way, completes the batches in progress, and leaves the rest in the
//! queue; then it closes the database. Started by `topology.rs`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::delivery::OpenPipelines;
use crate::history::RunningRecorder;
use crate::queue::{Ledger, Queue};
use crate::telemetry::STOP;

/// How long a stop may verify and close the files, and how long it may save what only open files contain.
const VERIFY: Duration = Duration::from_millis(500);
const SAVE: Duration = Duration::from_secs(5);

/// How long a stop may record the last outcomes: that takes milliseconds, unless the disk hangs.
const RECORD: Duration = Duration::from_secs(1);

/// Why a proxy has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A shutdown was requested.
    Requested,
    /// A task ended or panicked, which is a bug.
    TaskEnded,
    /// The files of the queue are damaged or were removed. Everything that was accepted is where the next start
    /// finds it.
    StorageFailed,
}

/// What runs.
pub(super) struct RunningProxy {
    /// Ends all tasks.
    pub(super) stop: CancellationToken,
    pub(super) tasks: JoinSet<()>,
    pub(super) queue: Queue,
    /// The positions of the sources, if there are any.
    pub(super) ledger: Option<Ledger>,
    /// What records outcomes, if anything does.
    pub(super) recorder: Option<RunningRecorder>,
    pub(super) pipelines: Arc<OpenPipelines>,
}

impl RunningProxy {
    /// Waits for `shutdown`, or until the proxy cannot go on, and stops. Reloads whenever `reload` completes.
    pub(super) async fn supervise(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut reload: impl AsyncFnMut(),
    ) -> StopReason {
        let mut shutdown = pin!(shutdown);
        let reason = loop {
            tokio::select! {
                () = &mut shutdown => break StopReason::Requested,
                reason = self.failed() => break reason,
                () = reload() => tokio::select! {
                    () = self.reload() => {}
                    () = &mut shutdown => break StopReason::Requested,
                },
            }
        };
        self.stop().await;
        reason
    }

    /// Waits until the proxy cannot go on.
    async fn failed(&mut self) -> StopReason {
        let failure = tokio::select! {
            failure = self.queue.failed() => failure,
            failure = ledger_failed(self.ledger.as_ref()) => failure,
            ended = self.tasks.join_next() => {
                if let Some(Err(panic)) = ended {
                    error!(error = %panic, "a task panicked; the process ends");
                }
                return StopReason::TaskEnded;
            }
        };
        error!(error = %failure, "storage failed; the process ends, and the next start recovers it");
        StopReason::StorageFailed
    }

    /// Reads the rules again, opens targets that are not open, reopens files that were rotated, and verifies that the
    /// databases are at their paths.
    async fn reload(&self) {
        self.pipelines.retry();
        let pipelines = self.pipelines.all();
        join_all(pipelines.iter().map(|pipeline| pipeline.rules.reload())).await;
        pipelines.iter().for_each(|it| it.target.reopen());
        match self.queue.verify().await {
            Ok(()) => info!("rules and files reloaded"),
            Err(error) => error!(%error, "rules reloaded, but storage has failed"),
        }
    }

    /// Waits until everything is saved that only the open files of failed databases contain.
    async fn saved(&self) {
        if self.queue.has_failed() {
            self.queue.failed().await;
        }
    }

    /// Stops everything, within the limits of time.
    async fn stop(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP, ended).await.is_err() {
            warn!("shutdown timed out; unfinished events stay queued");
        }
        if let Some(recorder) = self.recorder.take() {
            recorder.finish(RECORD).await;
        }
        // What is only in files without a path is lost when the process ends.
        self.pipelines
            .all()
            .iter()
            .for_each(|it| it.target.reopen());
        if timeout(VERIFY, self.queue.verify()).await.is_err() {
            warn!("the disk is too slow to verify that all files are in place");
        }
        if timeout(SAVE, self.saved()).await.is_err() {
            error!("storage failed, and what only open files hold could not be saved in time");
        }
        // The data folder may be removed or used by another process as soon as this one has ended.
        let closed = self.queue.closed();
        let ledger = self.ledger.as_ref().map(Ledger::closed);
        drop((self.tasks, self.queue, self.ledger, self.pipelines));
        let closed = async {
            closed.await;
            if let Some(ledger) = ledger {
                ledger.await;
            }
        };
        let _ = timeout(VERIFY, closed).await;
        info!("lineage-proxy stopped");
    }
}

/// Waits until the ledger has failed for good.
async fn ledger_failed(ledger: Option<&Ledger>) -> journal::Failure {
    match ledger {
        Some(ledger) => ledger.failed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Embedded;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_the_proxy() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        tasks.spawn(async { panic!("a bug") });
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::own(folder.path(), Duration::from_secs(1))
            .await
            .unwrap();
        let mut running = RunningProxy {
            stop: CancellationToken::new(),
            tasks,
            queue: Queue::Embedded(queue),
            ledger: None,
            recorder: None,
            pipelines: Arc::default(),
        };
        assert_eq!(running.failed().await, StopReason::TaskEnded);
    }
}
