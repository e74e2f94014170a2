//! Amazon SQS: the event is the message body, its id and time are message attributes.
//!
//! Used by both shells: the ingest function sends; `serve` also receives and settles; for the batch function Lambda
//! receives and deletes, so it only hands back and sends dead letters.

mod acknowledge;
mod dead_letters;
mod error;
mod large;
mod message;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::error::summarize;
use self::large::{Bucket, now_or_later};
use self::message::{ATTRIBUTES, MAX_BYTES, MAX_ENTRIES, entry, grouped, region, transportable};
use super::{BodyError, Depth, Message, Record, SendError, Unavailable, once};
use crate::{QueueUrl, Redact, SqsConfig};

pub use self::dead_letters::{SqsDeadLetters, SqsLetter};
pub use self::large::Pointer;

/// The longest visibility time-out (SQS quotas: 12 hours).
const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// For one request with its repetitions. Below the clients' own time-out of 5 s, so that what they see is our 503.
const REQUEST: Duration = Duration::from_secs(4);

/// Large bodies that are put into the bucket at once.
const PUTS: usize = 4;

/// How long one long poll may take: short, so that a stop is seen.
const POLL: i32 = 1;

/// An SQS queue, and the one for its dead letters.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    queue: QueueUrl,
    dead_letters: Option<QueueUrl>,
    bucket: Option<Bucket>,
    visibility: Duration,
    deletes: bool,
    redact: Redact,
}

impl Sqs {
    /// Uses the configured queue, in the region that its URL names, with the credentials of `aws`.
    pub async fn new(aws: &aws::Aws, settings: &SqsConfig, redact: Redact) -> Sqs {
        let aws = aws.config().await;
        let mut config = aws_sdk_sqs::config::Builder::from(aws);
        if let Some(region) = region(settings.queue.url()) {
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
                    .operation_attempt_timeout(Duration::from_millis(2_500))
                    .operation_timeout(REQUEST)
                    .build(),
            )
            .build();
        Sqs {
            client: Client::from_conf(config),
            queue: settings.queue.clone(),
            dead_letters: settings.dead_letters.clone(),
            bucket: (settings.bucket.clone()).map(|bucket| Bucket::new(aws, bucket, redact)),
            visibility: settings.visibility_timeout,
            deletes: true,
            redact,
        }
    }

    /// The queue of the batch function: Lambda deletes the messages that the function does not report.
    #[must_use]
    pub(super) fn deleted_by_lambda(self) -> Sqs {
        Sqs {
            deletes: false,
            ..self
        }
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let mut results: Vec<Result<(), SendError>> = vec![Ok(()); messages.len()];
        let mut entries = Vec::new();
        let mut placed = Vec::with_capacity(messages.len());
        for some in messages.chunks(PUTS) {
            placed.extend(join_all(some.iter().map(|message| self.placed(message))).await);
        }
        for ((index, message), placed) in messages.iter().enumerate().zip(placed) {
            match (placed, results.get_mut(index)) {
                (Ok((body, stored)), result) => {
                    let size = body.len() + ATTRIBUTES;
                    let ordered = self.queue.is_fifo();
                    match (
                        entry(index, body, message, stored.as_ref(), ordered),
                        result,
                    ) {
                        (Some(entry), _) => entries.push((size, entry)),
                        (None, Some(result)) => {
                            *result = Err(SendError::Unavailable("no entry".to_owned()));
                        }
                        (None, None) => {}
                    }
                }
                (Err(error), Some(result)) => *result = Err(error),
                (Err(_), None) => {}
            }
        }
        let groups = grouped(entries);
        let until = Instant::now() + 2 * REQUEST; // a group, and should it be refused as one, each of it
        let sent = join_all(
            groups
                .into_iter()
                .map(|group| self.send_group(self.queue.url(), group, until)),
        )
        .await;
        note(&mut results, sent.into_iter().flatten(), not_sent);
        results
    }

    /// The body as SQS takes it, or what points to it when it is too large.
    async fn placed(&self, message: &Message) -> Result<(String, Option<Pointer>), SendError> {
        let body = transportable(&message.body);
        let limit = MAX_BYTES - ATTRIBUTES;
        match &self.bucket {
            _ if body.len() <= limit => Ok((body, None)),
            None => Err(SendError::TooLarge { limit }),
            Some(bucket) => {
                let put = bucket.put(&message.id, body).await;
                let pointer = put.map_err(SendError::Unavailable)?;
                Ok((pointer.text(), Some(pointer)))
            }
        }
    }

    /// Sends at most ten entries; gives those that failed. What is refused together is sent one by one: the queue's
    /// own limits may be lower than those of SQS, and one that it does not take harms no other.
    async fn send_group(
        &self,
        url: &str,
        group: Vec<SendMessageBatchRequestEntry>,
        until: Instant,
    ) -> Vec<(usize, String)> {
        let failures = self.send_together(url, group.clone(), until).await;
        let is_refused = |(_, said): &(usize, String)| is_about_contents(said);
        if group.len() < 2 || failures.len() < group.len() || !failures.iter().all(is_refused) {
            return failures;
        }
        let alone = group
            .into_iter()
            .map(|entry| self.send_together(url, vec![entry], until));
        join_all(alone).await.into_iter().flatten().collect()
    }

    async fn send_together(
        &self,
        url: &str,
        group: Vec<SendMessageBatchRequestEntry>,
        until: Instant,
    ) -> Vec<(usize, String)> {
        let indices: Vec<usize> = group.iter().filter_map(|entry| place(entry.id())).collect();
        let request = self.client.send_message_batch().queue_url(url);
        let request = request.set_entries(Some(group));
        all_but_done(indices, until, self.redact, request.send(), |answer| {
            let done = answer.successful().iter();
            let done = done.filter_map(|entry| place(entry.id())).collect();
            (done, failed(answer.failed()))
        })
        .await
    }

    /// A record that is given to the caller is out of sight for the whole visibility time-out from then on: what the
    /// first of them waits for others comes on top.
    pub(super) async fn receive(
        &self,
        size: usize,
        window: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Record>, Unavailable> {
        let out_of_sight = self.visibility + window + REQUEST;
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
                .queue_url(self.queue.url())
                .max_number_of_messages(i32::try_from(most).unwrap_or(1))
                .wait_time_seconds(POLL)
                .visibility_timeout(seconds(out_of_sight))
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .message_attribute_names("All");
            match request.send().await {
                Ok(answer) => records.extend(
                    answer
                        .messages
                        .unwrap_or_default()
                        .into_iter()
                        .map(Record::from),
                ),
                // What was received already is not held back for that.
                Err(_) if !records.is_empty() => return Ok(once(records)),
                Err(error) => return Err(Unavailable(summarize(&error, self.redact))),
            }
            if records.is_empty() {
                return Ok(records);
            }
            until.get_or_insert_with(|| Instant::now() + window);
        }
    }

    /// Reads the bodies that lie in the bucket.
    pub(super) async fn fetch_bodies(
        &self,
        records: Vec<Record>,
    ) -> (Vec<Record>, Vec<(Record, BodyError)>) {
        let pointers: Vec<_> = records
            .iter()
            .map(|record| record.stored.as_ref())
            .collect();
        let turns = now_or_later(&pointers);
        let read = join_all(
            pointers
                .into_iter()
                .zip(turns)
                .map(|(pointer, now)| async move {
                    match (pointer, &self.bucket) {
                        (None, _) => Ok(None),
                        (Some(_), _) if !now => Err(BodyError::Later),
                        (Some(pointer), Some(bucket)) => bucket.get(pointer).await.map(Some),
                        (Some(_), None) => Err(BodyError::Gone(
                            "the body lies in S3, and no bucket is configured".to_owned(),
                        )),
                    }
                }),
        )
        .await;
        let (mut whole, mut others) = (Vec::new(), Vec::new());
        // In a queue that keeps an order, nothing overtakes what waits for its body.
        let mut held: HashSet<String> = HashSet::new();
        for (mut record, read) in records.into_iter().zip(read) {
            let is_behind = record
                .group
                .as_ref()
                .is_some_and(|group| held.contains(group));
            match read {
                Ok(_) if is_behind && self.queue.is_fifo() => {
                    others.push((record, BodyError::Later))
                }
                Ok(body) => {
                    record.body = body.map_or(record.body, Into::into);
                    whole.push(record);
                }
                Err(why) => {
                    if !matches!(why, BodyError::Gone(_)) {
                        held.extend(record.group.clone());
                    }
                    others.push((record, why));
                }
            }
        }
        (whole, others)
    }

    /// About how much is in the queue. A role that may not look at the dead letters is told of the queue alone.
    pub(super) async fn depth(&self) -> Result<Depth, Unavailable> {
        let (in_sight, out_of_sight) =
            dead_letters::counts(&self.client, self.queue.url(), self.redact).await?;
        let dead = match &self.dead_letters {
            Some(queue) => dead_letters::counts(&self.client, queue.url(), self.redact)
                .await
                .ok(),
            None => None,
        };
        Ok(Depth {
            events: in_sight + out_of_sight,
            dead_letters: dead.map(|(in_sight, out_of_sight)| in_sight + out_of_sight),
            oldest_seconds: None, // an attribute that only CloudWatch has
        })
    }

    pub(super) async fn ready(&self) -> Result<(), Unavailable> {
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(self.queue.url());
        let request = request.attribute_names(QueueAttributeName::QueueArn);
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| Unavailable(summarize(&error, self.redact)))
    }
}

/// What was not done: all, when the request failed or took longer than `until`; else what `told` names as failed, and
/// what it does not name at all. Only what the queue says it has done is done.
async fn all_but_done<T, E: std::error::Error + ProvideErrorMetadata>(
    indices: Vec<usize>,
    until: Instant,
    redact: Redact,
    request: impl Future<Output = Result<T, E>>,
    told: impl Fn(&T) -> (HashSet<usize>, Vec<(usize, String)>),
) -> Vec<(usize, String)> {
    let (done, failed, otherwise) = match tokio::time::timeout_at(until, request).await {
        Ok(Ok(answer)) => {
            let (done, failed) = told(&answer);
            let silent = "SQS did not confirm this entry".to_owned();
            (done, failed, silent)
        }
        Ok(Err(error)) => (HashSet::new(), Vec::new(), summarize(&error, redact)),
        Err(_) => (HashSet::new(), Vec::new(), "no answer in time".to_owned()),
    };
    let mut reasons: HashMap<usize, String> = failed.into_iter().collect();
    let undone = indices.into_iter().filter_map(|index| {
        let reason = reasons.remove(&index);
        let is_done = reason.is_none() && done.contains(&index);
        (!is_done).then(|| (index, reason.unwrap_or_else(|| otherwise.clone())))
    });
    undone.collect()
}

/// The index of an entry, which is its id.
fn place(id: &str) -> Option<usize> {
    id.parse().ok()
}

/// Whether a request was refused for what is in it, by what was said.
fn is_about_contents(said: &str) -> bool {
    const CODES: [&str; 4] = [
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidAttributeValue",
    ];
    CODES.iter().any(|code| said.contains(code))
}

/// Why a message was not sent, by what was said: a queue's own limit may be lower than that of SQS.
fn not_sent(said: String) -> SendError {
    let limit = match said.split_once(" than ") {
        Some((_, rest)) if is_about_contents(&said) => {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok())
        }
        Some(_) | None => None,
    };
    match limit {
        Some(limit) => SendError::TooLarge { limit },
        None => SendError::Unavailable(said),
    }
}

fn failed(entries: &[BatchResultErrorEntry]) -> Vec<(usize, String)> {
    let message = |entry: &BatchResultErrorEntry| {
        format!(
            "{}: {}",
            entry.code(),
            entry.message().unwrap_or("no message")
        )
    };
    entries
        .iter()
        .filter_map(|entry| Some((place(entry.id())?, message(entry))))
        .collect()
}

/// Puts failures in their places.
fn note<E>(
    results: &mut [Result<(), E>],
    failures: impl IntoIterator<Item = (usize, String)>,
    error: impl Fn(String) -> E,
) {
    for (index, message) in failures {
        if let Some(result) = results.get_mut(index) {
            *result = Err(error(message));
        }
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.min(MAX_VISIBILITY).as_secs()).unwrap_or(0)
}
