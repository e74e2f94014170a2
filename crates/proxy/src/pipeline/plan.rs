//! What is decided about a batch: the order of its events, what a delivery means for the queue, when to try again.
//!
//! Pure; `pipeline.rs` waits and calls.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use openlineage::{Event, EventType, Level, OrderingKey, Subject};
use targets::{Delivery, Failure, Reason, Scope};
use time::OffsetDateTime;

use super::outcome::Outcome;
use crate::queue::{BodyError, Record, Settlement};

/// The first wait before another try, and the longest. Doubling from the one to the other takes eight tries; with
/// the default of 100 tries an event is kept for about a day of outage.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// The reason of a dead letter on which something of ours panicked.
const BUG: &str = "bug: lineage-proxy panicked on this event; please report it";

/// The longest wait of what was not tried in time: about as long as a batch takes, so that the target does not idle.
const LATER: Duration = Duration::from_secs(30);

/// How often an event that fails holds up the later ones of its run: enough for a hiccup. After that order yields,
/// so that one event that always fails does not hold its run for ever.
const HOLDS: u32 = 3;

/// Reads a record's body as an event; what is none is given up with its reason.
///
/// What strict accepts is left alone where ingest is strict. Anything else is repaired: another writer may have put it
/// there.
pub(super) fn read(record: &Record, level: Level) -> Result<Event, Outcome> {
    let invalid = |why: &dyn std::fmt::Display| Outcome::DeadLettered {
        class: "invalid",
        reason: format!("invalid: {why}"),
    };
    if let Some(why) = &record.unreadable {
        return Err(invalid(why));
    }
    let as_at_ingest = || {
        Event::read_shared(&record.body, level)
            .or_else(|_| Event::read_shared(&record.body, Level::Repair))
    };
    match guarded(as_at_ingest)? {
        Ok(read) => Ok(read.event),
        Err(refused) => Err(invalid(&refused)),
    }
}

/// Does `work` on one event so that a panic in it, a bug of ours, is that event's end and not its batch's.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Outcome> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Outcome::DeadLettered {
        class: "bug",
        reason: BUG.to_owned(),
    })
}

/// The events in runs, each in the order in which it is to be delivered; the runs in order of their first record.
pub(super) fn runs<R>(events: Vec<(R, Event)>) -> Vec<(OrderingKey, Vec<(R, Event)>)> {
    let mut runs: Vec<(OrderingKey, Vec<(R, Event)>)> = Vec::new();
    let mut places: HashMap<OrderingKey, usize> = HashMap::new();
    for (record, event) in events {
        let key = OrderingKey::from(&event);
        let place = *places.entry(key.clone()).or_insert(runs.len());
        match runs.get_mut(place) {
            Some((_, run)) => run.push((record, event)),
            None => runs.push((key, vec![(record, event)])),
        }
    }
    for (_, run) in &mut runs {
        order(run);
    }
    runs
}

/// By `eventTime`, and START before the end whatever their times say: clocks differ between the hosts of a run.
/// What has the same time stays in the order of arrival.
fn order<R>(run: &mut [(R, Event)]) {
    let first_end = run
        .iter()
        .filter(|(_, event)| ends(event))
        .map(|(_, event)| event.time())
        .min();
    let key = |event: &Event| -> (OffsetDateTime, u8) {
        match event_type(event) {
            Some(EventType::Start) => (
                first_end.map_or(event.time(), |end| end.min(event.time())),
                0,
            ),
            Some(EventType::Running | EventType::Other) | None => (event.time(), 1),
            Some(EventType::Complete | EventType::Abort | EventType::Fail) => (event.time(), 2),
        }
    };
    run.sort_by_key(|(_, event)| key(event));
}

fn event_type(event: &Event) -> Option<EventType> {
    match event.subject() {
        Subject::Run { event_type, .. } => *event_type,
        Subject::Job { .. } | Subject::Dataset { .. } => None,
    }
}

fn ends(event: &Event) -> bool {
    event_type(event).is_some_and(EventType::ends)
}

/// How far a delivery came.
#[derive(Debug, Clone)]
pub(super) enum Attempt {
    /// The target answered.
    Answered(Delivery),
    /// It was not tried, because another one failed for both.
    Untried(Failure),
    /// There was no time left: it is the next one's.
    OutOfTime,
    /// The process is about to end.
    Stopped,
}

/// What a delivery means for a record. `pace` is how long to wait before another try, where the target does not say:
/// the same for all records of a parcel, so that they come again together.
pub(super) fn outcome(
    tried: &Attempt,
    record: &Record,
    pace: Duration,
    max_receives: u32,
) -> Outcome {
    match tried {
        Attempt::Answered(Delivery::Delivered { id }) => Outcome::Delivered { id: id.clone() },
        Attempt::Answered(Delivery::Permanent(failure)) => Outcome::DeadLettered {
            class: failure.reason.name(),
            reason: reason(failure),
        },
        Attempt::Answered(Delivery::Transient(failure)) => {
            let after = failure
                .after
                .map_or(pace, |asked| asked.clamp(FIRST_WAIT, LONGEST_WAIT));
            let class = failure.reason.name();
            again(class, failure.message.clone(), after, record, max_receives)
        }
        Attempt::Untried(failure) => {
            let message = &failure.message;
            let reason = format!("not tried, since another event was not delivered: {message}");
            let class = failure.reason.name();
            let after = failure.after.map_or(pace, |asked| asked.min(LONGEST_WAIT));
            again(class, reason, after, record, max_receives)
        }
        Attempt::OutOfTime => out_of_time(record, max_receives),
        // However often it was received: this was no try.
        Attempt::Stopped => Outcome::Retry {
            class: "stopping",
            after: Duration::ZERO,
            reason: "not tried: the proxy is stopping".to_owned(),
        },
    }
}

pub(super) fn out_of_time(record: &Record, max_receives: u32) -> Outcome {
    let reason = "not tried in time: the target is slow".to_owned();
    again("out_of_time", reason, soon(record), record, max_receives)
}

/// Another try, or the end of them: the queue counts those too that were none.
fn again(
    class: &'static str,
    reason: String,
    after: Duration,
    record: &Record,
    max_receives: u32,
) -> Outcome {
    if record.attempts >= max_receives {
        let reason = format!(
            "{class}: {reason} (given up after {} tries)",
            record.attempts
        );
        return Outcome::DeadLettered { class, reason };
    }
    Outcome::Retry {
        class,
        after,
        reason,
    }
}

/// What becomes of an event that was tried alone and ended in a panic. It comes again at first: the cause may be another.
pub(crate) fn after_panic(record: &Record, max_receives: u32) -> Settlement {
    if record.attempts >= max_receives {
        return Settlement::DeadLetter(BUG.to_owned());
    }
    Settlement::Retry(wait(&record.id, record.attempts))
}

/// What becomes of a large event whose body is not there.
pub(super) fn unread(why: BodyError, record: &Record, max_receives: u32) -> Outcome {
    let class = "body";
    match why {
        BodyError::Gone(why) => Outcome::DeadLettered {
            class,
            reason: format!("{class}: {why}"),
        },
        BodyError::Unavailable(why) => {
            let pace = wait(&record.id, record.attempts);
            again(class, why, pace, record, max_receives)
        }
        BodyError::Later => out_of_time(record, max_receives),
    }
}

/// What becomes of an event when the rules took the time of the batch.
pub(super) fn rules_slow(record: &Record, max_receives: u32) -> Outcome {
    let reason = "not tried in time: the rules are slow".to_owned();
    again("rules_slow", reason, soon(record), record, max_receives)
}

/// Why an event that carries others is to be taken apart: its target will not have it, or has failed it too often.
pub(super) fn goes_apart(tried: &Attempt, carries: bool, receives: u32) -> Option<&str> {
    match tried {
        Attempt::Answered(Delivery::Permanent(failure)) if carries => Some(&failure.message),
        Attempt::Answered(Delivery::Transient(failure))
            if carries && failure.scope == Scope::Event && !holds_its_run(receives) =>
        {
            Some(&failure.message)
        }
        Attempt::Answered(_) | Attempt::Untried(_) | Attempt::OutOfTime | Attempt::Stopped => None,
    }
}

/// Why later events of the run have to wait until this one is tried again, if they do.
pub(super) fn holds(tried: &Attempt, receives: u32) -> Option<Failure> {
    match tried {
        Attempt::Untried(failure) => Some(failure.clone()),
        Attempt::Answered(Delivery::Transient(failure)) => {
            // A target that takes nothing is no fault of the event: order need not yield.
            let holds = failure.scope == Scope::Target || holds_its_run(receives);
            holds.then(|| failure.clone())
        }
        Attempt::OutOfTime | Attempt::Stopped => Some(Failure {
            reason: Reason::Unavailable,
            scope: Scope::Event,
            message: "there was no time for an earlier event of its run".to_owned(),
            after: None,
        }),
        Attempt::Answered(Delivery::Delivered { .. } | Delivery::Permanent(_)) => None,
    }
}

/// Whether the later events of its run wait for one that was received so often, and it for them.
pub(super) fn holds_its_run(receives: u32) -> bool {
    receives <= HOLDS
}

/// When to come again for what was not tried: soon at first, and then less often, since the queue counts it as a try.
fn soon(record: &Record) -> Duration {
    let doubled = 2u32.saturating_pow(record.attempts.saturating_sub(HOLDS).min(16));
    (Duration::from_secs(1) * doubled).min(LATER)
}

fn reason(failure: &Failure) -> String {
    format!("{}: {}", failure.reason.name(), failure.message)
}

/// Doubles with each try, less up to a fifth, by the id: what failed together does not come back together.
pub(super) fn wait(id: &str, receives: u32) -> Duration {
    let doubled = FIRST_WAIT * 2u32.saturating_pow(receives.saturating_sub(1).min(16));
    let spread = id.bytes().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) % 200;
    doubled.min(LONGEST_WAIT) * (1_000 - spread) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(run: u8, event_type: &str, second: u8) -> Event {
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
            "run":{{"runId":"00000000-0000-0000-0000-0000000000{run:02}"}},"job":{{"namespace":"n","name":"j"}}}}"#
        );
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    }

    fn record(receives: u32) -> Record {
        Record {
            attempts: receives,
            ..Record::unqueued("a".to_owned())
        }
    }

    fn failure(after: Option<Duration>) -> Failure {
        Failure {
            reason: Reason::Throttled,
            scope: Scope::Event,
            message: "slow down".into(),
            after,
        }
    }

    #[test]
    fn a_start_comes_before_its_end_even_when_clocks_disagree() {
        let events = vec![
            (0, event(1, "COMPLETE", 5)),
            (1, event(1, "OTHER", 9)),
            (2, event(1, "START", 7)),
            (3, event(1, "RUNNING", 3)),
        ];
        let order: Vec<u8> = runs(events)[0]
            .1
            .iter()
            .map(|(record, _)| *record)
            .collect();
        assert_eq!(order, [3, 2, 0, 1]);
    }

    #[test]
    fn a_panic_is_the_end_of_one_event() {
        let bug = guarded(|| [0u8; 0][std::hint::black_box(1)]);
        assert!(matches!(
            bug,
            Err(Outcome::DeadLettered { class: "bug", .. })
        ));
    }

    #[test]
    fn an_event_that_panics_alone_comes_again_and_is_given_up_in_the_end() {
        let again = after_panic(&record(4), 5);
        assert!(matches!(again, Settlement::Retry(after) if !after.is_zero()));
        let given_up = after_panic(&record(5), 5);
        assert!(matches!(given_up, Settlement::DeadLetter(reason) if reason == BUG));
    }

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour_and_a_target_may_ask_for_its_own() {
        let waits: Vec<u64> = [1, 2, 5, 9, 99]
            .map(|receives| wait("a", receives).as_secs())
            .to_vec();
        assert_eq!(waits, [4, 9, 72, 812, 812]);
        let tried = |after| Attempt::Answered(Delivery::Transient(failure(after)));
        let asked = outcome(
            &tried(Some(Duration::from_secs(30))),
            &record(1),
            FIRST_WAIT,
            5,
        );
        assert!(matches!(asked, Outcome::Retry { after, .. } if after.as_secs() == 30));
        let given_up = outcome(&tried(None), &record(5), FIRST_WAIT, 5);
        assert!(
            matches!(given_up, Outcome::DeadLettered { reason, .. } if reason.contains("given up after 5 tries"))
        );
    }

    #[test]
    fn what_is_not_tried_in_time_comes_back_soon_at_first_and_then_less_often() {
        let wait = |receives| match outcome(&Attempt::OutOfTime, &record(receives), FIRST_WAIT, 100)
        {
            Outcome::Retry { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 3, 4, 6, 9, 99].map(wait), [1, 1, 2, 8, 30, 30]);
    }

    proptest! {
        #[test]
        fn order_within_a_run_holds_and_nothing_is_lost(
            events in proptest::collection::vec((1u8..4, 0usize..6, 0u8..60), 0..40),
        ) {
            let types = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
            let batch: Vec<_> = events.iter().enumerate().map(|(n, (run, t, s))| (n, event(*run, types[*t], *s))).collect();
            let runs = runs(batch.clone());
            let mut seen: Vec<usize> = runs.iter().flat_map(|(_, run)| run).map(|(n, _)| *n).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..batch.len()).collect::<Vec<_>>());
            for (_, run) in runs {
                prop_assert!(run.windows(2).all(|pair| pair[0].1.run_id() == pair[1].1.run_id()));
                let place = |wanted: fn(&Event) -> bool| run.iter().map(|(_, e)| e).enumerate().filter(|(_, e)| wanted(e)).map(|(n, _)| n).collect::<Vec<_>>();
                let starts = place(|e| event_type(e) == Some(EventType::Start));
                let ended = place(ends);
                prop_assert!(starts.iter().all(|start| ended.iter().all(|end| start < end)));
                let times: Vec<_> = run.iter().filter(|(_, e)| event_type(e) != Some(EventType::Start)).map(|(_, e)| e.time()).collect();
                prop_assert!(times.is_sorted());
            }
        }
    }
}
