//! What is known of a target from its responses, and what follows: the rate, and when the next request may be sent. Pure:
//! the time is passed in.
//!
//! Waiting for it is in `rate.rs`, which also gives the reasons for the algorithm.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, Reason, Scope};

/// The share of requests that has to be accepted for the rate to rise; below it, the rate is halved. It is low because
/// others may share the quota, and the target may throttle at random: a lower rate of ours would change nothing then. Four
/// wasted requests for each accepted one are too many.
const MIN_ACCEPTED: f64 = 0.2;

/// Answers after which the rate is adapted. With half as many, three throttled in five by chance would halve it too often.
pub(super) const WINDOW: u32 = 32;

/// A window ends early after so many responses that are all good (a target that is back is not kept waiting)...
pub(super) const ALL_ACCEPTED: u32 = 4;

/// ...or all throttled.
const ALL_THROTTLED: u32 = 16;

/// The multiplicative decrease.
const DECREASE: f64 = 0.5;

/// The additive increase is the budget divided by this.
pub(super) const STEPS: f64 = 20.0;

/// The lowest rate, in requests a second: next to nothing for a target, and enough to notice that it is back.
pub(super) const MIN_RATE: f64 = 1.0;

/// Without a budget: the rate to begin with at the first decrease, which also sets the step, and the rate that counts as
/// unlimited.
const FIRST_RATE: f64 = 100.0;
const UNLIMITED: f64 = 1_000.0;

/// How much of the rate may be sent at once. The service counts by its own clock, and a burst of a whole second on top of a
/// steady rate would exceed the budget.
pub(super) const BURST: Duration = Duration::from_millis(500);

/// A target that has accepted nothing for so long, or asks for a longer pause, is left to the queue.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The longest pause, whatever the target asks for: the longest wait of the queue. Then one event tries again.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(900);

/// How fast a target is sent requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The most requests a second, if there is a limit.
    pub budget: Option<f64>,
    /// The most requests a second for now, if there is a limit: lower than the budget after throttling.
    pub rate: Option<f64>,
    /// Whether the last request was refused: throttled, or the target takes nothing.
    pub is_refusing: bool,
    /// How much longer the target asked to be sent nothing.
    pub paused: Option<Duration>,
}

/// What is known of the target.
#[derive(Debug)]
pub(super) struct State {
    /// The highest rate, in requests a second; infinite without a budget.
    budget: f64,
    /// The rate now, from [`MIN_RATE`] to the budget.
    pub(super) rate: f64,
    /// When the last request was due. What is left of the burst counts from there.
    last_due: Instant,
    /// Until when the target asked not to be sent anything.
    pub(super) paused_until: Instant,
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
    pub(super) all_accepted: u64,
    /// The first throttled request since the last accepted one.
    failing_since: Option<Instant>,
    /// When an event was last left to the queue, and why: those waiting since before need not ask again.
    pub(super) last_give_up: Option<(Instant, Failure)>,
}

impl State {
    pub(super) fn new(budget: f64, now: Instant) -> State {
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

    /// How fast the target is sent requests at `now`.
    pub(super) fn pace(&self, now: Instant) -> Pace {
        let paused = self.paused_until.saturating_duration_since(now);
        Pace {
            budget: self.budget.is_finite().then_some(self.budget),
            rate: self.rate.is_finite().then_some(self.rate),
            is_refusing: self.failing_since.is_some(),
            paused: (!paused.is_zero()).then_some(paused),
        }
    }

    /// Why an event that `arrived` then is left to the queue without a request, if it is.
    pub(super) fn give_up(&self, arrived: Instant, now: Instant) -> Option<Failure> {
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
    pub(super) fn due(&self) -> Instant {
        (self.last_due + Duration::from_secs_f64(1.0 / self.rate)).max(self.paused_until)
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
        self.last_due = self.due().max(now.checked_sub(BURST).unwrap_or(now));
    }

    pub(super) fn on_accepted(&mut self) {
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
    pub(super) fn on_throttled(&mut self, failure: &Failure, now: Instant) -> bool {
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
