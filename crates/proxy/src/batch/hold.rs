//! Events that wait for others of their run, so that they can be delivered as one.
//!
//! Held events are not settled: a process that ends loses none, for their queue gives them out again. Where nothing can
//! be held (a function lives as long as its batch), everything passes. What belongs together is decided in `transform`.

use std::time::Duration;

use openlineage::{Event, EventType, Subject};
use tokio::time::Instant;
use transform::{Coalesce, Holder, Rules};

use crate::queue::Record;

/// Events held at most: with the next, 64 MB, and the work that comes again after a crash.
const CAPACITY: usize = 2_000;

/// Larger events are not held: few of them would be as much as all the others, in bytes.
const LARGEST: usize = 32_768;

/// What is held between batches.
#[derive(Debug)]
pub struct Hold {
    holds: bool,
    held: Option<Held>,
    started: Instant,
}

#[derive(Debug)]
struct Held {
    window: i64,
    holder: Holder<(Record, Event)>,
}

impl Hold {
    /// Holds nothing.
    pub fn nothing() -> Hold {
        Hold {
            holds: false,
            held: None,
            started: Instant::now(),
        }
    }

    /// Holds what the rules say.
    pub fn between_batches() -> Hold {
        Hold {
            holds: true,
            ..Hold::nothing()
        }
    }

    /// One like this that holds nothing yet.
    #[must_use]
    pub fn anew(&self) -> Hold {
        Hold {
            holds: self.holds,
            ..Hold::nothing()
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
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Everything that is held, to be handed back.
    pub fn drain(&mut self) -> Vec<Record> {
        let held = self.held.take();
        let held = held.into_iter().flat_map(|mut held| held.holder.drain());
        held.map(|(record, _)| record).collect()
    }

    /// Takes in `events`, and gives those that are to be delivered now, in the order of their arrival.
    pub(super) fn pass(
        &mut self,
        events: Vec<(Record, Event)>,
        rules: &Rules,
        target: &str,
        now: i64,
    ) -> Vec<(Record, Event)> {
        let window = rules.coalesce.as_ref().map(window).filter(|_| self.holds);
        let mut ready = Vec::new();
        // Other rules than those by which it was held: let it go.
        if self.held.as_ref().map(|held| held.window) != window {
            let held = self.held.take();
            ready.extend(held.into_iter().flat_map(|mut held| held.holder.drain()));
        }
        let Some(window) = window else {
            ready.extend(events);
            return ready;
        };
        let held = self.held.get_or_insert_with(|| Held {
            window,
            holder: Holder::new(window, CAPACITY),
        });
        for (record, event) in events {
            match event.subject() {
                Subject::Run { id, event_type, .. } => {
                    // An event that is to go alone lets go of its run, so that it does not overtake it.
                    let alone =
                        event.text().len() > LARGEST || rules.coalesces(&event, target).is_none();
                    let ends = event_type.is_some_and(EventType::ends) || alone;
                    held.holder.offer(*id, ends, (record, event), now);
                }
                Subject::Job { .. } | Subject::Dataset { .. } => ready.push((record, event)),
            }
        }
        ready.extend(held.holder.ready(now));
        ready
    }
}

fn window(coalesce: &Coalesce) -> i64 {
    i64::try_from(coalesce.window.as_millis()).unwrap_or(i64::MAX)
}
