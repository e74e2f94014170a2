//! Examples: events that stand in the rules file beside their rules, and what has to become of them.
//!
//! What an event needs and an example leaves out is filled in, so that an example shows what matters and no more. Run by
//! `lineage-proxy transform test`; how events are written there is in `examples/given.rs`, how
//! they are judged in `examples/judge.rs`.

mod given;
mod judge;

use std::collections::HashMap;
use std::sync::Arc;

use openlineage::Event;

use given::events;
use judge::{Came, Expect};

use super::yaml::{At, Fields, Node, Problems, Value as Yaml};
use super::{Context, RuleSet, Verdict};
use crate::diff::Difference;
use crate::redshift::Lookup;

/// An example.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// The rule beside which it stands, which then runs alone; `None` for one of the whole file.
    pub rule: Option<Arc<str>>,
    /// Its line in the file.
    pub line: u64,
    given: Vec<Event>,
    target: String,
    expect: Vec<Expect>,
}

/// What came of an example.
#[derive(Debug, Clone)]
pub struct ExampleResult {
    /// Everything that is not as expected; nothing when it passed.
    pub failures: Vec<Failure>,
}

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// A value is another; `before` is what was expected.
    Value(Difference),
    /// Something else became of it.
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
        let (mut came, mut kept) = (Came::default(), Vec::new());
        for event in &self.given {
            let transformed = rules.apply(event, &context);
            let unresolved = transformed.unresolved.iter();
            came.unresolved
                .extend(unresolved.map(|name| format!("{}: {}", name.namespace, name.reason)));
            for step in &transformed.steps {
                if let super::StepOutcome::Failed(reason) = &step.outcome {
                    came.failed
                        .push(format!("rule {:?} failed: {reason}", step.rule));
                }
            }
            match transformed.verdict {
                Verdict::Keep(after) => kept.push((event, after)),
                Verdict::Drop { rule } => came.dropped.push(rule),
                Verdict::DeadLetter { rule, reason } => {
                    came.dead.push(format!("{rule:?}: {reason}"));
                }
            }
        }
        let pairs: Vec<_> = kept.iter().map(|(event, after)| (*event, after)).collect();
        let together = rules.merge_run(&pairs, &self.target, None);
        came.kept = together.into_iter().map(|merged| merged.event).collect();
        let mut failures = Vec::new();
        let may_fail = |expect: &Expect| matches!(expect, Expect::DeadLetter | Expect::Failed);
        if !came.failed.is_empty() && !self.expect.iter().any(may_fail) {
            failures.push(Failure::Else {
                expected: "no rule that fails".to_owned(),
                found: came.failed.join("; "),
            });
        }
        for expect in &self.expect {
            expect.check(self, &came, &mut failures);
        }
        let told = |failure: &Failure| matches!(failure, Failure::Else { .. });
        if let Some(left) = came.left().filter(|_| !failures.is_empty())
            && !failures.iter().any(told)
        {
            failures.push(Failure::Else {
                expected: "no name that has to be looked up".to_owned(),
                found: left,
            });
        }
        ExampleResult { failures }
    }

    pub(super) fn read(
        node: &Node,
        rule: Option<&Arc<str>>,
        file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
        problems: &mut Problems,
    ) -> Option<Example> {
        let mut fields = Fields::of(
            node,
            "an example (a map with given and what to expect)",
            problems,
        )?;
        let name = fields.text("name", problems);
        let kinds = [("run", "run"), ("job", "job"), ("dataset", "dataset")];
        let kind = fields
            .get("kind")
            .and_then(|node| node.choice(&kinds, problems));
        let target = fields.get("target").and_then(|node| {
            super::when::target(node, problems);
            node.text(problems)
        });
        let given = match fields.get("given") {
            Some(node) => {
                node.at_least_one(problems);
                events(node, kind, file, problems)
            }
            None => {
                problems.say(node.at, "expected given: an event, or a list of them");
                Vec::new()
            }
        };
        let mut expect = Vec::new();
        if let Some(node) = fields.get("expect") {
            expect.push(Expect::Events(events(node, kind, file, problems)));
        }
        if let Some(node) = fields.get("expect_at") {
            if let Yaml::Map(members) = &node.value {
                if members.is_empty() {
                    problems.say(node.at, "an empty map does nothing");
                }
                for (key, node) in members {
                    pointer(key.at, &key.text, problems);
                    expect.push(Expect::At(key.text.clone(), node.json()));
                }
            } else {
                node.expected("a map of JSON Pointers and values", problems);
            }
        }
        if let Some(node) = fields.get("expect_absent") {
            for node in node.at_least_one(problems) {
                let Some(text) = node.text(problems) else {
                    continue;
                };
                pointer(node.at, &text, problems);
                expect.push(Expect::Absent(text));
            }
        }
        if let Some(node) = fields.get("expect_dropped") {
            if let Yaml::Text(rule) = &node.value {
                expect.push(Expect::Dropped(Some(rule.clone())));
            } else if let Some(dropped) = node.flag(problems) {
                expect.push(if dropped {
                    Expect::Dropped(None)
                } else {
                    Expect::NotDropped
                });
            }
        }
        for (key, wanted) in [
            ("expect_unchanged", Expect::Unchanged),
            ("expect_dead_letter", Expect::DeadLetter),
            ("expect_failed", Expect::Failed),
        ] {
            if fields.flag(key, problems) == Some(true) {
                expect.push(wanted);
            }
        }
        // What is given and wrong is said already. `expect_dropped: false` expects something, the others' `false` does not.
        let expects =
            |key: &&str| fields.asks_for(key) || *key == "expect_dropped" && fields.is_given(key);
        if !EXPECTED.iter().any(expects) {
            let keys = EXPECTED.join(", ");
            problems.say(node.at, format!("expected at least one of {keys}"));
        }
        let line = fields.at.line;
        fields.finish(problems);
        Some(Example {
            name: name.unwrap_or_else(|| format!("line {line}")),
            rule: rule.cloned(),
            line,
            given,
            target: target.unwrap_or_else(|| "store".to_owned()),
            expect,
        })
    }
}

/// What can be expected.
const EXPECTED: [&str; 7] = [
    "expect",
    "expect_at",
    "expect_absent",
    "expect_unchanged",
    "expect_dropped",
    "expect_dead_letter",
    "expect_failed",
];

fn pointer(at: At, text: &str, problems: &mut Problems) {
    if !text.is_empty() && !text.starts_with('/') {
        problems.say(
            at,
            format!("expected a JSON Pointer that begins with /, found {text:?}"),
        );
    }
}
