//! Laws of the conversion, and delivery to a metadata service that is strict about the protocol.

mod proposals;
mod rejections;

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
