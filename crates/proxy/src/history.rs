//! Records the outcomes of `serve` in the history, beside the delivery, and never in its way.
//!
//! `HistoryObserver` passes outcomes to `Recorder`, which writes them in groups. What does not fit between them is left out
//! and counted. A history that fails is closed, and opened again later; nothing else notices. Started by `topology.rs`; `admin`
//! reads what was recorded.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ::history::{Entry, Gap, History, Retention};
use journal::Claim;
use openlineage::{Event, Identity};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::pipeline::{Observer, Outcome, OutcomeRecord};
use crate::queue::{FailureLog, has_space, now};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::{NAME, shown};

/// The most outcomes that wait to be written.
const WAITING: usize = 16_384;

/// The most bytes of events that wait with them.
const WAITING_BYTES: usize = 64_000_000;

/// The most outcomes that are written at once.
const GROUP: usize = 256;

/// The pause between two groups that are not full: each ends with a sync of the disk, which delivery needs too.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the time of a group passes before the next one: the history takes a sixteenth of the time, and more only if a
/// group takes a third of a second, since ingest and delivery need the processors and the disk. That is some thousands of
/// outcomes a second; of a burst that is longer than what may wait, the rest is left out. Without a limit it took a quarter of
/// the requests that two processors can answer.
const SHARE: u32 = 15;

/// The longest pause: after a slow write, such as on a disk that another process syncs, what waits is not held up for minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often to look for events that are kept no longer, besides those that each group deletes.
const RETENTION: Duration = Duration::from_secs(60);

/// The pause between two steps of that.
const STEP: Duration = Duration::from_millis(100);

/// When a history that could not be opened, or has failed, is opened again.
const REOPEN: Duration = Duration::from_secs(60);

/// How long a reader waits until the history is open.
const OPENING: Duration = Duration::from_secs(2);

/// How long to wait until a file is saved that has failed, or closed.
const CLOSE: Duration = Duration::from_millis(500);

/// The history of a process while it is open, for those who read it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CurrentHistory(Arc<watch::Sender<Option<History>>>);

impl Default for CurrentHistory {
    fn default() -> CurrentHistory {
        CurrentHistory(Arc::new(watch::Sender::new(None)))
    }
}

impl CurrentHistory {
    /// Returns the history, if it is open or soon is: a large file is checked at the start.
    pub(crate) async fn opened(&self) -> Option<History> {
        let mut current = self.0.subscribe();
        let opened = current.wait_for(Option::is_some);
        timeout(OPENING, opened).await.ok()?.ok()?.clone()
    }

    fn get(&self) -> Option<History> {
        self.0.borrow().clone()
    }

    fn set(&self, history: Option<History>) {
        self.0.send_replace(history);
    }
}

/// An outcome on its way to the history, with the size of its events.
struct Waiting {
    record: OutcomeRecord,
    at: i64,
    size: usize,
}

/// What waits, and what did not fit. Shared by both ends.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    skipped: AtomicU64,
}

/// Passes outcomes on to the recorder, as far as they fit.
pub(crate) struct HistoryObserver {
    waiting: mpsc::Sender<Waiting>,
    backlog: Arc<Backlog>,
}

impl Observer for HistoryObserver {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        let mut skipped = 0;
        let at = now();
        for record in outcomes {
            let events = [&record.event, &record.delivered].into_iter().flatten();
            let size = events.map(|event| event.text().len()).sum();
            let waiting = self.backlog.bytes.fetch_add(size, Ordering::Relaxed);
            let fits = waiting + size <= WAITING_BYTES;
            let send = || {
                let record = record.clone();
                self.waiting.try_send(Waiting { record, at, size }).is_ok()
            };
            if !fits || !send() {
                self.backlog.bytes.fetch_sub(size, Ordering::Relaxed);
                skipped += 1;
            }
        }
        self.backlog.skip(skipped);
    }
}

impl Backlog {
    fn skip(&self, count: u64) {
        if count > 0 {
            self.skipped.fetch_add(count, Ordering::Relaxed);
            Metric::HistorySkipped.add([], count);
        }
    }
}

/// Writes outcomes to the history of a data folder.
pub(crate) struct Recorder {
    claim: Arc<Claim>,
    /// Whether the disk has more space than is kept for the log.
    has_space: fn(&Path) -> bool,
    retention: Retention,
    current: CurrentHistory,
    waiting: mpsc::Receiver<Waiting>,
    backlog: Arc<Backlog>,
    failures: FailureLog,
    /// When it is opened, if it is not open.
    open_at: Instant,
    forget_at: Instant,
}

/// A recorder at work.
pub(crate) struct RunningRecorder {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Creates a recorder for the folder that this process has claimed, and its observer. Nothing is opened yet.
    pub(crate) fn new(claim: Arc<Claim>, retention: Retention) -> (Recorder, HistoryObserver) {
        let (sender, waiting) = mpsc::channel(WAITING);
        let backlog = Arc::<Backlog>::default();
        let observer = HistoryObserver {
            waiting: sender,
            backlog: backlog.clone(),
        };
        let now = Instant::now();
        let recorder = Recorder {
            claim,
            has_space,
            retention,
            current: CurrentHistory::default(),
            waiting,
            backlog,
            failures: FailureLog::new(
                "the history cannot be written; events are delivered all the same",
            ),
            open_at: now,
            forget_at: now,
        };
        (recorder, observer)
    }

    /// The history that it writes to.
    pub(crate) fn current(&self) -> CurrentHistory {
        self.current.clone()
    }

    /// Starts to record.
    pub(crate) fn start(self) -> RunningRecorder {
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.run(stop.clone()));
        RunningRecorder { stop, task }
    }

    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.open().await;
            let step = async {
                let mut group = Vec::new();
                tokio::select! {
                    _ = self.waiting.recv_many(&mut group, GROUP) => {}
                    () = tokio::time::sleep_until(self.forget_at) => {}
                }
                group
            };
            let group = tokio::select! {
                group = step => group,
                () = stop.cancelled() => break,
            };
            let least = match group.len() == GROUP {
                true => Duration::ZERO,
                false => PAUSE,
            };
            let begun = Instant::now();
            self.write(group).await;
            self.forget().await;
            let pause = least.max(pause_after(begun.elapsed()));
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        self.finish().await;
    }

    /// Opens the history if it is time to.
    async fn open(&mut self) {
        if self.current.get().is_some() || Instant::now() < self.open_at {
            return;
        }
        self.open_at = Instant::now() + REOPEN;
        let claim = self.claim.clone();
        // The whole file is checked.
        match tokio::task::spawn_blocking(move || History::own(&claim)).await {
            Ok(Ok(history)) => self.current.set(Some(history)),
            Ok(Err(error)) => self.failures.record_failure(&error),
            Err(panic) => self.failures.record_failure(&panic),
        }
    }

    /// Writes a group, with what was left out before it.
    async fn write(&mut self, group: Vec<Waiting>) {
        let size = group.iter().map(|waiting| waiting.size).sum();
        self.backlog.bytes.fetch_sub(size, Ordering::Relaxed);
        let count = group.len() as u64;
        let Some(history) = self.current.get() else {
            return self.backlog.skip(count);
        };
        if !(self.has_space)(self.claim.folder()) {
            self.failures.record_failure(&"the disk is nearly full");
            return self.backlog.skip(count);
        }
        let skipped = self.backlog.skipped.swap(0, Ordering::Relaxed);
        if count == 0 && skipped == 0 {
            return;
        }
        let gap = (skipped > 0).then(|| Gap {
            at: now(),
            count: skipped,
        });
        let entries = move || group.into_iter().map(entry).collect();
        let recorded = history.record(entries, gap, self.retention, now());
        match recorded.await {
            Ok(()) => self.failures.record_recovery(),
            Err(error) => {
                self.backlog.skipped.fetch_add(skipped, Ordering::Relaxed);
                self.backlog.skip(count);
                self.failures.record_failure(&error);
                self.close_failed(history).await;
            }
        }
    }

    /// Closes a history that has failed for good; it is opened again later.
    async fn close_failed(&mut self, history: History) {
        if history.has_failed() {
            let _ = timeout(CLOSE, history.failed()).await; // until what could be saved is
            self.current.set(None);
            self.open_at = Instant::now() + REOPEN;
        }
    }

    /// Deletes a step of what is kept no longer, if it is time to.
    async fn forget(&mut self) {
        if Instant::now() < self.forget_at {
            return;
        }
        self.forget_at = Instant::now() + RETENTION;
        let Some(history) = self.current.get() else {
            return;
        };
        match history.forget(self.retention, now()).await {
            Ok(true) => self.forget_at = Instant::now() + STEP,
            Ok(false) => {}
            Err(error) => {
                self.failures.record_failure(&error);
                self.close_failed(history).await;
            }
        }
    }

    /// Writes what is left, and closes the file.
    async fn finish(mut self) {
        self.open().await; // at a stop right after the start
        self.waiting.close();
        loop {
            let mut group = Vec::new();
            if self.waiting.recv_many(&mut group, GROUP).await == 0 {
                break;
            }
            self.write(group).await;
        }
        if let Some(history) = self.current.get() {
            self.current.set(None);
            let closed = history.closed();
            drop(history);
            let _ = timeout(CLOSE, closed).await;
        }
    }
}

impl RunningRecorder {
    /// Writes what is left, as far as there is time, and ends. To be called when no outcome follows.
    pub(crate) async fn finish(self, time: Duration) {
        self.stop.cancel();
        let _ = timeout(time, self.task).await; // what it has not written is left out
    }
}

/// Returns how long nothing is written after a write that took so long.
fn pause_after(write: Duration) -> Duration {
    write.saturating_mul(SHARE).min(LONGEST_PAUSE)
}

/// Returns what is recorded of an outcome: the names that the target got, and nothing that a log line would not have.
fn entry(waiting: Waiting) -> Entry {
    let Waiting { record, at, .. } = waiting;
    let event = record.delivered.as_ref().or(record.event.as_ref());
    let named = |name: &Identity| Identity {
        namespace: shown(&name.namespace, NAME).into_owned(),
        name: shown(&name.name, NAME).into_owned(),
    };
    let mut rules: Vec<&str> = record.transform.changed_by.iter().map(|it| &**it).collect();
    let (outcome, reason, detail) = match &record.outcome {
        Outcome::Delivered { .. } => (::history::Outcome::Delivered, None, None),
        Outcome::Unchanged { reason } => (::history::Outcome::Unchanged, None, Some(reason)),
        Outcome::Dropped { rule } => {
            rules.push(rule);
            (::history::Outcome::Dropped, None, None)
        }
        Outcome::DeadLettered { reason, error } => (
            ::history::Outcome::DeadLettered,
            Some(reason.name()),
            Some(error),
        ),
        Outcome::Retry { reason, error, .. } => {
            (::history::Outcome::Retry, Some(reason.name()), Some(error))
        }
    };
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Entry {
        accepted_at: at.saturating_sub(record.age.map_or(0, milliseconds)),
        at,
        kind: record.event_type(),
        run: record.run_id(),
        job: event.and_then(Event::job).map(named),
        datasets: event.map_or_else(Vec::new, |event| {
            ::history::datasets(event.json())
                .iter()
                .map(named)
                .collect()
        }),
        size: record.size_bytes as u64,
        target: record.target.as_str().to_owned(),
        outcome,
        attempts: record.attempts,
        duration: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
        reason,
        detail: detail.map(|detail| shown(detail, NAME).into_owned()),
        rules: rules.into_iter().map(str::to_owned).collect(),
        merged: record.merged.clone(),
        id: record.id,
    }
}

#[cfg(test)]
mod tests;
