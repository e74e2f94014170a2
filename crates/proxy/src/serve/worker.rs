//! The worker: receives batches from the queue and processes them until it is stopped.
//!
//! Batches overlap, so that a few slow events do not delay the others; the pipeline keeps the order of each run. A
//! panic ends a batch, not the worker. Started and supervised by `topology/running.rs`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// The most batches in flight. The next one begins while a few events of the last ones are slow (a lookup, a delivery
/// without a response), and not earlier: waiting in the queue does not count as an attempt.
const BATCHES: usize = 4;

/// How many batches a target on this machine is given at once, while so many wait: most of what a batch costs (commits, syncs)
/// does not depend on its size. For others, events that wait in the queue are better off: nobody has counted an attempt.
const LOCAL_BATCHES: usize = 8;

/// How long a stop waits for responses of the target: shorter than the whole stop, which has further steps.
const PATIENCE: Duration = Duration::from_secs(4);

/// The most messages that are remembered because their batch panicked.
const MAX_SUSPECTS: usize = 10_000;

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
            true => enough.saturating_mul(LOCAL_BATCHES),
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
        records: Vec<Record>,
        mut permit: OwnedSemaphorePermit,
    ) -> Vec<Record> {
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
    async fn hand_back(&mut self, not_begun: Vec<Record>) {
        let records: Vec<Record> = self.pipeline.drain().into_iter().chain(not_begun).collect();
        let retry = |record| (record, Settlement::Retry(Duration::ZERO));
        let settlements: Vec<_> = records.iter().map(retry).collect();
        let queue = &self.pipeline.queue;
        for answer in queue.settle(&settlements, Instant::now() + STOP).await {
            if let Err(error) = answer {
                warn!(%error, "failed to return message to the queue; it will be redelivered later");
            }
        }
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
            Group::Suspect(record) => self.pipeline.admit_alone(*record, self.deadline).await,
        }
    }

    async fn suspect(&self, records: Vec<Record>) {
        let again = self.pipeline.recover(records).await;
        self.suspects.add(&again);
    }
}

/// Records that are processed together.
#[derive(Debug)]
enum Group {
    /// Any records, or none, to release buffered events.
    Together(Vec<Record>),
    /// A record on which the pipeline may panic.
    Suspect(Box<Record>),
}

impl Group {
    fn into_records(self) -> Vec<Record> {
        match self {
            Group::Together(records) => records,
            Group::Suspect(record) => vec![*record],
        }
    }

    fn records(&self) -> &[Record] {
        match self {
            Group::Together(records) => records,
            Group::Suspect(record) => std::slice::from_ref(record),
        }
    }
}

/// The messages whose batch panicked. Each is processed alone when it is received again, so that the one that causes
/// the panic harms no other.
#[derive(Debug, Clone, Default)]
struct Suspects(Arc<Mutex<HashSet<String>>>);

impl Suspects {
    fn add(&self, records: &[Record]) {
        let mut suspects = self.lock();
        if suspects.len() + records.len() > MAX_SUSPECTS {
            suspects.clear();
        }
        suspects.extend(records.iter().map(|record| record.queue_id.clone()));
    }

    fn acquit(&self, records: &[Record]) {
        let mut suspects = self.lock();
        if !suspects.is_empty() {
            for record in records {
                suspects.remove(&record.queue_id);
            }
        }
    }

    /// Returns the batches to process, in the order of arrival: each suspect alone, the others together. Without
    /// records, returns one empty batch, to release buffered events.
    fn separate(&self, records: Vec<Record>) -> Vec<Group> {
        let suspects = self.lock();
        let (mut batches, mut together) = (Vec::new(), Vec::new());
        for record in records {
            if suspects.contains(&record.queue_id) {
                if !together.is_empty() {
                    batches.push(Group::Together(std::mem::take(&mut together)));
                }
                batches.push(Group::Suspect(Box::new(record)));
            } else {
                together.push(record);
            }
        }
        if !together.is_empty() || batches.is_empty() {
            batches.push(Group::Together(together));
        }
        batches
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(ids: &[&str]) -> Vec<Record> {
        let record = |id: &&str| Record {
            queue_id: (*id).to_owned(),
            ..Record::unqueued((*id).to_owned())
        };
        ids.iter().map(record).collect()
    }

    fn ids(records: &[Record]) -> Vec<&str> {
        let ids = records.iter().map(|record| record.queue_id.as_str());
        ids.collect()
    }

    fn groups(batches: &[Group]) -> Vec<Vec<&str>> {
        batches.iter().map(|group| ids(group.records())).collect()
    }

    #[tokio::test]
    async fn the_event_on_which_something_panics_harms_no_other() {
        let suspects = Suspects::default();
        let (mut done, mut rounds) = (Vec::new(), 0);
        let mut queued = records(&["a", "b", "c"]);
        while queued.len() > 1 {
            rounds += 1;
            for batch in suspects.separate(std::mem::take(&mut queued)) {
                let batch = batch.records().to_vec();
                let processed = guard(async {
                    assert!(batch.iter().all(|record| record.queue_id != "b"), "a bug");
                });
                match processed.await {
                    Some(()) => {
                        suspects.acquit(&batch);
                        done.extend(batch);
                    }
                    None => {
                        suspects.add(&batch);
                        queued.extend(batch);
                    }
                }
            }
        }
        assert_eq!((rounds, ids(&done)), (2, vec!["a", "c"]));
        assert_eq!(ids(&queued), ["b"]);
    }

    #[test]
    fn suspects_are_alone_and_the_order_of_arrival_stays() {
        let suspects = Suspects::default();
        suspects.add(&records(&["b", "c"]));
        let batches = suspects.separate(records(&["a", "b", "c", "d", "e"]));
        let expected: [&[&str]; 4] = [&["a"], &["b"], &["c"], &["d", "e"]];
        assert_eq!(groups(&batches), expected);
        assert!(matches!(batches[1], Group::Suspect(_)));
        suspects.acquit(&records(&["b", "c"]));
        assert_eq!(suspects.separate(records(&["a", "b"])).len(), 1);
    }

    #[test]
    fn without_records_there_is_one_batch_for_what_is_held_back() {
        let batches = Suspects::default().separate(Vec::new());
        assert!(matches!(&batches[..], [Group::Together(none)] if none.is_empty()));
    }
}
