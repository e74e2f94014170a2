//! What becomes of a table when an event is merged into it. Pure.
//!
//! Of a table that others manage only the parameters `openlineage.*` are ours. Of one that was created here
//! (`openlineage.managed_by`) the columns are too. Everything else is written back as it was read. A table changes only by
//! an event that is at least as new as the last one, and only if its lineage or its schema does, or its time lags. Called by `catalog.rs`
//! between the read and the write.

use std::collections::HashSet;

use openlineage::Identity;
use serde_json::{Map, Value, json};

use super::fact::{Fact, Field};
use super::lineage::{Lineage, text_of};
use super::name::{TableName, apart, plain};
use super::seen::TableMemory;

/// The parameters of a table that are ours begin with this.
pub(super) const PREFIX: &str = "openlineage.";

/// Who created the table, where that was this program.
pub(super) const MANAGED_BY: &str = "openlineage.managed_by";
pub(super) const OURSELVES: &str = "lineage-proxy";

/// The dataset that a table was created for, as JSON.
const DATASET: &str = "openlineage.dataset";

/// Of a column: its name and its type in the dataset, where the catalog cannot have them.
const COLUMN_NAME: &str = "openlineage.name";
const COLUMN_TYPE: &str = "openlineage.type";

/// The longest comment of a column, in bytes (service model 2017-03-31, `CommentString`, max 255).
const MAX_COMMENT: usize = 255;

/// The most of a name or type that is kept in the parameters of a column, in bytes.
const MAX_ORIGINAL: usize = 1_000;

/// What is to be done with a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum MergeResult {
    /// Nothing: it says what the event says, or something newer.
    Unchanged,
    /// Nothing, because it cannot be written back without a loss: why.
    LeftAlone(&'static str),
    /// Write this `TableInput`.
    Changed(Map<String, Value>),
}

/// Merges an event into a table. `input` is the table as it can be written back, `seen` what earlier events said of it, and
/// `max_bytes` the most bytes of a parameter.
pub(super) fn merge(
    input: &Map<String, Value>,
    fact: &Fact,
    seen: &TableMemory,
    max_bytes: usize,
) -> MergeResult {
    if let Some(why) = unwritable(input) {
        return MergeResult::LeftAlone(why);
    }
    let parameters = object(input.get("Parameters"));
    let Some(merged) = Lineage::read(&parameters).merge(fact, seen, max_bytes) else {
        return MergeResult::Unchanged;
    };
    let mut written = input.clone();
    let is_managed = parameters.get(MANAGED_BY).and_then(Value::as_str) == Some(OURSELVES);
    let has_new_columns = match &fact.schema {
        Some(schema) if is_managed => set_columns(&mut written, schema),
        Some(_) | None => false,
    };
    if !merged.is_changed() && !has_new_columns {
        return MergeResult::Unchanged;
    }
    let parameters = Value::Object(merged.write_into(parameters));
    written.insert("Parameters".to_owned(), parameters);
    MergeResult::Changed(written)
}

/// The table of a dataset that has none. It describes the dataset, and has no location: nothing can be read or written
/// through it.
pub(super) fn created(
    name: &TableName,
    dataset: &Identity,
    fact: &Fact,
    max_bytes: usize,
) -> Map<String, Value> {
    let empty = json!({
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {"Columns": []},
        "Parameters": {MANAGED_BY: OURSELVES, DATASET: text_of(dataset)},
    });
    let Value::Object(empty) = empty else {
        return Map::new(); // it is an object
    };
    match merge(&empty, fact, &TableMemory::default(), max_bytes) {
        MergeResult::Changed(table) => table,
        MergeResult::Unchanged | MergeResult::LeftAlone(_) => empty,
    }
}

/// Whether a table was created here for this dataset.
pub(super) fn is_of(input: &Map<String, Value>, dataset: &Identity) -> bool {
    let parameters = object(input.get("Parameters"));
    let is = |name, value: &str| parameters.get(name).and_then(Value::as_str) == Some(value);
    is(MANAGED_BY, OURSELVES) && is(DATASET, &text_of(dataset))
}

/// Why a table is left alone: the service answers with something other than it accepts, or another service has the table.
fn unwritable(input: &Map<String, Value>) -> Option<&'static str> {
    [
        ("ViewDefinition", "it is a view of several dialects"),
        ("TargetTable", "it is a link to another table"),
        ("FederatedTable", "it is in another catalog"),
    ]
    .into_iter()
    .find_map(|(member, why)| input.contains_key(member).then_some(why))
}

/// Sets the columns of a table; returns whether they changed. What others wrote about a column stays.
fn set_columns(input: &mut Map<String, Value>, schema: &[Field]) -> bool {
    let mut storage = object(input.get("StorageDescriptor"));
    let known = list(storage.get("Columns"));
    let keys = list(input.get("PartitionKeys"));
    // A partition key is a column already, and the service accepts it only once.
    let keys: HashSet<&str> = keys.iter().filter_map(name).collect();
    let (mut columns, mut taken) = (Vec::new(), HashSet::new());
    for field in schema {
        let mut column = plain(&field.name);
        if keys.contains(column.as_str()) {
            continue;
        }
        if taken.contains(&column) {
            column = apart(&column, &[&field.name]);
        }
        if !taken.insert(column.clone()) {
            continue; // the same field twice
        }
        let before = known.iter().find(|known| name(known) == Some(&column));
        columns.push(described(&column, field, before));
    }
    if known == columns {
        return false;
    }
    storage.insert("Columns".to_owned(), Value::Array(columns));
    input.insert("StorageDescriptor".to_owned(), Value::Object(storage));
    true
}

fn described(name: &str, field: &Field, before: Option<&Value>) -> Value {
    let mut column = object(before);
    column.insert("Name".to_owned(), name.into());
    column.insert("Type".to_owned(), field.hive.text.as_str().into());
    if let Some(description) = &field.description {
        column.insert("Comment".to_owned(), comment(description).into());
    }
    let mut parameters = object(column.get("Parameters"));
    parameters.retain(|name, _| !name.starts_with(PREFIX));
    if name != field.name {
        parameters.insert(
            COLUMN_NAME.to_owned(),
            cut(&field.name, MAX_ORIGINAL).into(),
        );
    }
    if let Some(original) = &field.hive.original {
        parameters.insert(COLUMN_TYPE.to_owned(), cut(original, MAX_ORIGINAL).into());
    }
    match parameters.is_empty() {
        true => column.remove("Parameters"),
        false => column.insert("Parameters".to_owned(), Value::Object(parameters)),
    };
    Value::Object(column)
}

/// A comment of one line: the service accepts no control characters but the tab.
fn comment(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut(&line, MAX_COMMENT).to_owned()
}

/// The beginning of a text, in whole characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes))
        .unwrap_or(text)
}

fn name(column: &Value) -> Option<&str> {
    column.get("Name").and_then(Value::as_str)
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}
