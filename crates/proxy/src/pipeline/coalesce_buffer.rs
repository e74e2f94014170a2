//! Buffers the events of a run between batches, so that they can be merged.
//!
//! Buffered events are not settled: when the process ends, the queue redelivers them. So no event is buffered for longer
//! than its visibility timeout, and of a message that is received again in the meantime only the newer copy counts. Which
//! events may be merged is decided in `transform`. A function lives as long as its batch, so its buffer is disabled and
//! releases everything at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use openlineage::{EventType, OrderingKey, Subject};
use tokio::time::Instant;
use transform::{RuleSet, RunBuffer};

use super::MARGIN;
use super::outcome::PendingEvent;
use super::panics::isolate;
use super::retry::keeps_order;
use crate::queue::Record;

/// The most events in the buffer: bounds the work that is repeated after a crash.
const CAPACITY: usize = 2_000;

/// The most bytes in the buffer; above it everything is released.
const BYTES: usize = 64_000_000;

/// The least time for a delivery. An event with less time left is not released: it would limit its whole batch.
const MIN_TIME: Duration = Duration::from_secs(2);

/// The longest delay between the end of a window and the release of its run, by a worker that receives batches in turn,
/// besides the time that it may spend on receiving one.
const TICK: Duration = Duration::from_secs(1);

/// Events that wait for later events of their run.
#[derive(Debug)]
pub struct CoalesceBuffer {
    visibility: Option<Visibility>,
    started: Instant,
    buffered: Option<Contents>,
}

/// How long the queue keeps a record invisible.
#[derive(Debug, Clone, Copy)]
struct Visibility {
    timeout: Duration,
    /// How long a record may have been invisible when it is offered: the receiver waited for a full batch.
    age: Duration,
}

#[derive(Debug)]
struct Contents {
    /// The window of the rules, in milliseconds.
    window: i64,
    bytes: usize,
    runs: RunBuffer<BufferedEvent>,
    /// The highest attempt of each message, which identifies its newest copy.
    latest: HashMap<Arc<str>, u32>,
}

#[derive(Debug)]
struct BufferedEvent {
    event: PendingEvent,
    /// When the queue made it invisible, by the buffer's clock.
    received: i64,
}

/// The events that the buffer releases for delivery.
#[derive(Debug, Default)]
pub(super) struct Release {
    pub(super) events: Vec<PendingEvent>,
    /// How long the oldest of them stays invisible, if any was buffered.
    visible_in: Option<Duration>,
}

impl Release {
    /// Returns the deadline, or an earlier one if the oldest event becomes visible before it.
    pub(super) fn limit(&self, deadline: Instant, now: Instant) -> Instant {
        let visible = self.visible_in.map(|left| now + left);
        visible.map_or(deadline, |visible| visible.min(deadline))
    }
}

impl CoalesceBuffer {
    /// Creates a buffer that releases everything at once.
    pub fn disabled() -> CoalesceBuffer {
        CoalesceBuffer {
            visibility: None,
            started: Instant::now(),
            buffered: None,
        }
    }

    /// Creates a buffer for records that are invisible for `timeout`, of which up to `age` has passed when they are
    /// received.
    pub fn new(timeout: Duration, age: Duration) -> CoalesceBuffer {
        CoalesceBuffer {
            visibility: Some(Visibility { timeout, age }),
            ..CoalesceBuffer::disabled()
        }
    }

    /// Returns the longest window that leaves time to deliver what was buffered: half of the time that a record is
    /// invisible, and less of a short one.
    pub fn max_window(timeout: Duration, age: Duration) -> Duration {
        let invisible = timeout.saturating_sub(age);
        // What arrived first in a batch was invisible for `age` before the event was buffered. The worker may be receiving
        // the next batch for as long when the window ends.
        let delay = age + TICK;
        (invisible / 2).min(invisible.saturating_sub(MARGIN + MIN_TIME + delay))
    }

    /// Drops everything: the queue redelivers it.
    pub(super) fn clear(&mut self) {
        self.buffered = None;
    }

    /// Whether an event has waited for its window.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let due = self
            .buffered
            .as_ref()
            .and_then(|buffered| buffered.runs.next_due());
        due.is_some_and(|due| due <= self.clock(now))
    }

    /// Returns how long released events may have been buffered, which shortens the rest of their visibility timeout.
    pub(super) fn window(&self) -> Duration {
        let window = self.buffered.as_ref().map_or(0, |buffered| buffered.window);
        Duration::from_millis(u64::try_from(window).unwrap_or(0))
    }

    /// Removes everything, to return it to the queue.
    pub(super) fn drain(&mut self) -> Vec<Arc<Record>> {
        let buffered = self.buffered.take();
        let waiting = buffered
            .into_iter()
            .flat_map(|mut buffered| buffered.runs.drain());
        waiting.map(|waiting| waiting.event.into_record()).collect()
    }

    /// Returns `now` in milliseconds since the buffer was created.
    fn clock(&self, now: Instant) -> i64 {
        millis(now.saturating_duration_since(self.started))
    }

    /// Adds events, and releases those of runs that ended, that have waited for the window, or that are not coalesced.
    pub(super) fn offer(
        &mut self,
        events: Vec<PendingEvent>,
        rules: &RuleSet,
        target: &str,
        now: Instant,
    ) -> Release {
        let now = self.clock(now);
        let mut released = Release::default();
        let window = rules
            .coalesce
            .as_ref()
            .map(|coalesce| millis(coalesce.window));
        let buffering = window.zip(self.visibility);
        // The window has changed with the rules.
        if self.buffered.as_ref().map(|buffered| buffered.window)
            != buffering.map(|(window, _)| window)
            && let (Some(mut buffered), Some(visibility)) = (self.buffered.take(), self.visibility)
        {
            let freed = buffered.runs.drain();
            buffered.release(freed, visibility, now, &mut released);
        }
        let Some((window, visibility)) = buffering else {
            released.events.extend(events);
            return released;
        };
        let buffered = self.buffered.get_or_insert_with(|| Contents::new(window));
        let received = now - millis(visibility.age);
        let mut direct = Vec::new();
        for event in events {
            direct.extend(buffered.take_in(event, rules, target, received, now));
        }
        let freed = match buffered.bytes > BYTES {
            true => buffered.runs.drain(),
            false => buffered.runs.take_ready(now),
        };
        buffered.release(freed, visibility, now, &mut released);
        released.events.extend(direct);
        released
    }

    /// Removes the waiting events of a run, which go ahead of a record of it that is delivered directly; and those that
    /// are due.
    pub(super) fn take_run(&mut self, run: &OrderingKey, record: &Record, now: Instant) -> Release {
        let now = self.clock(now);
        let mut released = Release::default();
        if let (Some(buffered), Some(visibility)) = (&mut self.buffered, self.visibility) {
            // An older copy of the record is superseded.
            let latest = &mut buffered.latest;
            latest.insert(record.queue_id.clone(), record.attempts);
            buffered.runs.release(run, now);
            let freed = buffered.runs.take_ready(now);
            buffered.release(freed, visibility, now, &mut released);
            buffered.latest.remove(&record.queue_id);
        }
        released
    }
}

impl Contents {
    fn new(window: i64) -> Contents {
        Contents {
            window,
            bytes: 0,
            runs: RunBuffer::new(window, CAPACITY),
            latest: HashMap::new(),
        }
    }

    /// Buffers an event, or returns it if it must not wait.
    fn take_in(
        &mut self,
        event: PendingEvent,
        rules: &RuleSet,
        target: &str,
        received: i64,
        now: i64,
    ) -> Option<PendingEvent> {
        let Subject::Run { event_type, .. } = event.event.subject() else {
            return Some(event);
        };
        let ends = event_type.is_some_and(EventType::ends);
        let run = OrderingKey::from(&event.event);
        // A panic must not reach the lock on the buffer, which holds the events of others.
        let coalesces = isolate(|| rules.coalesces(&event.event, target).is_some());
        // An event that failed often is not merged again; one that may not be merged must not overtake its run.
        if !keeps_order(event.attempts()) || !coalesces.unwrap_or(false) {
            self.runs.release(&run, now);
            return Some(event);
        }
        self.bytes += event.event.text().len();
        self.latest
            .insert(event.record.queue_id.clone(), event.attempts());
        self.runs
            .offer(run, ends, BufferedEvent { event, received }, now);
        None
    }

    /// Releases events, except those that were received again, and those that are visible in the queue or about to be:
    /// the queue redelivers them.
    fn release(
        &mut self,
        waiting: Vec<BufferedEvent>,
        visibility: Visibility,
        now: i64,
        released: &mut Release,
    ) {
        let invisible = millis(visibility.timeout.saturating_sub(MARGIN));
        for BufferedEvent { event, received } in waiting {
            self.bytes = self.bytes.saturating_sub(event.event.text().len());
            let latest = self.latest.get(&event.record.queue_id);
            if latest.is_some_and(|latest| *latest > event.attempts()) {
                event.supersede();
                continue;
            }
            self.latest.remove(&event.record.queue_id);
            let left = u64::try_from(received + invisible - now).unwrap_or(0);
            let left = Duration::from_millis(left);
            if left < MIN_TIME {
                event.supersede();
                continue;
            }
            released.visible_in = Some(released.visible_in.map_or(left, |least| least.min(left)));
            released.events.push(event);
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
