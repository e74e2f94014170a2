//! The conditions of a rule, which select the events that it applies to.
//!
//! Each decodes no more of the event than it needs, and the cheapest come first. A rule without conditions applies to
//! every event. Their settings are in `when/settings.rs`.

mod explain;
mod never;
mod settings;

use std::borrow::Cow;

use openlineage::{Event, EventType, Identity, Json, Subject, holders};
use schemars::JsonSchema;
use serde::Deserialize;

pub use explain::UnmetCondition;
pub(crate) use explain::UnmetRef;
pub(crate) use settings::{WhenSettings, check_target};

use super::named::NamePattern;
use super::pattern::Patterns;

/// Conditions that all have to hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct When(Vec<Condition>);

#[derive(Debug, Clone)]
enum Condition {
    Kind(Vec<Kind>),
    EventType(Vec<EventType>),
    Target(Patterns),
    LargerThan(usize),
    SmallerThan(usize),
    Job(NamePattern),
    Producer(Patterns),
    Has(Side, bool),
    Dataset(Side, NamePattern),
    Facet(Patterns),
    Any(Vec<When>),
    All(Vec<When>),
    Not(When),
}

/// What an event describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Run,
    Job,
    Dataset,
}

impl Kind {
    fn of(event: &Event) -> Kind {
        match event.subject() {
            Subject::Run { .. } => Kind::Run,
            Subject::Job { .. } => Kind::Job,
            Subject::Dataset { .. } => Kind::Dataset,
        }
    }

    /// The word for it in a condition.
    fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Selects datasets of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inputs,
    Outputs,
    /// Inputs, outputs, and that of a DatasetEvent.
    Any,
}

impl When {
    /// For DatasetEvents.
    pub(super) fn dataset_event() -> When {
        When(vec![Condition::Kind(vec![Kind::Dataset])])
    }

    /// Holds where `when` does not.
    pub(super) fn not(when: When) -> When {
        When(vec![Condition::Not(when)])
    }

    /// For JobEvents.
    pub(super) fn job_event() -> When {
        When(vec![Condition::Kind(vec![Kind::Job])])
    }

    /// Holds for RunEvents of other types than these.
    pub(super) fn other_event_types(types: &[EventType]) -> When {
        let other = When(vec![Condition::EventType(types.to_vec())]);
        When(vec![
            Condition::Kind(vec![Kind::Run]),
            Condition::Not(other),
        ])
    }

    /// Holds for RunEvents and JobEvents that have neither inputs nor outputs; or that lack one of them, if `both` are required.
    pub(super) fn without_datasets(both: bool) -> When {
        let lacks = |side| Condition::Has(side, false);
        let (inputs, outputs) = (lacks(Side::Inputs), lacks(Side::Outputs));
        let kinds = Condition::Kind(vec![Kind::Run, Kind::Job]);
        match both {
            true => {
                let either = [inputs, outputs].map(|condition| When(vec![condition]));
                When(vec![kinds, Condition::Any(either.to_vec())])
            }
            false => When(vec![kinds, inputs, outputs]),
        }
    }

    /// Returns the first condition that `event` does not meet.
    pub(crate) fn first_unmet<'w>(&'w self, event: &Event, target: &str) -> Option<UnmetRef<'w>> {
        let mut conditions = self.0.iter();
        let unmet = conditions.find(|condition| !condition.holds(event, target));
        unmet.map(UnmetRef)
    }

    /// Whether `event` meets all conditions.
    pub(crate) fn holds(&self, event: &Event, target: &str) -> bool {
        self.first_unmet(event, target).is_none()
    }
}

impl Condition {
    fn holds(&self, event: &Event, target: &str) -> bool {
        match self {
            Condition::Kind(kinds) => kinds.contains(&Kind::of(event)),
            Condition::EventType(types) => match event.subject() {
                Subject::Run {
                    event_type: Some(event_type),
                    ..
                } => types.contains(event_type),
                Subject::Run {
                    event_type: None, ..
                }
                | Subject::Job { .. }
                | Subject::Dataset { .. } => false,
            },
            Condition::Target(patterns) => patterns.matches(target),
            Condition::LargerThan(size) => event.text().len() > *size,
            Condition::SmallerThan(size) => event.text().len() < *size,
            Condition::Job(named) => event.job().is_some_and(|job| named.matches(job)),
            Condition::Producer(patterns) => patterns.matches(&producer(event)),
            Condition::Has(side, wanted) => has_datasets(event, *side) == *wanted,
            Condition::Dataset(side, named) => datasets(event, *side)
                .iter()
                .any(|dataset| named.matches(dataset)),
            Condition::Facet(patterns) => facets(event).iter().any(|facet| patterns.matches(facet)),
            Condition::Any(any) => any.iter().any(|when| when.holds(event, target)),
            Condition::All(all) => all.iter().all(|when| when.holds(event, target)),
            Condition::Not(when) => !when.holds(event, target),
        }
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}

fn producer(event: &Event) -> String {
    let producer = event.json().get("producer");
    let producer = producer.and_then(Json::string);
    producer.unwrap_or_default().into_owned()
}

fn lists(side: Side) -> &'static [&'static str] {
    match side {
        Side::Inputs => &["inputs"],
        Side::Outputs => &["outputs"],
        Side::Any => &["inputs", "outputs"],
    }
}

fn has_datasets(event: &Event, side: Side) -> bool {
    if let Subject::Dataset { .. } = event.subject() {
        return side == Side::Any;
    }
    let root = event.json();
    let filled = |list: &&str| root.get(list).is_some_and(|list| !list.items().is_empty());
    lists(side).iter().any(filled)
}

fn datasets(event: &Event, side: Side) -> Vec<Identity> {
    if let (Subject::Dataset { dataset }, Side::Any) = (event.subject(), side) {
        return vec![dataset.clone()];
    }
    let indexed = event.indexed();
    let root = indexed.json();
    let items = lists(side).iter().filter_map(|list| root.get(list));
    items
        .flat_map(Json::items)
        .filter_map(Identity::of)
        .collect()
}

/// Returns the names of all facets in the event, including forwarded ones.
fn facets(event: &Event) -> Vec<String> {
    let mut names = Vec::new();
    let indexed = event.indexed();
    holders(indexed.json(), &mut |holder, _| {
        for set in holder.facet_sets() {
            let keys = set
                .members()
                .iter()
                .filter_map(|member| member.key.string());
            names.extend(keys.map(Cow::into_owned));
        }
    });
    names
}
