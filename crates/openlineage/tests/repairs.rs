//! Deviations that real clients send and that are put right, one fixture a quirk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use openlineage::{Event, Level, Read, Severity, Subject};
use serde_json::{Value, json};
use support::repair_fixtures as fixtures;

/// The one event of a fixture.
fn fixture(name: &str) -> String {
    fixtures(name).remove(0)
}

/// Repaired, and refused as strict: what the core schema refuses.
fn repaired(text: &str) -> Read {
    let strict = Event::read(text.as_bytes(), Level::Strict);
    assert!(strict.is_err(), "strict takes {text}");
    read(text)
}

/// Repaired, where the core schema has nothing against it.
fn repaired_inside(text: &str) -> Read {
    let strict = Event::read(text.as_bytes(), Level::Strict).unwrap();
    assert_eq!(strict.event.text(), text);
    read(text)
}

fn read(text: &str) -> Read {
    let read = Event::read(text.as_bytes(), Level::Repair)
        .unwrap_or_else(|refused| panic!("{:?}", refused.findings));
    for repair in &read.repairs {
        assert_eq!(repair.severity, Severity::Repaired);
    }
    let again = Event::read(read.event.text().as_bytes(), Level::Strict).unwrap();
    assert_eq!(again.event, read.event);
    read
}

fn value(read: &Read) -> Value {
    serde_json::from_str(read.event.text()).unwrap()
}

fn pointers(read: &Read) -> Vec<&str> {
    let mut pointers: Vec<&str> = read.repairs.iter().map(|found| &*found.pointer).collect();
    pointers.sort_unstable();
    pointers
}

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
fn airflow_runs_and_their_tasks_are_of_one_run() {
    let [run, task] = &fixtures("airflow-run-id-is-no-uuid")[..] else {
        panic!("two events")
    };
    let run = repaired(run);
    let id = run.event.run_id().unwrap().to_string();
    let task = repaired_inside(task);
    let event = value(&task);
    for pointer in [
        "/run/facets/parent/run/runId",
        "/run/facets/parent/root/run/runId",
        "/run/facets/parent/run/facets/parent/run/runId",
        "/run/facets/jobDependencies/upstream/0/run/runId",
    ] {
        assert_eq!(event.pointer(pointer).unwrap(), &id, "{pointer}");
        assert!(pointers(&task).contains(&pointer), "{pointer}");
    }
    for event in [event, value(&run)] {
        let kept = &event["run"]["facets"]["lineageProxy_originalRunIds"];
        let text = "manual__2026-05-04T07:59:58.123456+00:00";
        assert_eq!(kept["runs"], json!([{"runId": id, "original": text}]));
    }
    // Nulls of the forwarded facets went too; what no schema types stayed.
    let parent = &value(&task)["run"]["facets"]["parent"];
    assert_eq!(parent["job"]["facets"], json!({}));
    assert!(
        parent
            .pointer("/run/facets/nominalTime/nominalEndTime")
            .is_none()
    );
    let dag_run = parent.pointer("/run/facets/airflowDagRun/dagRun");
    assert_eq!(dag_run, Some(&json!({"conf": null})));
}

#[test]
fn other_run_ids_are_as_marquez_makes_them() {
    for (name, id) in [
        ("run-id-is-the-word", "0acf093b-3c88-3560-8dc6-22a33921d360"),
        (
            "redshift-run-id-is-no-uuid",
            "fac55728-c42b-326c-927a-38b1c20ada1f",
        ),
    ] {
        let read = repaired(&fixture(name));
        assert_eq!(read.event.run_id().unwrap().to_string(), id);
        assert_eq!(pointers(&read), ["/run/runId"]);
    }
}

#[test]
fn an_empty_run_id_is_refused() {
    for empty in ["", " \\t"] {
        let text = fixture("run-id-is-the-word").replace(r#""run_id""#, &format!("\"{empty}\""));
        let refused = Event::read(text.as_bytes(), Level::Repair).unwrap_err();
        let first = &refused.findings[0];
        assert_eq!((&*first.pointer, first.rule), ("/run/runId", "uuid"));
        assert!(first.message.contains("not empty"), "{}", first.message);
    }
}

#[test]
fn a_run_id_of_megabytes_is_kept_in_part() {
    let id = "ü".repeat(1 << 20);
    let text = fixture("run-id-is-the-word").replace("run_id", &id);
    let read = repaired(&text);
    assert!(
        read.event.text().len() < 4_000,
        "{}",
        read.event.text().len()
    );
    let other = repaired(&text.replace(&id, &format!("{id}x")));
    assert_ne!(read.event.run_id(), other.event.run_id());
}

#[test]
fn a_proxy_behind_a_proxy_keeps_both_notes() {
    let once = read(&fixture("run-id-is-the-word"));
    let mut event = value(&once);
    event["run"]["facets"]["parent"] = json!({"_producer": "urn:p", "_schemaURL": "urn:s",
        "run": {"runId": "parent 1"}, "job": {"namespace": "n", "name": "j"}});
    let facets = value(&read(&event.to_string()))["run"]["facets"].clone();
    assert_eq!(
        facets["lineageProxy_originalRunIds"]["runs"][0]["original"],
        "run_id"
    );
    assert_eq!(
        facets["lineageProxy_originalRunIds_2"]["runs"][0]["original"],
        "parent 1"
    );
}

#[test]
fn a_run_id_of_an_event_without_a_run_is_kept_by_the_job() {
    let mut event: Value = serde_json::from_str(&fixture("job-event-with-event-type")).unwrap();
    event["job"]["facets"] = json!({"lineage": {"_producer": "urn:p", "_schemaURL": "urn:s",
        "entries": [{"type": "JOB", "runId": "77#1", "inputs": [{"type": "JOB", "runId": "77#1", "name": null}]}]}});
    let read = repaired_inside(&event.to_string());
    assert_eq!(read.repairs.len(), 3);
    let facets = &value(&read)["job"]["facets"];
    assert_eq!(
        facets["lineageProxy_originalRunIds"]["runs"][0]["original"],
        "77#1"
    );
    let entry = &facets["lineage"]["entries"][0];
    assert_eq!(entry["runId"], entry["inputs"][0]["runId"]);
}

#[test]
fn facets_that_are_null_can_take_the_note() {
    let text = fixture("run-id-is-the-word").replace(
        r#"{"runId": "run_id"}"#,
        r#"{"runId": "run_id", "facets": null}"#,
    );
    let facets = value(&repaired(&text))["run"]["facets"].clone();
    assert_eq!(facets.as_object().unwrap().len(), 1, "{facets}");
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
        "no OpenLineage event: required at '/job/name'"
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
