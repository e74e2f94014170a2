//! Reports by the clock and not by events: how much is queued, how long a target has been down, and what was left out of the
//! log. Started by `topology.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::http::RejectionLog;
use crate::pipeline::Pipeline;
use crate::queue::{Depth, Queue, Unavailable};
use crate::telemetry::metric::Metric;

/// How often it is checked whether something is to be reported.
const TICK: Duration = Duration::from_secs(1);

/// How often the depth of the queue is read. Reading takes at most a hundredth of the time, however much is queued.
const DEPTH_INTERVAL: Duration = Duration::from_secs(10);
const DEPTH_SHARE: u32 = 100;

/// Reports until `stop`. There are no pipelines in a process that only accepts events.
pub(crate) async fn watch(
    queue: Queue,
    pipelines: Vec<Arc<Pipeline>>,
    rejections: RejectionLog,
    stop: CancellationToken,
) {
    let mut next = Instant::now();
    let (mut waiting, mut reported) = (None, ReportedGauges::default());
    loop {
        if Instant::now() >= next {
            let begun = Instant::now();
            // A queue that does not answer must not delay a stop.
            let Some(depth) = stop.run_until_cancelled(queue.depth()).await else {
                return;
            };
            waiting = depth.as_ref().ok().map(|depth| depth.events);
            set_gauges(&depth, &mut reported);
            for pipeline in &pipelines {
                pipeline.register_rules(); // they may have been reloaded
            }
            next = Instant::now() + DEPTH_INTERVAL.max(begun.elapsed() * DEPTH_SHARE);
        }
        for pipeline in &pipelines {
            pipeline.watch(waiting);
        }
        rejections.log_suppressed(Instant::now());
        let paused = stop.run_until_cancelled(tokio::time::sleep(TICK)).await;
        if paused.is_none() {
            return;
        }
    }
}

/// Which optional gauges exist: those that the queue has reported once.
#[derive(Debug, Default)]
struct ReportedGauges {
    dead_letters: bool,
    oldest: bool,
}

/// Sets the gauges of the queue. While it cannot be read they are NaN: old numbers would look like current ones.
fn set_gauges(depth: &Result<Depth, Unavailable>, reported: &mut ReportedGauges) {
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
    Metric::QueueEvents.set([], events);
    if reported.dead_letters {
        Metric::DeadLetters.set([], dead_letters.unwrap_or(f64::NAN));
    }
    if reported.oldest {
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
            let mut reported = ReportedGauges::default();
            metrics::with_local_recorder(&recorder, || {
                depths
                    .iter()
                    .for_each(|depth| set_gauges(depth, &mut reported));
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
        let read = after(&[Ok(depth.clone())]);
        assert!(
            read.contains("lineage_proxy_queue_oldest_age_seconds 30"),
            "{read}"
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
