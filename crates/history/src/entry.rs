//! What is recorded: an outcome of an event at a target. Pure.

use openlineage::{Event, Identity, Json, Tree};

use crate::lineage::{self, DeliveredEvent};

/// The most datasets that are recorded of an event: one of 32 MB may name half a million.
pub const MAX_DATASETS: usize = 1_000;

/// An outcome of an event at a target. All times are in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The id of the event.
    pub id: String,
    /// When it was accepted.
    pub accepted_at: i64,
    /// When this happened.
    pub at: i64,
    /// The kind of event with its type, as [`openlineage::Event::label`] has it. `None`: it is no event.
    pub kind: Option<&'static str>,
    /// The id of the run, of a RunEvent.
    pub run: Option<String>,
    /// The job, unless it is a DatasetEvent.
    pub job: Option<Identity>,
    /// The datasets that it names as inputs and outputs, or as its subject, at most [`MAX_DATASETS`].
    pub datasets: Vec<Identity>,
    /// How many datasets it names.
    pub dataset_count: usize,
    /// The time that the event says, in milliseconds since 1970.
    pub time: Option<i64>,
    /// The event as the target has it: its lineage is recorded. `None`: the target does not have it, or has it in another one.
    pub delivered: Option<DeliveredEvent>,
    /// Its size as it was received, in bytes.
    pub size: u64,
    /// The target.
    pub target: String,
    /// The first target that is configured: the lineage is what it has, and what others have of events that it never gets.
    pub first_target: String,
    /// What became of it there.
    pub outcome: Outcome,
    /// How often it was received from the queue, this time included.
    pub attempts: u32,
    /// How long the delivery took, in milliseconds.
    pub duration: u64,
    /// Why, as a code.
    pub reason: Option<&'static str>,
    /// Why, for a person. It is kept as it is, so it must contain no secret.
    pub detail: Option<String>,
    /// The rules that changed it, in order, or the one that dropped it.
    pub rules: Vec<String>,
    /// The id under which it was delivered merged with other events of its run.
    pub merged: Option<String>,
}

/// What became of an event at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it.
    Delivered,
    /// The target has no place for what it says.
    Unchanged,
    /// A rule dropped it.
    Dropped,
    /// It is a dead letter.
    DeadLettered,
    /// It will be attempted again.
    Retry,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 5] = [
        Outcome::Delivered,
        Outcome::Unchanged,
        Outcome::Dropped,
        Outcome::DeadLettered,
        Outcome::Retry,
    ];

    /// Its name, which is that in the log.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Unchanged => "unchanged",
            Outcome::Dropped => "dropped",
            Outcome::DeadLettered => "dead_lettered",
            Outcome::Retry => "retry",
        }
    }

    /// Whether the event is done with at the target.
    pub fn is_final(self) -> bool {
        match self {
            Outcome::Delivered | Outcome::Unchanged | Outcome::Dropped | Outcome::DeadLettered => {
                true
            }
            Outcome::Retry => false,
        }
    }
}

/// The time that an event says, in milliseconds since 1970.
pub fn time(event: &Event) -> i64 {
    lineage::milliseconds(event)
}

/// The datasets that an event names as inputs and outputs, or as its subject: each once, sorted; the first [`MAX_DATASETS`], and
/// how many there are.
pub fn datasets(event: Json<'_>) -> (Vec<Identity>, usize) {
    let tree = Tree::of(event);
    let found = lineage::event_datasets(tree.root());
    let mut found: Vec<Identity> = found.filter_map(|it| it.identity()).collect();
    found.sort();
    found.dedup();
    let count = found.len();
    found.truncate(MAX_DATASETS);
    (found, count)
}
