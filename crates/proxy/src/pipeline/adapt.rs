//! What is done to one event before its target gets it: the rules, the Redshift names, the kind, the size.
//!
//! Pure. Says what it did, so that the log and the demo can. Which events go out together is decided in `together.rs`,
//! which calls this.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::{Event, Subject};
use targets::{AcceptedEvents, Capabilities, JobEvents, TargetName};
use transform::{
    Change, Context, Cut, Lookup, Redshift, RuleSet, ShortName, StepOutcome, Unresolved, Verdict,
    fit, run_event,
};

use super::outcome::Outcome;
use super::renamed::renamed;

/// What look-ups gave.
pub(super) type Answers = HashMap<ShortName, Lookup>;

/// What applies to every event, besides the rules file.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// The name of the target.
    pub target: TargetName,
    /// The names of Redshift datasets.
    pub redshift: Redshift,
    /// What the target accepts.
    pub capabilities: Capabilities,
}

/// What was done to an event.
#[derive(Debug, Clone, Default)]
pub struct TransformLog {
    /// The rules that changed it, in their order.
    pub rules: Vec<Arc<str>>,
    /// The rules that failed, and why; the event went on as it was before them.
    pub failed: Vec<(Arc<str>, String)>,
    /// How many names were rewritten, by whichever rule.
    pub rewritten: usize,
    /// Names of Redshift that were.
    pub changes: Vec<Change>,
    /// Names that should have been, but could not.
    pub unresolved: Vec<Unresolved>,
    /// Facets that were cut.
    pub cut: Vec<Cut>,
    /// The id under which it was delivered together with others of its run.
    pub merged: Option<String>,
}

impl Adapter {
    /// The short names that have to be looked up for `event`.
    pub(super) fn wanted(&self, rules: &RuleSet, event: &Event) -> BTreeSet<ShortName> {
        let mut wanted = rules.lookups(event, self.target.as_str());
        wanted.extend(self.redshift.wanted(event));
        wanted
    }

    /// One event, through the rules of the file and the rule of Redshift names.
    pub(super) fn rule(
        &self,
        rules: &RuleSet,
        event: &Event,
        answers: &Answers,
    ) -> (TransformLog, Result<Event, Outcome>) {
        let context = Context {
            target: self.target.as_str(),
            lookups: answers,
        };
        let original = event;
        let transformed = rules.apply(event, &context);
        let mut told = TransformLog {
            unresolved: transformed.unresolved,
            ..TransformLog::default()
        };
        for step in transformed.steps {
            match step.outcome {
                StepOutcome::Changed { .. } => told.rules.push(step.rule),
                StepOutcome::Failed(reason) => told.failed.push((step.rule, reason)),
                StepOutcome::ConditionUnmet(_) | StepOutcome::Unchanged | StepOutcome::Dropped => {}
            }
        }
        match transformed.verdict {
            Verdict::Keep(event) => {
                let rewritten = self.redshift.rewrite(&event, answers);
                told.changes = rewritten.changes;
                told.unresolved.extend(rewritten.unresolved);
                told.rewritten = renamed(original, &rewritten.event);
                (told, Ok(rewritten.event))
            }
            Verdict::Drop { rule } => (told, Err(Outcome::Dropped { rule })),
            Verdict::DeadLetter { rule, reason } => {
                let class = "rule";
                let reason = format!("{class}: {rule:?} failed: {reason}");
                (told, Err(Outcome::DeadLettered { class, reason }))
            }
        }
    }

    /// The event in a kind and a size that the target takes, or what becomes of it; and what was cut.
    pub(super) fn finish(&self, event: Event) -> (Vec<Cut>, Result<Event, Outcome>) {
        let event = match self.kind(event) {
            Ok(event) => event,
            Err(rule) => {
                let rule = Arc::from(rule);
                return (Vec::new(), Err(Outcome::Dropped { rule }));
            }
        };
        let Some(limit) = self.capabilities.max_event_bytes else {
            return (Vec::new(), Ok(event));
        };
        match fit(&event, limit) {
            Ok(fitted) => (fitted.cut, Ok(fitted.event)),
            Err(too_large) => {
                let class = "too_large";
                let reason = format!(
                    "{class}: {} bytes, and {} with every facet cut that may be; the target takes {limit}",
                    event.text().len(),
                    too_large.least
                );
                (Vec::new(), Err(Outcome::DeadLettered { class, reason }))
            }
        }
    }

    /// The event in a kind that the target takes, or the rule that drops it.
    fn kind(&self, event: Event) -> Result<Event, &'static str> {
        let job_events = match self.capabilities.events {
            AcceptedEvents::All => return Ok(event),
            AcceptedEvents::RunEvents { job_events } => job_events,
        };
        match (event.subject(), job_events) {
            (Subject::Run { .. }, _) => Ok(event),
            (Subject::Dataset { .. }, _) => Err("dataset_event"),
            (Subject::Job { .. }, JobEvents::Skip) => Err("job_event"),
            (Subject::Job { .. }, JobEvents::Convert) => {
                run_event(&event).ok_or("job_event_without_datasets")
            }
        }
    }
}
