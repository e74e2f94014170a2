//! Run ids that are no UUIDs: one fixture a quirk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openlineage::{Event, Level, Severity};
use serde_json::{Value, json};
use support::{
    pointers, read, repair_fixture as fixture, repair_fixtures as fixtures, repaired,
    repaired_inside, value,
};

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
fn code_that_rewrites_an_event_may_spell_its_run_id_and_not_make_one_up() {
    let read = |id: &str| {
        let text = fixture("run-id-is-the-word").replace("run_id", id);
        Event::read(text.as_bytes(), Level::RepairRewritten)
    };
    assert!(read("01a1faa6e194708ba993cc010cbe1ae4").is_ok());
    let refused = read("run_id").unwrap_err();
    assert_eq!(refused.findings[0].severity, Severity::Error);
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
