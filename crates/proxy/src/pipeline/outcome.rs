//! The outcome of each record, and the proof that each has exactly one.
//!
//! A decoded event is [`PendingEvent`] until it is decided. `PendingEvent`, [`DecidedRecord`] and [`SettledRecord`] are passed by value and cannot
//! be cloned, so a stage has to return each that it takes: `PendingEvent` → `decide` → `DecidedRecord` → `settle` → `SettledRecord`.
//! Who learns of outcomes is in `observe.rs`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use openlineage::{Event, Identity, OrderingKey};
use targets::{Kind, Reason, TargetName};
use tokio::time::Instant;
use tracing::{error, warn};
use uuid::Uuid;

use super::adapt::TransformLog;
use super::dedupe::{DeliveredMark, Fingerprint};
use crate::queue::{Queue, Record, Settlement, StoredForm, now};

/// What became of an event. [`Outcome::Retry`] is the only one that is not final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target has the event.
    Delivered {
        /// The target's own id of it, if it returned one.
        id: Option<String>,
        /// Whether the target says that it had the event before.
        already_there: bool,
    },
    /// The target has no place for what the event says, and nothing was changed.
    Unchanged {
        /// Why, for a person.
        reason: String,
    },
    /// A rule dropped the event.
    Dropped {
        /// The rule's name.
        rule: Arc<str>,
    },
    /// The event cannot be delivered.
    DeadLettered {
        /// Why, as a code.
        reason: Reason,
        /// Why, for a person: begins with the code. Kept with the dead letter.
        error: String,
    },
    /// Another attempt will be made.
    Retry {
        /// Why the attempt failed, as a code.
        reason: Reason,
        /// How long until the next attempt.
        after: Duration,
        /// Why, for a person.
        error: String,
    },
}

impl Outcome {
    /// A dead letter, with the code in front of its error.
    pub(super) fn dead_letter(reason: Reason, error: impl std::fmt::Display) -> Outcome {
        Outcome::DeadLettered {
            reason,
            error: format!("{}: {error}", reason.name()),
        }
    }

    /// What the queue does with the message.
    pub fn settlement(&self) -> Settlement {
        match self {
            Outcome::Delivered { .. } | Outcome::Unchanged { .. } | Outcome::Dropped { .. } => {
                Settlement::Acknowledge
            }
            Outcome::DeadLettered { error, .. } => Settlement::DeadLetter(error.clone()),
            Outcome::Retry { after, .. } => Settlement::Retry(*after),
        }
    }

    /// The value of the log field `outcome`.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Delivered { .. } => "delivered",
            Outcome::Unchanged { .. } => "unchanged",
            Outcome::Dropped { .. } => "dropped",
            Outcome::DeadLettered { .. } => "dead_lettered",
            Outcome::Retry { .. } => "retry",
        }
    }
}

/// A received event that has no outcome yet.
///
/// It ends by [`decide`](PendingEvent::decide), or without an outcome of its own by [`supersede`](PendingEvent::supersede) or
/// [`into_record`](PendingEvent::into_record). One that is dropped otherwise is a bug: it is logged, and its message is
/// redelivered when its visibility timeout ends.
#[must_use = "an event without an outcome is redelivered"]
#[derive(Debug)]
pub(super) struct PendingEvent {
    pub(super) record: UndecidedRecord,
    pub(super) event: Event,
    /// What a duplicate of it is found by, once that is known.
    pub(super) fingerprint: Option<Fingerprint>,
}

/// The record of a [`PendingEvent`]. Reports one that is dropped without an outcome. Silent while a panic unwinds, which is logged
/// by itself.
#[derive(Debug)]
pub(super) struct UndecidedRecord {
    record: Arc<Record>,
    is_released: bool,
}

impl UndecidedRecord {
    /// Ends the guard: the record has an outcome, or needs none.
    fn release(mut self) -> Arc<Record> {
        self.is_released = true;
        self.record.clone()
    }
}

impl Deref for UndecidedRecord {
    type Target = Arc<Record>;

    fn deref(&self) -> &Arc<Record> {
        &self.record
    }
}

impl Drop for UndecidedRecord {
    fn drop(&mut self) {
        if !self.is_released && !std::thread::panicking() {
            error!(
                id = &*self.record.id,
                "event lost its place in the pipeline; it will be redelivered"
            );
        }
    }
}

impl PendingEvent {
    pub(super) fn new(record: Arc<Record>, event: Event) -> PendingEvent {
        PendingEvent {
            record: UndecidedRecord {
                record,
                is_released: false,
            },
            event,
            fingerprint: None,
        }
    }

    /// How often the message was received, this time included.
    pub(super) fn attempts(&self) -> u32 {
        self.record.attempts
    }

    /// Ends it with an outcome.
    pub(super) fn decide(self, outcome: Outcome) -> DecidedRecord {
        DecidedRecord {
            event: Some(self.event),
            fingerprint: self.fingerprint,
            ..DecidedRecord::without_event(self.record.release(), outcome)
        }
    }

    /// Ends it without an outcome: a newer copy of the same message is with us or in the queue, and has one.
    pub(super) fn supersede(self) {
        drop(self.into_record());
    }

    /// Ends it without an outcome: the record goes back to the queue as it came.
    pub(super) fn into_record(self) -> Arc<Record> {
        self.record.release()
    }
}

/// A record whose outcome is decided, and which the queue does not know of yet.
#[must_use = "what is decided has to be settled"]
#[derive(Debug)]
pub(super) struct DecidedRecord {
    pub(super) record: Arc<Record>,
    pub(super) event: Option<Event>,
    /// The event that was attempted: with the last of the records of which it was made.
    pub(super) delivered: Option<Event>,
    pub(super) outcome: Outcome,
    pub(super) log: TransformLog,
    /// The id under which it was delivered with others of its run.
    pub(super) merged: Option<Arc<str>>,
    pub(super) duration: Duration,
    /// Whether it is the second copy of a message whose outcome is published with the first.
    pub(super) is_repeat: bool,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) mark: Option<DeliveredMark>,
}

impl DecidedRecord {
    /// What the queue does with the message. The store has what is settled so, and nothing of its own.
    fn settlement(&self, kind: Kind) -> Settlement {
        let stored = self.delivered.as_ref().filter(|_| kind == Kind::Store);
        match (&self.outcome, stored) {
            (Outcome::Delivered { .. }, Some(event)) => Settlement::Store({
                match event.has_text(&self.record.body) {
                    true => StoredForm::Accepted,
                    false => StoredForm::Changed(event.shared_text()),
                }
            }),
            (outcome, _) => outcome.settlement(),
        }
    }

    /// The outcome of a record that is not, or not yet, an event.
    pub(super) fn without_event(record: Arc<Record>, outcome: Outcome) -> DecidedRecord {
        DecidedRecord {
            record,
            event: None,
            delivered: None,
            outcome,
            log: TransformLog::default(),
            merged: None,
            duration: Duration::ZERO,
            is_repeat: false,
            fingerprint: None,
            mark: None,
        }
    }
}

/// A record that was settled with the queue.
#[must_use = "a function reports what is not done to Lambda"]
#[derive(Debug)]
pub struct SettledRecord {
    /// The queue's id of the message.
    pub queue_id: Arc<str>,
    /// Whether the message needs no redelivery. A delivered or dropped event needs none even if the queue did not confirm
    /// it: when a function reports the other messages, SQS deletes this one.
    pub is_done: bool,
}

/// Settles records with their queue, waiting for it until `until`. Returns the outcomes to publish, too: none of a record whose
/// outcome is published with another copy of the message, or whose dead letter the queue did not accept.
pub(super) async fn settle(
    queue: &Queue,
    decided: Vec<DecidedRecord>,
    (target, kind): (&TargetName, Kind),
    until: Instant,
) -> (Vec<SettledRecord>, Vec<OutcomeRecord>) {
    let settlements: Vec<_> = decided
        .iter()
        .map(|decided| (&*decided.record, decided.settlement(kind)))
        .collect();
    let answers = queue.settle(&settlements, until).await;
    let (mut answers, now) = (answers.into_iter(), now());
    let (mut records, mut outcomes) = (
        Vec::with_capacity(decided.len()),
        Vec::with_capacity(decided.len()),
    );
    for decided in decided {
        let acknowledged = match answers.next() {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                warn!(id = &*decided.record.id, %error, "failed to acknowledge message; it will be redelivered");
                false
            }
            None => false,
        };
        let (record, outcome) = settled(decided, target, acknowledged, now);
        records.push(record);
        outcomes.extend(outcome);
    }
    (records, outcomes)
}

/// `now` is in milliseconds since 1970.
pub(super) fn settled(
    decided: DecidedRecord,
    target: &TargetName,
    acknowledged: bool,
    now: i64,
) -> (SettledRecord, Option<OutcomeRecord>) {
    let (is_done, is_published) = match decided.outcome {
        Outcome::Delivered { .. } | Outcome::Unchanged { .. } | Outcome::Dropped { .. } => {
            (true, true)
        }
        // One that the queue did not accept is no dead letter yet.
        Outcome::DeadLettered { .. } => (acknowledged, acknowledged),
        Outcome::Retry { .. } => (false, true),
    };
    if let Some(mark) = decided.mark {
        mark.keep();
    }
    let settled = SettledRecord {
        queue_id: decided.record.queue_id.clone(),
        is_done,
    };
    let outcome = || OutcomeRecord {
        id: decided.record.id.clone(),
        key: decided.event.as_ref().map(OrderingKey::from),
        size_bytes: match &decided.event {
            Some(event) => event.text().len(),
            None => decided.record.body.len(),
        },
        event: decided.event,
        delivered: decided.delivered,
        target: target.clone(),
        outcome: decided.outcome,
        attempts: decided.record.attempts,
        duration: decided.duration,
        age: (decided.record.received_at).map(|received_at| age(received_at, now)),
        transform: decided.log,
        merged: decided.merged,
        trace_id: (decided.record.trace.as_ref()).map(|trace| trace.id().to_owned()),
        new_token: decided.record.token_salt.is_some(),
    };
    let is_published = is_published && !decided.is_repeat;
    (settled, is_published.then(outcome))
}

fn age(received_at: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(received_at)).unwrap_or(0))
}

/// The outcome of one event at one target, as observers see it.
#[derive(Debug, Clone)]
pub struct OutcomeRecord {
    /// The event's id in logs and in the queue.
    pub id: Arc<str>,
    /// The events it is delivered in order with; `None` for a record that is not an event.
    pub key: Option<OrderingKey>,
    /// The event as it was received; `None` for a record that is not an event.
    pub event: Option<Event>,
    /// The event as it was attempted: after the rules, and merged with others of its run. `None` if it was not, or if a later
    /// one has it.
    pub delivered: Option<Event>,
    /// The target.
    pub target: TargetName,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was received from the queue, this time included.
    pub attempts: u32,
    /// How long the delivery took.
    pub duration: Duration,
    /// How long ago it was accepted, as far as is known.
    pub age: Option<Duration>,
    /// The size of the event as it was received.
    pub size_bytes: usize,
    /// What the rules did to it.
    pub transform: TransformLog,
    /// The id under which it was delivered merged with other events of its run.
    pub merged: Option<Arc<str>>,
    /// The id of the trace of its request, where the queue carries it.
    pub trace_id: Option<String>,
    /// Whether a replay asked the target to take it again although it has accepted it before.
    pub new_token: bool,
}

impl OutcomeRecord {
    /// The run id, for a RunEvent.
    pub fn run_id(&self) -> Option<Uuid> {
        self.event.as_ref().and_then(Event::run_id)
    }

    /// The job, unless it is a DatasetEvent.
    pub fn job(&self) -> Option<&Identity> {
        self.event.as_ref().and_then(Event::job)
    }

    /// The event type or kind: `START`, `JobEvent`.
    pub fn event_type(&self) -> Option<&'static str> {
        self.event.as_ref().map(Event::label)
    }
}
