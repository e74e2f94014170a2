//! The laws of merging, and what an event makes of a table.

use std::collections::BTreeMap;

use aws::glue::Table;
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
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
fn lineage_adds_up_within_a_run_and_another_run_replaces_it() {
    let none = json!({});
    let table = written(merge(&foreign(), &fact(&run(1, 0, &["a"], &none)), MAX));
    let table = written(merge(&table, &fact(&run(1, 1, &["b"], &none)), MAX));
    assert_eq!(upstream(&table), ["a", "b"]);
    let table = written(merge(&table, &fact(&run(2, 2, &["c"], &none)), MAX));
    assert_eq!(upstream(&table), ["c"]);
    // The next run of the job says nothing new.
    let next = fact(&run(3, 3, &["c"], &none));
    assert_eq!(merge(&table, &next, MAX), MergeResult::Unchanged);
}

#[test]
fn an_event_without_inputs_keeps_those_of_its_run_although_they_were_not_written() {
    let none = json!({});
    let runs: Vec<Value> = (1..4)
        .flat_map(|id| {
            [
                run(id, 2 * id, &["raw"], &none),
                run(id, 2 * id + 1, &[], &none),
            ]
        })
        .collect();
    for count in 1..=runs.len() {
        assert_eq!(upstream(&after_all(&runs[..count])), ["raw"], "{count}");
    }
    // The inputs of the second run are the same, and still only its own add up.
    let runs = [
        run(1, 0, &["a"], &none),
        run(2, 1, &["a"], &none),
        run(2, 2, &["b"], &none),
    ];
    assert_eq!(upstream(&after_all(&runs)), ["a", "b"]);
    let runs = [
        run(1, 0, &["a"], &none),
        run(2, 1, &[], &none),
        run(2, 2, &["b"], &none),
    ];
    assert_eq!(upstream(&after_all(&runs)), ["b"]);
}

#[test]
fn a_run_replaces_only_what_it_says() {
    let lineage = |column: &str| {
        let fields = json!({column: {"inputFields": [{"namespace": "s3://lake", "name": "raw", "field": "x"}]}});
        json!({"columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields}})
    };
    let none = json!({});
    let empty =
        json!({"columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": {}}});
    let columns = |table: &Map<String, Value>| {
        let value: Value =
            serde_json::from_str(&parameter(table, "column_lineage").unwrap()).unwrap();
        let columns = value["columns"].as_object().unwrap();
        columns.keys().cloned().collect::<Vec<_>>()
    };
    let start = [run(1, 0, &["a"], &lineage("x")), run(2, 1, &["b"], &empty)];
    let table = after_all(&start);
    assert_eq!(
        (upstream(&table), columns(&table)),
        (vec!["b".to_owned()], vec!["x".to_owned()])
    );
    // What a run says later does not add to what another run said.
    let [first, second] = start;
    let table = after_all(&[first, second, run(2, 2, &[], &lineage("y"))]);
    assert_eq!(
        (upstream(&table), columns(&table)),
        (vec!["b".to_owned()], vec!["y".to_owned()])
    );
    let dbt = [run(1, 0, &["a"], &lineage("x")), run(2, 1, &[], &none)];
    let table = after_all(&dbt);
    assert_eq!(
        (upstream(&table), columns(&table)),
        (vec!["a".to_owned()], vec!["x".to_owned()])
    );
}

#[test]
fn a_late_event_does_not_replace_what_a_newer_one_confirmed() {
    let none = json!({});
    let events = [
        run(1, 3, &["x"], &none),
        run(2, 5, &["x"], &none),
        run(3, 4, &["old"], &none),
    ];
    assert_eq!(upstream(&after_all(&events)), ["x"]);
}

#[test]
fn a_process_that_starts_knows_the_time_of_the_lineage_to_an_hour() {
    let none = json!({});
    let first = run(1, 0, &["x"], &none);
    let mut second = run(2, 0, &["x"], &none);
    second["eventTime"] = "2026-01-01T02:00:00Z".into();
    let table = after_all(&[first, second]);
    let late = fact(&run(3, 59, &["old"], &none));
    assert_eq!(merge(&table, &late, MAX), MergeResult::Unchanged);
}

#[test]
fn the_tables_of_an_event_share_its_inputs() {
    let inputs: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let mut event = run(1, 0, &inputs, &json!({}));
    let tables = (0..100).map(|n| json!({"namespace": ARN, "name": format!("table/shop/t{n}")}));
    event["outputs"] = tables.collect();
    let facts = said(&event, None);
    let shared: std::collections::BTreeSet<_> = facts
        .values()
        .map(|fact| std::sync::Arc::as_ptr(&fact.upstream))
        .collect();
    assert_eq!((facts.len(), shared.len()), (100, 1));
}

#[test]
fn a_dataset_event_changes_the_schema_and_keeps_the_lineage() {
    let table = written(merge(
        &foreign(),
        &fact(&run(1, 0, &["a"], &json!({}))),
        MAX,
    ));
    let event = json!({
        "eventTime": "2026-01-01T00:05:00Z", "producer": "urn:p", "schemaURL": "urn:s",
        "dataset": {"namespace": ARN, "name": "table/shop/orders", "facets": schema(&["id"])},
    });
    let table = written(merge(&table, &fact(&event), MAX));
    assert_eq!(upstream(&table), ["a"]);
    assert!(parameter(&table, "schema").unwrap().contains("\"id\""));
    assert_eq!(
        parameter(&table, "last_event_time").unwrap(),
        "2026-01-01T00:05:00Z"
    );
}

#[test]
fn an_event_of_the_future_does_not_keep_others_from_changing_the_table() {
    let mut future = run(1, 0, &["a"], &json!({}));
    future["eventTime"] = "2099-01-01T00:00:00Z".into();
    let table = written(merge(&foreign(), &fact(&future), MAX));
    let mut next = run(2, 0, &["b"], &json!({}));
    next["eventTime"] = "2026-02-01T00:00:00Z".into();
    assert_eq!(upstream(&written(merge(&table, &fact(&next), MAX))), ["b"]);
}

#[test]
fn an_input_is_named_after_its_table_and_so_are_its_columns() {
    let mut event = run(
        1,
        0,
        &["raw/orders"],
        &json!({
            "columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": {"id": {"inputFields": [{"namespace": "s3://lake", "name": "raw/orders", "field": "id"}]}}},
        }),
    );
    event["inputs"][0]["facets"] = json!({"symlinks": {"_producer": "urn:p", "_schemaURL": "urn:s", "identifiers": [
        {"namespace": ARN, "name": "table/raw/orders", "type": "TABLE"}]}});
    let table = written(merge(&foreign(), &fact(&event), MAX));
    assert_eq!(upstream(&table), ["table/raw/orders"]);
    assert!(
        parameter(&table, "column_lineage")
            .unwrap()
            .contains("table/raw/orders")
    );
}

#[test]
fn inputs_and_events_without_datasets_change_no_table() {
    let mut event = run(1, 0, &[], &json!({}));
    event["inputs"] = event["outputs"].take();
    event["outputs"] = json!([]);
    assert!(said(&event, Some("lineage")).is_empty());
    event["inputs"] = json!([]);
    assert!(said(&event, Some("lineage")).is_empty());
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

/// Names of which some are equal, and some differ only in how they are written.
fn name() -> impl Strategy<Value = String> {
    "[abA_. ä\"]{1,3}"
}

fn event() -> impl Strategy<Value = Value> {
    let columns = btree_map(name(), vec((name(), name()), 0..3), 0..4);
    let fields = vec((name(), "int|varchar|array<int>|geography"), 0..4);
    (1..4_u8, 0..6_u8, vec(name(), 0..8), columns, fields).prop_map(
        |(id, minute, inputs, columns, fields)| {
            let columns: Map<String, Value> = (columns.into_iter())
                .map(|(column, inputs)| {
                    let input = |(name, field)| json!({"namespace": "s3://lake", "name": name, "field": field});
                    let inputs: Vec<Value> = inputs.into_iter().map(input).collect();
                    (column, json!({"inputFields": inputs}))
                })
                .collect();
            let field = |(name, hive)| json!({"name": name, "type": hive});
            let fields: Vec<Value> = fields.into_iter().map(field).collect();
            let facets = json!({
                "schema": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields},
                "columnLineage": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": columns},
            });
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            run(id, minute, &inputs, &facets)
        },
    )
}

/// A table of others, or of ours, with what anybody may have written into it.
fn table() -> impl Strategy<Value = Map<String, Value>> {
    let parameters = btree_map(
        "(openlineage\\.)?[a-z]{1,3}|openlineage\\.(upstream|schema|last_run_id)",
        "[a-z{}\"]{0,4}",
        0..5,
    );
    (parameters, any::<bool>()).prop_map(|(parameters, is_ours)| {
        let mut table = foreign();
        table["Parameters"] = json!(parameters);
        if is_ours {
            table["Parameters"][MANAGED_BY] = OURSELVES.into();
        }
        table
    })
}

fn after(table: Map<String, Value>, events: &[Value], max_bytes: usize) -> Map<String, Value> {
    events.iter().fold(table, |table, event| {
        match merge(&table, &fact(event), max_bytes) {
            MergeResult::Changed(table) => table,
            MergeResult::Unchanged => table,
            MergeResult::LeftAlone(why) => panic!("{why}"),
        }
    })
}

proptest! {
    #[test]
    fn what_is_not_ours_is_never_lost(table in table(), events in vec(event(), 1..4)) {
        let mut merged = after(table.clone(), &events, MAX);
        let is_managed = table["Parameters"].get(MANAGED_BY).is_some();
        for (name, value) in table["Parameters"].as_object().unwrap() {
            if !name.starts_with(PREFIX) || name == MANAGED_BY {
                prop_assert_eq!(&merged["Parameters"][name], value);
            }
        }
        let mut rest = table;
        for table in [&mut merged, &mut rest] {
            table.remove("Parameters");
            if is_managed {
                table["StorageDescriptor"].as_object_mut().unwrap().remove("Columns");
            }
        }
        prop_assert_eq!(merged, rest);
    }

    #[test]
    fn an_event_that_is_merged_again_changes_nothing(table in table(), events in vec(event(), 1..4), max in 100..600_usize) {
        let merged = after(table, &events, max);
        let last = events.iter().max_by_key(|event| event["eventTime"].as_str()).unwrap();
        let merged = after(merged, std::slice::from_ref(last), max);
        prop_assert_eq!(merge(&merged, &fact(last), max), MergeResult::Unchanged);
    }

    #[test]
    fn an_older_event_changes_nothing(table in table(), newer in event(), older in event()) {
        prop_assume!(older["eventTime"].as_str() < newer["eventTime"].as_str());
        if let MergeResult::Changed(merged) = merge(&table, &fact(&newer), MAX) {
            prop_assert_eq!(merge(&merged, &fact(&older), MAX), MergeResult::Unchanged);
        }
    }

    #[test]
    fn a_parameter_is_json_of_bounded_size_and_counts_what_is_missing(table in table(), event in event(), max in 100..600_usize) {
        let fact = fact(&event);
        let merged = after(table, std::slice::from_ref(&event), max);
        for (name, list) in [("upstream", "datasets"), ("column_lineage", "columns"), ("schema", "fields")] {
            let all = match name {
                "upstream" => fact.upstream.len(),
                "column_lineage" => fact.column_lineage.as_ref().map_or(0, |columns| columns.len()),
                _ => fact.schema.as_ref().map_or(0, Vec::len),
            };
            let Some(text) = parameter(&merged, name).filter(|_| all > 0) else {
                prop_assert!(all == 0, "{} is missing", name);
                continue;
            };
            prop_assert!(text.len() <= max, "{} bytes of {}", text.len(), max);
            let value: Value = serde_json::from_str(&text).unwrap();
            let members = value[list].as_object().map(Map::len);
            let kept = members.or_else(|| Some(value[list].as_array()?.len())).unwrap();
            let omitted = value.get("omitted").map_or(0, |count| count.as_u64().unwrap());
            prop_assert_eq!(kept + usize::try_from(omitted).unwrap(), all);
        }
    }
}
