//! What an event says of the tables that it writes: their lineage and their schema. Pure.
//!
//! An event writes its outputs; a DatasetEvent describes its dataset. Inputs are the upstream of every output, and are not
//! changed themselves. Called by `glue.rs` for each event; `merge.rs` decides what of it is new.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::{Event, Identity, Json, Subject};
use time::OffsetDateTime;
use uuid::Uuid;

use super::hive::{self, HiveType};
use super::name::{Scope, TableRef, known_as};

/// What an event says of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) time: OffsetDateTime,
    /// Who wrote the table; `None` of a DatasetEvent.
    pub(super) writer: Option<Writer>,
    /// The inputs, which all tables of the event share: an event with thousands of both would not fit into memory otherwise.
    /// Empty if the event does not say.
    pub(super) upstream: Arc<BTreeSet<Identity>>,
    /// The inputs of each column, of at least one; `None` if the event does not say.
    pub(super) column_lineage: Option<ColumnLineage>,
    /// The fields; `None` if the event does not say.
    pub(super) schema: Option<Vec<Field>>,
}

/// The job, and its run where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) job: Identity,
    pub(super) run: Option<Uuid>,
}

/// The inputs of each column.
pub(super) type ColumnLineage = BTreeMap<String, BTreeSet<ColumnInput>>;

/// A column that another is derived from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ColumnInput {
    pub(super) dataset: Identity,
    pub(super) field: String,
}

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) hive: HiveType,
    pub(super) description: Option<String>,
}

/// Returns what an event says, by table. An event of the future counts as one of `now`: it would keep every other from
/// changing the table until then.
pub(super) fn facts(event: &Event, scope: &Scope, now: OffsetDateTime) -> BTreeMap<TableRef, Fact> {
    let mut facts = BTreeMap::new();
    let indexed = event.indexed();
    let root = indexed.json();
    let list = |name| root.get(name).map(Json::items).unwrap_or_default();
    let (writer, written) = match event.subject() {
        Subject::Run { id, job, .. } => (writer(job, Some(*id)), list("outputs")),
        Subject::Job { job } => (writer(job, None), list("outputs")),
        Subject::Dataset { .. } => (None, root.get("dataset").into_iter().collect()),
    };
    // The names by which columns refer to inputs, where the table of an input has another.
    let mut known = HashMap::new();
    for input in list("inputs") {
        if let Some((own, name)) = Identity::of(input).zip(known_as(input)) {
            known.insert(own, name);
        }
    }
    let upstream: Arc<BTreeSet<Identity>> = Arc::new(known.values().cloned().collect());
    for dataset in written {
        let Some(place) = scope.place(dataset) else {
            continue;
        };
        let facet = |name| {
            let facet = dataset.at(&["facets", name])?;
            let is_deleted = facet.get("_deleted").is_some_and(|it| it.text() == "true");
            (!is_deleted).then_some(facet)
        };
        let fact = Fact {
            time: event.time().min(now),
            writer: writer.clone(),
            upstream: upstream.clone(),
            column_lineage: facet("columnLineage").and_then(|facet| column_lineage(facet, &known)),
            schema: facet("schema").and_then(schema),
        };
        match facts.entry(place) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(fact);
            }
            // One table under two names: two paths of one table, for example.
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().add(fact),
        }
    }
    facts
}

impl Fact {
    /// Adds what the same event says of the table under another name.
    fn add(&mut self, other: Fact) {
        if let Some(other) = other.column_lineage {
            add_columns(self.column_lineage.get_or_insert_default(), other);
        }
        if self.schema.is_none() {
            self.schema = other.schema;
        }
    }
}

/// Adds the inputs of columns to those that are known.
pub(super) fn add_columns(columns: &mut ColumnLineage, other: ColumnLineage) {
    for (column, inputs) in other {
        columns.entry(column).or_default().extend(inputs);
    }
}

fn writer(job: &Identity, run: Option<Uuid>) -> Option<Writer> {
    let job = job.clone();
    Some(Writer { job, run })
}

/// The inputs of each column; `None` if the facet lists no column, as some clients send it.
fn column_lineage(facet: Json<'_>, known: &HashMap<Identity, Identity>) -> Option<ColumnLineage> {
    let mut columns = ColumnLineage::new();
    let fields = facet.get("fields").map(Json::members).unwrap_or_default();
    for member in fields {
        let Some(column) = member.key.string() else {
            continue;
        };
        let inputs = member.value.get("inputFields").map(Json::items);
        let inputs = inputs.unwrap_or_default().into_iter().filter_map(|input| {
            let dataset = Identity::of(input)?;
            Some(ColumnInput {
                dataset: known.get(&dataset).cloned().unwrap_or(dataset),
                field: input.get("field")?.string()?.into_owned(),
            })
        });
        let column = columns.entry(column.into_owned()).or_default();
        column.extend(inputs);
    }
    (!columns.is_empty()).then_some(columns)
}

/// The fields of a schema; `None` if it lists none, as some clients send it.
fn schema(facet: Json<'_>) -> Option<Vec<Field>> {
    let fields = facet.get("fields").map(Json::items).unwrap_or_default();
    let fields: Vec<Field> = (fields.into_iter())
        .filter_map(|field| {
            let text = |name| Some(field.get(name)?.string()?.into_owned());
            Some(Field {
                name: text("name")?,
                hive: hive::of(field),
                description: text("description").filter(|text| !text.is_empty()),
            })
        })
        .collect();
    (!fields.is_empty()).then_some(fields)
}
