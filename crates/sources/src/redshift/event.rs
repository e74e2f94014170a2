//! Writes a statement as an OpenLineage RunEvent. What it reads and writes was decided in `extract`, which calls this.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::catalogue::Catalogue;
use super::flow::Flow;
use super::sql::{StatementKind, Transformation};
use super::state::Edge;
use super::warehouse::{DatasetName, Place, Source, Warehouse};

/// Who made the event and its facets.
const PRODUCER: &str = "urn:lineage-proxy:redshift";

/// The statement, ready to be written.
pub(super) struct Statement<'a> {
    pub(super) event_type: EventType,
    pub(super) time: OffsetDateTime,
    pub(super) run: Uuid,
    pub(super) job_namespace: &'a str,
    pub(super) job: &'a str,
    pub(super) kind: StatementKind,
    pub(super) flow: &'a Flow,
    pub(super) outputs: &'a [Source],
    /// The columns of a table that the statement created, which the catalogue may not have.
    pub(super) created: Option<&'a [String]>,
    pub(super) sql: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    pub(super) parent: Option<Parent<'a>>,
    pub(super) query: QueryFacet<'a>,
    pub(super) engine: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventType {
    Start,
    Complete,
    Fail,
    Abort,
}

/// The procedure that ran the statement, and the outermost one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parent<'a> {
    pub(super) run: Uuid,
    pub(super) job: &'a str,
    pub(super) root_run: Uuid,
    pub(super) root_job: &'a str,
}

/// Where the statement is found in the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryFacet<'a> {
    pub(super) id: i64,
    pub(super) transaction: i64,
    pub(super) session: i64,
    pub(super) database: &'a str,
    pub(super) label: &'a str,
    pub(super) start: OffsetDateTime,
    pub(super) end: Option<OffsetDateTime>,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            EventType::Start => "START",
            EventType::Complete => "COMPLETE",
            EventType::Fail => "FAIL",
            EventType::Abort => "ABORT",
        }
    }
}

/// Names datasets, and remembers which of them could not be placed.
pub(super) struct Namer<'a> {
    pub(super) warehouse: &'a Warehouse,
    pub(super) catalogue: &'a Catalogue,
    pub(super) not_placed: BTreeSet<Source>,
}

impl Namer<'_> {
    fn name(&mut self, source: &Source) -> DatasetName {
        match self.warehouse.name(source, self.catalogue) {
            Ok(name) => name,
            Err(name) => {
                self.not_placed.insert(source.clone());
                name
            }
        }
    }

    /// The name of a job after what it writes: without what all outputs of the warehouse share.
    pub(super) fn job_of(&mut self, output: &Source) -> String {
        match output {
            Source::Table(place) => format!("{}.{}", place.schema, place.table),
            Source::S3 { .. } | Source::DynamoDb(_) | Source::Emr { .. } => {
                let DatasetName { namespace, name } = self.name(output);
                let bucket = namespace.split_once("://").map_or("", |(_, bucket)| bucket);
                format!("unload.{bucket}/{name}")
            }
        }
    }
}

/// Writes the event.
pub(super) fn write(statement: &Statement<'_>, namer: &mut Namer<'_>) -> String {
    let has_columns = statement.event_type == EventType::Complete;
    let inputs = statement.flow.inputs.iter();
    let inputs: Vec<Value> = inputs
        .map(|input| {
            let mut facets = Map::new();
            facets.extend(schema(input, None, namer.catalogue));
            dataset(&namer.name(input), facets)
        })
        .collect();
    let outputs = statement.outputs.iter();
    let outputs: Vec<Value> = outputs
        .map(|output| {
            let mut facets = Map::new();
            facets.extend(schema(output, statement.created, namer.catalogue));
            facets.extend(dataset_type(statement.kind));
            if has_columns {
                facets.extend(column_lineage(statement.flow, namer));
            }
            dataset(&namer.name(output), facets)
        })
        .collect();
    json!({
        "eventType": statement.event_type.as_str(),
        "eventTime": rfc3339(statement.time),
        "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": statement.run.to_string(), "facets": run_facets(statement)},
        "job": {
            "namespace": statement.job_namespace,
            "name": statement.job,
            "facets": job_facets(statement),
        },
        "inputs": inputs,
        "outputs": outputs,
    })
    .to_string()
}

fn run_facets(statement: &Statement<'_>) -> Value {
    let mut facets = Map::new();
    let QueryFacet {
        id,
        transaction,
        session,
        database,
        label,
        start,
        end,
    } = statement.query;
    let external = json!({"externalQueryId": id.to_string(), "source": "redshift"});
    facets.insert(
        "externalQuery".to_owned(),
        facet("1-0-2/ExternalQueryRunFacet", external),
    );
    let query = json!({
        "transactionId": transaction,
        "sessionId": session,
        "database": database,
        "queryLabel": label,
        "startTime": rfc3339(start),
        "endTime": end.map(rfc3339),
    });
    facets.insert("redshift_query".to_owned(), own_facet(query));
    if let Some(version) = statement.engine {
        let engine = json!({"name": "Amazon Redshift", "version": version});
        let engine = facet("1-1-1/ProcessingEngineRunFacet", engine);
        facets.insert("processing_engine".to_owned(), engine);
    }
    if let Some(message) = statement.error {
        let error = json!({"message": message, "programmingLanguage": "SQL"});
        facets.insert(
            "errorMessage".to_owned(),
            facet("1-0-1/ErrorMessageRunFacet", error),
        );
    }
    if let Some(parent) = statement.parent {
        let namespace = statement.job_namespace;
        let parent = json!({
            "run": {"runId": parent.run.to_string()},
            "job": {"namespace": namespace, "name": parent.job},
            "root": {
                "run": {"runId": parent.root_run.to_string()},
                "job": {"namespace": namespace, "name": parent.root_job},
            },
        });
        facets.insert("parent".to_owned(), facet("1-2-0/ParentRunFacet", parent));
    }
    Value::Object(facets)
}

fn job_facets(statement: &Statement<'_>) -> Value {
    let job_type = match statement.kind == StatementKind::Call {
        true => "PROCEDURE",
        false => "QUERY",
    };
    let job_type =
        json!({"processingType": "BATCH", "integration": "REDSHIFT", "jobType": job_type});
    let mut facets = Map::new();
    facets.insert(
        "jobType".to_owned(),
        facet("2-0-4/JobTypeJobFacet", job_type),
    );
    if let Some(sql) = statement.sql {
        let sql = json!({"query": sql, "dialect": "redshift"});
        facets.insert("sql".to_owned(), facet("1-1-0/SQLJobFacet", sql));
    }
    Value::Object(facets)
}

fn dataset(name: &DatasetName, facets: Map<String, Value>) -> Value {
    json!({"namespace": name.namespace, "name": name.name, "facets": facets})
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

/// A facet of the specification.
fn facet(schema: &str, content: Value) -> Value {
    let name = schema.split_once('/').map_or(schema, |(_, name)| name);
    let url = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}");
    with_origin(content, url)
}

/// A facet of our own, with the schema that any facet has.
fn own_facet(content: Value) -> Value {
    let url = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet";
    with_origin(content, url.to_owned())
}

fn with_origin(mut content: Value, schema_url: String) -> Value {
    if let Some(members) = content.as_object_mut() {
        members.insert("_producer".to_owned(), PRODUCER.into());
        members.insert("_schemaURL".to_owned(), schema_url.into());
    }
    content
}

fn rfc3339(time: OffsetDateTime) -> String {
    let written = super::result::written(time);
    format!("{}Z", written.replacen(' ', "T", 1))
}
