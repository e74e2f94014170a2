//! The order of the events of a run: within a batch, and across the batches of a process.
//!
//! Within a batch, [`by_run`] sorts. Batches overlap, so that a slow event does not delay those received after it; each
//! run takes a [`RunTicket`] and waits for the tickets before it. An event that failed blocks the later ones of its run
//! until its retry, because the queue would deliver the later ones first. Only this process knows this state; after a
//! restart the queue delivers everything at once, in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use openlineage::{Event, EventType, OrderingKey, Subject};
use targets::Failure;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::outcome::PendingEvent;

/// The most runs that are blocked; above it, the order of further runs is not kept.
const MAX_BLOCKED: usize = 10_000;

/// The wait of events that are still blocked when the retry of the event ahead of them is due: they are in hand, and it has
/// to be received first.
const OVERDUE: Duration = Duration::from_secs(1);

/// Groups events by run. Each run is in the order of delivery; runs are in the order of their first event.
pub(super) fn by_run(events: Vec<PendingEvent>) -> Vec<(OrderingKey, Vec<PendingEvent>)> {
    let mut runs: Vec<(OrderingKey, Vec<PendingEvent>)> = Vec::new();
    let mut indices: HashMap<OrderingKey, usize> = HashMap::new();
    for event in events {
        let key = OrderingKey::from(&event.event);
        let index = *indices.entry(key.clone()).or_insert(runs.len());
        match runs.get_mut(index) {
            Some((_, run)) => run.push(event),
            None => runs.push((key, vec![event])),
        }
    }
    for (_, run) in &mut runs {
        sort(run);
    }
    runs
}

/// Sorts by `eventTime`, with START before the end regardless of times, because the clocks of the hosts of a run
/// differ. Events with the same time stay in the order of arrival.
fn sort(run: &mut [PendingEvent]) {
    let first_end = run
        .iter()
        .filter(|event| is_end(&event.event))
        .map(|event| event.event.time())
        .min();
    let key = |event: &Event| -> (OffsetDateTime, u8) {
        match event_type(event) {
            Some(EventType::Start) => {
                let start = first_end.map_or(event.time(), |end| end.min(event.time()));
                (start, 0)
            }
            Some(EventType::Running | EventType::Other) | None => (event.time(), 1),
            Some(EventType::Complete | EventType::Abort | EventType::Fail) => (event.time(), 2),
        }
    };
    run.sort_by_key(|event| key(&event.event));
}

fn event_type(event: &Event) -> Option<EventType> {
    match event.subject() {
        Subject::Run { event_type, .. } => *event_type,
        Subject::Job { .. } | Subject::Dataset { .. } => None,
    }
}

fn is_end(event: &Event) -> bool {
    event_type(event).is_some_and(EventType::ends)
}

/// The order of the runs in hand, and the runs that are blocked.
#[derive(Debug, Clone, Default)]
pub(super) struct RunOrder {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The tickets of each run in hand, by number, each with the token that is cancelled when it is dropped.
    tickets: HashMap<OrderingKey, BTreeMap<u64, CancellationToken>>,
    /// How many tickets were taken.
    taken: u64,
    blocked: HashMap<OrderingKey, BlockedRun>,
}

/// Which tickets of a run are blocked, and until when.
#[derive(Debug)]
struct BlockedRun {
    block: Block,
    until: Instant,
    /// The ticket of the events that failed. Those before it are not blocked.
    blocker: u64,
    /// The last ticket that was taken before the queue could return those events. It and those before it hold later
    /// events, so they are blocked whatever the time: they may have waited longer than `until` for their turn.
    last: u64,
}

/// A block of the later events of a run.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// How long it lasts, from the moment when the queue knows of the failure.
    pub(super) after: Duration,
    /// The queue's id of the event that failed.
    pub(super) by: String,
    /// Why it failed.
    pub(super) failure: Failure,
}

/// The place of some events in the order of their run. Dropping it, and all before it, lets the next ones follow.
#[must_use = "dropping a ticket lets the next events of the run go first"]
#[derive(Debug)]
pub(super) struct RunTicket {
    order: RunOrder,
    key: OrderingKey,
    number: u64,
    /// All tickets before it, not only the last one, which may be dropped before its turn.
    before: Vec<CancellationToken>,
    _ends: DropGuard,
}

impl RunOrder {
    /// Takes a ticket after all earlier ones of that run.
    pub(super) fn ticket(&self, key: OrderingKey) -> RunTicket {
        let ends = CancellationToken::new();
        let mut state = self.lock();
        state.taken += 1;
        let number = state.taken;
        let tickets = state.tickets.entry(key.clone()).or_default();
        let before = tickets.values().cloned().collect();
        tickets.insert(number, ends.clone());
        RunTicket {
            order: self.clone(),
            key,
            number,
            before,
            _ends: ends.drop_guard(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunTicket {
    /// Waits until all tickets before it are dropped. Returns whether that happened in time.
    pub(super) async fn ready(&self, deadline: Instant) -> bool {
        if self.before.is_empty() {
            return true;
        }
        let all = join_all(self.before.iter().map(CancellationToken::cancelled));
        timeout_at(deadline, all).await.is_ok()
    }

    /// Returns what blocks these events, unless the event that blocks the run is among them.
    pub(super) fn block(
        &self,
        mut queue_ids: impl Iterator<Item = String>,
        now: Instant,
    ) -> Option<Block> {
        let state = self.order.lock();
        let run = state.blocked.get(&self.key)?;
        let is_retry = queue_ids.any(|id| id == run.block.by);
        if self.number <= run.blocker || is_retry {
            return None; // the clock of the queue may be a little ahead of ours
        }
        let left = run.until.saturating_duration_since(now);
        let after = match left.is_zero() {
            true if self.number <= run.last => OVERDUE,
            true => return None,
            false => left,
        };
        let failure = Failure {
            after: Some(after),
            ..run.block.failure.clone()
        };
        Some(Block {
            after,
            by: run.block.by.clone(),
            failure,
        })
    }

    /// Blocks later events of the run, from `now` on. Never shortens an earlier block, nor ends one that an event in hand
    /// still has to see.
    pub(super) fn block_run(self, block: Block, now: Instant) {
        let mut state = self.order.lock();
        let State {
            tickets,
            taken,
            blocked,
        } = &mut *state;
        if blocked.len() >= MAX_BLOCKED {
            blocked.retain(|key, run| run.until > now || run.is_awaited(tickets.get(key), *taken));
        }
        let until = now + block.after;
        if let Some(run) = blocked.get_mut(&self.key) {
            let before_this = self.number - 1;
            let is_awaited = run.is_awaited(tickets.get(&self.key), before_this);
            let is_kept = run.blocker < self.number && (run.until > until || is_awaited);
            if !is_kept {
                run.block = block;
                run.blocker = self.number;
            }
            run.until = run.until.max(until);
            run.last = *taken;
        } else if blocked.len() < MAX_BLOCKED {
            let run = BlockedRun {
                block,
                until,
                blocker: self.number,
                last: *taken,
            };
            blocked.insert(self.key.clone(), run);
        }
    }
}

impl BlockedRun {
    /// Whether one of these tickets, up to that number, is blocked whatever the time.
    fn is_awaited(&self, tickets: Option<&BTreeMap<u64, CancellationToken>>, number: u64) -> bool {
        let last = self.last.min(number);
        let mut numbers = tickets.into_iter().flat_map(BTreeMap::keys);
        numbers.any(|number| *number > self.blocker && *number <= last)
    }
}

impl Drop for RunTicket {
    fn drop(&mut self) {
        let mut state = self.order.lock();
        if let Some(tickets) = state.tickets.get_mut(&self.key) {
            tickets.remove(&self.number);
            if tickets.is_empty() {
                state.tickets.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use openlineage::Level;
    use proptest::prelude::*;
    use targets::{Reason, Scope};
    use uuid::Uuid;

    use crate::queue::Record;

    const SOON: Duration = Duration::from_secs(1);
    const RUN: OrderingKey = OrderingKey::Run(Uuid::nil());
    const OTHER: OrderingKey = OrderingKey::Run(Uuid::max());

    fn event(id: usize, run: u8, event_type: &str, second: u8) -> PendingEvent {
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
            "run":{{"runId":"00000000-0000-0000-0000-0000000000{run:02}"}},"job":{{"namespace":"n","name":"j"}}}}"#
        );
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        PendingEvent::new(Record::unqueued(id.to_string()), event)
    }

    fn ids(run: Vec<PendingEvent>) -> Vec<String> {
        run.into_iter()
            .map(|event| event.into_record().id)
            .collect()
    }

    #[test]
    fn a_start_is_before_its_end_even_when_clocks_disagree() {
        let events = vec![
            event(0, 1, "COMPLETE", 5),
            event(1, 1, "OTHER", 9),
            event(2, 1, "START", 7),
            event(3, 1, "RUNNING", 3),
        ];
        let (_, run) = by_run(events).remove(0);
        assert_eq!(ids(run), ["3", "2", "0", "1"]);
    }

    proptest! {
        #[test]
        fn each_run_is_in_order_and_nothing_is_lost(
            events in proptest::collection::vec((1u8..4, 0usize..6, 0u8..60), 0..40),
        ) {
            let types = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
            let batch: Vec<_> = events.iter().enumerate().map(|(n, (run, t, s))| event(n, *run, types[*t], *s)).collect();
            let count = batch.len();
            let mut seen = Vec::new();
            for (key, run) in by_run(batch) {
                prop_assert!(run.iter().all(|event| OrderingKey::from(&event.event) == key));
                let position = |wanted: fn(&Event) -> bool| run.iter().enumerate().filter(|(_, e)| wanted(&e.event)).map(|(n, _)| n).collect::<Vec<_>>();
                let starts = position(|e| event_type(e) == Some(EventType::Start));
                let ended = position(is_end);
                prop_assert!(starts.iter().all(|start| ended.iter().all(|end| start < end)));
                let times: Vec<_> = run.iter().filter(|e| event_type(&e.event) != Some(EventType::Start)).map(|e| e.event.time()).collect();
                prop_assert!(times.is_sorted());
                seen.extend(ids(run).iter().map(|id| id.parse::<usize>().unwrap()));
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_ticket_is_ready_when_all_before_it_are_dropped() {
        let order = RunOrder::default();
        let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
        let other = order.ticket(OTHER);
        let deadline = Instant::now() + 3_600 * SOON;
        let ready = |ticket: &RunTicket| ticket.ready(deadline).now_or_never() == Some(true);
        assert!(ready(&first) && ready(&other) && !ready(&second) && !ready(&third));
        drop(first);
        assert!(ready(&second) && !ready(&third));
        drop(second);
        assert!(ready(&third));
        drop((third, other));
        assert!(order.lock().tickets.is_empty());
    }

    #[tokio::test]
    async fn a_ticket_waits_until_its_deadline_and_no_longer() {
        let order = RunOrder::default();
        let (_first, second) = (order.ticket(RUN), order.ticket(RUN));
        assert!(!second.ready(Instant::now()).await);
    }

    #[tokio::test]
    async fn a_ticket_that_did_not_have_its_turn_lets_none_go_first() {
        let order = RunOrder::default();
        let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
        assert!(!second.ready(Instant::now()).await);
        drop(second);
        assert!(!third.ready(Instant::now()).await);
        drop(first);
        assert!(third.ready(Instant::now()).await);
    }

    fn block(after: Duration, by: &str) -> Block {
        Block {
            after,
            by: by.to_owned(),
            failure: Failure {
                reason: Reason::Unavailable,
                scope: Scope::Event,
                message: "down".into(),
                after: None,
            },
        }
    }

    #[test]
    fn a_later_block_does_not_end_one_that_lasts_longer() {
        let order = RunOrder::default();
        let now = Instant::now();
        order.ticket(RUN).block_run(block(SOON * 5, "a"), now);
        order.ticket(RUN).block_run(block(SOON, "b"), now);
        let left = order.ticket(RUN).block(["c".to_owned()].into_iter(), now);
        assert_eq!(
            left.map(|left| (left.after, left.by)),
            Some((SOON * 5, "a".to_owned()))
        );
    }

    #[test]
    fn a_blocked_run_waits_for_its_time_and_no_other_run_does() {
        let order = RunOrder::default();
        let now = Instant::now();
        order.ticket(RUN).block_run(block(SOON, "a"), now);
        let (later, other) = (order.ticket(RUN), order.ticket(OTHER));
        let block = |ticket: &RunTicket, id: &str, after| {
            let block = ticket.block([id.to_owned()].into_iter(), now + after);
            block.map(|block| block.after)
        };
        assert_eq!(block(&later, "b", SOON / 4), Some(SOON * 3 / 4));
        assert_eq!(block(&later, "a", SOON / 4), None, "its own retry goes on");
        assert_eq!(block(&other, "b", SOON / 4), None);
        assert_eq!(block(&later, "b", SOON), None);
    }

    #[test]
    fn an_event_that_was_in_hand_is_blocked_until_the_one_ahead_of_it_is_received_again() {
        let order = RunOrder::default();
        let now = Instant::now();
        let (failed, waiting) = (order.ticket(RUN), order.ticket(RUN));
        failed.block_run(block(SOON, "a"), now);
        let (retry, new) = (order.ticket(RUN), order.ticket(RUN));
        let block = |ticket: &RunTicket, id: &str, after| {
            let block = ticket.block([id.to_owned()].into_iter(), now + after);
            block.map(|block| block.after)
        };
        assert_eq!(block(&waiting, "b", SOON / 4), Some(SOON * 3 / 4));
        assert_eq!(block(&waiting, "b", SOON * 9), Some(OVERDUE));
        assert_eq!(block(&retry, "a", SOON * 9), None);
        assert_eq!(
            block(&new, "c", SOON * 9),
            None,
            "the queue keeps its order"
        );
    }

    #[test]
    fn an_event_that_failed_blocks_none_ahead_of_it() {
        let order = RunOrder::default();
        let now = Instant::now();
        let (first, second) = (order.ticket(RUN), order.ticket(RUN));
        second.block_run(block(SOON, "b"), now);
        assert!(first.block(["a".to_owned()].into_iter(), now).is_none());
        // If that one fails, too, the retry of the second waits for it.
        first.block_run(block(SOON / 2, "a"), now);
        let retry = order.ticket(RUN);
        let by = retry.block(["b".to_owned()].into_iter(), now);
        assert_eq!(by.map(|block| block.by), Some("a".to_owned()));
    }

    #[test]
    fn an_event_in_hand_stays_blocked_when_another_is_blocked_after_it() {
        let order = RunOrder::default();
        let now = Instant::now();
        let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
        first.block_run(block(SOON, "a"), now);
        third.block_run(block(SOON, "c"), now + SOON * 2);
        let block = second.block(["b".to_owned()].into_iter(), now + SOON * 9);
        assert_eq!(block.map(|block| block.by), Some("a".to_owned()));
    }
}
