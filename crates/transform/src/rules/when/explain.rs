//! Describes a condition that an event does not meet. Called only by `explain`.

use openlineage::{Event, EventType, Identity, Subject};

use super::{Condition, Kind, Side, datasets, facets, or_none, producer};

/// A condition that an event does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetCondition {
    /// The condition, as in the file: `job.name`.
    pub condition: &'static str,
    /// What it expects.
    pub expected: String,
    /// What the event has.
    pub found: String,
}

/// A condition that an event does not meet, described on request.
pub(crate) struct UnmetRef<'w>(pub(super) &'w Condition);

impl UnmetRef<'_> {
    /// Describes what the condition expects and what the event has.
    pub(crate) fn describe(&self, event: &Event, target: &str) -> UnmetCondition {
        let identity = |identity: &Identity| format!("{} {}", identity.namespace, identity.name);
        let datasets = |side| {
            let found: Vec<String> = datasets(event, side).iter().map(identity).collect();
            or_none(found.join(", "))
        };
        let miss = |condition, expected: String, found: String| UnmetCondition {
            condition,
            expected,
            found,
        };
        match self.0 {
            Condition::Kind(kinds) => {
                let expected: Vec<String> = kinds.iter().map(|kind| kind.word()).collect();
                miss("kind", expected.join(" or "), Kind::of(event).word())
            }
            Condition::EventType(types) => {
                let word = |event_type: &EventType| format!("{event_type:?}").to_uppercase();
                let expected: Vec<String> = types.iter().map(word).collect();
                let found = match event.subject() {
                    Subject::Run { event_type, .. } => event_type.as_ref().map(word),
                    Subject::Job { .. } | Subject::Dataset { .. } => None,
                };
                miss(
                    "event_type",
                    expected.join(" or "),
                    or_none(found.unwrap_or_default()),
                )
            }
            Condition::Target(patterns) => miss("target", patterns.describe(), target.to_owned()),
            Condition::LargerThan(size) => miss(
                "larger_than",
                format!("{size} bytes"),
                format!("{} bytes", event.text().len()),
            ),
            Condition::SmallerThan(size) => miss(
                "smaller_than",
                format!("{size} bytes"),
                format!("{} bytes", event.text().len()),
            ),
            Condition::Job(named) => miss(
                "job",
                named.describe(),
                or_none(event.job().map(identity).unwrap_or_default()),
            ),
            Condition::Producer(patterns) => {
                miss("producer", patterns.describe(), or_none(producer(event)))
            }
            Condition::Has(side, wanted) => {
                let condition = match side {
                    Side::Inputs => "inputs",
                    Side::Outputs => "outputs",
                    Side::Any => "datasets",
                };
                miss(condition, wanted.to_string(), (!wanted).to_string())
            }
            Condition::Dataset(side, named) => {
                let condition = match side {
                    Side::Inputs => "input",
                    Side::Outputs => "output",
                    Side::Any => "dataset",
                };
                miss(condition, named.describe(), datasets(*side))
            }
            Condition::Facet(patterns) => miss(
                "facet",
                patterns.describe(),
                or_none(facets(event).join(", ")),
            ),
            Condition::Any(_) => miss("any", "one of them".to_owned(), "none".to_owned()),
            Condition::All(all) => all
                .iter()
                .find_map(|when| when.first_unmet(event, target))
                .map_or(
                    miss("all", "all of them".to_owned(), "not all".to_owned()),
                    |missed| missed.describe(event, target),
                ),
            Condition::Not(_) => miss("not", "none of it".to_owned(), "all of it".to_owned()),
        }
    }
}
