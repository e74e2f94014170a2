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

use sources::Extraction;

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
        /// The receipts of those that were read.
        read: Vec<String>,
        /// The receipts of those whose reading panicked: to be deleted only where somebody keeps unread inputs.
        unread: Vec<String>,
    },
}
