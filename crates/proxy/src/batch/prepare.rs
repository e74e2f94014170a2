//! What is done to an event before its target gets it: the rules, the Redshift names, the events of a run as one, the
//! kind, the size.
//!
//! Pure. Says what it did, so that the log and the demo can.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use openlineage::{Event, Subject};
use sha2::{Digest, Sha256};
use targets::Takes;
use transform::{
    Change, Cut, Did, Facts, Lookup, Redshift, Rules, ShortName, Unresolved, Verdict, coalesce,
    fit, run_event,
};
use uuid::Uuid;

use super::plan;
use super::report::{Outcome, Settled};
use crate::config::JobEvents;
use crate::queue::Record;

/// What look-ups gave.
pub(super) type Answers = HashMap<ShortName, Lookup>;

/// What applies to every event, besides the rules file.
#[derive(Debug, Clone)]
pub struct Prepare {
    /// The name of the target.
    pub target: &'static str,
    /// The names of Redshift datasets.
    pub redshift: Redshift,
    /// What the target can take.
    pub takes: Takes,
    /// What becomes of JobEvents where only RunEvents are taken.
    pub job_events: JobEvents,
}

/// What was done to an event.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The rules that changed it, in their order.
    pub rules: Vec<Arc<str>>,
    /// The rules that failed, and why; the event went on as it was before them.
    pub failed: Vec<(Arc<str>, String)>,
    /// Names that were rewritten.
    pub changes: Vec<Change>,
    /// Names that should have been, but could not.
    pub unresolved: Vec<Unresolved>,
    /// Facets that were cut.
    pub cut: Vec<Cut>,
    /// The id under which it was delivered together with others of its run.
    pub merged: Option<String>,
}

/// What goes to the target at once: one event, and the records whose outcome its delivery is.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The id that the target sees.
    pub(super) id: String,
    pub(super) event: Event,
    pub(super) items: Vec<Item>,
}

/// A record whose event is to be delivered.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) record: Record,
    /// As it came.
    pub(super) event: Event,
    /// As the rules left it.
    ruled: Event,
    pub(super) told: Told,
}

impl Prepare {
    /// The short names that have to be looked up for `event`.
    pub(super) fn wanted(&self, rules: &Rules, event: &Event) -> BTreeSet<ShortName> {
        let mut wanted = rules.wanted(event, self.target);
        wanted.extend(self.redshift.wanted(event));
        wanted
    }

    /// The events of a run, in the order in which they are to be delivered, as what is to be delivered. What is not,
    /// is settled.
    pub(super) fn parcels(
        &self,
        rules: &Rules,
        run: Vec<(Record, Event)>,
        answers: &Answers,
    ) -> (Vec<Settled>, VecDeque<Parcel>) {
        let (mut settled, mut items) = (Vec::new(), Vec::new());
        for (record, event) in run {
            match plan::guarded(|| self.rule(rules, &event, answers)) {
                Ok((told, Ok(ruled))) => items.push(Item {
                    record,
                    event,
                    ruled,
                    told,
                }),
                Ok((told, Err(outcome))) => {
                    settled.push(Settled::new(record, Some(event), outcome).told(told));
                }
                Err(outcome) => settled.push(Settled::new(record, Some(event), outcome)),
            }
        }
        let mut parcels = VecDeque::new();
        for (event, items) in self.together(rules, items) {
            match plan::guarded(|| self.finish(event)) {
                Ok((cut, Ok(event))) => parcels.push_back(Parcel::new(event, cut, items)),
                // What cannot go together may still go alone.
                Ok((_, Err(_))) if items.len() > 1 => self.alone(items, &mut settled, &mut parcels),
                Ok((cut, Err(outcome))) => settle(items, &cut, &outcome, &mut settled),
                Err(outcome) => settle(items, &[], &outcome, &mut settled),
            }
        }
        (settled, parcels)
    }

    /// The events of a parcel one by one: what its target did not take together.
    pub(super) fn alone(
        &self,
        items: Vec<Item>,
        settled: &mut Vec<Settled>,
        parcels: &mut VecDeque<Parcel>,
    ) {
        for item in items.into_iter().rev() {
            let event = item.ruled.clone();
            match plan::guarded(|| self.finish(event)) {
                Ok((cut, Ok(event))) => parcels.push_front(Parcel::new(event, cut, vec![item])),
                Ok((cut, Err(outcome))) => settle(vec![item], &cut, &outcome, settled),
                Err(outcome) => settle(vec![item], &[], &outcome, settled),
            }
        }
    }

    /// One event, through the rules of the file and the rule of Redshift names.
    fn rule(
        &self,
        rules: &Rules,
        event: &Event,
        answers: &Answers,
    ) -> (Told, Result<Event, Outcome>) {
        let facts = Facts {
            target: self.target,
            lookups: answers,
        };
        let transformed = rules.apply(event, &facts);
        let mut told = Told {
            unresolved: transformed.unresolved,
            ..Told::default()
        };
        for step in transformed.steps {
            match step.did {
                Did::Changed { .. } => told.rules.push(step.rule),
                Did::Failed(reason) => told.failed.push((step.rule, reason)),
                Did::NotFor(_) | Did::Nothing | Did::Dropped => {}
            }
        }
        match transformed.verdict {
            Verdict::Keep(event) => {
                let rewritten = self.redshift.rewrite(&event, answers);
                told.changes = rewritten.changes;
                told.unresolved.extend(rewritten.unresolved);
                (told, Ok(rewritten.event))
            }
            Verdict::Drop { rule } => (told, Err(Outcome::Dropped { rule })),
            Verdict::DeadLetter { rule, reason } => {
                let class = "rule";
                let reason = format!("{class}: {rule:?} failed: {reason}");
                (told, Err(Outcome::DeadLettered { class, reason }))
            }
        }
    }

    /// The events that go out for `items`, each with those whose outcome it is.
    fn together(&self, rules: &Rules, items: Vec<Item>) -> Vec<(Event, Vec<Item>)> {
        let joins = |item: &Item| rules.coalesces(&item.event, self.target);
        let Some(with) = items.iter().find_map(joins) else {
            return items
                .into_iter()
                .map(|item| (item.ruled.clone(), vec![item]))
                .collect();
        };
        let joined: Vec<usize> = (0..)
            .zip(&items)
            .filter(|(_, item)| joins(item).is_some())
            .map(|(index, _)| index)
            .collect();
        let events: Vec<&Event> = joined
            .iter()
            .filter_map(|index| items.get(*index).map(|item| &item.ruled))
            .collect();
        let most = with.max_bytes.or(self.takes.max_bytes);
        let merged = coalesce(&events, with.keep_start, most);
        // Where each goes: in place of the last of its parts.
        let mut groups: Vec<(usize, Event, Vec<usize>)> = merged
            .into_iter()
            .map(|merged| {
                let parts: Vec<usize> = merged
                    .parts
                    .iter()
                    .filter_map(|part| joined.get(*part).copied())
                    .collect();
                (parts.last().copied().unwrap_or(0), merged.event, parts)
            })
            .collect();
        for (index, item) in items.iter().enumerate() {
            if !joined.contains(&index) {
                groups.push((index, item.ruled.clone(), vec![index]));
            }
        }
        groups.sort_by_key(|(last, ..)| *last);
        let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        groups
            .into_iter()
            .map(|(_, event, parts)| {
                let parts = parts.iter().filter_map(|part| items.get_mut(*part)?.take());
                (event, parts.collect())
            })
            .collect()
    }

    /// The event in a kind and a size that the target takes, or what becomes of it; and what was cut.
    fn finish(&self, event: Event) -> (Vec<Cut>, Result<Event, Outcome>) {
        let event = match self.kind(event) {
            Ok(event) => event,
            Err(rule) => {
                let rule = Arc::from(rule);
                return (Vec::new(), Err(Outcome::Dropped { rule }));
            }
        };
        let Some(limit) = self.takes.max_bytes else {
            return (Vec::new(), Ok(event));
        };
        match fit(&event, limit) {
            Ok(fitted) => (fitted.cut, Ok(fitted.event)),
            Err(too_large) => {
                let class = "too_large";
                let reason = format!(
                    "{class}: {} bytes, and {} with every facet cut that may be; the target takes {limit}",
                    event.text().len(),
                    too_large.least
                );
                (Vec::new(), Err(Outcome::DeadLettered { class, reason }))
            }
        }
    }

    /// The event in a kind that the target takes, or the rule that drops it.
    fn kind(&self, event: Event) -> Result<Event, &'static str> {
        if !self.takes.runs_only {
            return Ok(event);
        }
        match (event.subject(), self.job_events) {
            (Subject::Run { .. }, _) => Ok(event),
            (Subject::Dataset { .. }, _) => Err("dataset_event"),
            (Subject::Job { .. }, JobEvents::Skip) => Err("job_event"),
            (Subject::Job { .. }, JobEvents::Convert) => {
                run_event(&event).ok_or("job_event_without_datasets")
            }
        }
    }
}

impl Parcel {
    fn new(event: Event, cut: Vec<Cut>, mut items: Vec<Item>) -> Parcel {
        let id = match items.as_slice() {
            [item] => item.record.id.clone(),
            many => together_id(many),
        };
        let merged = (items.len() > 1).then(|| id.clone());
        for item in &mut items {
            item.told.cut.clone_from(&cut);
            item.told.merged.clone_from(&merged);
        }
        Parcel { id, event, items }
    }
}

/// The same for the same records, so that a target that knows ids has the event once however often it comes.
fn together_id(items: &[Item]) -> String {
    let mut ids: Vec<&str> = items.iter().map(|item| item.record.id.as_str()).collect();
    ids.sort_unstable();
    let hash: [u8; 32] = Sha256::digest(ids.join("\n")).into();
    let (half, _) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    Uuid::new_v8(*half).to_string()
}

fn settle(items: Vec<Item>, cut: &[Cut], outcome: &Outcome, settled: &mut Vec<Settled>) {
    for mut item in items {
        item.told.cut = cut.to_vec();
        let one = Settled::new(item.record, Some(item.event), outcome.clone());
        settled.push(one.told(item.told));
    }
}
