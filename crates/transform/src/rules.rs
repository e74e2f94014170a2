//! Rules: an ordered list, each with conditions, an action, and what to do when the action fails.
//!
//! A rules file is read once (`rules/read.rs`) into a valid [`RuleSet`]; [`RuleSet::apply`] is then called for every
//! event. Each rule gets the result of the rules before it. An event that no rule changes keeps its text, and rules
//! decode no more of it than their conditions need. Called by the pipeline and by `lineage-proxy transform`. What
//! actions do is in `crate::action`.

mod apply;
mod builtin;
mod conditions;
mod distinct;
mod examples;
mod explain;
mod named;
mod pattern;
mod read;
mod reader;
mod rewrite;
mod when;
pub mod yaml;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::Event;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::action::{Action, Effect};
use crate::coalesce::{MergedEvent, coalesce};
use crate::endpoint::ShortName;
use apply::run;
use when::When;

pub use apply::{Context, RuleStep, StepOutcome, Transformation, Verdict};
pub use builtin::{
    BUILTIN, Builtins, DATASET_EVENTS, DATASETS, DatasetRequirement, EVENT_TYPES, JOB_EVENTS,
    JobEventAction, REDSHIFT_NAMES, SIZE_LIMIT, TARGET_WHEN,
};
pub use conditions::Conditions;
pub(crate) use distinct::{Uniqueness, rewrite_distinct};
pub use examples::{Example, ExampleResult, Failure};
pub(crate) use explain::{NameEffect, each_name, nearest};
pub use explain::{NameMismatch, NamePosition, UntouchedName, name_positions};
pub(crate) use named::{NamePattern, RoleName};
pub use pattern::Glob;
pub(crate) use pattern::{Patterns, RegexText};
pub use read::Coalesce;
pub use reader::RuleResources;
pub(crate) use reader::{Reader, Trust};
pub(crate) use rewrite::{rewrite, rewrite_with};
pub use when::UnmetCondition;
pub use yaml::Problem;

/// The JSON Schema of the rules file, for editors.
pub const SCHEMA: &str = include_str!("../transforms.schema.json");

/// A compiled rules file.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// Drops what the target is not to get. It comes before the rules of the file.
    selection: Option<Selection>,
    rules: Vec<Rule>,
    /// The rules that the target needs. They follow those of the file.
    builtins: Vec<Rule>,
    /// Which events of a run are merged, if any.
    pub coalesce: Option<Coalesce>,
    examples: Vec<Example>,
    warnings: Vec<Problem>,
}

/// The events that the target gets.
#[derive(Debug, Clone)]
struct Selection {
    conditions: Conditions,
    /// Drops what does not meet them.
    rule: Rule,
}

#[derive(Debug, Clone)]
struct Rule {
    name: Arc<str>,
    when: When,
    action: Arc<dyn Action>,
    on_failure: OnFailure,
    /// Why the rule, or a part of it, can never have an effect.
    warnings: Vec<String>,
}

/// What happens to an event when the rule fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailure {
    /// It continues as it was before the rule.
    Keep,
    /// It becomes a dead letter.
    DeadLetter,
}

impl RuleSet {
    /// Reads a rules file. Returns all errors, by line.
    pub fn read(text: &str, sources: &RuleResources<'_>) -> Result<RuleSet, Vec<Problem>> {
        read::read(text, sources, Trust::File)
    }

    /// Reads a rules text of somebody who tries it, and may not read what this machine has: every setting that names a file is
    /// an error, and `sources.file` is never called. A script gets the default number of steps at most, and there may be 50
    /// scripts and 100 regular expressions.
    pub fn read_trial(text: &str, sources: &RuleResources<'_>) -> Result<RuleSet, Vec<Problem>> {
        read::read(text, sources, Trust::Trial)
    }

    /// Returns how many rules the file has.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it has no effect on any event.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none() && self.coalesce.is_none()
    }

    /// Returns the names of all rules, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|rule| &*rule.name)
    }

    /// Returns the examples in the file.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// Returns the warnings: parts of the file that are valid but can never have an effect.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Returns the rule that selects events, the rules of the file, then the other built-in ones.
    fn all(&self) -> impl Iterator<Item = &Rule> {
        let selection = self.selection.iter().map(|selection| &selection.rule);
        selection.chain(&self.rules).chain(&self.builtins)
    }

    /// Returns the rule of that name by itself.
    fn only(&self, name: &str) -> RuleSet {
        let rules = self.rules.iter().filter(|rule| &*rule.name == name);
        RuleSet {
            rules: rules.cloned().collect(),
            ..RuleSet::default()
        }
    }

    /// Whether a rule runs a script, a module or a transform of the user, which may be slow.
    pub fn run_code(&self) -> bool {
        self.rules.iter().any(|rule| rule.action.runs_code())
    }

    /// Whether a rule redacts: the event as it was accepted may have secrets.
    pub fn redact(&self) -> bool {
        self.rules.iter().any(|rule| rule.action.redacts())
    }

    /// Returns the Redshift names that have to be looked up before [`apply`](Self::apply).
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

    /// As [`apply`](Self::apply), but asks before each rule whether it `is_late`, and then returns `None`.
    pub fn apply_until(
        &self,
        event: &Event,
        context: &Context<'_>,
        is_late: impl Fn() -> bool,
    ) -> Option<Transformation> {
        let mut ended = false;
        let applied = run(self.all(), event, context, |_, _| {
            ended = ended || is_late();
            // The outcome is not returned: it only keeps the rule from being applied.
            ended.then_some(StepOutcome::Unchanged)
        });
        (!ended).then_some(applied)
    }

    /// As [`apply`](Self::apply), but also returns the unmet condition of each rule that does not apply, and the names
    /// that the other rules did not change.
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
        // Of the first step, people want to know why: that the opposite of the conditions is met says little.
        if let (Some(selection), Some(step)) = (&self.selection, explained.steps.first_mut()) {
            step.unselected = selection.conditions.first_unmet(event, context.target);
            if step.unselected.is_none() {
                step.outcome = StepOutcome::Unchanged;
            }
        }
        for step in &mut explained.steps {
            step.untouched = untouched.remove(&step.rule).unwrap_or_default();
            let rule = self.all().find(|rule| rule.name == step.rule);
            step.warnings = rule.map(|rule| rule.warnings.clone()).unwrap_or_default();
        }
        explained
    }

    /// Returns the event with everything hidden that the rules of the file redact, and otherwise as it is: what may be shown of
    /// an event as it was accepted. A rule that redacts is applied if its conditions hold for the event as it is, or as the
    /// rules before it leave it. Fails if it fails: nothing of the event may be shown then.
    pub fn redacted(&self, event: &Event, context: &Context<'_>) -> Result<Event, String> {
        let mut applied = BTreeSet::new();
        if self.redact() {
            run(self.all(), event, context, |rule, left| {
                if rule.action.redacts() && rule.when.holds(left, context.target) {
                    applied.insert(rule.name.clone());
                }
                None
            });
        }
        let mut shown = event.clone();
        for rule in self.rules.iter().filter(|rule| rule.action.redacts()) {
            let applies = |event| rule.when.holds(event, context.target);
            // A rule before it may drop the event, or fail. What it hides then is hidden all the same.
            if applied.contains(&rule.name) || applies(event) || applies(&shown) {
                match rule.redact(&shown, context)? {
                    Effect::Changed(redacted) => shown = redacted,
                    Effect::Unchanged => {}
                    Effect::Drop => return Err("the event would be dropped".to_owned()),
                }
            }
        }
        Ok(shown)
    }

    /// Whether any events may be merged. If not, [`merge_run`](Self::merge_run) returns each by itself, as the rules leave it.
    pub fn merges(&self) -> bool {
        self.coalesce.is_some()
    }

    /// Returns how the events of the run of `event` are merged, if `event` may be merged.
    pub fn coalesces(&self, event: &Event, target: &str) -> Option<&Coalesce> {
        self.coalesce
            .as_ref()
            .filter(|coalesce| coalesce.when.holds(event, target))
    }

    /// Merges the events of one run that may be merged, unless the result would be larger than `limit` bytes. Takes
    /// each event before and after the rules, in the order of delivery. A merged event gets the position of its last
    /// part.
    pub fn merge_run(
        &self,
        events: &[(&Event, &Event)],
        target: &str,
        limit: Option<usize>,
    ) -> Vec<MergedEvent> {
        let joins = |index: &usize| {
            let original = events.get(*index).map(|(original, _)| *original);
            original.is_some_and(|original| self.coalesces(original, target).is_some())
        };
        let (joining, others): (Vec<usize>, Vec<usize>) = (0..events.len()).partition(joins);
        let ruled = |index: &usize| events.get(*index).map(|(_, ruled)| *ruled);
        let mut out: Vec<MergedEvent> = others
            .into_iter()
            .filter_map(|index| {
                Some(MergedEvent {
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

#[cfg(test)]
mod tests;
