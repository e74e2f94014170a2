//! What became of the events of a replay: counts, and the reasons of those that were not sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::cli::tell;
use proxy::pipeline::{Observer, Outcome, OutcomeRecord};
use proxy::replay::Enqueued;
use serde_json::{Value, json};
use targets::Reason;

/// The most events that are reported one by one.
const MOST_SHOWN: u64 = 100;

/// The rule that drops copies of an event.
const DUPLICATE: &str = "builtin/duplicate";

/// The counts of a replay. Cheap to clone; all clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Report(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events that were read, without those of an earlier attempt.
    pub(super) read: u64,
    /// Events that had ended in an earlier attempt.
    pub(super) earlier: u64,
    /// Events that the filters exclude.
    pub(super) filtered: u64,
    /// Texts that are not events.
    pub(super) invalid: u64,
    /// Files that could not be read, or not to their end.
    pub(super) unreadable: u64,
    /// Events that the target has accepted.
    pub(super) sent: u64,
    /// Events that the target says it had.
    pub(super) already_there: u64,
    /// Events that the target has no place for.
    pub(super) unchanged: u64,
    /// Copies of events that were sent a moment before.
    pub(super) duplicates: u64,
    /// Events that rules have dropped, by rule.
    pub(super) dropped: BTreeMap<String, u64>,
    /// Events that the target, or a rule, rejects for good.
    pub(super) rejected: u64,
    /// Events that were given up after many attempts.
    pub(super) failed: u64,
    /// Attempts that will be repeated.
    pub(super) retries: u64,
    /// Why the last of them failed.
    pub(super) last_error: Option<String>,
    /// Whether an event has ended.
    pub(super) has_ended: bool,
    /// When the first attempt failed since an event ended.
    pub(super) failing_since: Option<Instant>,
    shown: u64,
}

impl Report {
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports an event or a file that is not sent: the first ones by a line each.
    pub(super) fn show(&self, line: &str) {
        let shown = {
            let mut counts = self.counts();
            counts.shown += 1;
            counts.shown
        };
        if shown <= MOST_SHOWN {
            tell(format_args!("lineage-proxy: {line}"));
        } else if shown == MOST_SHOWN + 1 {
            tell(format_args!(
                "lineage-proxy: further events that are not sent are only counted"
            ));
        }
    }
}

impl Report {
    /// Counts what a queue has taken, or not yet.
    pub(super) fn enqueued(&self, enqueued: Enqueued) {
        let mut counts = self.counts();
        match enqueued {
            Enqueued::Sent(events) => counts.sent += events,
            Enqueued::TooLarge => counts.rejected += 1,
            Enqueued::Again(events, error) => {
                counts.will_repeat(events, error);
                return;
            }
        }
        counts.ended();
    }
}

impl Observer for Report {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        let mut counts = self.counts();
        for record in outcomes {
            match &record.outcome {
                Outcome::Delivered {
                    already_there: false,
                    ..
                } => counts.sent += 1,
                Outcome::Delivered {
                    already_there: true,
                    ..
                } => counts.already_there += 1,
                Outcome::Unchanged { .. } => counts.unchanged += 1,
                Outcome::Dropped { rule } if **rule == *DUPLICATE => counts.duplicates += 1,
                Outcome::Dropped { rule } => {
                    *counts.dropped.entry(rule.to_string()).or_default() += 1;
                }
                Outcome::DeadLettered { reason, .. } => match is_for_good(*reason) {
                    true => counts.rejected += 1,
                    false => counts.failed += 1,
                },
                Outcome::Retry { error, .. } => {
                    counts.will_repeat(1, error.clone());
                    continue;
                }
            }
            counts.ended();
        }
    }
}

/// Whether no attempt would ever succeed.
fn is_for_good(reason: Reason) -> bool {
    match reason {
        Reason::Invalid | Reason::TooLarge | Reason::Rule | Reason::Bug => true,
        Reason::Permission
        | Reason::Missing
        | Reason::Throttled
        | Reason::Quota
        | Reason::Unavailable
        | Reason::RulesSlow
        | Reason::Body
        | Reason::OutOfTime
        | Reason::Stopping => false,
    }
}

impl Counts {
    /// Attempts have failed that will be repeated.
    fn will_repeat(&mut self, attempts: u64, error: String) {
        self.retries += attempts;
        self.last_error = Some(error);
        self.failing_since.get_or_insert_with(Instant::now);
    }

    /// An event has ended.
    fn ended(&mut self) {
        self.has_ended = true;
        self.failing_since = None;
    }

    /// How many events rules have dropped.
    pub(super) fn all_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Whether everything that was read and not excluded has reached the target, or was dropped by a rule.
    pub(super) fn is_fine(&self) -> bool {
        self.invalid + self.unreadable + self.rejected + self.failed == 0
    }

    pub(super) fn text(&self) -> String {
        let mut parts = vec![format!("{} read", self.read)];
        let dropped = self.all_dropped();
        for (count, what) in [
            (self.earlier, "sent earlier"),
            (self.filtered, "filtered"),
            (self.invalid, "not events"),
            (self.unreadable, "files not readable"),
            (dropped, "dropped by rules"),
            (self.duplicates, "duplicates"),
            (self.unchanged, "without effect"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.push(format!("{} sent", self.sent));
        parts.push(format!("{} already there", self.already_there));
        parts.push(format!("{} rejected", self.rejected));
        parts.push(format!("{} failed", self.failed));
        parts.join(", ")
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "read": self.read, "earlier": self.earlier, "filtered": self.filtered, "invalid": self.invalid,
            "unreadable": self.unreadable, "sent": self.sent, "already_there": self.already_there,
            "duplicates": self.duplicates, "unchanged": self.unchanged, "dropped": self.dropped, "rejected": self.rejected, "failed": self.failed,
            "retries": self.retries,
        })
    }
}
