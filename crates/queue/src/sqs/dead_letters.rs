//! The dead letters of an SQS queue: receives them page by page, and redrives, deletes or releases them.
//!
//! SQS cannot list messages. A dead letter that is listed is received, and invisible until it is released, or until
//! [`INVISIBLE`] has passed. Used by the command line, never by the functions.

use std::time::Duration;

use aws::summarize;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName,
};
use openlineage::{Event, Level, OrderingKey};

use super::large::{Bucket, Pointer, SIZE};
use super::message::{MAX_ENTRIES, deduplication, number, region, size, text};
use super::seconds;
use crate::{BodyError, DeadLetter, QueueError, QueueUrl, Record, Redactor, Status, now};

/// The timeout for downloading the body of a dead letter, for which a user waits.
const DOWNLOAD: Duration = Duration::from_secs(60);

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

    /// The receipt that releases it.
    pub fn receipt(&self) -> &str {
        &self.record.receipt
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
        let mut config = aws_sdk_sqs::config::Builder::from(aws.config().await);
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
            dead_letters: dead + looked_at,
            oldest_seconds: None,
        })
    }

    /// Receives up to ten visible dead letters; none when there are no more.
    pub async fn page(&self) -> Result<Vec<SqsLetter>, QueueError> {
        let request = self
            .client
            .receive_message()
            .queue_url(self.dead_letters.url())
            .max_number_of_messages(i32::try_from(MAX_ENTRIES).unwrap_or(1))
            .wait_time_seconds(2) // a short poll may miss some
            .visibility_timeout(seconds(INVISIBLE))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
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
            .message_attributes("id", text(&record.id))
            .message_attributes("received_at", received_at(record));
        if let Some(pointer) = &record.stored {
            send = send.message_attributes(SIZE, size(pointer));
        }
        if self.queue.is_fifo() {
            // Not the first id: within five minutes SQS would drop it as a duplicate.
            send = send
                .message_group_id(self.group(letter).await)
                .message_deduplication_id(deduplication(&format!("{} {}", record.id, now())));
        }
        send.send()
            .await
            .map_err(|error| self.unavailable(&error))?;
        self.delete_message(letter).await
    }

    /// Deletes a dead letter for good, including its body in the bucket.
    pub async fn delete(&self, letter: &SqsLetter) -> Result<(), QueueError> {
        self.delete_message(letter).await?;
        match (&letter.record.stored, &self.bucket) {
            (Some(pointer), Some(bucket)) => bucket.delete(pointer).await.map_err(QueueError),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Makes dead letters visible again at once, by their receipts.
    pub async fn release(&self, receipts: &[String]) -> Result<(), QueueError> {
        let entry = |(index, receipt): (usize, &String)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(0)
                .build()
                .ok()
        };
        for chunk in receipts.chunks(MAX_ENTRIES) {
            let entries = chunk.iter().enumerate().filter_map(entry).collect();
            let request = self.client.change_message_visibility_batch();
            let request = request
                .queue_url(self.dead_letters.url())
                .set_entries(Some(entries));
            // One that could not be released becomes visible by itself, or already is.
            request
                .send()
                .await
                .map_err(|error| self.unavailable(&error))?;
        }
        Ok(())
    }

    async fn delete_message(&self, letter: &SqsLetter) -> Result<(), QueueError> {
        let request = self
            .client
            .delete_message()
            .queue_url(self.dead_letters.url());
        let request = request.receipt_handle(&letter.record.receipt);
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| self.unavailable(&error))
    }

    fn unavailable<E>(&self, error: &SdkError<E>) -> QueueError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        QueueError(summarize(error, self.redact))
    }

    /// Returns the message group of an event; other text gets a group of its own.
    async fn group(&self, letter: &SqsLetter) -> String {
        let body = self.body(letter).await.unwrap_or_default();
        match Event::read(body.as_bytes(), Level::Repair) {
            Ok(read) => OrderingKey::from(&read.event).to_string(),
            Err(_) => deduplication(&letter.record.id),
        }
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
        id: record.id.clone(),
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

fn received_at(record: &Record) -> MessageAttributeValue {
    number(record.received_at.unwrap_or_else(now))
}
