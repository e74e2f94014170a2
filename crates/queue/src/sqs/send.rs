//! Sends messages to SQS, or to the topic that delivers to SQS, with large bodies in the bucket.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::confirmation::{Failures, failures, index_of, record_failures, unconfirmed};
use super::large::{Ownership, Pointer};
use super::message::{ATTRIBUTES, entry, grouped, transportable};
use super::{REQUEST, Sqs, publish};
use crate::{Destination, Message, SendError};

/// The most large bodies that are uploaded concurrently.
const PUTS: usize = 4;

/// The timeout of sending a group and, if it is rejected, each of its entries.
const SEND: Duration = Duration::from_secs(2 * REQUEST.as_secs());

impl Sqs {
    pub(crate) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        if let Destination::Topic(topic) = &self.destination
            && let Err(error) = self
                .subscribers
                .check(&self.publisher, topic, self.redact)
                .await
        {
            return vec![Err(SendError::Unavailable(error.0)); messages.len()];
        }
        let mut bodies = Vec::with_capacity(messages.len());
        for some in messages.chunks(PUTS) {
            bodies.extend(join_all(some.iter().map(|message| self.upload(message))).await);
        }
        let (mut results, mut entries) = (Vec::with_capacity(messages.len()), Vec::new());
        for ((index, message), body) in messages.iter().enumerate().zip(bodies) {
            let made = body.and_then(|(body, stored)| {
                let size = body.len() + ATTRIBUTES;
                let ordered = self.destination.is_fifo();
                let entry = entry(index, body, message, stored.as_ref(), ordered);
                let invalid = || SendError::Unavailable("not a valid SQS message".to_owned());
                Ok((size, entry.ok_or_else(invalid)?))
            });
            results.push(made.map(|entry| entries.push(entry)));
        }
        let until = Instant::now() + SEND;
        let sent = grouped(entries, self.destination.max_bytes()).into_iter();
        let sent = sent.map(|group| self.send_group(&self.destination, group, until));
        let failed = join_all(sent).await.into_iter().flatten();
        record_failures(&mut results, failed, send_error);
        results
    }

    /// Returns the body as the destination accepts it: the event, or a pointer to it in the bucket if it is too large.
    async fn upload(&self, message: &Message) -> Result<(String, Option<Pointer>), SendError> {
        let body = transportable(&message.body);
        let limit = self.destination.max_bytes().saturating_sub(ATTRIBUTES);
        match &self.bucket {
            _ if body.len() <= limit => Ok((body, None)),
            None => Err(SendError::TooLarge { limit }),
            Some(bucket) => {
                let ownership = match &self.destination {
                    Destination::Queue(_) => Ownership::Single,
                    Destination::Topic(_) => Ownership::Shared,
                };
                let put = bucket.put(&message.id, body, ownership).await;
                let pointer = put.map_err(SendError::Unavailable)?;
                Ok((pointer.text(), Some(pointer)))
            }
        }
    }

    /// Sends at most ten entries; returns those that failed. A group that is rejected for its contents is sent one by
    /// one: the limits of the queue may be lower than those of SQS, and one bad entry must not cost the others.
    pub(super) async fn send_group(
        &self,
        to: &Destination,
        group: Vec<SendMessageBatchRequestEntry>,
        until: Instant,
    ) -> Failures {
        let failures = self.send_batch(to, group.clone(), until).await;
        let is_refused = |(_, error): &(usize, String)| is_about_contents(error);
        if group.len() < 2 || failures.len() < group.len() || !failures.iter().all(is_refused) {
            return failures;
        }
        let single = group
            .into_iter()
            .map(|entry| self.send_batch(to, vec![entry], until));
        join_all(single).await.into_iter().flatten().collect()
    }

    async fn send_batch(
        &self,
        to: &Destination,
        group: Vec<SendMessageBatchRequestEntry>,
        until: Instant,
    ) -> Failures {
        let indices: Vec<usize> = group.iter().filter_map(|it| index_of(it.id())).collect();
        match to {
            Destination::Queue(queue) => {
                let request = self.client.send_message_batch().queue_url(queue.url());
                let request = request.set_entries(Some(group));
                unconfirmed(indices, until, self.redact, request.send(), |response| {
                    let confirmed = response.successful().iter();
                    let confirmed = confirmed.filter_map(|it| index_of(it.id())).collect();
                    (confirmed, failures(response.failed()))
                })
                .await
            }
            Destination::Topic(topic) => {
                let batch = publish::batch(topic, group);
                let request = self.publisher.send(&batch);
                unconfirmed(indices, until, self.redact, request, publish::result).await
            }
        }
    }
}

/// Whether a request was rejected for its contents, by its error.
fn is_about_contents(error: &str) -> bool {
    const CODES: [&str; 4] = [
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameter", // of SNS; InvalidParameterValue of SQS
        "InvalidAttributeValue",
    ];
    CODES.iter().any(|code| error.contains(code))
}

/// Returns why a message was not sent, from the error of SQS, which may contain the limit of the queue.
fn send_error(error: String) -> SendError {
    let limit = match error.split_once(" than ") {
        Some((_, rest)) if is_about_contents(&error) => {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok())
        }
        Some(_) | None => None,
    };
    match limit {
        Some(limit) => SendError::TooLarge { limit },
        None => SendError::Unavailable(error),
    }
}
