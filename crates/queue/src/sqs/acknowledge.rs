//! Settling records with SQS: dead letters to their queue, the others deleted or handed back.
//!
//! Part of `sqs.rs`. Nothing is deleted that is not dealt with: a dead letter goes first into its queue.

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};
use futures::future::{join, join_all};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::message::{
    MAX_BYTES, MAX_ENTRIES, cost, dead_letter_attributes, deduplication, grouped,
};
use super::{Sqs, all_but_done, failed, note, place, seconds};
use crate::{Record, Settlement, Unavailable};

/// Places among the records that are settled, and why each of them was not.
type Undone = Vec<(usize, String)>;

impl Sqs {
    /// Side by side, so that a request that hangs keeps only what it is about from being settled.
    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Vec<Result<(), Unavailable>> {
        let mut results = vec![Ok(()); records.len()];
        let (dead, (done, again)) = join(
            self.bury(records, until),
            join(self.finish(records, until), self.hand_back(records, until)),
        )
        .await;
        let undone = dead.into_iter().chain(done).chain(again);
        note(&mut results, undone, Unavailable);
        results
    }

    /// Sends the dead letters among `records` to their queue, and then deletes them from this one.
    async fn bury(&self, records: &[(&Record, Settlement)], until: Instant) -> Undone {
        let letters = records.iter().enumerate();
        let letters = letters.filter_map(|(index, (record, settlement))| match settlement {
            Settlement::DeadLetter(reason) => Some((index, *record, reason.as_str())),
            Settlement::Acknowledge | Settlement::Retry(_) => None,
        });
        let letters: Vec<_> = letters.collect();
        let Some(url) = &self.dead_letters else {
            let nowhere = |(index, _, _)| (index, "there is no dead-letter queue".to_owned());
            return letters.into_iter().map(nowhere).collect();
        };
        let (url, is_fifo) = (url.url(), url.is_fifo());
        let (mut entries, mut unsent) = (Vec::new(), Undone::new());
        for (index, record, reason) in letters {
            match letter(index, record, reason, is_fifo) {
                Some(entry) => entries.push(entry),
                None => unsent.push((index, "it cannot be made a message".to_owned())),
            }
        }
        let groups = grouped(entries);
        let sent = groups.into_iter().map(|group| async {
            let indices: Vec<usize> = group.iter().filter_map(|entry| place(entry.id())).collect();
            let mut undone = self.send_group(url, group, until).await;
            let is_sent = |index: &usize| undone.iter().all(|(unsent, _)| unsent != index);
            let sent: Vec<usize> = indices.into_iter().filter(is_sent).collect();
            undone.extend(self.delete(records, &sent, until).await);
            undone
        });
        unsent.extend(join_all(sent).await.into_iter().flatten());
        unsent
    }

    /// Deletes what is dealt with, and then its bodies from the bucket: a message whose body is gone would be taken
    /// for one that was lost.
    async fn finish(&self, records: &[(&Record, Settlement)], until: Instant) -> Undone {
        let done = records.iter().enumerate();
        let done = done.filter(|(_, (_, settlement))| *settlement == Settlement::Acknowledge);
        let done: Vec<usize> = done.map(|(index, _)| index).collect();
        let undone = self.delete(records, &done, until).await;
        let gone = done
            .iter()
            .filter(|index| undone.iter().all(|(kept, _)| kept != *index))
            .filter_map(|index| records.get(*index));
        join_all(gone.map(|(record, _)| self.clean_up(record, until))).await;
        undone
    }

    /// Deletes a body from the bucket. What cannot be deleted expires.
    async fn clean_up(&self, record: &Record, until: Instant) {
        let (Some(pointer), Some(bucket)) = (&record.stored, &self.bucket) else {
            return;
        };
        let deleted = timeout_at(until, bucket.delete(pointer)).await;
        if let Err(error) = deleted.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            let id = &record.id;
            warn!(id, error, "not deleted from the bucket: it will expire");
        }
    }

    /// Lets the records that are to be tried again come back in their time. Gives those for which that failed: they
    /// come back all the same, when their visibility time-out is over.
    async fn hand_back(&self, records: &[(&Record, Settlement)], until: Instant) -> Undone {
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
                .queue_url(self.queue.url());
            let request = request.set_entries(Some(chunk.to_vec()));
            let indices = chunk.iter().filter_map(|entry| place(entry.id())).collect();
            async move {
                all_but_done(indices, until, self.redact, request.send(), |answer| {
                    let done = answer.successful().iter();
                    let done = done.filter_map(|entry| place(entry.id())).collect();
                    (done, failed(answer.failed()))
                })
                .await
            }
        };
        join_all(entries.chunks(MAX_ENTRIES).map(change))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// Deletes messages, unless Lambda does.
    async fn delete(
        &self,
        records: &[(&Record, Settlement)],
        indices: &[usize],
        until: Instant,
    ) -> Undone {
        if !self.deletes {
            return Undone::new();
        }
        let entry = |index: &usize| {
            let (record, _) = records.get(*index)?;
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.receipt_handle(&record.receipt).build().ok()
        };
        let delete = |chunk: &[usize]| {
            let entries: Vec<_> = chunk.iter().filter_map(entry).collect();
            let request = self
                .client
                .delete_message_batch()
                .queue_url(self.queue.url());
            let request = request.set_entries(Some(entries));
            let indices = chunk.to_vec();
            async move {
                all_but_done(indices, until, self.redact, request.send(), |answer| {
                    let done = answer.successful().iter();
                    let done = done.filter_map(|entry| place(entry.id())).collect();
                    (done, failed(answer.failed()))
                })
                .await
            }
        };
        join_all(indices.chunks(MAX_ENTRIES).map(delete))
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

/// A record as a dead letter, and its size. What is too large for the queue stays where it lies.
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
    let room = MAX_BYTES.saturating_sub(body.len());
    let attributes = dead_letter_attributes(record, reason, room);
    let told = attributes.iter().map(|(name, value)| cost(name, value));
    let size = body.len() + told.sum::<usize>();
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .set_message_attributes((!attributes.is_empty()).then_some(attributes));
    if is_fifo {
        // Of this message, not of the event: one that is given up a second time is no repeat.
        let id = deduplication(&record.queue_id);
        entry = entry.message_group_id(&id).message_deduplication_id(&id);
    }
    Some((size, entry.build().ok()?))
}
