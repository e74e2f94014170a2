//! The messages of one workflow in each flavour, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use openlineage::{Event, Level};
use proptest::prelude::*;
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
fn the_parent_of_a_task_is_the_run_of_its_execution() {
    for flavour in FLAVOURS {
        let found = events(&bodies(flavour));
        let execution = &found[0];
        for event in found
            .iter()
            .filter(|event| event["job"]["name"] != execution["job"]["name"])
        {
            let parent = &event["run"]["facets"]["parent"];
            assert_eq!(parent["run"]["runId"], execution["run"]["runId"]);
            assert_eq!(parent["job"]["name"], execution["job"]["name"]);
            assert_eq!(parent["root"]["run"], parent["run"]);
        }
    }
}

#[test]
fn a_retry_is_a_run_of_its_own_that_says_why_the_first_failed() {
    let found = events(&bodies(FLAVOURS[0]));
    let (failed, retried) = (&found[3], &found[4]);
    assert_ne!(failed["run"]["runId"], retried["run"]["runId"]);
    assert_eq!(failed["run"]["facets"]["errorMessage"]["message"], "killed");
    assert_eq!(found[1]["run"]["runId"], found[2]["run"]["runId"]);
}

#[test]
fn a_cache_hit_says_where_its_result_came_from() {
    let found = events(&bodies(FLAVOURS[2]));
    let own = &found[5]["run"]["facets"]["lineageProxy_flyte_execution"];
    assert_eq!(own["cacheStatus"], "CACHE_HIT");
    assert_eq!(own["cacheSource"]["execution"], "oldexec");
    assert_eq!(
        found[5]["job"]["facets"]["ownership"]["owners"][0]["name"],
        "jane@example.com"
    );
    assert_eq!(own["launchPlan"]["name"], "news.workflows.covid.covid_wf");
}

#[test]
fn columns_and_their_types_are_those_of_the_literal() {
    let found = events(&bodies(FLAVOURS[0]));
    let facets = &found[2]["outputs"][0]["facets"];
    let fields = facets["schema"]["fields"].as_array().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| {
            (
                field["name"].as_str().unwrap(),
                field["type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("country", "STRING"),
            ("cases", "INTEGER"),
            ("rate", "FLOAT"),
            ("day", "DATETIME")
        ]
    );
    assert_eq!(facets["storage"]["fileFormat"], "parquet");
    assert_eq!(facets["lineageProxy_flyte_data"]["variable"], "o0");
    assert_eq!(
        found[5]["inputs"][0]["facets"]["schema"]["fields"][0]["type"],
        "INTEGER"
    );
    assert_eq!(
        found[5]["outputs"][0]["facets"]["storage"]["fileFormat"],
        "html"
    );
    assert!(found[5]["outputs"][0]["facets"].get("schema").is_none());
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
fn objects_that_cannot_be_read_cost_the_datasets_and_not_the_event() {
    let body = &bodies(FLAVOURS[0])[6];
    let found = extract_with(body, &options(), |_| Err("AccessDenied".to_owned()));
    assert_eq!(json(&found.events[0])["outputs"], json!([]));
    let places: Vec<_> = found
        .findings
        .iter()
        .map(|finding| finding.to_string())
        .collect();
    assert_eq!(
        places,
        [
            format!(
                "incomplete: message 1: {META}/n0/data/inputs.pb: the object cannot be read: AccessDenied; the event has no datasets from it"
            ),
            format!(
                "incomplete: message 1: {META}/n0/data/0/outputs.pb: the object cannot be read: AccessDenied; the event has no datasets from it"
            ),
        ]
    );
    let damaged = extract_with(body, &options(), |_| Ok(vec![0xff; 9]));
    assert_eq!(damaged.events, found.events);
    assert!(
        damaged
            .findings
            .iter()
            .all(|finding| finding.rule == FindingRule::Unreadable)
    );
}

#[test]
fn objects_are_read_once_a_run_and_not_for_what_is_not_reported() {
    let needed = |body: &str| {
        read(body, "")
            .unwrap()
            .needed(&options(), &Objects::default())
            .len()
    };
    let counts: Vec<_> = bodies(FLAVOURS[0])
        .iter()
        .map(|body| needed(body))
        .collect();
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 2, 0, 0, 1]);
}

#[test]
fn logical_names_are_the_same_in_every_execution_and_join_both_sides() {
    let stored_as_df = |uri: &str| match uri {
        "s3://meta/p/poc-development-f1/n1/data/inputs.pb" => {
            // The consumer calls it `df`, the producer `o0`.
            let map: wire::LiteralMap = serde_json::from_value(json!({"literals": {"df": {"scalar": {"structuredDataset": {"uri": "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"}}}}})).unwrap();
            Ok(prost::Message::encode_to_vec(&map))
        }
        "s3://meta/p/poc-development-f3a1b2c4d5e6f/n0/data/0/outputs.pb" => {
            stored(&format!("{META}/n0/data/0/outputs.pb"))
        }
        _ => Err("NoSuchKey".to_owned()),
    };
    let consumer = task(&json!({"inputUri": "s3://meta/p/poc-development-f1/n1/data/inputs.pb"}));
    let found = extract_with(&consumer, &logical(), stored_as_df);
    assert_eq!(found.findings, []);
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.m.n0.o0"]
    );

    let producer = extract(&bodies(FLAVOURS[0])[6], &logical());
    let output = &json(&producer.events[0])["outputs"][0];
    assert_eq!(output["name"], "poc.development.news.workflows.covid.n0.o0");
    assert_eq!(
        output["facets"]["version"]["datasetVersion"],
        "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"
    );
    // What Flyte did not place has a name of its own, by which others know it too.
    let cached = extract(&bodies(FLAVOURS[0])[12], &logical());
    assert_eq!(
        names(&json(&cached.events[0])["outputs"]),
        ["s3://flyte-data xy/old/report.html"]
    );
}

#[test]
fn an_input_whose_writer_is_not_known_is_reported() {
    let found = extract(&bodies(FLAVOURS[0])[10], &logical());
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.news.workflows.covid.n0.o0"]
    );
    assert_eq!(found.findings[0].rule, FindingRule::UnresolvedName);
}

#[test]
fn data_is_found_in_lists_maps_unions_and_objects_of_their_own() {
    let blob = |uri: &str| json!({"scalar": {"blob": {"uri": uri}}});
    let body = task(&json!({"outputData": {"literals": {
        "list": {"collection": {"literals": [blob("s3://b/1"), blob("s3://b/2"), blob("s3://b/1")]}},
        "map": {"map": {"literals": {"k": blob("s3://b/3")}}},
        "offloaded": {"offloadedMetadata": {"uri": "s3://meta/o.pb"}},
        "gone": {"offloaded_metadata": {"uri": "s3://meta/gone.pb"}},
        "union": {"scalar": {"union": {"value": blob("s3://b/4")}}},
        "none": {"scalar": {"noneType": {}, "union": null}},
        "number": {"scalar": {"primitive": {"integer": "7"}}},
    }}}));
    let found = extract_with(&body, &options(), |uri| match uri {
        "s3://meta/o.pb" => {
            let literal: wire::Literal = serde_json::from_value(blob("s3://b/5")).unwrap();
            Ok(prost::Message::encode_to_vec(&literal))
        }
        _ => Err("NoSuchKey".to_owned()),
    });
    let datasets = names(&json(&found.events[0])["outputs"]);
    assert_eq!(
        datasets,
        ["s3://b 1", "s3://b 2", "s3://b 3", "s3://b 4", "s3://b 5"]
    );
    assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    assert_eq!(found.findings[0].place, "message 1: s3://meta/gone.pb");
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

#[test]
fn a_node_that_launches_an_execution_is_its_parent() {
    let node = cloud(
        "flyteidl.admin.NodeExecutionEventRequest",
        &json!({"event": {
            "id": {"nodeId": "n4", "executionId": {"project": "poc", "domain": "development", "name": "f1"}},
            "phase": "RUNNING",
            "occurredAt": "2026-11-20T10:00:00Z",
            "workflowNodeMetadata": {"executionId": {"project": "poc", "domain": "development", "name": "child"}},
        }}),
    );
    let workflow = |name: &str| {
        cloud(
            "flyteidl.admin.WorkflowExecutionEventRequest",
            &json!({"event": {
                "executionId": {"project": "poc", "domain": "development", "name": name},
                "phase": "RUNNING",
                "occurredAt": "2026-11-20T10:00:00Z",
            }}),
        )
    };
    let [node, child, parent] = [node, workflow("child"), workflow("f1")]
        .map(|body| json(&extract(&body, &options()).events[0]));
    assert_eq!(node["run"]["runId"], child["run"]["runId"]);
    assert_eq!(
        node["run"]["facets"]["parent"]["run"]["runId"],
        parent["run"]["runId"]
    );
    assert_eq!(node["eventType"], "RUNNING");
}

#[test]
fn an_execution_is_named_after_its_launch_plan_on_request() {
    let options = FlyteOptions {
        workflow_name: WorkflowName::LaunchPlan,
        ..options()
    };
    let start = cloud(
        "cloudevents.ExecutionStart",
        &json!({
            "executionId": {"project": "poc", "domain": "development", "name": "f1"},
            "launchPlanId": {"resourceType": "LAUNCH_PLAN", "name": "m.wf", "version": "v"},
            "principal": "jane",
        }),
    );
    let event = json(&extract(&start, &options).events[0]);
    assert_eq!(
        (event["job"]["name"].as_str(), event["eventType"].as_str()),
        (Some("poc.development.m.wf"), Some("START"))
    );
    let event = json(&extract(&task(&json!({})), &options).events[0]);
    assert_eq!(
        event["run"]["facets"]["parent"]["job"]["name"],
        "poc.development.m"
    );
}

#[test]
fn labels_are_tags_and_a_name_template_is_filled() {
    let body = cloud(
        "cloudevents.TaskExecution",
        &json!({
            "rawEvent": {
                "taskId": {"resourceType": "TASK", "name": "a.b.t"},
                "parentNodeExecutionId": {"nodeId": "n1", "executionId": {"project": "p", "domain": "d", "name": "f1"}},
                "phase": "RUNNING", "occurredAt": "2026-11-20T10:00:00Z",
            },
            "labels": {"team": "news"},
        }),
    );
    let options = FlyteOptions {
        task_name: TaskName::parse("{module}/{task}@{node}").unwrap(),
        ..options()
    };
    let event = json(&extract(&body, &options).events[0]);
    assert_eq!(event["job"]["name"], "a.b/t@n1");
    assert_eq!(
        event["run"]["facets"]["tags"]["tags"][0],
        json!({"key": "team", "value": "news", "source": "FLYTE"})
    );
}

#[test]
fn a_list_of_too_many_files_is_cut_and_says_so() {
    let files = (0..1_500).map(|i| json!({"scalar": {"blob": {"uri": format!("s3://b/{i}")}}}));
    let body = task(
        &json!({"outputData": {"literals": {"o0": {"collection": {"literals": files.collect::<Vec<_>>()}}}}}),
    );
    let found = extract(&body, &options());
    assert_eq!(
        json(&found.events[0])["outputs"].as_array().unwrap().len(),
        1_000
    );
    assert_eq!(found.findings[0].rule, FindingRule::Incomplete);
}

#[test]
fn what_is_not_from_flyte_is_said_without_a_word_of_it() {
    let envelope = |subject: &str, message: &str| {
        json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Subject": subject, "Message": message}).to_string()
    };
    let confirmation = json!({"Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": "secret"}).to_string();
    let unnamed = json!({"rawEvent": {"taskId": {"name": "secret"}, "phase": "RUNNING", "occurredAt": "2026-11-20T10:00:00Z"}});
    for (body, why) in [
        (
            "secret!".to_owned(),
            "neither an envelope of SNS nor base64",
        ),
        (
            r#"{"secret": 1}"#.to_owned(),
            "neither an envelope of SNS nor base64",
        ),
        (confirmation, "confirm a subscription"),
        (envelope("secret", "AAAA"), "subject"),
        (
            envelope("flyteidl.admin.NodeExecutionEventRequest", "c2VjcmV0"),
            "protobuf message that the subject names",
        ),
        (raw(b"secret"), "none of the protobuf messages"),
        (cloud("secret", &json!({})), "type"),
        (
            cloud("cloudevents.TaskExecution", &json!({"rawEvent": "secret"})),
            "protojson",
        ),
        (
            cloud("cloudevents.TaskExecution", &json!({})),
            "does not name",
        ),
        (
            cloud("cloudevents.TaskExecution", &unnamed),
            "does not name",
        ),
        (task(&json!({"phase": "SECRET"})), "phase is not known"),
        (task(&json!({"phase": 99})), "phase is not known"),
        (task(&json!({"occurredAt": null})), "no time"),
    ] {
        let finding = read(&body, "message 1").unwrap_err();
        assert_eq!(finding.rule, FindingRule::Unreadable);
        assert!(finding.message.contains(why), "{why}: {finding}");
        assert!(
            !finding.to_string().to_lowercase().contains("secret"),
            "{finding}"
        );
    }
}

fn all() -> Vec<String> {
    FLAVOURS
        .iter()
        .flat_map(|flavour| bodies(flavour))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_and_any_repetition_give_the_same_events(
        order in Just((0..48usize).collect::<Vec<_>>()).prop_shuffle(),
        again in proptest::collection::vec(0..48usize, 0..20),
    ) {
        let all = all();
        let found = |order: &[usize]| -> BTreeMap<_, _> {
            let events = order.iter().flat_map(|index| extract(&all[*index], &options()).events);
            events.map(|event| (event.identity, json(&event)["run"]["runId"].clone())).collect()
        };
        let straight: Vec<_> = (0..48).collect();
        let shuffled: Vec<_> = again.iter().chain(&order).copied().collect();
        prop_assert_eq!(found(&shuffled), found(&straight));
    }

    #[test]
    fn any_bytes_are_a_message_or_a_finding(bytes in any::<Vec<u8>>(), flips in proptest::collection::vec((0..48usize, any::<usize>(), any::<u8>()), 1..20)) {
        let _ = read(&raw(&bytes), "");
        let _ = read(&String::from_utf8_lossy(&bytes), "");
        for (which, at, byte) in flips {
            let envelope: Value = serde_json::from_str(&all()[which]).unwrap();
            let mut message = BASE64_STANDARD.decode(envelope["Message"].as_str().unwrap()).unwrap();
            let at = at % message.len();
            message[at] = byte;
            if let Ok(message) = read(&raw(&message), "") {
                let mut objects = Objects::default();
                for uri in message.needed(&logical(), &objects) {
                    objects.insert(uri, Ok(bytes.clone()));
                }
                for event in message.extraction(&logical(), &objects).events {
                    prop_assert!(Event::read(event.text.as_bytes(), Level::Repair).is_ok(), "{}", event.text);
                }
            }
        }
    }
}

/// Messages that the package `flyteidl` of Flyte has made (`tests/real/flyte_messages.py`): case, format, body.
fn made_by_flyte() -> Vec<(String, String, String)> {
    let text = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
    let lines = include_str!("../../tests/fixtures/flyte/flyteidl.jsonl").lines();
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
