//! The laws of merging, and what an event makes of a table.

mod laws;
mod lineage;

use std::collections::BTreeMap;

use aws::glue::Table;
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use openlineage::{Identity, Level};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fact::{Fact, facts};
use super::merge::{MANAGED_BY, MergeResult, OURSELVES, PREFIX, created, is_of};
use super::name::{Scope, TableName, TableRef};
use super::seen::TableMemory;
use super::*;

const MAX: usize = 32_000;
const ARN: &str = "arn:aws:glue:eu-west-1:123456789012";

fn scope(database: Option<&str>) -> Scope {
    Scope {
        region: Some("eu-west-1".to_owned()),
        account: None,
        database: database.map(str::to_owned),
    }
}

fn read(event: &Value) -> Event {
    Event::read(event.to_string().as_bytes(), Level::Strict)
        .unwrap()
        .event
}

/// A run that writes `table/shop/orders`.
fn run(id: u8, minute: u8, inputs: &[&str], facets: &Value) -> Value {
    let inputs = inputs
        .iter()
        .map(|name| json!({"namespace": "s3://lake", "name": name}));
    json!({
        "eventTime": format!("2026-01-01T00:{minute:02}:00Z"), "eventType": "COMPLETE", "producer": "urn:p", "schemaURL": "urn:s",
        "run": {"runId": format!("01900000-0000-7000-8000-0000000000{id:02}")}, "job": {"namespace": "n", "name": "j"},
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": [{"namespace": ARN, "name": "table/shop/orders", "facets": facets}],
    })
}

fn said(event: &Value, database: Option<&str>) -> BTreeMap<TableRef, Fact> {
    let now = openlineage::date_time("2026-02-01T00:00:00Z").unwrap();
    facts(&read(event), &scope(database), now)
}

/// What an event says of the only table that it writes.
fn fact(event: &Value) -> Fact {
    let facts = said(event, None);
    let [fact] = Vec::from_iter(facts.into_values()).try_into().unwrap();
    fact
}

fn schema(names: &[&str]) -> Value {
    let fields = names
        .iter()
        .map(|name| json!({"name": name, "type": "BIGINT"}));
    json!({"schema": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields.collect::<Vec<_>>()}})
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// A table as Spark makes one.
fn foreign() -> Map<String, Value> {
    object(json!({
        "Name": "orders", "Owner": "hadoop", "Retention": 0, "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "bigint", "Comment": "the key"}], "Location": "s3://lake/orders", "SortColumns": []},
        "PartitionKeys": [{"Name": "day", "Type": "date"}],
        "Parameters": {"classification": "parquet", "spark.sql.sources.provider": "parquet"},
    }))
}

/// Merges an event in a process that has seen no other.
fn merge(table: &Map<String, Value>, fact: &Fact, max_bytes: usize) -> MergeResult {
    super::merge::merge(table, fact, &TableMemory::default(), max_bytes)
}

/// A table after events that one process delivers, one after the other.
fn after_all(events: &[Value]) -> Map<String, Value> {
    let mut seen = TableMemory::default();
    events.iter().fold(foreign(), |table, event| {
        let fact = fact(event);
        let merged = super::merge::merge(&table, &fact, &seen, MAX);
        seen = seen.with(&fact);
        match merged {
            MergeResult::Changed(table) => table,
            MergeResult::Unchanged => table,
            MergeResult::LeftAlone(why) => panic!("{why}"),
        }
    })
}

fn written(merged: MergeResult) -> Map<String, Value> {
    match merged {
        MergeResult::Changed(table) => table,
        MergeResult::Unchanged | MergeResult::LeftAlone(_) => panic!("{merged:?}"),
    }
}

fn parameter(table: &Map<String, Value>, name: &str) -> Option<String> {
    let value = table["Parameters"].get(format!("{PREFIX}{name}"))?;
    Some(value.as_str().unwrap().to_owned())
}

fn upstream(table: &Map<String, Value>) -> Vec<String> {
    let value: Value = serde_json::from_str(&parameter(table, "upstream").unwrap()).unwrap();
    let datasets = value["datasets"].as_array().unwrap().iter();
    datasets
        .map(|id| id["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn of_a_table_of_others_only_our_parameters_change() {
    let facets = json!({
        "schema": schema(&["id", "total"])["schema"],
        "columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": {"total": {"inputFields": [{"namespace": "s3://lake", "name": "raw", "field": "price"}]}}},
    });
    let fact = fact(&run(1, 0, &["raw"], &facets));
    let table = written(merge(&foreign(), &fact, MAX));
    let mut before = foreign();
    let mut after = table.clone();
    assert_eq!(
        after.remove("Parameters").unwrap(),
        json!({
            "classification": "parquet",
            "spark.sql.sources.provider": "parquet",
            "openlineage.last_event_time": "2026-01-01T00:00:00Z",
            "openlineage.last_run_id": "01900000-0000-7000-8000-000000000001",
            "openlineage.producer_job": r#"{"name":"j","namespace":"n"}"#,
            "openlineage.upstream": r#"{"datasets":[{"name":"raw","namespace":"s3://lake"}]}"#,
            "openlineage.upstream_run_id": "01900000-0000-7000-8000-000000000001",
            "openlineage.column_lineage_run_id": "01900000-0000-7000-8000-000000000001",
            "openlineage.column_lineage": r#"{"columns":{"total":[{"field":"price","name":"raw","namespace":"s3://lake"}]}}"#,
            "openlineage.schema": r#"{"fields":[{"name":"id","type":"bigint"},{"name":"total","type":"bigint"}]}"#,
        })
    );
    before.remove("Parameters");
    assert_eq!(after, before);
}

#[test]
fn a_table_that_is_created_has_the_columns_of_the_schema_and_no_location() {
    let mut event = run(1, 0, &["a"], &json!({}));
    event["outputs"][0] = json!({"namespace": "postgres://db:5432", "name": "shop.public.Orders", "facets": {"schema": {
        "_producer": "urn:p", "_schemaURL": "urn:s", "fields": [
            {"name": "Id", "type": "int8", "description": "the\nkey"}, {"name": "id", "type": "geography"}]}}});
    let facts = said(&event, Some("lineage"));
    let (
        TableRef::Created {
            table: name,
            dataset,
        },
        fact,
    ) = facts.first_key_value().unwrap()
    else {
        panic!("{facts:?}");
    };
    let table = created(name, dataset, fact, MAX);
    assert_eq!(table["Name"], "shop_public_orders");
    assert_eq!(table["Parameters"][MANAGED_BY], OURSELVES);
    let columns = table["StorageDescriptor"]["Columns"].as_array().unwrap();
    assert_eq!(
        columns[0],
        json!({"Name": "id", "Type": "tinyint", "Comment": "the key", "Parameters": {"openlineage.name": "Id"}})
    );
    assert_eq!(
        columns[1]["Parameters"],
        json!({"openlineage.name": "id", "openlineage.type": "geography"})
    );
    assert_ne!(columns[1]["Name"], "id");
    assert!(table["StorageDescriptor"].get("Location").is_none());
    assert!(is_of(&table, dataset));
    let other = Identity {
        namespace: "postgres://other:5432".to_owned(),
        ..dataset.clone()
    };
    assert!(!is_of(&table, &other));
}

#[test]
fn what_others_wrote_about_a_column_of_ours_stays() {
    let name = TableName {
        account: None,
        database: "lineage".to_owned(),
        table: "t".to_owned(),
    };
    let dataset = Identity {
        namespace: "n".to_owned(),
        name: "t".to_owned(),
    };
    let mut table = created(
        &name,
        &dataset,
        &fact(&run(1, 0, &[], &schema(&["a"]))),
        MAX,
    );
    table["StorageDescriptor"]["Columns"][0]["Comment"] = "by hand".into();
    table["StorageDescriptor"]["Location"] = "s3://lake/t".into();
    table.insert(
        "PartitionKeys".to_owned(),
        json!([{"Name": "day", "Type": "date"}]),
    );
    let table = written(merge(
        &table,
        &fact(&run(1, 1, &[], &schema(&["a", "b", "day"]))),
        MAX,
    ));
    assert_eq!(
        table["StorageDescriptor"],
        json!({"Location": "s3://lake/t", "Columns": [
            {"Name": "a", "Type": "bigint", "Comment": "by hand"}, {"Name": "b", "Type": "bigint"}]})
    );
}

#[test]
fn a_table_that_cannot_be_written_back_without_loss_is_left_alone() {
    let fact = fact(&run(1, 0, &["a"], &json!({})));
    for member in ["ViewDefinition", "TargetTable", "FederatedTable"] {
        let mut table = foreign();
        table.insert(member.to_owned(), json!({}));
        let merged = merge(&table, &fact, MAX);
        assert!(
            matches!(merged, MergeResult::LeftAlone(_)),
            "{member}: {merged:?}"
        );
    }
}

#[test]
fn a_null_and_what_the_service_sets_are_not_written_back() {
    let mut members = foreign();
    members.insert("AddedLater".to_owned(), json!({"x": 1}));
    let expected = members.clone();
    members.extend(object(
        json!({"VersionId": "7", "CreateTime": 1.5, "ViewOriginalText": null}),
    ));
    let version_id = "7".to_owned();
    assert_eq!(
        Table {
            version_id,
            members
        }
        .to_input(),
        expected
    );
}

/// What becomes of an event where nothing listens, with these credentials.
async fn delivered(credentials: Option<Credentials>) -> Failure {
    let mut config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url("http://127.0.0.1:9");
    if let Some(credentials) = credentials {
        config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
    }
    let settings = GlueSettings::default().validate().unwrap();
    let glue = Glue::new(&settings, &Aws::from(config.build())).await;
    let event = read(&run(1, 0, &["a"], &json!({})));
    let until = Instant::now() + Duration::from_secs(2);
    match glue.deliver(&event, until).await.delivery {
        Some(Delivery::Transient(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_credentials_or_service_all_events_wait() {
    let key = Credentials::new("AKIDEXAMPLE", "s3cr3t", None, None, "test");
    let refused = delivered(Some(key)).await;
    assert_eq!(refused.reason, Reason::Unavailable, "{refused:?}");
    let without = delivered(None).await;
    assert_eq!(
        (without.reason, without.scope),
        (Reason::Permission, FailureScope::Target),
        "{without:?}"
    );
}

#[test]
fn settings_that_do_not_fit_together_are_errors() {
    let errors = |section: Value| {
        let settings: GlueSettings = serde_json::from_value(section).unwrap();
        let errors = settings
            .validate()
            .map_or_else(|errors| errors, |_| Vec::new());
        errors.iter().map(SettingError::setting).collect::<Vec<_>>()
    };
    assert_eq!(errors(json!({"create_tables": true})), ["database"]);
    assert_eq!(errors(json!({"database": "x"})), ["database"]);
    assert_eq!(
        errors(json!({"max_parameter_bytes": "1 MB"})),
        ["max_parameter_bytes"]
    );
    assert!(errors(json!({"create_tables": true, "database": "x"})).is_empty());
    for wrong in [json!({"database": "A-b"}), json!({"catalog_id": "1"})] {
        assert!(serde_json::from_value::<GlueSettings>(wrong).is_err());
    }
}
