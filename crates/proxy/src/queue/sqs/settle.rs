//! Settling records with SQS: dead letters to their queue, the others deleted or handed back.
//!
//! Part of `sqs.rs`. Nothing is deleted that is not dealt with: a dead letter goes first into its queue.

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};
use futures::future::{join, join_all};
use tracing::warn;

use super::message::{ATTRIBUTES, MAX_ENTRIES, dead_letter_attributes, deduplication, grouped};
use super::{Sqs, all_or, failed, note, seconds};
use crate::queue::{Record, Settlement, Unavailable};

impl Sqs {
    pub(in crate::queue) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let mut results = self.bury(records).await;
        let ((), handed_back) = join(self.clean_up(records), self.hand_back(records)).await;
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
                // What is too large stays where it lies.
                let body = match &record.stored {
                    Some(pointer) => pointer.text(),
                    None => record.body.to_string(),
                };
                let size = body.len() + ATTRIBUTES + reason.len();
                let mut entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .set_message_attributes(Some(dead_letter_attributes(record, reason)));
                if self.is_fifo() {
                    // Of this message, not of the event: one that is given up a second time is no repeat.
                    let id = deduplication(&record.queue_id);
                    entry = entry.message_group_id(&id).message_deduplication_id(&id);
                }
                Some((size, entry.build().ok()?))
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

    /// Deletes the bodies of what is dealt with from the bucket.
    async fn clean_up(&self, records: &[(&Record, Settlement)]) {
        let done = records
            .iter()
            .filter(|(_, settlement)| *settlement == Settlement::Done);
        join_all(done.map(|(record, _)| async move {
            if let (Some(pointer), Some(bucket)) = (&record.stored, &self.bucket)
                && let Err(error) = bucket.delete(pointer).await
            {
                warn!(
                    id = record.id,
                    error, "not deleted from the bucket: it will expire"
                );
            }
        }))
        .await;
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
}
