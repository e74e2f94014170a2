//! Fetches what sources read. Each module pages through one service and remembers where it is; what the bytes mean is
//! decided in `sources`, and who takes the events is decided by the proxy.
//!
//! Whoever calls a source sends the events of a [`Fetched`] to the queue first, and passes its [`Checkpoint`] on only
//! then: so a crash in between finds the same events again, with the same identities, and loses nothing.

pub mod crawler;
mod error;
pub mod flyte;
mod kind;
pub mod logs;
pub mod redshift;
mod saved;
pub mod sqs;
#[cfg(test)]
mod tests;

use sources::{Extraction, Identity};

pub use error::FetchError;
pub use kind::{Kind, KindConfig, NoPast, SettingError, Source, SourceSettings};
pub use saved::{SavedError, SavedSource};

/// What one poll of a service brought.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The events and findings.
    pub extraction: Extraction,
    /// What to do once the queue has the events.
    pub checkpoint: Checkpoint,
    /// Whether there is more to get at once; otherwise the next poll is due after the interval.
    pub more: bool,
}

/// How far a source is once the events of a [`Fetched`] are in the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing to remember.
    #[default]
    None,
    /// The position to go on from, in the source's own form. Kept durably by the caller, and passed to the source again
    /// when it starts.
    Cursor(serde_json::Value),
    /// Messages of a queue, which the source deletes when it is told that their events are taken.
    Messages {
        /// Those that were read.
        read: Vec<ReadMessage>,
        /// Those whose reading panicked: to be deleted only where somebody keeps unread inputs.
        unread: Vec<ReadMessage>,
    },
}

/// A message of a queue, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMessage {
    /// What it is deleted by.
    pub receipt: String,
    /// The identities of its events and of its inputs that are unread. It is to be deleted once all of them are taken.
    pub parts: Vec<Identity>,
}

impl ReadMessage {
    pub(crate) fn new(receipt: String, found: &Extraction) -> ReadMessage {
        let events = found.events.iter().map(|event| event.identity);
        let unread = found.unread.iter().map(|input| input.identity);
        ReadMessage {
            receipt,
            parts: events.chain(unread).collect(),
        }
    }
}
