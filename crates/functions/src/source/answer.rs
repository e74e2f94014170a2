//! Decides what an invocation of the source function answers: whether Lambda passes over what it was given, or gives it again. Pure.
//!
//! What is not in the queue is never passed over, unless nobody will ever be able to read it. How Lambda repeats depends on the
//! service: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html> (SNS).

use proxy::source::{SendReport, Tally};
use serde_json::{Value, json};
use sources::streams::RecordSource;
use uuid::Uuid;

/// The invocation failed. Lambda makes it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(pub(super) String);

/// What came of reading a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it was read.
    Whole,
    /// It, or a part of it, is nothing that is read here, today or later.
    Unreadable,
    /// It could not be read for now.
    Later,
}

/// A message that was read, or not.
#[derive(Debug, Clone)]
pub(super) struct ReadMessage {
    /// What names it in the answer.
    pub(super) item: String,
    pub(super) read: Read,
    /// The identities of its events, or its own if it cannot be read because of a bug.
    pub(super) parts: Vec<Uuid>,
}

/// Returns the answer to messages of a service.
///
/// # Errors
///
/// Something is to be repeated, and the service repeats an invocation as a whole only, or somebody has to know.
pub(super) fn to_records(
    service: RecordSource,
    messages: &[ReadMessage],
    sent: &SendReport,
) -> Result<Value, Failed> {
    let is_left = |message: &&ReadMessage| {
        message.read == Read::Later || message.parts.iter().any(|id| sent.left.contains(id))
    };
    // Its queue has dead letters for it, and holds up nothing else meanwhile.
    let is_unreadable = |message: &&ReadMessage| message.read == Read::Unreadable;
    let items = |is_failed: &dyn Fn(&&ReadMessage) -> bool| {
        let failed = messages.iter().filter(is_failed);
        failures(failed.map(|message| message.item.clone()).collect())
    };
    match service {
        RecordSource::Sqs => Ok(items(&|message| is_left(message) || is_unreadable(message))),
        // What cannot be read would hold up all that comes after it; it was logged. Lambda goes on from the first record that is
        // named. If that is the first of all, nothing is gained by naming it: the invocation fails, which an alarm sees, and Lambda
        // halves the batch. So it does for a bug, until a version has the fix.
        RecordSource::Kinesis
            if sent.tally.unkept == 0
                && !messages.first().is_some_and(|message| is_left(&message)) =>
        {
            Ok(items(&is_left))
        }
        RecordSource::Kinesis | RecordSource::Kafka | RecordSource::Sns => {
            whole(sent)?;
            match messages.iter().any(|message| is_left(&message)) {
                true => Err(Failed("a message could not be read for now".to_owned())),
                false => Ok(failures(Vec::new())),
            }
        }
    }
}

/// Says whether all events are in the queue, were there before, or are invalid.
///
/// # Errors
///
/// Some are not. Lambda makes the invocation again, and then keeps it where its failures go.
pub(super) fn whole(sent: &SendReport) -> Result<(), Failed> {
    match sent.tally {
        Tally { unkept: 1.., .. } => Err(Failed(
            "something cannot be read because of a bug".to_owned(),
        )),
        Tally { unsent: 1.., .. } => Err(late()),
        Tally { .. } => Ok(()),
    }
}

/// The error of an invocation that had too little time.
pub(super) fn late() -> Failed {
    Failed("the time of the function ended before the queue had the events".to_owned())
}

/// The answer that names the messages to deliver again (`ReportBatchItemFailures`).
pub(super) fn failures(items: Vec<String>) -> Value {
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| json!({"itemIdentifier": item}))
        .collect();
    json!({ "batchItemFailures": items })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Uuid = Uuid::from_u128(1);
    const BUG: Uuid = Uuid::from_u128(2);
    const UNSENT: Uuid = Uuid::from_u128(3);

    fn message(item: &str, read: Read, events: &[Uuid]) -> ReadMessage {
        ReadMessage {
            item: item.to_owned(),
            read,
            parts: events.to_vec(),
        }
    }

    /// What the queue has of these messages: `BUG` cannot be validated, and for `UNSENT` there was no time.
    fn sent(messages: &[ReadMessage]) -> SendReport {
        let mut sent = SendReport::default();
        for id in messages.iter().flat_map(|message| &message.parts) {
            match *id {
                BUG => sent.tally.unkept += 1,
                UNSENT => sent.tally.unsent += 1,
                _ => {
                    sent.tally.accepted += 1;
                    continue;
                }
            }
            sent.left.insert(*id);
        }
        sent
    }

    fn answer(service: RecordSource, messages: &[ReadMessage]) -> Result<Value, Failed> {
        to_records(service, messages, &sent(messages))
    }

    fn items(items: &[&str]) -> Result<Value, Failed> {
        Ok(failures(items.iter().map(ToString::to_string).collect()))
    }

    use RecordSource::{Kafka, Kinesis, Sns, Sqs};

    #[test]
    fn messages_whose_events_the_queue_has_are_done_with() {
        let messages = [message("a", Read::Whole, &[GOOD])];
        for service in [Sqs, Kinesis, Kafka, Sns] {
            assert_eq!(answer(service, &messages), items(&[]), "{service:?}");
        }
    }

    #[test]
    fn an_event_that_panics_is_passed_over_by_no_service() {
        let messages = [
            message("a", Read::Whole, &[GOOD]),
            message("b", Read::Whole, &[GOOD, BUG]),
        ];
        assert_eq!(answer(Sqs, &messages), items(&["b"]));
        for service in [Kinesis, Kafka, Sns] {
            let failed = answer(service, &messages).unwrap_err().to_string();
            assert!(failed.contains("bug"), "{service:?}: {failed}");
        }
        assert!(whole(&sent(&messages)).is_err(), "a subscription of logs");
    }

    #[test]
    fn an_event_for_which_there_was_no_time_is_passed_over_by_no_service() {
        let messages = [
            message("a", Read::Whole, &[GOOD]),
            message("b", Read::Whole, &[UNSENT]),
        ];
        for service in [Sqs, Kinesis] {
            assert_eq!(answer(service, &messages), items(&["b"]), "{service:?}");
        }
        for service in [Kafka, Sns] {
            assert_eq!(answer(service, &messages), Err(late()), "{service:?}");
        }
        assert_eq!(whole(&sent(&messages)), Err(late()));
    }

    #[test]
    fn a_message_that_cannot_be_read_for_now_is_passed_over_by_no_service() {
        let messages = [
            message("a", Read::Whole, &[GOOD]),
            message("b", Read::Later, &[]),
        ];
        for service in [Sqs, Kinesis] {
            assert_eq!(answer(service, &messages), items(&["b"]), "{service:?}");
        }
        for service in [Kafka, Sns] {
            assert!(answer(service, &messages).is_err(), "{service:?}");
        }
    }

    #[test]
    fn a_shard_that_does_not_get_on_is_seen_by_the_alarm_of_failed_invocations() {
        let outage = [
            message("a", Read::Whole, &[UNSENT]),
            message("b", Read::Whole, &[UNSENT]),
        ];
        assert_eq!(answer(Kinesis, &outage), Err(late()));
        let first = [
            message("a", Read::Whole, &[UNSENT]),
            message("b", Read::Whole, &[GOOD]),
        ];
        assert_eq!(answer(Kinesis, &first), Err(late()));
        // Each message of a queue has its own count of receipts, and its own dead letters.
        assert_eq!(answer(Sqs, &outage), items(&["a", "b"]));
    }

    #[test]
    fn what_cannot_be_read_goes_to_the_dead_letters_of_its_queue_and_holds_up_no_stream() {
        let messages = [
            message("a", Read::Unreadable, &[GOOD]),
            message("b", Read::Whole, &[GOOD]),
        ];
        assert_eq!(answer(Sqs, &messages), items(&["a"]));
        for service in [Kinesis, Kafka, Sns] {
            assert_eq!(answer(service, &messages), items(&[]), "{service:?}");
        }
    }
}
