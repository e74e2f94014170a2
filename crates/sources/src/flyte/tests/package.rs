//! Messages that Flyte's own Python package has made.

use openlineage::{Event, Level};

use super::*;

/// Messages that the package `flyteidl` of Flyte has made (`tests/real/flyte_messages.py`): case, format, body.
fn made_by_flyte() -> Vec<(String, String, String)> {
    let text = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
    let lines = include_str!("../../../tests/fixtures/flyte/flyteidl.jsonl").lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            (
                text(&line, "case"),
                text(&line, "format"),
                text(&line, "body"),
            )
        })
        .collect()
}

/// The objects of those messages: the literal that is one of its own.
fn object_of_flyte(uri: &str) -> Result<Vec<u8>, String> {
    let literal = json!({"scalar": {"blob": {"uri": "s3://lake/large.bin"}}});
    let literal: wire::Literal = serde_json::from_value(literal).unwrap();
    match uri {
        "s3://flyte-meta/offloaded.pb" => Ok(prost::Message::encode_to_vec(&literal)),
        _ => Err("NoSuchKey".to_owned()),
    }
}

#[test]
fn what_the_package_of_flyte_writes_is_the_same_in_each_of_its_encodings() {
    let mut first = BTreeMap::new();
    for (case, format, body) in made_by_flyte() {
        let found = extract_with(&body, &options(), object_of_flyte);
        let known = first.entry(case.clone()).or_insert_with(|| found.clone());
        if format == "v2" {
            // It says more, and is the same event.
            let identities = |found: &Extraction| {
                found
                    .events
                    .iter()
                    .map(|event| event.identity)
                    .collect::<Vec<_>>()
            };
            assert_eq!(identities(&found), identities(known), "{case}");
        } else {
            assert_eq!(&found, known, "{case} {format}");
        }
        for event in &found.events {
            Event::read(event.text.as_bytes(), Level::Strict).unwrap();
        }
    }
    assert_eq!(first.len(), 35);
}

#[test]
fn each_phase_that_flyte_has_is_known() {
    let mut states = BTreeMap::<String, String>::new();
    for (case, _, body) in made_by_flyte() {
        let phase = case
            .split_once(' ')
            .is_some_and(|(_, phase)| phase.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
        if let (true, [event]) = (
            phase,
            &extract_with(&body, &options(), object_of_flyte).events[..],
        ) {
            states.insert(case, json(event)["eventType"].as_str().unwrap().to_owned());
        }
    }
    let states: Vec<String> = states
        .into_iter()
        .map(|(case, state)| format!("{case} {state}"))
        .collect();
    assert_eq!(
        states,
        [
            "node RECOVERED COMPLETE",
            "task ABORTED ABORT",
            "task FAILED FAIL",
            "task INITIALIZING RUNNING",
            "task RETRYABLE_FAILED FAIL",
            "task RUNNING START",
            "task SUCCEEDED COMPLETE",
            "workflow ABORTED ABORT",
            "workflow FAILED FAIL",
            "workflow RUNNING START",
            "workflow SUCCEEDED COMPLETE",
            "workflow TIMED_OUT FAIL",
        ]
    );
}

#[test]
fn everything_that_a_task_of_flyte_returns_is_found() {
    let (_, _, body) = made_by_flyte()
        .into_iter()
        .find(|(case, format, _)| case == "task succeeded" && format == "v2")
        .unwrap();
    let event = json(&extract_with(&body, &options(), object_of_flyte).events[0]);
    let of = |name: &str| {
        let outputs = event["outputs"].as_array().unwrap();
        outputs
            .iter()
            .find(|output| output["name"].as_str().unwrap().ends_with(name))
            .unwrap()
            .clone()
    };
    let fields = |output: &Value| -> Vec<String> {
        let fields = output["facets"]["schema"]["fields"]
            .as_array()
            .unwrap()
            .iter();
        fields
            .map(|field| {
                format!(
                    "{} {}",
                    field["name"].as_str().unwrap(),
                    field["type"].as_str().unwrap_or("-")
                )
            })
            .collect()
    };
    assert_eq!(
        fields(&of("/orders")),
        [
            "id INTEGER",
            "tags LIST<STRING>",
            "prices MAP<STRING,FLOAT>",
            "note STRING|NONE",
            "plain NONE",
            "untyped -"
        ]
    );
    assert_eq!(
        fields(&of("/old")),
        [
            "integer INTEGER",
            "float FLOAT",
            "string STRING",
            "boolean BOOLEAN",
            "datetime DATETIME",
            "duration DURATION"
        ]
    );
    let mut outputs: Vec<_> = names(&event["outputs"]);
    outputs.retain(|name| !name.ends_with("/orders") && !name.ends_with("/old"));
    assert_eq!(
        outputs,
        [
            "s3://flyte-data ab/f0e1d2c3b4a5-n1-0/1.csv",
            "s3://flyte-data ab/f0e1d2c3b4a5-n1-0/2.csv",
            "s3://flyte-data ab/f0e1d2c3b4a5-n1-0/mon",
            "s3://flyte-data ab/f0e1d2c3b4a5-n1-0/u.csv",
            "s3://lake large.bin",
        ]
    );
    assert_eq!(event["inputs"].as_array().unwrap().len(), 1);
    let own = &event["run"]["facets"]["lineageProxy_flyte_execution"];
    assert_eq!(
        (
            own["attempt"].as_u64(),
            own["taskType"].as_str(),
            own["logs"][0]["name"].as_str()
        ),
        (Some(2), Some("spark"), Some("driver"))
    );
    assert_eq!(event["eventTime"], "2026-11-18T11:06:49.25Z");
    assert_eq!(
        event["run"]["facets"]["tags"]["tags"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
