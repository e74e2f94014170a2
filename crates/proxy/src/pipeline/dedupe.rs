//! Events that were sent again: a client that saw no answer in time sends the same bytes once more.
//!
//! Pure but for its memory, which is that of the process. What is byte for byte an event that was delivered a moment ago
//! is not delivered again; within a batch it has the outcome of the first. New rules make new events of old ones, so
//! they count in. Called by `pipeline.rs` for each run of a batch in its turn, before and after it is delivered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openlineage::Event;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::outcome::{Outcome, Settled};
use crate::queue::Record;

/// The name by which duplicates are dropped, in log and metrics.
const RULE: &str = "duplicate";

/// Delivered events that are remembered, at most: some 150 bytes each. The oldest are forgotten first.
const REMEMBERED: usize = 20_000;

type Hash = [u8; 32];

/// What was delivered within the window.
#[derive(Debug)]
pub(super) struct DedupeCache {
    window: Duration,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// With the message that brought it, unless nobody was told that it is delivered.
    known: HashMap<Hash, Option<Sent>>,
    /// The same, oldest first.
    order: VecDeque<(Instant, Hash)>,
}

/// One message. The queue's id of it alone may be given to another one later.
#[derive(Debug)]
struct Sent {
    queue_id: String,
    id: String,
}

/// A run, told apart.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// What is to be delivered, each once.
    pub(super) events: Vec<(Record, Event)>,
    /// Dropped: they were delivered before.
    pub(super) dropped: Vec<Settled>,
    twins: Vec<(Hash, Record, Event)>,
    /// The hash of each record that goes on, by the queue's id of it.
    hashes: HashMap<String, Hash>,
}

impl DedupeCache {
    /// Remembers for `window`; nothing if that is zero.
    pub(super) fn within(window: Duration) -> DedupeCache {
        DedupeCache {
            window,
            memory: Mutex::default(),
        }
    }

    /// Tells `events`, which go through rules of that version, apart: what was delivered before, what is there twice.
    pub(super) fn apart(
        &self,
        events: Vec<(Record, Event)>,
        version: &str,
        now: Instant,
    ) -> Partition {
        if self.window.is_zero() {
            return Partition {
                events,
                ..Partition::default()
            };
        }
        // Before the lock, for which other runs wait.
        let hashes: Vec<Hash> = (events.iter())
            .map(|(record, _)| hash(version, record))
            .collect();
        let mut memory = self.lock();
        memory.forget(now, self.window);
        let mut apart = Partition::default();
        let mut here = HashSet::new();
        for ((record, event), hash) in events.into_iter().zip(hashes) {
            if let Some(first) = memory.known.get(&hash) {
                // The same message came again: its settlement failed. That is no second event.
                let told_before = first.as_ref().is_some_and(|first| first.is(&record));
                let settled = Settled::new(record, Some(event), duplicate());
                apart.dropped.push(Settled {
                    told_before,
                    ..settled
                });
            } else if here.insert(hash) {
                apart.hashes.insert(record.queue_id.clone(), hash);
                apart.events.push((record, event));
            } else {
                apart.twins.push((hash, record, event));
            }
        }
        apart
    }

    /// What became of those that were set apart, now that it is known of the others; remembers what was delivered.
    pub(super) fn together(
        &self,
        apart: Partition,
        mut settled: Vec<Settled>,
        now: Instant,
    ) -> Vec<Settled> {
        let mut outcomes: HashMap<Hash, Outcome> = HashMap::new();
        let mut memory = self.lock();
        for first in &settled {
            let Some(hash) = apart.hashes.get(&first.record.queue_id) else {
                continue;
            };
            let outcome = match &first.outcome {
                Outcome::Delivered { .. } => {
                    memory.remember(now, *hash, Sent::by(&first.record));
                    duplicate()
                }
                other @ (Outcome::Dropped { .. }
                | Outcome::DeadLettered { .. }
                | Outcome::Retry { .. }) => other.clone(),
            };
            outcomes.insert(*hash, outcome);
        }
        settled.extend(apart.dropped);
        for (hash, record, event) in apart.twins {
            // Without an outcome its first is unsettled, and so is it: both come again.
            if let Some(outcome) = outcomes.get(&hash) {
                settled.push(Settled::new(record, Some(event), outcome.clone()));
            }
        }
        settled
    }

    /// Takes in that nobody was told what became of `records`: what of them was delivered is told when it comes again.
    pub(super) fn not_told(&self, records: &[Record]) {
        for first in self.lock().known.values_mut() {
            first.take_if(|first| records.iter().any(|record| first.is(record)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sent {
    fn by(record: &Record) -> Sent {
        Sent {
            queue_id: record.queue_id.clone(),
            id: record.id.clone(),
        }
    }

    fn is(&self, record: &Record) -> bool {
        self.queue_id == record.queue_id && self.id == record.id
    }
}

impl Memory {
    fn forget(&mut self, now: Instant, window: Duration) {
        while let Some((at, hash)) = self.order.front()
            && (now.duration_since(*at) >= window || self.order.len() > REMEMBERED)
        {
            self.known.remove(hash);
            self.order.pop_front();
        }
    }

    fn remember(&mut self, now: Instant, hash: Hash, message: Sent) {
        if self.known.insert(hash, Some(message)).is_none() {
            self.order.push_back((now, hash));
        }
    }
}

fn duplicate() -> Outcome {
    Outcome::Dropped {
        rule: Arc::from(RULE),
    }
}

/// Of the bytes: what only looks alike is another event.
fn hash(version: &str, record: &Record) -> Hash {
    let mut hash = Sha256::new();
    hash.update(version);
    hash.update("\n"); // no version has one
    hash.update(record.body.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;

    const WINDOW: Duration = Duration::from_secs(60);

    fn event(id: &str, job: &str) -> (Record, Event) {
        let body = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"START",
            "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{"namespace":"n","name":"{job}"}}}}"#
        );
        let event = Event::read(body.as_bytes(), Level::Strict).unwrap().event;
        let record = Record {
            body: body.into(),
            queue_id: id.into(),
            ..Record::unqueued(id.into())
        };
        (record, event)
    }

    /// Every event that goes on has that outcome; gives the ids of all records with what became of them.
    fn batch(
        delivered: &DedupeCache,
        events: Vec<(Record, Event)>,
        outcome: &Outcome,
        version: &str,
        now: Instant,
    ) -> Vec<(String, Outcome)> {
        let mut apart = delivered.apart(events, version, now);
        let handled = std::mem::take(&mut apart.events)
            .into_iter()
            .map(|(record, event)| Settled::new(record, Some(event), outcome.clone()))
            .collect();
        let settled = delivered.together(apart, handled, now).into_iter();
        settled.map(|one| (one.record.id, one.outcome)).collect()
    }

    fn done() -> Outcome {
        Outcome::Delivered { id: None }
    }

    #[test]
    fn six_times_the_same_is_delivered_once_in_a_batch_and_across_batches() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        let twice = vec![event("1", "a"), event("2", "a"), event("3", "b")];
        let first = batch(&delivered, twice, &done(), "v", now);
        assert_eq!(
            first,
            [
                ("1".into(), done()),
                ("3".into(), done()),
                ("2".into(), duplicate())
            ]
        );
        let again = batch(
            &delivered,
            vec![event("4", "a"), event("5", "a")],
            &done(),
            "v",
            now,
        );
        assert_eq!(
            again,
            [("4".into(), duplicate()), ("5".into(), duplicate())]
        );
    }

    #[test]
    fn what_was_not_delivered_is_tried_each_time_it_comes() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        let buried = Outcome::DeadLettered {
            class: "refused",
            reason: "no".into(),
        };
        let twins = || vec![event("1", "a"), event("2", "a")];
        let refused = batch(&delivered, twins(), &buried, "v", now);
        assert_eq!(
            refused,
            [("1".into(), buried.clone()), ("2".into(), buried)]
        );
        let mended = batch(&delivered, twins(), &done(), "v", now);
        assert_eq!(mended, [("1".into(), done()), ("2".into(), duplicate())]);
    }

    #[test]
    fn a_message_that_comes_again_is_settled_and_not_told_again() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        batch(&delivered, vec![event("1", "a")], &done(), "v", now);
        let again = delivered.apart(vec![event("1", "a"), event("2", "a")], "v", now);
        let told = again.dropped.iter().map(|settled| settled.told_before);
        assert_eq!(told.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_second_message_of_a_number_that_is_free_again_is_told() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        batch(&delivered, vec![event("1", "a")], &done(), "v", now);
        let (second, event) = event("1", "a");
        let second = Record {
            id: "another".into(),
            ..second
        };
        let again = delivered.apart(vec![(second, event)], "v", now);
        assert!(!again.dropped[0].told_before);
    }

    #[test]
    fn what_was_delivered_and_never_told_is_told_when_it_comes_again() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        let both = || vec![event("1", "a"), event("2", "b")];
        batch(&delivered, both(), &done(), "v", now);
        delivered.not_told(&[event("2", "b").0]);
        let again = delivered.apart(both(), "v", now);
        let told = again.dropped.iter().map(|settled| settled.told_before);
        assert_eq!(told.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn after_the_window_and_by_other_rules_it_is_another_event() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        let one = || vec![event("1", "a")];
        for (version, now) in [("v", now), ("w", now), ("v", now + WINDOW)] {
            let told = batch(&delivered, one(), &done(), version, now);
            assert_eq!(told, [("1".into(), done())]);
        }
        let off = DedupeCache::within(Duration::ZERO);
        for _ in 0..2 {
            assert_eq!(
                batch(&off, one(), &done(), "v", now),
                [("1".into(), done())]
            );
        }
    }

    #[test]
    fn what_is_unsettled_leaves_its_twin_unsettled() {
        let (delivered, now) = (DedupeCache::within(WINDOW), Instant::now());
        let mut apart = delivered.apart(vec![event("1", "a"), event("2", "a")], "v", now);
        apart.events.clear();
        assert!(delivered.together(apart, Vec::new(), now).is_empty());
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Instant::now();
        let mut memory = Memory::default();
        for n in 0..REMEMBERED + 100 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_le_bytes());
            memory.remember(now, hash, Sent::by(&event("1", "a").0));
        }
        memory.forget(now, WINDOW);
        assert_eq!(
            (memory.known.len(), memory.order.len()),
            (REMEMBERED, REMEMBERED)
        );
    }
}
