//! The queue between intake and pipeline: embedded in the data folder, or Amazon SQS, with the same meaning. A command that
//! replays events has one in memory.
//!
//! A message's body is the event itself, so that anything else can read or write the queue; id, time and attempts go beside
//! it. A message that was received is invisible for a while, and becomes visible again unless it is settled. The crate logs
//! only what it alone can know (that writing fails, that a body was not deleted); callers log and count the rest.

mod clock;
mod config;
mod embedded;
mod failure_log;
mod free_space;
mod identities;
mod ledger;
mod log;
mod memory;
mod sqs;
mod trace;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openlineage::Event;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use config::{Destination, EmbeddedConfig, QueueConfig, QueueUrl, SqsConfig, Topic};
pub use embedded::Embedded;
pub use failure_log::FailureLog;
pub use free_space::has_space;
pub use ledger::Ledger;
pub use log::{
    AcceptedBetween, Condition, Consumer, ConsumerStart, ConsumerStatus, DeadLetter, Form, Log,
    LogOptions, LoggedEvent, LoggedEvents, Order, OwnerTarget, Retention, Search, SearchHit,
    SearchStep, Start, Status,
};
pub use memory::{DoneEvent, Memory, MemoryLimits};
pub use sqs::{Pointer, Sqs, SqsDeadLetters, SqsLetter};
pub use trace::Trace;

/// Removes what must not be logged from a text of a service: credentials, tokens, events.
///
/// Errors of SQS and S3 may quote the request. The caller supplies the rules, so that they are the same for all it logs.
pub type Redactor = fn(&str) -> String;

/// A queue. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Queue {
    /// SQLite in the data folder.
    Embedded(Embedded),
    /// Amazon SQS, or a server that speaks its protocol; events may come there through an SNS topic.
    Sqs(Sqs),
    /// In memory: nothing is sent to it but by who owns it.
    Memory(Memory),
    /// The log of a data folder without any target: events are appended to it, and received by the next `serve`.
    Log(Log),
}

/// An event to send.
#[derive(Debug, Clone)]
pub struct Message {
    /// The event's id in logs and in the queue.
    pub id: String,
    /// The event.
    pub body: Arc<str>,
    /// When it was accepted, in milliseconds since 1970.
    pub received_at: i64,
    /// Its message group, in which a FIFO queue keeps the order: an `openlineage::OrderingKey` as text.
    pub group: String,
    /// Who the event is, if its sender can tell: the embedded queue takes an identity once. For other queues see
    /// [`Ledger`].
    pub identity: Option<Uuid>,
    /// Its share of the memory budget, released with the last copy of the message.
    pub memory_permit: Option<Arc<OwnedSemaphorePermit>>,
    /// The trace of its request, which goes to SQS with it.
    pub trace: Option<Trace>,
    /// What the body says, if the sender has read it.
    pub event: SharedEvent,
}

/// What a body says, once somebody has read it, and its hash: all who receive the same message in this process share them.
#[derive(Debug, Clone, Default)]
pub struct SharedEvent(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    event: OnceLock<Event>,
    body_hash: OnceLock<BodyHash>,
}

/// The SHA-256 of a body.
pub type BodyHash = [u8; 32];

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// It is durably in the queue.
    Queued,
    /// The queue took an event of this identity before, and did not take it again.
    Known,
}

/// A received event.
#[derive(Debug, Clone)]
pub struct Record {
    /// The event's id; the queue's own if another writer sent the message.
    pub id: String,
    /// The body of the message: the event, unless another writer sent something else.
    pub body: Arc<str>,
    /// Why the body is empty: the message is not text.
    pub unreadable: Option<String>,
    /// When it was accepted, in milliseconds since 1970, if that is known.
    pub received_at: Option<i64>,
    /// How often it was received, this time included.
    pub attempts: u32,
    /// The receipt that settles it.
    pub receipt: String,
    /// The queue's own id of the message.
    pub queue_id: String,
    /// Where the body is stored, if it was too large for the queue.
    pub stored: Option<Pointer>,
    /// Its message group, in which a FIFO queue keeps the order.
    pub group: Option<String>,
    /// The trace of the request that brought it, where the queue carries that.
    pub trace: Option<Trace>,
    /// What the body says.
    pub event: SharedEvent,
}

/// Why the body of a record that was too large for the queue could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// The body does not exist any more, or is not one that is read. Fetching it again does not help.
    Gone(String),
    /// The bucket could not be read now.
    Unavailable(String),
    /// The bodies of the other records use up the memory for a batch.
    Later,
}

/// How a record is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Deletes it from the queue: it was delivered or dropped.
    Acknowledge,
    /// Acknowledges it, and lets the store have it in this form. In the embedded queue, the store is a view of the log; a
    /// queue in SQS has none, and only acknowledges.
    Store(StoredForm),
    /// Makes it visible again after this time.
    Retry(Duration),
    /// Moves it to the dead letters, with this reason.
    DeadLetter(String),
}

impl Settlement {
    /// Whether the queue is done with the record.
    pub(crate) fn acknowledges(&self) -> bool {
        match self {
            Settlement::Acknowledge | Settlement::Store(_) => true,
            Settlement::Retry(_) | Settlement::DeadLetter(_) => false,
        }
    }
}

/// The form in which the store has an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredForm {
    /// As it was accepted.
    Accepted,
    /// As this text.
    Changed(Arc<str>),
}

/// How many records to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// So many are worth a batch: no more are waited for.
    pub enough: usize,
    /// The most, if more can be received at once and all are on their first attempt; fewer while a client waits for its append.
    /// SQS always returns the former at most.
    pub most: usize,
}

/// How much is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Events that wait for an attempt or were received.
    pub events: u64,
    /// Dead letters, if they can be counted.
    pub dead_letters: Option<u64>,
    /// Age of the event that has been in the queue for longest, in seconds; 0 if there is none. SQS does not tell.
    pub oldest_seconds: Option<u64>,
}

/// Why a message was not sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// The message is too large for the queue.
    #[error("the queue accepts messages of at most {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// The queue could not be reached, or is full. Sending again may work.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
}

/// Why the queue could not be read or settled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("queue: {0}")]
pub struct QueueError(pub String);

impl Record {
    /// Creates the record of an event that is in no queue: a first attempt, with an empty body and receipt.
    pub fn unqueued(id: String) -> Record {
        Record {
            id,
            body: Arc::default(),
            unreadable: None,
            received_at: None,
            attempts: 1,
            receipt: String::new(),
            queue_id: String::new(),
            stored: None,
            group: None,
            trace: None,
            event: SharedEvent::default(),
        }
    }

    /// Returns the hash of the body.
    pub fn body_hash(&self) -> BodyHash {
        let hash = || Sha256::digest(self.body.as_bytes()).into();
        *self.event.0.body_hash.get_or_init(hash)
    }
}

impl From<usize> for BatchSize {
    fn from(size: usize) -> BatchSize {
        BatchSize {
            enough: size,
            most: size,
        }
    }
}

impl SharedEvent {
    /// Returns the event, or else what `read` returns, and keeps that.
    pub fn get_or_read<E>(&self, read: impl FnOnce() -> Result<Event, E>) -> Result<Event, E> {
        if let Some(event) = self.0.event.get() {
            return Ok(event.clone());
        }
        let event = read()?;
        Ok(self.0.event.get_or_init(|| event).clone())
    }
}

impl From<Event> for SharedEvent {
    fn from(event: Event) -> SharedEvent {
        SharedEvent(Arc::new(Shared {
            event: OnceLock::from(event),
            body_hash: OnceLock::new(),
        }))
    }
}

impl Queue {
    /// Sends messages; one result each, in order. `Ok` means durable.
    pub async fn send(&self, messages: Vec<Message>) -> Vec<Result<SendOutcome, SendError>> {
        match self {
            Queue::Embedded(queue) => queue.send(messages).await,
            Queue::Sqs(queue) => {
                let sent = queue.send(messages).await.into_iter();
                sent.map(|sent| sent.map(|()| SendOutcome::Queued))
                    .collect()
            }
            Queue::Memory(_) => {
                let why = SendError::Unavailable("events are pushed".to_owned());
                vec![Err(why); messages.len()]
            }
            Queue::Log(log) => log.append(messages).await,
        }
    }

    /// Receives records, as soon as there are enough or the first has waited for `window`. Returns none from time to time, and
    /// soon after `stop`, so that the caller can do something else.
    pub async fn receive(
        &self,
        size: impl Into<BatchSize>,
        window: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Record>, QueueError> {
        let size = size.into();
        match self {
            Queue::Embedded(queue) => tokio::select! {
                received = queue.receive(size, window) => received,
                () = stop.cancelled() => Ok(Vec::new()),
            },
            Queue::Sqs(queue) => queue.receive(size.enough, window, stop).await,
            Queue::Memory(queue) => tokio::select! {
                received = queue.receive(size.enough, window) => Ok(received),
                () = stop.cancelled() => Ok(Vec::new()),
            },
            Queue::Log(_) => Err(no_target()),
        }
    }

    /// Fetches the bodies that were too large for the queue, until `until`. Returns the complete records, and the others with
    /// the reason.
    pub async fn fetch_bodies(
        &self,
        records: Vec<Record>,
        until: Instant,
    ) -> (Vec<Record>, Vec<(Record, BodyError)>) {
        match self {
            Queue::Embedded(_) | Queue::Memory(_) | Queue::Log(_) => (records, Vec::new()), // of any size
            Queue::Sqs(queue) => queue.fetch_bodies(records, until).await,
        }
    }

    /// Settles records; one result each, in order. A record that could not be settled becomes visible again when its
    /// visibility timeout ends. A remote queue is not waited for beyond `until`.
    pub async fn settle(
        &self,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Vec<Result<(), QueueError>> {
        match self {
            Queue::Embedded(queue) => queue.settle(records).await,
            Queue::Sqs(queue) => queue.settle(records, until).await,
            Queue::Memory(queue) => queue.settle(records).await,
            Queue::Log(_) => vec![Err(no_target()); records.len()],
        }
    }

    /// The queue as the batch function uses it: Lambda deletes the messages that were settled.
    #[must_use]
    pub fn for_function(self) -> Queue {
        match self {
            queue @ (Queue::Embedded(_) | Queue::Memory(_) | Queue::Log(_)) => queue,
            Queue::Sqs(queue) => Queue::Sqs(queue.deleted_by_lambda()),
        }
    }

    /// Whether events can be received from it and counted: not where they are only published to a topic.
    pub fn can_receive(&self) -> bool {
        match self {
            Queue::Embedded(_) | Queue::Memory(_) => true,
            Queue::Sqs(queue) => queue.can_receive(),
            Queue::Log(_) => false,
        }
    }

    /// Counts what is in the queue.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        match self {
            Queue::Embedded(queue) => queue.depth().await,
            Queue::Sqs(queue) => queue.depth().await,
            Queue::Memory(queue) => Ok(Depth {
                events: queue.len() as u64,
                dead_letters: None,
                oldest_seconds: None,
            }),
            Queue::Log(_) => Err(no_target()),
        }
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub async fn verify(&self) -> Result<(), QueueError> {
        match self {
            Queue::Embedded(queue) => queue.verify().await,
            Queue::Log(log) => log.verify().await,
            Queue::Sqs(_) | Queue::Memory(_) => Ok(()), // nothing of it is open
        }
    }

    /// Waits until the queue has failed for good, with every accepted event where the next start finds it. The process has
    /// to end then, and be started again. Only the embedded queue can fail so: see [`journal::Journal::failed`].
    pub async fn failed(&self) -> journal::Failure {
        match self {
            Queue::Embedded(queue) => queue.failed().await,
            Queue::Log(log) => log.failed().await,
            Queue::Sqs(_) | Queue::Memory(_) => std::future::pending().await, // nothing of it is open
        }
    }

    /// Returns a future that completes when the last clone is dropped and the files of the embedded queue are closed.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let closed = match self {
            Queue::Embedded(queue) => Some(queue.log().closed()),
            Queue::Log(log) => Some(log.closed()),
            Queue::Sqs(_) | Queue::Memory(_) => None,
        };
        async move {
            if let Some(closed) = closed {
                closed.await;
            }
        }
    }

    /// Whether the queue has failed for good. What only its open files hold may still be being saved.
    pub fn has_failed(&self) -> bool {
        match self {
            Queue::Embedded(queue) => queue.has_failed(),
            Queue::Log(log) => log.has_failed(),
            Queue::Sqs(_) | Queue::Memory(_) => false,
        }
    }

    /// Deletes settled events that are kept no longer, until `stop`. SQS deletes by itself.
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        match self {
            Queue::Embedded(queue) => queue.enforce_retention(stop).await,
            Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => stop.cancelled().await,
        }
    }

    /// Whether a message could be sent now.
    pub async fn ready(&self) -> Result<(), QueueError> {
        match self {
            Queue::Embedded(queue) => queue.ready().await,
            Queue::Sqs(queue) => queue.ready().await,
            Queue::Memory(_) => Ok(()),
            Queue::Log(log) => log.ready().await,
        }
    }
}

fn no_target() -> QueueError {
    QueueError("no target receives from the log here".to_owned())
}

/// Returns the records, each message once: SQS may deliver a message twice, and then only the later receipt is valid.
#[must_use]
pub fn once(records: Vec<Record>) -> Vec<Record> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        match places.get(&record.queue_id).copied() {
            Some(place) => {
                if let Some(before) = kept.get_mut(place)
                    && before.attempts <= record.attempts
                {
                    *before = record;
                }
            }
            None => {
                places.insert(record.queue_id.clone(), kept.len());
                kept.push(record);
            }
        }
    }
    kept
}

/// Returns the time in milliseconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
