//! What is recorded of an outcome. Pure. Called by the recorder, on the thread that writes.

use std::time::Duration;

use ::history::{DeliveredEvent, Entry};
use openlineage::{Event, Identity};

use super::Waiting;
use crate::pipeline::Outcome;
use crate::telemetry::text::{NAME, shown};

/// Returns what is recorded of an outcome: the names that the target got, and nothing that a log line would not have.
pub(super) fn entry(waiting: Waiting, first_target: &str) -> Entry {
    let Waiting { record, at, .. } = waiting;
    let event = record.delivered.as_ref().or(record.event.as_ref());
    let named = |name: &Identity| Identity {
        namespace: shown(&name.namespace, NAME).into_owned(),
        name: shown(&name.name, NAME).into_owned(),
    };
    let mut rules: Vec<&str> = record.transform.changed_by.iter().map(|it| &**it).collect();
    let (outcome, reason, detail) = match &record.outcome {
        Outcome::Delivered { .. } => (::history::Outcome::Delivered, None, None),
        Outcome::Unchanged { reason } => (::history::Outcome::Unchanged, None, Some(reason)),
        Outcome::Dropped { rule } => {
            rules.push(rule);
            (::history::Outcome::Dropped, None, None)
        }
        Outcome::DeadLettered { reason, error } => (
            ::history::Outcome::DeadLettered,
            Some(reason.name()),
            Some(error),
        ),
        Outcome::Retry { reason, error, .. } => {
            (::history::Outcome::Retry, Some(reason.name()), Some(error))
        }
    };
    let has_it = matches!(
        outcome,
        ::history::Outcome::Delivered | ::history::Outcome::Unchanged
    );
    let delivered = record.delivered.clone().filter(|_| has_it);
    let (datasets, dataset_count) =
        event.map_or_else(Default::default, |event| ::history::datasets(event.json()));
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Entry {
        accepted_at: at.saturating_sub(record.age.map_or(0, milliseconds)),
        at,
        kind: record.event_type(),
        run: record.run_id().map(|id| id.to_string()),
        job: event.and_then(Event::job).map(named),
        datasets: datasets.iter().map(named).collect(),
        dataset_count,
        time: event.map(::history::time),
        delivered: delivered.map(|event| DeliveredEvent {
            event,
            shown: |name| shown(name, NAME),
        }),
        size: record.size_bytes as u64,
        target: record.target.as_str().to_owned(),
        first_target: first_target.to_owned(),
        outcome,
        attempts: record.attempts,
        duration: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
        reason,
        detail: detail.map(|detail| shown(detail, NAME).into_owned()),
        rules: rules.into_iter().map(str::to_owned).collect(),
        merged: record.merged.as_deref().map(str::to_owned),
        id: record.id.to_string(),
    }
}
