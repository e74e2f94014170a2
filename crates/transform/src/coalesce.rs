//! Coalescing: merges the events of a run into as few as a target needs.
//!
//! Decides which events are merged, and which of them each merged event stands for. `merge` writes the text of a merged
//! event; `run_buffer` buffers the events of runs that have not ended. Pure: times are parameters. Called by the
//! pipeline. A merged event has no mark that it was merged.

#[cfg(test)]
mod laws;
mod merge;
mod run_buffer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use openlineage::{Event, EventType, Identity, Subject};
use uuid::Uuid;

pub use merge::{MergeError, merge};
pub use run_buffer::RunBuffer;

/// An event to deliver, and the events that get the outcome of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedEvent {
    /// The event. It may contain facets of events that are delivered separately: an end contains those of its START.
    pub event: Event,
    /// Indices of the events that are delivered with it, ascending. Each index of the input is in exactly one.
    pub parts: Vec<usize>,
}

/// Merges the events of one run, passed in the order of delivery (START before the end). Never returns more events.
///
/// - Without an end, the events are merged into the first START; without a START, into the last RUNNING; else into the
///   last event.
/// - With an end, all are merged into the end. With `keep_start`, the START, with all that came before the end, is
///   delivered before it; the events of a run without a START are parts of the end either way.
/// - Ends of different types are not merged with each other. Each keeps its place and contains all that came before it:
///   Spark sends FAIL and then COMPLETE for a query that failed. Of several ends of one type the last counts.
/// - An event after an end is merged into the next end, or into the last one.
/// - Events of different runs or jobs, JobEvents and DatasetEvents are never merged with each other.
///
/// The result is in the order of the events that were merged into (the first START, the last end of its type). If a merged
/// event would be larger than `max_bytes`, the events of that run and job are returned unchanged.
pub fn coalesce(events: &[&Event], keep_start: bool, max_bytes: Option<usize>) -> Vec<MergedEvent> {
    let mut out: Vec<(usize, MergedEvent)> = Vec::with_capacity(events.len());
    for group in groups(events) {
        // A group that cannot be merged is not a failure: its events are delivered as without coalescing.
        match merged(&group, keep_start, max_bytes) {
            Some(merged) => out.extend(merged),
            None => out.extend(group.iter().map(unmerged)),
        }
    }
    out.sort_by_key(|(base, _)| *base);
    out.into_iter().map(|(_, merged)| merged).collect()
}

/// An event of the input and its index.
type Part<'e> = (usize, &'e Event);

/// Groups the events that may be merged with each other. Keeps the order of the input.
fn groups<'e>(events: &[&'e Event]) -> Vec<Vec<Part<'e>>> {
    let mut groups: Vec<Vec<Part<'e>>> = Vec::new();
    let mut places: HashMap<(Uuid, &Identity), usize> = HashMap::new();
    for (index, event) in events.iter().copied().enumerate() {
        let place = match event.subject() {
            Subject::Run { id, job, .. } => *places.entry((*id, job)).or_insert(groups.len()),
            Subject::Job { .. } | Subject::Dataset { .. } => groups.len(),
        };
        match groups.get_mut(place) {
            Some(group) => group.push((index, event)),
            None => groups.push(vec![(index, event)]),
        }
    }
    groups
}

/// Merges a group. Returns each event with the index of the event that it was merged into, or `None` if one is too large.
fn merged(
    group: &[Part<'_>],
    keep_start: bool,
    max_bytes: Option<usize>,
) -> Option<Vec<(usize, MergedEvent)>> {
    let types: Vec<Option<EventType>> = group.iter().map(|(_, event)| event_type(event)).collect();
    let events: Vec<&Event> = group.iter().map(|(_, event)| *event).collect();
    let index = |place: &usize| group.get(*place).map(|(index, _)| *index);
    let outcome = |outcome: &PlannedMerge| {
        let event = merge(events.get(..outcome.contains)?, outcome.base).ok()?;
        let fits = max_bytes.is_none_or(|most| event.text().len() <= most);
        let parts = outcome.parts.iter().map(index).collect::<Option<_>>()?;
        let base = index(&outcome.base)?;
        fits.then_some((base, MergedEvent { event, parts }))
    };
    plan(&types, keep_start).iter().map(outcome).collect()
}

fn unmerged((index, event): &Part<'_>) -> (usize, MergedEvent) {
    let merged = MergedEvent {
        event: (*event).clone(),
        parts: vec![*index],
    };
    (*index, merged)
}

/// An event to deliver for a group. Indices are those of the group.
#[derive(Debug, PartialEq)]
struct PlannedMerge {
    /// The event that the others are merged into.
    base: usize,
    /// How many events of the group, from the first, it contains.
    contains: usize,
    /// The events that get the outcome of its delivery.
    parts: Vec<usize>,
}

/// Plans what to deliver for events of these types.
fn plan(types: &[Option<EventType>], keep_start: bool) -> Vec<PlannedMerge> {
    let before_end = types
        .iter()
        .position(|event_type| ends(*event_type))
        .unwrap_or(types.len());
    let mut closers: Vec<usize> = [EventType::Complete, EventType::Abort, EventType::Fail]
        .iter()
        .filter_map(|kind| types.iter().rposition(|other| *other == Some(*kind)))
        .collect();
    closers.sort_unstable();
    let (mut outcomes, mut rest) = (Vec::new(), 0);
    if let Some(base) = opener(types.get(..before_end).unwrap_or_default())
        && (closers.is_empty() || keep_start && is(types, base, EventType::Start))
    {
        outcomes.push(PlannedMerge {
            base,
            contains: before_end,
            parts: (0..before_end).collect(),
        });
        rest = before_end;
    }
    let closer_of = |place: usize| {
        let event_type = types.get(place).copied().flatten();
        let mut closers = closers.iter().copied();
        match event_type.filter(|event_type| event_type.ends()) {
            Some(kind) => closers.find(|closer| is(types, *closer, kind)),
            None => closers.clone().find(|c| *c > place).or(closers.last()),
        }
    };
    for closer in &closers {
        outcomes.push(PlannedMerge {
            base: *closer,
            contains: if Some(closer) == closers.last() {
                types.len()
            } else {
                closer + 1
            },
            parts: (rest..types.len())
                .filter(|place| closer_of(*place) == Some(*closer))
                .collect(),
        });
    }
    outcomes
}

/// Returns the event that those before the end are merged into: the first START, because that is when the run began.
fn opener(types: &[Option<EventType>]) -> Option<usize> {
    let start = types.iter().position(|t| *t == Some(EventType::Start));
    let running = || types.iter().rposition(|t| *t == Some(EventType::Running));
    start.or_else(running).or(types.len().checked_sub(1))
}

fn is(types: &[Option<EventType>], place: usize, kind: EventType) -> bool {
    types.get(place) == Some(&Some(kind))
}

fn ends(event_type: Option<EventType>) -> bool {
    event_type.is_some_and(EventType::ends)
}

fn event_type(event: &Event) -> Option<EventType> {
    match event.subject() {
        Subject::Run { event_type, .. } => *event_type,
        Subject::Job { .. } | Subject::Dataset { .. } => None,
    }
}
