//! Logs outcomes, and the health of the target.
//!
//! A final outcome is one line. An event that will be retried has no outcome yet: of a batch there is one line for each
//! reason, and while the target is down about one a minute. When the target is down is decided in `health.rs`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use targets::{Reason, TargetName};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::{debug, error, info, warn};
use uuid::fmt::Hyphenated;

use super::Observer;
use crate::pipeline::health::{Health, Notice};
use crate::pipeline::outcome::{Outcome, OutcomeRecord};
use crate::telemetry::limit::{Bounds, Limiter};
use crate::telemetry::text::{NAME, shown};

/// The most ids of events in a line.
const MAX_IDS: usize = 100;

/// How often retries are logged.
#[derive(Debug)]
pub(in crate::pipeline) enum RetryLogging {
    /// One line for each reason of each batch: the next batch of a function may go to another process.
    PerBatch,
    /// One line a second for each reason, and one a minute while the target is down, which has its own log lines.
    Limited {
        /// While the target is up.
        up: Box<Limiter<Reason, ()>>,
        /// While it is down.
        down: Box<Limiter<Reason, ()>>,
    },
}

impl RetryLogging {
    pub(in crate::pipeline) fn limited() -> RetryLogging {
        let every = |seconds| {
            Limiter::new(Bounds {
                interval: Duration::from_secs(seconds),
                sources: 64, // more than there are reasons
                reasons: 1,
                lines_per_second: 10,
            })
        };
        RetryLogging::Limited {
            up: Box::new(every(1)),
            down: Box::new(every(60)),
        }
    }
}

/// Logs each outcome once.
#[derive(Debug)]
pub(in crate::pipeline) struct LogObserver {
    pub(in crate::pipeline) retries: RetryLogging,
    pub(in crate::pipeline) health: Arc<Mutex<Health>>,
}

impl Observer for LogObserver {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        let mut retries: BTreeMap<Reason, Vec<&OutcomeRecord>> = BTreeMap::new();
        for record in outcomes {
            log_transform(record);
            log_outcome(record);
            if let Outcome::Retry { reason, .. } = &record.outcome {
                retries.entry(*reason).or_default().push(record);
            }
        }
        for (reason, records) in retries {
            self.log_retries(reason, &records);
        }
    }
}

/// The text of a run id. On the stack, since there is one for each line.
type RunIdBuffer = [u8; Hyphenated::LENGTH];

const NO_RUN_ID: RunIdBuffer = [0; Hyphenated::LENGTH];

/// The fields that identify an event in every line about it.
struct Subject<'r> {
    run: Option<&'r str>,
    namespace: Option<Cow<'r, str>>,
    name: Option<Cow<'r, str>>,
}

impl Subject<'_> {
    /// `buffer` is for the text of the run id.
    fn of<'r>(record: &'r OutcomeRecord, buffer: &'r mut RunIdBuffer) -> Subject<'r> {
        let job = record.job();
        Subject {
            run: (record.run_id()).map(|id| &*id.hyphenated().encode_lower(buffer)),
            namespace: job.map(|job| shown(&job.namespace, NAME)),
            name: job.map(|job| shown(&job.name, NAME)),
        }
    }
}

/// Logs what rules could not do.
fn log_transform(record: &OutcomeRecord) {
    for unresolved in &record.transform.unresolved {
        warn!(
            id = &*record.id,
            namespace = &*shown(&unresolved.namespace, NAME),
            error = &*shown(&unresolved.reason, NAME),
            "could not resolve name; left unchanged"
        );
    }
    for (rule, error) in &record.transform.failures {
        warn!(
            id = &*record.id,
            rule = &**rule,
            error = &*shown(error, NAME),
            "rule failed"
        );
    }
}

fn log_outcome(record: &OutcomeRecord) {
    let mut buffer = NO_RUN_ID;
    let subject = Subject::of(record, &mut buffer);
    macro_rules! line {
        ($level:ident, $message:literal, $($field:tt)*) => {
            $level!(
                outcome = record.outcome.name(),
                id = &*record.id,
                run.id = subject.run,
                job.namespace = subject.namespace.as_deref(),
                job.name = subject.name.as_deref(),
                event.r#type = record.event_type(),
                target = record.target.as_str(),
                duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
                size_bytes = record.size_bytes,
                attempts = record.attempts,
                trace_id = record.trace_id,
                new_token = record.new_token.then_some(true),
                $($field)*,
                $message
            )
        };
    }
    match &record.outcome {
        Outcome::Delivered { id, already_there } => {
            let already_there = already_there.then_some(true);
            let rules: Vec<&str> = (record.transform.changed_by.iter())
                .map(|rule| &**rule)
                .collect();
            let rules = (!rules.is_empty()).then(|| rules.join(", "));
            let (rewritten, cut) = (record.transform.renames.len(), record.transform.cut_facets);
            let (target_id, merged) = (id.as_deref(), record.merged.as_deref());
            line!(
                info,
                "event delivered",
                target.id = target_id,
                already_there,
                rules,
                rewritten,
                cut,
                merged
            );
        }
        Outcome::Unchanged { reason } => {
            let reason = &*shown(reason, NAME);
            line!(info, "event left the target unchanged", reason);
        }
        Outcome::Dropped { rule } => {
            line!(info, "event dropped by rule", rule = &**rule);
        }
        Outcome::DeadLettered { reason, error } => {
            let (reason, error) = (reason.name(), &*shown(error, NAME));
            line!(warn, "event dead-lettered", reason, error);
        }
        Outcome::Retry {
            reason,
            after,
            error,
        } => {
            let (reason, error, after_s) = (reason.name(), &*shown(error, NAME), after.as_secs());
            line!(debug, "delivery failed, will retry", reason, error, after_s);
        }
    }
}

impl LogObserver {
    /// Logs the first of the events that will be retried for one reason, and how many there are.
    fn log_retries(&self, reason: Reason, records: &[&OutcomeRecord]) {
        let Some((first, others)) = records.split_first() else {
            return;
        };
        let others = u64::try_from(others.len()).unwrap_or(u64::MAX);
        let (suppressed, names_all) = match &self.retries {
            RetryLogging::PerBatch => (Some(0), others > 0),
            RetryLogging::Limited { up, down } => {
                let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
                let limiter = if health.is_down() { down } else { up };
                drop(health);
                let suppressed = limiter.admit(&reason, &(), others + 1, Instant::now());
                // The others of this batch are in the line.
                let before = |suppressed: u64| suppressed.saturating_sub(others);
                (suppressed.map(before), false)
            }
        };
        let (Some(suppressed), Outcome::Retry { after, error, .. }) = (suppressed, &first.outcome)
        else {
            return;
        };
        let mut buffer = NO_RUN_ID;
        let subject = Subject::of(first, &mut buffer);
        // All ids, so that an event can be found in CloudWatch Logs by its id, as `doctor` does.
        let ids = records.iter().take(MAX_IDS).map(|record| &*record.id);
        let ids = names_all.then(|| ids.collect::<Vec<_>>().join(" "));
        warn!(
            id = &*first.id,
            run.id = subject.run,
            job.namespace = subject.namespace.as_deref(),
            job.name = subject.name.as_deref(),
            event.r#type = first.event_type(),
            target = first.target.as_str(),
            reason = reason.name(),
            error = &*shown(error, NAME),
            after_s = after.as_secs(),
            attempts = first.attempts,
            trace_id = first.trace_id,
            events = records.len(),
            ids,
            suppressed,
            "delivery failed, will retry"
        );
    }
}

/// Logs that the parts of a merged event are delivered separately.
pub(in crate::pipeline) fn log_separated(id: &str, target: &TargetName, error: &str) {
    warn!(
        id,
        target = target.as_str(),
        error,
        "target rejected merged event; delivering its parts separately"
    );
}

/// Logs a change of the target's health. `queued` is how many events are in the queue, if that is known.
pub(in crate::pipeline) fn log_health(notice: &Notice, target: &TargetName, queued: Option<u64>) {
    let target = target.as_str();
    match notice {
        Notice::Down { ago, cause } => {
            let (reason, error) = (cause.reason.name(), shown(&cause.error, NAME));
            let (since, error) = (time_before(*ago), &*error);
            error!(
                target,
                since, reason, error, "target down: events wait in the queue"
            );
        }
        Notice::StillDown {
            ago,
            failures,
            cause,
        } => {
            let (reason, error) = (cause.reason.name(), shown(&cause.error, NAME));
            let (since, down_s, error) = (time_before(*ago), ago.as_secs(), &*error);
            error!(
                target,
                since,
                down_s,
                reason,
                error,
                failures,
                queued,
                "target still down: events wait in the queue"
            );
        }
        Notice::Recovered { down, failures } => {
            info!(
                target,
                down_s = down.as_secs(),
                failures,
                queued,
                "target recovered: delivering the events that wait"
            );
        }
    }
}

/// Returns the time that long ago, in RFC 3339.
fn time_before(ago: Duration) -> Option<String> {
    let then = OffsetDateTime::now_utc().checked_sub(ago.try_into().ok()?)?;
    then.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::pipeline::TransformLog;
    use crate::telemetry::captured::CapturedLog;

    fn retried(n: usize, reason: Reason) -> OutcomeRecord {
        OutcomeRecord {
            id: format!("id-{n}").into(),
            key: None,
            event: None,
            delivered: None,
            target: TargetName::new("catalog").unwrap(),
            outcome: Outcome::Retry {
                reason,
                after: Duration::from_secs(5),
                error: "503".to_owned(),
            },
            attempts: 1,
            duration: Duration::ZERO,
            age: None,
            size_bytes: 0,
            transform: TransformLog::default(),
            merged: None,
            trace_id: None,
            new_token: false,
        }
    }

    /// The fields of the lines above `debug`.
    fn lines(observer: &LogObserver, outcomes: &[OutcomeRecord]) -> Vec<Value> {
        let log = CapturedLog::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(log.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || observer.observe(outcomes));
        let fields = |line: &String| serde_json::from_str::<Value>(line).unwrap()["fields"].clone();
        log.lines().iter().map(fields).collect()
    }

    #[test]
    fn a_function_logs_one_line_for_each_reason_of_a_batch_with_every_id() {
        let observer = LogObserver {
            retries: RetryLogging::PerBatch,
            health: Arc::default(),
        };
        let mut outcomes: Vec<_> = (0..25).map(|n| retried(n, Reason::Unavailable)).collect();
        outcomes.push(retried(25, Reason::OutOfTime));
        for _ in 0..2 {
            let lines = lines(&observer, &outcomes);
            let of = |reason: &str| lines.iter().find(|line| line["reason"] == reason).unwrap();
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert_eq!(of("unavailable")["events"], 25);
            let ids = of("unavailable")["ids"].as_str().unwrap();
            let named = |n: usize| ids.split(' ').any(|id| id == format!("id-{n}"));
            assert!((0..25).all(named), "{ids}");
            let alone = of("out_of_time");
            assert_eq!(
                (&alone["id"], &alone["suppressed"]),
                (&"id-25".into(), &0.into())
            );
        }
    }

    #[test]
    fn while_the_target_is_down_a_reason_is_one_line_a_minute() {
        let mut health = Health::default();
        let failure = targets::Delivery::Transient(targets::Failure {
            reason: Reason::Missing,
            scope: targets::Scope::Target,
            message: "404".to_owned(),
            after: None,
        });
        // A target that has never responded is down at its first failure.
        health.record(&failure, "id", tokio::time::Instant::now());
        let observer = LogObserver {
            retries: RetryLogging::limited(),
            health: Arc::new(Mutex::new(health)),
        };
        let outcomes: Vec<_> = (0..10).map(|n| retried(n, Reason::Missing)).collect();
        let lines: Vec<_> = (0..50).flat_map(|_| lines(&observer, &outcomes)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(
            (&lines[0]["events"], &lines[0]["ids"]),
            (&10.into(), &Value::Null)
        );
    }
}
