//! What the page shows of the queue, and does to dead letters.

use std::sync::Arc;

use serde::Serialize;

use super::Answer;

/// The queue of the proxy that runs, and what became stuck in it.
pub trait QueueLine: Send + Sync + 'static {
    /// Returns the number of dead letters as it was some seconds ago, if they can be counted. Does not wait.
    fn dead_letter_count(&self) -> Option<u64>;

    /// Returns the state of the queue and of each target.
    fn state(&self) -> Answer<'_, QueueState>;

    /// Groups the dead letters by reason.
    fn dead_letters(&self) -> Answer<'_, Result<DeadLetters, QueueFailure>>;

    /// Looks at dead letters that cannot be listed without being received, as those of SQS.
    fn look<'a>(&'a self, by: &'a By) -> Answer<'a, Result<DeadLetters, QueueFailure>>;

    /// Counts the dead letters of a group as they are now.
    fn select(&self, group: Group) -> Answer<'_, Result<Selection, QueueFailure>>;

    /// Starts to redrive a group at this rate, in events a second.
    fn redrive<'a>(
        &'a self,
        group: Group,
        rate: u32,
        by: &'a By,
    ) -> Answer<'a, Result<Selection, QueueFailure>>;

    /// Cancels the redrive or the deletion for a target. Returns whether one was running.
    fn cancel<'a>(&'a self, target: &'a str, by: &'a By) -> Answer<'a, bool>;

    /// Deletes the dead letters of a group for good that were there at the moment of `selection`, if they are as many as it
    /// says.
    fn delete<'a>(
        &'a self,
        selection: Selection,
        by: &'a By,
    ) -> Answer<'a, Result<Deletion, QueueFailure>>;
}

/// The key of who does something, for the log; `None` if no key is needed.
pub type By = Option<Arc<str>>;

/// The state of the queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueState {
    /// What the queue is, for a person.
    pub kind: &'static str,
    /// The targets.
    pub targets: Vec<TargetState>,
    /// The sources that are read.
    pub sources: Vec<SourceState>,
    /// What is redriven or deleted, or was last.
    pub redrives: Vec<RedriveState>,
}

/// The state of a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetState {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Whether it takes events.
    pub health: Health,
    /// How much is queued for it.
    pub counts: Counted,
    /// When it took an event last, since the start of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivery: Option<String>,
    /// How fast it is sent requests, if it is sent any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

/// How much is queued for a target, if that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Counted {
    /// So much.
    Known(Counts),
    /// It cannot be read.
    Unknown {
        /// Why.
        error: String,
    },
}

/// How much is queued for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events that wait for their first attempt. In SQS, all that can be received now.
    pub waiting: u64,
    /// Events that were received and are not settled, those that are retried included.
    pub in_flight: u64,
    /// Those in flight that were attempted before. SQS does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrying: Option<u64>,
    /// Dead letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<u64>,
    /// Age of the event that has been in the queue for longest, in seconds. SQS does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

/// Whether a target takes events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Health {
    /// Nothing is known against it.
    Up,
    /// Attempts fail, but it may be for the events.
    Failing {
        /// For how long, in seconds.
        seconds: u64,
        /// How many attempts have failed.
        failures: u64,
    },
    /// It takes nothing.
    Down {
        /// For how long, in seconds.
        seconds: u64,
        /// How many attempts have failed.
        failures: u64,
        /// Why.
        error: String,
    },
    /// It is not open.
    NotOpen {
        /// Why.
        error: String,
        /// When it is tried again, in seconds.
        next_seconds: u64,
    },
    /// Another process delivers to it.
    Elsewhere,
}

/// How fast a target is sent requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pace {
    /// The most requests a second, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// The most for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Whether it refused the last request: it throttled, or did not take the connection.
    pub is_refusing: bool,
    /// How much longer the target asked to be sent nothing, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_seconds: Option<u64>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// The time between two polls that find nothing new, in seconds.
    pub interval_seconds: u64,
}

/// What is done to the dead letters of a group, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Each is put back into the queue.
    Redrive,
    /// Each is deleted for good.
    Delete,
}

/// What has become of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// So many were deleted.
    Done(u64),
    /// It takes longer: it is among what is redriven or deleted.
    Runs,
}

/// A redrive or a deletion that runs, or the last one for a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedriveState {
    /// What is done.
    pub operation: Operation,
    /// The target.
    pub target: String,
    /// The reason of the dead letters.
    pub shape: String,
    /// Events a second, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How many there were when it began.
    pub total: u64,
    /// How many were put back into the queue, or deleted.
    pub done: u64,
    /// When it began.
    pub started_at: String,
    /// How it ended, if it has.
    pub end: Option<RedriveEnd>,
}

/// How a redrive ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum RedriveEnd {
    /// All were looked at.
    Finished,
    /// Somebody cancelled it.
    Cancelled,
    /// The queue cannot be read or written.
    Failed {
        /// Why.
        error: String,
    },
}

/// Dead letters by reason, as `lineage-proxy dead-letters list --by-reason` prints them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    /// The largest group first.
    pub groups: Vec<DeadLetterGroup>,
    /// How many dead letters have further reasons, which are too many to list.
    pub others: u64,
    /// Whether all dead letters were looked at.
    pub is_complete: bool,
    /// When they were looked at, if they are only looked at when somebody asks for it. What is done to them is done to those that
    /// were seen then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<String>,
}

/// Dead letters for the same reason. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterGroup {
    /// What identifies the group, together with its target.
    pub key: String,
    /// The reason, with `…` for what differs from one event to another.
    pub shape: String,
    /// The target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many there are.
    pub count: u64,
    /// When the first of them became a dead letter.
    pub first_dead_at: i64,
    /// When the last of them did.
    pub last_dead_at: i64,
    /// How many of them were redriven before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came_back: Option<u64>,
    /// The last of them.
    pub example: LetterExample,
}

/// A dead letter of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterExample {
    /// The event's id.
    pub id: String,
    /// Its reason, as it is.
    pub reason: String,
    /// How often its delivery was attempted.
    pub attempts: u32,
}

/// Which group of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The target.
    pub target: String,
    /// The key of the group.
    pub key: String,
}

/// The dead letters of a group at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// The target.
    pub target: String,
    /// The key of the group.
    pub key: String,
    /// The reason; nothing if there are none.
    pub shape: Option<String>,
    /// How many.
    pub count: u64,
    /// The moment, as the queue has it.
    pub until: Moment,
}

/// A moment of the queue of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The last row.
    pub row: i64,
    /// The time, in milliseconds since 1970.
    pub at: i64,
}

/// Why something of the queue was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueFailure {
    /// Dead letters are listed when somebody asks for it, and why.
    Unseen(&'static str),
    /// This queue cannot do it, and why.
    Unsupported(&'static str),
    /// There is no such target or group.
    NotFound(String),
    /// Something else has to end or to be done first.
    Conflict(String),
    /// The queue cannot be read or written.
    Failed(String),
}
