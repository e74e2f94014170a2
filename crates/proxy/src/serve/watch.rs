//! What `serve` says by the clock and not by an event: how much is queued, how long the target has been down, and what
//! the log left out. Started by `serve.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::ingest;
use crate::queue::{Depth, Queue, Unavailable};
use crate::telemetry::metric;

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
            waiting = depth.as_ref().ok().map(|depth| depth.events);
            stand(&depth);
            if let Some(batch) = &batch {
                batch.begin_rules(); // there may be others than a moment ago
            }
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

/// Sets the gauges of the queue. Of one that cannot be read there are no numbers: old ones would look like good ones.
fn stand(depth: &Result<Depth, Unavailable>) {
    match depth {
        Ok(depth) => {
            metric::QUEUE_EVENTS.set(depth.events as f64);
            if let Some(dead) = depth.dead_letters {
                metric::DEAD_LETTERS.set(dead as f64);
            }
            if let Some(seconds) = depth.oldest_seconds {
                metric::QUEUE_OLDEST.set(seconds as f64);
            }
        }
        Err(_) => {
            metric::QUEUE_EVENTS.set(f64::NAN);
            metric::DEAD_LETTERS.set(f64::NAN);
        }
    }
}
