//! Settles records of SQS: deletes them, makes them visible again, or moves them to the queue of dead letters.
//!
//! A dead letter is sent to its queue before its message is deleted.

use std::collections::HashSet;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};
use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::confirmation::{Failures, failures, index_of, record_failures, unconfirmed};
use super::message::{MAX_ENTRIES, cost, dead_letter_attributes, deduplication, grouped};
use super::{Sqs, seconds};
use crate::config::MAX_BYTES;
use crate::{Destination, QueueError, QueueUrl, Record, Settlement};

impl Sqs {
    /// Settles records; one result each, in order. The requests run concurrently, so that one that hangs delays only
    /// its own records.
    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Vec<Result<(), QueueError>> {
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(error) => return vec![Err(error); records.len()],
        };
        let mut results = vec![Ok(()); records.len()];
        let (dead, (acknowledged, retried)) = join(
            self.dead_letter(queue, records, until),
            join(
                self.acknowledge(queue, records, until),
                self.retry(queue, records, until),
            ),
        )
        .await;
        let failed = dead.into_iter().chain(acknowledged).chain(retried);
        record_failures(&mut results, failed, QueueError);
        results
    }

    /// Sends the dead letters among `records` to their queue, and then deletes them from this one.
    async fn dead_letter(
        &self,
        queue: &QueueUrl,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Failures {
        let letters = records.iter().enumerate();
        let letters = letters.filter_map(|(index, (record, settlement))| match settlement {
            Settlement::DeadLetter(reason) => Some((index, *record, reason.as_str())),
            Settlement::Acknowledge | Settlement::Store(_) | Settlement::Retry(_) => None,
        });
        let letters: Vec<_> = letters.collect();
        let Some(url) = &self.dead_letters else {
            let unset = |(index, _, _)| (index, "queue.dead_letter_url is not set".to_owned());
            return letters.into_iter().map(unset).collect();
        };
        let (is_fifo, to) = (url.is_fifo(), &Destination::Queue(url.clone()));
        let (mut entries, mut unsent) = (Vec::new(), Failures::new());
        for (index, record, reason) in letters {
            match letter(index, record, reason, is_fifo) {
                Some(entry) => entries.push(entry),
                None => unsent.push((index, "not a valid SQS message".to_owned())),
            }
        }
        let groups = grouped(entries, MAX_BYTES);
        let sent = groups.into_iter().map(|group| async {
            let indices: Vec<usize> = group
                .iter()
                .filter_map(|entry| index_of(entry.id()))
                .collect();
            let mut undone = self.send_group(to, group, until).await;
            let is_sent = |index: &usize| undone.iter().all(|(unsent, _)| unsent != index);
            let sent: Vec<usize> = indices.into_iter().filter(is_sent).collect();
            undone.extend(self.delete(queue, records, &sent, until).await);
            undone
        });
        unsent.extend(join_all(sent).await.into_iter().flatten());
        unsent
    }

    /// Deletes the acknowledged messages, and then their bodies from the bucket: a message without its body would look
    /// like a lost event.
    async fn acknowledge(
        &self,
        queue: &QueueUrl,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Failures {
        let done = records.iter().enumerate();
        let done = done.filter(|(_, (_, settlement))| settlement.acknowledges());
        let done: Vec<usize> = done.map(|(index, _)| index).collect();
        let undone = self.delete(queue, records, &done, until).await;
        let gone = done
            .iter()
            .filter(|index| undone.iter().all(|(kept, _)| kept != *index))
            .filter_map(|index| records.get(*index));
        join_all(gone.map(|(record, _)| self.delete_body(record, until))).await;
        undone
    }

    /// Deletes a body from the bucket. A body that cannot be deleted expires.
    async fn delete_body(&self, record: &Record, until: Instant) {
        let (Some(pointer), Some(bucket)) = (&record.stored, &self.bucket) else {
            return;
        };
        let deleted = timeout_at(until, bucket.delete(pointer)).await;
        if let Err(error) = deleted.unwrap_or_else(|_| Err("no response in time".to_owned())) {
            let id = &*record.id;
            warn!(
                id,
                error, "failed to delete a body from the bucket; it will expire"
            );
        }
    }

    /// Makes records visible again after their delay. Returns those for which that failed: they become visible when
    /// their visibility timeout ends.
    async fn retry(
        &self,
        queue: &QueueUrl,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Failures {
        let entry = |(index, (record, settlement)): (usize, &(&Record, Settlement))| {
            let Settlement::Retry(after) = settlement else {
                return None;
            };
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(record.receipt.handle())
                .visibility_timeout(seconds(*after));
            Some((index, entry.build().ok()?))
        };
        let send = |entries| {
            let request = self.client.change_message_visibility_batch();
            let request = request.queue_url(queue.url());
            Box::pin(request.set_entries(Some(entries)).send())
        };
        let entries = records.iter().enumerate().filter_map(entry).collect();
        self.in_batches(entries, until, send, |response| {
            let done = response.successful().iter();
            let done = done.filter_map(|entry| index_of(entry.id())).collect();
            (done, failures(response.failed()))
        })
        .await
    }

    /// Deletes messages, unless Lambda does.
    async fn delete(
        &self,
        queue: &QueueUrl,
        records: &[(&Record, Settlement)],
        indices: &[usize],
        until: Instant,
    ) -> Failures {
        if !self.deletes {
            return Failures::new();
        }
        let entry = |index: &usize| {
            let (record, _) = records.get(*index)?;
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.receipt_handle(record.receipt.handle());
            Some((*index, entry.build().ok()?))
        };
        let send = |entries| {
            let request = self.client.delete_message_batch();
            let request = request.queue_url(queue.url());
            Box::pin(request.set_entries(Some(entries)).send())
        };
        let entries = indices.iter().filter_map(entry).collect();
        self.in_batches(entries, until, send, |response| {
            let done = response.successful().iter();
            let done = done.filter_map(|entry| index_of(entry.id())).collect();
            (done, failures(response.failed()))
        })
        .await
    }

    /// Sends entries in concurrent requests, each with as many as SQS accepts. Returns those that were not confirmed.
    async fn in_batches<E: Clone, T, R, F>(
        &self,
        entries: Vec<(usize, E)>,
        until: Instant,
        send: impl Fn(Vec<E>) -> F,
        read: impl Fn(&T) -> (HashSet<usize>, Failures),
    ) -> Failures
    where
        F: Future<Output = Result<T, R>>,
        R: std::error::Error + ProvideErrorMetadata,
    {
        let requests = entries.chunks(MAX_ENTRIES).map(|chunk| {
            let (indices, entries) = chunk.iter().cloned().unzip();
            unconfirmed(indices, until, self.redact, send(entries), &read)
        });
        join_all(requests).await.into_iter().flatten().collect()
    }
}

/// Returns a record as a dead letter, and its size. A body in the bucket stays there.
fn letter(
    index: usize,
    record: &Record,
    reason: &str,
    is_fifo: bool,
) -> Option<(usize, SendMessageBatchRequestEntry)> {
    let body = match &record.stored {
        Some(pointer) => pointer.text(),
        None => record.body.to_string(),
    };
    let space = MAX_BYTES.saturating_sub(body.len());
    let attributes = dead_letter_attributes(record, reason, space);
    let costs = attributes.iter().map(|(name, value)| cost(name, value));
    let size = body.len() + costs.sum::<usize>();
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .set_message_attributes((!attributes.is_empty()).then_some(attributes));
    if is_fifo {
        // From the message, not the event: an event that becomes a dead letter a second time is not a duplicate.
        let id = deduplication(&record.queue_id);
        entry = entry.message_group_id(&id).message_deduplication_id(&id);
    }
    Some((size, entry.build().ok()?))
}
