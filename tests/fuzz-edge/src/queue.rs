//! Laws of messages: whatever another writer put into the queue is a record, and an event or not; nothing else.

use std::sync::Arc;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use functions::batch::records;
use openlineage::{Event, Level, OrderingKey};
use proxy::queue::{Pointer, Record};
use serde_json::{Value, json};

/// Names of attributes that mean something.
const OURS: [&str; 6] = [
    "id",
    "received_at",
    "ExtendedPayloadSize",
    "SQSLargePayloadSize",
    "reason",
    "x",
];
const SYSTEM: [&str; 4] = [
    "SentTimestamp",
    "ApproximateReceiveCount",
    "MessageGroupId",
    "SenderId",
];

/// One message as both ways give it: the first byte says which attributes there are, then come their values and the
/// body, parted by zero bytes.
pub(crate) fn sqs(bytes: &[u8]) {
    let Some(([ours, system], texts)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let Ok(texts) = std::str::from_utf8(texts) else {
        return;
    };
    let mut texts = texts.split('\0');
    let mut given = |bits: u8, names: &[&'static str]| -> Vec<(&'static str, &str)> {
        let there = names
            .iter()
            .enumerate()
            .filter(|(index, _)| bits >> index & 1 == 1);
        there
            .map(|(_, name)| (*name, texts.next().unwrap_or_default()))
            .collect()
    };
    let (ours, system) = (given(*ours, &OURS), given(*system, &SYSTEM));
    let body = texts.next().unwrap_or_default();

    let mut message = Message::builder()
        .message_id("m")
        .receipt_handle("r")
        .body(body);
    for (name, value) in &ours {
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(*value);
        message = message.message_attributes(*name, attribute.build().unwrap());
    }
    for (name, value) in &system {
        message = message.attributes(MessageSystemAttributeName::from(*name), *value);
    }
    let record = Record::from(message.build());
    let attributes: serde_json::Map<_, _> = (ours.iter())
        .map(|(name, value)| ((*name).to_owned(), json!({"stringValue": value, "dataType": "String", "stringListValues": [], "binaryListValues": []})))
        .collect();
    let system: serde_json::Map<_, _> = (system.iter())
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let event = json!({"Records": [{"messageId": "m", "receiptHandle": "r", "body": body, "attributes": system, "messageAttributes": attributes,
        "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q", "awsRegion": "eu-west-1"}]});
    // SQS has no message without a body, and Lambda hands none over.
    let Ok(by_lambda) = records(event) else {
        assert!(body.is_empty(), "as Lambda writes it");
        return;
    };
    assert_eq!(
        format!("{by_lambda:?}"),
        format!("{:?}", [&record]),
        "the same message is the same record"
    );
    held(&record, body);
}

fn held(record: &Record, body: &str) {
    assert_eq!(&*record.body, body);
    if let Some(pointer) = &record.stored {
        let Pointer { bucket, key, .. } = pointer;
        // What points to S3 is no event, so nothing is read for one.
        assert!(
            Event::read_shared(&record.body, Level::Repair).is_err(),
            "{bucket} {key}"
        );
        return;
    }
    if let Ok(read) = Event::read_shared(&record.body, Level::Repair) {
        let group = OrderingKey::from(&read.event).to_string();
        assert!((1..=128).contains(&group.len()) && group.is_ascii());
        if read.repairs.is_empty() && read.event.text().len() == body.len() {
            assert!(Arc::ptr_eq(&record.body, &read.event.shared_text()));
        }
    }
}

/// Any JSON as the event of the batch function.
pub(crate) fn sqs_event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    for record in records(event).unwrap_or_default() {
        let body = record.body.clone();
        held(&record, &body);
    }
}
