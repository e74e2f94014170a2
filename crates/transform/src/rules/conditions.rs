//! Conditions outside of a rules file: those of a target's `when`, and of `replay --where`.
//!
//! They are read by the code of a rule's `when`, with the same messages. Called by the configuration, which knows where the
//! conditions stand, by the built-in rules, and by the command line.

use std::sync::Arc;

use openlineage::Event;

use super::reader::{Reader, RuleResources, Trust};
use super::when::{UnmetCondition, When, WhenSettings};
use super::yaml::{self, Node, Problem, Problems};
use crate::plugin::Transforms;

/// Conditions that select events. Cheap to clone.
#[derive(Clone)]
pub struct Conditions {
    when: Arc<When>,
    /// The conditions as JSON.
    text: Arc<str>,
}

impl Conditions {
    /// Reads conditions. `targets` are the names that `target` may contain; if empty, any. Returns all errors; conditions that
    /// no event meets are one, since they are none in a file that only warns of them.
    pub fn read(node: &Node, targets: &[&str]) -> Result<Conditions, Vec<Problem>> {
        let sources = RuleResources {
            file: &|name| Err(format!("{name}: conditions name no file")),
            transforms: &Transforms::new(),
            hash_key: None,
            targets,
        };
        let problems = Problems::default();
        let reader = Reader {
            sources: &sources,
            problems: &problems,
            trust: Trust::File,
        };
        let when = yaml::read::<WhenSettings>(node, &problems).map(|when| when.build(&reader));
        if let Some(reason) = when.as_ref().and_then(When::never) {
            let message = format!("no event meets these conditions: {reason}");
            reader.error(node.at, message);
        }
        problems.finish()?;
        Ok(Conditions {
            when: Arc::new(when.unwrap_or_default()),
            text: node.json().to_string().into(),
        })
    }

    /// Reads conditions that are written as YAML, such as JSON.
    pub fn parse(text: &str) -> Result<Conditions, Vec<Problem>> {
        let node = yaml::parse(text).map_err(|problem| vec![problem])?;
        Conditions::read(&node, &[])
    }

    /// The conditions as JSON, which [`parse`](Self::parse) reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `event` meets them, for a target of that name.
    pub fn hold(&self, event: &Event, target: &str) -> bool {
        self.when.holds(event, target)
    }

    /// Describes the first condition that `event` does not meet.
    pub(super) fn first_unmet(&self, event: &Event, target: &str) -> Option<UnmetCondition> {
        let unmet = self.when.first_unmet(event, target)?;
        Some(unmet.describe(event, target))
    }

    /// The events that do not meet them.
    pub(super) fn negated(&self) -> When {
        When::not((*self.when).clone())
    }
}

impl std::fmt::Debug for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Level;

    use super::*;

    fn problems(text: &str, targets: &[&str]) -> Vec<String> {
        let node = yaml::parse(text).unwrap();
        let problems = Conditions::read(&node, targets).unwrap_err();
        problems.iter().map(Problem::to_string).collect()
    }

    #[test]
    fn they_have_the_messages_of_a_rules_file_with_their_positions() {
        assert_eq!(
            problems("kind: runs\njob: {nam: x}\n", &[]),
            [
                "1:7: expected one of run, job, dataset, found \"runs\" (did you mean \"run\"?)",
                "2:6: expected namespace, name, or both",
                "2:7: unknown key \"nam\" (did you mean \"name\"?); expected namespace, name",
            ]
        );
        assert_eq!(
            problems("[run]", &[]),
            ["1:1: expected a map of conditions, found a list"]
        );
        assert_eq!(
            problems("target: lake", &["catalog"]),
            ["1:9: expected one of catalog, found \"lake\""]
        );
        assert_eq!(
            problems("smaller_than: 0", &[]),
            ["1:1: no event meets these conditions: no event has less than 0 bytes"]
        );
    }

    #[test]
    fn what_they_show_reads_as_the_same_conditions() {
        let conditions = Conditions::parse("{job: {name: nightly*}, not: {kind: run}}").unwrap();
        let again = Conditions::parse(conditions.text()).unwrap();
        for (job, holds) in [("nightly_load", true), ("hourly", false)] {
            let text = format!(
                r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{{"namespace":"n","name":"{job}"}}}}"#
            );
            let event = Event::read(text.as_bytes(), Level::Repair).unwrap().event;
            assert_eq!(conditions.hold(&event, "t"), holds);
            assert_eq!(again.hold(&event, "t"), holds);
        }
    }
}
