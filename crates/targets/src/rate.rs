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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::{Delivery, DeliveryReport, Failure, Reason, Scope};

/// The share of requests that has to be accepted for the rate to rise; below it, the rate is halved. It is low because
/// others may share the quota, and the target may throttle at random: a lower rate of ours would change nothing then. Four
/// wasted requests for each accepted one are too many.
const MIN_ACCEPTED: f64 = 0.2;

/// Answers after which the rate is adapted. With half as many, three throttled in five by chance would halve it too often.
const WINDOW: u32 = 32;

/// A window ends early after so many responses that are all good (a target that is back is not kept waiting)...
const ALL_ACCEPTED: u32 = 4;

/// ...or all throttled.
const ALL_THROTTLED: u32 = 16;

/// The multiplicative decrease.
const DECREASE: f64 = 0.5;

/// The additive increase is the budget divided by this.
const STEPS: f64 = 20.0;

/// The lowest rate, in requests a second: next to nothing for a target, and enough to notice that it is back.
const MIN_RATE: f64 = 1.0;

/// Without a budget: the rate to begin with at the first decrease, which also sets the step, and the rate that counts as
/// unlimited.
const FIRST_RATE: f64 = 100.0;
const UNLIMITED: f64 = 1_000.0;

/// How much of the rate may be sent at once. The service counts by its own clock, and a burst of a whole second on top of a
/// steady rate would exceed the budget.
const BURST: Duration = Duration::from_millis(500);

/// A target that has accepted nothing for so long, or asks for a longer pause, is left to the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest pause, whatever the target asks for: the longest wait of the queue. Then one event tries again.
const MAX_PAUSE: Duration = Duration::from_secs(900);

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

/// What is known of the target. Pure: the time is passed in.
#[derive(Debug)]
struct State {
    /// The highest rate, in requests a second; infinite without a budget.
    budget: f64,
    /// The rate now, from [`MIN_RATE`] to the budget.
    rate: f64,
    /// When the last request was due. What is left of the burst counts from there.
    last_due: Instant,
    /// Until when the target asked not to be sent anything.
    paused_until: Instant,
    /// The responses of the current window.
    accepted: u32,
    throttled: u32,
    /// Below it, a good window doubles the rate: half of the rate at which the last series of bad windows began.
    slow_start_below: f64,
    /// Whether the last window was a bad one.
    is_falling: bool,
    /// Whether nothing was accepted in the last window.
    is_silent: bool,
    /// How many requests were ever accepted.
    all_accepted: u64,
    /// The first throttled request since the last accepted one.
    failing_since: Option<Instant>,
    /// When an event was last left to the queue, and why: those waiting since before need not ask again.
    last_give_up: Option<(Instant, Failure)>,
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

impl State {
    fn new(budget: f64, now: Instant) -> State {
        State {
            budget,
            rate: budget,
            last_due: now.checked_sub(BURST).unwrap_or(now),
            paused_until: now,
            accepted: 0,
            throttled: 0,
            slow_start_below: 0.0,
            is_falling: false,
            is_silent: false,
            all_accepted: 0,
            failing_since: None,
            last_give_up: None,
        }
    }

    /// Why an event that `arrived` then is left to the queue without a request, if it is.
    fn give_up(&self, arrived: Instant, now: Instant) -> Option<Failure> {
        if self.paused_until > now + PATIENCE {
            let message = "not tried: the target asked for a pause";
            return Some(Failure {
                after: Some(self.paused_until - now),
                ..Failure::new(Reason::Throttled, Scope::Target, message)
            });
        }
        let last = self.last_give_up.as_ref();
        last.filter(|(at, _)| *at >= arrived)
            .map(|(_, failure)| failure.clone())
    }

    /// When the next request may be sent.
    fn due(&self) -> Instant {
        (self.last_due + Duration::from_secs_f64(1.0 / self.rate)).max(self.paused_until)
    }

    fn on_sent(&mut self, now: Instant) {
        self.last_due = self.due().max(now.checked_sub(BURST).unwrap_or(now));
    }

    fn on_accepted(&mut self) {
        if self.is_silent && self.accepted == 0 {
            self.throttled = 0; // a new window: what was before the target came back says nothing
        }
        self.accepted += 1;
        self.all_accepted = self.all_accepted.wrapping_add(1);
        self.failing_since = None;
        self.last_give_up = None;
        self.adapt();
    }

    /// Returns whether another request is worthwhile soon.
    fn on_throttled(&mut self, failure: &Failure, now: Instant) -> bool {
        self.throttled += 1;
        self.adapt();
        let failing_since = *self.failing_since.get_or_insert(now);
        let pause = failure.after.map(|after| after.min(MAX_PAUSE));
        if let Some(pause) = pause {
            self.paused_until = self.paused_until.max(now + pause);
        }
        let retry = pause.is_none_or(|pause| pause <= PATIENCE) && now - failing_since < PATIENCE;
        if !retry {
            self.last_give_up = Some((now, failure.clone()));
        }
        retry
    }

    /// Ends the window, if it is complete, and adapts the rate to it.
    fn adapt(&mut self) {
        let (accepted, throttled) = (self.accepted, self.throttled);
        let answers = accepted + throttled;
        let base = if self.budget.is_finite() {
            self.budget
        } else {
            FIRST_RATE
        };
        let step = base / STEPS;
        // At the lowest rate several answers would take long. After nothing but throttling, one tells that the target is back;
        // of one that accepts a few, it tells nothing.
        let enough = match self.is_silent && self.rate <= MIN_RATE {
            true => 1,
            false => ALL_ACCEPTED,
        };
        let is_complete = throttled == 0 && accepted >= enough
            || accepted == 0 && throttled >= ALL_THROTTLED
            || answers >= WINDOW;
        if !is_complete {
            return;
        }
        let is_good = f64::from(accepted) >= MIN_ACCEPTED * f64::from(answers);
        if !is_good && !self.is_falling {
            self.slow_start_below = self.rate.min(UNLIMITED) * DECREASE;
        }
        (self.is_falling, self.is_silent) = (!is_good, accepted == 0);
        let rate = match (is_good, self.rate.is_finite()) {
            (true, _) if self.rate < self.slow_start_below => {
                let doubled = (2.0 * self.rate).min(self.slow_start_below);
                doubled.max(self.rate + step)
            }
            (true, _) => self.rate + step,
            (false, true) => self.rate * DECREASE,
            (false, false) => FIRST_RATE,
        };
        let rate = if rate > UNLIMITED {
            f64::INFINITY
        } else {
            rate
        };
        self.rate = rate.max(MIN_RATE).min(self.budget);
        (self.accepted, self.throttled) = (0, 0);
    }
}

#[cfg(test)]
mod tests;
