//! The pipeline's laws: whatever fails, each record ends in exactly one outcome, and each run stays in order.

mod model;
mod process;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use openlineage::{Event, Level};
use proptest::prelude::*;
use targets::{Capabilities, Delivery, Failure, Reason, Scope, TargetName};
use transform::{RuleSet, Sources, Transform, TransformError, TransformOutput, Transforms};

use super::delivery::{OutboundEvent, RunDelivery, TransformedEvent};
use super::ordering::Block;
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

fn record(queue_id: &str, attempts: u32, body: &str) -> Record {
    Record {
        queue_id: queue_id.to_owned(),
        body: body.into(),
        attempts,
        ..Record::unqueued(format!("id-{queue_id}"))
    }
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
    let merged = if queue_ids.len() > 1 {
        "merged"
    } else {
        "part"
    };
    OutboundEvent {
        id: queue_ids.join("+"),
        event: event(merged),
        parts: queue_ids.iter().enumerate().map(part).collect(),
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
        attempted.push(event.id.clone());
        let attempt = attempts.next().unwrap_or_else(delivered);
        delivery.record(&attempt, Duration::ZERO);
    }
    let (decided, block) = delivery.finish();
    let outcomes = decided
        .into_iter()
        .map(|decided| (decided.record.queue_id, decided.outcome.name()));
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
    assert_eq!(attempted, ["a", "b"]);
    let names = outcomes.iter().map(|(_, name)| *name);
    assert_eq!(names.collect::<Vec<_>>(), ["delivered", "retry", "retry"]);
    assert_eq!(block.unwrap().by, "b");
}

#[test]
fn an_event_that_failed_too_often_no_longer_holds_up_its_run() {
    let events = vec![outbound(&["a"], 4), outbound(&["b"], 1)];
    let (attempted, _, block) = deliver(events, None, vec![failed()]);
    assert_eq!(attempted, ["a", "b"]);
    assert!(block.is_none());
}

#[test]
fn a_run_that_is_blocked_is_not_attempted_and_stays_blocked_by_the_same_event() {
    let earlier = Block {
        after: Duration::from_secs(7),
        by: "earlier".to_owned(),
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
        (block.by.as_str(), block.after),
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
        let mut settled = settled(decided, &target, acknowledged);
        (settled.is_done, settled.take_outcome().is_some())
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

/// Panics on some jobs, fails or drops others.
#[derive(Debug)]
struct FaultyTransform;

impl Transform for FaultyTransform {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        let job = event.job().map(|job| job.name.as_str());
        match job {
            Some("panics") => panic!("a bug"),
            Some("fails") => Err(TransformError("no".to_owned())),
            Some("dropped") => Ok(TransformOutput::Drop),
            Some(_) | None => Ok(TransformOutput::Unchanged),
        }
    }
}

fn rules() -> RuleSet {
    let transforms = Transforms::new().with("faulty", |_| Ok(Arc::new(FaultyTransform)));
    let sources = Sources {
        file: &|_| Err("none".to_owned()),
        transforms: &transforms,
        hash_key: None,
        targets: &["catalog"],
    };
    let text = "coalesce: {window: 10s}\nrules:\n  - name: faulty\n    transform: {name: faulty}\n    on_failure: dead_letter\n";
    RuleSet::read(text, &sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A record to process: run, type, job, attempts, and whether it is no event at all.
type Input = (u8, usize, usize, u32, bool);

/// How attempts end, and when the deadline passes.
type Faults = (Vec<u8>, usize);

const TYPES: [&str; 4] = ["START", "RUNNING", "COMPLETE", "FAIL"];
const JOBS: [&str; 5] = ["a", "b", "panics", "fails", "dropped"];

/// Processes records by the same stages as [`Pipeline::process`], without queue and target.
fn process(
    cache: &DedupeCache,
    buffer: &mut CoalesceBuffer,
    records: Vec<Record>,
    (faults, deadline): &Faults,
) -> Vec<DecidedRecord> {
    let rules = rules();
    let adapter = Adapter {
        target: TargetName::new("catalog").unwrap(),
        capabilities: Capabilities::UNLIMITED,
    };
    let (mut decided, mut events) = (Vec::new(), Vec::new());
    for record in records {
        match decode(record, Level::Strict) {
            Ok(event) => events.push(event),
            Err(invalid) => decided.push(*invalid),
        }
    }
    let (mut attempts, mut halt, mut count) = (faults.iter().cycle(), None, 0);
    for (_, run) in by_run(
        buffer
            .offer(events, &rules, "catalog", Instant::now())
            .events,
    ) {
        let (unique, duplicates) = cache.partition(run, "v", Instant::now());
        let adapted = adapter.adapt(&rules, unique, &HashMap::new(), |attempts| {
            count += 1;
            (count > *deadline).then(|| POLICY.rules_slow(attempts))
        });
        let mut of_run = adapted.decided;
        let mut delivery = RunDelivery::new(POLICY, adapted.outbound, None);
        while delivery.next(halt.as_ref()).is_some() {
            let attempt = match attempts.next().unwrap_or(&0) {
                0 => delivered(),
                1 => rejected(),
                2 => failed(),
                3 => {
                    halt = Some(failure(Scope::Target));
                    Attempt::Answered(Delivery::Transient(failure(Scope::Target)))
                }
                4 => Attempt::OutOfTime,
                _ => Attempt::Stopped,
            };
            delivery.record(&attempt, Duration::ZERO);
        }
        of_run.extend(delivery.finish().0);
        decided.extend(cache.resolve(duplicates, of_run, Instant::now()));
    }
    decided
}

proptest! {
    #[test]
    fn each_record_ends_in_exactly_one_outcome(
        batches in proptest::collection::vec(
            (
                proptest::collection::vec((0u8..3, 0usize..4, 0usize..5, 1u32..7, proptest::bool::weighted(0.1)), 0..12),
                (proptest::collection::vec(0u8..6, 1..6), 0usize..30),
            ),
            1..4,
        ),
        holds_back in any::<bool>(),
    ) {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {})); // rules panic here, many times
        let cache = DedupeCache::new(Duration::from_secs(60));
        let mut buffer = match holds_back {
            true => CoalesceBuffer::new(Duration::from_secs(60), Duration::ZERO),
            false => CoalesceBuffer::disabled(),
        };
        let (mut sent, mut ended): (Vec<String>, BTreeMap<String, usize>) = Default::default();
        for (inputs, faults) in &batches {
            let records: Vec<Record> = inputs.iter().map(|input: &Input| {
                let (run, event_type, job, attempts, is_broken) = *input;
                let body = match is_broken {
                    true => "{".to_owned(),
                    false => text(run, TYPES[event_type], 0, JOBS[job]),
                };
                let queue_id = sent.len().to_string();
                sent.push(queue_id.clone());
                record(&queue_id, attempts, &body)
            }).collect();
            for decided in process(&cache, &mut buffer, records, faults) {
                *ended.entry(decided.record.queue_id).or_default() += 1;
            }
        }
        for record in buffer.drain() {
            *ended.entry(record.queue_id).or_default() += 1;
        }
        std::panic::set_hook(hook);
        sent.sort_unstable();
        prop_assert_eq!(ended.values().max().copied().unwrap_or(1), 1, "two outcomes");
        prop_assert_eq!(ended.into_keys().collect::<Vec<_>>(), sent);
    }
}
