//! The pipeline's laws: whatever fails, each record ends in exactly one outcome (`tests/outcomes.rs`), and each run stays in
//! order.

mod model;
mod outcomes;
mod process;

use std::collections::BTreeMap;
use std::sync::Arc;

use openlineage::{Event, Level};
use proptest::prelude::*;
use targets::{Delivery, Failure, Reason, Scope, TargetName};

use super::delivery::RunDelivery;
use super::ordering::Block;
use super::outbound::{MergedEvent, OutboundEvent, TransformedEvent};
use super::outcome::{PendingEvent, settled};
use super::retry::Attempt;
use super::*;
use crate::queue::Record;

fn text(run: u8, event_type: &str, second: u8, job: &str) -> String {
    format!(
        r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
        "run":{{"runId":"00000000-0000-0000-0000-0000000000{run:02}"}},"job":{{"namespace":"n","name":"{job}"}}}}"#
    )
}

fn record(queue_id: &str, attempts: u32, body: &str) -> Arc<Record> {
    Arc::new(Record {
        queue_id: queue_id.into(),
        body: body.into(),
        attempts,
        ..Record::unqueued(format!("id-{queue_id}").into())
    })
}

/// An event made of those messages, each received so often.
fn outbound(queue_ids: &[&str], attempts: u32) -> OutboundEvent {
    let event = |job| {
        let text = text(1, "RUNNING", 0, job);
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    };
    let part = |(index, queue_id): (usize, &&str)| TransformedEvent {
        pending: PendingEvent::new(record(queue_id, attempts, ""), event("part")),
        transformed: event("part"),
        log: TransformLog::default(),
        index,
    };
    let mut parts: Vec<_> = queue_ids.iter().enumerate().map(part).collect();
    match parts.len() {
        1 => OutboundEvent::Single(parts.remove(0)),
        _ => OutboundEvent::Merged(MergedEvent {
            id: queue_ids.join("+").into(),
            event: event("merged"),
            parts,
        }),
    }
}

fn failure(scope: Scope) -> Failure {
    Failure {
        reason: Reason::Unavailable,
        scope,
        message: "503".to_owned(),
        after: None,
    }
}

fn delivered() -> Attempt {
    Attempt::Answered(Delivery::Delivered { id: None })
}

fn rejected() -> Attempt {
    Attempt::Answered(Delivery::Permanent(failure(Scope::Event)))
}

fn failed() -> Attempt {
    Attempt::Answered(Delivery::Transient(failure(Scope::Event)))
}

const POLICY: RetryPolicy = RetryPolicy { max_attempts: 5 };

/// Delivers events; `attempts` are how each attempt ends, those after the last deliver. Returns the ids that were attempted,
/// the outcome of each message, and what blocks the run.
fn deliver(
    events: Vec<OutboundEvent>,
    earlier: Option<Block>,
    attempts: Vec<Attempt>,
) -> (Vec<String>, Vec<(String, &'static str)>, Option<Block>) {
    let mut delivery = RunDelivery::new(POLICY, events, earlier);
    let (mut attempted, mut attempts) = (Vec::new(), attempts.into_iter());
    while let Some(event) = delivery.next(None) {
        attempted.push(event.id().to_owned());
        let attempt = attempts.next().unwrap_or_else(delivered);
        delivery.record(&attempt, Duration::ZERO);
    }
    let (decided, block) = delivery.finish();
    let outcomes = decided
        .into_iter()
        .map(|decided| (decided.record.queue_id.to_string(), decided.outcome.name()));
    (attempted, outcomes.collect(), block)
}

#[test]
fn an_event_that_failed_holds_up_the_later_ones_of_its_run() {
    let events = vec![
        outbound(&["a"], 1),
        outbound(&["b"], 1),
        outbound(&["c"], 1),
    ];
    let (attempted, outcomes, block) = deliver(events, None, vec![delivered(), failed()]);
    assert_eq!(attempted, ["id-a", "id-b"]);
    let names = outcomes.iter().map(|(_, name)| *name);
    assert_eq!(names.collect::<Vec<_>>(), ["delivered", "retry", "retry"]);
    assert_eq!(&*block.unwrap().by, "b");
}

#[test]
fn an_event_that_failed_too_often_no_longer_holds_up_its_run() {
    let events = vec![outbound(&["a"], 4), outbound(&["b"], 1)];
    let (attempted, _, block) = deliver(events, None, vec![failed()]);
    assert_eq!(attempted, ["id-a", "id-b"]);
    assert!(block.is_none());
}

#[test]
fn a_run_that_is_blocked_is_not_attempted_and_stays_blocked_by_the_same_event() {
    let earlier = Block {
        after: Duration::from_secs(7),
        by: "earlier".into(),
        failure: Failure {
            after: Some(Duration::from_secs(7)),
            ..failure(Scope::Event)
        },
    };
    let (attempted, outcomes, block) =
        deliver(vec![outbound(&["a"], 1)], Some(earlier), Vec::new());
    assert!(attempted.is_empty());
    assert_eq!(outcomes, [("a".to_owned(), "retry")]);
    let block = block.unwrap();
    assert_eq!(
        (&*block.by, block.after),
        ("earlier", Duration::from_secs(7))
    );
}

#[test]
fn a_merged_event_that_is_rejected_is_delivered_as_its_parts_in_order() {
    let events = vec![outbound(&["a", "c"], 1), outbound(&["b"], 1)];
    let (attempted, outcomes, _) = deliver(events, None, vec![rejected(), delivered(), rejected()]);
    // "b" stands where its index in the run says: all of these begin at 0.
    assert_eq!(attempted, ["a+c", "id-a", "id-b", "id-c"]);
    let dead: Vec<_> = outcomes
        .iter()
        .filter(|(_, name)| *name == "dead_lettered")
        .collect();
    assert_eq!((outcomes.len(), dead.len()), (3, 1));
}

#[test]
fn a_halt_of_the_batch_ends_the_run_without_attempts() {
    let mut delivery = RunDelivery::new(POLICY, [outbound(&["a"], 1), outbound(&["b"], 1)], None);
    assert!(delivery.next(None).is_some());
    assert!(delivery.next(Some(&failure(Scope::Target))).is_none());
    let (decided, block) = delivery.finish();
    assert_eq!(decided.len(), 2);
    assert!(block.is_some());
}

#[test]
fn only_what_the_queue_accepted_is_done_and_published() {
    let target = TargetName::new("catalog").unwrap();
    let settle = |outcome: Outcome, acknowledged| {
        let decided = DecidedRecord::without_event(record("a", 1, "body"), outcome);
        let (settled, outcome) = settled(decided, &target, acknowledged, 0);
        (settled.is_done, outcome.is_some())
    };
    let delivered = || Outcome::Delivered {
        id: None,
        already_there: false,
    };
    let dead = || Outcome::dead_letter(Reason::Invalid, "no");
    let retry = || Outcome::Retry {
        reason: Reason::Throttled,
        after: Duration::ZERO,
        error: "slow down".to_owned(),
    };
    assert_eq!(settle(delivered(), true), (true, true));
    // Lambda deletes the message, whatever the queue said.
    assert_eq!(settle(delivered(), false), (true, true));
    assert_eq!(settle(dead(), true), (true, true));
    assert_eq!(settle(dead(), false), (false, false));
    assert_eq!(settle(retry(), true), (false, true));
}
