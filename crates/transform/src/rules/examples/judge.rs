//! Compares the results of an example with the expectations.

use std::sync::Arc;

use openlineage::{Event, Json};
use serde_json::Value;

use super::{Example, Failure};
use crate::diff::{Difference, diff};

/// An expectation of an example.
#[derive(Debug, Clone)]
pub(super) enum Expect {
    /// These events, and no others.
    Events(Vec<Event>),
    /// This value at this pointer of the only event.
    FilePosition(String, Value),
    /// No value at this pointer.
    Absent(String),
    /// The event is unchanged.
    Unchanged,
    /// Dropped, by that rule if one is named.
    Dropped(Option<String>),
    /// Not dropped, by any rule.
    NotDropped,
    /// A dead letter.
    DeadLetter,
    /// The rule fails, whatever the outcome of the event.
    Failed,
}

/// The results of an example.
#[derive(Default)]
pub(super) struct Results {
    pub(super) kept: Vec<Event>,
    pub(super) dropped: Vec<Arc<str>>,
    pub(super) dead: Vec<String>,
    pub(super) failed: Vec<String>,
    /// Redshift names that a rule did not change.
    pub(super) unresolved: Vec<String>,
}

impl Results {
    /// The names that were not looked up, because examples run without AWS.
    pub(super) fn left(&self) -> Option<String> {
        (!self.unresolved.is_empty()).then(|| {
            format!(
                "names were left as they are: {}",
                self.unresolved.join("; ")
            )
        })
    }

    fn describe(&self) -> String {
        let mut parts = Vec::new();
        let events = self.kept.len();
        if events > 0 {
            parts.push(format!(
                "{events} event{} went on",
                if events == 1 { "" } else { "s" }
            ));
        }
        parts.extend(
            self.dropped
                .iter()
                .map(|rule| format!("dropped by {rule:?}")),
        );
        parts.extend(
            self.dead
                .iter()
                .map(|dead| format!("dead letter of {dead}")),
        );
        parts.extend(self.failed.iter().cloned());
        parts.extend(self.left());
        parts.join("; ")
    }
}

impl Expect {
    pub(super) fn check(&self, example: &Example, results: &Results, failures: &mut Vec<Failure>) {
        let mut otherwise = |expected: String| {
            failures.push(Failure::Else {
                expected,
                found: results.describe(),
            });
        };
        match self {
            Expect::Events(wanted) if wanted.len() != results.kept.len() => {
                otherwise(format!("{} event(s)", wanted.len()));
            }
            Expect::Events(wanted) => {
                let many = wanted.len() > 1;
                for (index, (wanted, found)) in wanted.iter().zip(&results.kept).enumerate() {
                    compare(wanted, found, many.then_some(index), failures);
                }
            }
            Expect::Unchanged if results.kept.len() != example.given.len() => {
                otherwise("unchanged".to_owned());
            }
            Expect::Unchanged => {
                for (given, found) in example.given.iter().zip(&results.kept) {
                    compare(given, found, None, failures);
                }
            }
            Expect::FilePosition(pointer, wanted) => match results.kept.as_slice() {
                [event] => {
                    let wanted = wanted.to_string();
                    match (Json::parse(&wanted), under(event, pointer)) {
                        (Ok(wanted), Some(found)) => {
                            for mut difference in diff(wanted, found) {
                                difference.pointer = format!("{pointer}{}", difference.pointer);
                                failures.push(Failure::Value(difference));
                            }
                        }
                        (Ok(_) | Err(_), _) => failures.push(Failure::Value(Difference {
                            pointer: pointer.clone(),
                            before: Some(wanted),
                            after: None,
                        })),
                    }
                }
                _ => otherwise(format!("one event with {pointer}")),
            },
            Expect::Absent(pointer) => match results.kept.as_slice() {
                [event] => {
                    if let Some(found) = under(event, pointer) {
                        failures.push(Failure::Value(Difference {
                            pointer: pointer.clone(),
                            before: None,
                            after: Some(found.text().to_owned()),
                        }));
                    }
                }
                _ => otherwise(format!("one event without {pointer}")),
            },
            Expect::Dropped(rule) => {
                let by = |dropped: &Arc<str>| rule.as_ref().is_none_or(|rule| **rule == **dropped);
                if !results.kept.is_empty() || !results.dropped.iter().any(by) {
                    otherwise(match rule {
                        Some(rule) => format!("dropped by {rule:?}"),
                        None => "dropped".to_owned(),
                    });
                }
            }
            Expect::NotDropped => {
                if !results.dropped.is_empty() {
                    otherwise("not dropped".to_owned());
                }
            }
            Expect::Failed => {
                if results.failed.is_empty() {
                    otherwise("a rule that fails".to_owned());
                }
            }
            Expect::DeadLetter => {
                if results.dead.is_empty() {
                    otherwise("a dead letter".to_owned());
                }
            }
        }
    }
}

/// Returns the value at a JSON Pointer as it is written: numbers are not decoded.
fn under<'e>(event: &'e Event, pointer: &str) -> Option<Json<'e>> {
    let mut steps = pointer.split('/').skip(1);
    steps.try_fold(event.json(), |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value.kind() {
            "array" => {
                let index: usize = step.parse().ok()?;
                value.items().get(index).copied()
            }
            _ => value.get(&step),
        }
    })
}

fn compare(wanted: &Event, found: &Event, index: Option<usize>, failures: &mut Vec<Failure>) {
    for mut difference in diff(wanted.json(), found.json()) {
        if let Some(index) = index {
            difference.pointer = format!("[{index}]{}", difference.pointer);
        }
        failures.push(Failure::Value(difference));
    }
}
