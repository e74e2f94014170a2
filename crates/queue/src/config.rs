//! The settings of a queue, complete and checked.

use std::path::PathBuf;
use std::time::Duration;

use crate::Retention;

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
    /// The queue.
    pub queue: QueueUrl,
    /// The queue for dead letters. `None` only in a process that sends and never settles: the ingest function.
    pub dead_letters: Option<QueueUrl>,
    /// The S3 bucket for events that are larger than an SQS message.
    pub bucket: Option<String>,
    /// How long a received event stays invisible to the next receive. At most 12 hours.
    pub visibility_timeout: Duration,
    /// The number of attempts after which an event becomes a dead letter.
    pub max_attempts: u32,
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
            QueueConfig::Sqs(settings) => settings.queue.is_fifo(),
        }
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
