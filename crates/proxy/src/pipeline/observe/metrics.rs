//! Counts outcomes and delivery attempts.

use std::sync::OnceLock;

use metrics::Counter;
use targets::{DeliveryReport, TargetName};

use super::Observer;
use crate::pipeline::outcome::{Outcome, OutcomeRecord};
use crate::telemetry::metric::Metric;

/// Counts each outcome.
#[derive(Debug)]
pub(in crate::pipeline) struct MetricsObserver;

impl Observer for MetricsObserver {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        for of_target in outcomes.chunk_by(|one, next| one.target == next.target) {
            count_delivered(of_target);
            of_target.iter().for_each(count);
        }
    }
}

/// Counts those that were delivered, the most by far: all at once, since finding a metric costs more than recording a value.
fn count_delivered(of_target: &[OutcomeRecord]) {
    let is_delivered =
        |record: &&OutcomeRecord| matches!(record.outcome, Outcome::Delivered { .. });
    let delivered = || of_target.iter().filter(is_delivered);
    let Some(first) = delivered().next() else {
        return;
    };
    let target = || [first.target.shared().into()];
    Metric::Delivered.add(target(), delivered().count() as u64);
    let durations = delivered().map(|record| record.duration.as_secs_f64());
    Metric::DeliveryDuration.record_all(target(), durations);
    let ages = delivered().filter_map(|record| record.age);
    Metric::AgeAtDelivery.record_all(target(), ages.map(|age| age.as_secs_f64()));
}

/// Counts what else there is to an outcome.
fn count(record: &OutcomeRecord) {
    let target = || record.target.shared().into();
    let unresolved = record.transform.unresolved.len();
    if unresolved > 0 {
        let unresolved = u64::try_from(unresolved).unwrap_or(u64::MAX);
        Metric::UnresolvedNamespaces.add([target()], unresolved);
    }
    for (rule, _) in &record.transform.failures {
        Metric::RuleFailures.add([target(), rule.clone().into()], 1);
    }
    match &record.outcome {
        Outcome::Delivered { already_there, .. } => {
            // The rest by `count_delivered`.
            if *already_there {
                Metric::AlreadyThere.add([target()], 1);
            }
        }
        Outcome::Unchanged { .. } => Metric::Unchanged.add([target()], 1),
        Outcome::Dropped { rule } => Metric::Dropped.add([target(), rule.clone().into()], 1),
        Outcome::DeadLettered { reason, .. } => {
            Metric::DeadLettered.add([target(), reason.name().into()], 1);
        }
        Outcome::Retry { reason, .. } => {
            Metric::Retries.add([target(), reason.name().into()], 1);
            // SQS's own age of the oldest message ignores messages that were received three times.
            if let Some(age) = record.age {
                Metric::AgeAtRetry.record([target()], age.as_secs_f64());
            }
        }
    }
}

/// Counts the requests to a target.
#[derive(Debug)]
pub(in crate::pipeline) struct AttemptMetrics {
    target: TargetName,
    /// Found once: at the first attempt, since the process installs its recorder after it has opened the target.
    attempts: OnceLock<Counter>,
}

impl AttemptMetrics {
    pub(in crate::pipeline) fn new(target: TargetName) -> AttemptMetrics {
        AttemptMetrics {
            target,
            attempts: OnceLock::new(),
        }
    }

    /// Counts the requests of a delivery; `None` is one that the deadline ended.
    pub(in crate::pipeline) fn count(&self, report: Option<&DeliveryReport>) {
        let target = || [self.target.shared().into()];
        let (attempts, throttled) =
            report.map_or((1, 0), |report| (report.attempts, report.throttled));
        let counter = (self.attempts).get_or_init(|| Metric::DeliveryAttempts.counter(target()));
        counter.increment(attempts.into());
        if throttled > 0 {
            Metric::Throttled.add(target(), throttled.into());
        }
    }
}

/// Registers the counters of rules at zero.
pub(in crate::pipeline) fn register_rules<'r>(
    target: &TargetName,
    rules: impl Iterator<Item = &'r str>,
) {
    for rule in rules {
        for metric in [Metric::Dropped, Metric::RuleFailures] {
            metric.add([target.shared().into(), rule.to_owned().into()], 0);
        }
    }
}

/// Sets the gauge of the target's health.
pub(crate) fn set_target_up(target: &TargetName, is_up: bool) {
    let up = if is_up { 1.0 } else { 0.0 };
    Metric::TargetUp.set([target.shared().into()], up);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use targets::Reason;

    use super::*;
    use crate::pipeline::TransformLog;

    fn record(target: &str, outcome: Outcome, age: Option<Duration>) -> OutcomeRecord {
        OutcomeRecord {
            id: "id".into(),
            trace_id: None,
            new_token: false,
            key: None,
            event: None,
            delivered: None,
            target: TargetName::new(target).unwrap(),
            outcome,
            attempts: 1,
            duration: Duration::from_secs(1),
            age,
            size_bytes: 0,
            transform: TransformLog::default(),
            merged: None,
        }
    }

    #[test]
    fn each_outcome_is_counted_once_at_its_target() {
        let delivered = |already_there| Outcome::Delivered {
            id: None,
            already_there,
        };
        let retry = Outcome::Retry {
            reason: Reason::Unavailable,
            after: Duration::ZERO,
            error: String::new(),
        };
        let age = Some(Duration::from_secs(2));
        let outcomes = [
            record("a", delivered(false), age),
            record("a", retry, age),
            record("a", delivered(true), None),
            record("b", delivered(false), age),
        ];
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || MetricsObserver.observe(&outcomes));
        let page = recorder.handle().render();
        let expected = [
            r#"lineage_proxy_delivered_total{target="a"} 2"#,
            r#"lineage_proxy_delivered_total{target="b"} 1"#,
            r#"lineage_proxy_delivery_duration_seconds_count{target="a"} 2"#,
            r#"lineage_proxy_age_at_delivery_seconds_count{target="a"} 1"#,
            r#"lineage_proxy_age_at_delivery_seconds_count{target="b"} 1"#,
            r#"lineage_proxy_age_at_retry_seconds_count{target="a"} 1"#,
            r#"lineage_proxy_already_there_total{target="a"} 1"#,
            r#"lineage_proxy_retries_total{target="a",reason="unavailable"} 1"#,
        ];
        for line in expected {
            assert!(page.lines().any(|it| it == line), "{line} in\n{page}");
        }
    }
}
