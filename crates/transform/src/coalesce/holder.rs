//! Events of runs that have not ended, held for a while so that later events of the run can be merged with them.
//!
//! A state machine: every change is a call with the time of it, and nothing happens in between. What is held is the
//! caller's (its `T`); which events become one is `coalesce`. Called by a worker that lives longer than one batch.

use std::collections::{BTreeMap, HashMap, VecDeque};

use uuid::Uuid;

/// What waits for the end of its run, and what may go.
///
/// Times are milliseconds of one clock that does not go back, counted from wherever the caller likes.
#[derive(Debug, Clone)]
pub struct Holder<T> {
    window: i64,
    capacity: usize,
    /// How many payloads came so far: the place of the next one in the order of arrival.
    count: u64,
    waiting: HashMap<Uuid, Waiting<T>>,
    /// The waiting runs by the arrival of their first payload, and so by the time they are due.
    oldest: BTreeMap<u64, Uuid>,
    /// How many payloads wait.
    held: usize,
    /// What may go, with its place in the order of arrival, and since when.
    free: Vec<(u64, T)>,
    free_since: Option<i64>,
    ended: Ended,
}

#[derive(Debug, Clone)]
struct Waiting<T> {
    due: i64,
    first: u64,
    payloads: Vec<(u64, T)>,
}

impl<T> Holder<T> {
    /// Holds at most `capacity` waiting payloads, each for at most `window` milliseconds.
    pub fn new(window: i64, capacity: usize) -> Self {
        Holder {
            window,
            capacity,
            count: 0,
            waiting: HashMap::new(),
            oldest: BTreeMap::new(),
            held: 0,
            free: Vec::new(),
            free_since: None,
            ended: Ended::default(),
        }
    }

    /// Takes a payload of `run`; `ends` when the run is over with it.
    ///
    /// The end of a run sets all of it free. What comes late, within a window of the end, is free at once: nothing is
    /// to be expected after it. With more waiting than the capacity the run that waits longest is let go; if it has
    /// not ended, its next payload waits anew. Of ended runs, too, no more than the capacity are remembered.
    pub fn offer(&mut self, run: Uuid, ends: bool, payload: T, now: i64) {
        let place = self.count;
        self.count += 1;
        self.ended.forget(now.saturating_sub(self.window));
        if ends {
            self.let_go(run, now);
            self.ended.remember(run, now, self.capacity);
        }
        if ends || self.ended.knows(run) {
            self.free.push((place, payload));
            self.free_since.get_or_insert(now);
            return;
        }
        let waiting = self.waiting.entry(run).or_insert_with(|| Waiting {
            due: now.saturating_add(self.window),
            first: place,
            payloads: Vec::new(),
        });
        waiting.payloads.push((place, payload));
        self.oldest.insert(waiting.first, run);
        self.held += 1;
        while self.held > self.capacity {
            let Some((_, run)) = self.oldest.first_key_value() else {
                break;
            };
            self.let_go(*run, now);
        }
    }

    /// What may go by now, in the order of arrival: runs that ended, were let go, or wait for a window or longer.
    pub fn ready(&mut self, now: i64) -> Vec<T> {
        while let Some(run) = self.longest().filter(|(_, due)| *due <= now) {
            self.let_go(run.0, now);
        }
        self.take()
    }

    /// When [`ready`](Self::ready) has something to give: a time in the past when it has already.
    pub fn next_due(&self) -> Option<i64> {
        self.free_since.or(self.longest().map(|(_, due)| due))
    }

    /// Everything, in the order of arrival.
    pub fn drain(&mut self) -> Vec<T> {
        self.oldest.clear();
        self.held = 0;
        let waiting = self.waiting.drain().flat_map(|(_, run)| run.payloads);
        self.free.extend(waiting);
        self.take()
    }

    /// How many payloads are here, waiting or free.
    pub fn len(&self) -> usize {
        self.held + self.free.len()
    }

    /// Whether nothing is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run that waits longest, and when it is due.
    fn longest(&self) -> Option<(Uuid, i64)> {
        let (_, run) = self.oldest.first_key_value()?;
        Some((*run, self.waiting.get(run)?.due))
    }

    /// Lets go of what waits of `run`, as it is.
    pub fn let_go(&mut self, run: Uuid, now: i64) {
        let Some(waiting) = self.waiting.remove(&run) else {
            return;
        };
        self.oldest.remove(&waiting.first);
        self.held -= waiting.payloads.len();
        self.free.extend(waiting.payloads);
        self.free_since.get_or_insert(now);
    }

    fn take(&mut self) -> Vec<T> {
        self.free_since = None;
        let mut free = std::mem::take(&mut self.free);
        free.sort_unstable_by_key(|(place, _)| *place);
        free.into_iter().map(|(_, payload)| payload).collect()
    }
}

/// Runs whose end was seen lately.
#[derive(Debug, Clone, Default)]
struct Ended {
    at: HashMap<Uuid, i64>,
    /// Each end in its order; a run that ended twice is here twice.
    order: VecDeque<(i64, Uuid)>,
}

impl Ended {
    /// Remembers an end; of more than `capacity` the oldest is forgotten.
    fn remember(&mut self, run: Uuid, now: i64, capacity: usize) {
        self.at.insert(run, now);
        self.order.push_back((now, run));
        if self.order.len() > capacity {
            self.forget_oldest();
        }
    }

    fn knows(&self, run: Uuid) -> bool {
        self.at.contains_key(&run)
    }

    /// Forgets the ends up to `until`.
    fn forget(&mut self, until: i64) {
        while self.order.front().is_some_and(|(at, _)| *at <= until) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((at, run)) = self.order.pop_front()
            && self.at.get(&run) == Some(&at)
        {
            self.at.remove(&run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);
    const C: Uuid = Uuid::from_u128(3);

    #[test]
    fn a_run_waits_for_its_end_and_then_goes_at_once() {
        let mut holder = Holder::new(1_000, 10);
        holder.offer(A, false, "start of a", 0);
        holder.offer(B, false, "start of b", 10);
        assert_eq!(holder.ready(20), Vec::<&str>::new());
        assert_eq!(holder.next_due(), Some(1_000));
        holder.offer(B, true, "end of b", 30);
        assert_eq!(holder.next_due(), Some(30));
        assert_eq!(holder.ready(30), ["start of b", "end of b"]);
        assert_eq!((holder.len(), holder.next_due()), (1, Some(1_000)));
    }

    #[test]
    fn a_run_that_does_not_end_waits_for_a_window_from_its_first_event() {
        let mut holder = Holder::new(1_000, 10);
        holder.offer(A, false, 1, 0);
        holder.offer(A, false, 2, 900);
        assert_eq!(holder.ready(999), Vec::<i32>::new());
        assert_eq!(holder.ready(1_000), [1, 2]);
        assert_eq!(holder.next_due(), None);
        holder.offer(A, false, 3, 1_100);
        assert_eq!(holder.next_due(), Some(2_100));
    }

    #[test]
    fn what_comes_late_is_not_delayed_within_a_window_of_the_end() {
        let mut holder = Holder::new(1_000, 10);
        holder.offer(A, true, 1, 0);
        assert_eq!(holder.ready(0), [1]);
        holder.offer(A, false, 2, 999);
        assert_eq!(holder.ready(999), [2]);
        holder.offer(A, false, 3, 1_000);
        assert_eq!(holder.next_due(), Some(2_000));
    }

    #[test]
    fn past_the_capacity_the_oldest_run_is_let_go_and_starts_anew() {
        let mut holder = Holder::new(1_000, 2);
        holder.offer(A, false, "a1", 0);
        holder.offer(B, false, "b1", 1);
        holder.offer(C, false, "c1", 2);
        assert_eq!(holder.next_due(), Some(2));
        assert_eq!(holder.ready(2), ["a1"]);
        holder.offer(A, false, "a2", 3);
        assert_eq!(holder.ready(3), ["b1"]);
        assert_eq!(holder.next_due(), Some(1_002));
        holder.offer(A, true, "a3", 4);
        assert_eq!(holder.ready(4), ["a2", "a3"]);
    }

    #[test]
    fn no_more_ended_runs_are_remembered_than_the_capacity() {
        let mut holder = Holder::new(1_000, 2);
        for run in [A, B, C] {
            holder.offer(run, true, 0, 0);
        }
        holder.offer(A, false, 1, 1);
        holder.offer(B, false, 2, 1);
        assert_eq!(holder.ready(1), [0, 0, 0, 2]);
        assert_eq!(holder.next_due(), Some(1_001));
    }

    /// What the holder should do, said as plainly as possible: every payload with its run and when it is due.
    #[derive(Default)]
    struct Model {
        held: Vec<(u8, usize, Option<i64>)>,
        ends: Vec<(u8, i64)>,
    }

    impl Model {
        fn offer(&mut self, run: u8, ends: bool, payload: usize, now: i64) {
            let late = self
                .ends
                .iter()
                .any(|(r, at)| *r == run && now - at < WINDOW);
            let mut same = self.held.iter().filter(|(r, ..)| *r == run);
            let due = same.find_map(|(.., due)| *due).unwrap_or(now + WINDOW);
            self.held.push((run, payload, (!late).then_some(due)));
            if ends {
                self.ends.push((run, now));
                let same = self.held.iter_mut().filter(|(r, ..)| *r == run);
                same.for_each(|(.., due)| *due = None);
            }
        }

        fn ready(&mut self, now: i64) -> Vec<usize> {
            let (go, stay) = std::mem::take(&mut self.held)
                .into_iter()
                .partition(|(.., due)| due.is_none_or(|due| due <= now));
            self.held = stay;
            let go: Vec<(u8, usize, Option<i64>)> = go;
            go.into_iter().map(|(_, payload, _)| payload).collect()
        }
    }

    const WINDOW: i64 = 50;

    proptest! {
        #[test]
        fn with_room_enough_it_does_what_the_plain_model_does(
            steps in proptest::collection::vec((0u8..4, any::<bool>(), 0i64..40, any::<bool>()), 0..60),
        ) {
            let (mut holder, mut model, mut now) = (Holder::new(WINDOW, 1_000), Model::default(), 0);
            for (payload, (run, ends, passes, asks)) in steps.into_iter().enumerate() {
                now += passes;
                if asks {
                    prop_assert_eq!(holder.ready(now), model.ready(now));
                    prop_assert!(holder.next_due().is_none_or(|due| due > now));
                }
                holder.offer(Uuid::from_u128(run.into()), ends, payload, now);
                model.offer(run, ends, payload, now);
            }
        }

        #[test]
        fn everything_comes_out_once_and_no_more_waits_than_may(
            steps in proptest::collection::vec((0u8..6, any::<bool>(), 0i64..40), 0..60),
            capacity in 0usize..6,
        ) {
            let (mut holder, mut now, mut out) = (Holder::new(WINDOW, capacity), 0, Vec::new());
            for (payload, (run, ends, passes)) in steps.iter().enumerate() {
                now += passes;
                holder.offer(Uuid::from_u128((*run).into()), *ends, payload, now);
                let ready = holder.ready(now);
                prop_assert!(ready.is_sorted());
                out.extend(ready);
                prop_assert!(holder.len() <= capacity);
                prop_assert_eq!(holder.len(), payload + 1 - out.len());
            }
            out.extend(holder.drain());
            prop_assert!(holder.is_empty());
            out.sort_unstable();
            prop_assert_eq!(out, (0..steps.len()).collect::<Vec<_>>());
        }
    }
}
