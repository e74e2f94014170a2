//! Column lineage as patches of DataHub's fine-grained lineage: of the job, as its converter has it, or of the dataset where an
//! event has no job. Pure.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::Json;
use serde_json::json;

use super::budget::{Budget, MAX_FIELD, MAX_OPERATION, OversizeError};
use super::conversion::Names;
use super::facets::{list, members, text};
use super::proposal::Addition;
use super::urn::{Urn, field_urn};

/// The operation of a column whose facet names none; DataHub's converter has the same.
const OPERATION: &str = "TRANSFORM";

/// The part of a path for the query of a lineage that has none (`FineGrainedLineageTemplateHelper.java`).
const NO_QUERY: &str = "NONE";

/// How sure DataHub is to be of column lineage; its converter has the same.
const CONFIDENCE: f64 = 0.5;

/// What a facet `columnLineage` says.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The lineage of each column.
    pub(super) additions: Vec<Addition>,
    /// The datasets that columns come from.
    pub(super) sources: BTreeSet<Urn>,
}

/// Reads the facet of a dataset. A source without a valid name is left out.
pub(super) fn read(
    dataset: &Urn,
    facet: Json<'_>,
    names: &Names<'_>,
    budget: &mut Budget,
) -> Result<Columns, OversizeError> {
    let is_name = |name: &str| (1..=MAX_FIELD).contains(&name.len());
    let mut columns = Columns::default();
    let mut sources: BTreeMap<(String, String), Option<Urn>> = BTreeMap::new();
    for column in members(facet, "fields") {
        let Some(name) = column.key.string().filter(|name| is_name(name)) else {
            continue;
        };
        let inputs = list(column.value, "inputFields");
        let downstream = field_urn(dataset, &name);
        let operation = operation(&inputs);
        let mut seen = BTreeSet::new();
        for input in &inputs {
            let namespace = text(*input, "namespace").unwrap_or_default().into_owned();
            let table = text(*input, "name").unwrap_or_default().into_owned();
            let Some(field) = text(*input, "field").filter(|field| is_name(field)) else {
                continue;
            };
            let key = (namespace, table);
            let source = match sources.get(&key) {
                Some(source) => source.clone(),
                None => {
                    let source = names.dataset(&key.0, &key.1).ok();
                    sources.insert(key, source.clone());
                    source
                }
            };
            let Some(source) = source else {
                continue;
            };
            let upstream = field_urn(&source, &field);
            columns.sources.insert(source);
            if seen.insert(upstream.clone()) {
                budget.take(operation.len() + downstream.len() + upstream.len())?;
                let path = [
                    "fineGrainedLineages",
                    &operation,
                    &downstream,
                    NO_QUERY,
                    &upstream,
                ];
                let value = json!({ "confidenceScore": CONFIDENCE });
                columns.additions.push(Addition::new(&path, value));
            }
        }
    }
    Ok(columns)
}

/// What becomes of the inputs of a column: `DIRECT:IDENTITY`, sorted, as far as there is room. Without the SQL of the job, which the converter appends:
/// an edge whose SQL changes would be there twice.
fn operation(inputs: &[Json<'_>]) -> String {
    let transformations = inputs
        .iter()
        .flat_map(|input| list(*input, "transformations"));
    let names: BTreeSet<String> = transformations
        .filter_map(|transformation| {
            let kind = text(transformation, "type")?;
            Some(match text(transformation, "subtype") {
                Some(subtype) if !subtype.is_empty() => format!("{kind}:{subtype}"),
                Some(_) | None => kind.into_owned(),
            })
        })
        .collect();
    let mut operation = String::new();
    for name in names {
        if operation.len() + 1 + name.len() > MAX_OPERATION {
            continue;
        }
        if !operation.is_empty() {
            operation.push(',');
        }
        operation.push_str(&name);
    }
    match operation.is_empty() {
        true => OPERATION.to_owned(),
        false => operation,
    }
}
