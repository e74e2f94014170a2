//! Messages as Flyte publishes them, and objects as it writes them, for the tests beside this file.

mod data;
mod formats;
mod logical;
mod outside;
mod package;
mod runs;

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::FoundEvent;

const FLAVOURS: [&str; 3] = [
    include_str!("../../tests/fixtures/flyte/external.jsonl"),
    include_str!("../../tests/fixtures/flyte/cloudevents-v1.jsonl"),
    include_str!("../../tests/fixtures/flyte/cloudevents-v2.jsonl"),
];

const META: &str = "s3://flyte-meta/metadata/propeller/poc-development-f3a1b2c4d5e6f";

fn options() -> FlyteOptions {
    FlyteOptions {
        cluster: "flyte.example.com".to_owned(),
        workflow_name: WorkflowName::default(),
        task_name: TaskName::default(),
        dataset_naming: DatasetNaming::default(),
        dataset_prefix: None,
    }
}

fn logical() -> FlyteOptions {
    FlyteOptions {
        dataset_naming: DatasetNaming::Logical,
        ..options()
    }
}

fn bodies(flavour: &str) -> Vec<String> {
    let body = |line| {
        serde_json::from_str::<Value>(line).unwrap()["body"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    flavour.lines().map(body).collect()
}

/// The objects that Flyte has written for the fixtures.
fn stored(uri: &str) -> Result<Vec<u8>, String> {
    let bytes: &[u8] = match uri.strip_prefix(META) {
        Some("/n0/data/0/outputs.pb") => include_bytes!("../../tests/fixtures/flyte/n0.outputs.pb"),
        Some("/n2/data/0/outputs.pb") => {
            include_bytes!("../../tests/fixtures/flyte/blob.outputs.pb")
        }
        Some("/n2/data/inputs.pb") => {
            include_bytes!("../../tests/fixtures/flyte/schema.outputs.pb")
        }
        _ => return Err("NoSuchKey".to_owned()),
    };
    Ok(bytes.to_vec())
}

fn extract_with(
    body: &str,
    options: &FlyteOptions,
    stored: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Extraction {
    let message = read(body, "message 1").unwrap();
    let mut objects = Objects::default();
    loop {
        let needed = message.needed(options, &objects);
        if needed.is_empty() {
            return message.extraction(options, &objects);
        }
        for uri in needed {
            let content = stored(&uri);
            objects.insert(uri, content);
        }
    }
}

fn extract(body: &str, options: &FlyteOptions) -> Extraction {
    extract_with(body, options, stored)
}

fn json(event: &FoundEvent) -> Value {
    serde_json::from_str(&event.text).unwrap()
}

fn events(bodies: &[String]) -> Vec<Value> {
    let found = bodies
        .iter()
        .flat_map(|body| extract(body, &options()).events);
    found.map(|event| json(&event)).collect()
}

fn names(datasets: &Value) -> Vec<String> {
    let name = |dataset: &Value| {
        format!(
            "{} {}",
            dataset["namespace"].as_str().unwrap(),
            dataset["name"].as_str().unwrap()
        )
    };
    datasets.as_array().unwrap().iter().map(name).collect()
}

fn raw(message: &[u8]) -> String {
    BASE64_STANDARD.encode(message)
}

/// A CloudEvent as Flyte publishes it, delivered raw.
fn cloud(name: &str, data: &Value) -> String {
    use prost::Message;
    let event = wire::CloudEvent {
        spec_version: "1.0".to_owned(),
        kind: format!("com.flyte.resource.{name}"),
        attributes: BTreeMap::from([(
            "time".to_owned(),
            wire::CloudAttribute {
                timestamp: Some(serde_json::from_value(json!("2026-11-20T10:00:00Z")).unwrap()),
            },
        )]),
        binary_data: Some(data.to_string().into_bytes()),
        text_data: None,
    };
    raw(&event.encode_to_vec())
}

/// A task that succeeded, as `cloudevents-v2` reports it, with more members of its raw event.
fn task(more: &Value) -> String {
    let mut event = json!({
        "taskId": {"resourceType": "TASK", "project": "poc", "domain": "development", "name": "m.t", "version": "v"},
        "parentNodeExecutionId": {"nodeId": "n1", "executionId": {"project": "poc", "domain": "development", "name": "f1"}},
        "phase": "SUCCEEDED",
        "occurredAt": "2026-11-20T10:00:50Z",
    });
    let members = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(members);
    cloud("cloudevents.TaskExecution", &json!({ "rawEvent": event }))
}
