//! What is told of tries that will be repeated, and of a target that is down: little, and enough to find the cause.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use targets::TargetName;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::{error, info, warn};

use super::health::Notice;
use super::outcome::{Outcome, Settled, Who};
use crate::telemetry::limit::{Bounds, Limiter};
use crate::telemetry::text::{NAME, shown};

/// How often tries that will be repeated are a line, by class: as long as the target is up, and while it is down, when
/// they say nothing new.
static RETRIES: LazyLock<Limiter<&'static str, ()>> = LazyLock::new(|| every(1));
static RETRIES_WHILE_DOWN: LazyLock<Limiter<&'static str, ()>> = LazyLock::new(|| every(60));

fn every(seconds: u64) -> Limiter<&'static str, ()> {
    Limiter::new(Bounds {
        every: Duration::from_secs(seconds),
        sources: 64, // more than there are classes
        reasons: 1,
        lines: 10,
    })
}

/// How many ids of events a line names at most.
const IDS: usize = 100;

/// How tries that will be repeated are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// With each batch: that of a function, whose next one may be another process's.
    EveryBatch,
    /// Once a second.
    Limited,
    /// Now and then: that the target is down has been told.
    Down,
}

/// Of what will be tried again, one line for each class: that of its first event, and how many there are.
pub(super) fn tell(settled: &[Settled], target: &TargetName, pace: Pace) {
    let mut again: BTreeMap<&'static str, Vec<&Settled>> = BTreeMap::new();
    for settled in settled.iter().filter(|settled| !settled.told_before) {
        if let Outcome::Retry { class, .. } = &settled.outcome {
            again.entry(class).or_default().push(settled);
        }
    }
    for (class, events) in again {
        let limiter = match pace {
            Pace::EveryBatch => None,
            Pace::Limited => Some(&RETRIES),
            Pace::Down => Some(&RETRIES_WHILE_DOWN),
        };
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let suppressed = match limiter {
            Some(limiter) => limiter.admit(&class, &(), count, Instant::now()),
            None => Some(count - 1),
        };
        // The others of this batch are in the line.
        let suppressed = suppressed.map(|suppressed| suppressed.saturating_sub(count - 1));
        if let (Some(suppressed), Some(first)) = (suppressed, events.first()) {
            tell_retry(first, &events, target, pace, suppressed);
        }
    }
}

/// The line of events that delivery failed, will retry.
fn tell_retry(
    first: &Settled,
    events: &[&Settled],
    target: &TargetName,
    pace: Pace,
    suppressed: u64,
) {
    let Outcome::Retry {
        class,
        after,
        reason,
    } = &first.outcome
    else {
        return;
    };
    let who = Who::of(first);
    let ids = events.iter().take(IDS).map(|event| &*event.record.id);
    // Whoever looks for an event in CloudWatch's log finds it by its id; `doctor` does.
    let named = pace == Pace::EveryBatch && events.len() > 1;
    let ids = named.then(|| ids.collect::<Vec<_>>().join(" "));
    warn!(
        id = first.record.id,
        run.id = who.run,
        job.namespace = who.namespace.as_deref(),
        job.name = who.name.as_deref(),
        event.r#type = who.label,
        target = target.as_str(),
        class,
        reason = &*shown(reason, NAME),
        after_s = after.as_secs(),
        tries = first.record.attempts,
        events = events.len(),
        ids,
        suppressed,
        "delivery failed, will retry"
    );
}

/// What is to be told of the target's health.
pub(super) fn health(notice: &Notice, target: &TargetName, waiting: Option<u64>) {
    let target = target.as_str();
    match notice {
        Notice::Down { ago, why } => {
            let (class, reason) = (why.class.name(), shown(&why.reason, NAME));
            let (since, reason) = (ago_of(*ago), &*reason);
            error!(
                target,
                since, class, reason, "target down: events wait in the queue"
            );
        }
        Notice::StillDown { ago, failures, why } => {
            let (class, reason) = (why.class.name(), shown(&why.reason, NAME));
            let (since, down_s, reason) = (ago_of(*ago), ago.as_secs(), &*reason);
            error!(
                target,
                since,
                down_s,
                class,
                reason,
                failures,
                waiting,
                "target still down: events wait in the queue"
            );
        }
        Notice::Back { down, failures } => {
            info!(
                target,
                down_s = down.as_secs(),
                failures,
                waiting,
                "target back: what waits is delivered"
            );
        }
    }
}

/// The time that long ago, as the log has it.
fn ago_of(ago: Duration) -> Option<String> {
    let then = OffsetDateTime::now_utc().checked_sub(ago.try_into().ok()?)?;
    then.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::queue::Record;
    use targets::Kind;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn handed_back(n: usize, class: &'static str) -> Settled {
        let outcome = Outcome::Retry {
            class,
            after: Duration::from_secs(5),
            reason: "503".to_owned(),
        };
        Settled::new(Record::unqueued(format!("id-{n}")), None, outcome)
    }

    fn told(settled: &[Settled], pace: Pace) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tell(settled, &Kind::DataZone.into(), pace)
        });
        let bytes = lines.0.lock().unwrap().clone();
        let lines = str::from_utf8(&bytes).unwrap().lines();
        let fields = |line: &str| serde_json::from_str::<Value>(line).unwrap()["fields"].clone();
        lines.map(fields).collect()
    }

    #[test]
    fn a_function_tells_of_each_batch_one_line_a_class_and_each_event_is_found_by_its_id() {
        let mut settled: Vec<_> = (0..25).map(|n| handed_back(n, "unavailable")).collect();
        settled.push(handed_back(25, "out_of_time"));
        for _ in 0..2 {
            let lines = told(&settled, Pace::EveryBatch);
            let of = |class: &str| lines.iter().find(|line| line["class"] == class).unwrap();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(of("unavailable")["events"], 25);
            let ids = of("unavailable")["ids"].as_str().unwrap();
            assert!(
                (0..25).all(|n| ids.split(' ').any(|id| id == format!("id-{n}"))),
                "{ids}"
            );
            assert_eq!(
                (&of("out_of_time")["id"], &of("out_of_time")["suppressed"]),
                (&"id-25".into(), &0.into())
            );
        }
    }

    #[test]
    fn while_the_target_is_down_a_class_is_one_line_and_what_is_left_out_is_counted() {
        let settled: Vec<_> = (0..10).map(|n| handed_back(n, "missing")).collect();
        let lines: Vec<_> = (0..50).flat_map(|_| told(&settled, Pace::Down)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["events"], &lines[0]["ids"]),
            (&10.into(), &Value::Null)
        );
    }
}
