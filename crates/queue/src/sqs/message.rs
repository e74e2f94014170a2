//! Converts an event to an SQS message and back: body, attributes, sizes. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use sha2::{Digest, Sha256};

use super::large::{Pointer, SIZE};
use crate::token_salt::ATTRIBUTE as TOKEN_SALT;
use crate::{Message, Receipt, Record, SharedEvent, TokenSalt, Trace, now};

/// The most bytes of a message that our attributes use: names, types and values.
pub(super) const ATTRIBUTES: usize = 512;

/// The longest reason of a dead letter, in bytes.
const REASON: usize = 4_096;

/// The most entries of a batch request (SQS quotas; PublishBatch of SNS has the same).
pub(super) const MAX_ENTRIES: usize = 10;

/// The system attribute with the trace of a message. SQS does not count it for the size of the message
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatchRequestEntry.html>).
const TRACE_HEADER: &str = "AWSTraceHeader";

/// The attribute of ours with the same, for a message that comes through a topic: what is published has no system attributes.
pub(super) const TRACE: &str = "trace";

/// Splits entries into requests of at most ten and at most `max_bytes`.
pub(super) fn grouped<E>(entries: Vec<(usize, E)>, max_bytes: usize) -> Vec<Vec<E>> {
    let mut groups: Vec<Vec<E>> = Vec::new();
    let mut filled = max_bytes;
    for (size, entry) in entries {
        match groups.last_mut() {
            Some(group) if group.len() < MAX_ENTRIES && filled + size <= max_bytes => {
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

/// Escapes what SQS does not accept: it accepts the characters of XML 1.0. Of the others, JSON text can contain only
/// U+FFFE and U+FFFF unescaped, inside strings, where the escaped form means the same.
pub(super) fn transportable(body: &str) -> String {
    if body.contains(['\u{fffe}', '\u{ffff}']) {
        body.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        body.to_owned()
    }
}

/// Returns the entry of a message to send; `body` is the event or a pointer to it.
///
/// In a FIFO queue the deduplication id is that of the content: a client that repeats a request sends the same bytes, and
/// SQS drops them within five minutes. What a replay asks the target to take again is not a copy of the event before.
pub(super) fn entry(
    index: usize,
    body: String,
    message: &Message,
    stored: Option<&Pointer>,
    token_salt: Option<&TokenSalt>,
    ordered: bool,
) -> Option<SendMessageBatchRequestEntry> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        .message_attributes("id", text(&message.id))
        .message_attributes("received_at", number(message.received_at));
    if let Some(trace) = &message.trace {
        let (name, header) = trace_header(trace);
        entry = entry.message_system_attributes(name, header);
    }
    if let Some(pointer) = stored {
        entry = entry.message_attributes(SIZE, size(pointer));
    }
    if let Some(salt) = token_salt {
        entry = entry.message_attributes(TOKEN_SALT, text(salt.as_str()));
    }
    if ordered {
        let id = match token_salt {
            None => deduplication(&message.body),
            Some(salt) => deduplication(&format!("{}\n{}", salt.as_str(), message.body)),
        };
        entry = entry
            .message_group_id(&message.group)
            .message_deduplication_id(id);
    }
    entry.build().ok()
}

/// Returns the deduplication id of a content: 64 of the 1 to 128 characters allowed.
pub(super) fn deduplication(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn size(pointer: &Pointer) -> MessageAttributeValue {
    number(i64::try_from(pointer.bytes).unwrap_or(i64::MAX))
}

/// A message that the SDK received.
impl From<SqsMessage> for Record {
    fn from(message: SqsMessage) -> Record {
        let system = |name: &str| {
            let name = MessageSystemAttributeName::from(name);
            let all = message.attributes.as_ref();
            all.and_then(|all| all.get(&name)).cloned()
        };
        let ours = |name: &str| {
            let all = message.message_attributes.as_ref();
            let attribute: Option<&MessageAttributeValue> = all.and_then(|all| all.get(name));
            let value = attribute.and_then(MessageAttributeValue::string_value);
            value.map(str::to_owned)
        };
        Record::received(
            message.message_id.as_deref().unwrap_or_default().into(),
            message.receipt_handle.clone().unwrap_or_default(),
            message.body.clone().unwrap_or_default(),
            system,
            ours,
        )
    }
}

impl Record {
    /// Reads a message of SQS. `system` and `ours` return the values of system and message attributes; other producers
    /// may write anything into the latter.
    pub fn received(
        queue_id: Arc<str>,
        receipt: String,
        body: String,
        system: impl Fn(&str) -> Option<String>,
        ours: impl Fn(&str) -> Option<String>,
    ) -> Record {
        let time = |value: Option<String>| value?.parse().ok().filter(|time| *time >= 0);
        let count = system("ApproximateReceiveCount");
        Record {
            stored: Pointer::read(&body, &ours),
            group: system("MessageGroupId"),
            trace: (system(TRACE_HEADER).or_else(|| ours(TRACE)))
                .and_then(|header| Trace::from_xray(&header)),
            token_salt: ours(TOKEN_SALT).and_then(|salt| TokenSalt::read(&salt)),
            id: ours("id")
                .filter(|id| is_id(id))
                .map_or_else(|| queue_id.clone(), Arc::from),
            received_at: time(ours("received_at")).or_else(|| time(system("SentTimestamp"))),
            attempts: count.and_then(|count| count.parse().ok()).unwrap_or(1),
            receipt: Receipt::Sqs(receipt),
            queue_id,
            body: body.into(),
            unreadable: None,
            event: SharedEvent::default(),
        }
    }
}

/// Whether a text can be an id: ours are UUIDs; another producer may use short ids of plain characters.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns the attributes of a dead letter that fit into `space` bytes, the reason before all others.
pub(super) fn dead_letter_attributes(
    record: &Record,
    reason: &str,
    mut space: usize,
) -> HashMap<String, MessageAttributeValue> {
    let pointer = record.stored.as_ref().map(|pointer| (SIZE, size(pointer)));
    let beside = cost("reason", &text(""))
        + pointer
            .as_ref()
            .map_or(0, |(name, value)| cost(name, value));
    let most = REASON.min(space.saturating_sub(beside));
    let reason = reason.get(..reason.floor_char_boundary(most));
    let wanted = [
        pointer,
        Some(("reason", text(reason.unwrap_or_default()))),
        Some(("id", text(&record.id))),
        Some(("attempts", number(record.attempts.into()))),
        Some(("dead_at", number(now()))),
        record.received_at.map(|time| ("received_at", number(time))),
        (record.token_salt.as_ref()).map(|salt| (TOKEN_SALT, text(salt.as_str()))),
        // Last: it helps to follow the event after a redrive, and the others say what happened.
        (record.trace.as_ref()).map(|trace| (TRACE, text(&trace.to_string()))),
    ];
    let mut attributes = HashMap::new();
    for (name, value) in wanted.into_iter().flatten() {
        if let Some(left) = space.checked_sub(cost(name, &value)) {
            space = left;
            attributes.insert(name.to_owned(), value);
        }
    }
    attributes
}

/// Returns the attributes with which a dead letter goes back to the queue: what it came with.
pub(super) fn redriven_attributes(record: &Record) -> HashMap<String, MessageAttributeValue> {
    let received_at = record.received_at.unwrap_or_else(now);
    let attributes = [
        Some(("id", text(&record.id))),
        Some(("received_at", number(received_at))),
        (record.stored.as_ref()).map(|pointer| (SIZE, size(pointer))),
        (record.token_salt.as_ref()).map(|salt| (TOKEN_SALT, text(salt.as_str()))),
        (record.trace.as_ref()).map(|trace| (TRACE, text(&trace.to_string()))),
    ];
    let named = attributes.into_iter().flatten();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns how many bytes of a message an attribute takes.
pub(super) fn cost(name: &str, value: &MessageAttributeValue) -> usize {
    name.len() + value.data_type().len() + value.string_value().map_or(0, str::len)
}

/// Returns a text attribute that SQS accepts: not empty, and with the characters of XML 1.0.
pub(super) fn text(value: &str) -> MessageAttributeValue {
    let is_accepted = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    match value {
        "" => attribute("String", "-"),
        value if value.chars().all(is_accepted) => attribute("String", value),
        value => attribute("String", &value.replace(|c| !is_accepted(c), "?")),
    }
}

pub(super) fn number(value: i64) -> MessageAttributeValue {
    attribute("Number", &value.to_string())
}

#[allow(
    clippy::expect_used,
    reason = "the builder fails only without a data type"
)]
pub(super) fn trace_header(
    trace: &Trace,
) -> (
    MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue,
) {
    let builder = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace.to_string());
    let value = builder.build().expect("a data type is given");
    (MessageSystemAttributeNameForSends::AwsTraceHeader, value)
}

#[allow(
    clippy::expect_used,
    reason = "the builder fails only without a data type"
)]
pub(super) fn attribute(data_type: &str, value: &str) -> MessageAttributeValue {
    let builder = MessageAttributeValue::builder()
        .data_type(data_type)
        .string_value(value);
    builder.build().expect("a data type is given")
}

/// Returns the region of a queue, from its URL: `https://sqs.<region>.amazonaws.com/…`.
pub(super) fn region(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

#[cfg(test)]
mod tests;
