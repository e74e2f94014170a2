//! What `serve` says by the clock and not by an event: how much is queued, how long the target has been down, and what
//! the log left out. Started by `serve.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::ingest;
use crate::queue::Queue;

/// How often it is looked whether something is to be said.
const TICK: Duration = Duration::from_secs(1);

/// How often the queue is looked at. Looking takes a hundredth of the time at most, however much is in it.
const LOOK: Duration = Duration::from_secs(10);
const SHARE: u32 = 100;

/// Looks until `stop`. There is no batch where a proxy only takes in.
pub(super) async fn watch(queue: Queue, batch: Option<Arc<Batch>>, stop: CancellationToken) {
    let mut next = Instant::now();
    let mut waiting = None;
    loop {
        if Instant::now() >= next {
            let begun = Instant::now();
            let depth = queue.depth().await;
            waiting = depth.ok().map(|depth| depth.events);
            next = Instant::now() + LOOK.max(begun.elapsed() * SHARE);
        }
        if let Some(batch) = &batch {
            batch.watch(waiting);
        }
        ingest::tell_suppressed(Instant::now());
        let paused = stop.run_until_cancelled(tokio::time::sleep(TICK)).await;
        if paused.is_none() {
            return;
        }
    }
}
