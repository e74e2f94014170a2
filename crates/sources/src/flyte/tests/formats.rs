//! One workflow in each of the formats in which Flyte publishes: the same events.

use std::collections::BTreeSet;

use openlineage::{Event, Level};

use super::*;

#[test]
fn every_flavour_reports_the_same_workflow() {
    let summary = |flavour: &str| -> Vec<String> {
        let found = events(&bodies(flavour));
        let line = |event: &Value| {
            let own = &event["run"]["facets"]["lineageProxy_flyte_execution"];
            format!(
                "{} {} {} {}/{} {:?} -> {:?}",
                event["eventTime"].as_str().unwrap(),
                event["eventType"].as_str().unwrap(),
                event["job"]["name"].as_str().unwrap(),
                own["node"].as_str().unwrap_or_default(),
                own["attempt"],
                names(&event["inputs"]),
                names(&event["outputs"]),
            )
        };
        found.iter().map(line).collect()
    };
    let expected = [
        r#"2026-11-20T10:00:01Z START poc.development.execution /null [] -> []"#,
        r#"2026-11-20T10:00:04Z START poc.development.news.workflows.covid.get n0/0 [] -> []"#,
        r#"2026-11-20T10:00:20Z COMPLETE poc.development.news.workflows.covid.get n0/0 [] -> ["s3://flyte-data xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"]"#,
        r#"2026-11-20T10:00:30Z FAIL poc.development.news.workflows.covid.filter_data n1/0 [] -> []"#,
        r#"2026-11-20T10:00:50Z COMPLETE poc.development.news.workflows.covid.filter_data n1/1 ["s3://flyte-data xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"] -> ["s3://flyte-data xy/f3a1b2c4d5e6f-n1-0/0a1b2c3d4e5f"]"#,
        r#"2026-11-20T10:00:52Z COMPLETE poc.development.news.workflows.covid.save n2/null ["s3://flyte-data xy/old/schema"] -> ["s3://flyte-data xy/old/report.html"]"#,
        r#"2026-11-20T10:00:55Z COMPLETE poc.development.execution /null [] -> []"#,
    ];
    for flavour in FLAVOURS {
        assert_eq!(summary(flavour), expected);
    }
}

#[test]
fn an_event_is_the_same_one_in_every_flavour() {
    let identities = |flavour| -> Vec<_> {
        let found = bodies(flavour)
            .into_iter()
            .flat_map(|body| extract(&body, &options()).events);
        found.map(|event| event.identity).collect()
    };
    let [external, first, second] = FLAVOURS.map(identities);
    assert_eq!(external, first);
    assert_eq!(external, second);
    assert_eq!(
        external.iter().collect::<BTreeSet<_>>().len(),
        external.len()
    );
}

#[test]
fn every_event_is_valid() {
    for body in FLAVOURS.iter().flat_map(|flavour| bodies(flavour)) {
        for options in [options(), logical()] {
            for event in extract(&body, &options).events {
                Event::read(event.text.as_bytes(), Level::Strict).unwrap();
            }
        }
    }
}

#[test]
fn raw_delivery_changes_nothing() {
    for body in FLAVOURS.iter().flat_map(|flavour| bodies(flavour)) {
        let envelope: Value = serde_json::from_str(&body).unwrap();
        let raw = envelope["Message"].as_str().unwrap();
        assert_eq!(extract(raw, &options()), extract(&body, &options()));
    }
}

#[test]
fn protojson_may_be_written_in_snake_case_with_numbers_as_text_and_nulls() {
    let camel = task(&json!({"retryAttempt": 3, "phaseVersion": 1, "outputUri": null}));
    let snake = cloud(
        "flyteidl.admin.TaskExecutionEventRequest",
        &json!({"request_id": "r", "event": {
            "task_id": {"resource_type": 1, "name": "m.t", "version": "v"},
            "parent_node_execution_id": {"node_id": "n1", "execution_id": {"project": "poc", "domain": "development", "name": "f1", "org": null}},
            "phase": 3,
            "occurred_at": "2026-11-20T12:00:50+02:00",
            "retry_attempt": "3",
            "phase_version": "1",
            "new_in_a_later_version": {"x": [1]},
        }}),
    );
    assert_eq!(
        extract(&camel, &options()).events,
        extract(&snake, &options()).events
    );
}
