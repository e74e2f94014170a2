//! Whose lineage a table has after the events of several runs.

use super::*;

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
