//! Records the outcomes of `serve` in the history, beside the delivery, and never in its way.
//!
//! `HistoryObserver` passes outcomes to `Recorder`, which writes them in groups. What does not fit between them is left out
//! and counted. A history that fails is closed, and opened again later; nothing else notices. Started by `topology.rs`; `admin`
//! reads what was recorded.

mod current;
mod entry;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use ::history::{Gap, History, Recording, Retention};
use journal::Claim;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::entry::entry;
use crate::pipeline::{Observer, OutcomeRecord};
use crate::queue::{FailureLog, has_space, now};
use crate::telemetry::metric::Metric;
pub use current::CurrentHistory;

/// The most outcomes that wait to be written.
const WAITING: usize = 16_384;

/// The most bytes of events that wait with them.
const WAITING_BYTES: usize = 64_000_000;

/// The most outcomes that are written at once.
const GROUP: usize = 256;

/// The pause between two groups that are not full: each ends with a sync of the disk, which delivery needs too.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the time of a group passes before the next one: the history takes an eighth of the time, since ingest and delivery need the
/// processors and the disk. A full group of 3 KB events takes some 20 to 35 ms with its lineage (docs/benchmarks.md): that is some
/// 1,000 outcomes a second. Without a limit it took a quarter of the requests that two processors can answer.
const SHARE: u32 = 7;
/// The same while more comes than an eighth of the time is enough for: a 64th. Of a flood the history has a part only, whatever it takes.
const SHARE_OF_FLOOD: u32 = 63;

/// The longest pause: after a slow write, such as on a disk that another process syncs, what waits is not held up for minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often to look for events that are kept no longer, besides those that each group deletes.
const RETENTION: Duration = Duration::from_secs(60);
/// The pause between two steps of that.
const STEP: Duration = Duration::from_millis(100);

/// The least time between two log lines that tell what was left out.
const TELL: Duration = Duration::from_secs(60);

/// When a history that could not be opened, or has failed, is opened again.
const REOPEN: Duration = Duration::from_secs(60);

/// How long to wait until a file is saved that has failed, or closed.
const CLOSE: Duration = Duration::from_millis(500);

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
    /// Those of the skipped ones for which there was no room, and that no log line has told yet.
    untold: AtomicU64,
    /// Those for which there was no room since the last group.
    unfit: AtomicU64,
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
            match self.waiting.try_reserve() {
                // Copied only now: of a flood most outcomes have no place.
                Ok(place) if waiting + size <= WAITING_BYTES => {
                    let record = record.clone();
                    place.send(Waiting { record, at, size });
                }
                Ok(_) | Err(_) => {
                    self.backlog.bytes.fetch_sub(size, Ordering::Relaxed);
                    skipped += 1;
                }
            }
        }
        self.backlog.untold.fetch_add(skipped, Ordering::Relaxed);
        self.backlog.unfit.fetch_add(skipped, Ordering::Relaxed);
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
    /// The first target that is configured.
    first_target: Arc<str>,
    current: CurrentHistory,
    /// What waits for the first target. It outlives a file that fails.
    recording: Recording,
    waiting: mpsc::Receiver<Waiting>,
    backlog: Arc<Backlog>,
    failures: FailureLog,
    /// Of how many events the lineage was left out, which no log line has told yet.
    untold_lineages: u64,
    /// When the next line may tell what was left out.
    tell_at: Instant,
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
    pub(crate) fn new(
        claim: Arc<Claim>,
        retention: Retention,
        first_target: &str,
    ) -> (Recorder, HistoryObserver) {
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
            first_target: first_target.into(),
            current: CurrentHistory::default(),
            recording: Recording::default(),
            waiting,
            backlog,
            failures: FailureLog::new(
                "the history cannot be written; events are delivered all the same",
            ),
            untold_lineages: 0,
            tell_at: now,
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
        let mut last_group = Instant::now();
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
            let since = begun.duration_since(std::mem::replace(&mut last_group, begun));
            let unfit = self.backlog.unfit.swap(0, Ordering::Relaxed);
            self.write(group).await;
            self.forget().await;
            if Instant::now() >= self.tell_at {
                self.tell();
            }
            let pause = least.max(pause_after(begun.elapsed(), since, unfit));
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
        let (claim, recording) = (self.claim.clone(), self.recording.clone());
        // The whole file is checked.
        match tokio::task::spawn_blocking(move || History::own_with(&claim, recording)).await {
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
        let first_target = self.first_target.clone();
        let entries = move || {
            let entries = group.into_iter();
            entries.map(|it| entry(it, &first_target)).collect()
        };
        let recorded = history.record(entries, gap, self.retention, now());
        match recorded.await {
            Ok(()) => {
                self.failures.record_recovery();
                self.count_left_out(&history);
            }
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
            Ok(may_be_more) => {
                if may_be_more {
                    self.forget_at = Instant::now() + STEP;
                }
                self.count_left_out(&history);
            }
            Err(error) => {
                self.failures.record_failure(&error);
                self.close_failed(history).await;
            }
        }
    }

    /// Counts the events whose lineage the history left out.
    fn count_left_out(&mut self, history: &History) {
        let left_out = history.take_left_out();
        if left_out > 0 {
            Metric::HistoryLineageSkipped.add([], left_out);
            self.untold_lineages += left_out;
        }
    }

    /// Logs what was left out, if anything was: the outcomes for which there was no room, and the events whose lineage was too much
    /// at once.
    fn tell(&mut self) {
        let outcomes = self.backlog.untold.swap(0, Ordering::Relaxed);
        let lineages = std::mem::take(&mut self.untold_lineages);
        if outcomes > 0 || lineages > 0 {
            self.tell_at = Instant::now() + TELL;
            warn!(
                outcomes,
                lineages,
                "the history left out what came too fast; events are delivered all the same"
            );
        }
    }

    /// Writes what is left, and closes the file.
    async fn finish(mut self) {
        // At a stop right after the start, or after the file has failed.
        self.open_at = Instant::now();
        self.open().await;
        self.waiting.close();
        loop {
            let mut group = Vec::new();
            if self.waiting.recv_many(&mut group, GROUP).await == 0 {
                break;
            }
            self.write(group).await;
        }
        if let Some(history) = self.current.get() {
            // What is left of the disk is for the log.
            if (self.has_space)(self.claim.folder()) {
                match history.settle(now()).await {
                    Ok(()) => self.count_left_out(&history),
                    Err(error) => self.failures.record_failure(&error),
                }
            }
            self.tell();
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

/// Returns how long nothing is written after a write that took so long. Since the last group began a time has passed in which `unfit`
/// outcomes found no room.
fn pause_after(write: Duration, since: Duration, unfit: u64) -> Duration {
    let pause = |share| write.saturating_mul(share).min(LONGEST_PAUSE);
    // Whether so many would have been written in that time without a flood. That there was no room may be for the pause of one.
    let came = GROUP as u128 + u128::from(unfit);
    let round = write.saturating_add(pause(SHARE)).as_nanos();
    let is_flood = unfit > 0 && came * round > GROUP as u128 * since.as_nanos();
    pause(match is_flood {
        true => SHARE_OF_FLOOD,
        false => SHARE,
    })
}

#[cfg(test)]
mod tests;
