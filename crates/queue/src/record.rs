//! A record: a message that was received, and how it is settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::message::BodyHash;
use crate::{Pointer, Receipt, SharedEvent, TokenSalt, Trace};

/// A received event.
#[derive(Debug, Clone)]
pub struct Record {
    /// The event's id; the queue's own if another writer sent the message.
    pub id: Arc<str>,
    /// The body of the message: the event, unless another writer sent something else.
    pub body: Arc<str>,
    /// Why the body is empty: the message is not text.
    pub unreadable: Option<String>,
    /// When it was accepted, in milliseconds since 1970, if that is known.
    pub received_at: Option<i64>,
    /// How often it was received, this time included.
    pub attempts: u32,
    /// The receipt that settles it.
    pub receipt: Receipt,
    /// The queue's own id of the message.
    pub queue_id: Arc<str>,
    /// Where the body is stored, if it was too large for the queue.
    pub stored: Option<Pointer>,
    /// Its message group, in which a FIFO queue keeps the order.
    pub group: Option<String>,
    /// The trace of the request that brought it, where the queue carries that.
    pub trace: Option<Trace>,
    /// What a replay asked the target to take it again by, where the queue carries that.
    pub token_salt: Option<TokenSalt>,
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
    /// The most, if more can be received at once and all are on their first attempt.
    /// SQS always returns the former at most.
    pub most: usize,
}

impl Record {
    /// Creates the record of an event that is in no queue: a first attempt, with an empty body.
    pub fn unqueued(id: Arc<str>) -> Record {
        Record {
            id,
            body: Arc::default(),
            unreadable: None,
            received_at: None,
            attempts: 1,
            receipt: Receipt::Unqueued,
            queue_id: Arc::default(),
            stored: None,
            group: None,
            trace: None,
            token_salt: None,
            event: SharedEvent::default(),
        }
    }

    /// Returns the hash of the body.
    pub fn body_hash(&self) -> BodyHash {
        self.event.body_hash(&self.body)
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

/// Returns the records, each message once: SQS may deliver a message twice, and then only the later receipt is valid.
#[must_use]
pub fn once(records: Vec<Record>) -> Vec<Record> {
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
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
