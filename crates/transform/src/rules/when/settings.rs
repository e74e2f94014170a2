//! How conditions are written in a rules file.

use openlineage::EventType;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Condition, Kind, Side, When};
use crate::rules::named::NamePattern;
use crate::rules::pattern::Patterns;
use crate::rules::reader::Reader;
use crate::rules::yaml::{FilePosition, List, OneOrMany, Optional, Size, did_you_mean};

/// Conditions: all of them have to hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a map of conditions")]
#[schemars(rename = "When", extend("examples" = [
    {"event_type": ["START", "COMPLETE"], "job": {"namespace": "airflow*"}},
    {"not": {"producer": {"regex": "spark|dbt"}}}
]))]
pub(crate) struct WhenSettings {
    /// What the event describes.
    kind: Optional<OneOrMany<Kind>>,
    /// The eventType of a run event.
    event_type: Optional<OneOrMany<EventTypeName>>,
    /// The name of the target that the event is for.
    target: Optional<Patterns>,
    /// The event has more bytes than this.
    larger_than: Optional<Size>,
    /// The event has fewer bytes than this.
    smaller_than: Optional<Size>,
    /// The job of the event.
    job: Optional<NamePattern>,
    /// The producer of the event.
    producer: Optional<Patterns>,
    /// Whether the event has inputs.
    inputs: Optional<bool>,
    /// Whether the event has outputs.
    outputs: Optional<bool>,
    /// Whether the event has inputs or outputs, or is about a dataset.
    datasets: Optional<bool>,
    /// One of the inputs.
    input: Optional<NamePattern>,
    /// One of the outputs.
    output: Optional<NamePattern>,
    /// One of the inputs or outputs, or the dataset that the event is about.
    dataset: Optional<NamePattern>,
    /// The name of a facet anywhere in the event.
    facet: Optional<Patterns>,
    /// One of these has to hold.
    any: Optional<List<WhenSettings, 1>>,
    /// All of these have to hold.
    all: Optional<List<WhenSettings, 1>>,
    /// This must not hold.
    not: Optional<Box<WhenSettings>>,
}

/// The eventType of a run event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "EventType")]
enum EventTypeName {
    Start,
    Running,
    Complete,
    Abort,
    Fail,
    Other,
}

impl WhenSettings {
    /// Compiles the conditions. Names of targets are checked against the known ones.
    pub(crate) fn build(self, reader: &Reader<'_>) -> When {
        if let Some(target) = self.target.as_ref() {
            for pattern in target.value.globs_only() {
                check_target(target.at, pattern, reader);
            }
        }
        let lists = |list: Optional<List<WhenSettings, 1>>| {
            let items = list.value().map(|List(items)| items.into_iter());
            items.map(|items| items.map(|item| item.value.build(reader)).collect())
        };
        let types = |types: OneOrMany<EventTypeName>| types.values().into_iter();
        let size = |size: Optional<Size>| size.value().map(|Size(bytes)| bytes);
        let conditions = [
            (self.kind.value()).map(|kinds| Condition::Kind(kinds.values())),
            (self.event_type.value())
                .map(|names| Condition::EventType(types(names).map(EventType::from).collect())),
            self.target.value().map(Condition::Target),
            size(self.larger_than).map(Condition::LargerThan),
            size(self.smaller_than).map(Condition::SmallerThan),
            self.job.value().map(Condition::Job),
            self.producer.value().map(Condition::Producer),
            (self.inputs.value()).map(|flag| Condition::Has(Side::Inputs, flag)),
            (self.outputs.value()).map(|flag| Condition::Has(Side::Outputs, flag)),
            (self.datasets.value()).map(|flag| Condition::Has(Side::Any, flag)),
            (self.input.value()).map(|named| Condition::Dataset(Side::Inputs, named)),
            (self.output.value()).map(|named| Condition::Dataset(Side::Outputs, named)),
            (self.dataset.value()).map(|named| Condition::Dataset(Side::Any, named)),
            self.facet.value().map(Condition::Facet),
            lists(self.any).map(Condition::Any),
            lists(self.all).map(Condition::All),
            (self.not.value()).map(|when| Condition::Not(when.build(reader))),
        ];
        When(conditions.into_iter().flatten().collect())
    }
}

/// Reports a name that no target has. A pattern with a wildcard may match several.
pub(crate) fn check_target(at: FilePosition, name: &str, reader: &Reader<'_>) {
    let known = reader.sources.targets;
    if !known.is_empty() && !name.contains(['*', '?']) && !known.contains(&name) {
        let (names, meant) = (known.join(", "), did_you_mean(name, known));
        reader.problems.error(
            at,
            format!("expected one of {names}, found {name:?}{meant}"),
        );
    }
}

impl From<EventTypeName> for EventType {
    fn from(name: EventTypeName) -> EventType {
        match name {
            EventTypeName::Start => EventType::Start,
            EventTypeName::Running => EventType::Running,
            EventTypeName::Complete => EventType::Complete,
            EventTypeName::Abort => EventType::Abort,
            EventTypeName::Fail => EventType::Fail,
            EventTypeName::Other => EventType::Other,
        }
    }
}
