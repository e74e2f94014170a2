//! An event as an SQS message and back: body, attributes, sizes. Pure leaves of `sqs.rs`.

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName,
    SendMessageBatchRequestEntry,
};
use sha2::{Digest, Sha256};

use super::large::{Pointer, SIZE};
use crate::queue::{Message, Record, now};

/// The largest message, attributes included, and the largest SendMessageBatch, in bytes (SQS quotas: 1 MiB).
pub(super) const MAX_BYTES: usize = 1_048_576;

/// What our attributes take of it at most: names, types and values.
pub(super) const ATTRIBUTES: usize = 512;

/// Entries of a batch request (SQS quotas).
pub(super) const MAX_ENTRIES: usize = 10;

/// Cuts entries into requests of at most ten and at most 1 MiB.
pub(super) fn grouped<E>(entries: Vec<(usize, E)>) -> Vec<Vec<E>> {
    let mut groups: Vec<Vec<E>> = Vec::new();
    let mut filled = MAX_BYTES;
    for (size, entry) in entries {
        match groups.last_mut() {
            Some(group) if group.len() < MAX_ENTRIES && filled + size <= MAX_BYTES => {
                filled += size;
                group.push(entry);
            }
            Some(_) | None => {
                filled = size;
                groups.push(vec![entry]);
            }
        }
    }
    groups
}

/// SQS takes the characters of XML 1.0. Of the others, JSON text can hold U+FFFE and U+FFFF as they are, inside
/// strings: they travel escaped, which means the same.
pub(super) fn transportable(body: &str) -> String {
    if body.contains(['\u{fffe}', '\u{ffff}']) {
        body.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        body.to_owned()
    }
}

/// A message to be sent; `body` is its event or what points to it.
///
/// A FIFO queue takes the same content once in five minutes: a client that sends again what was accepted sends the
/// same bytes.
pub(super) fn entry(
    index: usize,
    body: String,
    message: &Message,
    stored: Option<&Pointer>,
    ordered: bool,
) -> Option<SendMessageBatchRequestEntry> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .message_attributes("id", text(&message.id))
        .message_attributes("received_at", number(message.received_at));
    if let Some(pointer) = stored {
        entry = entry.message_attributes(SIZE, size(pointer));
    }
    if ordered {
        entry = entry
            .message_group_id(&message.group)
            .message_deduplication_id(deduplication(&message.body));
    }
    entry.build().ok()
}

/// A message de-duplication id: 64 of the 1 to 128 characters allowed.
pub(super) fn deduplication(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

pub(super) fn size(pointer: &Pointer) -> MessageAttributeValue {
    number(i64::try_from(pointer.bytes).unwrap_or(i64::MAX))
}

pub(super) fn record(message: SqsMessage) -> Record {
    let system = |name| {
        message
            .attributes
            .as_ref()
            .and_then(|all| all.get(&name))
            .and_then(|value| value.parse().ok())
    };
    let ours = |name: &str| {
        let attribute: Option<&MessageAttributeValue> = message
            .message_attributes
            .as_ref()
            .and_then(|all| all.get(name));
        attribute.and_then(MessageAttributeValue::string_value)
    };
    let body = message.body.unwrap_or_default();
    Record {
        stored: Pointer::read(&body, |name| ours(name).map(str::to_owned)),
        group: message
            .attributes
            .as_ref()
            .and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId))
            .cloned(),
        id: ours("id")
            .map(str::to_owned)
            .or_else(|| message.message_id.clone())
            .unwrap_or_default(),
        received_at: ours("received_at")
            .and_then(|value| value.parse().ok())
            .or_else(|| system(MessageSystemAttributeName::SentTimestamp)),
        receives: system(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
        receipt: message.receipt_handle.unwrap_or_default(),
        queue_id: message.message_id.unwrap_or_default(),
        body: body.into(),
    }
}

pub(super) fn dead_letter_attributes(
    record: &Record,
    reason: &str,
) -> HashMap<String, MessageAttributeValue> {
    let mut attributes = HashMap::from([
        ("id".to_owned(), text(&record.id)),
        ("reason".to_owned(), text(reason)),
        ("receives".to_owned(), number(record.receives.into())),
        ("dead_at".to_owned(), number(now())),
    ]);
    if let Some(pointer) = &record.stored {
        attributes.insert(SIZE.to_owned(), size(pointer));
    }
    if let Some(received_at) = record.received_at {
        attributes.insert("received_at".to_owned(), number(received_at));
    }
    attributes
}

pub(super) fn text(value: &str) -> MessageAttributeValue {
    attribute("String", if value.is_empty() { "-" } else { value })
}

pub(super) fn number(value: i64) -> MessageAttributeValue {
    attribute("Number", &value.to_string())
}

#[allow(clippy::expect_used)] // the builder fails only without a data type
pub(super) fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    let builder = MessageAttributeValue::builder()
        .data_type(data_type)
        .string_value(value);
    builder.build().expect("a data type is given")
}

/// The region of a queue, from its URL: `https://sqs.<region>.amazonaws.com/…`.
pub(super) fn region(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_hold_ten_entries_and_a_mebibyte() {
        let sizes = |entries: Vec<usize>| -> Vec<usize> {
            let groups = grouped(entries.into_iter().map(|size| (size, ())).collect());
            groups.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(vec![100; 25]), [10, 10, 5]);
        assert_eq!(
            sizes(vec![600_000, 600_000, 100, MAX_BYTES, 1]),
            [1, 2, 1, 1]
        );
        assert!(sizes(Vec::new()).is_empty());
    }

    #[test]
    fn characters_that_sqs_refuses_travel_escaped() {
        assert_eq!(
            transportable("\"a\u{ffff}\u{fffe}b\""),
            r#""a\uffff\ufffeb""#
        );
    }

    #[test]
    fn a_queue_is_spoken_to_in_its_own_region() {
        assert_eq!(
            region("https://sqs.eu-west-1.amazonaws.com/1/q"),
            Some("eu-west-1")
        );
        assert_eq!(
            region("https://sqs.cn-north-1.amazonaws.com.cn/1/q"),
            Some("cn-north-1")
        );
        assert_eq!(region("http://localhost:4566/1/q"), None);
    }
}
