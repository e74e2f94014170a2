//! The lineage and the schema of a table as its parameters: read, merged with an event, written. Pure.
//!
//! Every value is bounded. What does not fit is left out from the end, and `omitted` in the value counts it, so that the
//! value stays valid JSON. Lists are sorted: the same lineage is the same text, whatever the order of an event. Called by
//! `merge.rs`.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Identity, date_time, quote};
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::fact::{ColumnInput, ColumnLineage, Fact, Field, Writer, add_columns};
use super::seen::{Statement, TableMemory};

const TIME: &str = "openlineage.last_event_time";
const RUN: &str = "openlineage.last_run_id";
const JOB: &str = "openlineage.producer_job";
const UPSTREAM: &str = "openlineage.upstream";
const COLUMNS: &str = "openlineage.column_lineage";
const SCHEMA: &str = "openlineage.schema";
const UPSTREAM_RUN: &str = "openlineage.upstream_run_id";
const COLUMNS_RUN: &str = "openlineage.column_lineage_run_id";

/// The parameters that an event may change.
const OWN: [&str; 8] = [
    TIME,
    RUN,
    JOB,
    UPSTREAM,
    UPSTREAM_RUN,
    COLUMNS,
    COLUMNS_RUN,
    SCHEMA,
];

/// Those that say which events changed a table. They alone are no reason to write it.
const OF_EVENT: [&str; 4] = [TIME, RUN, UPSTREAM_RUN, COLUMNS_RUN];

/// How far the time in a table may lie behind its newest event. A process that starts knows no other time, so an event that is
/// delivered later than this cannot replace what a newer one confirmed. A job that runs more often writes once in this time.
const MAX_LAG: Duration = Duration::hours(1);

/// The bytes of a value around its list: the names, and a count of any length.
const AROUND: usize = 60;

/// What the parameters of a table say.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    parameters: BTreeMap<&'static str, String>,
}

/// The parameters after an event, and whether it changed them.
#[derive(Debug)]
pub(super) struct MergedLineage {
    parameters: BTreeMap<&'static str, String>,
    is_changed: bool,
}

impl Lineage {
    /// Reads the parameters of a table. A value that is not as this program writes it counts as missing.
    pub(super) fn read(parameters: &Map<String, Value>) -> Lineage {
        let known = OWN.into_iter().filter_map(|name| {
            let value = parameters.get(name)?.as_str()?;
            Some((name, value.to_owned()))
        });
        Lineage {
            parameters: known.collect(),
        }
    }

    /// Merges an event; `None` if the table says something newer.
    ///
    /// Within a run lineage adds up, as OpenLineage has it: a START may name the inputs and a COMPLETE the outputs. Another
    /// run replaces it, by what it says: one that names no inputs keeps those that are known.
    pub(super) fn merge(
        self,
        fact: &Fact,
        seen: &TableMemory,
        max_bytes: usize,
    ) -> Option<MergedLineage> {
        let time = self.time();
        // Of a table without our parameters nothing is known: somebody made it anew.
        let newest = time.and(time.max(seen.newest));
        if newest.is_some_and(|newest| newest > fact.time) {
            return None;
        }
        let upstream_run = self.run(UPSTREAM_RUN, seen.upstream);
        let columns_run = self.run(COLUMNS_RUN, seen.columns);
        let mut merged = self.parameters.clone();
        let mut set = |name, value: Option<String>| match value {
            Some(value) => merged.insert(name, value),
            None => merged.remove(name),
        };
        let run = fact.writer.as_ref().and_then(|writer| writer.run);
        let run = run.map(|run| run.to_string());
        let is_same = |of: &Option<String>| run.is_some() && *of == run;
        match fact.upstream.is_empty() {
            true => set(UPSTREAM_RUN, upstream_run),
            false => {
                let known = self.upstream().filter(|_| is_same(&upstream_run));
                set(UPSTREAM, upstream(known, &fact.upstream, max_bytes));
                set(UPSTREAM_RUN, run.clone())
            }
        };
        match &fact.column_lineage {
            None => set(COLUMNS_RUN, columns_run),
            Some(of_event) => {
                let known = self.column_lineage().filter(|_| is_same(&columns_run));
                set(COLUMNS, columns(known, of_event, max_bytes));
                set(COLUMNS_RUN, run.clone())
            }
        };
        if let Some(Writer { job, .. }) = &fact.writer {
            set(JOB, Some(text_of(job)).filter(|job| job.len() <= max_bytes));
            set(RUN, run);
        }
        if let Some(schema) = &fact.schema {
            set(SCHEMA, fields(schema, max_bytes));
        }
        set(TIME, fact.time.format(&Rfc3339).ok());
        let said = |parameters: &BTreeMap<&'static str, String>| {
            let mut said = parameters.clone();
            said.retain(|name, _| !OF_EVENT.contains(name));
            said
        };
        let lags = time.is_some_and(|time| fact.time - time > MAX_LAG);
        Some(MergedLineage {
            is_changed: lags || said(&merged) != said(&self.parameters),
            parameters: merged,
        })
    }

    fn time(&self) -> Option<OffsetDateTime> {
        date_time(self.parameters.get(TIME)?)
    }

    /// The run that a list is of: the parameter says it, unless an event that was not written confirmed the list later.
    fn run(&self, parameter: &str, seen: Option<Statement>) -> Option<String> {
        match seen {
            Some(said) if self.time().is_some_and(|time| said.time >= time) => {
                said.run.map(|run| run.to_string())
            }
            Some(_) | None => self.parameters.get(parameter).cloned(),
        }
    }

    fn upstream(&self) -> Option<(BTreeSet<Identity>, usize)> {
        let value: Value = serde_json::from_str(self.parameters.get(UPSTREAM)?).ok()?;
        let datasets = value.get("datasets")?.as_array()?;
        let datasets = datasets.iter().filter_map(identity).collect();
        Some((datasets, omitted(&value)))
    }

    fn column_lineage(&self) -> Option<(ColumnLineage, usize)> {
        let value: Value = serde_json::from_str(self.parameters.get(COLUMNS)?).ok()?;
        let columns = value.get("columns")?.as_object()?;
        let columns = columns.iter().map(|(column, inputs)| {
            let inputs = inputs.as_array().into_iter().flatten();
            let inputs = inputs.filter_map(|input| {
                Some(ColumnInput {
                    dataset: identity(input)?,
                    field: input.get("field")?.as_str()?.to_owned(),
                })
            });
            (column.clone(), inputs.collect())
        });
        Some((columns.collect(), omitted(&value)))
    }
}

impl MergedLineage {
    /// Whether the event says something else than the table did.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Returns the parameters of the table with those of the event.
    pub(super) fn write_into(self, mut parameters: Map<String, Value>) -> Map<String, Value> {
        parameters.retain(|name, _| !OWN.contains(&name.as_str()));
        let own = self.parameters.into_iter();
        parameters.extend(own.map(|(name, value)| (name.to_owned(), Value::String(value))));
        parameters
    }
}

/// The datasets of a run so far, with those of an event.
fn upstream(
    known: Option<(BTreeSet<Identity>, usize)>,
    of_event: &BTreeSet<Identity>,
    max_bytes: usize,
) -> Option<String> {
    let (mut datasets, omitted) = known.unwrap_or_default();
    datasets.extend(of_event.iter().cloned());
    let items = datasets.iter().map(text_of);
    bounded("datasets", ['[', ']'], items, omitted, max_bytes)
}

/// The inputs of columns of a run so far, with those of an event.
fn columns(
    known: Option<(ColumnLineage, usize)>,
    of_event: &ColumnLineage,
    max_bytes: usize,
) -> Option<String> {
    let (mut columns, omitted) = known.unwrap_or_default();
    add_columns(&mut columns, of_event.clone());
    let items = columns.iter().map(|(column, inputs)| {
        let input = |ColumnInput { dataset, field }: &ColumnInput| json!({"namespace": dataset.namespace, "name": dataset.name, "field": field});
        let inputs: Vec<Value> = inputs.iter().map(input).collect();
        format!("{}:{}", quote(column), Value::Array(inputs))
    });
    bounded("columns", ['{', '}'], items, omitted, max_bytes)
}

/// The fields of a schema, with the types as the dataset has them where they are not nested.
fn fields(schema: &[Field], max_bytes: usize) -> Option<String> {
    let items = schema.iter().map(|Field { name, hive, .. }| {
        let of_dataset = hive.original.as_ref().unwrap_or(&hive.text);
        json!({"name": name, "type": of_dataset}).to_string()
    });
    bounded("fields", ['[', ']'], items, 0, max_bytes)
}

/// Writes a list or an object of at most so many bytes. `omitted` were left out of it before: they may be among those that
/// are left out now, so the larger number counts. `None` if there is nothing to write.
fn bounded(
    name: &str,
    [open, close]: [char; 2],
    items: impl Iterator<Item = String>,
    omitted: usize,
    max_bytes: usize,
) -> Option<String> {
    let (mut list, mut cut) = (String::new(), 0);
    for item in items {
        // The first that does not fit ends the list: so it is the same beginning when more is added.
        if cut > 0 || list.len() + item.len() + AROUND > max_bytes {
            cut += 1;
            continue;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&item);
    }
    let omitted = match omitted.max(cut) {
        0 if list.is_empty() => return None,
        0 => String::new(),
        omitted => format!(r#","{OMITTED}":{omitted}"#),
    };
    Some(format!(r#"{{"{name}":{open}{list}{close}{omitted}}}"#))
}

const OMITTED: &str = "omitted";

fn omitted(value: &Value) -> usize {
    let count = value.get(OMITTED).and_then(Value::as_u64);
    count
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0)
}

/// A dataset or a job as JSON.
pub(super) fn text_of(id: &Identity) -> String {
    json!({"namespace": id.namespace, "name": id.name}).to_string()
}

fn identity(value: &Value) -> Option<Identity> {
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    Some(Identity {
        namespace: text("namespace")?,
        name: text("name")?,
    })
}
