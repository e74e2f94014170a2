//! The queue between intake and pipeline: embedded in the data folder, or Amazon SQS, with the same meaning. A command that
//! replays events has one in memory.
//!
//! A message's body is the event itself, so that anything else can read or write the queue; id, time and attempts go beside
//! it. A message that was received is invisible for a while, and becomes visible again unless it is settled. The crate logs
//! only what it alone can know (that writing fails, that a body was not deleted); callers log and count the rest.

mod clock;
mod config;
mod dead_letters;
mod embedded;
mod failure_log;
mod free_space;
mod identities;
mod ledger;
mod log;
mod memory;
mod message;
mod queue;
mod rate;
mod receipt;
mod record;
mod sqs;
mod token_salt;
mod trace;

pub use config::{Destination, EmbeddedConfig, QueueConfig, QueueUrl, SqsConfig, Topic};
pub use dead_letters::{
    DeadLetterGroup, DeadLetterGroups, Grouping, LetterExample, MAX_GROUPS, ReasonShape,
};
pub use embedded::Embedded;
pub use failure_log::FailureLog;
pub use free_space::has_space;
pub use ledger::{Ledger, MOVED_MEANWHILE};
pub use log::{
    AcceptedBetween, BodyLimits, Condition, Consumer, ConsumerStart, ConsumerStatus, DeadLetter,
    Form, FoundLetter, KeptEvent, LetterStep, LettersUntil, Log, LogOptions, LoggedBody,
    LoggedEvent, LoggedEvents, Order, OwnerTarget, Retention, Search, SearchHit, SearchStep,
    SoughtText, Start, Status, WaitingEvent,
};
pub use memory::{DoneEvent, Memory, MemoryLimits};
pub use message::{BodyHash, Message, SendError, SendOutcome, SharedEvent};
pub use queue::{Depth, Queue};
pub use rate::Rate;
pub use receipt::{LogReceipt, MemoryReceipt, Receipt};
pub use record::{BatchSize, BodyError, Record, Settlement, StoredForm, once};
pub use sqs::{Pointer, SetAsideError, SetAsideQueue, Sqs, SqsDeadLetters, SqsLetter, SqsWalk};
pub use token_salt::TokenSalt;
pub use trace::Trace;

/// Removes what must not be logged from a text of a service: credentials, tokens, events.
///
/// Errors of SQS and S3 may quote the request. The caller supplies the rules, so that they are the same for all it logs.
pub type Redactor = fn(&str) -> String;

/// Why the queue could not be read or settled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("queue: {0}")]
pub struct QueueError(pub String);

/// Returns the time in milliseconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
