//! The dead letters of an SQS queue: receives them page by page, and redrives or deletes them.
//!
//! SQS cannot list messages. A dead letter that is listed is received, and invisible until it is released, or until
//! [`INVISIBLE`] has passed: `dead_letters/walk.rs` goes through all of them. Used by the command line and the page, never by the
//! functions.

mod walk;

use std::time::Duration;

use aws::summarize;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName,
};
use openlineage::{Event, Level, OrderingKey};
use tracing::warn;

use super::confirmation::index_of;
use super::large::{Bucket, Pointer};
use super::message::{MAX_ENTRIES, deduplication, redriven_attributes, region, trace_header};
use super::seconds;
use crate::{
    BodyError, DeadLetter, DeadLetterGroups, Grouping, QueueError, QueueUrl, Record, Redactor,
    Status, now,
};

pub use walk::SqsWalk;

/// The timeout for downloading the body of a dead letter, for which a user waits.
const DOWNLOAD: Duration = Duration::from_secs(60);

/// The timeout of a request with its retries: otherwise one that hangs would end nothing that runs.
const REQUEST: Duration = Duration::from_secs(30);

/// How long a received dead letter is invisible to others.
const INVISIBLE: Duration = Duration::from_secs(120);

/// The reason of a dead letter that came without one from us: SQS has moved it, or SNS could not deliver it to the queue.
const MOVED_BY_AWS: &str = "moved by SQS: the batch function did not settle it (crash or timeout), see its log; \
                            or by SNS: the queue did not accept it, see its policy and its key";

/// The dead-letter queue of a queue.
#[derive(Debug, Clone)]
pub struct SqsDeadLetters {
    client: Client,
    queue: QueueUrl,
    dead_letters: QueueUrl,
    bucket: Option<Bucket>,
    redact: Redactor,
}

/// A dead letter that was received.
#[derive(Debug, Clone)]
pub struct SqsLetter {
    /// Its description.
    pub letter: DeadLetter,
    record: Record,
}

impl SqsLetter {
    /// The queue's own id of the message.
    pub fn queue_id(&self) -> &str {
        &self.record.queue_id
    }

    /// The receipt that hides or removes it.
    fn receipt(&self) -> &str {
        self.record.receipt.handle()
    }
}

impl SqsDeadLetters {
    /// Opens the queue `dead_letters`, whose dead letters are redriven to `queue`. Large bodies are in `bucket`.
    pub async fn new(
        aws: &aws::Aws,
        queue: QueueUrl,
        dead_letters: QueueUrl,
        bucket: Option<String>,
        redact: Redactor,
    ) -> SqsDeadLetters {
        let timeouts = TimeoutConfig::builder().operation_timeout(REQUEST).build();
        let mut config = aws_sdk_sqs::config::Builder::from(aws.config().await);
        config = config.timeout_config(timeouts);
        if let Some(region) = region(dead_letters.url()) {
            config = config.region(Region::new(region.to_owned()));
        }
        SqsDeadLetters {
            client: Client::from_conf(config.build()),
            queue,
            dead_letters,
            bucket: bucket.map(|bucket| Bucket::new(aws, bucket, redact)),
            redact,
        }
    }

    /// Counts approximately how much is in the queue. SQS does not report the age of its oldest message.
    pub async fn status(&self) -> Result<Status, QueueError> {
        let (waiting, in_flight) = counts(&self.client, self.queue.url(), self.redact).await?;
        let (dead, looked_at) = counts(&self.client, self.dead_letters.url(), self.redact).await?;
        Ok(Status {
            waiting,
            in_flight,
            retrying: None,
            dead_letters: dead + looked_at,
            oldest_seconds: None,
        })
    }

    /// Receives up to ten visible dead letters; none when there are no more.
    async fn page(&self) -> Result<Vec<SqsLetter>, QueueError> {
        let request = self
            .client
            .receive_message()
            .queue_url(self.dead_letters.url())
            .max_number_of_messages(i32::try_from(MAX_ENTRIES).unwrap_or(1))
            .wait_time_seconds(2) // a short poll may miss some
            .visibility_timeout(seconds(INVISIBLE))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .message_attribute_names("All");
        let answer = request
            .send()
            .await
            .map_err(|error| self.unavailable(&error))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .map(letter)
            .collect())
    }

    /// Groups by reason the dead letters that are wanted, as many as can be received until `is_over`. They are visible again at the
    /// end, also after an error.
    pub async fn groups(
        &self,
        is_over: impl Fn() -> bool,
        mut is_wanted: impl FnMut(&SqsLetter) -> bool,
    ) -> Result<DeadLetterGroups, QueueError> {
        let (mut walk, mut grouping) = (self.walk(), Grouping::default());
        let ended = loop {
            if is_over() {
                break Ok(false);
            }
            match walk.next().await {
                Ok(Some(letter)) if is_wanted(letter) => grouping.add(&letter.letter, None),
                Ok(Some(_)) => {}
                Ok(None) => break self.has_given_out_all().await,
                Err(error) => break Err(error),
            }
        };
        if let Err(QueueError(error)) = walk.end().await {
            warn!(
                error,
                "dead letters stay hidden from others for up to two minutes"
            );
        }
        Ok(grouping.finish(ended?))
    }

    /// Whether the queue has given out all of them. A FIFO queue gives out no more of a group while others of it are hidden
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html>).
    async fn has_given_out_all(&self) -> Result<bool, QueueError> {
        if !self.dead_letters.is_fifo() {
            return Ok(true);
        }
        let (left, _) = counts(&self.client, self.dead_letters.url(), self.redact).await?;
        Ok(left == 0)
    }

    /// Returns the event, from the bucket if it is large.
    pub async fn body(&self, letter: &SqsLetter) -> Result<String, QueueError> {
        let unavailable = |error| match error {
            BodyError::Gone(why) | BodyError::Unavailable(why) => QueueError(why),
            BodyError::Later => QueueError("too large for the memory that is left".to_owned()),
        };
        match (&letter.record.stored, &self.bucket) {
            (None, _) => Ok(letter.record.body.to_string()),
            (Some(pointer), Some(bucket)) => {
                bucket.get(pointer, DOWNLOAD).await.map_err(unavailable)
            }
            (Some(pointer), None) => Err(QueueError(format!(
                "the body is in s3://{}/{}; set queue.bucket",
                pointer.bucket, pointer.key
            ))),
        }
    }

    /// Sends a dead letter to the queue as a new event, and then deletes it from the dead letters.
    pub async fn redrive(&self, letter: &SqsLetter) -> Result<(), QueueError> {
        let record = &letter.record;
        let mut send = self
            .client
            .send_message()
            .queue_url(self.queue.url())
            .message_body(&*record.body)
            .set_message_attributes(Some(redriven_attributes(record)));
        if let Some(trace) = &record.trace {
            let (name, header) = trace_header(trace);
            send = send.message_system_attributes(name, header);
        }
        if self.queue.is_fifo() {
            // Not the first id: within five minutes SQS would drop it as a duplicate.
            send = send
                .message_group_id(self.group(letter).await?)
                .message_deduplication_id(deduplication(&format!("{} {}", record.id, now())));
        }
        send.send()
            .await
            .map_err(|error| self.unavailable(&error))?;
        let deleted = self.delete(letter).await;
        deleted.map_err(|QueueError(error)| {
            QueueError(format!(
                "a dead letter is in the queue again, and still a dead letter, which may be deleted: {error}"
            ))
        })
    }

    /// Deletes a dead letter for good. A body in the bucket expires: if an earlier redrive could not delete the dead letter, the
    /// event in the queue needs it.
    pub async fn delete(&self, letter: &SqsLetter) -> Result<(), QueueError> {
        let request = self
            .client
            .delete_message()
            .queue_url(self.dead_letters.url());
        let request = request.receipt_handle(letter.receipt());
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| self.unavailable(&error))
    }

    /// Makes up to ten dead letters invisible for this time from now on. Returns the receipts that are still valid.
    async fn hide_some(
        &self,
        receipts: &[String],
        time: Duration,
    ) -> Result<Vec<String>, QueueError> {
        let entry = |(index, receipt): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(seconds(time))
                .build()
                .ok()
        };
        let entries = receipts.iter().enumerate().filter_map(entry).collect();
        let request = self.client.change_message_visibility_batch();
        let request = request
            .queue_url(self.dead_letters.url())
            .set_entries(Some(entries));
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unavailable(&error))?;
        let valid = answer.successful().iter();
        let valid = valid.filter_map(|entry| receipts.get(index_of(entry.id())?));
        Ok(valid.cloned().collect())
    }

    fn unavailable<E>(&self, error: &SdkError<E>) -> QueueError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        QueueError(summarize(error, self.redact))
    }

    /// Returns the message group of an event; other text gets a group of its own. An event whose body cannot be read now does not:
    /// it could overtake those of its run.
    async fn group(&self, letter: &SqsLetter) -> Result<String, QueueError> {
        let body = self.body(letter).await?;
        Ok(match Event::read(body.as_bytes(), Level::Repair) {
            Ok(read) => OrderingKey::from(&read.event).to_string(),
            Err(_) => deduplication(&letter.record.id),
        })
    }
}

/// Counts approximately how many messages of a queue are visible, and how many are not.
pub(super) async fn counts(
    client: &Client,
    url: &str,
    redact: Redactor,
) -> Result<(u64, u64), QueueError> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let request = client.get_queue_attributes().queue_url(url);
    let request = request.set_attribute_names(Some(names.to_vec()));
    let answer = request.send().await;
    let answer = answer.map_err(|error| QueueError(summarize(&error, redact)))?;
    let [visible, in_flight] = names.map(|name| {
        let value = answer.attributes().and_then(|all| all.get(&name));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_default()
    });
    Ok((visible, in_flight))
}

fn letter(message: Message) -> SqsLetter {
    let sent_at = message
        .attributes()
        .and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp))
        .and_then(|value| value.parse().ok());
    let ours = |name: &str| {
        let attribute = message.message_attributes().and_then(|all| all.get(name));
        attribute
            .and_then(MessageAttributeValue::string_value)
            .map(str::to_owned)
    };
    let (reason, attempts) = (ours("reason"), ours("attempts"));
    let dead_at = ours("dead_at").and_then(|value| value.parse().ok());
    let record = Record::from(message);
    let letter = DeadLetter {
        target: None,
        id: record.id.to_string(),
        reason: reason.unwrap_or_else(|| MOVED_BY_AWS.to_owned()),
        received_at: record.received_at.unwrap_or_default(),
        dead_at: dead_at.or(sent_at).unwrap_or_default(),
        attempts: attempts
            .and_then(|value| value.parse().ok())
            .unwrap_or_default(),
        size: record
            .stored
            .as_ref()
            .map_or(record.body.len() as u64, |pointer: &Pointer| pointer.bytes),
    };
    SqsLetter { letter, record }
}
