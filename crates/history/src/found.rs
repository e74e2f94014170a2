//! What a search finds, as the HTTP API returns it and the command line reads it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The events.
    pub events: Vec<FoundEvent>,
    /// Whether there are more in the direction of the page.
    pub more: bool,
    /// The position of the newest change of all, whatever was looked for.
    pub newest: i64,
}

/// What the HTTP API returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPage {
    /// A page of events.
    #[serde(flatten)]
    pub found: Found,
    /// Those that have no outcome, of a first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<FoundWaiting>,
}

/// Events that have no outcome, of which the history knows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundWaiting {
    /// Those that match, newest first.
    pub events: Vec<WaitingEvent>,
    /// How many were looked through, the newest.
    pub looked_through: usize,
    /// Whether more wait, that were not looked through.
    pub more: bool,
}

/// An event that waits for its first attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingEvent {
    /// The id that ingest returned.
    pub id: String,
    /// When it was accepted, in RFC 3339.
    pub accepted_at: String,
    /// The kind of event with its type. Nothing if it was not read, since it is large, or since it is not known what rules redact.
    pub kind: Option<String>,
    /// The run id.
    pub run: Option<String>,
    /// The job.
    pub job: Option<Name>,
    /// How many datasets it names.
    pub datasets: usize,
    /// Whether all targets that it waits for have received it.
    pub is_in_hand: bool,
}

/// What happened to an event. Times are in RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundEvent {
    /// The number of its last change: grows with each change of any event.
    pub position: i64,
    /// The id that ingest returned.
    pub id: String,
    /// When it was accepted.
    pub accepted_at: String,
    /// When something happened to it last.
    pub changed_at: String,
    /// The kind of event with its type: `RunEvent START`. Nothing if it is no event.
    pub kind: Option<String>,
    /// The run id, of a RunEvent.
    pub run: Option<String>,
    /// The job, unless it is a DatasetEvent.
    pub job: Option<Name>,
    /// The datasets that it names.
    pub datasets: Vec<Name>,
    /// How many it names, if those are not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_count: Option<u64>,
    /// Its size as it was received.
    pub size_bytes: u64,
    /// What became of it, one for each target that had it, in the order of time.
    pub outcomes: Vec<FoundOutcome>,
}

/// The name of a job or dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

/// What became of an event at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundOutcome {
    /// The number of this change, at most that of the event.
    pub position: i64,
    /// The target.
    pub target: String,
    /// `delivered`, `unchanged`, `dropped`, `dead_lettered` or `retry`.
    pub outcome: String,
    /// When.
    pub at: String,
    /// How often it was received from the queue.
    pub attempts: u32,
    /// How long the delivery took.
    pub duration_ms: u64,
    /// Why, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The rules that changed it, in order, or the one that dropped it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The id under which it was delivered merged with other events of its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
}

impl FoundWaiting {
    /// Those that are not on a page: they got an outcome meanwhile, or have one at another target.
    #[must_use]
    pub fn besides(mut self, found: &Found) -> FoundWaiting {
        let known: BTreeSet<&str> = found.events.iter().map(|it| it.id.as_str()).collect();
        self.events
            .retain(|event| !known.contains(event.id.as_str()));
        self
    }
}

impl Found {
    /// Makes a page of at most `limit` events.
    pub(crate) fn page(mut events: Vec<FoundEvent>, limit: usize, newest: i64) -> Found {
        let more = events.len() > limit;
        events.truncate(limit);
        Found {
            events,
            more,
            newest,
        }
    }
}
