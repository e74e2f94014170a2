//! The pipeline: takes events from the queue to one target, and ends each with one outcome.
//!
//! 1. decode the records (`decode.rs`)
//! 2. hold events back that may be merged with later ones of their run (`coalesce_buffer.rs`)
//! 3. order them by run, behind the batches before (`ordering.rs`)
//! 4. drop duplicates of what was delivered a moment ago (`dedupe.rs`)
//! 5. apply the rules, adapt to the target, merge (`adapt.rs`)
//! 6. deliver each run in order (`delivery.rs`), and decide what each attempt means (`retry.rs`)
//! 7. settle with the queue (`outcome.rs`)
//! 8. publish the outcomes (`observe.rs`)
//!
//! Different runs are processed side by side. The deadline of a batch ends it in time; what was not attempted goes back to
//! the queue. Called by the worker of `serve` and by the batch function.

mod adapt;
mod alone;
mod coalesce_buffer;
mod decode;
mod dedupe;
mod delivery;
mod health;
mod observe;
mod ordering;
mod outcome;
mod panics;
mod preview;
mod renames;
mod retry;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use openlineage::Level;
use targets::{Delivery, Failure, Scope, Target};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record, Settlement};
use crate::rules::{LoadedRules, RuleStore};

pub use adapt::{Adapter, TransformLog, builtins};
pub use coalesce_buffer::CoalesceBuffer;
pub use observe::Observer;
pub use outcome::{Outcome, OutcomeRecord, Settled};
pub use panics::guard;
pub use preview::{Preview, preview};
pub use renames::Rename;

use adapt::{AdaptedRun, LookupResults};
use decode::decode;
use dedupe::DedupeCache;
use delivery::{OutboundEvent, RunDelivery, block_by, postpone};
use health::Health;
use observe::{
    LogObserver, MetricsObserver, RetryLines, count_attempts, log_health, log_separated,
    register_rules, set_target_up,
};
use ordering::{Block, RunOrder, RunTicket, by_run};
use outcome::{Decided, Pending, settle};
use panics::isolate;
use retry::{Attempt, RetryPolicy};

/// How long before its visibility timeout, or the end of a function's time, a batch has to stop: to hand back events and
/// send dead letters.
pub const MARGIN: Duration = Duration::from_secs(3);

/// What of that margin the queue may take, however slow it is: the rest is for the answer to Lambda.
const SETTLE: Duration = Duration::from_secs(2);

/// How long the events of a run wait for those before them that an earlier batch has in hand. Then they go back to the queue:
/// a delivery that hangs holds up its own run, and not, one after the other, all batches that the worker may have in hand.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything between the queue and one target.
pub struct Pipeline {
    /// Where events come from.
    queue: Queue,
    /// Where events go.
    pub target: Target,
    /// The rules file.
    pub rules: RuleStore,
    adapter: Arc<Adapter>,
    lookups: Lookups,
    /// Bounds the deliveries in flight, of all batches together.
    deliveries: Semaphore,
    retry: RetryPolicy,
    /// How ingest validates.
    level: Level,
    order: RunOrder,
    dedupe: DedupeCache,
    buffer: Mutex<CoalesceBuffer>,
    health: Arc<Mutex<Health>>,
    observers: Vec<Box<dyn Observer>>,
    /// Whether the process is about to end.
    stopping: AtomicBool,
    /// Ends the deliveries in flight.
    cut_off: CancellationToken,
}

/// A batch that was admitted: each of its runs has its place behind the runs of the batches before.
#[must_use = "the events of a batch have no outcome yet"]
#[derive(Debug)]
pub(crate) struct InFlight {
    decided: Vec<Decided>,
    runs: Vec<Run>,
    shared: Shared,
}

#[derive(Debug)]
struct Run {
    ticket: RunTicket,
    events: Vec<Pending>,
    /// Bounds the events in hand; released when the run is delivered.
    permit: Option<OwnedSemaphorePermit>,
}

/// What the runs of a batch share.
#[derive(Debug)]
struct Shared {
    rules: Arc<LoadedRules>,
    deadline: Instant,
    /// Why no further event is attempted: the target accepts nothing.
    halt: OnceLock<Failure>,
}

impl Pipeline {
    /// Creates the pipeline of a function, whose batches are all there is of its life.
    pub fn new(
        config: &config::Config,
        queue: Queue,
        target: Target,
        lookups: Lookups,
        rules: RuleStore,
    ) -> Pipeline {
        let adapter = Adapter {
            target: target.name().clone(),
            capabilities: target.capabilities(),
        };
        let health = Arc::new(Mutex::default());
        let log = LogObserver {
            retries: RetryLines::EveryBatch,
            health: health.clone(),
        };
        Pipeline {
            queue,
            target,
            rules,
            adapter: Arc::new(adapter),
            lookups,
            deliveries: Semaphore::new(config.batch.concurrency),
            retry: RetryPolicy {
                max_attempts: config.queue.max_attempts(),
            },
            level: config.ingest.level,
            order: RunOrder::default(),
            dedupe: DedupeCache::new(config.batch.deduplication_window),
            buffer: Mutex::new(CoalesceBuffer::disabled()),
            health,
            observers: vec![Box::new(log), Box::new(MetricsObserver)],
            stopping: AtomicBool::new(false),
            cut_off: CancellationToken::new(),
        }
    }

    /// The same for a process that lives on between batches, and calls [`watch`](Self::watch) now and then: `buffer` holds
    /// events back, `observers` learn of outcomes besides log and metrics.
    #[must_use]
    pub(crate) fn long_lived(
        self,
        buffer: CoalesceBuffer,
        observers: Vec<Box<dyn Observer>>,
    ) -> Pipeline {
        let log = LogObserver {
            retries: RetryLines::limited(),
            health: self.health.clone(),
        };
        let own: [Box<dyn Observer>; 2] = [Box::new(log), Box::new(MetricsObserver)];
        Pipeline {
            buffer: Mutex::new(buffer),
            observers: own.into_iter().chain(observers).collect(),
            ..self
        }
    }

    /// Processes a batch. Returns what was settled: not what the coalesce buffer holds back, but what it releases.
    pub async fn process(&self, records: Vec<Record>, deadline: Instant) -> Vec<Settled> {
        let batch = self.admit(records, deadline).await;
        self.complete(batch).await
    }

    /// The first half of [`process`](Self::process): decodes, holds back, orders. Batches are admitted one after another.
    pub(crate) async fn admit(&self, records: Vec<Record>, deadline: Instant) -> InFlight {
        self.rules.refresh().await;
        let rules = self.rules.current();
        let (events, decided) = self.read(records, deadline).await;
        let target = self.target.name().as_str();
        let now = Instant::now();
        let released = self.buffer().offer(events, &rules.rules, target, now);
        let deadline = released.limit(deadline, now);
        self.in_flight(released.events, decided, rules, deadline)
    }

    /// Fetches bodies and decodes records. Returns the events, and the records that are none.
    async fn read(&self, records: Vec<Record>, deadline: Instant) -> (Vec<Pending>, Vec<Decided>) {
        let (records, mut decided) = self.fetch_bodies(records, deadline).await;
        let mut events = Vec::new();
        for record in records {
            match decode(record, self.level) {
                Ok(event) => events.push(event),
                Err(invalid) => decided.push(*invalid),
            }
        }
        (events, decided)
    }

    /// Takes the places of events in the order of their runs.
    fn in_flight(
        &self,
        events: Vec<Pending>,
        decided: Vec<Decided>,
        rules: Arc<LoadedRules>,
        deadline: Instant,
    ) -> InFlight {
        let runs = by_run(events).into_iter().map(|(key, events)| Run {
            ticket: self.order.ticket(key),
            events,
            permit: None,
        });
        InFlight {
            decided,
            runs: runs.collect(),
            shared: Shared {
                rules,
                deadline,
                halt: OnceLock::new(),
            },
        }
    }

    /// The second half of [`process`](Self::process): transforms, delivers, settles, publishes. Batches overlap.
    pub(crate) async fn complete(&self, batch: InFlight) -> Vec<Settled> {
        let InFlight {
            mut decided,
            runs,
            shared,
        } = batch;
        let mut blocked = Vec::new();
        let runs = runs.into_iter().map(|run| self.deliver_run(run, &shared));
        for (run, block) in join_all(runs).await {
            decided.extend(run);
            blocked.extend(block);
        }
        let until = shared.deadline + SETTLE;
        let mut settled = settle(&self.queue, decided, self.target.name(), until).await;
        // Only now: the visibility timeout counts from the settlement.
        for (ticket, block) in blocked {
            ticket.block_run(block, Instant::now());
        }
        self.publish(&mut settled);
        settled
    }

    /// Fetches the bodies that were too large for the queue, and decides the records that have none.
    async fn fetch_bodies(
        &self,
        records: Vec<Record>,
        deadline: Instant,
    ) -> (Vec<Record>, Vec<Decided>) {
        // The events beside a slow one have the other half of the time.
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / 2;
        let (records, without) = self.queue.fetch_bodies(records, until).await;
        let decided = without.into_iter().map(|(record, error)| {
            let outcome = self.retry.without_body(error, &record.id, record.attempts);
            Decided::without_event(record, outcome)
        });
        (records, decided.collect())
    }

    /// Delivers the events of one run. Returns its ticket, too, if later events of the run have to wait.
    async fn deliver_run(
        &self,
        run: Run,
        shared: &Shared,
    ) -> (Vec<Decided>, Option<(RunTicket, Block)>) {
        let Run {
            ticket,
            events,
            permit: _permit,
        } = run;
        let lookups = self.look_up(&events, shared).await;
        let ordered = self.adapter.capabilities.ordered;
        let patience = match ordered {
            true => shared.deadline.min(Instant::now() + PATIENCE),
            false => shared.deadline,
        };
        let is_ready = ticket.ready(patience).await;
        let queue_ids = events.iter().map(|event| event.record.queue_id.clone());
        let earlier = ticket.block(queue_ids, Instant::now()).filter(|_| ordered);
        if !is_ready {
            let (postponed, block) = postpone(self.retry, events, earlier);
            let block = block.filter(|_| ordered);
            return (postponed, block.map(|block| (ticket, block)));
        }
        // Behind those before it, so that an event that was sent again finds the first one delivered.
        let version = &shared.rules.version;
        let (unique, duplicates) = self.dedupe.partition(events, version, Instant::now());
        let adapted = self.adapt(unique, lookups, shared).await;
        let mut decided = adapted.decided;
        let unruled = block_by(&decided).filter(|_| ordered);
        let (delivered, block) = match ordered {
            true => {
                self.deliver_in_order(adapted.outbound, earlier, shared)
                    .await
            }
            false => (self.deliver_together(adapted.outbound, shared).await, None),
        };
        decided.extend(delivered);
        let decided = self.dedupe.resolve(duplicates, decided, Instant::now());
        (decided, block.or(unruled).map(|block| (ticket, block)))
    }

    /// Delivers events one after the other. Returns why later events of the run have to wait, too. `earlier` is why these
    /// have to.
    async fn deliver_in_order(
        &self,
        events: impl IntoIterator<Item = OutboundEvent>,
        earlier: Option<Block>,
        shared: &Shared,
    ) -> (Vec<Decided>, Option<Block>) {
        let mut delivery = RunDelivery::new(self.retry, events, earlier);
        while let Some(event) = delivery.next(shared.halt.get()) {
            let (id, started) = (event.id.clone(), Instant::now());
            let attempt = self.attempt(event, shared).await;
            if let Some(error) = delivery.record(&attempt, started.elapsed()) {
                log_separated(&id, self.target.name(), &error);
            }
        }
        delivery.finish()
    }

    /// Delivers events side by side, to a target for which their order means nothing: none waits for another.
    async fn deliver_together(
        &self,
        events: impl IntoIterator<Item = OutboundEvent>,
        shared: &Shared,
    ) -> Vec<Decided> {
        let deliveries = events
            .into_iter()
            .map(|event| self.deliver_in_order([event], None, shared));
        let delivered = join_all(deliveries).await.into_iter();
        delivered.flat_map(|(decided, _)| decided).collect()
    }

    /// Looks up the names that the rules need. Slow look-ups hold up no other run.
    async fn look_up(&self, events: &[Pending], shared: &Shared) -> LookupResults {
        let target = self.target.name().as_str();
        let names: BTreeSet<_> = events
            .iter()
            .filter_map(|event| isolate(|| shared.rules.rules.lookups(&event.event, target)).ok())
            .flatten()
            .collect();
        self.lookups.resolve(names).await
    }

    /// Applies the rules. Those that are code may take their time: they run on a thread of their own, so that other runs
    /// are delivered meanwhile.
    async fn adapt(
        &self,
        events: Vec<Pending>,
        lookups: LookupResults,
        shared: &Shared,
    ) -> AdaptedRun {
        let (retry, deadline) = (self.retry, shared.deadline);
        let expired = move |attempts| {
            let is_late = Instant::now() >= deadline;
            is_late.then(|| retry.rules_slow(attempts))
        };
        let rules = &shared.rules;
        if !rules.rules.run_code() {
            return self.adapter.adapt(&rules.rules, events, &lookups, expired);
        }
        let (adapter, rules) = (self.adapter.clone(), rules.clone());
        let adapting = tokio::task::spawn_blocking(move || {
            adapter.adapt(&rules.rules, events, &lookups, expired)
        });
        match adapting
            .await
            .map_err(tokio::task::JoinError::try_into_panic)
        {
            Ok(adapted) => adapted,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: the queue redelivers the events.
            Err(Err(_cancelled)) => AdaptedRun::default(),
        }
    }

    /// Makes one attempt, as soon as there is a free slot. Events that share requests take none.
    async fn attempt(&self, event: &OutboundEvent, shared: &Shared) -> Attempt {
        let deadline = shared.deadline;
        let _slot = match self.adapter.capabilities.batches {
            true => None,
            false => match timeout_at(deadline, self.deliveries.acquire()).await {
                Ok(Ok(slot)) => Some(slot),
                Ok(Err(_)) | Err(_) => return Attempt::OutOfTime,
            },
        };
        if let Some(failure) = shared.halt.get() {
            return Attempt::Skipped(failure.clone());
        }
        // The event before it may have taken all the time: none may be begun that would go ahead of it.
        if Instant::now() >= deadline {
            return Attempt::OutOfTime;
        }
        let delivery = self.target.deliver(&event.id, &event.event, deadline);
        let report = tokio::select! {
            report = timeout_at(deadline, delivery) => report.ok(),
            () = self.cut_off.cancelled() => return Attempt::Stopped,
        };
        let name = self.target.name();
        count_attempts(name, report.as_ref());
        let Some(delivery) = report.and_then(|report| report.delivery) else {
            return match self.stopping.load(Ordering::Acquire) {
                true => Attempt::Stopped,
                false => Attempt::OutOfTime,
            };
        };
        let notice = self.health().saw(&delivery, &event.id, Instant::now());
        if let Some(notice) = notice {
            log_health(&notice, name, None);
        }
        if let Delivery::Transient(failure) = &delivery
            && failure.scope == Scope::Target
        {
            let _ = shared.halt.set(failure.clone()); // the first failure is as good as the second
        }
        Attempt::Answered(delivery)
    }

    fn publish(&self, settled: &mut [Settled]) {
        let outcomes: Vec<OutcomeRecord> = (settled.iter_mut())
            .filter_map(Settled::take_outcome)
            .collect();
        for observer in &self.observers {
            // The records are settled: a panic of an observer must not settle them again.
            if isolate(|| observer.observe(&outcomes)).is_err() {
                error!("observer panicked; its outcomes are not reported");
            }
        }
    }

    /// Settles the records of a batch that panicked. Returns those that will be received again.
    pub(crate) async fn recover(&self, records: Vec<Record>) -> Vec<Record> {
        let is_alone = records.len() == 1;
        let settlement = |record: &Record| {
            let (id, attempts) = (&record.id, record.attempts);
            self.retry.after_panic(id, attempts, is_alone)
        };
        let settlements: Vec<_> = (records.iter())
            .map(|record| (record, settlement(record)))
            .collect();
        let until = Instant::now() + SETTLE;
        let _ = self.queue.settle(&settlements, until).await; // what fails is redelivered all the same
        let again: BTreeSet<String> = settlements
            .iter()
            .filter(|(_, settlement)| matches!(settlement, Settlement::Retry(_)))
            .map(|(record, _)| record.queue_id.clone())
            .collect();
        let again = |record: &Record| again.contains(&record.queue_id);
        records.into_iter().filter(again).collect()
    }

    /// Whether an event that is held back has waited long enough.
    pub(crate) fn is_due(&self) -> bool {
        self.buffer().is_due(Instant::now())
    }

    /// For how long events may have been held back before they are delivered.
    pub(crate) fn coalesce_window(&self) -> Duration {
        self.buffer().window()
    }

    /// Takes out everything that is held back, to be handed back to the queue.
    pub(crate) fn drain(&self) -> Vec<Record> {
        self.buffer().drain()
    }

    /// The buffer; an empty one after a panic, as the queue gives out again what it held.
    fn buffer(&self) -> MutexGuard<'_, CoalesceBuffer> {
        self.buffer.lock().unwrap_or_else(|poisoned| {
            self.buffer.clear_poison();
            let mut buffer = poisoned.into_inner();
            buffer.clear();
            buffer
        })
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the target's health by the clock. `waiting` is how many events wait in the queue, if that is known.
    pub(crate) fn watch(&self, waiting: Option<u64>) {
        let (notice, is_down) = {
            let mut health = self.health();
            (health.tick(Instant::now()), health.is_down())
        };
        set_target_up(self.target.name(), !is_down);
        if let Some(notice) = notice {
            log_health(&notice, self.target.name(), waiting);
        }
    }

    /// Registers the counters of the rules in use at zero.
    pub(crate) fn register_rules(&self) {
        let rules = self.rules.current();
        register_rules(self.target.name(), rules.rules.names());
    }

    /// Ends what waits to be delivered: the process is about to end. Deliveries in flight are not disturbed.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.target.stop();
    }

    /// Ends the deliveries in flight, too: there is no more time to wait for the target.
    pub fn cut_off(&self) {
        self.cut_off.cancel();
    }
}

impl InFlight {
    /// The records that have no settlement yet.
    pub(crate) fn records(&self) -> Vec<Record> {
        let decided = self.decided.iter().map(|decided| &decided.record);
        let events = self.runs.iter().flat_map(|run| &run.events);
        let records = decided.chain(events.map(|event| &event.record));
        records.cloned().collect()
    }

    /// Gives each run its share of a permit for events in hand.
    pub(crate) fn with_permit(mut self, mut permit: OwnedSemaphorePermit) -> InFlight {
        for run in &mut self.runs {
            run.permit = permit.split(run.events.len().min(permit.num_permits()));
        }
        self
    }
}
