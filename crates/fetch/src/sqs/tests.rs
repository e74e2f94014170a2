//! A queue and a bucket that are made up, and what the sources do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::Aws;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::SharedCredentialsProvider;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::*;

/// What stands in for SQS and S3.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) messages: Vec<FakeMessage>,
    /// The objects, by path.
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// The paths that were asked for.
    pub(crate) reads: Vec<String>,
    /// The status that S3 answers with in place of an object.
    pub(crate) s3_status: Option<u16>,
    /// The status that SQS answers with, and its error code.
    pub(crate) sqs_error: Option<(u16, &'static str)>,
    /// The messages that cannot be deleted.
    pub(crate) sticky: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FakeMessage {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) receives: u32,
    pub(crate) is_visible: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Stand(pub(crate) Arc<Mutex<Services>>);

impl Stand {
    /// Starts the services, with messages in the queue.
    pub(crate) async fn start(bodies: &[String]) -> (Stand, Aws, SqsConfig) {
        let stand = Stand::default();
        let message = |(index, body): (usize, &String)| FakeMessage {
            id: format!("m{index}"),
            body: body.clone(),
            receives: 0,
            is_visible: true,
        };
        stand.with(|services| services.messages = bodies.iter().enumerate().map(message).collect());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(stand.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let credentials = Credentials::new("AKIDEXAMPLE", "key", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(&url)
            .build();
        let queue = SqsConfig {
            queue_url: format!("{url}/111122223333/events"),
            visibility_timeout: Duration::from_secs(30),
            wait: Duration::ZERO,
        };
        (stand, Aws::from(config), queue)
    }

    pub(crate) fn with<T>(&self, with: impl FnOnce(&mut Services) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }

    /// Lets the visibility timeout of all messages pass.
    pub(crate) fn reappear(&self) {
        self.with(|services| {
            services
                .messages
                .iter_mut()
                .for_each(|message| message.is_visible = true)
        });
    }

    pub(crate) fn left(&self) -> Vec<String> {
        self.with(|services| {
            services
                .messages
                .iter()
                .map(|message| message.id.clone())
                .collect()
        })
    }
}

async fn answer(State(stand): State<Stand>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut services = stand.0.lock().unwrap();
    let Some(target) = headers.get("x-amz-target") else {
        services.reads.push(uri.path().to_owned());
        return match (services.s3_status, services.objects.get(uri.path())) {
            (Some(status), _) => StatusCode::from_u16(status).unwrap().into_response(),
            (None, Some(object)) => object.clone().into_response(),
            (None, None) => (
                StatusCode::NOT_FOUND,
                "<Error><Code>NoSuchKey</Code></Error>",
            )
                .into_response(),
        };
    };
    if let Some((status, code)) = services.sqs_error {
        let error = json!({ "__type": code }).to_string();
        return (StatusCode::from_u16(status).unwrap(), error).into_response();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let answer = match target.to_str().unwrap() {
        "AmazonSQS.ReceiveMessage" => {
            let visible = services
                .messages
                .iter_mut()
                .filter(|message| message.is_visible)
                .take(10);
            let received = visible.map(|message| {
                message.is_visible = false;
                message.receives += 1;
                json!({ "MessageId": message.id, "ReceiptHandle": format!("{}#{}", message.id, message.receives), "Body": message.body, "Attributes": { "ApproximateReceiveCount": message.receives.to_string() } })
            });
            json!({ "Messages": received.collect::<Vec<_>>() })
        }
        "AmazonSQS.DeleteMessageBatch" => {
            let entries = body["Entries"].as_array().unwrap();
            assert!(entries.len() <= 10);
            let mut failed = Vec::new();
            for entry in entries {
                let id = entry["ReceiptHandle"]
                    .as_str()
                    .unwrap()
                    .split('#')
                    .next()
                    .unwrap();
                match services.sticky.contains(id) {
                    true => failed.push(
                        json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }),
                    ),
                    false => services.messages.retain(|message| message.id != id),
                }
            }
            json!({ "Successful": [], "Failed": failed })
        }
        "AmazonSQS.GetQueueAttributes" => json!({}),
        other => panic!("{other}"),
    };
    answer.to_string().into_response()
}

pub(crate) fn receipts(fetched: &Fetched) -> Vec<String> {
    match &fetched.checkpoint {
        Checkpoint::Messages { read, .. } => receipts_of(read),
        Checkpoint::None | Checkpoint::Cursor(_) => panic!("{:?}", fetched.checkpoint),
    }
}

fn receipts_of(messages: &[ReadMessage]) -> Vec<String> {
    let receipts = messages.iter().map(|message| message.receipt.clone());
    receipts.collect()
}

fn event(n: usize) -> String {
    json!({ "run": { "runId": n.to_string() }, "job": { "namespace": "n", "name": "j" } })
        .to_string()
}

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

#[tokio::test]
async fn a_message_is_deleted_once_its_events_are_taken_and_not_before() {
    let bodies: Vec<String> = (0..25).map(event).collect();
    let (stand, aws, config) = Stand::start(&bodies).await;
    let mut source = SqsSource::new(config, &aws);
    let mut found = Vec::new();
    loop {
        let fetched = source.next(None, NOW).await.unwrap();
        if !fetched.more {
            break;
        }
        let before = stand.left().len();
        found.extend(
            fetched
                .extraction
                .events
                .iter()
                .map(|event| event.text.clone()),
        );
        let receipts = receipts(&fetched);
        assert_eq!(stand.left().len(), before);
        source.taken(&receipts).await.unwrap();
        assert_eq!(stand.left().len(), before - receipts.len());
    }
    assert_eq!(found, bodies);
    assert_eq!(stand.left(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_not_taken_is_found_again_as_the_same_events() {
    let (stand, aws, config) = Stand::start(&[event(1), event(2)]).await;
    let first = SqsSource::new(config.clone(), &aws)
        .next(None, NOW)
        .await
        .unwrap();
    // The process ends here. Another one starts.
    stand.reappear();
    let again = SqsSource::new(config, &aws).next(None, NOW).await.unwrap();
    assert_eq!(again.extraction.events, first.extraction.events);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_stays_and_those_beside_it_do_not() {
    let partly = format!("[{}, 7]", event(2));
    let (stand, aws, config) =
        Stand::start(&[event(1), "poison".to_owned(), partly, event(3)]).await;
    let mut source = SqsSource::new(config, &aws);
    for times in 1..3 {
        let fetched = source.next(None, NOW).await.unwrap();
        let findings: Vec<String> = fetched
            .extraction
            .findings
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0].ends_with(&format!(
                "message m1: not JSON; the message stays in the queue (received {times} times)"
            )),
            "{findings:?}"
        );
        assert!(!findings.concat().contains("poison"));
        source.taken(&receipts(&fetched)).await.unwrap();
        assert_eq!(stand.left(), ["m1", "m2"]);
        stand.reappear();
    }
}

#[tokio::test]
async fn what_sqs_does_not_delete_is_said() {
    let (stand, aws, config) = Stand::start(&[event(1), event(2)]).await;
    stand.with(|services| services.sticky.insert("m1".to_owned()));
    let mut source = SqsSource::new(config, &aws);
    let fetched = source.next(None, NOW).await.unwrap();
    let error = source.taken(&receipts(&fetched)).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Unavailable(text) if text.contains("1 of 2")),
        "{error}"
    );
    assert_eq!(stand.left(), ["m1"]);
}

#[tokio::test]
async fn a_refusal_is_told_from_what_passes() {
    let (stand, aws, config) = Stand::start(&[]).await;
    let mut source = SqsSource::new(config, &aws);
    for (status, code, is_refused) in [
        (400, "QueueDoesNotExist", true),
        (403, "AccessDeniedException", true),
        (400, "ThrottlingException", false),
        (503, "ServiceUnavailable", false),
    ] {
        stand.with(|services| services.sqs_error = Some((status, code)));
        let error = source.next(None, NOW).await.unwrap_err();
        assert_eq!(
            matches!(error, FetchError::Refused(_)),
            is_refused,
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_cursor_of_another_source_is_an_error() {
    let (_, aws, config) = Stand::start(&[event(1)]).await;
    let error = SqsSource::new(config, &aws)
        .next(Some(&json!({})), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Refused(_)));
}

#[test]
fn settings_name_what_is_missing_or_no_queue() {
    let errors = SqsSettings::default().validate().unwrap_err();
    assert_eq!(errors[0].to_string(), "queue_url: is required");
    for url in [
        "events",
        "https://sqs.eu-west-1.amazonaws.com",
        "https://u:p@host/q",
        "ftp://host/q",
        "https:///q",
    ] {
        assert!(
            serde_json::from_value::<SqsSettings>(json!({ "queue_url": url })).is_err(),
            "{url}"
        );
    }
    let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/events";
    let settings: SqsSettings =
        serde_json::from_value(json!({ "queue_url": url, "wait": 0 })).unwrap();
    assert_eq!(settings.validate().unwrap().queue_url, url);
}

#[tokio::test]
async fn a_message_whose_reading_panics_is_named_apart_from_those_that_are_read() {
    let bodies = [event(1), event(2), event(3)];
    let (stand, aws, config) = Stand::start(&bodies).await;
    let mut source = SqsSource::new(config, &aws);
    source.reading = |data, place| match data == event(2).as_bytes() {
        true => StreamEvents {
            extraction: Extraction::unread(place, data),
            is_complete: false,
        },
        false => streams::events(data, place),
    };
    let fetched = source.next(None, NOW).await.unwrap();
    assert_eq!(fetched.extraction.events.len(), 2);
    let [input] = &fetched.extraction.unread[..] else {
        panic!("{fetched:?}")
    };
    assert_eq!(input.bytes, event(2).as_bytes());
    let Checkpoint::Messages { read, unread } = fetched.checkpoint else {
        panic!("messages")
    };
    assert_eq!(unread[0].parts, [input.identity]);
    source.taken(&receipts_of(&read)).await.unwrap();
    assert_eq!(stand.left(), ["m1"]);
    // Once somebody keeps it.
    source.taken(&receipts_of(&unread)).await.unwrap();
    assert_eq!(stand.left(), Vec::<String>::new());
}
