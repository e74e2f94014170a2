//! Delivers one run of a batch: looks names up, waits for earlier batches, applies the rules, and makes the attempts.
//!
//! Only waits: what to attempt next and what an attempt means is decided in `delivery.rs` and `retry.rs`. Called by
//! `pipeline.rs` for all runs of a batch concurrently.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use targets::{Delivery, Failure, Scope};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use super::adapt::{AdaptedRun, LookupResults};
use super::delivery::{RunDelivery, Separated, block_by, postpone};
use super::groups::{Wake, join_in_groups};
use super::observe::{log_health, log_separated};
use super::ordering::{Block, RunTicket};
use super::outbound::OutboundEvent;
use super::outcome::{DecidedRecord, PendingEvent};
use super::panics::isolate;
use super::retry::{Attempt, stopped};
use crate::queue::TokenSalt;
use crate::rules::LoadedRules;

/// How long the events of a run wait for an earlier batch that is delivering the run. After that they return to the queue, so
/// that a delivery that hangs delays its own run only, and does not occupy one batch of the worker after the other.
const RUN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Run {
    pub(super) ticket: RunTicket,
    pub(super) events: Vec<PendingEvent>,
    /// Bounds the events in hand; released when the run is delivered.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// What the runs of a batch share.
#[derive(Debug)]
pub(super) struct BatchContext {
    pub(super) rules: Arc<LoadedRules>,
    pub(super) deadline: Instant,
    /// Cancelled when the deliveries in flight have to end: at the deadline, or when the pipeline is cut off. One timer serves the
    /// batch: a timer for each attempt costs more than most steps of a delivery.
    pub(super) deliveries_end: CancellationToken,
    /// Why no further event is attempted: the target accepts nothing.
    pub(super) halt: OnceLock<Failure>,
}

impl BatchContext {
    /// Runs `work`. Cancels its deliveries at the deadline, and then waits until each run has decided the rest of its events.
    pub(super) async fn ending_in_time<W: Future + Unpin>(&self, mut work: W) -> W::Output {
        tokio::select! {
            biased;
            // First: a timer is not polled by a task that has used up its budget, and `work` may do that each time.
            () = sleep_until(self.deadline) => self.deliveries_end.cancel(),
            done = &mut work => return done,
        }
        work.await
    }

    /// Completes when the deliveries have to end. It is not woken for that: only within [`join_in_groups`], which polls all of its
    /// futures then. To be woken would cost each attempt as much as most steps of a delivery.
    async fn seen_end(&self) {
        poll_fn(|_| match self.deliveries_end.is_cancelled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

impl Pipeline {
    /// Delivers the events of one run. Returns its ticket, too, if later events of the run have to wait.
    pub(super) async fn deliver_run(
        &self,
        run: Run,
        context: &BatchContext,
    ) -> (Vec<DecidedRecord>, Option<(RunTicket, Block)>) {
        let Run {
            ticket,
            events,
            permit: _permit,
        } = run;
        let lookups = self.look_up(&events, context).await;
        let ordered = self.adapter.capabilities.ordered;
        let timeout = ordered.then_some(RUN_TIMEOUT);
        let is_ready = ticket.ready(context.deadline, timeout).await;
        let now = Instant::now();
        let is_ready = is_ready && now < context.deadline;
        let queue_ids = events.iter().map(|event| &*event.record.queue_id);
        let earlier = ticket.block(queue_ids, now).filter(|_| ordered);
        if !is_ready {
            let (postponed, block) = postpone(self.retry, events, earlier);
            let block = block.filter(|_| ordered);
            return (postponed, block.map(|block| (ticket, block)));
        }
        // After the ticket, so that an event that was sent again finds the first one delivered.
        let version = &context.rules.version;
        let (unique, duplicates) = self.dedupe.partition(events, version, now);
        let adapted = self.adapt(unique, lookups, context).await;
        let unruled = block_by(&adapted.decided).filter(|_| ordered);
        let (mut decided, block) = match ordered {
            true => {
                self.deliver_in_order(adapted.outbound, earlier, context)
                    .await
            }
            // Boxed to keep the future of an ordered run small.
            false => {
                let together = self.deliver_together(adapted.outbound, context);
                (Box::pin(together).await, None)
            }
        };
        decided.extend(adapted.decided);
        let decided = self.dedupe.resolve(duplicates, decided, Instant::now());
        (decided, block.or(unruled).map(|block| (ticket, block)))
    }

    /// Delivers events one after the other. `earlier` is what blocks them, if anything. Also returns what blocks the later
    /// events of the run.
    async fn deliver_in_order(
        &self,
        events: impl Into<VecDeque<OutboundEvent>>,
        earlier: Option<Block>,
        context: &BatchContext,
    ) -> (Vec<DecidedRecord>, Option<Block>) {
        let mut delivery = RunDelivery::new(self.retry, events, earlier);
        while let Some(event) = delivery.next(context.halt.get()) {
            let started = Instant::now();
            let attempt = self.attempt(event, started, context).await;
            let ended = Instant::now();
            if let Attempt::Answered(answer) = &attempt {
                self.note_answer(answer, event.id(), ended, context);
            }
            let duration = ended.saturating_duration_since(started);
            if let Some(Separated { id, error }) = delivery.record(&attempt, duration) {
                log_separated(&id, self.target.name(), &error);
            }
        }
        delivery.finish()
    }

    /// Delivers events concurrently, to a target to which their order means nothing: none waits for another.
    async fn deliver_together(
        &self,
        events: impl IntoIterator<Item = OutboundEvent>,
        context: &BatchContext,
    ) -> Vec<DecidedRecord> {
        let begin = |event| self.deliver_in_order([event], None, context);
        let delivered = join_in_groups(events, begin, self.wake(), &context.deliveries_end, ());
        let delivered = delivered.await;
        let decided = delivered.into_iter().flat_map(|(decided, _)| decided);
        decided.collect()
    }

    /// How the deliveries of a batch are woken.
    pub(super) fn wake(&self) -> Wake {
        match self.adapter.capabilities.batches {
            true => Wake::Together,
            false => Wake::Alone,
        }
    }

    /// Looks up the names that the rules need. A slow lookup does not delay other runs.
    async fn look_up(&self, events: &[PendingEvent], context: &BatchContext) -> LookupResults {
        let target = self.target.name().as_str();
        let names: BTreeSet<_> = events
            .iter()
            .filter_map(|event| isolate(|| context.rules.rules.lookups(&event.event, target)).ok())
            .flatten()
            .collect();
        if names.is_empty() {
            return LookupResults::new();
        }
        // Boxed, so that a run that looks up nothing does not carry the requests of one that does.
        Box::pin(self.lookups.resolve(names)).await
    }

    /// Applies the rules. Rules that run code may be slow, so they run on a blocking thread while other runs are delivered.
    pub(super) async fn adapt(
        &self,
        events: Vec<PendingEvent>,
        lookups: LookupResults,
        context: &BatchContext,
    ) -> AdaptedRun {
        let (retry, deadline) = (self.retry, context.deadline);
        let expired = move |attempts| {
            let is_late = Instant::now() >= deadline;
            is_late.then(|| retry.rules_slow(attempts))
        };
        let rules = &context.rules;
        if !rules.rules.run_code() {
            return self.adapter.adapt(&rules.rules, events, &lookups, expired);
        }
        let (adapter, rules) = (self.adapter.clone(), rules.clone());
        // Here until the rules begin: a runtime that is shutting down begins nothing, and drops what it was given.
        let waiting = Arc::new(Mutex::new(events));
        let begun = waiting.clone();
        let adapting = tokio::task::spawn_blocking(move || {
            adapter.adapt(&rules.rules, taken(&begun), &lookups, expired)
        });
        match adapting
            .await
            .map_err(tokio::task::JoinError::try_into_panic)
        {
            Ok(adapted) => adapted,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_cancelled)) => {
                let decide = |event: PendingEvent| event.decide(stopped());
                AdaptedRun {
                    outbound: VecDeque::new(),
                    decided: taken(&waiting).into_iter().map(decide).collect(),
                }
            }
        }
    }

    /// Makes one attempt, as soon as there is a free slot. Events that share requests take none. `now` is the time of the call.
    async fn attempt(
        &self,
        event: &OutboundEvent,
        now: Instant,
        context: &BatchContext,
    ) -> Attempt {
        let deadline = context.deadline;
        let (_slot, now) = match self.adapter.capabilities.batches {
            true => (None, now),
            false => match timeout_at(deadline, self.deliveries.acquire()).await {
                Ok(Ok(slot)) => (Some(slot), Instant::now()),
                Ok(Err(_)) | Err(_) => return Attempt::OutOfTime,
            },
        };
        if let Some(failure) = context.halt.get() {
            return Attempt::Skipped(failure.clone());
        }
        // The earlier event may have used up the time: a later one must not overtake it.
        if now >= deadline {
            return Attempt::OutOfTime;
        }
        let salt = event.token_salt().map(TokenSalt::as_str);
        let delivery = (self.target).deliver(event.event(), event.attempts(), salt, deadline);
        // `select!` polls nothing once the task has used up its budget: an answer that is there is not taken for none.
        let report = match context.deliveries_end.is_cancelled() {
            true => None,
            false => tokio::select! {
                biased;
                report = delivery => Some(report),
                () = context.seen_end() => None,
            },
        };
        if report.is_none() && self.cut_off.is_cancelled() {
            return Attempt::Stopped;
        }
        self.attempts.count(report.as_ref());
        match report.and_then(|report| report.delivery) {
            Some(delivery) => Attempt::Answered(delivery),
            None if self.stopping.is_cancelled() => Attempt::Stopped,
            None => Attempt::OutOfTime,
        }
    }

    /// Notes what an answer says about the target.
    fn note_answer(&self, answer: &Delivery, id: &str, now: Instant, context: &BatchContext) {
        let notice = self.health().record(answer, id, now);
        if let Some(notice) = notice {
            log_health(&notice, self.target.name(), None);
        }
        if let Delivery::Transient(failure) = answer
            && failure.scope == Scope::Target
        {
            let _ = context.halt.set(failure.clone()); // the first failure is as good as the second
        }
    }
}

fn taken(events: &Mutex<Vec<PendingEvent>>) -> Vec<PendingEvent> {
    std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner))
}
