//! Deviations that real clients send and that are put right, one fixture a quirk. Run ids are in `run_ids.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openlineage::{Event, Level, Severity, Subject};
use serde_json::{Value, json};
use support::{
    pointers, read, repair_fixture as fixture, repair_fixtures as fixtures, repaired,
    repaired_inside, value,
};

#[test]
fn marquez_gives_facets_back_as_null() {
    let read = repaired(&fixture("marquez-gives-facets-back-as-null"));
    assert_eq!(read.repairs.len(), 9);
    let event = value(&read);
    assert!(!read.event.text().contains("null"));
    assert_eq!(event["run"]["facets"].as_object().unwrap().len(), 1);
    assert_eq!(event["job"]["facets"], json!({}));
    assert_eq!(event["outputs"][0]["facets"], json!({}));
}

#[test]
fn a_null_producer_is_like_none_and_what_the_facet_says_itself_stays() {
    let read = repaired(&fixture("facet-with-null-producer"));
    assert_eq!(
        pointers(&read),
        ["/run/facets/mine/_producer", "/run/facets/mine/_schemaURL"]
    );
    let facet = &value(&read)["run"]["facets"]["mine"];
    assert_eq!(facet["_producer"], "urn:lineage-proxy:unknown-producer");
    assert!(read.event.text().contains(r#""x": 1, "y": null"#));
}

#[test]
fn dbt_expects_deleted_to_be_null() {
    let read = repaired(&fixture("dbt-deleted-is-null"));
    assert_eq!(
        pointers(&read),
        [
            "/inputs/0/facets/dataSource/_deleted",
            "/inputs/0/facets/dataSource/uri",
            "/inputs/0/inputFacets/inputStatistics/_deleted",
            "/inputs/0/inputFacets/inputStatistics/rowCount",
            "/job/facets/jobType/_deleted",
            "/job/facets/jobType/jobType",
            "/run/facets/dbt_version/_deleted",
        ]
    );
    assert!(!read.event.text().contains("null"));
}

#[test]
fn a_job_event_with_a_null_run_is_one() {
    let read = repaired(&fixture("job-event-with-null-run"));
    assert!(matches!(read.event.subject(), Subject::Job { .. }));
    assert_eq!(pointers(&read), ["/dataset", "/run"]);
    let read = repaired(&fixture("job-event-with-null-run-and-no-schema"));
    assert_eq!(pointers(&read), ["/run", "/schemaURL"]);
    let url = value(&read)["schemaURL"].clone();
    assert!(url.as_str().unwrap().ends_with("JobEvent"), "{url}");
}

#[test]
fn a_dataset_event_with_the_rest_null_is_one() {
    let read = repaired_inside(
        &fixture("dataset-event-with-the-rest-null")
            .replace(r#""run": null, "job": null, "#, r#""run": null, "#),
    );
    assert!(matches!(read.event.subject(), Subject::Dataset { .. }));
    let read = repaired(&fixture("dataset-event-with-the-rest-null"));
    assert!(matches!(read.event.subject(), Subject::Dataset { .. }));
    assert_eq!(
        pointers(&read),
        ["/eventType", "/inputs", "/job", "/outputs", "/run"]
    );
}

#[test]
fn a_run_event_with_a_null_dataset_is_one() {
    let read = repaired_inside(fixture("run-event-with-null-dataset").trim());
    assert!(matches!(read.event.subject(), Subject::Run { .. }));
    assert_eq!(pointers(&read), ["/dataset"]);
}

#[test]
fn what_must_be_there_may_not_be_null() {
    for (name, pointer) in [("eventTime", "/eventTime"), ("producer", "/producer")] {
        let mut event: Value = serde_json::from_str(&fixture("run-id-is-the-word")).unwrap();
        event[name] = Value::Null;
        let refused = Event::read(event.to_string().as_bytes(), Level::Repair).unwrap_err();
        assert_eq!(refused.findings[0].pointer, pointer);
    }
    let nothing = json!({"run": null, "job": null, "dataset": null, "eventTime": "2026-01-01T00:00:00Z", "producer": "urn:p"});
    let refused = Event::read(nothing.to_string().as_bytes(), Level::Repair).unwrap_err();
    assert_eq!(
        (refused.findings[0].rule, &*refused.findings[0].pointer),
        ("oneOf", "")
    );
}

#[test]
fn a_job_event_may_have_an_event_type() {
    let text = fixture("job-event-with-event-type");
    let read = read(&text);
    assert!(read.repairs.is_empty());
    assert_eq!(read.event.text(), text);
    assert!(matches!(read.event.subject(), Subject::Job { .. }));
}

#[test]
fn a_null_in_a_list_of_datasets_is_none() {
    let mut event: Value = serde_json::from_str(&fixture("job-event-with-event-type")).unwrap();
    event["inputs"] = json!([null, {"namespace": "a", "name": "b"}, null]);
    event["outputs"] = json!([null]);
    let read = repaired(&event.to_string());
    assert_eq!(pointers(&read), ["/inputs/0", "/inputs/2", "/outputs/0"]);
    let event = value(&read);
    assert_eq!(event["inputs"], json!([{"namespace": "a", "name": "b"}]));
    assert_eq!(event["outputs"], json!([]));
}

#[test]
fn a_null_deep_in_the_condition_of_a_subset_is_none() {
    let mut event: Value = serde_json::from_str(&fixture("job-event-with-event-type")).unwrap();
    let part = json!({"type": "partition", "partitions": [{"identifier": null, "dimensions": {"day": null}}]});
    event["inputs"][0]["inputFacets"] = json!({"subset": {"_producer": "urn:p", "_schemaURL": "urn:s",
        "inputCondition": {"type": "binary", "operator": "AND", "left": part, "right": part}}});
    let read = repaired_inside(&event.to_string());
    let subset = "/inputs/0/inputFacets/subset/inputCondition";
    assert_eq!(
        pointers(&read),
        ["left", "right"].map(|side| format!("{subset}/{side}/partitions/0/identifier"))
    );
    assert_eq!(read.event.text().matches(r#""day":null"#).count(), 2);
}

#[test]
fn a_producer_that_is_no_uri_becomes_one_that_keeps_the_word() {
    let meant = [
        "urn:lineage-proxy:producer:manual_annotation",
        "urn:lineage-proxy:producer:scanner%2F0.1.0",
        "urn:lineage-proxy:producer:my%20job%20%28v2%29",
        "urn:lineage-proxy:unknown-producer",
        "urn:lineage-proxy:producer:https%3A%2F%2Fexample.org%2F%7Bversion%7D%2Fjob",
        "urn:lineage-proxy:producer:https%3A%2F%2Fexample.org%2Fgr%C3%B6%C3%9Fe",
        "urn:lineage-proxy:producer:github.com%2Facme%2Fetl",
    ];
    for (text, meant) in fixtures("producer-is-no-uri").iter().zip(meant) {
        let read = repaired(text);
        assert_eq!(value(&read)["producer"], meant);
        assert_eq!(pointers(&read), ["/producer"]);
    }
}

#[test]
fn a_producer_of_a_facet_becomes_a_uri_too_wherever_the_facet_stands() {
    let facet = json!({"_producer": "my job", "_schemaURL": "x.json"});
    let parent = json!({"_producer": "urn:p", "_schemaURL": "urn:s",
        "run": {"runId": "019df000-0000-7000-8000-00000000a005", "facets": {"mine": facet}},
        "job": {"namespace": "n", "name": "j", "facets": {"mine": facet}}});
    let mut event: Value = serde_json::from_str(&fixture("run-id-is-the-word")).unwrap();
    event["run"] = json!({"runId": "019df000-0000-7000-8000-00000000a006", "facets": {"mine": facet, "parent": parent}});
    event["outputs"] = json!([{"namespace": "n", "name": "d", "facets": {"mine": facet}, "outputFacets": {"mine": facet}}]);
    let event = value(&repaired(&event.to_string()));
    let meant = json!({"_producer": "urn:lineage-proxy:producer:my%20job", "_schemaURL": "urn:lineage-proxy:schema:x.json"});
    for pointer in [
        "/run/facets/mine",
        "/run/facets/parent/run/facets/mine",
        "/run/facets/parent/job/facets/mine",
        "/outputs/0/facets/mine",
        "/outputs/0/outputFacets/mine",
    ] {
        assert_eq!(event.pointer(pointer), Some(&meant), "{pointer}");
    }
}

#[test]
fn a_schema_url_that_is_no_uri_becomes_one() {
    let meant = [
        "urn:lineage-proxy:schema:OpenLineage.json%23%2F%24defs%2FRunEvent",
        "urn:lineage-proxy:schema:2-0-2",
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    ];
    for (text, meant) in fixtures("schema-url-is-no-uri").iter().zip(meant) {
        assert_eq!(value(&repaired(text))["schemaURL"], meant);
    }
}

#[test]
fn python_writes_an_offset_and_a_z() {
    let read = repaired(&fixture("python-offset-and-z"));
    assert_eq!(
        value(&read)["eventTime"],
        "2026-05-04T08:00:00.123456+00:00"
    );
    let other = fixture("python-offset-and-z").replace("+00:00Z", "+01:00Z");
    let refused = Event::read(other.as_bytes(), Level::Repair).unwrap_err();
    assert!(refused.findings[0].message.contains("two offsets"));
}

#[test]
fn java_writes_the_zone_behind_the_time() {
    let read = repaired(&fixture("java-zone-behind-the-time"));
    assert_eq!(value(&read)["eventTime"], "2026-05-04T10:00:00.5+02:00");
    let bare = fixture("java-zone-behind-the-time").replace("+02:00[", "[");
    let refused = Event::read(bare.as_bytes(), Level::Repair).unwrap_err();
    assert!(refused.findings[0].message.contains("offset"));
}

#[test]
fn a_table_of_twenty_thousand_columns_without_descriptions_is_no_reason_to_refuse() {
    let fields: Vec<Value> = (0..20_000)
        .map(|n| json!({"name": n.to_string(), "type": "int", "description": null}))
        .collect();
    let mut event: Value = serde_json::from_str(&fixture("job-event-with-event-type")).unwrap();
    event["inputs"][0]["facets"] =
        json!({"schema": {"_producer": "urn:p", "_schemaURL": "urn:s", "fields": fields}});
    let read = repaired_inside(&event.to_string());
    assert!(!read.event.text().contains("null"));
    assert_eq!(read.repairs.len(), 101);
    assert!(read.repairs[100].message.contains("19900"));
}

#[test]
fn what_is_fatal_comes_first_and_the_rest_is_said_to_be_repairable() {
    let text = fixture("one-fatal-among-repairable");
    let refused = Event::read(text.as_bytes(), Level::Repair).unwrap_err();
    let findings: Vec<(Severity, &str)> = (refused.findings.iter())
        .map(|found| (found.severity, &*found.pointer))
        .collect();
    assert_eq!(findings[0], (Severity::Error, "/job/name"));
    let mut others: Vec<&str> = findings[1..].iter().map(|(_, pointer)| *pointer).collect();
    others.sort_unstable();
    assert_eq!(others, ["/eventTime", "/eventType", "/inputs", "/producer"]);
    for found in &refused.findings[1..] {
        assert_eq!(found.severity, Severity::Repairable);
        assert!(
            found.message.contains("would be repaired to"),
            "{}",
            found.message
        );
    }
    assert_eq!(
        refused.to_string(),
        "not an OpenLineage event: required at '/job/name'"
    );
    let strict = Event::read(text.as_bytes(), Level::Strict).unwrap_err();
    assert!(
        strict
            .findings
            .iter()
            .all(|found| found.severity == Severity::Error)
    );
}

#[test]
fn of_a_hundred_thousand_nulls_what_is_said_to_be_repaired_is() {
    let mut event: Value = serde_json::from_str(&fixture("job-event-with-event-type")).unwrap();
    let columns: String = (0..70_000).map(|n| format!(r#""{n}":null,"#)).collect();
    let field = r#"{"name":"a","description":null}"#;
    let fields = vec![field; 60_000].join(",");
    event["inputs"][0]["facets"] = json!("FACETS");
    let text = event.to_string().replace(
        r#""FACETS""#,
        &format!(
            r#"{{"schema":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":[{fields}]}},
            "columnLineage":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":{{{columns}"x":null}}}}}}"#
        ),
    );
    let read = support::read(&text);
    let more = &read.repairs.last().unwrap().message;
    let gone = text.matches("null").count() - read.event.text().matches("null").count();
    assert!(gone >= 100_000);
    assert_eq!(more, &format!("and {} further findings", gone - 100));
}
