//! Counts outcomes and delivery attempts.

use targets::{DeliveryReport, TargetName};

use super::Observer;
use crate::pipeline::outcome::{Outcome, OutcomeRecord};
use crate::telemetry::metric::Metric;

/// Counts each outcome.
#[derive(Debug)]
pub(in crate::pipeline) struct MetricsObserver;

impl Observer for MetricsObserver {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        outcomes.iter().for_each(count);
    }
}

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
    let age = record.age.map(|age| age.as_secs_f64());
    match &record.outcome {
        Outcome::Delivered { already_there, .. } => {
            Metric::Delivered.add([target()], 1);
            if *already_there {
                Metric::AlreadyThere.add([target()], 1);
            }
            Metric::DeliveryDuration.record([target()], record.duration.as_secs_f64());
            if let Some(age) = age {
                Metric::AgeAtDelivery.record([target()], age);
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
            if let Some(age) = age {
                Metric::AgeAtRetry.record([target()], age);
            }
        }
    }
}

/// Counts the requests of a delivery; `None` is one that the deadline ended.
pub(in crate::pipeline) fn count_attempts(target: &TargetName, report: Option<&DeliveryReport>) {
    let (attempts, throttled) = report.map_or((1, 0), |report| (report.attempts, report.throttled));
    Metric::DeliveryAttempts.add([target.shared().into()], attempts.into());
    if throttled > 0 {
        Metric::Throttled.add([target.shared().into()], throttled.into());
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
