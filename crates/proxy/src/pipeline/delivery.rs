//! The delivery of one run as a state machine: what to attempt next, and what each attempt means for its records.
//!
//! Pure: nothing here waits or knows the time. `run.rs` makes the attempts. The events of a run are attempted in order;
//! after one fails, the later ones are not attempted. One bad event must not cost others: if the target rejects a merged
//! event, its parts are delivered separately.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openlineage::Event;
use targets::{Delivery, Failure, Scope};

use super::adapt::TransformLog;
use super::ordering::Block;
use super::outbound::{MergedEvent, OutboundEvent, TransformedEvent};
use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use super::retry::{Attempt, RetryPolicy, backoff, blocks_run, keeps_order, separates};

/// A merged event whose parts are delivered separately, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Separated {
    pub(super) id: String,
    pub(super) error: String,
}

/// What decides the outcome of an event.
#[derive(Debug)]
struct Decision<'a> {
    attempt: &'a Attempt,
    duration: Duration,
    /// The most attempts of any part, from which the backoff of all of them is computed.
    attempts: u32,
    /// Why later events of the run have to wait for its next attempt, if they have to.
    blocks: Option<Failure>,
}

/// A run that is being delivered.
#[derive(Debug)]
pub(super) struct RunDelivery {
    policy: RetryPolicy,
    queued: VecDeque<OutboundEvent>,
    decided: Vec<DecidedRecord>,
    /// Why the remaining events are not attempted.
    skip: Option<Failure>,
    /// The first event that failed, possibly in an earlier batch.
    first_failed: Option<Arc<str>>,
    /// How long later events of the run have to wait, and why.
    block: Option<(Duration, Failure)>,
}

impl RunDelivery {
    /// Creates the delivery of `events`, in order. `earlier` is what blocks the run, if anything.
    pub(super) fn new(
        policy: RetryPolicy,
        events: impl Into<VecDeque<OutboundEvent>>,
        earlier: Option<Block>,
    ) -> RunDelivery {
        let (first_failed, skip) = earlier.map(|block| (block.by, block.failure)).unzip();
        let queued = events.into();
        RunDelivery {
            policy,
            decided: Vec::with_capacity(queued.len()), // the first push would make room for four
            queued,
            skip,
            first_failed,
            block: None,
        }
    }

    /// Returns the event to attempt next; `None` when all are decided. `halt` is why no event of any run is attempted.
    pub(super) fn next(&mut self, halt: Option<&Failure>) -> Option<&OutboundEvent> {
        while let Some(failure) = self.skip.as_ref().or(halt) {
            let attempt = Attempt::Skipped(failure.clone());
            let event = self.queued.pop_front()?;
            self.decide(event, &attempt, Duration::ZERO);
        }
        self.queued.front()
    }

    /// Records the attempt of the [`next`](Self::next) event. If its parts and all later events of the run have to be
    /// delivered separately, returns which event that is, and why.
    pub(super) fn record(&mut self, attempt: &Attempt, duration: Duration) -> Option<Separated> {
        let event = self.queued.pop_front()?;
        if let OutboundEvent::Merged(_) = event
            && let Some(why) = separates(attempt, event.attempts())
        {
            let (id, error) = (event.id().into(), why.to_owned());
            self.separate(event);
            return Some(Separated { id, error });
        }
        self.decide(event, attempt, duration);
        None
    }

    /// Returns the outcomes, and what blocks the later events of the run, if anything.
    pub(super) fn finish(self) -> (Vec<DecidedRecord>, Option<Block>) {
        let block = self.block.zip(self.first_failed);
        let block = block.map(|((after, failure), by)| Block { after, by, failure });
        (self.decided, block)
    }

    fn decide(&mut self, event: OutboundEvent, attempt: &Attempt, duration: Duration) {
        let attempts = event.attempts();
        if let Attempt::Answered(Delivery::Transient(failure)) = attempt
            && failure.scope == Scope::Event
            && keeps_order(attempts)
        {
            self.skip = Some(failure.clone());
        }
        let decision = Decision {
            attempt,
            duration,
            attempts,
            blocks: blocks_run(attempt, attempts),
        };
        match event {
            OutboundEvent::Single(part) => {
                self.decide_part(
                    part.pending,
                    part.log,
                    &decision,
                    None,
                    Some(part.transformed),
                );
            }
            OutboundEvent::Merged(MergedEvent { id, event, parts }) => {
                let id = (parts.len() > 1).then_some(id);
                // The store has an event that was merged in place of the last of its parts.
                let (last, mut event) = (parts.len().saturating_sub(1), Some(event));
                for (n, part) in parts.into_iter().enumerate() {
                    let (id, event) = (id.clone(), event.take_if(|_| n == last));
                    self.decide_part(part.pending, part.log, &decision, id, event);
                }
            }
        }
    }

    fn decide_part(
        &mut self,
        pending: PendingEvent,
        log: TransformLog,
        decision: &Decision<'_>,
        merged: Option<Arc<str>>,
        delivered: Option<Event>,
    ) {
        let Decision {
            attempt,
            duration,
            attempts,
            blocks,
        } = decision;
        let id = merged.as_ref().unwrap_or(&pending.record.id);
        let backoff = || backoff(id, *attempts);
        let mut outcome = (self.policy).outcome(attempt, pending.attempts(), backoff);
        if let (Outcome::Retry { after, .. }, Some(failure)) = (&mut outcome, blocks) {
            // Not before the events ahead of it.
            *after = (self.block.as_ref()).map_or(*after, |(before, _)| (*after).max(*before));
            self.block = Some((*after, failure.clone()));
            let queue_id = &pending.record.queue_id;
            self.first_failed.get_or_insert_with(|| queue_id.clone());
        }
        self.decided.push(DecidedRecord {
            log,
            merged,
            duration: *duration,
            delivered,
            ..pending.decide(outcome)
        });
    }

    /// Queues the parts of a merged event, and of those after it in the run, one by one.
    fn separate(&mut self, rejected: OutboundEvent) {
        let mut parts = rejected.into_parts();
        let later = self.queued.drain(..).flat_map(OutboundEvent::into_parts);
        parts.extend(later);
        parts.sort_by_key(|part| part.index);
        let parts = parts.into_iter().map(OutboundEvent::Single);
        self.queued.extend(parts);
    }
}

/// Decides the events of a run that had no time because of earlier ones. Also returns the block for later events, which
/// must not overtake these. `earlier` is what blocks these for longer, if anything.
pub(super) fn postpone(
    policy: RetryPolicy,
    events: Vec<PendingEvent>,
    earlier: Option<Block>,
) -> (Vec<DecidedRecord>, Option<Block>) {
    let part = |(index, pending): (usize, PendingEvent)| TransformedEvent {
        transformed: pending.event.clone(),
        log: TransformLog::default(),
        pending,
        index,
    };
    let parts = events.into_iter().enumerate().map(part);
    let single: VecDeque<_> = parts.map(OutboundEvent::Single).collect();
    let mut postponed = RunDelivery::new(policy, single, earlier);
    while postponed.next(None).is_some() {
        postponed.record(&Attempt::OutOfTime, Duration::ZERO);
    }
    postponed.finish()
}

/// Returns the block for later events of a run if one was decided before its turn because the rules had no time for it.
pub(super) fn block_by(decided: &[DecidedRecord]) -> Option<Block> {
    decided.iter().find_map(|decided| {
        let Outcome::Retry {
            reason,
            after,
            error,
        } = &decided.outcome
        else {
            return None;
        };
        Some(Block {
            after: *after,
            by: decided.record.queue_id.clone(),
            failure: Failure {
                reason: *reason,
                scope: Scope::Event,
                message: error.clone(),
                after: None,
            },
        })
    })
}
