//! Streams: OpenLineage events that clients put on Kafka, Kinesis, SQS or SNS.
//!
//! [`events`] reads the events of one record or message: an event, an array of events, or several after each other, in the
//! envelope of SNS or in an aggregate of the Kinesis Producer Library, where the transport makes one. [`records`] takes the
//! payload of a Lambda function apart, whichever of the services invokes it. `fetch::sqs` gets messages of a queue.
//!
//! The clients write the event as UTF-8 JSON, the key beside it: `KafkaTransport` and `KinesisTransport` of
//! <https://github.com/OpenLineage/OpenLineage/tree/main/client>.

mod aggregate;
mod lambda;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sns::{self, Body};
use crate::{Extraction, Finding, FindingRule, FoundEvent, Identity, guarded};

pub use lambda::{LambdaRecord, RecordSource, records};

/// The most findings of one record. A record that is not from a client can be a million of values that are no events.
const MAX_FINDINGS: usize = 20;

/// What a record or a message holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamEvents {
    /// The events, and what is none.
    pub extraction: Extraction,
    /// Whether all of it is events. Otherwise the record should not be deleted as if it were read.
    pub is_complete: bool,
}

/// Reads the events of a record or a message. `place` says where it is, for findings.
///
/// An event is who its text says it is: the same bytes are the same event, wherever they are in the stream. So neither a
/// redelivery nor a producer that sends again, to another position, makes two of it.
pub fn events(data: &[u8], place: &str) -> StreamEvents {
    let read = guarded(data, || read(data, place));
    read.unwrap_or_else(|| StreamEvents {
        extraction: Extraction::unread(place, data),
        is_complete: false,
    })
}

fn read(data: &[u8], place: &str) -> StreamEvents {
    let mut found = Reader {
        place,
        extraction: Extraction::default(),
        unsaid: 0,
    };
    match aggregate::records(data) {
        Some(records) => {
            for (index, record) in records.iter().enumerate() {
                found.record(record, Some(index));
            }
        }
        None => found.record(data, None),
    }
    found.summarize();
    StreamEvents {
        is_complete: found.extraction.findings.is_empty(),
        extraction: found.extraction,
    }
}

struct Reader<'a> {
    place: &'a str,
    extraction: Extraction,
    /// The findings beyond [`MAX_FINDINGS`].
    unsaid: usize,
}

impl Reader<'_> {
    fn record(&mut self, data: &[u8], index: Option<usize>) {
        let text = std::str::from_utf8(data).unwrap_or_default();
        match sns::body(text) {
            Body::Raw => self.texts(text, index),
            Body::Notification(notification) => self.texts(&notification.message, index),
            Body::Control => self.report(
                FindingRule::Unreadable,
                index,
                "SNS asks to confirm a subscription, which only the owner of the queue can do",
            ),
        }
    }

    /// Values after each other, as files of JSON lines have them, or one.
    fn texts(&mut self, text: &str, index: Option<usize>) {
        let mut is_empty = true;
        for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            is_empty = false;
            let Ok(value) = value else {
                return self.report(FindingRule::Unreadable, index, "not JSON");
            };
            match value.get().starts_with('[') {
                false => self.value(value, index),
                true => match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
                    Ok(items) => items.into_iter().for_each(|item| self.value(item, index)),
                    Err(_) => self.report(FindingRule::Unreadable, index, "not JSON"),
                },
            }
        }
        if is_empty {
            self.report(FindingRule::Unreadable, index, "there is no JSON in it");
        }
    }

    fn value(&mut self, value: &RawValue, index: Option<usize>) {
        let text = value.get();
        if !is_event(text) {
            let message = "the JSON has no run, job or dataset";
            return self.report(FindingRule::NotOpenlineage, index, message);
        }
        self.extraction.events.push(FoundEvent {
            identity: Identity::of_event(text),
            text: text.to_owned(),
        });
    }

    fn report(&mut self, rule: FindingRule, index: Option<usize>, message: &str) {
        if self.extraction.findings.len() == MAX_FINDINGS {
            self.unsaid += 1;
            return;
        }
        let place = match index {
            None => self.place.to_owned(),
            Some(index) => format!("{}, record {index} of the aggregate", self.place),
        };
        self.extraction.findings.push(Finding {
            rule,
            place,
            message: message.to_owned(),
        });
    }

    fn summarize(&mut self) {
        if self.unsaid > 0 {
            self.extraction.findings.push(Finding {
                rule: FindingRule::NotOpenlineage,
                place: self.place.to_owned(),
                message: format!("{} more of it is no event", self.unsaid),
            });
        }
    }
}

/// Whether an object means to be an event. Whether it is a valid one is decided by intake, as for every source.
fn is_event(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Members<'a> {
        #[serde(borrow)]
        run: Option<&'a RawValue>,
        #[serde(borrow)]
        job: Option<&'a RawValue>,
        #[serde(borrow)]
        dataset: Option<&'a RawValue>,
    }
    let is_object =
        |value: Option<&RawValue>| value.is_some_and(|value| value.get().starts_with('{'));
    match serde_json::from_str::<Members<'_>>(text) {
        Ok(found) => [found.run, found.job, found.dataset]
            .into_iter()
            .any(is_object),
        // A member twice: what that comes to is intake's to say.
        Err(error) => text.starts_with('{') && error.is_data(),
    }
}

#[cfg(test)]
mod tests;
