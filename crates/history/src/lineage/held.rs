//! Events that another target has, until it is known whether the first one gets them: the rules of each may rename what they name,
//! and a run of which one event has the names of one target and the next those of another would be two.
//!
//! In memory and bounded. What waits too long, or is too much, counts as it is, and so does what waits at a stop.

use std::collections::{BTreeMap, HashMap};

use super::{DeliveredEvent, Lineage};
use crate::Entry;

/// How long an event waits for the first target, in milliseconds: some retries.
const TIME: i64 = 5 * 60_000;

/// The most events that wait, and the most bytes of their texts.
const MAX_EVENTS: usize = 1_024;
const MAX_BYTES: usize = 16_000_000;

/// Events that wait. Cheap to clone: few do, and their texts are shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// By the order in which they came.
    waiting: BTreeMap<u64, (String, Due)>,
    /// By id.
    places: HashMap<String, u64>,
    next: u64,
    bytes: usize,
}

/// An event whose lineage is to be written.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    accepted_at: i64,
    /// When the target got it, in milliseconds since 1970.
    pub(crate) at: i64,
    delivered: DeliveredEvent,
}

impl Due {
    pub(crate) fn of(entry: &Entry, delivered: &DeliveredEvent) -> Due {
        Due {
            accepted_at: entry.accepted_at,
            at: entry.at,
            delivered: delivered.clone(),
        }
    }

    fn size(&self) -> usize {
        self.delivered.event.text().len()
    }

    pub(crate) fn lineage(&self) -> Lineage {
        Lineage::of(&self.delivered, self.accepted_at)
    }
}

impl Held {
    /// Lets an event wait. Of one that waits already, the last one counts.
    pub(crate) fn hold(&mut self, entry: &Entry, delivered: &DeliveredEvent) {
        drop(self.take(&entry.id));
        let due = Due::of(entry, delivered);
        self.bytes += due.size();
        self.places.insert(entry.id.clone(), self.next);
        self.waiting.insert(self.next, (entry.id.clone(), due));
        self.next += 1;
    }

    /// Takes an event out.
    pub(crate) fn take(&mut self, id: &str) -> Option<Due> {
        let place = self.places.get(id).copied()?;
        self.take_at(place)
    }

    /// Takes out one that has waited long enough, or for which there is no room. `now` is in milliseconds since 1970.
    pub(crate) fn due(&mut self, now: i64) -> Option<Due> {
        let is_too_much = self.waiting.len() > MAX_EVENTS || self.bytes > MAX_BYTES;
        let (place, (_, oldest)) = self.waiting.first_key_value()?;
        if !is_too_much && now.saturating_sub(oldest.at) < TIME {
            return None;
        }
        self.take_at(*place)
    }

    fn take_at(&mut self, place: u64) -> Option<Due> {
        let (id, due) = self.waiting.remove(&place)?;
        self.places.remove(&id);
        self.bytes = self.bytes.saturating_sub(due.size());
        Some(due)
    }
}
