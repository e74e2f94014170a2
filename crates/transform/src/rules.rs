//! Rules: an ordered list, each with conditions, an action, and what to do when the action fails.
//!
//! A rules file is read once (`rules/read.rs`) into [`RuleSet`], which cannot be wrong; [`RuleSet::apply`] is then called
//! for every event. Each rule sees what the ones before it left. An event that no rule changes leaves as the text it
//! came in, and no rule looks further into it than its conditions have to. Called by the batch and by the workbench.

mod action;
mod add;
mod distinct;
mod examples;
mod explain;
mod pattern;
mod read;
mod rename;
mod when;
pub mod yaml;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openlineage::Event;

use crate::coalesce::{Merged, coalesce};
use crate::endpoint::ShortName;
use crate::redshift::{Lookup, Unresolved};
use action::{Action, ActionOutput};
use when::When;

pub use examples::{Example, ExampleResult, Failure};
pub use explain::{NameMismatch, NamePosition, UntouchedName, name_positions};
pub use read::{Coalesce, Sources};
pub use when::UnmetCondition;
pub use yaml::Problem;

/// The JSON Schema of the rules file, for editors.
pub const SCHEMA: &str = include_str!("../transforms.schema.json");

/// A rules file, compiled.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// Which events of a run are to become one, if any.
    pub coalesce: Option<Coalesce>,
    examples: Vec<Example>,
    warnings: Vec<Problem>,
}

#[derive(Debug, Clone)]
struct Rule {
    name: Arc<str>,
    when: When,
    action: Action,
    on_failure: OnFailure,
    /// Why it, or a part of it, can never do anything.
    warnings: Vec<String>,
}

/// What becomes of an event whose rule failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum OnFailure {
    /// It goes on as it was before the rule.
    #[default]
    Keep,
    /// It is a dead letter.
    DeadLetter,
}

/// What rules may know besides the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'f> {
    /// The name of the target.
    pub target: &'f str,
    /// What was looked up of the short names in [`RuleSet::lookups`].
    pub lookups: &'f HashMap<ShortName, Lookup>,
}

/// What the rules made of an event.
#[derive(Debug, Clone)]
pub struct Transformation {
    /// Whether it goes on.
    pub verdict: Verdict,
    /// The rules that did something, or tried to; from [`RuleSet::explain`], all of them.
    pub steps: Vec<RuleStep>,
    /// Names that stay as they came, or keep a part that a rule would have taken, and why.
    pub unresolved: Vec<Unresolved>,
}

/// Whether an event goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As this.
    Keep(Event),
    /// A rule took it out.
    Drop {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// A rule failed that says so.
    DeadLetter {
        /// The rule's name.
        rule: Arc<str>,
        /// Why it failed.
        reason: String,
    },
}

/// One rule and one event.
#[derive(Debug, Clone)]
pub struct RuleStep {
    /// The rule's name.
    pub rule: Arc<str>,
    /// What it did.
    pub outcome: StepOutcome,
    /// Why it left what it left: from [`RuleSet::explain`].
    pub untouched: Vec<UntouchedName>,
    /// Why it, or a part of it, can never do anything: from [`RuleSet::explain`].
    pub warnings: Vec<String>,
}

/// What a rule did with an event.
#[derive(Debug, Clone)]
pub enum StepOutcome {
    /// Nothing: it is not for this event.
    ConditionUnmet(UnmetCondition),
    /// Nothing: it found nothing to do.
    Unchanged,
    /// It changed it.
    Changed {
        /// As it was.
        before: Event,
        /// As it is.
        after: Event,
    },
    /// It took it out.
    Dropped,
    /// It could not do its work.
    Failed(String),
}

impl RuleSet {
    /// Reads a rules file. Errors: all that is wrong with it, by line.
    pub fn read(text: &str, sources: &Sources<'_>) -> Result<RuleSet, Vec<Problem>> {
        read::read(text, sources)
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is nothing to do for any event.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.coalesce.is_none()
    }

    /// The names of the rules, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// The examples that stand in the file.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What can never do anything: right as it is written, but surely not what was meant.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The rule of that name by itself.
    fn only(&self, name: &str) -> RuleSet {
        let rules = self.rules.iter().filter(|rule| &*rule.name == name);
        RuleSet {
            rules: rules.cloned().collect(),
            ..RuleSet::default()
        }
    }

    /// Whether a script, a module or a transform of somebody's own is among them: code that may take its time.
    pub fn run_code(&self) -> bool {
        self.rules.iter().any(|rule| rule.action.is_code())
    }

    /// The Redshift names that have to be looked up before [`apply`](Self::apply).
    pub fn lookups(&self, event: &Event, target: &str) -> BTreeSet<ShortName> {
        let mut wanted = BTreeSet::new();
        let last = self.rules.iter().rposition(|rule| rule.action.looks_up());
        if let Some(rules) = last.and_then(|last| self.rules.get(..=last)) {
            let lookups = HashMap::new();
            let context = Context {
                target,
                lookups: &lookups,
            };
            run(rules, event, &context, |rule, event| {
                wanted.extend(rule.action.lookups(event));
                None
            });
        }
        wanted
    }

    /// What becomes of `event`.
    pub fn apply(&self, event: &Event, context: &Context<'_>) -> Transformation {
        run(&self.rules, event, context, |_, _| None)
    }

    /// The same, and for each rule that does not apply the condition that is not met; for each that does, why it left
    /// the names that it left.
    pub fn explain(&self, event: &Event, context: &Context<'_>) -> Transformation {
        let mut left = HashMap::new();
        let mut explained = run(&self.rules, event, context, |rule, event| {
            let missed = rule.when.miss(event, context.target);
            if missed.is_none() {
                left.insert(rule.name.clone(), rule.action.untouched(event));
            }
            missed.map(|missed| StepOutcome::ConditionUnmet(missed.told(event, context.target)))
        });
        for step in &mut explained.steps {
            step.untouched = left.remove(&step.rule).unwrap_or_default();
            let rule = self.rules.iter().find(|rule| rule.name == step.rule);
            step.warnings = rule.map(|rule| rule.warnings.clone()).unwrap_or_default();
        }
        explained
    }

    /// Whether the events of its run may become one with `event`, as far as the file says.
    pub fn coalesces(&self, event: &Event, target: &str) -> Option<&Coalesce> {
        self.coalesce
            .as_ref()
            .filter(|coalesce| coalesce.when.miss(event, target).is_none())
    }

    /// The events that go out for those of one run, given as they came and as the rules left them, in the order of
    /// their delivery: those that may become one merged, unless it were larger than `limit` bytes; each in place of the
    /// last of its parts.
    pub fn merge_run(
        &self,
        events: &[(&Event, &Event)],
        target: &str,
        limit: Option<usize>,
    ) -> Vec<Merged> {
        let joins = |place: &usize| {
            let event = events.get(*place).map(|(came, _)| *came);
            event.is_some_and(|came| self.coalesces(came, target).is_some())
        };
        let (joining, others): (Vec<usize>, Vec<usize>) = (0..events.len()).partition(joins);
        let ruled = |place: &usize| events.get(*place).map(|(_, ruled)| *ruled);
        let mut out: Vec<Merged> = others
            .into_iter()
            .filter_map(|place| {
                Some(Merged {
                    event: ruled(&place)?.clone(),
                    parts: vec![place],
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

/// One rule after another. `look` sees each event before its rule, and may say what the step was.
fn run(
    rules: &[Rule],
    event: &Event,
    context: &Context<'_>,
    mut look: impl FnMut(&Rule, &Event) -> Option<StepOutcome>,
) -> Transformation {
    let mut event = event.clone();
    let (mut steps, mut unresolved) = (Vec::new(), Vec::new());
    let step = |rule: &Rule, did| RuleStep {
        rule: rule.name.clone(),
        outcome: did,
        untouched: Vec::new(),
        warnings: Vec::new(),
    };
    for rule in rules {
        if let Some(did) = look(rule, &event) {
            steps.push(step(rule, did));
            continue;
        }
        if rule.when.miss(&event, context.target).is_some() {
            continue;
        }
        match rule.on(&event, context, &mut unresolved) {
            Ok(None) => steps.push(step(rule, StepOutcome::Unchanged)),
            Ok(Some(ActionOutput::Changed(after))) => {
                let did = StepOutcome::Changed {
                    before: event,
                    after: after.clone(),
                };
                steps.push(step(rule, did));
                event = after;
            }
            Ok(Some(ActionOutput::Drop)) => {
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
    /// What the rule does, or why it cannot. A panic is a failure like any other, and stays with this event.
    fn on(
        &self,
        event: &Event,
        context: &Context<'_>,
        unresolved: &mut Vec<Unresolved>,
    ) -> Result<Option<ActionOutput>, String> {
        catch_unwind(AssertUnwindSafe(|| {
            let done = self.action.on(event, context, unresolved)?;
            // A catalogue would take all that lost its name for one and the same.
            if let Some(ActionOutput::Changed(after)) = &done
                && self.action.names()
                && after.text().contains(EMPTY)
                && empty_names(after) > empty_names(event)
            {
                return Err("a name would become empty".to_owned());
            }
            Ok(done)
        }))
        .unwrap_or_else(|_| Err("it panicked".to_owned()))
    }
}

/// An empty text, as it stands in JSON.
const EMPTY: &str = "\"\"";

/// How many namespaces and names are empty, at all places where there are some.
fn empty_names(event: &Event) -> usize {
    let found = event.json().map(openlineage::names).unwrap_or_default();
    let texts = found.iter().flat_map(|name| [name.namespace, name.name]);
    texts.filter(|json| json.text() == EMPTY).count()
}

#[cfg(test)]
mod tests;
