//! The payloads with which SQS, SNS, Kinesis and Kafka invoke a Lambda function, taken apart into records.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>, `with-sns.html`, `with-kinesis.html`, `with-msk.html`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::{Finding, FindingRule};

/// The service that invoked a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSource {
    /// A queue. A message that is reported as failed is received again.
    Sqs,
    /// A topic. The invocation fails or succeeds as a whole.
    Sns,
    /// A stream. A record that is reported as failed holds up its shard until it succeeds, expires, or goes to the
    /// destination for failures.
    Kinesis,
    /// A topic of Kafka: as a stream.
    Kafka,
}

/// A record of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaRecord {
    /// The `itemIdentifier` with which a function reports that the record has failed: the id of the message, or the sequence
    /// number. For Kafka, which has none, the topic, partition and offset.
    pub item: String,
    /// Where the record is, for findings.
    pub place: String,
    /// Its bytes, if they can be decoded.
    pub data: Result<Vec<u8>, Finding>,
    /// How often it was received, this time included. Only SQS says so.
    pub receives: Option<u32>,
}

/// Takes the payload of an invocation apart.
///
/// # Errors
///
/// The payload is none of these services, or lacks what each record has.
pub fn records(payload: &[u8]) -> Result<(RecordSource, Vec<LambdaRecord>), Finding> {
    let payload: Payload = serde_json::from_slice(payload)
        .map_err(|_| unreadable("payload", "it is not that of SQS, SNS, Kinesis or Kafka"))?;
    match payload {
        Payload::Kafka { records } => {
            let records = records.into_values().flatten();
            Ok((RecordSource::Kafka, records.filter_map(kafka).collect()))
        }
        Payload::Records { records } => {
            let mut source = None;
            let mut taken = Vec::new();
            for record in records {
                let (of, record) = match record {
                    Record::Sqs {
                        id,
                        body,
                        queue,
                        attributes,
                    } => (RecordSource::Sqs, sqs(id, body, &queue, &attributes)),
                    Record::Sns { sns } => (RecordSource::Sns, notification(sns)),
                    Record::Kinesis {
                        kinesis,
                        id,
                        stream,
                    } => (RecordSource::Kinesis, kinesis_record(kinesis, &id, &stream)),
                };
                if *source.get_or_insert(of) != of {
                    return Err(unreadable("payload", "its records are of several services"));
                }
                taken.push(record);
            }
            let source = source.ok_or_else(|| unreadable("payload", "it has no records"))?;
            Ok((source, taken))
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Payload {
    Records {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    Kafka {
        records: BTreeMap<String, Vec<Kafka>>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Record {
    Sqs {
        #[serde(rename = "messageId")]
        id: String,
        body: String,
        #[serde(rename = "eventSourceARN", default)]
        queue: String,
        #[serde(default)]
        attributes: Attributes,
    },
    Sns {
        #[serde(rename = "Sns")]
        sns: Sns,
    },
    Kinesis {
        kinesis: Kinesis,
        #[serde(rename = "eventID", default)]
        id: String,
        #[serde(rename = "eventSourceARN", default)]
        stream: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Attributes {
    approximate_receive_count: Option<String>,
}

#[derive(Deserialize)]
struct Sns {
    #[serde(rename = "MessageId")]
    id: String,
    #[serde(rename = "TopicArn", default)]
    topic: String,
    #[serde(rename = "Message")]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis {
    sequence_number: String,
    data: String,
}

#[derive(Deserialize)]
struct Kafka {
    topic: String,
    partition: i64,
    offset: i64,
    value: Option<String>,
}

fn sqs(id: String, body: String, queue: &str, attributes: &Attributes) -> LambdaRecord {
    let receives = attributes.approximate_receive_count.as_ref();
    LambdaRecord {
        place: format!("{queue} message {id}"),
        item: id,
        data: Ok(body.into_bytes()),
        receives: receives.and_then(|count| count.parse().ok()),
    }
}

fn notification(sns: Sns) -> LambdaRecord {
    LambdaRecord {
        place: format!("{} message {}", sns.topic, sns.id),
        item: sns.id,
        data: Ok(sns.message.into_bytes()),
        receives: None,
    }
}

/// `id` names shard and sequence number.
fn kinesis_record(kinesis: Kinesis, id: &str, stream: &str) -> LambdaRecord {
    let place = match id.is_empty() {
        true => format!("{stream} {}", kinesis.sequence_number),
        false => format!("{stream} {id}"),
    };
    LambdaRecord {
        data: decoded(&kinesis.data, &place),
        item: kinesis.sequence_number,
        place,
        receives: None,
    }
}

/// A record without a value deletes its key, and is no event.
fn kafka(record: Kafka) -> Option<LambdaRecord> {
    let value = record.value?;
    let item = format!("{}-{}:{}", record.topic, record.partition, record.offset);
    let place = format!(
        "topic {} partition {} offset {}",
        record.topic, record.partition, record.offset
    );
    Some(LambdaRecord {
        data: decoded(&value, &place),
        item,
        place,
        receives: None,
    })
}

fn decoded(text: &str, place: &str) -> Result<Vec<u8>, Finding> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| unreadable(place, "the record is not base64"))
}

fn unreadable(place: &str, message: &str) -> Finding {
    Finding {
        rule: FindingRule::Unreadable,
        place: place.to_owned(),
        message: message.to_owned(),
    }
}
