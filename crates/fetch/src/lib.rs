//! Fetches what sources read. Each module pages through one service and remembers where it is; what the bytes mean is
//! decided in `sources`, and who takes the events is decided by the proxy.
//!
//! Whoever calls a source sends the events of a [`Fetched`] to the queue first, and passes its [`Checkpoint`] on only
//! then: so a crash in between finds the same events again, with the same identities, and loses nothing.

pub mod crawler;
pub mod flyte;
mod kind;
pub mod logs;
pub mod redshift;
pub mod sqs;

use aws::ProvideErrorMetadata;
use sources::Extraction;

pub use kind::{Kind, KindConfig, SettingError, Source, SourceSettings};

/// What one look at a service brought.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The events and findings.
    pub extraction: Extraction,
    /// What to do once the queue has the events.
    pub checkpoint: Checkpoint,
    /// Whether there is more to get at once; otherwise the next look is due after the interval.
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
    Messages(Vec<String>),
}

/// Why a look at a service failed. The caller waits and tries again from the same position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It may succeed later: the service is slow, limits the rate, or cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// It fails until somebody changes something, such as a permission or a name.
    #[error("{0}")]
    Refused(String),
}

impl FetchError {
    /// Tells what will pass from what will not. The words of the service are redacted, as it may quote the request.
    pub(crate) fn of(error: &aws::Error) -> FetchError {
        let text = aws::summarize(error, transform::redact_text);
        let service_is_new_to_it = error.code() == Some("OperationTimeoutException");
        match error.may_pass() || service_is_new_to_it {
            true => FetchError::Unavailable(text),
            false => FetchError::Refused(text),
        }
    }
}
