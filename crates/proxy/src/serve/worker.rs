//! The worker: receives batches from the queue and processes them until it is stopped.
//!
//! Batches overlap, so that a few slow events do not delay the others; the pipeline keeps the order of each run. A
//! panic ends a batch, not the worker. Started and supervised by `topology/running.rs`.

mod suspects;

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{PAUSE, WorkerResources};
use crate::pipeline::{InFlightBatch, MARGIN, Pipeline, guard};
use crate::queue::{BatchSize, FailureLog, Record, Settlement};
use crate::telemetry::STOP;
use suspects::{Group, Suspects};

/// The most batches in flight. The next one begins while a few events of the last ones are slow (a lookup, a delivery
/// without a response), and not earlier: waiting in the queue does not count as an attempt.
const BATCHES: usize = 4;

/// How many batches a target on this machine is given at once, while so many wait: most of what a batch costs (commits, syncs)
/// does not depend on its size. For others, events that wait in the queue are better off: nobody has counted an attempt.
const LOCAL_BATCHES: usize = 8;

/// The same where the process may use one core only: there a request waits until the batch in progress leaves it the core.
const LOCAL_BATCHES_SINGLE_CORE: usize = 2;

/// How long a stop waits for responses of the target: shorter than the whole stop, which has further steps.
const PATIENCE: Duration = Duration::from_secs(4);

/// Receives batches from the queue and processes them.
pub(super) struct Worker {
    pipeline: Arc<Pipeline>,
    size: BatchSize,
    window: Duration,
    visibility_timeout: Duration,
    stop: CancellationToken,
    failures: FailureLog,
    /// Bounds the events in hand: a batch, and some slow events.
    permits: Arc<Semaphore>,
    running: JoinSet<()>,
    suspects: Suspects,
}

impl Worker {
    pub(super) fn new(resources: WorkerResources) -> Worker {
        let WorkerResources {
            pipeline,
            batch,
            visibility_timeout,
            stop,
        } = resources;
        let enough = batch.size;
        let most = match pipeline.target.capabilities().local {
            true => enough.saturating_mul(local_batches(available_parallelism().ok())),
            false => enough,
        };
        let permits = (most + most.div_ceil(2)).min(Semaphore::MAX_PERMITS);
        Worker {
            pipeline,
            size: BatchSize { enough, most },
            window: batch.window,
            visibility_timeout,
            stop,
            failures: FailureLog::new("the queue cannot be read"),
            permits: Arc::new(Semaphore::new(permits)),
            running: JoinSet::new(),
            suspects: Suspects::default(),
        }
    }

    /// Works until it is stopped. Then the events in hand are finished, or returned to the queue.
    pub(super) async fn work(mut self) {
        let mut not_begun = Vec::new();
        while let Some(permit) = self.permit().await {
            let queue = &self.pipeline.queue;
            let received = queue.receive(self.size, self.window, &self.stop).await;
            // The pipeline gets them, and a batch that panics is settled by what is left here.
            let received =
                received.map(|records| records.into_iter().map(Arc::new).collect::<Vec<_>>());
            if received.is_ok() {
                self.failures.record_recovery();
            }
            match received {
                Ok(records) if self.stop.is_cancelled() => not_begun = records,
                Ok(records) if records.is_empty() && !self.pipeline.is_due() => {
                    self.pipeline.rules.refresh().await;
                }
                Ok(records) => not_begun = self.begin(records, permit).await,
                Err(error) => {
                    self.failures.record_failure(&error);
                    if self.pipeline.is_due() {
                        not_begun = self.begin(Vec::new(), permit).await;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
        self.pipeline.stop();
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            // If the target hangs, its events are returned to the queue while there is time for that.
            self.pipeline.cut_off();
            while self.running.join_next().await.is_some() {}
        }
        self.hand_back(not_begun).await;
    }

    /// Waits until there is a permit for a batch. Returns `None` when stopped.
    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        let size = u32::try_from(self.size.most).unwrap_or(u32::MAX);
        loop {
            while self.running.try_join_next().is_some() {}
            let is_full = self.running.len() >= BATCHES;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                _ = self.running.join_next(), if is_full => {}
                permit = self.permits.clone().acquire_many_owned(size), if !is_full => {
                    return permit.ok();
                }
            }
        }
    }

    /// Begins to process records. Returns when their runs have their tickets, or at a stop. Returns the records that it has
    /// not begun then.
    async fn begin(
        &mut self,
        records: Vec<Arc<Record>>,
        mut permit: OwnedSemaphorePermit,
    ) -> Vec<Arc<Record>> {
        // Events that are not done when the visibility timeout ends would be received again while we still deliver
        // them.
        let time = self
            .visibility_timeout
            .saturating_sub(self.pipeline.coalesce_window())
            .saturating_sub(MARGIN);
        let deadline = Instant::now() + time;
        let spare = permit.split(permit.num_permits().saturating_sub(records.len()));
        // One of those that were received before may end the process: what is received beside them loses an attempt.
        let is_again =
            self.size.most > self.size.enough && records.iter().any(|record| record.attempts > 1);
        let spare = spare.filter(|_| is_again).map(Arc::new);
        let mut groups = self.suspects.separate(records).into_iter();
        loop {
            // Each suspect is a batch. Without the bound they would share no limit on memory.
            while self.running.len() >= BATCHES && !self.stop.is_cancelled() {
                tokio::select! {
                    _ = self.running.join_next() => {}
                    () = self.stop.cancelled() => {}
                }
            }
            let group = match self.stop.is_cancelled() {
                true => break,
                false => groups.next(),
            };
            let Some(group) = group else {
                break;
            };
            let (admitted, is_admitted) = oneshot::channel();
            let share = permit.split(group.records().len().min(permit.num_permits()));
            let batch = Batch {
                pipeline: self.pipeline.clone(),
                suspects: self.suspects.clone(),
                deadline,
                _spare: spare.clone(),
            };
            self.running.spawn(batch.process(group, share, admitted));
            tokio::select! {
                _ = is_admitted => {} // or it ended before
                () = self.stop.cancelled() => {}
            }
        }
        groups.flat_map(Group::into_records).collect()
    }

    /// Returns to the queue what was received and not begun, and what is buffered: another process receives it now, or
    /// this one after the next start.
    async fn hand_back(&mut self, not_begun: Vec<Arc<Record>>) {
        let records = self.pipeline.drain().into_iter().chain(not_begun);
        let records: Vec<Arc<Record>> = records.collect();
        let retry = |record| (record, Settlement::Retry(Duration::ZERO));
        let settlements: Vec<_> = records.iter().map(Arc::as_ref).map(retry).collect();
        let queue = &self.pipeline.queue;
        for answer in queue.settle(&settlements, Instant::now() + STOP).await {
            if let Err(error) = answer {
                warn!(%error, "failed to return message to the queue; it will be redelivered later");
            }
        }
    }
}

/// How many batches a target on this machine is given at once.
fn local_batches(cores: Option<NonZero<usize>>) -> usize {
    match cores {
        Some(cores) if cores.get() == 1 => LOCAL_BATCHES_SINGLE_CORE,
        Some(_) | None => LOCAL_BATCHES,
    }
}

/// A batch in flight.
struct Batch {
    pipeline: Arc<Pipeline>,
    suspects: Suspects,
    deadline: Instant,
    /// Keeps further records from being received meanwhile.
    _spare: Option<Arc<OwnedSemaphorePermit>>,
}

impl Batch {
    async fn process(
        self,
        group: Group,
        permit: Option<OwnedSemaphorePermit>,
        admitted: oneshot::Sender<()>,
    ) {
        let received = group.records().to_vec();
        let Some(batches) = guard(self.admit(group)).await else {
            drop(admitted);
            return self.suspect(received).await;
        };
        let _ = admitted.send(());
        let mut permit = permit;
        let mut has_panicked = false;
        for batch in batches {
            // A suspect must not overtake the events of its run that were ahead of it: they are received again.
            let batch = match has_panicked {
                true => batch.without_time(),
                false => batch,
            };
            let in_hand = batch.records();
            let batch = match permit.take() {
                Some(permit) => batch.with_permit(permit),
                None => batch,
            };
            match guard(self.pipeline.complete(batch)).await {
                Some(_settled) if has_panicked => {} // nothing is known about them yet
                Some(_settled) => self.suspects.acquit(&in_hand),
                None => {
                    has_panicked = true;
                    self.suspect(in_hand).await;
                }
            }
        }
    }

    async fn admit(&self, group: Group) -> Vec<InFlightBatch> {
        match group {
            Group::Together(records) => vec![self.pipeline.admit(records, self.deadline).await],
            Group::Suspect(record) => self.pipeline.admit_alone(record, self.deadline).await,
        }
    }

    async fn suspect(&self, records: Vec<Arc<Record>>) {
        let again = self.pipeline.recover(records).await;
        self.suspects.add(&again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_a_single_core_are_local_batches_small() {
        let of = |cores: usize| local_batches(NonZero::new(cores));
        assert_eq!([1, 2, 64].map(of), [2, 8, 8]);
        assert_eq!(of(0), 8, "it is not known");
    }
}
