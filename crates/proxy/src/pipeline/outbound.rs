//! The events of a run as what goes to the target: each alone, or several as one.
//!
//! Pure. One bad event must not take others with it: what a target does not take together, it gets one by one, as it
//! came. Called by the batch for each run.

use std::collections::VecDeque;

use openlineage::Event;
use sha2::{Digest, Sha256};
use transform::{Cut, Merged, RuleSet};
use uuid::Uuid;

use super::adapt::{Adapter, Answers, TransformLog};
use super::outcome::{Outcome, Settled};
use super::plan;
use crate::queue::Record;

/// What goes to the target at once: one event, and the records whose outcome its delivery is.
#[derive(Debug)]
pub(super) struct OutboundEvent {
    /// The id that the target sees.
    pub(super) id: String,
    pub(super) event: Event,
    pub(super) items: Vec<Part>,
    /// Whether more is in the event than its only record brought.
    pub(super) carries: bool,
}

/// A record whose event is to be delivered.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) record: Record,
    /// As it came.
    pub(super) event: Event,
    /// As the rules left it.
    ruled: Event,
    pub(super) told: TransformLog,
    /// Its place in the run.
    place: usize,
}

/// What is to become of a run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) settled: Vec<Settled>,
    pub(super) parcels: VecDeque<OutboundEvent>,
}

impl Adapter {
    /// The events of a run, in the order in which they are to be delivered. `late` says what becomes of a record for
    /// which there is no time left.
    pub(super) fn run(
        &self,
        rules: &RuleSet,
        events: Vec<(Record, Event)>,
        answers: &Answers,
        late: impl Fn(&Record) -> Option<Outcome>,
    ) -> Run {
        let mut run = Run::default();
        let mut items = Vec::new();
        for (place, (record, event)) in events.into_iter().enumerate() {
            if let Some(outcome) = late(&record) {
                run.settled.push(Settled::new(record, Some(event), outcome));
                continue;
            }
            match plan::guarded(|| self.rule(rules, &event, answers)) {
                Ok((told, Ok(ruled))) => items.push(Part {
                    record,
                    event,
                    ruled,
                    told,
                    place,
                }),
                Ok((told, Err(outcome))) => {
                    let settled = Settled::new(record, Some(event), outcome);
                    run.settled.push(settled.told(told));
                }
                Err(outcome) => run.settled.push(Settled::new(record, Some(event), outcome)),
            }
        }
        // A bug in merging is no event's end: they go as they are.
        let pairs: Vec<_> = items
            .iter()
            .map(|item| (&item.event, &item.ruled))
            .collect();
        let together = || {
            rules.merge_run(
                &pairs,
                self.target.as_str(),
                self.capabilities.max_event_bytes,
            )
        };
        let groups = plan::guarded(together).unwrap_or_default();
        let finish = |group: &Merged| {
            plan::guarded(|| self.finish(group.event.clone()))
                .ok()
                .and_then(|(cut, event)| Some((cut, event.ok()?)))
        };
        let finished: Option<Vec<_>> = groups.iter().map(finish).collect();
        let Some(finished) = finished.filter(|finished| !finished.is_empty()) else {
            self.alone(items, &mut run);
            return run;
        };
        let mut items: Vec<Option<Part>> = items.into_iter().map(Some).collect();
        for (group, (cut, event)) in groups.into_iter().zip(finished) {
            let parts = group.parts.iter();
            let parts = parts.filter_map(|part| items.get_mut(*part)?.take());
            run.parcels.push_back(OutboundEvent::new(
                &group.event,
                event,
                cut,
                parts.collect(),
            ));
        }
        run
    }

    /// What a target did not take together, and all that comes after it in the run, one by one.
    pub(super) fn apart(&self, refused: OutboundEvent, run: &mut Run) {
        let mut items = refused.items;
        items.extend(run.parcels.drain(..).flat_map(|parcel| parcel.items));
        items.sort_by_key(|item| item.place);
        self.alone(items, run);
    }

    fn alone(&self, items: Vec<Part>, run: &mut Run) {
        for item in items {
            let ruled = item.ruled.clone();
            match plan::guarded(|| self.finish(ruled.clone())) {
                Ok((cut, Ok(event))) => {
                    run.parcels
                        .push_back(OutboundEvent::new(&ruled, event, cut, vec![item]));
                }
                Ok((cut, Err(outcome))) => run.settled.push(item.settled(cut, outcome)),
                Err(outcome) => run.settled.push(item.settled(Vec::new(), outcome)),
            }
        }
    }
}

impl OutboundEvent {
    /// `together` is what its records bring; `event` the same in a kind and size that the target takes.
    fn new(together: &Event, event: Event, cut: Vec<Cut>, mut items: Vec<Part>) -> OutboundEvent {
        let (id, carries) = match items.as_slice() {
            [item] => (item.record.id.clone(), item.ruled.text() != together.text()),
            many => (together_id(many), true),
        };
        let merged = (items.len() > 1).then(|| id.clone());
        for item in &mut items {
            item.told.cut.clone_from(&cut);
            item.told.merged.clone_from(&merged);
        }
        OutboundEvent {
            id,
            event,
            items,
            carries,
        }
    }

    /// The most that any of its records was received.
    pub(super) fn receives(&self) -> u32 {
        let receives = self.items.iter().map(|item| item.record.attempts);
        receives.max().unwrap_or(1)
    }
}

impl Part {
    fn settled(mut self, cut: Vec<Cut>, outcome: Outcome) -> Settled {
        self.told.cut = cut;
        Settled::new(self.record, Some(self.event), outcome).told(self.told)
    }
}

/// The same for the same records, so that a target that knows ids has the event once when the same come again.
fn together_id(items: &[Part]) -> String {
    let mut ids: Vec<&str> = items.iter().map(|item| item.record.id.as_str()).collect();
    ids.sort_unstable();
    let hash: [u8; 32] = Sha256::digest(ids.join("\n")).into();
    let (half, _) = hash.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    Uuid::new_v8(*half).to_string()
}
