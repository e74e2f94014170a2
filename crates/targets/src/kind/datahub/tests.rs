//! Laws of the conversion, and delivery to a metadata service that is strict about the protocol.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ::openlineage::Level;
use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::{Value, json};
use testing::{FakeGms, Fault, FaultKind, FaultyTarget};

use super::conversion::{Conversion, ConversionError};
use super::proposal::{Aspect, Change, Proposal};
use super::*;
use crate::{Delivery, Failure, Reason, Scope};

/// Every accepted fixture of the project, with its name.
fn fixtures() -> Vec<(String, Event)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.filter_map(|file| {
        let path = file.unwrap().path();
        let event = Event::read(&std::fs::read(&path).ok()?, Level::Repair)
            .ok()?
            .event;
        Some((path.file_name()?.to_str()?.to_owned(), event))
    });
    files.collect()
}

fn read(text: &str) -> Event {
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

/// A RunEvent with these members besides.
fn run_event(event_type: &str, name: &str, members: &str) -> Event {
    read(&format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
        "run":{{"runId":"01a1faa6-e194-708b-a993-000000000001"}},"job":{{"namespace":"n","name":"{name}"}}{members}}}"#
    ))
}

fn conversion() -> Conversion {
    Conversion {
        schemas: true,
        ..Conversion::default()
    }
}

fn proposals(event: &Event) -> Vec<Proposal> {
    conversion().proposals(event).unwrap()
}

/// A dataset with column lineage from another one.
fn dataset(name: &str) -> String {
    format!(
        r#"{{"namespace":"postgres://h","name":"{name}","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":{{"c":{{"inputFields":
        [{{"namespace":"postgres://h","name":"src","field":"a","transformations":[{{"type":"DIRECT","subtype":"IDENTITY"}}]}}]}}}}}}}}}}"#
    )
}

/// Lists of datasets, as JSON members.
fn datasets() -> impl Strategy<Value = String> {
    let names = prop::collection::vec("[a-z,()/~]{1,8}", 0..4);
    (names.clone(), names).prop_map(|(inputs, outputs)| {
        let list = |names: Vec<String>| {
            let datasets = names.iter().map(|name| dataset(name));
            datasets.collect::<Vec<_>>().join(",")
        };
        format!(
            r#","inputs":[{}],"outputs":[{}]"#,
            list(inputs),
            list(outputs)
        )
    })
}

proptest! {
    /// Aspects that other runs, other sources and users write too are only ever added to.
    #[test]
    fn no_event_removes_an_edge_an_owner_or_a_tag(members in datasets(), kind in "START|RUNNING|COMPLETE|FAIL") {
        for proposal in proposals(&run_event(&kind, "f.j", &members)) {
            let is_shared = matches!(
                proposal.aspect,
                Aspect::JobInputOutput | Aspect::UpstreamLineage | Aspect::Ownership | Aspect::GlobalTags | Aspect::DatasetProperties
            );
            prop_assert_eq!(is_shared, matches!(proposal.change, Change::Patch(_)), "{:?}", proposal);
        }
    }

    #[test]
    fn the_same_event_makes_the_same_calls(members in datasets()) {
        let event = run_event("COMPLETE", "f.j", &members);
        let all = || super::calls::calls(proposals(&event)).unwrap();
        prop_assert_eq!(all(), all());
    }

    #[test]
    fn each_dataset_of_an_event_is_an_edge(members in datasets()) {
        let event = run_event("COMPLETE", "f.j", &members);
        let count = |list| {
            let mut names: Vec<String> = (event.json().get(list).unwrap().items().into_iter())
                .map(|dataset| dataset.get("name").unwrap().text().to_owned())
                .collect();
            names.sort();
            names.dedup();
            names.len()
        };
        let calls = super::calls::calls(proposals(&event)).unwrap().concat();
        for (list, edges) in [("inputs", "/inputDatasetEdges/"), ("outputs", "/outputDatasetEdges/")] {
            prop_assert_eq!(calls.matches(edges).count(), count(list), "{}", calls);
        }
    }
}

#[test]
fn a_start_without_datasets_says_nothing_about_lineage() {
    let aspects: Vec<Aspect> = (proposals(&run_event("START", "f.j", "")).iter())
        .map(|proposal| proposal.aspect)
        .collect();
    let lineage = [Aspect::JobInputOutput, Aspect::RunInput, Aspect::RunOutput];
    assert!(
        !aspects.iter().any(|aspect| lineage.contains(aspect)),
        "{aspects:?}"
    );
}

#[test]
fn column_lineage_of_a_path_is_that_of_its_table() {
    let table = r#"{"namespace":"s3://b","name":"p","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s","identifiers":
        [{"namespace":"arn:aws:glue:us-east-1:1","name":"table/db/t","type":"TABLE"}]}}}"#;
    let output = r#"{"namespace":"s3://b","name":"q","facets":{"columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s","fields":{"c":{"inputFields":
        [{"namespace":"s3://b","name":"p","field":"a"}]}}}}}"#;
    let event = run_event(
        "COMPLETE",
        "f.j",
        &format!(r#","inputs":[{table}],"outputs":[{output}]"#),
    );
    let calls = super::calls::calls(proposals(&event)).unwrap().concat();
    let path = "/fineGrainedLineages/TRANSFORM/urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:s3,b~1q,PROD),c)\
        /NONE/urn:li:schemaField:(urn:li:dataset:(urn:li:dataPlatform:glue,db.t,PROD),a)";
    assert!(calls.contains(path), "{calls}");
}

/// What the proposals of an event come to; `None` if they would be too large.
fn built(event: &Event) -> Option<usize> {
    match conversion().proposals(event) {
        Ok(proposals) => Some(super::calls::calls(proposals).unwrap().concat().len()),
        Err(ConversionError::Oversize(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_proposals_of_an_event_are_in_proportion_to_it() {
    let facets = |facets: String| {
        format!(r#","outputs":[{{"namespace":"s3://b","name":"t","facets":{{{facets}}}}}]"#)
    };
    let facet = |name: &str, members: String| {
        format!(r#""{name}":{{"_producer":"urn:p","_schemaURL":"urn:s",{members}}}"#)
    };
    let children: Vec<String> = (0..10_000)
        .map(|n| format!(r#"{{"name":"{n}"}}"#))
        .collect();
    let schema = |name: &str| {
        let fields = children.join(",");
        facet(
            "schema",
            format!(r#""fields":[{{"name":"{name}","type":"struct","fields":[{fields}]}}]"#),
        )
    };
    let inputs: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"namespace":"s3://b","name":"p","field":"{n}"}}"#))
        .collect();
    let lineage = |column: &str, operation: &str| {
        let first = format!(
            r#"{{"namespace":"s3://b","name":"p","field":"x","transformations":[{{"type":"{operation}"}}]}}"#
        );
        let inputs = inputs.join(",");
        facet(
            "columnLineage",
            format!(r#""fields":{{"{column}":{{"inputFields":[{first},{inputs}]}}}}"#),
        )
    };
    let long = "n".repeat(300_000);
    let at_limit = "n".repeat(1_900);
    for (case, members) in [
        ("a parent", schema(&long)),
        ("a column", lineage(&long, "DIRECT")),
        ("an operation", lineage("c", &long)),
        ("a parent at the limit", schema(&at_limit)),
        ("a column at the limit", lineage(&at_limit, "DIRECT")),
        ("an ordinary schema", schema("parent")),
        ("ordinary lineage", lineage("c", "DIRECT")),
    ] {
        let event = run_event("COMPLETE", "f.j", &facets(members));
        let is_ordinary = case.contains("ordinary") || case == "an operation";
        match built(&event) {
            Some(bytes) => {
                let most = 40 * event.text().len() + 1_000_000;
                assert!(
                    bytes < most,
                    "{case}: {bytes} bytes of {}",
                    event.text().len()
                );
            }
            None => assert!(!is_ordinary, "{case}"),
        }
    }
}

#[tokio::test]
async fn an_event_that_grows_too_large_is_a_dead_letter() {
    let gms = FakeGms::start().await;
    let target = target(&gms, json!({})).await;
    let column = "c".repeat(1_900);
    let inputs: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"namespace":"s3://b","name":"p","field":"{n}"}}"#))
        .collect();
    let fields = format!(r#"{{"{column}":{{"inputFields":[{}]}}}}"#, inputs.join(","));
    let event = run_event(
        "COMPLETE",
        "f.j",
        &format!(
            r#","outputs":[{{"namespace":"s3://b","name":"t","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":{fields}}}}}}}]"#
        ),
    );
    let delivered = deliver(&target, &[&event], 1).await;
    let [Delivery::Permanent(failure)] = &delivered[..] else {
        panic!("{delivered:?}");
    };
    assert_eq!(failure.reason, Reason::TooLarge);
    assert_eq!(gms.calls(), Vec::<usize>::new());
}

#[test]
fn a_name_that_datahub_cannot_have_is_named_by_its_position_alone() {
    let long = "secret/".repeat(100);
    let members = format!(r#","inputs":[{{"namespace":"s3://b","name":"{long}"}}]"#);
    let error = conversion()
        .proposals(&run_event("START", "f.j", &members))
        .unwrap_err();
    let expected = "/inputs/0: its URN is longer than 512 bytes, DataHub's limit";
    assert_eq!(error.to_string(), expected);
    let members = r#","outputs":[{"namespace":"s","name":"x"},{"namespace":"s","name":""}]"#;
    let error = conversion()
        .proposals(&run_event("START", "f.j", members))
        .unwrap_err();
    assert_eq!(error.to_string(), "/outputs/1: its name is empty");
}

async fn target(gms: &FakeGms, section: Value) -> DataHub {
    target_at(&gms.url, section).await
}

async fn target_at(url: &str, section: Value) -> DataHub {
    let mut section = section;
    section["url"] = json!(url);
    let settings: DataHubSettings = serde_json::from_value(section).unwrap();
    let config = settings.validate().unwrap();
    let rereads = RereadPolicy {
        after_rejection: Duration::ZERO,
        ..REREADS
    };
    let aws = Aws::new();
    let credential = config.credential(&aws).await.unwrap();
    DataHub::open_with(&config, &aws, credential.as_ref(), rereads)
        .await
        .unwrap()
}

async fn deliver(target: &DataHub, events: &[&Event], attempts: u32) -> Vec<Delivery> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let reports = events
        .iter()
        .map(|event| target.deliver(event, attempts, deadline));
    let reports = join_all(reports).await.into_iter();
    reports.map(|report| report.delivery.unwrap()).collect()
}

const DELIVERED: Delivery = Delivery::Delivered { id: None };

#[tokio::test]
async fn every_fixture_is_understood_by_the_service() {
    let gms = FakeGms::start().await;
    let target = target(&gms, json!({})).await;
    let fixtures = fixtures();
    assert!(fixtures.len() > 10);
    let events: Vec<&Event> = fixtures.iter().map(|(_, event)| event).collect();
    let delivered = deliver(&target, &events, 1).await;
    assert_eq!(gms.violations(), Vec::<String>::new());
    assert_eq!(delivered, vec![DELIVERED; events.len()]);
    // Again changes nothing: each event replaces what it wrote.
    let before = (shown(&gms), gms.run_events());
    deliver(&target, &events, 1).await;
    assert_eq!((shown(&gms), gms.run_events()), before);
}

/// What was written, without how often.
fn shown(gms: &FakeGms) -> BTreeMap<(String, String), String> {
    let aspects = gms.aspects().into_iter();
    aspects
        .map(|(key, written)| (key, format!("{:?} {:?}", written.upsert, written.patched)))
        .collect()
}

#[tokio::test]
async fn events_of_several_runs_share_a_call() {
    let gms = FakeGms::start().await;
    let target = target(&gms, json!({})).await;
    let events: Vec<Event> = (0..10)
        .map(|n| run_event("START", &format!("f.{n}"), ""))
        .collect();
    let events: Vec<&Event> = events.iter().collect();
    assert_eq!(deliver(&target, &events, 1).await, vec![DELIVERED; 10]);
    assert_eq!(gms.calls().len(), 1, "{:?}", gms.calls());
}

#[tokio::test]
async fn an_event_that_is_rejected_harms_no_other_in_its_call_and_is_not_quoted() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("f.3").then_some(422));
    let target = target(
        &gms,
        json!({"response": "redacted", "api_key": "t0ken-of-mine"}),
    )
    .await;
    let events: Vec<Event> = (0..6)
        .map(|n| run_event("START", &format!("f.{n}"), ""))
        .collect();
    let events: Vec<&Event> = events.iter().collect();
    let delivered = deliver(&target, &events, 1).await;
    for (n, delivery) in delivered.iter().enumerate() {
        match (n, delivery) {
            (
                3,
                Delivery::Permanent(Failure {
                    reason: Reason::Invalid,
                    message,
                    ..
                }),
            ) => {
                assert!(message.starts_with("422 "), "{message}");
                assert!(
                    !message.contains("f.3") && !message.contains("t0ken"),
                    "{message}"
                );
            }
            (_, delivery) => assert_eq!(delivery, &DELIVERED, "{n}"),
        }
    }
}

#[tokio::test]
async fn an_entity_that_may_not_be_edited_keeps_no_other_event_waiting() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("f.3").then_some(403));
    let target = target(&gms, json!({})).await;
    let events: Vec<Event> = (0..6)
        .map(|n| run_event("START", &format!("f.{n}"), ""))
        .collect();
    let events: Vec<&Event> = events.iter().collect();
    let is_of_event = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Event);
    for (n, delivery) in deliver(&target, &events, 1).await.iter().enumerate() {
        match n {
            3 => assert!(is_of_event(delivery), "{delivery:?}"),
            _ => assert_eq!(delivery, &DELIVERED, "{n}"),
        }
    }
    let again = deliver(&target, &events[3..4], 2).await;
    assert!(again.iter().all(is_of_event), "{again:?}");
}

#[tokio::test]
async fn a_token_that_may_edit_nothing_keeps_all_events_waiting() {
    let gms = FakeGms::start().await;
    gms.answer(|_| Some(403));
    let target = target(&gms, json!({})).await;
    let events = [run_event("START", "f.1", ""), run_event("START", "f.2", "")];
    let delivered = deliver(&target, &[&events[0], &events[1]], 1).await;
    let is_of_target = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Target);
    assert!(delivered.iter().all(is_of_target), "{delivered:?}");
}

#[tokio::test]
async fn column_lineage_that_is_rejected_costs_no_edge() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("fineGrainedLineages").then_some(500));
    let target = target(&gms, json!({"max_attempts_on_500": 3})).await;
    let members = format!(r#","outputs":[{}]"#, dataset("t"));
    let event = run_event("COMPLETE", "f.j", &members);
    let delivered = deliver(&target, &[&event], 1).await;
    assert!(
        matches!(delivered[..], [Delivery::Transient(_)]),
        "{delivered:?}"
    );
    assert_eq!(deliver(&target, &[&event], 3).await, [DELIVERED]);
    let job = "urn:li:dataJob:(urn:li:dataFlow:(openlineage,f,n),f.j)";
    let edges = gms.aspect(job, "dataJobInputOutput").patched;
    let paths: Vec<&str> = edges.keys().map(String::as_str).collect();
    let edge = "/outputDatasetEdges/urn:li:dataset:(urn:li:dataPlatform:postgres,t,PROD)";
    assert_eq!(paths, [edge]);
    assert_eq!(gms.run_events().len(), 1);
}

#[tokio::test]
async fn an_event_that_is_late_does_not_replace_what_a_newer_one_wrote() {
    let at = |minute: u32, description: &str| {
        read(&format!(
            r#"{{"eventTime":"2026-01-01T00:{minute:02}:00Z","producer":"urn:p","schemaURL":"urn:s",
            "job":{{"namespace":"n","name":"f.j","facets":{{"documentation":{{"_producer":"urn:p","_schemaURL":"urn:s","description":"{description}"}}}}}},
            "inputs":[{{"namespace":"postgres://h","name":"t"}}]}}"#
        ))
    };
    let (late, new) = (at(1, "late"), at(2, "new"));
    for together in [false, true] {
        let gms = FakeGms::start().await;
        let target = target(&gms, json!({})).await;
        match together {
            true => assert_eq!(deliver(&target, &[&new, &late], 1).await, [DELIVERED; 2]),
            false => {
                for event in [&new, &late] {
                    assert_eq!(deliver(&target, &[event], 1).await, [DELIVERED]);
                }
            }
        }
        let job = "urn:li:dataJob:(urn:li:dataFlow:(openlineage,f,n),f.j)";
        let info = gms.aspect(job, "dataJobInfo").upsert.unwrap();
        assert_eq!(info["description"], "new", "{together}");
        let edges = gms.aspect(job, "dataJobInputOutput").patched;
        let edge = edges.values().next().unwrap();
        assert_eq!(
            edge["lastModified"]["time"], 1_767_225_720_000_i64,
            "{together}"
        );
    }
}

#[tokio::test]
async fn each_failure_is_classified() {
    let event = run_event("START", "f.j", "");
    for (status, attempts, expected) in [
        (400, 1, "permanent invalid"),
        (401, 1, "transient permission Target"),
        (403, 1, "transient permission Target"),
        (404, 1, "transient missing Target"),
        (413, 1, "permanent too_large"),
        (422, 1, "permanent invalid"),
        (500, 1, "transient unavailable Event"),
        (500, 3, "permanent invalid"),
        (502, 3, "transient unavailable Event"),
        (204, 1, "transient missing Target"), // not a response of the service
    ] {
        let gms = FakeGms::start().await;
        gms.answer(move |_| Some(status));
        let target = target(&gms, json!({"max_attempts_on_500": 3})).await;
        let delivered = deliver(&target, &[&event], attempts).await;
        let mut shown = String::new();
        match &delivered[..] {
            [Delivery::Transient(failure)] => {
                write!(
                    shown,
                    "transient {} {:?}",
                    failure.reason.name(),
                    failure.scope
                )
                .unwrap();
            }
            [Delivery::Permanent(failure)] => {
                write!(shown, "permanent {}", failure.reason.name()).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(shown, expected, "{status}");
    }
}

#[tokio::test]
async fn a_broken_answer_is_no_success_and_is_tried_again() {
    let event = run_event("START", "f.j", "");
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    for (kind, expected) in [
        (FaultKind::Reset, Reason::Unavailable),
        (FaultKind::HalfHeaders, Reason::Unavailable),
        (FaultKind::HalfBody, Reason::Unavailable),
        (FaultKind::Garbage, Reason::Unavailable),
        (FaultKind::Bytes(page.to_vec()), Reason::Missing),
    ] {
        let faulty = FaultyTarget::start(Fault::Always(kind.clone())).await;
        let target = target_at(&faulty.url, json!({"api_key": "t0ken-of-mine"})).await;
        let delivered = deliver(&target, &[&event], 1).await;
        let [Delivery::Transient(failure)] = &delivered[..] else {
            panic!("{kind:?}: {delivered:?}");
        };
        assert_eq!(failure.reason, expected, "{kind:?}");
        assert!(!failure.message.contains("t0ken"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let gms = FakeGms::start().await;
    gms.require("first");
    let target = target(&gms, json!({"api_key_file": path})).await;
    let event = run_event("START", "f.j", "");
    assert_eq!(deliver(&target, &[&event], 1).await, [DELIVERED]);
    gms.require("second");
    let delivered = deliver(&target, &[&event], 1).await;
    assert!(
        matches!(
            &delivered[..],
            [Delivery::Transient(Failure {
                scope: Scope::Target,
                ..
            })]
        ),
        "{delivered:?}"
    );
    std::fs::write(&path, "second").unwrap();
    assert_eq!(deliver(&target, &[&event], 1).await, [DELIVERED]);
}

#[tokio::test]
async fn a_dataset_event_is_the_lineage_of_its_dataset() {
    let gms = FakeGms::start().await;
    let target = target(&gms, json!({"environment": "TEST"})).await;
    let dataset = dataset("t");
    let event = read(&format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{dataset}}}"#
    ));
    assert_eq!(deliver(&target, &[&event], 1).await, [DELIVERED]);
    let urn = |name| format!("urn:li:dataset:(urn:li:dataPlatform:postgres,{name},TEST)");
    let lineage = gms.aspect(&urn("t"), "upstreamLineage").patched;
    let paths: Vec<&str> = lineage.keys().map(String::as_str).collect();
    let field = |name, column| format!("urn:li:schemaField:({},{column})", urn(name));
    let expected = [
        format!(
            "/fineGrainedLineages/DIRECT:IDENTITY/{}/NONE/{}",
            field("t", "c"),
            field("src", "a")
        ),
        format!("/upstreams/{}", urn("src")),
    ];
    assert_eq!(paths, expected);
}
