//! Applies rules to an event, one after another, and records what each did.
//!
//! Called by `rules.rs`. What actions do is in `crate::action`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openlineage::Event;

use super::explain::UntouchedName;
use super::when::UnmetCondition;
use super::{OnFailure, Rule};
use crate::action::{ActionOutput, Effect};
use crate::endpoint::ShortName;
use crate::redshift::{Lookup, UnresolvedName};

/// What rules use besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'f> {
    /// The name of the target.
    pub target: &'f str,
    /// The results of looking up the short names of [`RuleSet::lookups`](super::RuleSet::lookups).
    pub lookups: &'f HashMap<ShortName, Lookup>,
}

/// The result of applying rules to an event.
#[derive(Debug, Clone)]
pub struct Transformation {
    /// The result for the event.
    pub verdict: Verdict,
    /// The rules that applied; from [`RuleSet::explain`](super::RuleSet::explain), all rules.
    pub steps: Vec<RuleStep>,
    /// Names that could not be rewritten, or only in part, and why.
    pub unresolved: Vec<UnresolvedName>,
}

/// The result of all rules for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The event after the rules.
    Keep(Event),
    /// A rule dropped it.
    Drop {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// A rule with `on_failure: dead_letter` failed.
    DeadLetter {
        /// The rule's name.
        rule: Arc<str>,
        /// Why it failed.
        reason: String,
    },
}

/// What one rule did with an event.
#[derive(Debug, Clone)]
pub struct RuleStep {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The outcome.
    pub outcome: StepOutcome,
    /// The names that it did not change, and why: from [`RuleSet::explain`](super::RuleSet::explain).
    pub untouched: Vec<UntouchedName>,
    /// The condition of the target that the event does not meet, for which it is dropped: from
    /// [`RuleSet::explain`](super::RuleSet::explain).
    pub unselected: Option<UnmetCondition>,
    /// Why the rule, or a part of it, can never have an effect: from [`RuleSet::explain`](super::RuleSet::explain).
    pub warnings: Vec<String>,
}

/// The outcome of a rule for an event.
#[derive(Debug, Clone)]
pub enum StepOutcome {
    /// The rule does not apply: the event does not meet a condition.
    ConditionUnmet(UnmetCondition),
    /// The rule applied and changed nothing.
    Unchanged,
    /// The rule changed the event.
    Changed {
        /// The event before the rule.
        before: Event,
        /// The event after the rule.
        after: Event,
    },
    /// The rule dropped the event.
    Dropped,
    /// The rule failed, for this reason.
    Failed(String),
}

/// Applies one rule after another. `look` gets the event before each rule; if it returns an outcome, the rule is
/// skipped with that outcome.
pub(super) fn run<'r>(
    rules: impl Iterator<Item = &'r Rule>,
    event: &Event,
    context: &Context<'_>,
    mut look: impl FnMut(&Rule, &Event) -> Option<StepOutcome>,
) -> Transformation {
    let mut event = event.clone();
    let (mut steps, mut unresolved) = (Vec::new(), Vec::new());
    let step = |rule: &Rule, outcome| RuleStep {
        rule: rule.name.clone(),
        outcome,
        untouched: Vec::new(),
        unselected: None,
        warnings: Vec::new(),
    };
    for rule in rules {
        if let Some(outcome) = look(rule, &event) {
            steps.push(step(rule, outcome));
            continue;
        }
        if !rule.when.holds(&event, context.target) {
            continue;
        }
        match rule.apply(&event, context, &mut unresolved) {
            Ok(Effect::Unchanged) => steps.push(step(rule, StepOutcome::Unchanged)),
            Ok(Effect::Changed(after)) => {
                let outcome = StepOutcome::Changed {
                    before: event,
                    after: after.clone(),
                };
                steps.push(step(rule, outcome));
                event = after;
            }
            Ok(Effect::Drop) => {
                steps.push(step(rule, StepOutcome::Dropped));
                let verdict = Verdict::Drop {
                    rule: rule.name.clone(),
                };
                return Transformation {
                    verdict,
                    steps,
                    unresolved,
                };
            }
            Err(reason) => {
                steps.push(step(rule, StepOutcome::Failed(reason.clone())));
                match rule.on_failure {
                    OnFailure::Keep => {}
                    OnFailure::DeadLetter => {
                        let verdict = Verdict::DeadLetter {
                            rule: rule.name.clone(),
                            reason,
                        };
                        return Transformation {
                            verdict,
                            steps,
                            unresolved,
                        };
                    }
                }
            }
        }
    }
    Transformation {
        verdict: Verdict::Keep(event),
        steps,
        unresolved,
    }
}

impl Rule {
    /// Applies the rule to an event that is to be shown.
    pub(super) fn redact(&self, event: &Event, context: &Context<'_>) -> Result<Effect, String> {
        self.apply(event, context, &mut Vec::new())
    }

    /// Applies the action. A panic is an error of this event, like any other.
    fn apply(
        &self,
        event: &Event,
        context: &Context<'_>,
        unresolved: &mut Vec<UnresolvedName>,
    ) -> Result<Effect, String> {
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let output = self.action.apply(event, context)?;
            // A catalog would take all datasets without a name for one.
            let empties = match &output.effect {
                Effect::Changed(after) => {
                    self.action.renames()
                        && after.text().contains(EMPTY)
                        && empty_names(after) > empty_names(event)
                }
                Effect::Unchanged | Effect::Drop => false,
            };
            Ok::<_, String>((output, empties))
        }));
        let (
            ActionOutput {
                effect,
                unresolved: left,
            },
            empties,
        ) = applied.unwrap_or_else(|_| Err("the action panicked".to_owned()))?;
        unresolved.extend(left);
        match empties {
            true => Err("a name would become empty".to_owned()),
            false => Ok(effect),
        }
    }
}

/// An empty string in JSON.
const EMPTY: &str = "\"\"";

/// Returns how many namespaces and names are empty, at all positions.
fn empty_names(event: &Event) -> usize {
    let indexed = event.indexed();
    let found = openlineage::names(indexed.json());
    let texts = found.iter().flat_map(|name| [name.namespace, name.name]);
    texts.filter(|json| json.text() == EMPTY).count()
}
