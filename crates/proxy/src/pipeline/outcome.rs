//! What became of each event of a batch, and the one line and the one count that tell it.
//!
//! An outcome is told once, after the queue has it: a dead letter that could not be sent is none yet. What is tried again
//! has no outcome yet: of a batch there is one line for each class of failure, and while the target is down, about one a
//! minute. What is told of the target itself is decided in `health.rs`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use openlineage::Event;
use targets::{DeliveryReport, TargetName};
use tokio::time::error::Elapsed;
use tracing::{debug, info, warn};

use super::adapt::TransformLog;
use crate::queue::{Record, Settlement, Unavailable, now};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::{NAME, shown};

use super::retry_log::{self, Pace};

/// A batch, settled or about to be.
#[derive(Debug, Default)]
pub struct Report {
    /// One entry a record.
    pub settled: Vec<Settled>,
}

/// A record and what became of it.
#[derive(Debug)]
pub struct Settled {
    /// The record.
    pub record: Record,
    /// Its event, if it is one.
    pub event: Option<Event>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was done to it.
    pub prepared: Option<TransformLog>,
    /// How long it took.
    pub took: Duration,
    /// Whether the queue knows.
    pub acknowledged: bool,
    /// Whether this very message was told of before: it could not be settled then, and came again.
    pub told_before: bool,
}

/// The end of an event's way, or not yet: [`Outcome::Retry`] is the only one that is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is at the target.
    Delivered {
        /// The target's own id.
        id: Option<String>,
    },
    /// A rule took it out.
    Dropped {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// It cannot be delivered.
    DeadLettered {
        /// The class of the failure.
        class: &'static str,
        /// The reason.
        reason: String,
    },
    /// It delivery failed, will retry.
    Retry {
        /// The class of the failure.
        class: &'static str,
        /// When.
        after: Duration,
        /// Why it was not delivered.
        reason: String,
    },
}

impl Settled {
    pub(super) fn new(record: Record, event: Option<Event>, outcome: Outcome) -> Settled {
        Settled {
            record,
            event,
            outcome,
            prepared: None,
            took: Duration::ZERO,
            acknowledged: false,
            told_before: false,
        }
    }

    pub(super) fn told(self, told: TransformLog) -> Settled {
        Settled {
            prepared: Some(told),
            ..self
        }
    }

    /// What the queue is to do.
    pub fn settlement(&self) -> Settlement {
        match &self.outcome {
            Outcome::Delivered { .. } | Outcome::Dropped { .. } => Settlement::Acknowledge,
            Outcome::DeadLettered { reason, .. } => Settlement::DeadLetter(reason.clone()),
            Outcome::Retry { after, .. } => Settlement::Retry(*after),
        }
    }
}

impl Report {
    pub(crate) fn push(&mut self, record: Record, event: Option<Event>, outcome: Outcome) {
        self.settled.push(Settled::new(record, event, outcome));
    }

    /// Tells what became of each event, now that the queue has answered. Call once.
    pub(super) fn conclude(
        &mut self,
        answers: Vec<Result<(), Unavailable>>,
        target: &TargetName,
        pace: Pace,
    ) {
        for (settled, answer) in self.settled.iter_mut().zip(answers) {
            settled.acknowledged = answer.is_ok();
            if let Err(error) = answer {
                warn!(id = settled.record.id, %error, "failed to acknowledge message; it will be redelivered");
                if matches!(settled.outcome, Outcome::DeadLettered { .. }) {
                    continue; // it is no dead letter yet
                }
            }
            if !settled.told_before {
                tell(settled, target);
            }
        }
        retry_log::tell(&self.settled, target, pace);
    }
}

/// Whom a line is about.
pub(super) struct Who<'s> {
    pub(super) run: Option<String>,
    pub(super) namespace: Option<Cow<'s, str>>,
    pub(super) name: Option<Cow<'s, str>>,
    pub(super) label: Option<&'static str>,
}

impl Who<'_> {
    pub(super) fn of(settled: &Settled) -> Who<'_> {
        let event = settled.event.as_ref();
        let job = event.and_then(Event::job);
        Who {
            run: event.and_then(Event::run_id).map(|id| id.to_string()),
            namespace: job.map(|job| shown(&job.namespace, NAME)),
            name: job.map(|job| shown(&job.name, NAME)),
            label: event.map(Event::label),
        }
    }
}

/// Counts what it took to deliver, or to give up at the deadline.
pub(super) fn tries(target: &TargetName, tries: &Result<DeliveryReport, Elapsed>) {
    let (posts, refused) = tries
        .as_ref()
        .map_or((1, 0), |tries| (tries.attempts, tries.throttled));
    Metric::DeliveryAttempts.add([target.shared().into()], posts.into());
    if refused > 0 {
        Metric::Throttled.add([target.shared().into()], refused.into());
    }
}

/// The one line and the one count.
fn tell(settled: &Settled, target: &TargetName) {
    let who = Who::of(settled);
    let size = settled
        .event
        .as_ref()
        .map_or(settled.record.body.len(), |event| event.text().len());
    macro_rules! line {
        ($level:ident, $outcome:literal, $($field:tt)*) => {
            $level!(
                outcome = $outcome,
                id = settled.record.id,
                run.id = who.run,
                job.namespace = who.namespace.as_deref(),
                job.name = who.name.as_deref(),
                event.r#type = who.label,
                target = target.as_str(),
                duration_ms = u64::try_from(settled.took.as_millis()).unwrap_or(u64::MAX),
                size_bytes = size,
                tries = settled.record.attempts,
                $($field)*
            )
        };
    }
    if let Some(told) = &settled.prepared {
        for unresolved in &told.unresolved {
            Metric::UnresolvedNamespaces.add([target.shared().into()], 1);
            warn!(
                id = settled.record.id,
                namespace = &*shown(&unresolved.namespace, NAME),
                reason = &*shown(&unresolved.reason, NAME),
                "could not resolve name; left unchanged"
            );
        }
    }
    for (rule, reason) in settled.prepared.iter().flat_map(|told| &told.failed) {
        Metric::RuleFailures.add([target.shared().into(), rule.clone().into()], 1);
        warn!(
            id = settled.record.id,
            rule = &**rule,
            reason = &*shown(reason, NAME),
            "rule failed"
        );
    }
    let rules: Vec<&str> = (settled.prepared.iter())
        .flat_map(|told| told.rules.iter().map(|rule| &**rule))
        .collect();
    let rules = (!rules.is_empty()).then(|| rules.join(", "));
    let merged = (settled.prepared.as_ref()).and_then(|told| told.merged.as_deref());
    let rewritten = settled.prepared.as_ref().map_or(0, |told| told.rewritten);
    let cut = settled.prepared.as_ref().map_or(0, |told| told.cut.len());
    match &settled.outcome {
        Outcome::Delivered { id } => {
            Metric::Delivered.add([target.shared().into()], 1);
            Metric::DeliveryDuration.record([target.shared().into()], settled.took.as_secs_f64());
            if let Some(age) = age(&settled.record) {
                Metric::AgeAtDelivery.record([target.shared().into()], age);
            }
            line!(
                info,
                "delivered",
                target.id = id.as_deref(),
                rules,
                rewritten,
                cut,
                merged,
                "event delivered"
            );
        }
        Outcome::Dropped { rule } => {
            Metric::Dropped.add([target.shared().into(), rule.clone().into()], 1);
            line!(info, "dropped", rule = &**rule, "event dropped by rule");
        }
        Outcome::DeadLettered { class, reason } => {
            Metric::DeadLettered.add([target.shared().into(), (*class).into()], 1);
            let reason = &*shown(reason, NAME);
            line!(warn, "dead_lettered", class, reason, "event dead-lettered");
        }
        Outcome::Retry {
            class,
            after,
            reason,
        } => {
            Metric::Retries.add([target.shared().into(), (*class).into()], 1);
            // SQS's own age of the oldest message leaves out what was received three times.
            if let Some(age) = age(&settled.record) {
                Metric::AgeAtRetry.record([target.shared().into()], age);
            }
            let (reason, after_s) = (&*shown(reason, NAME), after.as_secs());
            line!(
                debug,
                "retry",
                class,
                reason,
                after_s,
                "delivery failed, will retry"
            );
        }
    }
}

/// How long ago it was accepted, in seconds.
fn age(record: &Record) -> Option<f64> {
    let age = now().saturating_sub(record.received_at?);
    Some(Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64())
}
