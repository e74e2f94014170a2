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
use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use super::retry::{Attempt, RetryPolicy, backoff, blocks_run, keeps_order, separates};
use crate::queue::TokenSalt;

/// An event to deliver, and the events whose outcome is that of its delivery.
#[derive(Debug)]
pub(super) struct OutboundEvent {
    /// The id that the target sees.
    pub(super) id: Arc<str>,
    pub(super) event: Event,
    pub(super) parts: Vec<TransformedEvent>,
}

/// A received event, and the result of the rules.
#[derive(Debug)]
pub(super) struct TransformedEvent {
    pub(super) pending: PendingEvent,
    pub(super) transformed: Event,
    pub(super) log: TransformLog,
    /// Its index in the run.
    pub(super) index: usize,
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
    /// delivered separately, returns why.
    pub(super) fn record(&mut self, attempt: &Attempt, duration: Duration) -> Option<String> {
        let event = self.queued.pop_front()?;
        if event.is_merged()
            && let Some(why) = separates(attempt, event.attempts())
        {
            self.separate(event);
            return Some(why.to_owned());
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
        let blocks = blocks_run(attempt, attempts);
        let backoff = backoff(&event.id, attempts);
        let merged = (event.parts.len() > 1).then(|| event.id.to_string());
        // The store has an event that was merged in place of the last of its parts.
        let (last, mut delivered) = (event.parts.len().saturating_sub(1), Some(event.event));
        for (n, part) in event.parts.into_iter().enumerate() {
            let attempts = part.pending.attempts();
            let mut outcome = self.policy.outcome(attempt, attempts, backoff);
            if let (Outcome::Retry { after, .. }, Some(failure)) = (&mut outcome, &blocks) {
                // Not before the events ahead of it.
                *after = (self.block.as_ref()).map_or(*after, |(before, _)| (*after).max(*before));
                self.block = Some((*after, failure.clone()));
                let queue_id = &part.pending.record.queue_id;
                self.first_failed.get_or_insert_with(|| queue_id.clone());
            }
            self.decided.push(DecidedRecord {
                log: part.log,
                merged: merged.clone(),
                duration,
                delivered: delivered.take_if(|_| n == last),
                ..part.pending.decide(outcome)
            });
        }
    }

    /// Queues the parts of a merged event, and of those after it in the run, one by one.
    fn separate(&mut self, rejected: OutboundEvent) {
        let mut parts = rejected.parts;
        parts.extend(self.queued.drain(..).flat_map(|event| event.parts));
        parts.sort_by_key(|part| part.index);
        self.queued
            .extend(parts.into_iter().map(OutboundEvent::single));
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
    let single: VecDeque<_> = parts.map(OutboundEvent::single).collect();
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

impl OutboundEvent {
    /// Creates an event that is delivered by itself.
    pub(super) fn single(part: TransformedEvent) -> OutboundEvent {
        OutboundEvent {
            id: part.pending.record.id.clone(),
            event: part.transformed.clone(),
            parts: vec![part],
        }
    }

    /// Whether it contains more than one part on its own.
    fn is_merged(&self) -> bool {
        match self.parts.as_slice() {
            [part] => !part.transformed.has_text_of(&self.event),
            _ => true,
        }
    }

    /// What the target is to take it again by: if that was asked for any of its parts, by the last replay, whose salts sort
    /// behind those of earlier ones.
    pub(super) fn token_salt(&self) -> Option<&TokenSalt> {
        let salts = self
            .parts
            .iter()
            .map(|part| &part.pending.record.token_salt);
        salts.flatten().max()
    }

    /// The most attempts of any of its parts.
    pub(super) fn attempts(&self) -> u32 {
        let attempts = self.parts.iter().map(|part| part.pending.attempts());
        attempts.max().unwrap_or(1)
    }
}
