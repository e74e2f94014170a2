//! What each rule did since the start, for the page: metrics are written, not read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pipeline::{Observer, Outcome, OutcomeRecord};

/// The most rules that are counted: a rules file that changes may have others each time.
const MAX_RULES: usize = 10_000;

/// What a rule did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RuleTotals {
    /// Events that it changed.
    pub(crate) changed: u64,
    /// Events that it dropped.
    pub(crate) dropped: u64,
    /// Events on which it failed.
    pub(crate) failed: u64,
}

/// Counts what rules do. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleTally(Arc<Mutex<BTreeMap<(String, String), RuleTotals>>>);

impl RuleTally {
    /// What the rule of a target did to events that have their final outcome.
    pub(crate) fn of(&self, target: &str, rule: &str) -> RuleTotals {
        let key = (target.to_owned(), rule.to_owned());
        self.lock().get(&key).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), RuleTotals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for RuleTally {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        let mut all = self.lock();
        for record in outcomes {
            let mut count = |rule: &str, add: fn(&mut RuleTotals)| {
                let key = (record.target.as_str().to_owned(), rule.to_owned());
                if all.len() < MAX_RULES || all.contains_key(&key) {
                    add(all.entry(key).or_default());
                }
            };
            match &record.outcome {
                Outcome::Retry { .. } => continue, // its rules are applied again
                Outcome::Dropped { rule } => count(rule, |of| of.dropped += 1),
                Outcome::Delivered { .. }
                | Outcome::Unchanged { .. }
                | Outcome::DeadLettered { .. } => {}
            }
            for rule in &record.transform.changed_by {
                count(rule, |of| of.changed += 1);
            }
            for (rule, _) in &record.transform.failures {
                count(rule, |of| of.failed += 1);
            }
        }
    }
}
