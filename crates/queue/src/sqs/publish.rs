//! Converts a batch of messages to a request of SNS, and its response to what was confirmed. Pure.
//!
//! With raw message delivery, a queue that subscribes to the topic receives body and attributes as SendMessageBatch would
//! have put them there, if there are at most ten attributes; a message with more is discarded
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>). We send four at most.

use std::collections::HashSet;

use aws::sns::{PublishBatch, PublishBatchEntry, PublishBatchResult};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::confirmation::{Failures, index_of};
use super::message::TRACE;
use crate::Topic;

/// Returns the request that publishes these messages.
pub(super) fn batch(topic: &Topic, group: Vec<SendMessageBatchRequestEntry>) -> PublishBatch {
    PublishBatch {
        topic_arn: topic.arn().to_owned(),
        entries: group.into_iter().map(entry).collect(),
    }
}

/// Returns the entries that are stored, and the others with the reason. SNS answers when a message is stored durably; the
/// deliveries are its own business then (<https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>).
pub(super) fn result(response: &PublishBatchResult) -> (HashSet<usize>, Failures) {
    let stored = response.successful.iter().filter_map(|id| index_of(id));
    let failed = response.failed.iter().filter_map(|entry| {
        let message = entry.message.as_deref().unwrap_or("no message");
        Some((index_of(&entry.id)?, format!("{}: {message}", entry.code)))
    });
    (stored.collect(), failed.collect())
}

fn entry(entry: SendMessageBatchRequestEntry) -> PublishBatchEntry {
    let attributes = entry.message_attributes.unwrap_or_default().into_iter();
    let attributes = attributes.map(|(name, value)| {
        let text = value.string_value.unwrap_or_default();
        (name, value.data_type, text)
    });
    let system = entry.message_system_attributes.unwrap_or_default();
    let trace = (system.into_values()).map(|trace| {
        let text = trace.string_value.unwrap_or_default();
        (TRACE.to_owned(), trace.data_type, text)
    });
    let mut attributes: Vec<_> = attributes.chain(trace).collect();
    attributes.sort();
    PublishBatchEntry {
        id: entry.id,
        message: entry.message_body,
        attributes,
        message_group_id: entry.message_group_id,
        message_deduplication_id: entry.message_deduplication_id,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws::sns::FailedEntry;

    use super::*;
    use crate::sqs::message;
    use crate::{Message, Trace};

    const TRACE_HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

    fn published(ordered: bool) -> PublishBatchEntry {
        let message = Message {
            id: "i-1".to_owned(),
            body: Arc::from("[1]"),
            received_at: 7,
            group: "run 1".to_owned(),
            identity: None,
            memory_permit: None,
            trace: Trace::from_xray(TRACE_HEADER),
            event: Default::default(),
        };
        let entry = message::entry(3, "[1]".to_owned(), &message, None, None, ordered).unwrap();
        let topic = Topic::new("arn:aws:sns:eu-west-1:1:t", 1_024);
        batch(&topic, vec![entry]).entries.remove(0)
    }

    #[test]
    fn a_message_is_published_as_it_would_be_sent() {
        let entry = published(false);
        assert_eq!((&*entry.id, &*entry.message), ("3", "[1]"));
        let text = |text: &str| text.to_owned();
        let attributes = [
            (text("id"), text("String"), text("i-1")),
            (text("received_at"), text("Number"), text("7")),
            (text("trace"), text("String"), text(TRACE_HEADER)),
        ];
        assert_eq!(entry.attributes, attributes);
        assert_eq!(entry.message_group_id, None);
        let entry = published(true);
        assert_eq!(entry.message_group_id.as_deref(), Some("run 1"));
        let id = message::deduplication("[1]");
        assert_eq!(entry.message_deduplication_id, Some(id));
    }

    #[test]
    fn an_entry_is_stored_only_if_the_response_says_so() {
        let response = PublishBatchResult {
            successful: vec!["0".to_owned(), "not ours".to_owned()],
            failed: vec![FailedEntry {
                id: "1".to_owned(),
                code: "InternalError".to_owned(),
                message: None,
            }],
        };
        let (stored, failed) = result(&response);
        assert_eq!(stored, HashSet::from([0]));
        assert_eq!(failed, [(1, "InternalError: no message".to_owned())]);
    }
}
