//! How far a source goes, and a queue that is made up.

use std::sync::{Mutex, MutexGuard};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use queue::{Destination, QueueUrl, Sqs, SqsConfig};
use serde_json::json;

use super::sender::tests::{valid as event_of, with_bug};
use super::*;
use fetch::KindConfig;

/// What stands in for SQS. Messages that were received are not received again.
#[derive(Clone, Default)]
pub(super) struct StandIn(Arc<Mutex<Messages>>);

#[derive(Default)]
struct Messages {
    /// The bodies of those that are there, by receipt.
    there: Vec<(String, String)>,
    received: usize,
    /// The bodies of those that were sent.
    sent: Vec<String>,
}

impl StandIn {
    /// Starts it, with messages. Returns what calls it, and the URL of its queue.
    pub(super) async fn start(bodies: &[String]) -> (StandIn, Aws, String) {
        let stand_in = StandIn::default();
        let bodies = bodies.iter().enumerate();
        stand_in.messages().there = bodies
            .map(|(n, body)| (n.to_string(), body.clone()))
            .collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let credentials = Credentials::new("AKIDEXAMPLE", "key", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&url)
            .build();
        let queue = format!("{url}/111122223333/events");
        (stand_in, Aws::from(config), queue)
    }

    /// The bodies of the messages that were sent to it.
    pub(super) fn sent(&self) -> Vec<String> {
        self.messages().sent.clone()
    }

    /// The bodies of the messages that are there.
    pub(super) fn bodies(&self) -> Vec<String> {
        let messages = self.messages();
        messages
            .there
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.0.lock().unwrap()
    }
}

/// A queue of dead letters.
pub(super) async fn dead_letters(aws: &Aws, url: &str) -> queue::SetAsideQueue {
    let url = QueueUrl::new(url);
    let config = SqsConfig {
        destination: Destination::Queue(url.clone()),
        queue: None,
        dead_letters: None,
        bucket: None,
        visibility_timeout: Duration::from_secs(30),
        max_attempts: 3,
    };
    let sqs = Sqs::new(aws, &config, |text| text.to_owned()).await;
    sqs.set_aside_queue(url)
}

async fn answer(State(stand_in): State<StandIn>, headers: HeaderMap, body: Bytes) -> String {
    let mut messages = stand_in.messages();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let answer = match headers["x-amz-target"].to_str().unwrap() {
        "AmazonSQS.SendMessage" => {
            let sent = body["MessageBody"].as_str().unwrap().to_owned();
            messages.sent.push(sent);
            json!({ "MessageId": "m", "MD5OfMessageBody": "" })
        }
        "AmazonSQS.ReceiveMessage" => {
            let from = messages.received;
            messages.received = messages.there.len();
            let received = messages.there.iter().skip(from).map(|(receipt, body)| {
                json!({ "MessageId": receipt, "ReceiptHandle": receipt, "Body": body, "Attributes": { "ApproximateReceiveCount": "1" } })
            });
            json!({ "Messages": received.collect::<Vec<_>>() })
        }
        "AmazonSQS.DeleteMessageBatch" => {
            for entry in body["Entries"].as_array().unwrap() {
                let deleted = &entry["ReceiptHandle"];
                messages.there.retain(|(receipt, _)| deleted != receipt);
            }
            json!({ "Successful": [], "Failed": [] })
        }
        "AmazonSQS.GetQueueAttributes" => json!({ "Attributes": {} }),
        other => panic!("{other}"),
    };
    answer.to_string()
}

#[test]
fn the_position_moves_only_over_events_that_are_kept_or_rejected() {
    let done = Tally {
        accepted: 1,
        known: 1,
        rejected: 1,
        set_aside: 1,
        ..Tally::default()
    };
    assert!(keeps_up(done).is_ok());
    let unsent = Tally { unsent: 1, ..done };
    assert!(matches!(keeps_up(unsent), Err(Interruption::Stopped)));
    // A function makes an error of this even where the time ended, too.
    let unkept = Tally {
        unkept: 1,
        ..unsent
    };
    assert!(matches!(keeps_up(unkept), Err(Interruption::Failed(_))));
}

#[test]
fn a_damaged_position_is_an_error_and_no_restart() {
    assert_eq!(parse_position(None), Ok(None));
    let position = parse_position(Some(r#"{"at":1}"#));
    assert_eq!(position, Ok(Some(serde_json::json!({"at": 1}))));
    for damaged in ["", "{", "\u{0}"] {
        let error = parse_position(Some(damaged)).unwrap_err();
        assert!(matches!(&error, FetchError::Refused(why) if why.contains("sources.db")));
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_set_aside_is_left_and_those_beside_it_are_not() {
    let bodies: Vec<String> = (0..10).map(|n| event_of(n).text).collect();
    let (stand_in, aws, queue_url) = StandIn::start(&bodies).await;
    let folder = tempfile::tempdir().unwrap();
    let claim = journal::Claim::take(&folder.path().join("ledger")).unwrap();
    let (_queue, sender) = with_bug(folder.path()).await;
    let mut task = SourceTask {
        name: "etl".into(),
        source: KindConfig::Sqs(Box::new(fetch::sqs::SqsConfig {
            queue_url,
            visibility_timeout: Duration::from_secs(30),
            wait: Duration::ZERO,
        }))
        .open(&aws),
        interval: Duration::from_secs(60),
        ledger: Ledger::own(Arc::new(claim)).await.unwrap(),
        sender,
    };
    let stop = CancellationToken::new();
    let step = task.step(&mut Position::Unknown, &stop).await;
    assert!(matches!(step, Err(Interruption::Failed(_))));
    assert_eq!(stand_in.bodies(), [event_of(7).text]);
}
