//! The settings of a queue, complete and checked.

use std::path::PathBuf;
use std::time::Duration;

use crate::Retention;

/// The largest message of SQS, attributes included, and the largest SendMessageBatch, in bytes (SQS quotas: 1 MiB). No topic
/// that delivers to SQS accepts more (<https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html>).
pub(crate) const MAX_BYTES: usize = 1_048_576;

/// The kind of queue, with its settings.
#[derive(Debug, Clone)]
pub enum QueueConfig {
    /// SQLite in the data folder.
    Embedded(EmbeddedConfig),
    /// Amazon SQS, or a server that speaks its protocol.
    Sqs(SqsConfig),
}

/// The settings of the embedded queue.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The data folder.
    pub dir: PathBuf,
    /// How long a received event stays invisible to the next receive.
    pub visibility_timeout: Duration,
    /// The number of attempts after which an event becomes a dead letter.
    pub max_attempts: u32,
    /// How long settled events are kept.
    pub retention: Retention,
}

/// The settings of a queue in SQS.
#[derive(Debug, Clone)]
pub struct SqsConfig {
    /// Where events are sent.
    pub destination: Destination,
    /// The queue that events are received from. `None` only in a process that publishes to a topic and never receives:
    /// ingest.
    pub queue: Option<QueueUrl>,
    /// The queue for dead letters. `None` only in a process that sends and never settles: ingest.
    pub dead_letters: Option<QueueUrl>,
    /// The S3 bucket for events that are larger than an SQS message.
    pub bucket: Option<String>,
    /// How long a received event stays invisible to the next receive. At most 12 hours.
    pub visibility_timeout: Duration,
    /// The number of attempts after which an event becomes a dead letter.
    pub max_attempts: u32,
}

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A queue: the one that events are received from.
    Queue(QueueUrl),
    /// A topic, which delivers to the queue of every target.
    Topic(Topic),
}

/// An SNS topic that the queue of each target subscribes to, with raw message delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    arn: String,
    max_bytes: usize,
}

/// The URL of an SQS queue, and whether the queue keeps the order of its message groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueUrl {
    url: String,
    is_fifo: bool,
}

impl QueueConfig {
    /// Returns how long a received event stays invisible to the next receive.
    pub fn visibility_timeout(&self) -> Duration {
        match self {
            QueueConfig::Embedded(settings) => settings.visibility_timeout,
            QueueConfig::Sqs(settings) => settings.visibility_timeout,
        }
    }

    /// Returns the number of attempts after which an event becomes a dead letter.
    pub fn max_attempts(&self) -> u32 {
        match self {
            QueueConfig::Embedded(settings) => settings.max_attempts,
            QueueConfig::Sqs(settings) => settings.max_attempts,
        }
    }

    /// Whether the queue itself keeps the order of a message group.
    pub fn is_fifo(&self) -> bool {
        match self {
            QueueConfig::Embedded(_) => false,
            QueueConfig::Sqs(settings) => settings.queue.as_ref().is_some_and(QueueUrl::is_fifo),
        }
    }
}

impl Destination {
    /// Whether messages have a group, in which their order is kept.
    pub fn is_fifo(&self) -> bool {
        match self {
            Destination::Queue(queue) => queue.is_fifo(),
            Destination::Topic(topic) => topic.is_fifo(),
        }
    }

    /// Returns the largest message, and the largest request, in bytes.
    pub fn max_bytes(&self) -> usize {
        match self {
            Destination::Queue(_) => MAX_BYTES,
            Destination::Topic(topic) => topic.max_bytes,
        }
    }
}

impl Topic {
    /// Creates it from an ARN, and the `MaximumMessageSize` of the topic in bytes: of a message, and of a request with several.
    pub fn new(arn: impl Into<String>, max_bytes: usize) -> Topic {
        let max_bytes = max_bytes.min(MAX_BYTES);
        let arn = arn.into();
        Topic { arn, max_bytes }
    }

    /// Returns the ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the region, which the ARN contains.
    pub fn region(&self) -> Option<&str> {
        self.arn
            .split(':')
            .nth(3)
            .filter(|region| !region.is_empty())
    }

    /// Whether the topic keeps the order of message groups. Names of FIFO topics, and no others, end with `.fifo`
    /// (<https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>).
    pub fn is_fifo(&self) -> bool {
        self.arn.ends_with(".fifo")
    }
}

impl QueueUrl {
    /// Creates it from a URL. Names of FIFO queues, and no others, end with `.fifo`
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>).
    pub fn new(url: impl Into<String>) -> QueueUrl {
        let url = url.into();
        let is_fifo = url.ends_with(".fifo");
        QueueUrl { url, is_fifo }
    }

    /// Returns the URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the queue is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.is_fifo
    }
}
