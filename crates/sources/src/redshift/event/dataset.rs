//! The datasets of an event, with what is known of each: columns, where they come from, and what was transferred.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::catalogue::Catalogue;
use super::super::flow::Flow;
use super::super::history::Transfer;
use super::super::sql::{StatementKind, Transformation};
use super::super::state::Edge;
use super::super::warehouse::{DatasetName, Place, Source};
use super::{EventType, Namer, Statement, facet};

/// What the statement reads.
pub(super) fn inputs(statement: &Statement<'_>, namer: &mut Namer<'_>) -> Vec<Value> {
    let loaded = transfer(statement, StatementKind::Copy);
    let input = |input: &Source| {
        let mut facets = Map::new();
        facets.extend(schema(input, None, namer.catalogue));
        facets.extend(loaded.and_then(storage));
        let mut input = dataset(&namer.name(input), facets);
        let read = loaded.map(|load| [None, load.files, load.bytes]);
        input.extend(read.and_then(|counts| statistics(Role::Input, counts)));
        Value::Object(input)
    };
    statement.flow.inputs.iter().map(input).collect()
}

/// What the statement writes.
pub(super) fn outputs(statement: &Statement<'_>, namer: &mut Namer<'_>) -> Vec<Value> {
    let loaded = transfer(statement, StatementKind::Copy);
    let unloaded = transfer(statement, StatementKind::Unload);
    let output = |output: &Source| {
        let mut facets = Map::new();
        facets.extend(schema(output, statement.created, namer.catalogue));
        facets.extend(dataset_type(statement.kind));
        facets.extend(unloaded.and_then(storage));
        if statement.event_type == EventType::Complete {
            facets.extend(column_lineage(statement.flow, namer));
        }
        let mut output = dataset(&namer.name(output), facets);
        let written = unloaded
            .map(|unload| [unload.rows, unload.files, unload.bytes])
            .or_else(|| loaded.map(|load| [load.rows, None, None]));
        output.extend(written.and_then(|counts| statistics(Role::Output, counts)));
        Value::Object(output)
    };
    statement.outputs.iter().map(output).collect()
}

/// What was transferred by a statement of a kind, once it was.
fn transfer<'a>(statement: &Statement<'a>, kind: StatementKind) -> Option<&'a Transfer> {
    let is_it = statement.kind == kind && statement.event_type == EventType::Complete;
    statement.transfer.filter(|_| is_it)
}

fn dataset(name: &DatasetName, facets: Map<String, Value>) -> Map<String, Value> {
    let member = |name: &str, value: Value| (name.to_owned(), value);
    let members = [
        member("namespace", name.namespace.as_str().into()),
        member("name", name.name.as_str().into()),
        member("facets", facets.into()),
    ];
    members.into_iter().collect()
}

fn schema(
    source: &Source,
    created: Option<&[String]>,
    catalogue: &Catalogue,
) -> Option<(String, Value)> {
    let place = match source {
        Source::Table(place) => place,
        Source::S3 { .. } | Source::DynamoDb(_) | Source::Emr { .. } => return None,
    };
    let Place {
        database,
        schema,
        table,
    } = place;
    let fields: Vec<Value> = match (catalogue.columns(database, schema, table), created) {
        (Some(columns), _) => (columns.iter())
            .map(|column| json!({"name": column.name, "type": column.data_type}))
            .collect(),
        (None, Some(columns)) => columns.iter().map(|name| json!({"name": name})).collect(),
        (None, None) => return None,
    };
    let schema = facet("1-2-0/SchemaDatasetFacet", json!({"fields": fields}));
    Some(("schema".to_owned(), schema))
}

fn dataset_type(kind: StatementKind) -> Option<(String, Value)> {
    let kind = match kind {
        StatementKind::CreateView => json!({"datasetType": "VIEW"}),
        StatementKind::CreateMaterializedView => {
            json!({"datasetType": "VIEW", "subType": "MATERIALIZED"})
        }
        StatementKind::CreateExternalTableAs => {
            json!({"datasetType": "TABLE", "subType": "EXTERNAL"})
        }
        StatementKind::CreateModel => json!({"datasetType": "MODEL"}),
        StatementKind::Unload => json!({"datasetType": "FILE"}),
        // It is what it was.
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::InsertValues
        | StatementKind::CreateTableAs
        | StatementKind::SelectInto
        | StatementKind::Copy
        | StatementKind::Merge
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Append
        | StatementKind::Truncate
        | StatementKind::Call
        | StatementKind::Definition
        | StatementKind::Session
        | StatementKind::Transaction
        | StatementKind::Other => return None,
    };
    let facet = facet("1-0-1/DatasetTypeDatasetFacet", kind);
    Some(("datasetType".to_owned(), facet))
}

/// The format of files in S3, by the name that the facet has for it.
fn storage(transfer: &Transfer) -> Option<(String, Value)> {
    let format = match transfer.format.to_ascii_lowercase().as_str() {
        "txt" | "text" => "text",
        "csv" => "csv",
        "json" => "json",
        "avro" => "avro",
        "orc" => "orc",
        "parquet" => "parquet",
        _ => return None,
    };
    let content = json!({"storageLayer": "s3", "fileFormat": format});
    let facet = facet("1-0-1/StorageDatasetFacet", content);
    Some(("storage".to_owned(), facet))
}

#[derive(Debug, Clone, Copy)]
enum Role {
    Input,
    Output,
}

/// Counts of rows, files and bytes, as the member of a dataset that has them.
fn statistics(role: Role, counts: [Option<u64>; 3]) -> Option<(String, Value)> {
    let named = ["rowCount", "fileCount", "size"].into_iter().zip(counts);
    let known = named.filter_map(|(name, count)| Some((name.to_owned(), count?.into())));
    let known: Map<String, Value> = known.collect();
    if known.is_empty() {
        return None;
    }
    let known = Value::Object(known);
    Some(match role {
        Role::Input => {
            let facet = facet("1-0-0/InputStatisticsInputDatasetFacet", known);
            ("inputFacets".to_owned(), json!({"inputStatistics": facet}))
        }
        Role::Output => {
            let facet = facet("1-0-2/OutputStatisticsOutputDatasetFacet", known);
            (
                "outputFacets".to_owned(),
                json!({"outputStatistics": facet}),
            )
        }
    })
}

fn column_lineage(flow: &Flow, namer: &mut Namer<'_>) -> Option<(String, Value)> {
    if flow.columns.is_empty() {
        return None;
    }
    let mut fields = Map::new();
    for (column, edges) in &flow.columns {
        let inputs = input_fields(edges, namer);
        fields.insert(column.clone(), json!({"inputFields": inputs}));
    }
    let mut lineage = Map::new();
    lineage.insert("fields".to_owned(), Value::Object(fields));
    if !flow.influences.is_empty() {
        let influences = input_fields(&flow.influences, namer);
        lineage.insert("dataset".to_owned(), influences.into());
    }
    let lineage = Value::Object(lineage);
    let facet = facet("1-2-0/ColumnLineageDatasetFacet", lineage);
    Some(("columnLineage".to_owned(), facet))
}

/// Each column once, with all that happens to it.
fn input_fields(edges: &BTreeSet<Edge>, namer: &mut Namer<'_>) -> Vec<Value> {
    let mut fields: BTreeMap<(&Place, &str), Vec<Transformation>> = BTreeMap::new();
    for edge in edges {
        let field = fields.entry((&edge.place, &edge.column)).or_default();
        field.push(edge.transformation);
    }
    let of = |transformation: &Transformation| json!({"type": transformation.kind(), "subtype": transformation.subtype()});
    fields
        .into_iter()
        .map(|((place, column), transformations)| {
            let DatasetName { namespace, name } = namer.name(&Source::Table(place.clone()));
            let transformations: Vec<Value> = transformations.iter().map(of).collect();
            json!({"namespace": namespace, "name": name, "field": column, "transformations": transformations})
        })
        .collect()
}
