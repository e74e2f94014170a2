//! Previews the delivery of events without a queue or a target, for the commands that test rules.

use std::collections::HashMap;
use std::sync::Arc;

use openlineage::Event;
use transform::RuleSet;

use super::adapt::Adapter;
use super::ordering::by_run;
use super::outcome::{Outcome, PendingEvent};
use crate::queue::Record;

/// The preview of a batch of events, each identified by a text that the caller chooses.
#[derive(Debug, Default)]
pub struct Preview {
    /// The events to deliver, each with the ids of the events that it is made of.
    pub events: Vec<(Vec<String>, Event)>,
    /// The outcomes of the other events.
    pub others: Vec<(String, Outcome)>,
    /// The rules that failed: event, rule, error.
    pub failures: Vec<(String, Arc<str>, String)>,
}

/// Transforms `events` as one batch.
pub fn preview(adapter: &Adapter, rules: &RuleSet, events: Vec<(String, Event)>) -> Preview {
    let lookups = HashMap::new();
    let pending = events
        .into_iter()
        .map(|(id, event)| PendingEvent::new(Record::unqueued(id.into()).into(), event));
    let mut preview = Preview::default();
    for (_, run) in by_run(pending.collect()) {
        let run = adapter.adapt(rules, run, &lookups, |_| None);
        for decided in run.decided {
            let id = decided.record.id.to_string();
            for (rule, error) in decided.log.failures {
                preview.failures.push((id.clone(), rule, error));
            }
            preview.others.push((id, decided.outcome));
        }
        for outbound in run.outbound {
            let (event, mut ids) = (outbound.event().clone(), Vec::new());
            for part in outbound.into_parts() {
                let id = part.pending.into_record().id.to_string();
                for (rule, error) in part.log.failures {
                    preview.failures.push((id.clone(), rule, error));
                }
                ids.push(id);
            }
            preview.events.push((ids, event));
        }
    }
    preview
}
