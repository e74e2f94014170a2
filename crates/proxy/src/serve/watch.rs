//! Reports by the clock and not by events: how much is queued, how long a target has been down, and what was left out of the
//! log. Started by `topology.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use targets::TargetName;
use tokio_util::sync::CancellationToken;

use crate::http::RejectionLog;
use crate::pipeline::{Pipeline, set_target_up};
use crate::queue::{Depth, Queue, QueueError};
use crate::telemetry::metric::Metric;

/// How often it is checked whether something is to be reported.
const TICK: Duration = Duration::from_secs(1);

/// How often the depth of the queue is read. Reading takes at most a hundredth of the time, however much is queued.
const DEPTH_INTERVAL: Duration = Duration::from_secs(10);
const DEPTH_SHARE: u32 = 100;

/// The label `target` of a queue whose target another process serves: an empty label is none.
const NO_TARGET: &str = "";

/// Reports the health of a target and how much is queued for it, until `stop`. Each target has a task of its own.
pub(crate) async fn watch_target(pipeline: Arc<Pipeline>, stop: CancellationToken) {
    let target = pipeline.target.name().to_string();
    let mut depth = DepthWatch::new(&target);
    loop {
        let Some(is_read) = depth.read_if_due(&pipeline.queue, &stop).await else {
            return;
        };
        if is_read {
            pipeline.register_rules(); // they may have been reloaded
        }
        pipeline.watch(depth.waiting);
        if pause(&stop).await.is_none() {
            return;
        }
    }
}

/// Reports how much is queued for a target that cannot be opened, until `stop`. It counts as down.
pub(crate) async fn watch_unopened(target: &TargetName, queue: &Queue, stop: &CancellationToken) {
    set_target_up(target, false);
    let mut depth = DepthWatch::new(target.as_str());
    while depth.read_if_due(queue, stop).await.is_some() && pause(stop).await.is_some() {}
}

/// Reports how much is queued, until `stop`, in a process that only accepts events.
pub(crate) async fn watch_queue(queue: Queue, stop: CancellationToken) {
    let mut depth = DepthWatch::new(NO_TARGET);
    while depth.read_if_due(&queue, &stop).await.is_some() && pause(&stop).await.is_some() {}
}

/// Reports what was left out of the log of rejected requests, until `stop`.
pub(crate) async fn watch_rejections(rejections: RejectionLog, stop: CancellationToken) {
    while pause(&stop).await.is_some() {
        rejections.log_suppressed(Instant::now());
    }
}

/// Waits for the next tick. Returns `None` when stopped.
async fn pause(stop: &CancellationToken) -> Option<()> {
    stop.run_until_cancelled(tokio::time::sleep(TICK)).await
}

/// Reads the depth of the queue of a target from time to time.
struct DepthWatch {
    target: String,
    next: Instant,
    /// How many events waited, if that could be read.
    waiting: Option<u64>,
    reported: ReportedGauges,
}

impl DepthWatch {
    fn new(target: &str) -> DepthWatch {
        DepthWatch {
            target: target.to_owned(),
            next: Instant::now(),
            waiting: None,
            reported: ReportedGauges::default(),
        }
    }

    /// Returns whether it was time to read the depth; `None` when stopped.
    async fn read_if_due(&mut self, queue: &Queue, stop: &CancellationToken) -> Option<bool> {
        let begun = Instant::now();
        if begun < self.next {
            return Some(false);
        }
        // A queue that does not answer must not delay a stop.
        let depth = stop.run_until_cancelled(queue.depth()).await?;
        self.waiting = depth.as_ref().ok().map(|depth| depth.events);
        set_gauges(&self.target, &depth, &mut self.reported);
        self.next = Instant::now() + DEPTH_INTERVAL.max(begun.elapsed() * DEPTH_SHARE);
        Some(true)
    }
}

/// Which optional gauges exist: those that the queue has reported once.
#[derive(Debug, Default)]
struct ReportedGauges {
    dead_letters: bool,
    oldest: bool,
}

/// Sets the gauges of the queue. While it cannot be read they are NaN: old numbers would look like current ones.
fn set_gauges(target: &str, depth: &Result<Depth, QueueError>, reported: &mut ReportedGauges) {
    let target = || target.to_owned().into();
    let (events, dead_letters, oldest) = match depth {
        Ok(depth) => (
            depth.events as f64,
            depth.dead_letters.map(|dead| dead as f64),
            depth.oldest_seconds.map(|seconds| seconds as f64),
        ),
        Err(_) => (f64::NAN, None, None),
    };
    reported.dead_letters |= dead_letters.is_some();
    reported.oldest |= oldest.is_some();
    Metric::QueueEvents.set([target()], events);
    if reported.dead_letters {
        Metric::DeadLetters.set([target()], dead_letters.unwrap_or(f64::NAN));
    }
    if reported.oldest {
        Metric::QueueOldestAge.set([target()], oldest.unwrap_or(f64::NAN));
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_queue_that_cannot_be_read_has_no_numbers_and_no_more_gauges_than_before() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let after = |depths: &[Result<Depth, QueueError>]| {
            let mut reported = ReportedGauges::default();
            metrics::with_local_recorder(&recorder, || {
                depths
                    .iter()
                    .for_each(|depth| set_gauges("catalog", depth, &mut reported));
            });
            recorder.handle().render()
        };
        let away = || Err(QueueError("away".to_owned()));
        let never = after(&[away()]);
        assert!(
            never.contains("lineage_proxy_queue_events{target=\"catalog\"} NaN"),
            "{never}"
        );
        assert!(
            !never.contains("oldest") && !never.contains("dead"),
            "{never}"
        );
        let depth = Depth {
            events: 7,
            dead_letters: Some(2),
            oldest_seconds: Some(30),
        };
        let read = after(&[Ok(depth.clone())]);
        assert!(
            read.contains("lineage_proxy_queue_oldest_age_seconds{target=\"catalog\"} 30"),
            "{read}"
        );
        let lost = after(&[Ok(depth), away()]);
        for gauge in ["queue_events", "queue_oldest_age_seconds", "dead_letters"] {
            assert!(
                lost.contains(&format!("lineage_proxy_{gauge}{{target=\"catalog\"}} NaN")),
                "{lost}"
            );
        }
    }
}
