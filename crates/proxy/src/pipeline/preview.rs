//! What would become of events, without a queue or a target: for the workbench.

use std::collections::HashMap;
use std::sync::Arc;

use openlineage::Event;
use transform::RuleSet;

use super::adapt::Adapter;
use super::{Outcome, plan};
use crate::queue::Record;

/// What would become of events. Places are the caller's names for them.
#[derive(Debug, Default)]
pub struct Preview {
    /// What would be delivered, and the places of the events that it is made of.
    pub events: Vec<(Vec<String>, Event)>,
    /// What would become of the others.
    pub others: Vec<(String, Outcome)>,
    /// Rules that failed, and why: place, rule, reason.
    pub failed: Vec<(String, Arc<str>, String)>,
}

/// Transforms `events` as one batch, each with its place.
pub fn preview(prepare: &Adapter, rules: &RuleSet, events: Vec<(String, Event)>) -> Preview {
    let answers = HashMap::new();
    let records = events
        .into_iter()
        .map(|(place, event)| (Record::unqueued(place), event));
    let mut preview = Preview::default();
    let note = |place: &str, told: &super::TransformLog| {
        let failed = told.failed.iter().cloned();
        failed
            .map(|(rule, reason)| (place.to_owned(), rule, reason))
            .collect::<Vec<_>>()
    };
    for (_, run) in plan::runs(records.collect()) {
        let run = prepare.run(rules, run, &answers, |_| None);
        for settled in run.settled {
            let place = settled.record.id;
            let told = settled.prepared.unwrap_or_default();
            preview.failed.extend(note(&place, &told));
            preview.others.push((place, settled.outcome));
        }
        for parcel in run.parcels {
            for item in &parcel.items {
                preview.failed.extend(note(&item.record.id, &item.told));
            }
            let places = parcel.items.into_iter().map(|item| item.record.id);
            preview.events.push((places.collect(), parcel.event));
        }
    }
    preview
}
