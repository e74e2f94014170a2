//! Redrives groups of dead letters at a rate, and deletes those of SQS, in tasks of the process: at most one for each target, until
//! it is done, cancelled or the process stops. Called by `page/queue.rs`.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use page::line::queue::{By, Operation, RedriveEnd, RedriveState, Selection};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::queue::{SqsTarget, moment};
use super::time_text;
use crate::queue::{Embedded, QueueError};

/// The most transactions in a second: at a higher rate, each puts several events back.
const PORTIONS: u32 = 10;

/// How many dead letters are looked for at once.
const CHUNK: usize = 1_000;

/// The redrives of a process, of each target the last.
pub(super) struct Redrives {
    of_targets: Mutex<BTreeMap<String, Arc<Redrive>>>,
    stop: CancellationToken,
    /// What a stop waits for.
    tasks: TaskTracker,
}

/// Where the dead letters are.
pub(super) enum Letters {
    /// In the embedded queue, by their group.
    Embedded(Box<Embedded>),
    /// In SQS, by the ids of their messages.
    Sqs(Arc<SqsTarget>, HashSet<String>),
}

/// A redrive, or a deletion.
pub(super) struct Redrive {
    operation: Operation,
    selection: Selection,
    /// Operations a second; nothing if there is no limit.
    rate: Option<u32>,
    by: By,
    started_at: i64,
    done: AtomicU64,
    cancel: CancellationToken,
    end: Mutex<Option<RedriveEnd>>,
    ended_at: OnceLock<Instant>,
    /// Cancelled once `end` is set.
    has_ended: CancellationToken,
}

impl Redrives {
    /// Creates the list. Redrives end when `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Redrives {
        Redrives {
            of_targets: Mutex::default(),
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Spawns a task that a stop waits for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Waits until all tasks have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts a redrive. Returns whether it was: not while something else runs for the target.
    pub(super) fn redrive(
        &self,
        letters: Letters,
        selection: Selection,
        rate: u32,
        by: &By,
        now: i64,
    ) -> bool {
        let redrive = self.create(Operation::Redrive, selection, Some(rate), by, now);
        self.start(redrive, letters).is_some()
    }

    /// Starts to delete dead letters of SQS. Returns nothing while something else runs for the target.
    pub(super) fn delete(
        &self,
        (sqs, messages): (Arc<SqsTarget>, HashSet<String>),
        selection: Selection,
        by: &By,
        now: i64,
    ) -> Option<Arc<Redrive>> {
        let deletion = self.create(Operation::Delete, selection, None, by, now);
        self.start(deletion, Letters::Sqs(sqs, messages))
    }

    fn create(
        &self,
        operation: Operation,
        selection: Selection,
        rate: Option<u32>,
        by: &By,
        now: i64,
    ) -> Redrive {
        Redrive {
            operation,
            selection,
            rate,
            by: by.clone(),
            started_at: now,
            done: AtomicU64::new(0),
            cancel: self.stop.child_token(),
            end: Mutex::new(None),
            ended_at: OnceLock::new(),
            has_ended: CancellationToken::new(),
        }
    }

    fn start(&self, redrive: Redrive, letters: Letters) -> Option<Arc<Redrive>> {
        let mut all = self.lock();
        let target = redrive.selection.target.clone();
        if all.get(&target).is_some_and(|redrive| redrive.runs()) {
            return None;
        }
        let redrive = Arc::new(redrive);
        all.insert(target, redrive.clone());
        self.tasks.spawn(redrive.clone().run(letters));
        Some(redrive)
    }

    /// Whether one runs for the target.
    pub(super) fn runs(&self, target: &str) -> bool {
        self.lock().get(target).is_some_and(|it| it.runs())
    }

    /// Cancels that of a target. Returns whether one was running.
    pub(super) fn cancel(&self, target: &str) -> bool {
        let redrive = self.lock().get(target).cloned();
        let redrive = redrive.filter(|redrive| redrive.runs());
        redrive.is_some_and(|redrive| {
            redrive.cancel.cancel();
            true
        })
    }

    /// Whether one has ended at that time or later.
    pub(super) fn one_ended_since(&self, time: Instant) -> bool {
        let all = self.lock();
        all.values()
            .any(|it| it.ended_at.get().is_some_and(|at| *at >= time))
    }

    /// Returns the state of all.
    pub(super) fn states(&self) -> Vec<RedriveState> {
        self.lock().values().map(|it| it.state()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Redrive>>> {
        self.of_targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redrive {
    /// Waits for its end. Returns how many are done, too.
    pub(super) async fn ended(&self) -> (u64, RedriveEnd) {
        self.has_ended.cancelled().await;
        let end = self.end().clone().unwrap_or(RedriveEnd::Cancelled);
        (self.done.load(Ordering::Relaxed), end)
    }

    fn runs(&self) -> bool {
        self.end().is_none()
    }

    fn end(&self) -> MutexGuard<'_, Option<RedriveEnd>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> RedriveState {
        RedriveState {
            operation: self.operation,
            target: self.selection.target.clone(),
            shape: self.selection.shape.clone().unwrap_or_default(),
            rate: self.rate,
            total: self.selection.count,
            done: self.done.load(Ordering::Relaxed),
            started_at: time_text(self.started_at),
            end: self.end().clone(),
        }
    }

    async fn run(self: Arc<Self>, letters: Letters) {
        let (target, key) = (self.selection.target.as_str(), self.by.as_deref());
        let reason = self.selection.shape.as_deref();
        let (dead_letters, rate) = (self.selection.count, self.rate);
        match self.operation {
            Operation::Redrive => {
                info!(target, reason, dead_letters, rate, key, "redrive started");
            }
            Operation::Delete => {
                info!(target, reason, dead_letters, key, "deletion started");
            }
        }
        let redrive = self.clone();
        let ended = end_of(async move { redrive.act(letters).await }).await;
        let done = self.done.load(Ordering::Relaxed);
        match (self.operation, &ended) {
            (Operation::Redrive, RedriveEnd::Finished) => {
                info!(target, redriven = done, "redrive finished");
            }
            (Operation::Redrive, RedriveEnd::Cancelled) => {
                info!(target, redriven = done, "redrive cancelled");
            }
            (Operation::Redrive, RedriveEnd::Failed { error }) => {
                warn!(target, redriven = done, error, "redrive failed");
            }
            (Operation::Delete, RedriveEnd::Finished) => {
                info!(target, reason, deleted = done, key, "dead letters deleted");
            }
            (Operation::Delete, RedriveEnd::Cancelled) => {
                info!(target, reason, deleted = done, key, "deletion cancelled");
            }
            (Operation::Delete, RedriveEnd::Failed { error }) => {
                warn!(
                    target,
                    reason,
                    deleted = done,
                    key,
                    error,
                    "failed to delete all dead letters"
                );
            }
        }
        // Before the end is seen.
        let _ = self.ended_at.set(Instant::now());
        *self.end() = Some(ended);
        self.has_ended.cancel();
    }

    async fn act(&self, letters: Letters) -> Result<RedriveEnd, QueueError> {
        match letters {
            Letters::Embedded(queue) => self.redrive(&queue).await,
            Letters::Sqs(sqs, messages) => {
                let (rate, cancel) = (self.rate.unwrap_or(0), &self.cancel);
                let which = (messages, rate);
                sqs.act(self.operation, which, &self.done, cancel).await
            }
        }
    }

    async fn redrive(&self, queue: &Embedded) -> Result<RedriveEnd, QueueError> {
        let (portion, pause) = portion(self.rate.unwrap_or(u32::MAX));
        let mut turns = interval(pause);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (key, until) = (&self.selection.key, moment(self.selection.until));
        let mut after = None;
        loop {
            // A step may find nothing, so this is looked at before each.
            if self.cancel.is_cancelled() {
                return Ok(RedriveEnd::Cancelled);
            }
            let step = queue.letters_of_group(key, until, after, CHUNK).await?;
            for letters in step.found.chunks(portion) {
                // Not within the writing, so that what is written is counted.
                tokio::select! {
                    _ = turns.tick() => {}
                    () = self.cancel.cancelled() => return Ok(RedriveEnd::Cancelled),
                }
                let redriven = queue.redrive_found(letters.to_vec()).await?;
                self.done.fetch_add(redriven, Ordering::Relaxed);
            }
            after = step.next;
            if after.is_none() {
                return Ok(RedriveEnd::Finished);
            }
        }
    }
}

/// Waits for the end of a redrive. A panic is one, too: otherwise the target could not be redriven again.
async fn end_of(
    redrive: impl Future<Output = Result<RedriveEnd, QueueError>> + Send + 'static,
) -> RedriveEnd {
    match tokio::spawn(redrive).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(QueueError(error))) => RedriveEnd::Failed { error },
        Err(panic) => RedriveEnd::Failed {
            error: panic.to_string(),
        },
    }
}

/// Returns how many are put back at once for that rate, and how long to wait between that.
fn portion(rate: u32) -> (usize, Duration) {
    let rate = rate.max(1);
    let count = (rate / PORTIONS).max(1);
    (count as usize, Duration::from_secs(1) * count / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redrive_that_panics_has_ended() {
        let ended = end_of(async { panic!("a bug") }).await;
        assert!(matches!(ended, RedriveEnd::Failed { .. }), "{ended:?}");
    }

    #[test]
    fn the_rate_is_kept_in_portions() {
        for (rate, count, millis) in [(1, 1, 1_000), (10, 1, 100), (25, 2, 80), (1_000, 100, 100)] {
            assert_eq!(portion(rate), (count, Duration::from_millis(millis)));
        }
        for rate in 1..=1_000 {
            let (count, pause) = portion(rate);
            let per_second = count as f64 / pause.as_secs_f64();
            assert!((per_second - f64::from(rate)).abs() < 0.01, "{rate}");
        }
    }
}
