//! Writes the events of crawls and of their tables.
//!
//! Names are those of the naming page: `arn:aws:glue:{region}:{account}` and `table/{database}/{table}`. There is no
//! `symlinks` facet to the data: a consumer that merges symlinks would make one dataset of input and output.

use openlineage::Identity as DatasetName;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Column, CompletedCrawl, Crawl, CrawlState, Crawler, Place, Table};
use crate::{FoundEvent, Identity};

const PRODUCER: &str = "urn:lineage-proxy";

/// The specification's release, and the versions of its facets in it
/// (<https://github.com/OpenLineage/OpenLineage/tree/main/spec>).
const RUN_EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";

/// The most characters of a crawl's error message: it says what went wrong in its first sentence.
const MAX_ERROR: usize = 2_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunEvent {
    event_time: String,
    event_type: &'static str,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
    run: Run,
    job: Job,
    inputs: Vec<Dataset>,
    outputs: Vec<Dataset>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
    facets: Map<String, Value>,
}

#[derive(Serialize)]
struct Job {
    namespace: String,
    name: String,
    facets: Map<String, Value>,
}

#[derive(Serialize)]
struct Dataset {
    #[serde(flatten)]
    name: Name,
    facets: Map<String, Value>,
}

#[derive(Serialize)]
struct Name {
    namespace: String,
    name: String,
}

impl Place {
    /// The ARN of a service's resources here, in an account.
    pub(super) fn arn(&self, service: &str, account: &str) -> String {
        let region = &self.region;
        format!("arn:{}:{service}:{region}:{account}", self.partition())
    }

    /// The partition, by the beginning of the region's name (botocore, `partitions.json`).
    fn partition(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("eusc-", "aws-eusc"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
        ];
        let found = PARTITIONS
            .iter()
            .find(|(prefix, _)| self.region.starts_with(prefix));
        found.map_or("aws", |(_, partition)| partition)
    }
}

/// The event of a crawl that has ended. Its datasets are those of the runs of its tables.
pub(super) fn of_crawl(place: &Place, crawler: &Crawler, crawl: &Crawl) -> FoundEvent {
    let (event_type, error) = match crawl.state {
        CrawlState::Completed => ("COMPLETE", None),
        CrawlState::Stopped => ("ABORT", None),
        CrawlState::Failed => ("FAIL", crawl.error.as_deref()),
        CrawlState::Running => ("RUNNING", None),
    };
    let mut run = Map::new();
    if let Some(error) = error {
        let message: String = transform::redact_text(error)
            .chars()
            .take(MAX_ERROR)
            .collect();
        let members = json!({"message": message, "programmingLanguage": "UNKNOWN"});
        put(
            &mut run,
            "errorMessage",
            "1-0-1/ErrorMessageRunFacet",
            members,
        );
    }
    let mut job = job_type();
    if let Some(description) = &crawler.description {
        let members = json!({"description": description});
        put(
            &mut job,
            "documentation",
            "1-1-0/DocumentationJobFacet",
            members,
        );
    }
    let event = RunEvent {
        event_time: written(crawl.ended()),
        event_type,
        producer: PRODUCER,
        schema_url: RUN_EVENT,
        run: Run {
            run_id: run_id(crawl),
            facets: run,
        },
        job: Job {
            namespace: place.arn("glue", &place.account),
            name: job_name(crawler),
            facets: job,
        },
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    found(Identity::of(&["glue crawl", &crawl.id, event_type]), &event)
}

/// The event of a table in a completed crawl. `data` is what is behind the table, if that has a name.
pub(super) fn of_table(
    place: &Place,
    crawler: &Crawler,
    completed: &CompletedCrawl<'_>,
    table: &Table,
    data: Option<&DatasetName>,
) -> FoundEvent {
    let crawl = completed.crawl;
    let identity = Identity::of(&["glue crawl", &crawl.id, &table.database, &table.name]);
    let namespace = place.arn("glue", &place.account);
    let parent = json!({
        "run": {"runId": run_id(crawl)},
        "job": {"namespace": namespace, "name": job_name(crawler)},
    });
    let mut run = Map::new();
    put(&mut run, "parent", "1-2-0/ParentRunFacet", parent);
    let event = RunEvent {
        event_time: written(crawl.ended()),
        event_type: "COMPLETE",
        producer: PRODUCER,
        schema_url: RUN_EVENT,
        run: Run {
            run_id: identity.to_string(),
            facets: run,
        },
        job: Job {
            name: format!("{}/{}.{}", job_name(crawler), table.database, table.name),
            namespace,
            facets: job_type(),
        },
        inputs: data.map(|data| input(table, data)).into_iter().collect(),
        outputs: vec![output(place, completed, table)],
    };
    found(identity, &event)
}

/// The run of a crawl is the crawl: its id is a UUID.
fn run_id(crawl: &Crawl) -> String {
    match Uuid::try_parse(&crawl.id) {
        Ok(id) => id.to_string(),
        Err(_) => Identity::of(&["glue crawl", &crawl.id]).to_string(),
    }
}

fn job_name(crawler: &Crawler) -> String {
    format!("crawler/{}", crawler.name)
}

fn job_type() -> Map<String, Value> {
    let mut facets = Map::new();
    let members = json!({"processingType": "BATCH", "integration": "GLUE", "jobType": "CRAWLER"});
    put(&mut facets, "jobType", "2-0-4/JobTypeJobFacet", members);
    facets
}

/// What is behind a table. Of stores with tables and views, the crawler says which it is.
fn input(table: &Table, data: &DatasetName) -> Dataset {
    let mut facets = Map::new();
    let kind = match table.parameter("typeOfData") {
        Some("table") => Some("TABLE"),
        Some("view") => Some("VIEW"),
        Some(_) | None => None,
    };
    if let Some(kind) = kind {
        put_type(&mut facets, kind);
    }
    Dataset {
        name: Name {
            namespace: data.namespace.clone(),
            name: data.name.clone(),
        },
        facets,
    }
}

fn output(place: &Place, completed: &CompletedCrawl<'_>, table: &Table) -> Dataset {
    let mut facets = Map::new();
    let is_known = completed.is_newest || !is_newer(table, completed.crawl);
    if is_known && !table.columns.is_empty() {
        let fields: Vec<Value> = table.columns.iter().map(field).collect();
        let members = json!({ "fields": fields });
        put(&mut facets, "schema", "1-2-0/SchemaDatasetFacet", members);
    }
    put_type(&mut facets, "TABLE");
    if let Some(members) = storage(table) {
        put(&mut facets, "storage", "1-0-1/StorageDatasetFacet", members);
    }
    let account = table.catalog.as_deref().and_then(account_of);
    Dataset {
        name: Name {
            namespace: place.arn("glue", account.unwrap_or(&place.account)),
            name: format!("table/{}/{}", table.database, table.name),
        },
        facets,
    }
}

/// Whether the columns of a table are known to be of a time after the crawl.
fn is_newer(table: &Table, crawl: &Crawl) -> bool {
    let ended = crawl.ended().unix_timestamp();
    table
        .updated
        .is_some_and(|updated| updated.unix_timestamp() > ended)
}

fn field(column: &Column) -> Value {
    let mut field = Map::new();
    field.insert("name".to_owned(), column.name.as_str().into());
    if let Some(text) = &column.r#type {
        field.insert("type".to_owned(), text.as_str().into());
    }
    if let Some(text) = &column.comment {
        field.insert("description".to_owned(), text.as_str().into());
    }
    Value::Object(field)
}

/// The format of the table, and that of its files where the crawler found it.
fn storage(table: &Table) -> Option<Value> {
    let classification = table.parameter("classification")?;
    Some(match classification {
        "iceberg" | "delta" | "hudi" => json!({"storageLayer": classification}),
        _ => match table.parameter("typeOfData") {
            Some("file") => json!({"storageLayer": "hive", "fileFormat": classification}),
            Some(_) | None => json!({"storageLayer": classification}),
        },
    })
}

/// A catalog is the id of an account, or begins with it: `111122223333:s3tablescatalog/bucket`.
pub(super) fn account_of(catalog: &str) -> Option<&str> {
    let account = catalog
        .split_once(':')
        .map_or(catalog, |(account, _)| account);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then_some(account)
}

fn put_type(facets: &mut Map<String, Value>, kind: &str) {
    let members = json!({ "datasetType": kind });
    put(
        facets,
        "datasetType",
        "1-0-1/DatasetTypeDatasetFacet",
        members,
    );
}

/// Puts a facet with the members that all facets have. `schema` is the version and the name of its schema.
fn put(facets: &mut Map<String, Value>, name: &str, schema: &str, members: Value) {
    let definition = schema.rsplit_once('/').map_or(schema, |(_, name)| name);
    let url = format!("{FACETS}/{schema}.json#/$defs/{definition}");
    let mut facet = Map::new();
    facet.insert("_producer".to_owned(), PRODUCER.into());
    facet.insert("_schemaURL".to_owned(), url.into());
    if let Value::Object(members) = members {
        facet.extend(members);
    }
    facets.insert(name.to_owned(), Value::Object(facet));
}

fn written(time: OffsetDateTime) -> String {
    // Fails only for years of five digits, which the service's times do not have.
    time.format(&Rfc3339).unwrap_or_default()
}

fn found(identity: Identity, event: &RunEvent) -> FoundEvent {
    FoundEvent {
        identity,
        // Texts and maps with texts as keys can always be written.
        text: serde_json::to_string(event).unwrap_or_default(),
    }
}
