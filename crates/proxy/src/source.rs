//! A source of a running `serve`: polls regularly, sends what it finds to intake, and remembers how far it is.
//!
//! The position is written only after intake has answered for every event of a poll: each is accepted, was accepted before,
//! is set aside, or is rejected for good, which is logged and counted. If the process is killed in between, the same events are found
//! again, with the same identities, and queued once. A source that fails harms nobody else: it waits and tries again. What
//! a service says and what its bytes mean is decided in `fetch` and `sources`. Started by `topology.rs`; `lineage-proxy
//! extract` sends by [`Sender`] too.

mod aside;
mod pace;
mod report;
mod sender;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use fetch::{Checkpoint, FetchError, Fetched, ReadMessage, Source};
use serde_json::Value;
use sources::{Extraction, Identity};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::config::SourceConfig;
use crate::queue::Ledger;
use crate::telemetry::metric::Metric;

pub use report::report;
pub use sender::{SendReport, Sender, Tally};

use pace::Pace;

/// How long a step of a source may take: the longest statement of a warehouse takes minutes. A call that hangs is given up.
const STEP: Duration = Duration::from_secs(900);

/// What a source needs to run.
pub(crate) struct SourceTask {
    pub(crate) name: Arc<str>,
    pub(crate) source: Source,
    /// How long it waits after it has seen all there is.
    pub(crate) interval: Duration,
    pub(crate) ledger: Ledger,
    pub(crate) sender: Sender,
}

/// The position of a source that was written last, if its task knows it.
#[derive(Default)]
enum Position {
    /// It has to be read.
    #[default]
    Unknown,
    /// `None` if none was ever written.
    Known(Option<Value>),
}

/// Why a step was not completed.
enum Interruption {
    /// The source, the ledger or the queue is not available, or refuses.
    Failed(FetchError),
    /// The process stops.
    Stopped,
}

impl From<FetchError> for Interruption {
    fn from(error: FetchError) -> Interruption {
        Interruption::Failed(error)
    }
}

/// A source that polls when it is told to: that of a function.
pub struct SourcePoll(SourceTask);

impl std::fmt::Debug for SourcePoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SourcePoll").field(&self.0.name).finish()
    }
}

impl SourcePoll {
    /// Opens the source. Calls nothing yet.
    pub fn new(source: &SourceConfig, aws: &Aws, ledger: Ledger, sender: Sender) -> SourcePoll {
        SourcePoll(SourceTask {
            name: source.name.as_str().into(),
            source: source.kind.clone().open(aws),
            interval: source.interval,
            ledger,
            sender,
        })
    }

    /// Polls from where the source was, until there is no more, or until `deadline`. Returns whether there is no more.
    ///
    /// # Errors
    ///
    /// The source, the ledger or the queue is not available, or refuses, or nothing was completed until the deadline. What was
    /// found before is in the queue.
    pub async fn until(mut self, deadline: Instant) -> Result<bool, FetchError> {
        let (stop, _timer) = stop_at(deadline);
        let (mut position, mut is_begun) = (Position::default(), false);
        loop {
            let failure = match self.0.step(&mut position, &stop).await {
                Ok(true) => {
                    is_begun = true;
                    continue;
                }
                Ok(false) => return Ok(true),
                Err(Interruption::Stopped) if is_begun => return Ok(false),
                Err(Interruption::Stopped) => {
                    let why = "the time ended before a step was completed";
                    FetchError::Unavailable(why.to_owned())
                }
                Err(Interruption::Failed(failure)) => failure,
            };
            self.0.count_failure(&failure);
            return Err(failure);
        }
    }
}

impl SourceTask {
    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let source = self.name.clone();
        info!(%source, interval_seconds = self.interval.as_secs(), "source starts");
        let mut pace = Pace::new(self.interval);
        let mut position = Position::default();
        let mut is_failing = false;
        while !stop.is_cancelled() {
            let pause = match self.step(&mut position, &stop).await {
                Ok(more) => {
                    if is_failing {
                        info!(%source, "source recovered");
                        is_failing = false;
                    }
                    let now = OffsetDateTime::now_utc().unix_timestamp();
                    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
                    Metric::SourceLastSuccess.set([source.to_string().into()], now as f64);
                    pace.after_success(more)
                }
                Err(Interruption::Stopped) => break,
                Err(Interruption::Failed(failure)) => {
                    // What was written last counts, and not what is in memory.
                    position = Position::Unknown;
                    let pause = pace.after_failure(&failure);
                    is_failing = true;
                    self.report_failure(&failure, pause);
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        info!(%source, "source stopped");
    }

    /// Polls once, sends what was found, and writes the position. Returns whether there is more at once.
    /// After a step that failed, `position` is not known.
    async fn step(
        &mut self,
        position: &mut Position,
        stop: &CancellationToken,
    ) -> Result<bool, Interruption> {
        let cursor = match std::mem::take(position) {
            Position::Known(cursor) => cursor,
            Position::Unknown => self.read_position().await?,
        };
        let now = OffsetDateTime::now_utc();
        let next = tokio::time::timeout(STEP, self.source.next(cursor.as_ref(), now));
        let fetched = tokio::select! {
            fetched = next => fetched,
            () = stop.cancelled() => return Err(Interruption::Stopped),
        };
        let late = |_| FetchError::Unavailable(format!("no answer in {} s", STEP.as_secs()));
        let Fetched {
            extraction,
            checkpoint,
            more,
        } = fetched.map_err(late)??;
        let Extraction {
            events,
            findings,
            unread,
        } = extraction;
        report(&self.name, &findings);
        let sent = self.sender.send_until(events, unread, stop).await;
        sent.tally.count(&self.name);
        let kept = keeps_up(sent.tally);
        if let Checkpoint::Messages { read, unread } = &checkpoint
            && !matches!(kept, Err(Interruption::Stopped))
        {
            // What is left of one message is no reason to receive those beside it again, until they are dead letters.
            let messages = read.iter().chain(unread);
            self.source.taken(&done(messages, &sent.left)).await?;
        }
        kept?; // otherwise the position stays before them
        *position = Position::Known(match checkpoint {
            Checkpoint::None | Checkpoint::Messages { .. } => cursor,
            Checkpoint::Cursor(next) => {
                let written = self.ledger.advance(&self.name, next.to_string()).await;
                written.map_err(|error| FetchError::Unavailable(error.to_string()))?;
                Some(next)
            }
        });
        Ok(more)
    }

    async fn read_position(&self) -> Result<Option<Value>, FetchError> {
        let text = self.ledger.position(&self.name).await;
        let text = text.map_err(|error| FetchError::Unavailable(error.to_string()))?;
        parse_position(text.as_deref())
    }

    fn count_failure(&self, failure: &FetchError) {
        let (source, reason) = (self.name.to_string(), reason(failure));
        Metric::SourceErrors.add([source.into(), reason.into()], 1);
    }

    fn report_failure(&self, failure: &FetchError, pause: Duration) {
        let (source, reason) = (&self.name, reason(failure));
        self.count_failure(failure);
        let retry_seconds = pause.as_secs();
        match failure {
            FetchError::Unavailable(_) => {
                warn!(%source, reason, error = %failure, retry_seconds, "source poll failed, will retry");
            }
            FetchError::Refused(_) => {
                error!(%source, reason, error = %failure, retry_seconds, "source poll refused, will retry; a setting or a permission has to be changed");
            }
        }
    }
}

/// Whether the position may move over events and inputs: each is in the queue, set aside, or rejected for good.
fn keeps_up(sent: Tally) -> Result<(), Interruption> {
    match sent {
        Tally { unkept: 1.., .. } => {
            let why = "an event or an input cannot be read because of a bug, and cannot be set aside: the source stays before it";
            Err(Interruption::Failed(FetchError::Unavailable(
                why.to_owned(),
            )))
        }
        Tally { unsent: 1.., .. } => Err(Interruption::Stopped),
        Tally { .. } => Ok(()),
    }
}

/// The receipts of the messages of which nothing is left.
fn done<'m>(messages: impl Iterator<Item = &'m ReadMessage>, left: &HashSet<Uuid>) -> Vec<String> {
    let is_left = |part: &Identity| left.contains(&part.uuid());
    let done = messages.filter(|message| !message.parts.iter().any(is_left));
    done.map(|message| message.receipt.clone()).collect()
}

/// A stop that comes at a deadline, while its timer is kept.
fn stop_at(deadline: Instant) -> (CancellationToken, AbortOnDropHandle<()>) {
    let stop = CancellationToken::new();
    let timer = stop.clone();
    let timer = tokio::spawn(async move {
        tokio::time::sleep_until(deadline).await;
        timer.cancel();
    });
    (stop, AbortOnDropHandle::new(timer))
}

/// Reads a position as it was written. A damaged one is an error: to begin again silently would look like progress.
fn parse_position(text: Option<&str>) -> Result<Option<Value>, FetchError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let damaged = |error: serde_json::Error| {
        FetchError::Refused(format!(
            "the position of the source in sources.db is not JSON ({error}); delete its row in the table positions to let \
             it begin again"
        ))
    };
    serde_json::from_str(text).map(Some).map_err(damaged)
}

/// The name of a failure in metrics and logs.
fn reason(failure: &FetchError) -> &'static str {
    match failure {
        FetchError::Unavailable(_) => "unavailable",
        FetchError::Refused(_) => "refused",
    }
}

#[cfg(test)]
mod tests;
