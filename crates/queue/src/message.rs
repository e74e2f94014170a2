//! A message, and what is sent in it.

use std::sync::{Arc, OnceLock};

use openlineage::Event;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::Trace;

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
    /// [`Ledger`](crate::Ledger).
    pub identity: Option<Uuid>,
    /// Its share of the memory budget, released with the last copy of the message.
    pub memory_permit: Option<Arc<OwnedSemaphorePermit>>,
    /// The trace of its request, which goes to SQS with it.
    pub trace: Option<Trace>,
    /// What the body says, if the sender has read it.
    pub event: SharedEvent,
}

impl Message {
    /// Creates a message in no group, of which nothing else is known. `received_at` is in milliseconds since 1970.
    pub fn new(id: impl Into<String>, body: impl Into<Arc<str>>, received_at: i64) -> Message {
        Message {
            id: id.into(),
            body: body.into(),
            received_at,
            group: String::new(),
            identity: None,
            memory_permit: None,
            trace: None,
            event: SharedEvent::default(),
        }
    }
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

impl SharedEvent {
    /// Returns the event, or else what `read` returns, and keeps that.
    pub fn get_or_read<E>(&self, read: impl FnOnce() -> Result<Event, E>) -> Result<Event, E> {
        if let Some(event) = self.0.event.get() {
            return Ok(event.clone());
        }
        let event = read()?;
        Ok(self.0.event.get_or_init(|| event).clone())
    }

    /// Returns the hash of the body that says this, and keeps it.
    pub(crate) fn body_hash(&self, body: &str) -> BodyHash {
        let hash = || Sha256::digest(body.as_bytes()).into();
        *self.0.body_hash.get_or_init(hash)
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
