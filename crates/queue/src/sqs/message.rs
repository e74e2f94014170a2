//! Converts an event to an SQS message and back: body, attributes, sizes. Pure.

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName,
    MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};
use sha2::{Digest, Sha256};

use super::large::{Pointer, SIZE};
use crate::{Message, Record, SharedEvent, Trace, now};

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
/// SQS drops them within five minutes.
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
    if let Some(trace) = &message.trace {
        let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
        entry = entry.message_system_attributes(name, trace_header(trace));
    }
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

/// Returns the deduplication id of a content: 64 of the 1 to 128 characters allowed.
pub(super) fn deduplication(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

pub(super) fn size(pointer: &Pointer) -> MessageAttributeValue {
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
            message.message_id.clone().unwrap_or_default(),
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
        queue_id: String,
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
            id: ours("id")
                .filter(|id| is_id(id))
                .unwrap_or_else(|| queue_id.clone()),
            received_at: time(ours("received_at")).or_else(|| time(system("SentTimestamp"))),
            attempts: count.and_then(|count| count.parse().ok()).unwrap_or(1),
            receipt,
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
fn trace_header(trace: &Trace) -> MessageSystemAttributeValue {
    let builder = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value(trace.to_string());
    builder.build().expect("a data type is given")
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
mod tests {
    use super::*;
    use crate::config::MAX_BYTES;

    #[test]
    fn requests_hold_ten_entries_and_a_mebibyte() {
        let sizes = |entries: Vec<usize>| -> Vec<usize> {
            let entries = entries.into_iter().map(|size| (size, ())).collect();
            let groups = grouped(entries, MAX_BYTES);
            groups.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(vec![100; 25]), [10, 10, 5]);
        assert_eq!(
            sizes(vec![600_000, 600_000, 100, MAX_BYTES, 1]),
            [1, 2, 1, 1]
        );
        assert!(sizes(Vec::new()).is_empty());
    }

    fn dead(reason: &str, space: usize) -> HashMap<String, MessageAttributeValue> {
        let header = |name: &str| (name == TRACE_HEADER).then(|| HEADER.to_owned());
        let record = Record::received("q".into(), "r".into(), "[1]".into(), header, |_| None);
        dead_letter_attributes(&record, reason, space)
    }

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

    #[test]
    fn a_dead_letter_that_is_redriven_has_its_trace() {
        let letter = dead("invalid", 1_000);
        let ours = |name: &str| Some(letter.get(name)?.string_value()?.to_owned());
        let record = Record::received("q".into(), "r".into(), "[1]".into(), |_| None, ours);
        assert_eq!(
            record.trace.map(|it| it.to_string()).as_deref(),
            Some(HEADER)
        );
    }

    #[test]
    fn a_dead_letter_has_the_attributes_that_fit_and_its_reason_first() {
        for space in 0..300 {
            let attributes = dead("invalid: \u{e9}\u{e9}\u{e9}", space);
            let size: usize = attributes
                .iter()
                .map(|(name, value)| cost(name, value))
                .sum();
            assert!(size <= space);
            assert_eq!(attributes.contains_key("reason"), space >= 13);
            assert!(
                !attributes.contains_key(TRACE) || attributes.len() == 5,
                "the trace last"
            );
        }
        let long = dead(&"x".repeat(900_000), 1_000_000);
        assert!(cost("reason", &long["reason"]) < 2 * REASON);
        assert_eq!(long.len(), 5);
    }

    #[test]
    fn characters_of_a_reason_that_sqs_refuses_are_replaced() {
        let attributes = dead("a\u{0}b\u{1b}\u{ffff}c", 1_000);
        assert_eq!(attributes["reason"].string_value(), Some("a?b??c"));
    }

    #[test]
    fn attributes_of_another_writer_are_used_if_they_are_valid() {
        let system = |name: &str| (name == "SentTimestamp").then(|| "7".to_owned());
        let read = |id: &str, time: &str| {
            let ours = |name: &str| Some(if name == "id" { id } else { time }.to_owned());
            let record = Record::received("q".into(), "r".into(), "[1]".into(), system, ours);
            (record.id, record.received_at)
        };
        assert_eq!(read("a-1", "9"), ("a-1".to_owned(), Some(9)));
        for (id, time) in [("", "soon"), ("a\nb", "-9"), (&"x".repeat(999), "1e3")] {
            assert_eq!(read(id, time), ("q".to_owned(), Some(7)));
        }
    }

    #[test]
    fn a_trace_is_read_from_the_system_attribute_or_from_ours_if_it_came_through_a_topic() {
        let header = HEADER;
        let read = |system: Option<&str>, ours: Option<&str>| {
            let of = |name: &'static str, value: Option<&str>| {
                let value = value.map(str::to_owned);
                move |asked: &str| value.clone().filter(|_| asked == name)
            };
            let (system, ours) = (of(TRACE_HEADER, system), of(TRACE, ours));
            let record = Record::received("q".into(), "r".into(), "[1]".into(), system, ours);
            record.trace.map(|trace| trace.to_string())
        };
        assert_eq!(read(Some(header), None).as_deref(), Some(header));
        assert_eq!(read(None, Some(header)).as_deref(), Some(header));
        assert_eq!(read(Some("x"), Some(header)), None);
        assert_eq!(read(None, None), None);
    }

    #[test]
    fn characters_that_sqs_refuses_travel_escaped() {
        assert_eq!(
            transportable("\"a\u{ffff}\u{fffe}b\""),
            r#""a\uffff\ufffeb""#
        );
    }

    #[test]
    fn the_region_comes_from_the_url() {
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
