//! The worker: takes batches out of the queue, as long as it is not told to stop.
//!
//! Batches overlap, so that a few slow events do not hold up the others; what is taken first of a run goes first
//! (`pipeline/order.rs`). A panic ends a batch and not the worker: its events then go one by one, so that the one on which
//! something panics harms itself alone. Started and supervised by `serve.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::PAUSE;
use crate::config::{self, Config};
use crate::pipeline::{self, CoalesceBuffer, InFlightBatch, Pipeline, Report};
use crate::queue::{FailureLog, Queue, Record, Settlement};
use crate::telemetry::STOP;

/// Batches under way at once at most. The next one begins while a few events of the last ones are slow (a look-up, a
/// post that is not answered), and not before: what waits in the queue is not counted as a try.
const BATCHES: usize = 4;

/// How long a stop waits for answers of the target: with what is done after it, less than all of the stop.
const PATIENCE: Duration = Duration::from_secs(4);

/// What takes batches out of the queue.
pub(super) struct Worker {
    line: Line,
    config: Config,
    stop: CancellationToken,
    hold: CoalesceBuffer,
    trouble: FailureLog,
    /// For events in hand: a batch, and some that are slow.
    room: Arc<Semaphore>,
    running: JoinSet<()>,
}

/// What a batch goes through.
#[derive(Clone)]
struct Line {
    batch: Arc<Pipeline>,
    queue: Queue,
    watcher: Option<mpsc::UnboundedSender<Report>>,
}

impl Worker {
    pub(super) fn new(
        batch: Arc<Pipeline>,
        queue: Queue,
        config: Config,
        stop: CancellationToken,
        watcher: Option<mpsc::UnboundedSender<Report>>,
        hold: CoalesceBuffer,
    ) -> Worker {
        let room = config.batch.size + config.batch.size.div_ceil(2);
        Worker {
            line: Line {
                batch,
                queue,
                watcher,
            },
            config,
            stop,
            hold,
            trouble: FailureLog::new("cannot read the queue"),
            room: Arc::new(Semaphore::new(room)),
            running: JoinSet::new(),
        }
    }

    /// One that has nothing in hand yet.
    pub(super) fn anew(&self) -> Worker {
        let Line {
            batch,
            queue,
            watcher,
        } = self.line.clone();
        let (config, stop) = (self.config.clone(), self.stop.clone());
        Worker::new(batch, queue, config, stop, watcher, self.hold.anew())
    }

    pub(super) async fn work(mut self) {
        let mut left = Vec::new();
        while let Some(room) = self.room().await {
            let config::Batch { size, window, .. } = self.config.batch;
            let received = self.line.queue.receive(size, window, &self.stop).await;
            if received.is_ok() {
                self.trouble.record_recovery();
            }
            match received {
                Ok(records) if self.stop.is_cancelled() => left = records,
                Ok(records) if records.is_empty() && !self.hold.is_due() => {
                    self.line.batch.rules.refresh().await;
                }
                Ok(records) => self.handle(records, room).await,
                Err(error) => {
                    self.trouble.record_failure(&error);
                    if self.hold.is_due() {
                        self.handle(Vec::new(), room).await;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = self.stop.cancelled() => {}
                    }
                }
            }
        }
        self.line.batch.stop();
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            // A target that hangs: its events go back, as long as there is time to say so.
            self.line.batch.cut_off();
            while self.running.join_next().await.is_some() {}
        }
        self.hand_back(left).await;
    }

    /// Room for a batch, as soon as there is; nothing when told to stop.
    async fn room(&mut self) -> Option<OwnedSemaphorePermit> {
        let size = u32::try_from(self.config.batch.size).unwrap_or(u32::MAX);
        loop {
            while self.running.try_join_next().is_some() {}
            let full = self.running.len() >= BATCHES;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                _ = self.running.join_next(), if full => {}
                room = self.room.clone().acquire_many_owned(size), if !full => return room.ok(),
            }
        }
    }

    async fn handle(&mut self, records: Vec<Record>, mut room: OwnedSemaphorePermit) {
        // What is not done when the visibility time-out is over would be received again beside us.
        let visible = self.config.queue.visibility_timeout();
        let time = visible
            .saturating_sub(self.hold.longest())
            .saturating_sub(pipeline::MARGIN);
        let deadline = Instant::now() + time;
        drop(room.split(room.num_permits().saturating_sub(records.len())));
        let again = self.hold.anew();
        let mut hold = std::mem::replace(&mut self.hold, again);
        let (line, taking) = (self.line.clone(), records.clone());
        let taking = tokio::spawn(async move {
            let taken = pipeline::take(&line.batch, &line.queue, &mut hold, taking, deadline).await;
            (taken, hold)
        });
        let line = self.line.clone();
        match taking.await {
            Ok((taken, hold)) => {
                self.hold = hold;
                let taken = taken.with_room(room);
                self.running.spawn(async move { line.finish(taken).await });
            }
            Err(panic) => {
                // What was held comes again when its time out of sight is over.
                self.running
                    .spawn(async move { line.one_by_one(&panic, records, deadline).await });
            }
        }
    }

    /// What was taken and not begun, and what is held, is somebody else's now, or ours after the next start.
    async fn hand_back(&mut self, left: Vec<Record>) {
        let held: Vec<Record> = self.hold.drain().into_iter().chain(left).collect();
        let again = |record| (record, Settlement::Retry(Duration::ZERO));
        let held: Vec<_> = held.iter().map(again).collect();
        self.line.settle(&held).await;
    }
}

impl Line {
    async fn finish(&self, taken: InFlightBatch) {
        let (records, deadline) = (taken.records(), taken.deadline());
        let line = self.clone();
        let finishing = async move { pipeline::finish(&line.batch, &line.queue, taken).await };
        match tokio::spawn(finishing).await {
            Ok(report) => self.tell(report),
            Err(panic) => self.one_by_one(&panic, records, deadline).await,
        }
    }

    async fn one_by_one(&self, panic: &JoinError, records: Vec<Record>, deadline: Instant) {
        error!(error = %panic, "a batch ended in a panic; its events go one by one");
        self.batch.not_told(&records);
        let run = |record: Record| {
            let line = self.clone();
            async move {
                let mut hold = CoalesceBuffer::nothing();
                pipeline::run(&line.batch, &line.queue, &mut hold, vec![record], deadline).await
            }
        };
        for (record, ended) in each_alone(records, run).await {
            match ended {
                Ok(report) => self.tell(report),
                Err(panic) => {
                    error!(id = record.id, error = %panic, "an event ended in a panic");
                    let settlement = pipeline::after_panic(&record, self.batch.max_receives);
                    self.settle(&[(&record, settlement)]).await;
                }
            }
        }
    }

    async fn settle(&self, records: &[(&Record, Settlement)]) {
        for answer in self.queue.settle(records, Instant::now() + STOP).await {
            if let Err(error) = answer {
                warn!(%error, "not handed back: the event will come again later");
            }
        }
    }

    fn tell(&self, report: Report) {
        if let Some(watcher) = &self.watcher {
            let _ = watcher.send(report); // it may have seen enough
        }
    }
}

/// Runs each by itself, one after another. A panic is the end of that one alone.
async fn each_alone<F>(
    records: Vec<Record>,
    run: impl Fn(Record) -> F,
) -> Vec<(Record, Result<F::Output, JoinError>)>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut ended = Vec::new();
    for record in records {
        let running = tokio::spawn(run(record.clone()));
        ended.push((record, running.await));
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_event_on_which_something_panics_harms_no_other() {
        let records = ["a", "b", "c"].map(|id| Record::unqueued(id.to_owned()));
        let run = async |record: Record| {
            assert!(record.id != "b", "a bug");
            record.id
        };
        let ended = each_alone(records.to_vec(), run).await;
        let ended: Vec<_> = ended
            .into_iter()
            .map(|(record, ended)| (record.id, ended.ok()))
            .collect();
        let expected = [("a", Some("a")), ("b", None), ("c", Some("c"))];
        assert_eq!(
            ended,
            expected.map(|(id, ended)| (id.to_owned(), ended.map(str::to_owned)))
        );
    }
}
