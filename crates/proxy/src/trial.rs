//! Tries rules on past events: what would become of them, compared with the rules in force.
//!
//! Pure: the events are given, what is shown of them was redacted before, and the caller says when the time is up. What names
//! become is in `trial/names.rs`, what becomes of the lineage in `trial/lineage.rs`, and what a picture shows of that in
//! `trial/changed.rs`. Called by `page/rules.rs`.

mod changed;
mod lineage;
mod names;

use std::collections::HashMap;

use history::Name;
use openlineage::{Event, Identity, Subject};
use page::line::rules::{
    MAX_NAME, RuleCount, TrialCounts, TrialDifference, TrialExample, TrialReport,
};
use transform::{Context, RuleSet, StepOutcome, Transformation, Verdict, diff};

use lineage::Lineage;
use names::NameMap;

/// The most events that are shown.
const EXAMPLES: usize = 5;

/// The most differences of an event that are shown.
const DIFFERENCES: usize = 20;

/// The most characters of a value in a difference: a query may change far from its beginning.
const VALUE: usize = 16_000;

/// An event that rules are tried on.
#[derive(Debug, Clone)]
pub struct TrialEvent {
    /// Its id.
    pub id: String,
    /// The event as it was accepted, with everything hidden that may not be shown.
    pub event: Event,
}

/// The rules in force, and those that are tried, with what the target needs.
#[derive(Debug, Clone, Copy)]
pub struct TrialRules<'r> {
    /// In force.
    pub current: &'r RuleSet,
    /// Tried.
    pub tried: &'r RuleSet,
    /// The name of the target.
    pub target: &'r str,
}

/// Tries rules on events, until `is_late`.
pub fn trial(
    rules: TrialRules<'_>,
    events: &[TrialEvent],
    is_late: impl Fn() -> bool,
) -> TrialReport {
    let mut report = TrialReport {
        is_complete: true,
        rules: rules.tried.names().map(count_of).collect(),
        ..TrialReport::default()
    };
    let (mut names, mut lineage) = (NameMap::default(), Lineage::default());
    let lookups = HashMap::new();
    let context = Context {
        target: rules.target,
        lookups: &lookups,
    };
    for TrialEvent { id, event } in events {
        if is_late() {
            report.is_complete = false;
            break;
        }
        // One event may take long: hundreds of rules, each with a script.
        let before = rules.current.apply_until(event, &context, &is_late);
        let after = rules.tried.apply_until(event, &context, &is_late);
        let (Some(before), Some(after)) = (before, after) else {
            report.is_complete = false;
            break;
        };
        report.events += 1;
        count_rules(&mut report.rules, &after);
        let change = Change::of(&before.verdict, &after.verdict);
        change.count(&mut report.counts);
        let (before, after) = (kept(&before.verdict), kept(&after.verdict));
        lineage.add(before, after);
        if let (Some(before), Some(after)) = (before, after) {
            names.add(before, after);
        }
        if change != Change::None && report.examples.len() < EXAMPLES {
            let example = example(id, event, (before, after), &change);
            report.examples.push(example);
        }
    }
    report.graph = lineage.change(&names);
    names.report(&mut report);
    report
}

/// What becomes of an event, compared with the rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    None,
    Changed,
    /// By that rule.
    Dropped(String),
    /// It is delivered, and was not.
    Restored,
    /// By that rule, and why.
    Failed(String, String),
}

impl Change {
    fn of(before: &Verdict, after: &Verdict) -> Change {
        match (before, after) {
            (Verdict::Keep(before), Verdict::Keep(after)) => match before.has_text_of(after) {
                true => Change::None,
                false => Change::Changed,
            },
            (Verdict::Drop { .. }, Verdict::Drop { .. })
            | (Verdict::DeadLetter { .. }, Verdict::DeadLetter { .. }) => Change::None,
            (Verdict::Keep(_) | Verdict::DeadLetter { .. }, Verdict::Drop { rule }) => {
                Change::Dropped(rule.to_string())
            }
            (Verdict::Drop { .. } | Verdict::DeadLetter { .. }, Verdict::Keep(_)) => {
                Change::Restored
            }
            (Verdict::Keep(_) | Verdict::Drop { .. }, Verdict::DeadLetter { rule, reason }) => {
                Change::Failed(rule.to_string(), reason.clone())
            }
        }
    }

    fn count(&self, counts: &mut TrialCounts) {
        let count = match self {
            Change::None => &mut counts.unchanged,
            Change::Changed => &mut counts.changed,
            Change::Dropped(_) => &mut counts.dropped,
            Change::Restored => &mut counts.restored,
            Change::Failed(..) => &mut counts.failed,
        };
        *count += 1;
    }

    /// What becomes of an event that does not just become another one.
    fn outcome(&self) -> Option<String> {
        match self {
            Change::None | Change::Changed => None,
            Change::Dropped(rule) => Some(format!("dropped by {rule:?}")),
            Change::Restored => Some("delivered, and not with the rules in force".to_owned()),
            Change::Failed(rule, reason) => Some(format!("dead letter: {rule:?} failed: {reason}")),
        }
    }
}

fn kept(verdict: &Verdict) -> Option<&Event> {
    match verdict {
        Verdict::Keep(event) => Some(event),
        Verdict::Drop { .. } | Verdict::DeadLetter { .. } => None,
    }
}

fn count_of(rule: &str) -> RuleCount {
    RuleCount {
        rule: rule.to_owned(),
        ..RuleCount::default()
    }
}

fn count_rules(counts: &mut [RuleCount], applied: &Transformation) {
    for step in &applied.steps {
        let Some(count) = counts.iter_mut().find(|count| *count.rule == *step.rule) else {
            continue;
        };
        count.applied += 1;
        match &step.outcome {
            StepOutcome::ConditionUnmet(_) | StepOutcome::Unchanged => {}
            StepOutcome::Changed { .. } => count.changed += 1,
            StepOutcome::Dropped => count.dropped += 1,
            StepOutcome::Failed(reason) => {
                count.failed += 1;
                count.reason.get_or_insert_with(|| reason.clone());
            }
        }
    }
}

fn example(
    id: &str,
    event: &Event,
    (before, after): (Option<&Event>, Option<&Event>),
    change: &Change,
) -> TrialExample {
    let identity = match event.subject() {
        Subject::Run { job, .. } | Subject::Job { job } => job,
        Subject::Dataset { dataset } => dataset,
    };
    let mut differences = match (before, after) {
        (Some(before), Some(after)) => diff(before.json(), after.json()),
        (Some(_) | None, _) => Vec::new(),
    };
    let more = differences.len().saturating_sub(DIFFERENCES);
    differences.truncate(DIFFERENCES);
    let value = |text: String| match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    };
    let differences = differences.into_iter().map(|it| TrialDifference {
        pointer: it.pointer,
        before: it.before.map(value),
        after: it.after.map(value),
    });
    TrialExample {
        id: id.to_owned(),
        kind: event.label(),
        name: name(identity),
        outcome: change.outcome(),
        differences: differences.collect(),
        more,
    }
}

fn name(identity: &Identity) -> Name {
    let cut = |text: &str| text.chars().take(MAX_NAME).collect();
    Name {
        namespace: cut(&identity.namespace),
        name: cut(&identity.name),
    }
}

#[cfg(test)]
mod tests;
