//! Events that wait for others of their run, so that they can be delivered as one.
//!
//! Held events are not settled: a process that ends loses none, for their queue gives them out again. So nothing is
//! held for longer than the queue keeps it out of sight, and what came again meanwhile counts and not its older copy.
//! What belongs together is decided in `transform`. Where nothing can be held (a function lives as long as its batch),
//! everything passes.

use std::collections::HashMap;
use std::time::Duration;

use openlineage::{Event, EventType, Subject};
use tokio::time::Instant;
use transform::{Coalesce, Holder, RuleSet};

use super::{MARGIN, plan};
use crate::queue::Record;

/// Events held at most: bounds the work that comes again after a crash.
const CAPACITY: usize = 2_000;

/// Bytes held at most; past it everything held is let go.
const BYTES: usize = 64_000_000;

/// With less time left than this no post is begun, and the others of its batch would have no more.
const ENOUGH: Duration = Duration::from_secs(2);

/// What is held between batches.
#[derive(Debug)]
pub struct CoalesceBuffer {
    /// How long a record is out of sight, from when it was taken; nothing is held where this is not known.
    visible: Option<Duration>,
    /// How old a record may be when it gets here: what its receiver waited for others.
    older: Duration,
    held: Option<Held>,
    started: Instant,
}

#[derive(Debug)]
struct Held {
    window: i64,
    bytes: usize,
    holder: Holder<Waiting>,
    /// How often each record that is held was received: the highest count is the copy that counts.
    latest: HashMap<String, u32>,
}

#[derive(Debug)]
struct Waiting {
    record: Record,
    event: Event,
    taken: i64,
}

/// What is to be delivered now.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) events: Vec<(Record, Event)>,
    /// How long the oldest of them is still out of sight, where any was held.
    left: Option<Duration>,
}

impl Passed {
    /// The deadline, or an earlier one for the sake of the oldest.
    pub(super) fn in_time(&self, deadline: Instant) -> Instant {
        let left = self.left.map(|left| Instant::now() + left);
        left.map_or(deadline, |left| left.min(deadline))
    }
}

impl CoalesceBuffer {
    /// Holds nothing.
    pub fn nothing() -> CoalesceBuffer {
        CoalesceBuffer {
            visible: None,
            older: Duration::ZERO,
            held: None,
            started: Instant::now(),
        }
    }

    /// Holds what the rules say, of records that are out of sight for `visible` and up to `older` old when they come.
    pub fn between_batches(visible: Duration, older: Duration) -> CoalesceBuffer {
        CoalesceBuffer {
            visible: Some(visible),
            older,
            ..CoalesceBuffer::nothing()
        }
    }

    /// The longest window that leaves time to deliver what was held.
    pub fn longest_window(visible: Duration, older: Duration) -> Duration {
        visible.saturating_sub(older) / 2
    }

    /// One like this that holds nothing yet.
    #[must_use]
    pub fn anew(&self) -> CoalesceBuffer {
        CoalesceBuffer {
            held: None,
            visible: self.visible,
            ..*self
        }
    }

    /// Whether something held has waited long enough.
    pub fn is_due(&self) -> bool {
        let due = self.held.as_ref().and_then(|held| held.holder.next_due());
        due.is_some_and(|due| due <= self.clock())
    }

    /// How long what it lets go of may have been held: so much less of its time out of sight is left.
    pub fn longest(&self) -> Duration {
        let window = self.held.as_ref().map_or(0, |held| held.window);
        Duration::from_millis(u64::try_from(window).unwrap_or(0))
    }

    /// Milliseconds of a clock that nobody sets.
    pub(super) fn clock(&self) -> i64 {
        millis(self.started.elapsed())
    }

    /// Everything that is held, to be handed back.
    pub fn drain(&mut self) -> Vec<Record> {
        let held = self.held.take();
        let held = held.into_iter().flat_map(|mut held| held.holder.drain());
        held.map(|waiting| waiting.record).collect()
    }

    /// Takes in `events`, and gives those that are to be delivered now, at `now` of [`clock`](Self::clock).
    pub(super) fn pass(
        &mut self,
        events: Vec<(Record, Event)>,
        rules: &RuleSet,
        target: &str,
        now: i64,
    ) -> Passed {
        let mut passed = Passed::default();
        let window = rules.coalesce.as_ref().map(window);
        let window = window.filter(|_| self.visible.is_some());
        // Other rules than those by which it was held: let it go.
        if self.held.as_ref().map(|held| held.window) != window {
            let held = self.held.take();
            if let Some(mut held) = held {
                let freed = held.holder.drain();
                held.free(freed, self.visible, now, &mut passed);
            }
        }
        let Some(window) = window else {
            passed.events.extend(events);
            return passed;
        };
        let taken = now - millis(self.older);
        let held = self.held.get_or_insert_with(|| Held::new(window));
        let mut direct = Vec::new();
        for (record, event) in events {
            let joins = plan::guarded(|| rules.coalesces(&event, target).is_some());
            // What came too often is not held again; what may not be merged must not overtake its run.
            let joins = joins.unwrap_or(false) && plan::holds_its_run(record.attempts);
            match event.subject() {
                Subject::Run { id, event_type, .. } if joins => {
                    let ends = event_type.is_some_and(EventType::ends);
                    held.bytes += event.text().len();
                    held.latest.insert(record.queue_id.clone(), record.attempts);
                    let waiting = Waiting {
                        record,
                        event: event.clone(),
                        taken,
                    };
                    held.holder.offer(*id, ends, waiting, now);
                }
                Subject::Run { id, .. } => {
                    held.holder.let_go(*id, now);
                    direct.push((record, event));
                }
                Subject::Job { .. } | Subject::Dataset { .. } => direct.push((record, event)),
            }
        }
        let freed = if held.bytes > BYTES {
            held.holder.drain()
        } else {
            held.holder.ready(now)
        };
        held.free(freed, self.visible, now, &mut passed);
        passed.events.extend(direct);
        passed
    }
}

impl Held {
    fn new(window: i64) -> Held {
        Held {
            window,
            bytes: 0,
            holder: Holder::new(window, CAPACITY),
            latest: HashMap::new(),
        }
    }

    /// Lets go. What is in sight of its queue again, or will be in a moment, or came again already, is no longer ours to
    /// deliver.
    fn free(
        &mut self,
        freed: Vec<Waiting>,
        visible: Option<Duration>,
        now: i64,
        passed: &mut Passed,
    ) {
        let until = millis(visible.unwrap_or_default().saturating_sub(MARGIN));
        for waiting in freed {
            self.bytes = self.bytes.saturating_sub(waiting.event.text().len());
            let receives = waiting.record.attempts;
            match self.latest.get(&waiting.record.queue_id) {
                Some(latest) if *latest > receives => continue,
                Some(_) | None => self.latest.remove(&waiting.record.queue_id),
            };
            let left = u64::try_from(waiting.taken + until - now).unwrap_or(0);
            let left = Duration::from_millis(left);
            if left >= ENOUGH {
                passed.left = Some(passed.left.map_or(left, |least| least.min(left)));
                passed.events.push((waiting.record, waiting.event));
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn window(coalesce: &Coalesce) -> i64 {
    millis(coalesce.window)
}
