//! Receives records from SQS, and fetches the bodies that are in the bucket.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::large::{Pointer, now_or_later};
use super::message::MAX_ENTRIES;
use super::{REQUEST, Sqs, seconds};
use crate::{BodyError, QueueError, QueueUrl, Record, once};
use aws::summarize;

/// The length of one long poll, in seconds: short, so that a stop is noticed.
const POLL: i32 = 1;

impl Sqs {
    /// Receives up to `size` records within `window` of the first. All of them are invisible for the whole visibility
    /// timeout from now on; the time that the first waits for the others is added.
    pub(crate) async fn receive(
        &self,
        size: usize,
        window: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Record>, QueueError> {
        let queue = self.queue()?.url();
        let invisible = self.visibility + window + REQUEST;
        let mut records = Vec::new();
        let mut until: Option<Instant> = None;
        loop {
            let most = size.saturating_sub(records.len()).min(MAX_ENTRIES);
            let waited = until.is_some_and(|until| Instant::now() >= until);
            if most == 0 || waited || stop.is_cancelled() {
                return Ok(once(records));
            }
            let request = self
                .client
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(i32::try_from(most).unwrap_or(1))
                .wait_time_seconds(POLL)
                .visibility_timeout(seconds(invisible))
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
                .message_attribute_names("All");
            match request.send().await {
                Ok(response) => {
                    let messages = response.messages.unwrap_or_default();
                    records.extend(messages.into_iter().map(Record::from));
                }
                // The records that were already received do not wait for that.
                Err(_) if !records.is_empty() => return Ok(once(records)),
                Err(error) => return Err(QueueError(summarize(&error, self.redact))),
            }
            if records.is_empty() {
                return Ok(records);
            }
            until.get_or_insert_with(|| Instant::now() + window);
        }
    }

    /// Fetches the bodies that are in the bucket, until `until`.
    pub(crate) async fn fetch_bodies(
        &self,
        records: Vec<Record>,
        until: Instant,
    ) -> (Vec<Record>, Vec<(Record, BodyError)>) {
        let pointers = records.iter().map(|record| record.stored.as_ref());
        let pointers: Vec<_> = pointers.collect();
        let turns = now_or_later(&pointers);
        let bodies = pointers.into_iter().zip(turns);
        let limit = until.saturating_duration_since(Instant::now());
        let bodies = bodies.map(|(pointer, now)| self.fetch_body(pointer, now, limit));
        let bodies = join_all(bodies).await;
        let (mut complete, mut others) = (Vec::new(), Vec::new());
        // In a queue that keeps the order, nothing may overtake a record that waits for its body.
        let is_fifo = self.queue.as_ref().is_some_and(QueueUrl::is_fifo);
        let mut blocked: HashSet<String> = HashSet::new();
        for (mut record, body) in records.into_iter().zip(bodies) {
            let group = record.group.as_ref();
            let is_blocked = group.is_some_and(|group| blocked.contains(group));
            match body {
                Ok(_) if is_blocked && is_fifo => {
                    others.push((record, BodyError::Later));
                }
                Ok(body) => {
                    record.body = body.map_or(record.body, Into::into);
                    complete.push(record);
                }
                Err(error) => {
                    if !matches!(error, BodyError::Gone(_)) {
                        blocked.extend(record.group.clone());
                    }
                    others.push((record, error));
                }
            }
        }
        (complete, others)
    }

    /// Fetches the body of a record; nothing if it came with the message.
    async fn fetch_body(
        &self,
        pointer: Option<&Pointer>,
        now: bool,
        limit: Duration,
    ) -> Result<Option<String>, BodyError> {
        match (pointer, &self.bucket) {
            (None, _) => Ok(None),
            (Some(_), _) if !now => Err(BodyError::Later),
            (Some(pointer), Some(bucket)) => bucket.get(pointer, limit).await.map(Some),
            (Some(_), None) => Err(BodyError::Gone(
                "the body is in S3, and queue.bucket is not set".to_owned(),
            )),
        }
    }
}
