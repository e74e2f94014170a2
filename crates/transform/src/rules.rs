//! Rules: an ordered list, each with conditions, an action, and what to do when the action fails.
//!
//! A rules file is read once (`rules/read.rs`) into a valid [`RuleSet`]; [`RuleSet::apply`] is then called for every
//! event. Each rule sees the event as the rules before it left it. An event that no rule changes keeps its text, and no
//! rule looks further into it than its conditions have to. Called by the pipeline and by `lineage-proxy transform`. What
//! actions do is in `crate::action`.

mod builtin;
mod distinct;
mod examples;
mod explain;
mod named;
mod pattern;
mod read;
mod rewrite;
mod when;
pub mod yaml;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openlineage::Event;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::{Action, ActionOutput, Effect};
use crate::coalesce::{Merged, coalesce};
use crate::endpoint::ShortName;
use crate::redshift::{Lookup, Unresolved};
use when::When;

pub use builtin::{
    Builtins, DATASET_EVENTS, JOB_EVENTS, JobEventAction, REDSHIFT_NAMES, SIZE_LIMIT,
};
pub(crate) use distinct::{Uniqueness, rewrite_distinct};
pub use examples::{Example, ExampleResult, Failure};
pub use explain::{NameMismatch, NamePosition, UntouchedName, name_positions};
pub(crate) use explain::{each_name, nearest};
pub(crate) use named::{Named, RoleName};
pub use pattern::Glob;
pub(crate) use pattern::{Patterns, RegexText};
pub(crate) use read::Reader;
pub use read::{Coalesce, Sources};
pub(crate) use rewrite::{rewrite, rewrite_with};
pub use when::UnmetCondition;
pub use yaml::Problem;

/// The JSON Schema of the rules file, for editors.
pub const SCHEMA: &str = include_str!("../transforms.schema.json");

/// A compiled rules file.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// What the target needs: they follow the rules of the file.
    builtins: Vec<Rule>,
    /// Which events of a run are merged, if any.
    pub coalesce: Option<Coalesce>,
    examples: Vec<Example>,
    warnings: Vec<Problem>,
}

#[derive(Debug, Clone)]
struct Rule {
    name: Arc<str>,
    when: When,
    action: Arc<dyn Action>,
    on_failure: OnFailure,
    /// Why the rule, or a part of it, can never do anything.
    warnings: Vec<String>,
}

/// What becomes of an event whose rule failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailure {
    /// It goes on as it was before the rule.
    Keep,
    /// It becomes a dead letter.
    DeadLetter,
}

/// What rules know besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'f> {
    /// The name of the target.
    pub target: &'f str,
    /// The results of looking up the short names of [`RuleSet::lookups`].
    pub lookups: &'f HashMap<ShortName, Lookup>,
}

/// The result of applying rules to an event.
#[derive(Debug, Clone)]
pub struct Transformation {
    /// What becomes of the event.
    pub verdict: Verdict,
    /// The rules that applied; from [`RuleSet::explain`], all rules.
    pub steps: Vec<RuleStep>,
    /// Names that could not be rewritten, wholly or in part, and why.
    pub unresolved: Vec<Unresolved>,
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as this.
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
    /// The names that it left as they were, and why: from [`RuleSet::explain`].
    pub untouched: Vec<UntouchedName>,
    /// Why the rule, or a part of it, can never do anything: from [`RuleSet::explain`].
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

impl RuleSet {
    /// Reads a rules file. Errors: all that is wrong with it, by line.
    pub fn read(text: &str, sources: &Sources<'_>) -> Result<RuleSet, Vec<Problem>> {
        read::read(text, sources)
    }

    /// How many rules the file has.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is nothing to do for any event.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.builtins.is_empty() && self.coalesce.is_none()
    }

    /// The names of all rules, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|rule| &*rule.name)
    }

    /// The examples in the file.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What can never do anything: valid, but surely not what was meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The rules of the file, then the built-in ones.
    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain(&self.builtins)
    }

    /// The rule of that name by itself.
    fn only(&self, name: &str) -> RuleSet {
        let rules = self.rules.iter().filter(|rule| &*rule.name == name);
        RuleSet {
            rules: rules.cloned().collect(),
            ..RuleSet::default()
        }
    }

    /// Whether a rule runs a script, a module or a transform of the user's: code that may take its time.
    pub fn run_code(&self) -> bool {
        self.rules.iter().any(|rule| rule.action.runs_code())
    }

    /// The Redshift names that have to be looked up before [`apply`](Self::apply).
    pub fn lookups(&self, event: &Event, target: &str) -> BTreeSet<ShortName> {
        let mut names = BTreeSet::new();
        let looks_up = |(index, rule): (usize, &Rule)| rule.action.looks_up().then_some(index);
        let last = self.all().enumerate().filter_map(looks_up).last();
        if let Some(last) = last {
            let lookups = HashMap::new();
            let context = Context {
                target,
                lookups: &lookups,
            };
            run(self.all().take(last + 1), event, &context, |rule, event| {
                names.extend(rule.action.lookups(event));
                None
            });
        }
        names
    }

    /// Applies the rules to `event`.
    pub fn apply(&self, event: &Event, context: &Context<'_>) -> Transformation {
        run(self.all(), event, context, |_, _| None)
    }

    /// As [`apply`](Self::apply), with the unmet condition of each rule that does not apply, and the names that each
    /// other rule left as they were.
    pub fn explain(&self, event: &Event, context: &Context<'_>) -> Transformation {
        let mut untouched = HashMap::new();
        let mut explained = run(self.all(), event, context, |rule, event| {
            let unmet = rule.when.first_unmet(event, context.target);
            if unmet.is_none() {
                untouched.insert(rule.name.clone(), rule.action.untouched(event));
            }
            let describe = |unmet: when::UnmetRef<'_>| unmet.describe(event, context.target);
            unmet.map(describe).map(StepOutcome::ConditionUnmet)
        });
        for step in &mut explained.steps {
            step.untouched = untouched.remove(&step.rule).unwrap_or_default();
            let rule = self.all().find(|rule| rule.name == step.rule);
            step.warnings = rule.map(|rule| rule.warnings.clone()).unwrap_or_default();
        }
        explained
    }

    /// Returns how the events of the run of `event` are merged, if `event` may be merged.
    pub fn coalesces(&self, event: &Event, target: &str) -> Option<&Coalesce> {
        self.coalesce
            .as_ref()
            .filter(|coalesce| coalesce.when.holds(event, target))
    }

    /// Merges the events of one run that may be merged, unless the result were larger than `limit` bytes. Takes each
    /// event before and after the rules, in the order of delivery; a merged event takes the position of its last part.
    pub fn merge_run(
        &self,
        events: &[(&Event, &Event)],
        target: &str,
        limit: Option<usize>,
    ) -> Vec<Merged> {
        let joins = |index: &usize| {
            let original = events.get(*index).map(|(original, _)| *original);
            original.is_some_and(|original| self.coalesces(original, target).is_some())
        };
        let (joining, others): (Vec<usize>, Vec<usize>) = (0..events.len()).partition(joins);
        let ruled = |index: &usize| events.get(*index).map(|(_, ruled)| *ruled);
        let mut out: Vec<Merged> = others
            .into_iter()
            .filter_map(|index| {
                Some(Merged {
                    event: ruled(&index)?.clone(),
                    parts: vec![index],
                })
            })
            .collect();
        if let (Some(with), false) = (&self.coalesce, joining.is_empty()) {
            let merging: Vec<&Event> = joining.iter().filter_map(ruled).collect();
            let most = [with.max_bytes, limit].into_iter().flatten().min();
            for mut merged in coalesce(&merging, with.keep_start, most) {
                merged.parts = (merged.parts.iter())
                    .filter_map(|part| joining.get(*part).copied())
                    .collect();
                out.push(merged);
            }
        }
        out.sort_by_key(|merged| merged.parts.last().copied());
        out
    }
}

/// Applies one rule after another. `look` sees the event before each rule; the rule is skipped with the outcome that it
/// returns, if any.
fn run<'r>(
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
    /// Applies the action. A panic is an error like any other, and stays with this event.
    fn apply(
        &self,
        event: &Event,
        context: &Context<'_>,
        unresolved: &mut Vec<Unresolved>,
    ) -> Result<Effect, String> {
        let applied = catch_unwind(AssertUnwindSafe(|| {
            let output = self.action.apply(event, context)?;
            // A catalogue would take all that lost its name for one and the same.
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

/// How many namespaces and names are empty, at all places where there are some.
fn empty_names(event: &Event) -> usize {
    let found = event.json().map(openlineage::names).unwrap_or_default();
    let texts = found.iter().flat_map(|name| [name.namespace, name.name]);
    texts.filter(|json| json.text() == EMPTY).count()
}

#[cfg(test)]
mod tests;
