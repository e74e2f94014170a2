//! Events that were appended or read a moment ago, in memory: a target that keeps up with ingest reads none of them from the
//! disk, and what one target has read is there for the others.
//!
//! Only what is committed is here. What to receive is decided from rows (`receive.rs`); this only stands in for the rest of
//! a row, which is never rewritten. So an entry that is missing costs time and nothing else.
//!
//! The oldest events are needed next. So a full memory takes no new ones, until every target has received some of those
//! that it holds, or one target is ahead of the others: then the oldest that somebody has received is removed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::SharedEvent;

/// The most bytes of events. Some thousands of the usual size: what arrives in the time of a few batches.
const LIMIT: usize = 8 << 20;

/// What an entry takes besides its texts, about: the fields of the event, the maps.
const OVERHEAD: usize = 512;

/// The events of a log.
#[derive(Debug, Default)]
pub(super) struct RecentEvents(Mutex<State>);

/// What an event's row contains.
#[derive(Debug, Clone)]
pub(super) struct RecentEvent {
    pub(super) id: String,
    pub(super) body: Arc<str>,
    pub(super) received_at: i64,
    pub(super) event: SharedEvent,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<i64, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    event: RecentEvent,
    /// How many consumers have received it.
    receivers: usize,
}

impl RecentEvents {
    /// Adds events that are committed, of which so many consumers have received each.
    pub(super) fn add(
        &self,
        events: impl IntoIterator<Item = (i64, RecentEvent)>,
        receivers: usize,
    ) {
        let mut state = self.lock();
        for (seq, event) in events {
            state.add(seq, Entry { event, receivers });
        }
    }

    /// Returns an event that a consumer receives, if it is here. The last one of so many `consumers` takes it.
    pub(super) fn receive(&self, seq: i64, consumers: usize) -> Option<RecentEvent> {
        let mut state = self.lock();
        let entry = state.entries.get_mut(&seq)?;
        entry.receivers += 1;
        match entry.receivers < consumers {
            true => Some(entry.event.clone()),
            false => state.remove(seq),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, seq: i64, entry: Entry) {
        let size = entry.event.size();
        while self.bytes.saturating_add(size) > LIMIT {
            match self.entries.first_key_value() {
                Some((first, entry)) if entry.receivers > 0 => {
                    let first = *first;
                    self.remove(first);
                }
                _ => return,
            }
        }
        self.bytes += size;
        if let Some(before) = self.entries.insert(seq, entry) {
            self.bytes -= before.event.size();
        }
    }

    fn remove(&mut self, seq: i64) -> Option<RecentEvent> {
        let entry = self.entries.remove(&seq)?;
        self.bytes -= entry.event.size();
        Some(entry.event)
    }
}

impl RecentEvent {
    fn size(&self) -> usize {
        self.body.len() + self.id.len() + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(size: usize) -> RecentEvent {
        RecentEvent {
            id: String::new(),
            body: "x".repeat(size).into(),
            received_at: 0,
            event: SharedEvent::default(),
        }
    }

    fn seqs(recent: &RecentEvents) -> Vec<i64> {
        recent.lock().entries.keys().copied().collect()
    }

    #[test]
    fn an_event_is_here_until_the_last_consumer_has_received_it() {
        let recent = RecentEvents::default();
        recent.add([(1, event(10)), (2, event(10))], 0);
        assert!(recent.receive(1, 2).is_some());
        assert!(recent.receive(1, 2).is_some());
        assert!(recent.receive(1, 2).is_none());
        assert_eq!(seqs(&recent), [2]);
    }

    #[test]
    fn a_full_memory_keeps_what_is_needed_next() {
        let recent = RecentEvents::default();
        let third = LIMIT / 3 - OVERHEAD;
        recent.add((1..=4).map(|seq| (seq, event(third))), 0);
        assert_eq!(seqs(&recent), [1, 2, 3], "4 is needed last");
        assert!(recent.receive(1, 2).is_some());
        recent.add([(5, event(third))], 0);
        assert_eq!(
            seqs(&recent),
            [2, 3, 5],
            "1 is needed by the slower one only"
        );
    }

    proptest! {
        #[test]
        fn its_size_is_bounded_and_counted(
            steps in proptest::collection::vec((0i64..20, 0usize..LIMIT, 0usize..3, any::<bool>()), 0..60),
        ) {
            let recent = RecentEvents::default();
            for (seq, size, receivers, adds) in steps {
                match adds {
                    true => recent.add([(seq, event(size))], receivers),
                    false => drop(recent.receive(seq, 2)),
                }
                let state = recent.lock();
                let size: usize = state.entries.values().map(|entry| entry.event.size()).sum();
                prop_assert_eq!(size, state.bytes);
                prop_assert!(size <= LIMIT);
            }
        }
    }
}
