//! What an event says of lineage, as it is recorded: bounded, with names as they may be kept. Pure.
//!
//! `graph` reads the event; this adds the fields of datasets, and what a run or a job makes of it. `lineage/write.rs` writes it.

mod counts;
mod facts;
pub(crate) mod forget;
pub(crate) mod held;
pub(crate) mod write;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use graph::{EdgeKind, EventGraph, Name, NodeKind};
use openlineage::{Event, Identity, Subject, Tree, Value};

use crate::entry::MAX_DATASETS;
use crate::state::RunState;

/// The most edges between columns that are recorded of an event: of a hundred columns, each is made of a hundred others.
pub(crate) const MAX_COLUMN_EDGES: usize = 10_000;

/// The most fields of datasets that are recorded of an event. The widest tables known have some 4,000.
pub(crate) const MAX_FIELDS: usize = 10_000;

/// The most names of datasets that the lineage takes from an event: each of [`MAX_DATASETS`] may have another one.
pub(crate) const MAX_NAMES: usize = 2 * MAX_DATASETS;

/// How far the time of an event may lie after its arrival, in milliseconds: a day, which clocks without a zone are off. One in the
/// far future would keep the state of its job for ever.
const MAX_AHEAD: i64 = 24 * 3_600_000;

/// An event as a target has it. Its text is not shown.
#[derive(Clone)]
pub struct DeliveredEvent {
    /// The event.
    pub event: Event,
    /// How a name is kept: without secrets, and bounded.
    pub shown: fn(&str) -> Cow<'_, str>,
}

impl fmt::Debug for DeliveredEvent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DeliveredEvent").finish_non_exhaustive()
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// The time of the event, in milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) job: Option<Identity>,
    /// `None`: it is about no run.
    pub(crate) run: Option<RunStep>,
    pub(crate) parent: Option<Identity>,
    /// The datasets of the job, and whether it writes them.
    pub(crate) edges: BTreeSet<(Identity, bool)>,
    /// Further datasets: those of which only columns are read, and the one that a DatasetEvent is about.
    pub(crate) datasets: BTreeSet<Identity>,
    /// Other names of datasets, each with the dataset.
    pub(crate) aliases: BTreeSet<(Identity, Identity)>,
    /// By dataset.
    pub(crate) columns: BTreeMap<Arc<Identity>, BTreeSet<ColumnStep>>,
    /// By dataset.
    pub(crate) fields: BTreeMap<Identity, Vec<Field>>,
}

/// What an event says of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunStep {
    pub(crate) id: String,
    pub(crate) state: Option<RunState>,
}

/// A column of which another is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ColumnStep {
    pub(crate) source: Arc<Identity>,
    pub(crate) source_field: Arc<str>,
    /// Empty: all of them.
    pub(crate) field: Arc<str>,
    pub(crate) is_direct: bool,
}

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of_type: Option<String>,
}

impl Lineage {
    /// Reads an event that was accepted at this time, in milliseconds since 1970.
    pub(crate) fn of(delivered: &DeliveredEvent, accepted_at: i64) -> Lineage {
        let DeliveredEvent { event, shown } = delivered;
        let tree = Tree::of(event.json());
        let graph = EventGraph::read(event, tree.root());
        let text = |text: &str| shown(text).into_owned();
        let named = |name: &Identity| Identity {
            namespace: text(&name.namespace),
            name: text(&name.name),
        };
        let run = match event.subject() {
            Subject::Run { id, event_type, .. } => Some(RunStep {
                id: id.to_string(),
                state: event_type.and_then(RunState::of),
            }),
            Subject::Job { .. } | Subject::Dataset { .. } => None,
        };
        let edges = graph.edges.iter().take(MAX_DATASETS);
        let edges = edges.map(|(from, to)| match from.kind {
            NodeKind::Dataset => (named(&from.identity), false),
            NodeKind::Job => (named(&to.identity), true),
        });
        let edges: BTreeSet<(Identity, bool)> = edges.collect();
        let mut admission = Admission::default();
        for (dataset, _) in &edges {
            admission.admits(dataset);
        }
        let mut datasets = BTreeSet::new();
        if let Subject::Dataset { dataset } = event.subject() {
            datasets.extend(Some(named(dataset)).filter(|it| admission.admits(it)));
        }
        let aliases = graph.aliases.iter().take(MAX_DATASETS);
        let aliases = aliases
            .map(|(alias, dataset)| (named(alias), named(dataset)))
            .filter(|(alias, dataset)| alias != dataset && admission.admits_both(dataset, alias));
        let aliases = aliases.collect();
        // Each name is made once, and not for each of its columns.
        let mut names: BTreeMap<&Name, Arc<Identity>> = BTreeMap::new();
        let mut shared = |name| {
            let shared = names.entry(name);
            shared.or_insert_with(|| Arc::new(named(name))).clone()
        };
        let mut columns: BTreeMap<Arc<Identity>, BTreeSet<ColumnStep>> = BTreeMap::new();
        for edge in graph.columns.iter().take(MAX_COLUMN_EDGES) {
            let (source, dataset) = (shared(&edge.from.dataset), shared(&edge.to.dataset));
            if !admission.admits_both(&dataset, &source) {
                continue;
            }
            if !datasets.contains(&*source) {
                datasets.insert(Identity::clone(&source));
            }
            columns.entry(dataset).or_default().insert(ColumnStep {
                source,
                source_field: shown_field(&edge.from.field, *shown),
                field: shown_field(&edge.to.field, *shown),
                is_direct: edge.kind == EdgeKind::Direct,
            });
        }
        let mut fields = fields(tree.root(), named, text);
        fields.retain(|dataset, _| admission.admits(dataset));
        Lineage {
            time: bounded(milliseconds(event), accepted_at),
            job: event.job().map(named),
            run,
            parent: graph.parent.as_ref().map(|(_, parent)| named(parent)),
            edges,
            datasets,
            aliases,
            columns,
            fields,
        }
    }
}

/// The name of a column as it is kept; that of all of them is empty.
fn shown_field(field: &Option<Arc<str>>, shown: fn(&str) -> Cow<'_, str>) -> Arc<str> {
    let Some(field) = field else {
        return Arc::default();
    };
    let kept = shown(field);
    match *kept == **field {
        true => field.clone(),
        false => kept.into(),
    }
}

/// The datasets that the lineage takes from an event: the first ones.
#[derive(Default)]
struct Admission(BTreeSet<Identity>);

impl Admission {
    fn admits(&mut self, dataset: &Identity) -> bool {
        self.0.contains(dataset) || (self.0.len() < MAX_NAMES && self.0.insert(dataset.clone()))
    }

    fn admits_both(&mut self, one: &Identity, other: &Identity) -> bool {
        self.admits(one) && self.admits(other)
    }
}

/// The time that counts for an event which was accepted at a time, both in milliseconds since 1970.
pub(crate) fn bounded(time: i64, accepted_at: i64) -> i64 {
    time.min(accepted_at.saturating_add(MAX_AHEAD))
}

/// The time of an event, in milliseconds since 1970.
pub(crate) fn milliseconds(event: &Event) -> i64 {
    i64::try_from(event.time().unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

/// A number for what compares equal. It may be another one with another compiler, which costs one write.
pub(crate) fn hash(of: impl Hash) -> i64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// The fields of each dataset that has a schema. Where it is named twice, the last one counts.
fn fields(
    event: Value<'_>,
    named: impl Fn(&Identity) -> Identity,
    text: impl Fn(&str) -> String,
) -> BTreeMap<Identity, Vec<Field>> {
    let mut found = BTreeMap::new();
    let mut left = MAX_FIELDS;
    for dataset in event_datasets(event).take(MAX_DATASETS) {
        let Some(schema) = dataset.at(&["facets", "schema", "fields"]) else {
            continue;
        };
        let Some(identity) = dataset.identity() else {
            continue;
        };
        let fields = schema.items().take(left).filter_map(|field| {
            let string = |name: &str| Some(text(&field.get(name)?.string()?));
            Some(Field {
                name: string("name")?,
                of_type: string("type"),
            })
        });
        let fields: Vec<Field> = fields.collect();
        left = left.saturating_sub(fields.len());
        if !fields.is_empty() {
            found.insert(named(&identity), fields);
        }
    }
    found
}

/// The datasets that an event names as inputs and outputs, or as its subject, those of repeated members too.
pub(crate) fn event_datasets(event: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    event.members().flat_map(|(key, value)| {
        let is = |name: &str| key.string().is_some_and(|key| key == name);
        let listed = (is("inputs") || is("outputs")).then(|| value.items());
        let subject = is("dataset").then_some(value);
        listed.into_iter().flatten().chain(subject)
    })
}

#[cfg(test)]
mod tests;
