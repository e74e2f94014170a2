use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::sqs::SqsConfig;
use crate::sqs::tests::{Stand, receipts};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

const MESSAGES: &str = include_str!("../../../sources/tests/fixtures/flyte/cloudevents-v1.jsonl");

/// Where the fixtures say that the task of node `n0` has its outputs.
const OUTPUTS: &str =
    "/flyte-meta/metadata/propeller/poc-development-f3a1b2c4d5e6f/n0/data/0/outputs.pb";

fn bodies() -> Vec<String> {
    let body = |line| {
        serde_json::from_str::<Value>(line).unwrap()["body"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    MESSAGES.lines().map(body).collect()
}

fn source(queue: SqsConfig, aws: &Aws, more: Value) -> FlyteSource {
    let mut section =
        json!({ "queue_url": queue.queue_url, "cluster": "flyte.example.com", "wait": 0 });
    section
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let settings: FlyteSettings = serde_json::from_value(section).unwrap();
    FlyteSource::new(settings.validate().unwrap(), aws)
}

fn outputs(found: &Extraction, index: usize) -> Vec<String> {
    let event: Value = serde_json::from_str(&found.events[index].text).unwrap();
    let outputs = event["outputs"].as_array().unwrap().iter();
    outputs
        .map(|output| output["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_workflow_is_read_with_its_objects_and_its_messages_are_deleted() {
    let (stand, aws, queue) = Stand::start(&bodies()).await;
    let object = include_bytes!("../../../sources/tests/fixtures/flyte/n0.outputs.pb");
    stand.with(|services| services.objects.insert(OUTPUTS.to_owned(), object.to_vec()));
    let mut source = source(queue, &aws, json!({}));
    let mut found = Extraction::default();
    loop {
        let fetched = source.next(None, NOW).await.unwrap();
        if !fetched.more {
            break;
        }
        found.events.extend(fetched.extraction.events.clone());
        found.findings.extend(fetched.extraction.findings.clone());
        source.taken(&receipts(&fetched)).await.unwrap();
    }
    assert_eq!(found.events.len(), 7);
    assert_eq!(outputs(&found, 2), ["xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"]);
    // What is not there costs its datasets: the inputs of n0 and n1, all of n2, the outputs of the execution.
    assert_eq!(found.findings.len(), 5, "{:?}", found.findings);
    assert!(found.findings[0].message.contains("NoSuchKey"));
    assert_eq!(stand.left(), Vec::<String>::new());
}

#[tokio::test]
async fn while_s3_does_not_answer_the_message_waits_and_then_goes_without_datasets() {
    let (stand, aws, queue) = Stand::start(&bodies()[6..7]).await;
    stand.with(|services| services.s3_status = Some(503));
    let mut source = source(queue, &aws, json!({}));
    for _ in 1..PATIENCE {
        let fetched = source.next(None, NOW).await.unwrap();
        assert_eq!(
            (fetched.extraction, fetched.checkpoint),
            (
                Extraction::default(),
                Checkpoint::Messages {
                    read: Vec::new(),
                    unread: Vec::new()
                }
            )
        );
        stand.reappear();
    }
    let fetched = source.next(None, NOW).await.unwrap();
    assert_eq!(outputs(&fetched.extraction, 0), Vec::<String>::new());
    assert_eq!(fetched.extraction.findings.len(), 2);
    assert_eq!(receipts(&fetched).len(), 1);
}

#[tokio::test]
async fn a_message_of_another_kind_stays_in_the_queue() {
    let (stand, aws, queue) = Stand::start(&["poison".to_owned(), bodies()[1].clone()]).await;
    let mut source = source(queue, &aws, json!({}));
    let fetched = source.next(None, NOW).await.unwrap();
    assert_eq!(fetched.extraction.events.len(), 1);
    assert!(
        fetched.extraction.findings[0]
            .message
            .ends_with("the message stays in the queue (received 1 times)")
    );
    source.taken(&receipts(&fetched)).await.unwrap();
    assert_eq!(stand.left(), ["m0"]);
}

#[tokio::test]
async fn objects_above_the_limit_or_elsewhere_are_not_read() {
    for (more, why, reads) in [
        (
            json!({ "max_literal_bytes": 100 }),
            "more than `max_literal_bytes` (100)",
            2,
        ),
        (
            json!({ "literals": "s3://other/metadata/" }),
            "not below the prefix",
            0,
        ),
    ] {
        let (stand, aws, queue) = Stand::start(&bodies()[6..7]).await;
        stand.with(|services| services.objects.insert(OUTPUTS.to_owned(), vec![0; 1_000]));
        let fetched = source(queue, &aws, more).next(None, NOW).await.unwrap();
        assert_eq!(fetched.extraction.events.len(), 1);
        let findings = &fetched.extraction.findings;
        assert!(
            findings.iter().any(|finding| finding.message.contains(why)),
            "{findings:?}"
        );
        assert_eq!(stand.with(|services| services.reads.len()), reads);
    }
}

#[tokio::test]
async fn a_message_whose_reading_panics_is_named_apart_from_those_that_are_read() {
    let (stand, aws, queue) = Stand::start(&["bug".to_owned(), bodies()[1].clone()]).await;
    let mut source = source(queue, &aws, json!({}));
    source.reader.reading = |body, place| {
        assert_ne!(body, "bug");
        flyte::read(body, place)
    };
    let fetched = source.next(None, NOW).await.unwrap();
    assert_eq!(fetched.extraction.events.len(), 1);
    assert_eq!(fetched.extraction.unread[0].bytes, b"bug");
    source.taken(&receipts(&fetched)).await.unwrap();
    assert_eq!(stand.left(), ["m0"]);
}
