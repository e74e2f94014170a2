//! Runs the parts of a replay until everything has ended, or it is to stop.

use std::sync::Arc;
use std::time::Duration;

use ::transform::Transforms;
use indicatif::{ProgressBar, ProgressStyle};
use proxy::queue::{DoneEvent, MemoryLimits};
use proxy::replay::Replay;
use proxy::serve::ShutdownSignal;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::feed::Feed;
use super::origin::ReplayOrigin;
use super::record::Recorder;
use super::report::{Counts, Report};
use super::settings::{Destination, Way};
use super::{Arguments, End, FOUND, ReplayError, range};

/// The events that are on their way.
const LIMITS: MemoryLimits = MemoryLimits {
    events: 2_000,
    bytes: 64_000_000,
    per_second: None,
};

/// How long a replay goes on although nothing is accepted: at first, when the target may be the wrong one, and later, when it
/// may be restarted. The longest wait between two attempts is 15 minutes.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Reads and delivers until everything has ended, or the replay is to stop.
pub(super) async fn deliver(
    arguments: &Arguments,
    origin: ReplayOrigin,
    destination: &Destination,
    feed: Feed,
    recorder: Recorder,
    transforms: Transforms,
) -> anyhow::Result<End> {
    let mut shutdown = ShutdownSignal::listen()?;
    let report = feed.shared.report.clone();
    let limits = MemoryLimits {
        per_second: arguments.rate,
        ..LIMITS
    };
    let (replay, done) = start(destination, transforms, limits, &report).await?;
    let mut recording = tokio::spawn(recorder.run(done));
    let mut has_recorded = false;
    let range = range(&feed, &origin);
    let (out, found) = mpsc::channel(FOUND);
    let reading = tokio::spawn(origin.read(range, out));
    let queue = replay.queue().clone();
    let bar = bar();
    let end = {
        let feeding = async {
            feed.run(found, &queue).await?;
            reading.await??;
            queue.drained().await;
            anyhow::Ok(())
        };
        tokio::pin!(feeding);
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                fed = &mut feeding => break fed.map(|()| End::Complete),
                recorded = &mut recording => {
                    has_recorded = true;
                    break Err(not_recorded(recorded?).into());
                }
                () = shutdown.recv() => break Ok(End::Interrupted),
                _ = tick.tick() => {
                    show(&bar, &report, queue.len());
                    if is_hopeless(&report.counts(), queue.len()) {
                        break Ok(End::NotAccepted);
                    }
                }
            }
        }
    };
    drop(queue);
    replay.stop().await;
    bar.finish_and_clear();
    if !has_recorded && let recorded @ Err(_) = recording.await? {
        return Err(not_recorded(recorded).into());
    }
    end
}

/// Begins to deliver, or to send to the queue of a stack.
async fn start(
    destination: &Destination,
    transforms: Transforms,
    limits: MemoryLimits,
    report: &Report,
) -> anyhow::Result<(Replay, UnboundedReceiver<DoneEvent>)> {
    match &destination.to {
        Way::Target(to) => {
            let observer = Arc::new(report.clone());
            let (config, pipeline) = (&to.config, &to.pipeline);
            Ok(Replay::start(config, pipeline, transforms, limits, observer).await?)
        }
        Way::Queue(queue) => {
            let report = report.clone();
            let report = Arc::new(move |enqueued| report.enqueued(enqueued));
            Ok(Replay::into_queue(queue.open().await, limits, report))
        }
    }
}

/// Why nothing more can be recorded: a full disk, for example.
fn not_recorded(recorded: Result<(), String>) -> ReplayError {
    ReplayError(
        recorded
            .err()
            .unwrap_or_else(|| "the queue is closed".to_owned()),
    )
}

/// Whether events wait, and no attempt has succeeded for long.
fn is_hopeless(counts: &Counts, waiting: usize) -> bool {
    let patience = match counts.has_ended {
        true => PATIENCE,
        false => FIRST_PATIENCE,
    };
    let failing_since = counts.failing_since.filter(|_| waiting > 0);
    failing_since.is_some_and(|since| since.elapsed() > patience)
}

/// A line of progress. It hides itself without a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, report: &Report, waiting: usize) {
    let counts = report.counts();
    let mut message = format!("{}, {waiting} waiting", counts.text());
    if let (true, Some(error)) = (waiting > 0, &counts.last_error) {
        message += &format!("; last error: {error}");
    }
    bar.set_message(message);
    bar.tick();
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_target_accepts_nothing_if_attempts_have_failed_for_long_since_the_last_that_succeeded() {
        let ago = |time: Duration| Instant::now().checked_sub(time + Duration::from_secs(1));
        for (has_ended, failing_since, waiting, expected) in [
            (false, ago(FIRST_PATIENCE), 1, true),
            (false, ago(Duration::ZERO), 1, false),
            (true, ago(FIRST_PATIENCE), 1, false),
            (true, ago(PATIENCE), 1, true),
            (true, ago(PATIENCE), 0, false),
            (true, None, 1, false),
        ] {
            let mut counts = Counts::default();
            (counts.has_ended, counts.failing_since) = (has_ended, failing_since);
            assert_eq!(is_hopeless(&counts, waiting), expected, "{counts:?}");
        }
    }
}
