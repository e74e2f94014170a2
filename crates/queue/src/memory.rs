//! A queue in memory, for a command that delivers events which are kept elsewhere: `lineage-proxy replay`.
//!
//! It holds a limited number of events and bytes, and nothing of it is durable. Whoever pushes events learns when one needs no
//! further attempt, and records that before the settlement is confirmed to the pipeline. Each event stays until then. One that
//! was received and is not settled in time becomes visible again, as in the other queues.

mod pace;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::{MemoryReceipt, Message, QueueError, Receipt, Record, Settlement};
use pace::Pace;

/// How often to look without a notification.
const POLL: Duration = Duration::from_secs(1);

/// The most bytes of the events that are received at once, unless the first alone is larger.
const MAX_BYTES: usize = 32_000_000;

/// How much a queue in memory holds, and gives out.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// The most events.
    pub events: usize,
    /// The most bytes of events, unless the first alone is larger.
    pub bytes: usize,
    /// The most events that are received in a second, those that are received again included. What waits for another attempt
    /// keeps no other from being received.
    pub per_second: Option<u32>,
}

/// A queue in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Memory {
    limits: MemoryLimits,
    visibility_timeout: Duration,
    state: Arc<Mutex<State>>,
    /// Something may be received, or may be pushed.
    changed: Arc<Notify>,
    done: mpsc::UnboundedSender<DoneEvent>,
}

/// An event that needs no further attempt.
#[derive(Debug)]
pub struct DoneEvent {
    /// The number under which it was pushed.
    pub number: u64,
    /// The event.
    pub message: Message,
    /// Why it is no dead letter, or is one: it was acknowledged, or given up with this reason.
    pub given_up: Option<String>,
    confirm: oneshot::Sender<Result<(), QueueError>>,
}

#[derive(Debug, Default)]
struct State {
    /// Events that are or will be visible, by time and number.
    waiting: BTreeMap<(Instant, u64), MemoryEntry>,
    received: HashMap<u64, Lease>,
    /// Events that need no further attempt, which is not recorded yet.
    unconfirmed: usize,
    /// Of all of these.
    bytes: usize,
    /// Nothing more is pushed.
    is_complete: bool,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct MemoryEntry {
    message: Message,
    attempts: u32,
}

#[derive(Debug)]
struct Lease {
    held: MemoryEntry,
    /// When it becomes visible again.
    until: Instant,
}

impl State {
    fn held(&self) -> usize {
        self.waiting.len() + self.received.len() + self.unconfirmed
    }

    /// Makes visible what was received and not settled in time.
    fn expire(&mut self, now: Instant) {
        let expired = self
            .received
            .extract_if(|_, received| received.until <= now);
        for (number, Lease { held, until }) in expired {
            self.waiting.insert((until, number), held);
        }
    }

    /// Takes back an event by its receipt, if that is still valid.
    fn give_back(&mut self, receipt: &Receipt) -> Option<(u64, MemoryEntry)> {
        let MemoryReceipt { number, attempts } = receipt.memory()?;
        let received = self.received.get(&number)?;
        if received.held.attempts != attempts {
            return None;
        }
        let Lease { held, .. } = self.received.remove(&number)?;
        Some((number, held))
    }

    /// Returns how long to wait until there may be something to take; `None` if there is.
    fn wait(&self, size: usize, now: Instant, window: Duration) -> Option<Duration> {
        let pace = self.pace.as_ref();
        let Some((first, _)) = self.waiting.keys().next() else {
            return Some(POLL);
        };
        let first = pace.map_or(*first, |pace| pace.next().max(*first));
        let Some(waited) = now.checked_duration_since(first) else {
            return Some(first - now);
        };
        let visible = self.waiting.keys().take_while(|(at, _)| *at <= now);
        let visible = visible.take(size).count();
        let allowed = pace.map_or(size, |pace| pace.allowed(first, now, window));
        // Nothing is waited for but the rate.
        let is_rest = self.is_complete && visible <= allowed;
        if visible.min(allowed) >= size || is_rest || waited >= window {
            return None;
        }
        let missing = visible.saturating_sub(allowed);
        let until_allowed = pace.filter(|_| missing > 0 && (visible >= size || self.is_complete));
        let until_allowed = until_allowed.map(|pace| pace.time_for(missing));
        Some((window - waited).min(until_allowed.unwrap_or(window)))
    }

    /// Takes up to `size` events that are visible, until `until`.
    fn take(&mut self, size: usize, now: Instant, window: Duration, until: Instant) -> Vec<Record> {
        let first = self.waiting.keys().next().map_or(now, |(at, _)| *at);
        let size = match &self.pace {
            Some(pace) => pace.allowed(first, now, window).min(size),
            None => size,
        };
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        while records.len() < size
            && let Some(entry) = self.waiting.first_entry()
        {
            let (at, number) = *entry.key();
            bytes = bytes.saturating_add(entry.get().message.body.len());
            if at > now || (bytes > MAX_BYTES && !records.is_empty()) {
                break;
            }
            let mut held = entry.remove();
            held.attempts = held.attempts.saturating_add(1);
            records.push(Record {
                id: held.message.id.as_str().into(),
                body: held.message.body.clone(),
                unreadable: None,
                received_at: Some(held.message.received_at),
                attempts: held.attempts,
                receipt: Receipt::Memory(MemoryReceipt {
                    number,
                    attempts: held.attempts,
                }),
                queue_id: number.to_string().into(),
                stored: None,
                group: Some(held.message.group.clone()),
                trace: held.message.trace.clone(),
                token_salt: None, // the target has that of its replay
                event: held.message.event.clone(),
            });
            self.received.insert(number, Lease { held, until });
        }
        if let Some(pace) = &mut self.pace {
            pace.count(records.len(), first, now, window);
        }
        records
    }
}

impl Memory {
    /// Creates an empty queue, and the events that need no further attempt. What is received is invisible for
    /// `visibility_timeout`.
    pub fn new(
        limits: MemoryLimits,
        visibility_timeout: Duration,
    ) -> (Memory, mpsc::UnboundedReceiver<DoneEvent>) {
        let (done, events) = mpsc::unbounded_channel(); // as many as are held
        let now = Instant::now();
        let state = State {
            pace: limits.per_second.map(|rate| Pace::new(rate, now)),
            ..State::default()
        };
        let memory = Memory {
            limits,
            visibility_timeout,
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
            done,
        };
        (memory, events)
    }

    /// Pushes an event, as soon as there is room. Numbers grow; events are first received in their order.
    pub async fn push(&self, number: u64, message: Message) {
        let size = message.body.len();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state();
                let fits = state.held() < self.limits.events
                    && state.bytes.saturating_add(size) <= self.limits.bytes;
                if fits || state.held() == 0 {
                    state.bytes += size;
                    let held = MemoryEntry {
                        message,
                        attempts: 0,
                    };
                    state.waiting.insert((Instant::now(), number), held);
                    self.changed.notify_waiters();
                    return;
                }
            }
            changed.await;
        }
    }

    /// Says that nothing more is pushed: what is there is received without waiting for more.
    pub fn complete(&self) {
        self.state().is_complete = true;
        self.changed.notify_waiters();
    }

    /// Waits until nothing more is pushed and nothing is left.
    pub async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.state();
                if state.is_complete && state.held() == 0 {
                    return;
                }
            }
            changed.await;
        }
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.state().held()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Receives up to `size` records once as many are visible, or the first has waited for `window`. Returns none after a
    /// second.
    pub(crate) async fn receive(&self, size: usize, window: Duration) -> Vec<Record> {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let now = Instant::now();
        let wait = {
            let mut state = self.state();
            state.expire(now);
            match state.wait(size, now, window) {
                None => return state.take(size, now, window, now + self.visibility_timeout),
                Some(wait) => wait,
            }
        };
        // Either way, the caller looks again.
        let _ = tokio::time::timeout(wait.min(POLL), changed).await;
        Vec::new()
    }

    /// Settles records. What needs no further attempt is confirmed by the reader of [`DoneEvent`]s.
    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), QueueError>> {
        let now = Instant::now();
        let mut answers = Vec::with_capacity(records.len());
        {
            let mut state = self.state();
            for (record, settlement) in records {
                let Some((number, held)) = state.give_back(&record.receipt) else {
                    answers.push(None); // settled before, or received again
                    continue;
                };
                let given_up = match settlement {
                    Settlement::Retry(after) => {
                        state.waiting.insert((now + *after, number), held);
                        answers.push(None);
                        continue;
                    }
                    Settlement::Acknowledge | Settlement::Store(_) => None,
                    Settlement::DeadLetter(reason) => Some(reason.clone()),
                };
                state.unconfirmed += 1;
                let size = held.message.body.len();
                let (confirm, confirmed) = oneshot::channel();
                let event = DoneEvent {
                    number,
                    message: held.message,
                    given_up,
                    confirm,
                };
                // Without a reader, the sender of the answer is dropped.
                let _ = self.done.send(event);
                answers.push(Some((size, confirmed)));
            }
        }
        let mut results = Vec::with_capacity(answers.len());
        for answer in answers {
            results.push(match answer {
                None => Ok(()),
                Some((size, confirmed)) => {
                    let confirmed = confirmed.await;
                    let mut state = self.state();
                    state.unconfirmed = state.unconfirmed.saturating_sub(1);
                    state.bytes = state.bytes.saturating_sub(size);
                    confirmed.unwrap_or_else(|_| Err(QueueError("nobody confirms it".to_owned())))
                }
            });
        }
        self.changed.notify_waiters();
        results
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DoneEvent {
    /// Confirms that it is recorded, or says why it could not be.
    pub fn confirm(self, result: Result<(), QueueError>) {
        let _ = self.confirm.send(result); // the pipeline may have stopped waiting
    }
}

#[cfg(test)]
mod tests;
