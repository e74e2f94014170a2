//! Buffers the events of runs that have not ended, so that later events of the run can be merged with them.
//!
//! A state machine: every change is a call with its time, and nothing happens in between. The payload is the caller's (`T`);
//! which events are merged is decided in `coalesce.rs`. Called by the pipeline's coalesce buffer.

use std::collections::{BTreeMap, HashMap, VecDeque};

use openlineage::OrderingKey;

/// Payloads that wait for the end of their run, and those that are released.
///
/// Times are milliseconds of one monotonic clock, from any origin.
#[derive(Debug, Clone)]
pub struct RunBuffer<T> {
    window: i64,
    capacity: usize,
    /// How many payloads were offered so far: the sequence number of the next one.
    count: u64,
    waiting: HashMap<OrderingKey, WaitingRun<T>>,
    /// The waiting runs by their first payload, and so by the time they are due.
    oldest: BTreeMap<u64, OrderingKey>,
    /// How many payloads wait.
    waiting_payloads: usize,
    /// Released payloads with their sequence numbers, and since when there are some.
    released: Vec<(u64, T)>,
    released_since: Option<i64>,
    ended: EndedRuns,
}

#[derive(Debug, Clone)]
struct WaitingRun<T> {
    due: i64,
    first: u64,
    payloads: Vec<(u64, T)>,
}

impl<T> RunBuffer<T> {
    /// Creates a buffer of at most `capacity` waiting payloads, each of which waits for at most `window` milliseconds.
    pub fn new(window: i64, capacity: usize) -> Self {
        RunBuffer {
            window,
            capacity,
            count: 0,
            waiting: HashMap::new(),
            oldest: BTreeMap::new(),
            waiting_payloads: 0,
            released: Vec::new(),
            released_since: None,
            ended: EndedRuns::default(),
        }
    }

    /// Adds a payload of `run`; `ends` is whether it ends the run.
    ///
    /// The end of a run releases all of it. A payload that is offered within a window of the end is released at once:
    /// nothing is expected after it. Beyond the capacity, the run that has waited longest is released; its next payload
    /// waits for a whole window again. No more ended runs than the capacity are remembered.
    pub fn offer(&mut self, run: OrderingKey, ends: bool, payload: T, now: i64) {
        let sequence = self.count;
        self.count += 1;
        self.ended.forget(now.saturating_sub(self.window));
        if ends {
            self.release(&run, now);
            self.ended.remember(run.clone(), now, self.capacity);
        }
        if ends || self.ended.contains(&run) {
            self.released.push((sequence, payload));
            self.released_since.get_or_insert(now);
            return;
        }
        let waiting = self
            .waiting
            .entry(run.clone())
            .or_insert_with(|| WaitingRun {
                due: now.saturating_add(self.window),
                first: sequence,
                payloads: Vec::new(),
            });
        waiting.payloads.push((sequence, payload));
        self.oldest.insert(waiting.first, run);
        self.waiting_payloads += 1;
        while self.waiting_payloads > self.capacity
            && let Some((_, run)) = self.oldest.pop_first()
        {
            self.release(&run, now);
        }
    }

    /// Takes the released payloads, in the order of arrival: of runs that ended, were released, or have waited for a
    /// window.
    pub fn take_ready(&mut self, now: i64) -> Vec<T> {
        while let Some((run, _)) = self.longest().filter(|(_, due)| *due <= now) {
            self.release(&run, now);
        }
        self.take_released()
    }

    /// When [`take_ready`](Self::take_ready) returns something: a time in the past if it does now.
    pub fn next_due(&self) -> Option<i64> {
        self.released_since.or(self.longest().map(|(_, due)| due))
    }

    /// Takes everything, in the order of arrival.
    pub fn drain(&mut self) -> Vec<T> {
        self.oldest.clear();
        self.waiting_payloads = 0;
        let waiting = self.waiting.drain().flat_map(|(_, run)| run.payloads);
        self.released.extend(waiting);
        self.take_released()
    }

    /// How many payloads are in the buffer, waiting or released.
    pub fn len(&self) -> usize {
        self.waiting_payloads + self.released.len()
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run that has waited longest, and when it is due.
    fn longest(&self) -> Option<(OrderingKey, i64)> {
        let (_, run) = self.oldest.first_key_value()?;
        Some((run.clone(), self.waiting.get(run)?.due))
    }

    /// Releases what waits of `run`.
    pub fn release(&mut self, run: &OrderingKey, now: i64) {
        let Some(waiting) = self.waiting.remove(run) else {
            return;
        };
        self.oldest.remove(&waiting.first);
        self.waiting_payloads -= waiting.payloads.len();
        self.released.extend(waiting.payloads);
        self.released_since.get_or_insert(now);
    }

    fn take_released(&mut self) -> Vec<T> {
        self.released_since = None;
        let mut released = std::mem::take(&mut self.released);
        released.sort_unstable_by_key(|(sequence, _)| *sequence);
        released.into_iter().map(|(_, payload)| payload).collect()
    }
}

/// Runs that ended within a window.
#[derive(Debug, Clone, Default)]
struct EndedRuns {
    at: HashMap<OrderingKey, i64>,
    /// Each end in its order; a run that ended twice is here twice.
    order: VecDeque<(i64, OrderingKey)>,
}

impl EndedRuns {
    /// Remembers an end; of more than `capacity` the oldest is forgotten.
    fn remember(&mut self, run: OrderingKey, now: i64, capacity: usize) {
        self.at.insert(run.clone(), now);
        self.order.push_back((now, run));
        if self.order.len() > capacity {
            self.forget_oldest();
        }
    }

    fn contains(&self, run: &OrderingKey) -> bool {
        self.at.contains_key(run)
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
    use uuid::Uuid;

    const A: OrderingKey = OrderingKey::Run(Uuid::from_u128(1));
    const B: OrderingKey = OrderingKey::Run(Uuid::from_u128(2));
    const C: OrderingKey = OrderingKey::Run(Uuid::from_u128(3));

    #[test]
    fn a_run_waits_for_its_end_and_is_released_at_once() {
        let mut buffer = RunBuffer::new(1_000, 10);
        buffer.offer(A, false, "start of a", 0);
        buffer.offer(B, false, "start of b", 10);
        assert_eq!(buffer.take_ready(20), Vec::<&str>::new());
        assert_eq!(buffer.next_due(), Some(1_000));
        buffer.offer(B, true, "end of b", 30);
        assert_eq!(buffer.next_due(), Some(30));
        assert_eq!(buffer.take_ready(30), ["start of b", "end of b"]);
        assert_eq!((buffer.len(), buffer.next_due()), (1, Some(1_000)));
    }

    #[test]
    fn a_run_that_does_not_end_waits_for_a_window_from_its_first_event() {
        let mut buffer = RunBuffer::new(1_000, 10);
        buffer.offer(A, false, 1, 0);
        buffer.offer(A, false, 2, 900);
        assert_eq!(buffer.take_ready(999), Vec::<i32>::new());
        assert_eq!(buffer.take_ready(1_000), [1, 2]);
        assert_eq!(buffer.next_due(), None);
        buffer.offer(A, false, 3, 1_100);
        assert_eq!(buffer.next_due(), Some(2_100));
    }

    #[test]
    fn a_late_event_is_not_delayed_within_a_window_of_the_end() {
        let mut buffer = RunBuffer::new(1_000, 10);
        buffer.offer(A, true, 1, 0);
        assert_eq!(buffer.take_ready(0), [1]);
        buffer.offer(A, false, 2, 999);
        assert_eq!(buffer.take_ready(999), [2]);
        buffer.offer(A, false, 3, 1_000);
        assert_eq!(buffer.next_due(), Some(2_000));
    }

    #[test]
    fn beyond_the_capacity_the_oldest_run_is_released_and_waits_again() {
        let mut buffer = RunBuffer::new(1_000, 2);
        buffer.offer(A, false, "a1", 0);
        buffer.offer(B, false, "b1", 1);
        buffer.offer(C, false, "c1", 2);
        assert_eq!(buffer.next_due(), Some(2));
        assert_eq!(buffer.take_ready(2), ["a1"]);
        buffer.offer(A, false, "a2", 3);
        assert_eq!(buffer.take_ready(3), ["b1"]);
        assert_eq!(buffer.next_due(), Some(1_002));
        buffer.offer(A, true, "a3", 4);
        assert_eq!(buffer.take_ready(4), ["a2", "a3"]);
    }

    #[test]
    fn no_more_ended_runs_are_remembered_than_the_capacity() {
        let mut buffer = RunBuffer::new(1_000, 2);
        for run in [A, B, C] {
            buffer.offer(run, true, 0, 0);
        }
        buffer.offer(A, false, 1, 1);
        buffer.offer(B, false, 2, 1);
        assert_eq!(buffer.take_ready(1), [0, 0, 0, 2]);
        assert_eq!(buffer.next_due(), Some(1_001));
    }

    /// The buffer as plainly as possible: every payload with its run and when it is due.
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
        fn below_its_capacity_it_does_what_the_plain_model_does(
            steps in proptest::collection::vec((0u8..4, any::<bool>(), 0i64..40, any::<bool>()), 0..60),
        ) {
            let (mut buffer, mut model, mut now) = (RunBuffer::new(WINDOW, 1_000), Model::default(), 0);
            for (payload, (run, ends, passes, asks)) in steps.into_iter().enumerate() {
                now += passes;
                if asks {
                    prop_assert_eq!(buffer.take_ready(now), model.ready(now));
                    prop_assert!(buffer.next_due().is_none_or(|due| due > now));
                }
                buffer.offer(OrderingKey::Run(Uuid::from_u128(run.into())), ends, payload, now);
                model.offer(run, ends, payload, now);
            }
        }

        #[test]
        fn everything_is_released_once_and_no_more_waits_than_may(
            steps in proptest::collection::vec((0u8..6, any::<bool>(), 0i64..40), 0..60),
            capacity in 0usize..6,
        ) {
            let (mut buffer, mut now, mut out) = (RunBuffer::new(WINDOW, capacity), 0, Vec::new());
            for (payload, (run, ends, passes)) in steps.iter().enumerate() {
                now += passes;
                buffer.offer(OrderingKey::Run(Uuid::from_u128((*run).into())), *ends, payload, now);
                let ready = buffer.take_ready(now);
                prop_assert!(ready.is_sorted());
                out.extend(ready);
                prop_assert!(buffer.len() <= capacity);
                prop_assert_eq!(buffer.len(), payload + 1 - out.len());
            }
            out.extend(buffer.drain());
            prop_assert!(buffer.is_empty());
            out.sort_unstable();
            prop_assert_eq!(out, (0..steps.len()).collect::<Vec<_>>());
        }
    }
}
