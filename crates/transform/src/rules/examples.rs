//! Examples: events in the rules file beside their rules, and the expected results. Run by
//! `lineage-proxy transform test`.
//!
//! What an event needs and an example leaves out is filled in, so that an example contains only what matters. How
//! examples are written is in `examples/settings.rs`, how results are compared in `examples/judge.rs`.

mod event;
mod judge;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use openlineage::Event;

use judge::{Expect, Results};
pub(super) use settings::ExampleSettings;

use super::{Context, RuleSet, Verdict};
use crate::diff::Difference;
use crate::redshift::Lookup;

/// An example.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// The rule that it tests, which then runs alone; `None` for an example of the whole file.
    pub rule: Option<Arc<str>>,
    /// Its line in the file.
    pub line: u64,
    given: Vec<Event>,
    target: String,
    expect: Vec<Expect>,
}

/// The result of an example.
#[derive(Debug, Clone)]
pub struct ExampleResult {
    /// Everything that differs from the expectation; empty if it passed.
    pub failures: Vec<Failure>,
}

/// A difference from the expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A value differs; `before` is the expected one.
    Value(Difference),
    /// Another outcome than expected.
    Else {
        /// What was expected.
        expected: String,
        /// What became of it.
        found: String,
    },
}

impl ExampleResult {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Example {
    /// Runs the example with the rules of its file.
    pub fn run(&self, rules: &RuleSet) -> ExampleResult {
        let alone;
        let rules = match &self.rule {
            None => rules,
            Some(name) => {
                alone = rules.only(name);
                &alone
            }
        };
        let lookups: HashMap<_, Lookup> = HashMap::new();
        let context = Context {
            target: &self.target,
            lookups: &lookups,
        };
        let (mut results, mut kept) = (Results::default(), Vec::new());
        for event in &self.given {
            let transformed = rules.apply(event, &context);
            let unresolved = transformed.unresolved.iter();
            results
                .unresolved
                .extend(unresolved.map(|name| format!("{}: {}", name.namespace, name.reason)));
            for step in &transformed.steps {
                if let super::StepOutcome::Failed(reason) = &step.outcome {
                    results
                        .failed
                        .push(format!("rule {:?} failed: {reason}", step.rule));
                }
            }
            match transformed.verdict {
                Verdict::Keep(after) => kept.push((event, after)),
                Verdict::Drop { rule } => results.dropped.push(rule),
                Verdict::DeadLetter { rule, reason } => {
                    results.dead.push(format!("{rule:?}: {reason}"));
                }
            }
        }
        let pairs: Vec<_> = kept.iter().map(|(event, after)| (*event, after)).collect();
        let merged = rules.merge_run(&pairs, &self.target, None);
        results.kept = merged.into_iter().map(|merged| merged.event).collect();
        let mut failures = Vec::new();
        let may_fail = |expect: &Expect| matches!(expect, Expect::DeadLetter | Expect::Failed);
        if !results.failed.is_empty() && !self.expect.iter().any(may_fail) {
            failures.push(Failure::Else {
                expected: "no rule that fails".to_owned(),
                found: results.failed.join("; "),
            });
        }
        for expect in &self.expect {
            expect.check(self, &results, &mut failures);
        }
        let explained = |failure: &Failure| matches!(failure, Failure::Else { .. });
        if let Some(left) = results.left().filter(|_| !failures.is_empty())
            && !failures.iter().any(explained)
        {
            failures.push(Failure::Else {
                expected: "no name that has to be looked up".to_owned(),
                found: left,
            });
        }
        ExampleResult { failures }
    }
}
