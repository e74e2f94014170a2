//! Amazon SQS: the event is the message body, its id and time are message attributes.
//!
//! Events are sent to the queue that they are received from, or to an SNS topic that delivers them to the queue of each
//! target. Used by both shells: the ingest function sends; `serve` also receives and settles; for the batch function Lambda
//! receives and deletes, so it only retries and dead-letters. This file sets up the client; each operation has its own
//! file.

mod acknowledge;
mod confirmation;
mod dead_letters;
mod large;
mod message;
mod order;
mod publish;
mod readiness;
mod receive;
mod send;
mod set_aside;
mod subscribers;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use aws::summarize;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::Instant;

use crate::{Depth, Destination, QueueError, QueueUrl, Redactor, SqsConfig, TokenSalt};

use self::large::Bucket;
use self::message::region;
use self::readiness::Readiness;
use self::subscribers::Subscribers;

pub use self::dead_letters::{SqsDeadLetters, SqsLetter, SqsWalk};
pub use self::large::Pointer;
pub use self::set_aside::{SetAsideError, SetAsideQueue};

/// The longest visibility timeout (SQS quotas: 12 hours).
const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// The timeout of one request with its retries: below the clients' own timeout of 5 s, so that they get our 503.
const REQUEST: Duration = Duration::from_secs(4);

/// The timeout of one attempt of a request, which leaves time for a second one.
const ATTEMPT: Duration = Duration::from_millis(2_500);

/// An SQS queue, and the queue of its dead letters.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    /// Calls SNS.
    publisher: aws::Client,
    destination: Destination,
    /// The size that the topic was found to limit messages to, below the configured one.
    found_limit: Arc<AtomicUsize>,
    subscribers: Subscribers,
    readiness: Readiness,
    /// `None` in a process that only publishes.
    queue: Option<QueueUrl>,
    dead_letters: Option<QueueUrl>,
    bucket: Option<Bucket>,
    visibility: Duration,
    /// Whether Lambda deletes the messages that the batch function does not report.
    deletes: bool,
    /// Of everything that is sent.
    token_salt: Option<TokenSalt>,
    redact: Redactor,
}

impl Sqs {
    /// Opens the configured queue and topic, in the regions of URL and ARN, with the credentials of `aws`.
    pub async fn new(aws: &aws::Aws, settings: &SqsConfig, redact: Redactor) -> Sqs {
        let mut config = aws_sdk_sqs::config::Builder::from(aws.config().await);
        if let Some(region) = settings
            .queue
            .as_ref()
            .and_then(|queue| region(queue.url()))
        {
            config = config.region(Region::new(region.to_owned()));
        }
        let config = config
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(2)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(REQUEST)
                    .build(),
            )
            .build();
        let mut publisher = aws.client().timeout(REQUEST).attempt_timeout(ATTEMPT);
        if let Destination::Topic(topic) = &settings.destination
            && let Some(region) = topic.region()
        {
            publisher = publisher.region(region);
        }
        Sqs {
            client: Client::from_conf(config),
            publisher,
            destination: settings.destination.clone(),
            found_limit: Arc::new(AtomicUsize::new(usize::MAX)),
            subscribers: Subscribers::default(),
            readiness: Readiness::default(),
            queue: settings.queue.clone(),
            dead_letters: settings.dead_letters.clone(),
            bucket: (settings.bucket.clone()).map(|bucket| Bucket::new(aws, bucket, redact)),
            visibility: settings.visibility_timeout,
            deletes: true,
            token_salt: None,
            redact,
        }
    }

    /// Returns the queue of the batch function, for which Lambda deletes the messages that the function does not
    /// report.
    #[must_use]
    pub(super) fn deleted_by_lambda(self) -> Sqs {
        Sqs {
            deletes: false,
            ..self
        }
    }

    /// Returns the queue as a replay uses it that asks the target to take again what it has accepted before: everything that
    /// is sent has this salt.
    #[must_use]
    pub fn with_token_salt(self, token_salt: TokenSalt) -> Sqs {
        Sqs {
            token_salt: Some(token_salt),
            ..self
        }
    }

    pub(super) fn can_receive(&self) -> bool {
        self.queue.is_some()
    }

    /// Counts approximately how much is in the queue. A role without access to the dead letters gets only the count of
    /// the queue.
    pub(super) async fn depth(&self) -> Result<Depth, QueueError> {
        let queue = self.queue()?;
        let (visible, in_flight) =
            dead_letters::counts(&self.client, queue.url(), self.redact).await?;
        let dead = match &self.dead_letters {
            Some(queue) => dead_letters::counts(&self.client, queue.url(), self.redact)
                .await
                .ok(),
            None => None,
        };
        Ok(Depth {
            events: visible + in_flight,
            dead_letters: dead.map(|(visible, in_flight)| visible + in_flight),
            oldest_seconds: None, // an attribute that only CloudWatch has
        })
    }

    /// Whether what events are sent to exists, and whether a queue subscribes to the topic.
    pub(super) async fn ready(&self) -> Result<(), QueueError> {
        match &self.destination {
            Destination::Queue(queue) => {
                let request = self.client.get_queue_attributes().queue_url(queue.url());
                let request = request.attribute_names(QueueAttributeName::QueueArn);
                let redact = self.redact;
                let ask = || async move {
                    let answer = request.send().await.map(drop);
                    answer.map_err(|error| QueueError(summarize(&error, redact)))
                };
                self.readiness.answer(Instant::now(), ask).await
            }
            Destination::Topic(topic) => {
                let subscribers = &self.subscribers;
                subscribers.ready(&self.publisher, topic, self.redact).await
            }
        }
    }

    /// Returns the queue that events are received from.
    fn queue(&self) -> Result<&QueueUrl, QueueError> {
        let unset = || QueueError("queue.url is not set: this process only publishes".to_owned());
        self.queue.as_ref().ok_or_else(unset)
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.min(MAX_VISIBILITY).as_secs()).unwrap_or(0)
}
