//! The rate at which a target is sent requests: never above its budget, and lower while it throttles.
//!
//! The rate follows AIMD (additive increase, multiplicative decrease), as TCP's congestion control, Vector's adaptive
//! concurrency and the adaptive retry mode of the AWS SDKs do
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>): it rises by a fixed step while answers
//! are good, and is halved when nearly all requests are throttled. After an outage it doubles up to half of what it was
//! before, as in TCP's slow start (<https://www.rfc-editor.org/rfc/rfc5681#section-3.1>): fixed steps from the lowest rate
//! would hold back for many seconds what has gathered. Requests are spaced by a GCRA with a short burst. The crate governor
//! has that algorithm for a quota that never changes; this one changes with each window of responses.
//!
//! A throttled request is sent again while there is time: a wait in the queue would be longer than the rate needs. It is
//! sent in its next turn, or, while the target accepts no other event either, later from attempt to attempt. Requests are
//! sent in the order in which they were made. Used by the targets behind a network; what a result other than throttling
//! means is up to the caller.

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::{Delivery, DeliveryReport, Failure, Reason, Scope};
pub use state::Pace;
use state::{PATIENCE, State};

/// The delay before the second attempt after a quick failure, and before the third one while the target accepts nothing. The
/// latter doubles from attempt to attempt, up to the longest: such an event is sent seven times within [`PATIENCE`], and once after it.
const RETRY_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// How soon a failure counts as quick.
const QUICK: Duration = Duration::from_secs(2);

/// The least time for a request: with less it would be abandoned while the target is working on it.
const MIN_TIME: Duration = Duration::from_secs(1);

/// Controls the rate of all requests to one target.
#[derive(Debug, Clone)]
pub(crate) struct RateController {
    /// One permit, granted in order of arrival and held while waiting.
    turn: Arc<Semaphore>,
    is_stopped: watch::Sender<bool>,
    state: Arc<Mutex<State>>,
}

impl RateController {
    /// Creates a controller with a budget in requests a second, or without one.
    pub(crate) fn new(budget: Option<u32>) -> RateController {
        RateController {
            turn: Arc::new(Semaphore::new(1)),
            is_stopped: watch::Sender::default(),
            state: Arc::new(Mutex::new(State::new(
                budget.map_or(f64::INFINITY, f64::from),
                Instant::now(),
            ))),
        }
    }

    /// Sends requests until one is answered with something other than throttling, or no time is left. `send` is given the
    /// time that is left.
    pub(crate) async fn deliver<F>(
        &self,
        deadline: Instant,
        send: impl Fn(Duration) -> F + Send,
    ) -> DeliveryReport
    where
        F: Future<Output = Delivery> + Send,
    {
        let (mut report, arrived) = (DeliveryReport::default(), Instant::now());
        let mut refusals = Refusals::default();
        loop {
            if let Err(paused) = self.wait(arrived, deadline).await {
                // What the target answered says more than that no time was left. It concerns this event alone: the others
                // make their own requests.
                let failure = match report.delivery.take() {
                    Some(Delivery::Transient(failure)) => Some(Failure {
                        scope: Scope::Event,
                        after: failure.after.or(Some(PATIENCE)),
                        ..failure
                    }),
                    Some(_) | None => paused,
                };
                report.delivery = failure.map(Delivery::Transient);
                return report;
            }
            let sent = Instant::now();
            let delivery = send(deadline.saturating_duration_since(sent)).await;
            let now = Instant::now();
            report.attempts += 1;
            let retry = match &delivery {
                Delivery::Transient(failure) if is_throttling(failure) => {
                    report.throttled += 1;
                    let (retry, all_accepted) = {
                        let mut state = self.state();
                        (state.on_throttled(failure, now), state.all_accepted)
                    };
                    let delay = refusals.add(all_accepted);
                    if retry && !delay.is_zero() {
                        self.sleep_until((now + delay).min(deadline)).await;
                    }
                    retry
                }
                Delivery::Transient(failure) => {
                    let is_quick = failure.reason == Reason::Unavailable && now - sent < QUICK;
                    let retry = is_quick && report.attempts == 1;
                    if retry {
                        self.sleep_until(now + RETRY_DELAY).await;
                    }
                    retry
                }
                Delivery::Delivered { .. }
                | Delivery::AlreadyThere
                | Delivery::Unchanged { .. }
                | Delivery::Permanent(_) => {
                    self.state().on_accepted();
                    false
                }
            };
            report.delivery = Some(delivery);
            if !retry {
                return report;
            }
        }
    }

    /// Returns the pace of requests at `now`.
    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.state().pace(now)
    }

    /// Ends all waiting, now and later.
    pub(crate) fn stop(&self) {
        self.turn.close();
        self.is_stopped.send_replace(true);
    }

    /// Waits until a request may be sent for an event that `arrived` then. Fails if there is no time for a request; with a
    /// failure if the target asked for a pause, or has accepted nothing for too long.
    async fn wait(&self, arrived: Instant, deadline: Instant) -> Result<(), Option<Failure>> {
        let deadline = deadline.checked_sub(MIN_TIME).unwrap_or(deadline);
        let Ok(Ok(_turn)) = timeout_at(deadline, self.turn.acquire()).await else {
            return Err(None);
        };
        loop {
            let now = Instant::now();
            let due = {
                let mut state = self.state();
                if let Some(failure) = state.give_up(arrived, now) {
                    return Err(Some(failure));
                }
                let due = state.due();
                if due <= now && now < deadline {
                    state.on_sent(now);
                    return Ok(());
                }
                due
            };
            // Both: a turn may be granted at the deadline, and then waiting for what is due already would never end.
            if due >= deadline || now >= deadline {
                return Err(None);
            }
            self.sleep_until(due).await; // then check again: another response may have arrived
            if *self.is_stopped.borrow() {
                return Err(None);
            }
        }
    }

    /// Sleeps until then, or until it is stopped.
    async fn sleep_until(&self, at: Instant) {
        let mut is_stopped = self.is_stopped.subscribe();
        let stopped = is_stopped.wait_for(|is_stopped| *is_stopped);
        let _ = timeout_at(at, stopped).await; // the caller looks which it was
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often an event was throttled while the target accepted no other.
#[derive(Debug, Default)]
struct Refusals {
    count: u32,
    all_accepted: u64,
}

impl Refusals {
    /// Adds one, and returns how long the event waits before its next turn. Not while others are accepted: then the rate is
    /// what has to change.
    fn add(&mut self, all_accepted: u64) -> Duration {
        if self.count == 0 || self.all_accepted != all_accepted {
            (self.count, self.all_accepted) = (1, all_accepted);
            return Duration::ZERO;
        }
        let delay = RETRY_DELAY * 2u32.saturating_pow(self.count.saturating_sub(1).min(16));
        self.count = self.count.saturating_add(1);
        delay.min(LONGEST_DELAY)
    }
}

/// Whether the target would accept nothing now, whatever it is sent.
fn is_throttling(failure: &Failure) -> bool {
    failure.scope == Scope::Target
        && matches!(failure.reason, Reason::Throttled | Reason::Unavailable)
}

#[cfg(test)]
mod tests;
