//! The pipeline: delivers events from the queue to one target, and ends each with one outcome.
//!
//! 1. fetch bodies that were too large for the queue, and decode the records (`bodies.rs`, `decode.rs`)
//! 2. buffer events that may be merged with later ones of their run (`coalesce_buffer.rs`)
//! 3. order them by run, after those of earlier batches (`ordering.rs`)
//! 4. drop duplicates of events that were delivered a moment ago (`dedupe.rs`)
//! 5. apply the rules, adapt to the target, merge (`adapt.rs`)
//! 6. deliver each run in order (`delivery.rs`), and decide what each attempt means (`retry.rs`)
//! 7. settle with the queue (`outcome.rs`)
//! 8. publish the outcomes (`observe.rs`)
//!
//! Different runs are processed concurrently (`run.rs`). A batch ends at its deadline; events that were not attempted return
//! to the queue. Called by the worker of `serve` and by the batch function.

mod adapt;
mod alone;
mod bodies;
mod coalesce_buffer;
mod decode;
mod dedupe;
mod delivery;
mod groups;
mod health;
mod in_flight;
mod observe;
mod ordering;
mod outbound;
mod outcome;
mod panics;
mod preview;
mod renames;
mod retry;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use targets::{Kind, Target};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config;
use crate::lookup::Lookups;
use crate::queue::{Queue, Record, Settlement};
use crate::rules::{LoadedRules, RuleStore};
use crate::telemetry::lines;

pub use adapt::{Adapter, TransformLog, builtins};
pub use coalesce_buffer::CoalesceBuffer;
pub use health::TargetHealth;
pub(crate) use in_flight::InFlightBatch;
pub use observe::Observer;
pub(crate) use observe::{RuleTally, set_target_up};
pub use outcome::{Outcome, OutcomeRecord, SettledRecord};
pub use panics::guard;
pub use preview::{Preview, preview};
pub use renames::Rename;

use decode::{Provenance, decode};
use dedupe::DedupeCache;
use groups::{GROUP, join_in_groups};
use health::Health;
use observe::{
    AttemptMetrics, LogObserver, MetricsObserver, RetryLogging, log_health, register_rules,
};
use ordering::{RunOrder, by_run};
use outcome::{DecidedRecord, PendingEvent, settle};
use panics::isolate;
use retry::RetryPolicy;
use run::{BatchContext, Run};

/// How long before the end of its visibility timeout, or of a function's time, a batch has to stop: the time to return
/// events to the queue and to send dead letters.
pub const MARGIN: Duration = Duration::from_secs(3);

/// The part of that margin in which the queue has to settle the batch: the rest is for the response to Lambda.
const SETTLE: Duration = Duration::from_secs(2);

/// Everything between the queue and one target.
pub struct Pipeline {
    /// Where events come from.
    pub queue: Queue,
    /// Where events go.
    pub target: Target,
    /// The rules file.
    pub rules: RuleStore,
    adapter: Arc<Adapter>,
    lookups: Lookups,
    /// Bounds the deliveries in flight, of all batches together.
    deliveries: Semaphore,
    retry: RetryPolicy,
    /// Who writes to the queue.
    provenance: Provenance,
    order: RunOrder,
    dedupe: DedupeCache,
    buffer: Mutex<CoalesceBuffer>,
    health: Arc<Mutex<Health>>,
    observers: Vec<Arc<dyn Observer>>,
    attempts: AttemptMetrics,
    /// Ends the downloads, and starts no further deliveries, because the process is about to end.
    stopping: CancellationToken,
    /// Ends the deliveries in flight.
    cut_off: CancellationToken,
}

impl Pipeline {
    /// Creates the pipeline of a function, which keeps nothing between batches.
    pub fn new(
        config: &config::Config,
        pipeline: &config::PipelineConfig,
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
            retries: RetryLogging::PerBatch,
            health: health.clone(),
        };
        let mut dedupe = DedupeCache::new(pipeline.batch.deduplication_window);
        dedupe.delivers_again = target.kind() == Kind::Store;
        let provenance = match &queue {
            Queue::Embedded(_) => Provenance::Intake,
            Queue::Memory(_) | Queue::Sqs(_) | Queue::Log(_) => {
                Provenance::Anyone(config.ingest.level)
            }
        };
        Pipeline {
            queue,
            target,
            rules,
            attempts: AttemptMetrics::new(adapter.target.clone()),
            adapter: Arc::new(adapter),
            lookups,
            deliveries: Semaphore::new(pipeline.batch.concurrency),
            retry: RetryPolicy {
                max_attempts: config.queue.max_attempts(),
            },
            provenance,
            order: RunOrder::default(),
            dedupe,
            buffer: Mutex::new(CoalesceBuffer::disabled()),
            health,
            observers: vec![Arc::new(log), Arc::new(MetricsObserver)],
            stopping: CancellationToken::new(),
            cut_off: CancellationToken::new(),
        }
    }

    /// The same for a process that lives on between batches, and calls [`watch`](Self::watch) now and then: `buffer` holds
    /// events back, `observers` learn of outcomes besides log and metrics.
    #[must_use]
    pub(crate) fn long_lived(
        self,
        buffer: CoalesceBuffer,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Pipeline {
        let log = LogObserver {
            retries: RetryLogging::limited(),
            health: self.health.clone(),
        };
        let own: [Arc<dyn Observer>; 2] = [Arc::new(log), Arc::new(MetricsObserver)];
        Pipeline {
            buffer: Mutex::new(buffer),
            observers: own.into_iter().chain(observers).collect(),
            ..self
        }
    }

    /// The same for a command: `observer` alone learns of outcomes, and reports them.
    #[must_use]
    pub(crate) fn reporting_to(
        self,
        buffer: CoalesceBuffer,
        observer: Arc<dyn Observer>,
    ) -> Pipeline {
        Pipeline {
            buffer: Mutex::new(buffer),
            observers: vec![observer],
            ..self
        }
    }

    /// Processes a batch. Returns the settled records: those that the buffer releases, and not those that it keeps.
    pub async fn process(
        &self,
        records: Vec<Arc<Record>>,
        deadline: Instant,
    ) -> Vec<SettledRecord> {
        let batch = self.admit(records, deadline).await;
        self.complete(batch).await
    }

    /// The first half of [`process`](Self::process): decodes, buffers, orders. Batches are admitted one after another.
    pub(crate) async fn admit(
        &self,
        records: Vec<Arc<Record>>,
        deadline: Instant,
    ) -> InFlightBatch {
        self.rules.refresh().await;
        let rules = self.rules.current();
        let (events, decided) = self.read(records, deadline).await;
        let target = self.target.name().as_str();
        let now = Instant::now();
        let released = self.buffer().offer(events, &rules.rules, target, now);
        let deadline = released.limit(deadline, now);
        self.in_flight(released.events, decided, rules, deadline)
    }

    /// Fetches bodies and decodes records. Returns the events, and the records that are not events.
    async fn read(
        &self,
        records: Vec<Arc<Record>>,
        deadline: Instant,
    ) -> (Vec<PendingEvent>, Vec<DecidedRecord>) {
        let (records, mut decided) = self.fetch_bodies(records, deadline).await;
        let mut events = Vec::new();
        for (n, record) in records.into_iter().enumerate() {
            if n > 0 && n % GROUP == 0 {
                tokio::task::yield_now().await;
            }
            match decode(record, self.provenance) {
                Ok(event) => events.push(event),
                Err(invalid) => decided.push(*invalid),
            }
        }
        (events, decided)
    }

    /// Takes a ticket for each run.
    fn in_flight(
        &self,
        events: Vec<PendingEvent>,
        decided: Vec<DecidedRecord>,
        rules: Arc<LoadedRules>,
        deadline: Instant,
    ) -> InFlightBatch {
        let runs = by_run(events).into_iter().map(|(key, events)| Run {
            ticket: self.order.ticket(key),
            events,
            permit: None,
        });
        InFlightBatch {
            decided,
            runs: runs.collect(),
            context: BatchContext {
                rules,
                deadline,
                deliveries_end: self.cut_off.child_token(),
                halt: OnceLock::new(),
            },
        }
    }

    /// The second half of [`process`](Self::process): transforms, delivers, settles, publishes. Batches overlap.
    pub(crate) async fn complete(&self, batch: InFlightBatch) -> Vec<SettledRecord> {
        let InFlightBatch {
            mut decided,
            runs,
            context,
        } = batch;
        let mut blocked = Vec::new();
        let begin = |run| self.deliver_run(run, &context);
        let delivering = join_in_groups(
            runs,
            begin,
            self.wake(),
            &context.deliveries_end,
            self.target.gather(),
        );
        let delivering = Box::pin(delivering);
        for (run, block) in context.ending_in_time(delivering).await {
            decided.extend(run);
            blocked.extend(block);
        }
        let until = context.deadline + SETTLE;
        let target = (self.target.name(), self.target.kind());
        let (settled, outcomes) = settle(&self.queue, decided, target, until).await;
        // Only now: the visibility timeout counts from the settlement.
        for (ticket, block) in blocked {
            ticket.block_run(block, Instant::now());
        }
        self.publish(&outcomes);
        settled
    }

    fn publish(&self, outcomes: &[OutcomeRecord]) {
        lines::together(|| {
            for observer in &self.observers {
                // The records are settled: a panic of an observer must not settle them again.
                if isolate(|| observer.observe(outcomes)).is_err() {
                    error!("observer panicked; its outcomes are not reported");
                }
            }
        });
    }

    /// Settles the records of a batch that panicked. Returns those that will be received again.
    pub(crate) async fn recover(&self, records: Vec<Arc<Record>>) -> Vec<Arc<Record>> {
        let is_alone = records.len() == 1;
        let settlement = |record: &Record| {
            let (id, attempts) = (&record.id, record.attempts);
            self.retry.after_panic(id, attempts, is_alone)
        };
        let settlements: Vec<_> = (records.iter())
            .map(|record| (&**record, settlement(record)))
            .collect();
        let until = Instant::now() + SETTLE;
        let _ = self.queue.settle(&settlements, until).await; // what fails is redelivered all the same
        let again: BTreeSet<Arc<str>> = settlements
            .iter()
            .filter(|(_, settlement)| matches!(settlement, Settlement::Retry(_)))
            .map(|(record, _)| record.queue_id.clone())
            .collect();
        let again = |record: &Arc<Record>| again.contains(&record.queue_id);
        records.into_iter().filter(again).collect()
    }

    /// Whether a buffered event has waited for its window.
    pub(crate) fn is_due(&self) -> bool {
        self.buffer().is_due(Instant::now())
    }

    /// Returns how long events may have been buffered before they are delivered.
    pub(crate) fn coalesce_window(&self) -> Duration {
        self.buffer().window()
    }

    /// Removes all buffered events, to return them to the queue.
    pub(crate) fn drain(&self) -> Vec<Arc<Record>> {
        self.buffer().drain()
    }

    /// Locks the buffer. After a panic it is emptied, because the queue redelivers its events.
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

    /// Returns whether the target takes events, and how long ago it took one last.
    pub(crate) fn target_health(&self) -> (TargetHealth, Option<Duration>) {
        self.health().describe(Instant::now())
    }

    /// Logs a change of the target's health that is due. `waiting` is how many events wait in the queue, if that is known.
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

    /// Ends the downloads of bodies and starts no further deliveries, because the process is about to end. Does not affect
    /// deliveries in flight.
    pub fn stop(&self) {
        self.stopping.cancel();
        self.target.stop();
    }

    /// Cancels the deliveries in flight, because there is no more time to wait for the target.
    pub fn cut_off(&self) {
        self.cut_off.cancel();
    }
}
