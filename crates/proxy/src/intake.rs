//! Intake: validates events, assigns each an id and an ordering key, counts them and sends them to the queue.
//!
//! Every source calls it. Intake knows where an event comes from ([`Origin`]) and not how it was sent: HTTP is in
//! `ingest`. It never delivers. Each event gets exactly one answer, in the order of the events, and is accepted only
//! once the queue has it durably.

mod cpu_pool;
mod memory;
mod once;
mod validate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use openlineage::{Event, Finding, Level, OrderingKey, Severity, ValidEvent};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, info};
use uuid::Uuid;

use crate::queue::{Ledger, Message, Queue, SendError, SendOutcome, Trace, now};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::{NAME, shown};

pub use cpu_pool::{CpuPool, Interruption};
pub use memory::{BudgetError, MemoryBudget, Reservation};
pub use validate::{EventSummary, FOUND_ARRAY, FOUND_SEVERAL, verdict};

pub(crate) use cpu_pool::INLINE_SIZE;
#[cfg(test)]
pub(crate) use validate::validate;

/// The most findings in the answers of one call. Further events only get a reason, so that an array of invalid events
/// takes no more memory than it was sent with.
pub const MAX_FINDINGS: usize = 1_000;

/// The entrance to the queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: Queue,
    level: Level,
    pool: CpuPool,
    /// For a queue that does not know identities itself.
    ledger: Option<Ledger>,
    validation: Validation,
}

/// What validates an event: [`validate::validate`], but in tests of a bug in it.
type Validation = fn(&[u8], Level) -> Result<ValidEvent, RejectedEvent>;

/// The bytes of one event.
#[derive(Debug, Clone)]
pub struct RawEvent {
    /// The event as it was sent.
    pub bytes: Bytes,
    /// Who it is, if its source can tell: it is queued once, however often it comes, and has this id.
    pub identity: Option<Uuid>,
}

/// The source of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An HTTP request.
    Http {
        /// The name of its API key, if it has one.
        sender: Option<Arc<str>>,
        /// The trace that it belongs to, if its headers name one.
        trace: Option<Trace>,
    },
    /// A source of the configuration, or a command that reads one.
    Source {
        /// Its name.
        name: Arc<str>,
    },
}

/// An event that is durably in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedEvent {
    /// Its id in the queue, in logs and in dead letters.
    pub id: String,
    /// What was repaired.
    pub repairs: Vec<Finding>,
    /// Whether an event of its identity was accepted before, and so this one was not queued again.
    pub is_known: bool,
}

/// An event that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedEvent {
    /// Why it was not accepted.
    pub reason: RejectionReason,
    /// The names in the event.
    pub event: Box<EventSummary>,
}

/// Why an event was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectionReason {
    /// It is not a valid OpenLineage event.
    #[error("invalid OpenLineage event: {summary}")]
    Invalid {
        /// The rule of the first error.
        rule: &'static str,
        /// Rule and position of the first errors, without values.
        summary: String,
        /// Errors first; at most [`MAX_FINDINGS`] for all events of a call together.
        findings: Vec<Finding>,
    },
    /// The queue does not accept events of that size.
    #[error("{0}")]
    TooLarge(String),
    /// It cannot be queued now. Sending it again may succeed.
    #[error("{0}")]
    Unavailable(String),
    /// Its validation panicked. Sending it again may succeed, but hardly before another version has a correction.
    #[error("a bug in the validation of the event")]
    Bug,
}

/// An event on its way to the queue.
struct Candidate {
    id: String,
    identity: Option<Uuid>,
    valid: ValidEvent,
}

impl Intake {
    /// Creates an intake that validates at `level`, in `pool`.
    pub fn new(queue: Queue, level: Level, pool: CpuPool) -> Intake {
        Intake {
            queue,
            level,
            pool,
            ledger: None,
            validation: validate::validate,
        }
    }

    /// Replaces the validation by one with a bug.
    #[cfg(test)]
    pub(crate) fn with_validation(self, validation: Validation) -> Intake {
        Intake { validation, ..self }
    }

    /// Lets events with an identity be queued once, also by a queue that does not know identities itself: SQS.
    #[must_use]
    pub fn with_ledger(self, ledger: Ledger) -> Intake {
        Intake {
            ledger: Some(ledger),
            ..self
        }
    }

    /// Validates events and queues the valid ones in one write. Returns an answer for each event, in order.
    ///
    /// `memory` covers the bytes of the events. It is released once the queue has written them.
    pub async fn accept(
        &self,
        events: Vec<RawEvent>,
        origin: &Origin,
        memory: Reservation,
    ) -> Vec<Result<AcceptedEvent, RejectedEvent>> {
        let count = events.len();
        Metric::Received.add([], count as u64);
        let size = events.iter().map(|event| event.bytes.len()).sum();
        let (level, validation) = (self.level, self.validation);
        // The reservation moves along, because the work may outlive the caller.
        let validated = (self.pool).run(size, move || {
            (validate_all(events, level, validation), memory)
        });
        let (candidates, memory) = match validated.await {
            Ok(validated) => validated,
            Err(interrupted) => {
                return vec![Err(RejectedEvent::unavailable(&interrupted.to_string())); count];
            }
        };
        let messages = messages(&candidates, now(), memory.into_permit(), origin.trace());
        let sent = match (messages.is_empty(), &self.ledger) {
            (true, _) => Vec::new(),
            (false, None) => self.queue.send(messages).await,
            (false, Some(ledger)) => once::send_once(&self.queue, ledger, messages).await,
        };
        let answers = resolve(candidates, sent).into_iter();
        answers
            .map(|answer| {
                let (Candidate { id, valid, .. }, sent) = answer?;
                let is_known = match sent {
                    SendOutcome::Queued => {
                        record_accepted(&id, &valid, origin);
                        false
                    }
                    SendOutcome::Known => {
                        debug!(id, origin = origin.name(), "event was accepted before");
                        Metric::AcceptedBefore.add([], 1);
                        true
                    }
                };
                Ok(AcceptedEvent {
                    id,
                    repairs: valid.repairs,
                    is_known,
                })
            })
            .collect()
    }

    /// Checks that the queue can accept events.
    pub async fn ready(&self) -> Result<(), crate::queue::QueueError> {
        self.queue.ready().await
    }
}

fn validate_all(
    events: Vec<RawEvent>,
    level: Level,
    validation: Validation,
) -> Vec<Result<Candidate, RejectedEvent>> {
    let mut left = MAX_FINDINGS;
    // A panic on one event is a bug: the other events of the request are still queued.
    let validate =
        |event: &RawEvent| catch_unwind(AssertUnwindSafe(|| validation(&event.bytes, level)));
    let validate = |event: RawEvent| match validate(&event) {
        Err(_panic) => Err(RejectedEvent {
            reason: RejectionReason::Bug,
            event: Box::default(),
        }),
        Ok(Ok(valid)) => Ok(Candidate {
            id: event.identity.unwrap_or_else(Uuid::now_v7).to_string(),
            identity: event.identity,
            valid,
        }),
        Ok(Err(mut rejected)) => {
            if let RejectionReason::Invalid { findings, .. } = &mut rejected.reason {
                findings.truncate(left);
                left -= findings.len();
            }
            Err(rejected)
        }
    };
    events.into_iter().map(validate).collect()
}

fn messages(
    candidates: &[Result<Candidate, RejectedEvent>],
    received_at: i64,
    permit: Option<Arc<OwnedSemaphorePermit>>,
    trace: Option<&Trace>,
) -> Vec<Message> {
    let message = |candidate: &Candidate| Message {
        id: candidate.id.clone(),
        body: candidate.valid.event.shared_text(),
        received_at,
        group: OrderingKey::from(&candidate.valid.event).to_string(),
        identity: candidate.identity,
        memory_permit: permit.clone(),
        trace: trace.cloned(),
        event: candidate.valid.event.clone().into(),
    };
    candidates.iter().flatten().map(message).collect()
}

/// Merges the answers of the queue, which are those of the valid events in order, into the answers of all events. An
/// event without an answer of the queue is not accepted.
fn resolve(
    candidates: Vec<Result<Candidate, RejectedEvent>>,
    sent: Vec<Result<SendOutcome, SendError>>,
) -> Vec<Result<(Candidate, SendOutcome), RejectedEvent>> {
    let mut sent = sent.into_iter();
    let resolve = |candidate: Result<Candidate, RejectedEvent>| {
        let candidate = candidate?;
        let reason = match sent.next() {
            Some(Ok(sent)) => return Ok((candidate, sent)),
            Some(Err(error @ SendError::TooLarge { .. })) => {
                RejectionReason::TooLarge(error.to_string())
            }
            Some(Err(SendError::Unavailable(why))) => RejectionReason::Unavailable(why),
            None => RejectionReason::Unavailable("the queue did not confirm the event".to_owned()),
        };
        let event = EventSummary::of(candidate.valid.event.text().as_bytes());
        Err(RejectedEvent {
            reason,
            event: Box::new(event),
        })
    };
    candidates.into_iter().map(resolve).collect()
}

/// Counts an accepted event, and logs its repairs and its sender.
fn record_accepted(id: &str, valid: &ValidEvent, origin: &Origin) {
    let ValidEvent { event, repairs } = valid;
    let trace_id = origin.trace().map(Trace::id);
    let (origin, sender) = (origin.name(), origin.sender());
    debug!(id, origin, sender, trace_id, "event accepted");
    Metric::Accepted.add([], 1);
    for repair in repairs {
        Metric::Repairs.add([repair.rule.into()], 1);
    }
    if !repairs.is_empty() {
        let job = event.job();
        info!(
            id,
            origin,
            sender,
            trace_id,
            run.id = event.run_id().map(|run| run.to_string()),
            job.namespace = job.map(|job| shown(&job.namespace, NAME)).as_deref(),
            job.name = job.map(|job| shown(&job.name, NAME)).as_deref(),
            event.r#type = Event::label(event),
            repairs = summarize(repairs),
            "event repaired"
        );
    }
}

impl Origin {
    /// Returns the way in which an event came, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Origin::Http { .. } => "http",
            Origin::Source { .. } => "source",
        }
    }

    /// Returns who sent it, as far as that is known: the name of a key, or of a source.
    fn sender(&self) -> Option<&str> {
        match self {
            Origin::Http { sender, .. } => sender.as_deref(),
            Origin::Source { name } => Some(name),
        }
    }

    /// Returns the trace that it belongs to.
    fn trace(&self) -> Option<&Trace> {
        match self {
            Origin::Http { trace, .. } => trace.as_ref(),
            Origin::Source { .. } => None,
        }
    }
}

impl RejectedEvent {
    fn unavailable(why: &str) -> RejectedEvent {
        RejectedEvent {
            reason: RejectionReason::Unavailable(why.to_owned()),
            event: Box::default(),
        }
    }
}

impl RejectionReason {
    /// Returns the reason for an event with these findings, errors first.
    pub fn invalid(findings: Vec<Finding>) -> RejectionReason {
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        RejectionReason::Invalid {
            rule: findings.first().map_or("", |finding| finding.rule),
            summary: summarize(errors),
            findings,
        }
    }

    /// Whether sending the event again may succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            RejectionReason::Unavailable(_) | RejectionReason::Bug => true,
            RejectionReason::Invalid { .. } | RejectionReason::TooLarge(_) => false,
        }
    }
}

/// Returns rule and position of the first findings, for a log line.
fn summarize<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> String {
    const SHOWN: usize = 5;
    let mut findings = findings.into_iter();
    let mut shown: Vec<String> = findings.by_ref().take(SHOWN).map(Finding::brief).collect();
    match findings.count() {
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests;
