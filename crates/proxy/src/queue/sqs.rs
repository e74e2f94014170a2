//! Amazon SQS: the event is the message body, its id and time are message attributes.
//!
//! Used by both shells: the ingest function sends; `serve` also receives and settles; for the batch function Lambda
//! receives and deletes, so it only hands back and sends dead letters.

mod message;

use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use futures::future::join_all;

use self::message::{
    ATTRIBUTES, MAX_BYTES, MAX_ENTRIES, dead_letter_attributes, grouped, number, record, region,
    text, transportable,
};
use super::{Message, Record, SendError, Settlement, Unavailable};

/// The longest visibility time-out (SQS quotas: 12 hours).
const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// How long one long poll may take: short, so that a stop is seen.
const POLL: i32 = 1;

/// An SQS queue, and the one for its dead letters.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    url: String,
    dead_letter_url: Option<String>,
    visibility: Duration,
    deletes: bool,
}

impl Sqs {
    /// Uses the queue at `url`, in the region that it names, with that client's credentials.
    pub fn new(
        config: &aws_config::SdkConfig,
        url: String,
        dead_letter_url: Option<String>,
        visibility: Duration,
    ) -> Sqs {
        let mut config = aws_sdk_sqs::config::Builder::from(config);
        if let Some(region) = region(&url) {
            config = config.region(Region::new(region.to_owned()));
        }
        let config = config
            // Together below the clients' own time-out of 5 s, so that what they see is our 503.
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(2)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(Duration::from_millis(2_500))
                    .operation_timeout(Duration::from_secs(4))
                    .build(),
            )
            .build();
        Sqs {
            client: Client::from_conf(config),
            url,
            dead_letter_url,
            visibility,
            deletes: true,
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
        let entries = messages
            .into_iter()
            .enumerate()
            .filter_map(|(index, message)| {
                let body = transportable(&message.body);
                if body.len() + ATTRIBUTES > MAX_BYTES {
                    if let Some(result) = results.get_mut(index) {
                        *result = Err(SendError::TooLarge {
                            limit: MAX_BYTES - ATTRIBUTES,
                        });
                    }
                    return None;
                }
                let size = body.len() + ATTRIBUTES;
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .message_attributes("id", text(&message.id))
                    .message_attributes("received_at", number(message.received_at))
                    .build();
                Some((size, entry.ok()?))
            });
        let groups = grouped(entries.collect());
        let sent = join_all(
            groups
                .into_iter()
                .map(|group| self.send_group(&self.url, group)),
        )
        .await;
        note(
            &mut results,
            sent.into_iter().flatten(),
            SendError::Unavailable,
        );
        results
    }

    /// Sends at most ten entries; gives those that failed.
    async fn send_group(
        &self,
        url: &str,
        group: Vec<SendMessageBatchRequestEntry>,
    ) -> Vec<(usize, String)> {
        let indices: Vec<usize> = group
            .iter()
            .filter_map(|entry| entry.id().parse().ok())
            .collect();
        let request = self
            .client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(group));
        all_or(indices, request.send(), |answer| failed(answer.failed())).await
    }

    pub(super) async fn receive(
        &self,
        size: usize,
        window: Duration,
    ) -> Result<Vec<Record>, Unavailable> {
        let mut records = Vec::new();
        let mut until: Option<Instant> = None;
        loop {
            let most = size.saturating_sub(records.len()).min(MAX_ENTRIES);
            if most == 0 || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(records);
            }
            let request = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(i32::try_from(most).unwrap_or(1))
                .wait_time_seconds(POLL)
                .visibility_timeout(seconds(self.visibility))
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_attribute_names("All");
            match request.send().await {
                Ok(answer) => {
                    records.extend(answer.messages.unwrap_or_default().into_iter().map(record))
                }
                // What was received already is not held back for that.
                Err(_) if !records.is_empty() => return Ok(records),
                Err(error) => return Err(Unavailable(DisplayErrorContext(error).to_string())),
            }
            if records.is_empty() {
                return Ok(records);
            }
            until.get_or_insert_with(|| Instant::now() + window);
        }
    }

    pub(super) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let mut results = self.bury(records).await;
        let handed_back = self.hand_back(records).await;
        let gone = |(index, (_, to)): (usize, &(&Record, Settlement))| match to {
            Settlement::Done => Some(index),
            Settlement::DeadLetter(_) => results
                .get(index)
                .is_some_and(Result::is_ok)
                .then_some(index),
            Settlement::Retry(_) => None,
        };
        let gone: Vec<usize> = if self.deletes {
            records.iter().enumerate().filter_map(gone).collect()
        } else {
            Vec::new()
        };
        let deleted = join_all(
            gone.chunks(MAX_ENTRIES)
                .map(|chunk| self.delete(records, chunk)),
        )
        .await;
        note(
            &mut results,
            handed_back.into_iter().chain(deleted.into_iter().flatten()),
            Unavailable,
        );
        results
    }

    /// Sends the dead letters among `records` to their queue. One answer a record; `Ok` for those that are none.
    async fn bury(&self, records: &[(&Record, Settlement)]) -> Vec<Result<(), Unavailable>> {
        let mut results: Vec<Result<(), Unavailable>> = vec![Ok(()); records.len()];
        let entries = records
            .iter()
            .enumerate()
            .filter_map(|(index, (record, settlement))| {
                let Settlement::DeadLetter(reason) = settlement else {
                    return None;
                };
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&*record.body)
                    .set_message_attributes(Some(dead_letter_attributes(record, reason)));
                let entry = entry.build().ok()?;
                Some((record.body.len() + ATTRIBUTES + reason.len(), entry))
            });
        let groups = grouped(entries.collect());
        let failures = match &self.dead_letter_url {
            Some(url) => {
                join_all(groups.into_iter().map(|group| self.send_group(url, group))).await
            }
            None => vec![
                groups
                    .iter()
                    .flatten()
                    .filter_map(|e| {
                        Some((
                            e.id().parse().ok()?,
                            "there is no dead-letter queue".to_owned(),
                        ))
                    })
                    .collect(),
            ],
        };
        note(&mut results, failures.into_iter().flatten(), Unavailable);
        results
    }

    /// Lets the records that are to be tried again come back in their time. Gives those for which that failed: they
    /// come back all the same, when their visibility time-out is over.
    async fn hand_back(&self, records: &[(&Record, Settlement)]) -> Vec<(usize, String)> {
        let entries = records
            .iter()
            .enumerate()
            .filter_map(|(index, (record, settlement))| {
                let Settlement::Retry(after) = settlement else {
                    return None;
                };
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(&record.receipt)
                    .visibility_timeout(seconds(*after));
                entry.build().ok()
            });
        let entries: Vec<_> = entries.collect();
        let change = |chunk: &[ChangeMessageVisibilityBatchRequestEntry]| {
            let request = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url);
            let request = request.set_entries(Some(chunk.to_vec()));
            let indices: Vec<usize> = chunk
                .iter()
                .filter_map(|entry| entry.id().parse().ok())
                .collect();
            async move { all_or(indices, request.send(), |answer| failed(answer.failed())).await }
        };
        join_all(entries.chunks(MAX_ENTRIES).map(change))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    async fn delete(
        &self,
        records: &[(&Record, Settlement)],
        indices: &[usize],
    ) -> Vec<(usize, String)> {
        let entry = |index: &usize| {
            let (record, _) = records.get(*index)?;
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(&record.receipt).build().ok()
        };
        let entries: Vec<_> = indices.iter().filter_map(entry).collect();
        let request = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries));
        all_or(indices.to_vec(), request.send(), |answer| {
            failed(answer.failed())
        })
        .await
    }

    pub(super) async fn ready(&self) -> Result<(), Unavailable> {
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.attribute_names(QueueAttributeName::QueueArn);
        request
            .send()
            .await
            .map(drop)
            .map_err(|error| Unavailable(DisplayErrorContext(error).to_string()))
    }
}

/// Entries that failed, from the answer of a request; all of them when the request did.
async fn all_or<T, E: std::error::Error>(
    indices: Vec<usize>,
    request: impl Future<Output = Result<T, E>>,
    failures: impl Fn(&T) -> Vec<(usize, String)>,
) -> Vec<(usize, String)> {
    match request.await {
        Ok(answer) => failures(&answer),
        Err(error) => {
            let message = DisplayErrorContext(error).to_string();
            indices
                .into_iter()
                .map(|index| (index, message.clone()))
                .collect()
        }
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
        .filter_map(|entry| Some((entry.id().parse().ok()?, message(entry))))
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
