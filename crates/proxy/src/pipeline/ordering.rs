//! The order of the events of a run: within a batch, and across the batches of a process.
//!
//! Within a batch, [`by_run`] sorts. Batches overlap, so that a slow event does not delay those received after it; each
//! run takes a [`RunTicket`] and waits for the tickets before it. An event that failed blocks the later ones of its run
//! until its retry, because the queue would deliver the later ones first. Only this process knows this state; after a
//! restart the queue delivers everything at once, in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use openlineage::{Event, EventType, OrderingKey, Subject};
use targets::Failure;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outcome::PendingEvent;

/// The most runs that are blocked; above it, the order of further runs is not kept.
const MAX_BLOCKED: usize = 10_000;

/// The wait of events that are still blocked when the retry of the event ahead of them is due: they are in hand, and it has
/// to be received first.
const OVERDUE: Duration = Duration::from_secs(1);

/// Groups events by run. Each run is in the order of delivery; runs are in the order of their first event.
pub(super) fn by_run(events: Vec<PendingEvent>) -> Vec<(OrderingKey, Vec<PendingEvent>)> {
    let mut runs: Vec<(OrderingKey, Vec<PendingEvent>)> = Vec::new();
    let mut indices: HashMap<OrderingKey, usize> = HashMap::with_capacity(events.len());
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
    /// The tickets of each run in hand, in the order of their numbers.
    tickets: HashMap<OrderingKey, Vec<TakenTicket>>,
    /// How many tickets were taken.
    taken: u64,
    blocked: HashMap<OrderingKey, BlockedRun>,
}

/// A ticket that is not dropped yet.
#[derive(Debug)]
struct TakenTicket {
    number: u64,
    /// Cancelled when the ticket is dropped. Created for the first that waits for it: most runs have one ticket at a time.
    dropped: Option<CancellationToken>,
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
    pub(super) by: Arc<str>,
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
}

impl RunOrder {
    /// Takes a ticket after all earlier ones of that run.
    pub(super) fn ticket(&self, key: OrderingKey) -> RunTicket {
        let mut state = self.lock();
        state.taken += 1;
        let number = state.taken;
        let tickets = state.tickets.entry(key.clone()).or_default();
        let before = tickets.iter_mut().map(TakenTicket::token_of_drop).collect();
        tickets.push(TakenTicket {
            number,
            dropped: None,
        });
        RunTicket {
            order: self.clone(),
            key,
            number,
            before,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunTicket {
    /// Waits until all tickets before it are dropped, at most until `deadline` and at most for `timeout`. Returns whether that
    /// happened in time.
    pub(super) async fn ready(&self, deadline: Instant, timeout: Option<Duration>) -> bool {
        if self.before.is_empty() {
            return true;
        }
        let deadline = timeout.map_or(deadline, |timeout| deadline.min(Instant::now() + timeout));
        let all = join_all(self.before.iter().map(CancellationToken::cancelled));
        timeout_at(deadline, all).await.is_ok()
    }

    /// Returns what blocks these events, unless the event that blocks the run is among them.
    pub(super) fn block<'e>(
        &self,
        mut queue_ids: impl Iterator<Item = &'e str>,
        now: Instant,
    ) -> Option<Block> {
        let state = self.order.lock();
        let run = state.blocked.get(&self.key)?;
        let is_retry = queue_ids.any(|id| *id == *run.block.by);
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

impl TakenTicket {
    fn token_of_drop(&mut self) -> CancellationToken {
        self.dropped.get_or_insert_default().clone()
    }
}

impl BlockedRun {
    /// Whether one of these tickets, up to that number, is blocked whatever the time.
    fn is_awaited(&self, tickets: Option<&Vec<TakenTicket>>, number: u64) -> bool {
        let last = self.last.min(number);
        let mut numbers = tickets.into_iter().flatten().map(|ticket| ticket.number);
        numbers.any(|number| number > self.blocker && number <= last)
    }
}

impl Drop for RunTicket {
    fn drop(&mut self) {
        // Moved out, so that one look-up finds the entry and removes it.
        let key = std::mem::replace(&mut self.key, OrderingKey::Run(Uuid::nil()));
        let mut state = self.order.lock();
        let Entry::Occupied(mut tickets) = state.tickets.entry(key) else {
            return;
        };
        let own = tickets.get().iter().position(|it| it.number == self.number);
        let own = own.map(|own| tickets.get_mut().remove(own));
        if tickets.get().is_empty() {
            tickets.remove();
        }
        drop(state);
        if let Some(dropped) = own.and_then(|own| own.dropped) {
            dropped.cancel();
        }
    }
}

#[cfg(test)]
mod tests;
