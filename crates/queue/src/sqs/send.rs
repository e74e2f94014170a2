//! Sends messages to SQS, or to the topic that delivers to SQS, with large bodies in the bucket.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::warn;

use super::confirmation::{Failures, failures, index_of, unconfirmed};
use super::large::{Ownership, Pointer};
use super::message::{ATTRIBUTES, entry, grouped, transportable};
use super::order::BlockedGroups;
use super::{REQUEST, Sqs, publish};
use crate::{Destination, Message, SendError};

/// The most large bodies that are uploaded concurrently.
const PUTS: usize = 4;

/// The timeout of sending: the question about subscribers, all uploads and all requests. With the time for the secret of the
/// keys, below the ingest function's own timeout of 15 s.
const SEND: Duration = Duration::from_secs(2 * REQUEST.as_secs());

/// The largest message of a topic whose `MaximumMessageSize` nobody has changed
/// (<https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html>).
const TOPIC_DEFAULT: usize = 262_144;

impl Sqs {
    pub(crate) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let until = Instant::now() + SEND;
        if let Destination::Topic(topic) = &self.destination
            && let Err(error) = (self.subscribers)
                .check(&self.publisher, topic, self.redact)
                .await
        {
            return vec![Err(SendError::Unavailable(error.0)); messages.len()];
        }
        let all: Vec<_> = messages.iter().enumerate().collect();
        let mut failed = self.send_some(&all, until).await;
        if failed.iter().any(|(_, error)| is_too_long(error)) && self.lower_limit() {
            failed.sort_unstable_by_key(|(index, _)| *index);
            let again = failed.iter().filter_map(|(index, _)| all.get(*index));
            let again: Vec<_> = again.copied().collect();
            failed = self.send_some(&again, until).await;
        }
        let mut results = vec![Ok(()); messages.len()];
        for (index, error) in failed {
            if let Some(result) = results.get_mut(index) {
                *result = Err(error);
            }
        }
        results
    }

    /// Sends messages, each with its index; returns those that failed.
    async fn send_some(
        &self,
        messages: &[(usize, &Message)],
        until: Instant,
    ) -> Vec<(usize, SendError)> {
        let mut bodies = Vec::with_capacity(messages.len());
        for some in messages.chunks(PUTS) {
            let uploads = some.iter().map(|(_, message)| self.upload(message, until));
            bodies.extend(join_all(uploads).await);
        }
        let is_fifo = self.destination.is_fifo();
        let (mut failed, mut entries, mut held_up) =
            (Vec::new(), Vec::new(), BlockedGroups::default());
        for ((index, message), body) in messages.iter().zip(bodies) {
            let made = body.and_then(|(body, stored)| {
                let size = body.len() + ATTRIBUTES;
                let salt = self.token_salt.as_ref();
                let entry = entry(*index, body, message, stored.as_ref(), salt, is_fifo);
                let invalid = || SendError::Unavailable("not a valid SQS message".to_owned());
                Ok((size, entry.ok_or_else(invalid)?))
            });
            match made {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    if holds_up(&error) {
                        held_up.insert(&message.group, *index);
                    }
                    failed.push((*index, error));
                }
            }
        }
        let groups = grouped(entries, self.max_bytes());
        let unsent = if is_fifo {
            self.send_in_order(groups, held_up, until).await
        } else {
            let sent = groups.into_iter();
            let sent = sent.map(|group| self.send_group(&self.destination, group, until));
            join_all(sent).await.into_iter().flatten().collect()
        };
        failed.extend((unsent.into_iter()).map(|(index, error)| (index, send_error(error))));
        failed
    }

    /// Returns the body as the destination accepts it: the event, or a pointer to it in the bucket if it is too large.
    async fn upload(
        &self,
        message: &Message,
        until: Instant,
    ) -> Result<(String, Option<Pointer>), SendError> {
        let body = transportable(&message.body);
        let limit = self.max_bytes().saturating_sub(ATTRIBUTES);
        match &self.bucket {
            _ if body.len() <= limit => Ok((body, None)),
            None => Err(SendError::TooLarge { limit }),
            Some(bucket) => {
                let ownership = match &self.destination {
                    Destination::Queue(_) => Ownership::Single,
                    Destination::Topic(_) => Ownership::Shared,
                };
                let put = bucket.put(&message.id, body, ownership);
                let put = tokio::time::timeout_at(until, put).await;
                let late = |_| Err("no response of the bucket in time".to_owned());
                let pointer = put.unwrap_or_else(late).map_err(SendError::Unavailable)?;
                Ok((pointer.text(), Some(pointer)))
            }
        }
    }

    fn max_bytes(&self) -> usize {
        let found = self.found_limit.load(Ordering::Relaxed);
        self.destination.max_bytes().min(found)
    }

    /// Goes on with the usual limit of a topic after one of its messages was too long: the configured limit is that of
    /// another topic. Returns whether that is lower.
    fn lower_limit(&self) -> bool {
        match &self.destination {
            Destination::Topic(topic) if self.max_bytes() > TOPIC_DEFAULT => {
                self.found_limit.store(TOPIC_DEFAULT, Ordering::Relaxed);
                warn!(
                    topic = topic.arn(),
                    limit = TOPIC_DEFAULT,
                    "queue.topic_message_size is above the MaximumMessageSize of the topic"
                );
                true
            }
            Destination::Topic(_) | Destination::Queue(_) => false,
        }
    }

    /// Sends groups of entries one after the other, and no entry after one of its message group that has to be sent again.
    async fn send_in_order(
        &self,
        groups: Vec<Vec<SendMessageBatchRequestEntry>>,
        mut held_up: BlockedGroups,
        until: Instant,
    ) -> Failures {
        let mut groups = VecDeque::from(groups);
        let mut unsent = Failures::new();
        while let Some(group) = groups.pop_front() {
            let (group, behind) = held_up.split(group);
            unsent.extend(behind);
            if group.is_empty() {
                continue;
            }
            let failures = self
                .send_batch(&self.destination, group.clone(), until)
                .await;
            if is_refused(&group, &failures) {
                let single = group.into_iter().map(|entry| vec![entry]);
                single.rev().for_each(|single| groups.push_front(single));
                continue;
            }
            for (failed, error) in &failures {
                let entry = (group.iter()).find(|entry| index_of(entry.id()) == Some(*failed));
                if let Some(id) = entry.and_then(|entry| entry.message_group_id())
                    && holds_up(&send_error(error.clone()))
                {
                    held_up.insert(id, *failed);
                }
            }
            unsent.extend(failures);
        }
        unsent
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
        if !is_refused(&group, &failures) {
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
                unconfirmed(
                    indices,
                    until,
                    self.redact,
                    Box::pin(request.send()),
                    |response| {
                        let confirmed = response.successful().iter();
                        let confirmed = confirmed.filter_map(|it| index_of(it.id())).collect();
                        (confirmed, failures(response.failed()))
                    },
                )
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

/// Whether a group was rejected for its contents, and its entries may do better one by one.
fn is_refused(group: &[SendMessageBatchRequestEntry], failures: &Failures) -> bool {
    let is_about = |(_, error): &(usize, String)| is_about_contents(error);
    group.len() > 1 && failures.len() == group.len() && failures.iter().all(is_about)
}

/// Whether a message may be sent later, so that those behind it have to wait. One that is refused for its contents is not.
fn holds_up(error: &SendError) -> bool {
    match error {
        SendError::Unavailable(text) => !is_about_contents(text) || is_too_long(error),
        SendError::TooLarge { .. } => false,
    }
}

/// Whether SNS refused a message for its size. Of one message it says `InvalidParameter: Invalid parameter: Message too long`,
/// without the limit.
fn is_too_long(error: &SendError) -> bool {
    match error {
        SendError::Unavailable(text) => {
            is_about_contents(text)
                && (text.contains("too long") || text.contains("BatchRequestTooLong"))
        }
        SendError::TooLarge { .. } => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_above_the_limit_of_a_topic_is_told_from_other_faults() {
        let is = |text: &str| is_too_long(&send_error(text.to_owned()));
        assert!(is("InvalidParameter: Invalid parameter: Message too long"));
        assert!(is(
            "BatchRequestTooLong: The length of all the batch messages put together is more than the limit."
        ));
        assert!(!is(
            "InvalidParameter: Invalid parameter: Message Reason: no valid characters"
        ));
        assert!(!is("Throttling: Rate exceeded"));
        assert!(!is(
            "InvalidParameterValue: Message must be shorter than 1024 bytes."
        ));
    }
    #[test]
    fn a_message_that_is_refused_for_its_contents_holds_up_no_other() {
        let holds_up = |text: &str| holds_up(&send_error(text.to_owned()));
        assert!(holds_up("Throttling: Rate exceeded"));
        assert!(holds_up("no response in time"));
        assert!(holds_up(
            "InvalidParameter: Invalid parameter: Message too long"
        ));
        assert!(!holds_up("InvalidMessageContents: invalid character"));
        assert!(!holds_up(
            "InvalidParameterValue: Message must be shorter than 1024 bytes."
        ));
    }
}
