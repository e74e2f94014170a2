//! Coalescing: the events of one run become as few as a target needs.
//!
//! Here it is decided which events become one and what each of them stands for; `merge` writes the text of one,
//! `run_buffer` keeps the events of runs that have not ended until more can be merged. Pure: times are parameters.
//! Called by the batch, between queue and target. What is merged says nothing of it in its text.

#[cfg(test)]
mod laws;
mod merge;
mod run_buffer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use openlineage::{Event, EventType, Identity, Subject};
use uuid::Uuid;

pub use merge::{Unmerged, merge};
pub use run_buffer::RunBuffer;

/// An event to be delivered, and the events whose outcome its delivery is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The event. It may carry what events of other outcomes brought: an end carries what its START had.
    pub event: Event,
    /// Indices of the events that are delivered with it, ascending. Each index of the input is in exactly one.
    pub parts: Vec<usize>,
}

/// Merges the events of one run, given in the order of their delivery (START before the end), never into more.
///
/// - Before the end: one START, the first, with all that came before the end. Without a START one RUNNING, the last,
///   or else the last event.
/// - With an end, the end carries all. The START goes out before it only if `keep_start`; events before the end of
///   a run without a START are parts of the end either way.
/// - Ends of different kinds stay apart, in their order, each with all that came before it: Spark sends FAIL and
///   then COMPLETE for a query that failed. Of several ends of one kind the last counts.
/// - What comes after an end goes into the next one, or into the last.
/// - Events of different runs or jobs, JobEvents and DatasetEvents are never merged with each other.
///
/// What goes out is in the order of the events that it is named for (the first START, the last end of its kind).
/// When a merged event would be larger than `max_bytes`, the events of that run and job are given as they came.
pub fn coalesce(events: &[&Event], keep_start: bool, max_bytes: Option<usize>) -> Vec<Merged> {
    let mut out: Vec<(usize, Merged)> = Vec::with_capacity(events.len());
    for group in groups(events) {
        // A group that cannot be merged is no failure: its events go out as if there was no coalescing.
        match merged(&group, keep_start, max_bytes) {
            Some(merged) => out.extend(merged),
            None => out.extend(group.iter().map(alone)),
        }
    }
    out.sort_by_key(|(base, _)| *base);
    out.into_iter().map(|(_, merged)| merged).collect()
}

/// One event of the input and its index there.
type Part<'e> = (usize, &'e Event);

/// The events that may be merged with each other, groups and events in the order they came.
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

/// The events of one group as few, each with the index of the event it was merged into. `None` when one is too large.
fn merged(
    group: &[Part<'_>],
    keep_start: bool,
    max_bytes: Option<usize>,
) -> Option<Vec<(usize, Merged)>> {
    let types: Vec<Option<EventType>> = group.iter().map(|(_, event)| event_type(event)).collect();
    let events: Vec<&Event> = group.iter().map(|(_, event)| *event).collect();
    let index = |place: &usize| group.get(*place).map(|(index, _)| *index);
    let outcome = |outcome: &Outcome| {
        let event = merge(events.get(..outcome.carries)?, outcome.base).ok()?;
        let fits = max_bytes.is_none_or(|most| event.text().len() <= most);
        let parts = outcome.parts.iter().map(index).collect::<Option<_>>()?;
        let base = index(&outcome.base)?;
        fits.then_some((base, Merged { event, parts }))
    };
    plan(&types, keep_start).iter().map(outcome).collect()
}

fn alone((index, event): &Part<'_>) -> (usize, Merged) {
    let merged = Merged {
        event: (*event).clone(),
        parts: vec![*index],
    };
    (*index, merged)
}

/// One event that goes out for a group, in places of the group.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The event merged into.
    base: usize,
    /// How many events of the group, from its first, are in it.
    carries: usize,
    /// The events that are delivered with it.
    parts: Vec<usize>,
}

/// What goes out for events of these types.
fn plan(types: &[Option<EventType>], keep_start: bool) -> Vec<Outcome> {
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
        outcomes.push(Outcome {
            base,
            carries: before_end,
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
        outcomes.push(Outcome {
            base: *closer,
            carries: if Some(closer) == closers.last() {
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

/// The event that what came before the end is merged into: the first START, since that is when the run began.
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
