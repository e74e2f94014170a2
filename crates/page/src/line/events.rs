//! What the page shows of events beside their outcomes: those that wait, and what they say.

use history::{FoundWaiting, Search};
use serde::Serialize;

use super::Answer;

/// The events of the proxy that runs.
pub trait EventLine: Send + Sync + 'static {
    /// Returns the newest events that wait for their first attempt and that a search matches, as far as the queue can tell. Few at a
    /// time may ask: it may take a core for a second.
    fn waiting<'a>(&'a self, search: &'a Search) -> Answer<'a, Result<FoundWaiting, String>>;

    /// Returns an event as it was accepted, at about this time, in milliseconds since 1970; with everything hidden that rules redact.
    /// May be as large as events may be.
    fn accepted<'a>(&'a self, id: &'a str, near: i64) -> Answer<'a, Result<String, NoTexts>>;

    /// Returns what an event says that is not too large for it, that was accepted at about this time, in milliseconds since 1970; with
    /// everything hidden that rules redact.
    fn texts<'a>(&'a self, id: &'a str, near: i64) -> Answer<'a, Result<EventTexts, NoTexts>>;
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventTexts {
    /// As it was accepted, with everything hidden that rules redact.
    pub accepted: String,
    /// Where something is hidden, as JSON Pointers.
    pub hidden: Vec<String>,
    /// As it becomes for each target.
    pub targets: Vec<TargetTexts>,
}

/// What an event becomes for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetTexts {
    /// The target.
    pub target: String,
    /// As it was delivered, if the log has noted that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Adapted>,
    /// As the rules of today make it.
    pub today: Adapted,
    /// The version of the rules of today.
    pub version: String,
}

/// An event as it becomes for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adapted {
    /// What becomes of it.
    pub result: AdaptedAs,
    /// What differs from the event as it was accepted.
    pub changes: Vec<Change>,
    /// How many more differences there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// The rules that failed, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<(String, String)>,
}

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdaptedAs {
    /// This text.
    Text(String),
    /// This rule drops it.
    Dropped(String),
    /// It is a dead letter: the rule, and why.
    DeadLetter(String, String),
}

/// A difference, with values in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where, as a JSON Pointer.
    pub pointer: String,
    /// The value before; `None` if there was none.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
    /// The rules that changed it, as far as is known.
    pub rules: Vec<String>,
}

/// Why nothing is known of what an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTexts {
    /// This queue keeps no event.
    NotKept,
    /// It was deleted, or is unknown.
    Gone,
    /// It is no event, or it cannot be found out what may be shown of it; and why.
    Unreadable(String),
    /// It has so many bytes, which are too many to be shown. It can be saved.
    TooLarge(usize),
    /// The queue cannot be read now.
    Failed,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}
