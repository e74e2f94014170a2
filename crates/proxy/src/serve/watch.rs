//! What `serve` says by the clock and not by an event: how much is queued, how long the target has been down, and what
//! the log left out. Started by `serve.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::http::RejectionLog;
use crate::pipeline::Pipeline;
use crate::queue::{Depth, Queue, Unavailable};
use crate::telemetry::metric::Metric;

/// How often it is looked whether something is to be said.
const TICK: Duration = Duration::from_secs(1);

/// How often the queue is looked at. Looking takes a hundredth of the time at most, however much is in it.
const LOOK: Duration = Duration::from_secs(10);
const SHARE: u32 = 100;

/// Looks until `stop`. There is no batch where a proxy only takes in.
pub(super) async fn watch(
    queue: Queue,
    pipeline: Option<Arc<Pipeline>>,
    rejections: RejectionLog,
    stop: CancellationToken,
) {
    let mut next = Instant::now();
    let (mut waiting, mut known) = (None, Known::default());
    loop {
        if Instant::now() >= next {
            let begun = Instant::now();
            // A queue that does not answer holds up no stop.
            let Some(depth) = stop.run_until_cancelled(queue.depth()).await else {
                return;
            };
            waiting = depth.as_ref().ok().map(|depth| depth.events);
            stand(&depth, &mut known);
            if let Some(pipeline) = &pipeline {
                pipeline.register_rules(); // there may be others than a moment ago
            }
            next = Instant::now() + LOOK.max(begun.elapsed() * SHARE);
        }
        if let Some(pipeline) = &pipeline {
            pipeline.watch(waiting);
        }
        rejections.log_suppressed(Instant::now());
        let paused = stop.run_until_cancelled(tokio::time::sleep(TICK)).await;
        if paused.is_none() {
            return;
        }
    }
}

/// Which gauges there are: those that the queue has said once.
#[derive(Debug, Default)]
struct Known {
    dead_letters: bool,
    oldest: bool,
}

/// Sets the gauges of the queue. Of one that cannot be read there are no numbers: old ones would look like good ones.
fn stand(depth: &Result<Depth, Unavailable>, known: &mut Known) {
    let (events, dead_letters, oldest) = match depth {
        Ok(depth) => (
            depth.events as f64,
            depth.dead_letters.map(|dead| dead as f64),
            depth.oldest_seconds.map(|seconds| seconds as f64),
        ),
        Err(_) => (f64::NAN, None, None),
    };
    known.dead_letters |= dead_letters.is_some();
    known.oldest |= oldest.is_some();
    Metric::QueueEvents.set([], events);
    if known.dead_letters {
        Metric::DeadLetters.set([], dead_letters.unwrap_or(f64::NAN));
    }
    if known.oldest {
        Metric::QueueOldestAge.set([], oldest.unwrap_or(f64::NAN));
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_queue_that_cannot_be_read_has_no_numbers_and_no_more_gauges_than_before() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let after = |depths: &[Result<Depth, Unavailable>]| {
            let mut known = Known::default();
            metrics::with_local_recorder(&recorder, || {
                depths.iter().for_each(|depth| stand(depth, &mut known));
            });
            recorder.handle().render()
        };
        let away = || Err(Unavailable("away".to_owned()));
        let never = after(&[away()]);
        assert!(never.contains("lineage_proxy_queue_events NaN"), "{never}");
        assert!(
            !never.contains("oldest") && !never.contains("dead"),
            "{never}"
        );
        let depth = Depth {
            events: 7,
            dead_letters: Some(2),
            oldest_seconds: Some(30),
        };
        let stood = after(&[Ok(depth.clone())]);
        assert!(
            stood.contains("lineage_proxy_queue_oldest_age_seconds 30"),
            "{stood}"
        );
        let lost = after(&[Ok(depth), away()]);
        for gauge in ["queue_events", "queue_oldest_age_seconds", "dead_letters"] {
            assert!(
                lost.contains(&format!("lineage_proxy_{gauge} NaN")),
                "{lost}"
            );
        }
    }
}
