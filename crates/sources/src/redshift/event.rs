//! Writes a statement as an OpenLineage RunEvent: its run and its job, and the datasets of `event/dataset.rs`. What it reads
//! and writes was decided in `extract`, and `draft` calls this.

mod dataset;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::catalogue::Catalogue;
use super::flow::Flow;
use super::history::Transfer;
use super::sql::StatementKind;
use super::warehouse::{DatasetName, Source, Warehouse};

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
    /// What COPY has loaded, or UNLOAD has written.
    pub(super) transfer: Option<&'a Transfer>,
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
    let inputs = dataset::inputs(statement, namer);
    let outputs = dataset::outputs(statement, namer);
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
