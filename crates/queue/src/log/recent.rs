//! Events that were appended or read a moment ago, in memory: a target that keeps up with ingest reads none of them from the
//! disk, and what one target has read is there for the others.
//!
//! Only what is committed is here, and a row is never rewritten: an entry stands in for it. So one that is missing costs time and
//! nothing else.
//!
//! An event is here until every target is past it. The oldest events are needed next. So a full memory takes no new ones,
//! unless a target is past the oldest: then that is removed, and the slower targets read it. A target that is down holds up
//! nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::SharedEvent;

/// The most bytes of texts; what was read of them takes some more. Ten thousand events of the usual size: a target that is half a
/// second behind another still finds them.
const LIMIT: usize = 32 << 20;

/// What an entry takes besides its texts, about: the fields of the event, the maps.
const OVERHEAD: usize = 512;

/// The events of a log.
#[derive(Debug, Default)]
pub(super) struct RecentEvents(Mutex<State>);

/// What an event's row contains.
#[derive(Debug, Clone)]
pub(super) struct RecentEvent {
    pub(super) id: Arc<str>,
    pub(super) body: Arc<str>,
    pub(super) received_at: i64,
    pub(super) event: SharedEvent,
}

#[derive(Debug, Default)]
struct State {
    events: BTreeMap<i64, RecentEvent>,
    bytes: usize,
    /// Up to where each consumer has received, if it has received in this process.
    positions: HashMap<i64, i64>,
    /// Every consumer is past the events up to here: nobody would take them.
    lowest: i64,
    /// Some consumer is past the events up to here.
    highest: i64,
}

impl RecentEvents {
    /// Adds events that are committed, unless every consumer is past them already: one may receive them before this is
    /// called.
    pub(super) fn add(&self, events: impl IntoIterator<Item = (i64, RecentEvent)>) {
        let mut state = self.lock();
        for (seq, event) in events {
            state.add(seq, event);
        }
    }

    /// Returns an event, if it is here.
    pub(super) fn get(&self, seq: i64) -> Option<RecentEvent> {
        self.lock().events.get(&seq).cloned()
    }

    /// Returns the first events after a number, if none is missing between them: `limit` of them, or all up to `last`.
    pub(super) fn following(
        &self,
        after: i64,
        limit: i64,
        last: i64,
    ) -> Option<Vec<(i64, RecentEvent)>> {
        let to = after.saturating_add(limit).min(last);
        if to <= after {
            return None;
        }
        let state = self.lock();
        let events = state.events.range(after.saturating_add(1)..=to);
        let count = events.clone().count();
        let is_whole = usize::try_from(to.saturating_sub(after)).is_ok_and(|it| it == count);
        is_whole.then(|| events.map(|(seq, it)| (*seq, it.clone())).collect())
    }

    /// Notes that a consumer has received the events up to a number, in a transaction that is committed. `consumers` are
    /// all there are.
    pub(super) fn advance(&self, consumer: i64, up_to: i64, consumers: &[i64]) {
        self.lock().advance(consumer, up_to, consumers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, seq: i64, event: RecentEvent) {
        if seq <= self.lowest {
            return;
        }
        self.remove(seq);
        let size = event.size();
        while self.bytes.saturating_add(size) > LIMIT {
            match self.first() {
                Some(first) if first <= self.highest => self.remove(first),
                _ => return,
            }
        }
        self.bytes += size;
        self.events.insert(seq, event);
    }

    fn advance(&mut self, consumer: i64, up_to: i64, consumers: &[i64]) {
        // Receives of a consumer may end in another order than they were committed.
        let position = self.positions.entry(consumer).or_insert(up_to);
        *position = up_to.max(*position);
        self.positions.retain(|known, _| consumers.contains(known));
        let position = |number| self.positions.get(number).copied().unwrap_or(0);
        self.lowest = consumers.iter().map(position).min().unwrap_or(0);
        self.highest = consumers.iter().map(position).max().unwrap_or(0);
        while let Some(first) = self.first().filter(|first| *first <= self.lowest) {
            self.remove(first);
        }
    }

    fn first(&self) -> Option<i64> {
        self.events.first_key_value().map(|(first, _)| *first)
    }

    fn remove(&mut self, seq: i64) {
        if let Some(event) = self.events.remove(&seq) {
            self.bytes -= event.size();
        }
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
            id: Arc::default(),
            body: "x".repeat(size).into(),
            received_at: 0,
            event: SharedEvent::default(),
        }
    }

    fn seqs(recent: &RecentEvents) -> Vec<i64> {
        recent.lock().events.keys().copied().collect()
    }

    fn numbers(events: std::ops::RangeInclusive<i64>, size: usize) -> Vec<(i64, RecentEvent)> {
        events.map(|seq| (seq, event(size))).collect()
    }

    #[test]
    fn an_event_is_here_until_the_last_consumer_has_received_it() {
        let recent = RecentEvents::default();
        recent.add(numbers(1..=2, 10));
        recent.advance(7, 2, &[7, 8]);
        assert!(recent.get(1).is_some());
        recent.advance(8, 1, &[7, 8]);
        assert_eq!(seqs(&recent), [2]);
    }

    #[test]
    fn an_event_that_all_have_received_before_it_is_added_is_not_kept() {
        let recent = RecentEvents::default();
        recent.advance(7, 5, &[7]);
        recent.add(numbers(1..=6, 10));
        assert_eq!(seqs(&recent), [6]);
    }

    #[test]
    fn events_follow_one_another_only_if_none_is_missing() {
        let recent = RecentEvents::default();
        recent.add(numbers(3..=4, 10));
        recent.add(numbers(6..=6, 20));
        let following = |after, limit, last| {
            let events = recent.following(after, limit, last)?.into_iter();
            Some(Vec::from_iter(events.map(|(seq, it)| (seq, it.body.len()))))
        };
        assert_eq!(following(2, 100, 4), Some(vec![(3, 10), (4, 10)]));
        assert_eq!(following(2, 1, 6), Some(vec![(3, 10)]));
        assert_eq!(following(5, 100, 6), Some(vec![(6, 20)]));
        for (after, last) in [(2, 6), (1, 4), (6, 7), (6, 6), (9, 6), (i64::MAX, i64::MAX)] {
            assert_eq!(following(after, 100, last), None, "{after} {last}");
        }
    }

    #[test]
    fn a_full_memory_keeps_what_is_needed_next() {
        let recent = RecentEvents::default();
        let third = LIMIT / 3 - OVERHEAD;
        recent.add(numbers(1..=4, third));
        assert_eq!(seqs(&recent), [1, 2, 3], "4 is needed last");
        recent.advance(7, 1, &[7, 8]);
        recent.add(numbers(5..=6, third));
        assert_eq!(
            seqs(&recent),
            [2, 3, 5],
            "1 is needed by the slower one only"
        );
    }

    #[test]
    fn a_target_that_is_down_does_not_fill_the_memory_for_the_others() {
        let recent = RecentEvents::default();
        for seq in 1..=100 {
            recent.add(numbers(seq..=seq, LIMIT / 3 - OVERHEAD));
            assert!(recent.get(seq).is_some(), "{seq}");
            recent.advance(7, seq, &[7, 8]);
        }
    }

    #[test]
    fn a_consumer_that_was_removed_holds_up_nothing() {
        let recent = RecentEvents::default();
        recent.add(numbers(1..=2, 10));
        recent.advance(8, 1, &[7, 8]);
        recent.advance(7, 2, &[7]);
        assert_eq!(seqs(&recent), [0i64; 0]);
    }

    proptest! {
        #[test]
        fn its_size_is_bounded_and_counted(
            steps in proptest::collection::vec((1i64..20, 0usize..LIMIT, 1i64..3, any::<bool>()), 0..60),
        ) {
            let recent = RecentEvents::default();
            for (seq, size, consumer, adds) in steps {
                match adds {
                    true => recent.add([(seq, event(size))]),
                    false => recent.advance(consumer, seq, &[1, 2]),
                }
                let state = recent.lock();
                let size: usize = state.events.values().map(RecentEvent::size).sum();
                prop_assert_eq!(size, state.bytes);
                prop_assert!(size <= LIMIT);
                prop_assert!(state.first().is_none_or(|first| first > state.lowest));
            }
        }
    }
}
