//! Names as producers write them, and what rules make of them: each fixture in `names/` is one such habit.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "names/apart.rs"]
mod apart;
#[path = "names/normalised.rs"]
mod normalised;
#[path = "names/stripped.rs"]
mod stripped;

use std::collections::HashMap;

use openlineage::{Event, Level};
use serde_json::Value;
use transform::{
    Context, RuleResources, RuleSet, StepOutcome, Transformation, Transforms, Verdict,
};

/// What rules of one action made of an event.
struct Outcome {
    event: Value,
    /// What was left as it came, and why.
    left: Vec<String>,
}

impl Outcome {
    /// `namespace name` of all datasets in that list.
    fn names(&self, list: &str) -> Vec<String> {
        let items = self.event[list].as_array().unwrap().iter();
        items.map(called).collect()
    }
}

fn called(value: &Value) -> String {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    format!("{} {}", text("namespace"), text("name"))
}

fn rules(actions: &[&str]) -> RuleSet {
    let sources = RuleResources {
        file: &|name| Err(format!("{name}: not found")),
        transforms: &Transforms::new(),
        hash_key: None,
        targets: &[],
    };
    let rules = actions
        .iter()
        .enumerate()
        .map(|(n, action)| format!("{{name: r{n}, {action}}}"));
    let text = format!("rules: [{}]", rules.collect::<Vec<_>>().join(", "));
    RuleSet::read(&text, &sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn transformed(rules: &RuleSet, event: &Event) -> Transformation {
    let lookups = HashMap::new();
    rules.apply(
        event,
        &Context {
            target: "store",
            lookups: &lookups,
        },
    )
}

fn of(text: &str, actions: &[&str]) -> Outcome {
    let rules = rules(actions);
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    let done = transformed(&rules, &event);
    assert!(
        !done
            .steps
            .iter()
            .any(|step| matches!(step.outcome, StepOutcome::Failed(_))),
        "{:?}",
        done.steps
    );
    let Verdict::Keep(after) = done.verdict else {
        panic!("{:?}", done.verdict);
    };
    // Twice is once.
    let again = transformed(&rules, &after);
    assert!(
        again
            .steps
            .iter()
            .all(|step| matches!(step.outcome, StepOutcome::Unchanged)),
        "{}",
        after.text()
    );
    Outcome {
        event: serde_json::from_str(after.text()).unwrap(),
        left: done
            .unresolved
            .iter()
            .map(|left| format!("{}: {}", left.namespace, left.reason))
            .collect(),
    }
}
