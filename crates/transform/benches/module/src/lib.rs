//! The transform that `engines.rs` measures, as a module: the namespace of every dataset through a table, and no
//! logical plan.

#[path = "../../../../../examples/module-rust/src/interface.rs"]
mod interface;

use std::collections::BTreeMap;

use interface::Verdict;
use serde_json::{Map, Value};

/// The table.
pub type Settings = BTreeMap<String, String>;

/// What becomes of the event.
pub fn transform(event: &mut Value, table: &Settings) -> Verdict {
    for list in ["inputs", "outputs"] {
        each(event.get_mut(list), &mut |dataset| io(dataset, table));
    }
    if let Some(dataset) = event.get_mut("dataset") {
        io(dataset, table);
    }
    if let Some(facets) = event.pointer_mut("/run/facets").and_then(Value::as_object_mut) {
        facets.shift_remove("spark.logicalPlan");
    }
    Verdict::Changed
}

fn io(dataset: &mut Value, table: &Settings) {
    let rename = &mut |value: &mut Value| rename(value, table);
    rename(dataset);
    let Some(facets) = dataset.get_mut("facets") else {
        return;
    };
    each(facets.pointer_mut("/symlinks/identifiers"), rename);
    each(facets.pointer_mut("/columnLineage/dataset"), rename);
    for column in members(facets.pointer_mut("/columnLineage/fields")) {
        each(column.get_mut("inputFields"), rename);
    }
    if let Some(id) = facets.pointer_mut("/lifecycleStateChange/previousIdentifier") {
        rename(id);
    }
    each(facets.pointer_mut("/lineage/inputs"), rename);
    for field in members(facets.pointer_mut("/lineage/fields")) {
        each(field.get_mut("inputs"), rename);
    }
}

fn rename(value: &mut Value, table: &Settings) {
    if let Some(Value::String(namespace)) = value.get_mut("namespace")
        && let Some(new) = table.get(namespace)
    {
        namespace.clone_from(new);
    }
}

fn each(list: Option<&mut Value>, f: &mut impl FnMut(&mut Value)) {
    if let Some(Value::Array(items)) = list {
        items.iter_mut().for_each(f);
    }
}

fn members(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    value
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(Map::values_mut)
}
