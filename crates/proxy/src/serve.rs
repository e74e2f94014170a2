//! The parts of a long-lived process: the HTTP listener, the workers, the reports by the clock, the signals.
//!
//! Each part runs until it is stopped, and does not know the others. `topology.rs` opens what they need and starts them. The
//! Lambda functions have none of them.

mod clients;
mod listen;
mod signals;
mod watch;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config::Batch;
use crate::pipeline::Pipeline;
use worker::Worker;

pub use signals::{ReloadSignal, ShutdownSignal};

pub(crate) use listen::listen;
pub(crate) use watch::{watch_queue, watch_rejections, watch_target, watch_unopened};

/// How long to wait after the queue could not be read, and after a panic of a worker.
const PAUSE: Duration = Duration::from_secs(1);

/// What the worker of a target needs.
#[derive(Clone)]
pub(crate) struct WorkerResources {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) batch: Batch,
    pub(crate) visibility_timeout: Duration,
    pub(crate) stop: CancellationToken,
}

/// Delivers events to one target until the stop. A worker that panics is replaced by a new one.
pub(crate) async fn work(resources: WorkerResources) {
    let target = resources.pipeline.target.name().to_string();
    let stop = resources.stop.clone();
    supervise(&target, stop, || Worker::new(resources.clone()).work()).await;
}

/// Runs a worker until it ends by itself. Starts another one after a panic and a pause.
async fn supervise<W>(target: &str, stop: CancellationToken, start: impl Fn() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    while let Err(panic) = tokio::spawn(start()).await {
        error!(target, error = %panic, "worker panicked, restarting");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => break,
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
        supervise("target", CancellationToken::new(), part).await;
        assert_eq!(starts.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_part_that_panics_at_every_start_does_not_keep_the_process_from_stopping() {
        let stop = CancellationToken::new();
        let always = || async { panic!("a bug") };
        let supervising = tokio::spawn(supervise("target", stop.clone(), always));
        stop.cancel();
        supervising.await.unwrap();
    }
}
