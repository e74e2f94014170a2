//! The health of the target: whether it is down, since when and why, and when it has recovered.
//!
//! While a target is down every attempt fails. An operator wants one line when it goes down, one now and then, and one
//! when it has recovered. A single failure is not an outage, and a single response is not a recovery: both have to last.
//! Pure: the caller passes the time. `pipeline/run.rs` records each attempt; `pipeline/observe/log.rs` logs the notices.

use std::time::Duration;

use targets::{Delivery, Failure, Reason, Scope};
use tokio::time::Instant;

/// How long failures or responses have to last before the state changes: longer than a restart behind a load balancer.
const LASTING: Duration = Duration::from_secs(2);

/// How many different events have to fail in a row, where the event may be the cause of each failure.
const EVENTS: u32 = 3;

/// The time between two notices while the target is down.
const REMINDER: Duration = Duration::from_secs(60);

/// The health of one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    state: State,
    /// Whether the target has ever accepted or rejected an event. One that has not is down at its first failure: it is
    /// most likely configured wrongly.
    answered: bool,
    /// When the target took an event last.
    last_delivery: Option<Instant>,
}

/// Whether a target takes events, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHealth {
    /// Nothing is known against it.
    Up,
    /// Attempts fail, but it may be for the events.
    Failing {
        /// Since so long ago.
        ago: Duration,
        /// How many have failed.
        failures: u64,
    },
    /// It takes nothing.
    Down {
        /// Since so long ago.
        ago: Duration,
        /// How many attempts have failed.
        failures: u64,
        /// Why, as a code.
        reason: Reason,
        /// Why, for a person.
        error: String,
    },
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Up,
    /// Attempts fail; the target may be down.
    Failing {
        since: Instant,
        failures: u64,
        /// How many different events failed.
        events: u32,
        /// The id of the last of them.
        last: String,
    },
    Down {
        since: Instant,
        failures: u64,
        cause: Cause,
        noticed_at: Instant,
        /// When it responded again, if it has.
        recovering_since: Option<Instant>,
    },
}

/// Why a target is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// As a code.
    pub(super) reason: Reason,
    /// For a person.
    pub(super) error: String,
}

/// A change of the target's health, or a reminder of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// The target is down, since that long ago.
    Down { ago: Duration, cause: Cause },
    /// The target is still down.
    StillDown {
        ago: Duration,
        failures: u64,
        cause: Cause,
    },
    /// The target accepts events again.
    Recovered { down: Duration, failures: u64 },
}

impl Health {
    /// Whether the last notice reported the target as down.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    /// Returns what is known of the target, and how long ago it took an event last.
    pub(super) fn describe(&self, now: Instant) -> (TargetHealth, Option<Duration>) {
        let ago = |since: &Instant| now.saturating_duration_since(*since);
        let health = match &self.state {
            State::Up => TargetHealth::Up,
            State::Failing {
                since, failures, ..
            } => TargetHealth::Failing {
                ago: ago(since),
                failures: *failures,
            },
            State::Down {
                since,
                failures,
                cause,
                ..
            } => TargetHealth::Down {
                ago: ago(since),
                failures: *failures,
                reason: cause.reason,
                error: cause.error.clone(),
            },
        };
        (health, self.last_delivery.as_ref().map(ago))
    }

    /// Records an attempt to deliver the event `id`.
    pub(super) fn record(&mut self, delivery: &Delivery, id: &str, now: Instant) -> Option<Notice> {
        match delivery {
            Delivery::Delivered { .. } | Delivery::AlreadyThere | Delivery::Unchanged { .. } => {
                self.last_delivery = Some(now);
                self.record_response(now)
            }
            // A target that rejects one event may accept the next.
            Delivery::Permanent(_) => self.record_response(now),
            Delivery::Transient(failure) => self.record_failure(failure, id, now),
        }
    }

    /// Returns the notice that is due because time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Notice> {
        let State::Down {
            since,
            failures,
            cause,
            noticed_at,
            recovering_since,
        } = &mut self.state
        else {
            return None;
        };
        let (since, failures) = (*since, *failures);
        match *recovering_since {
            Some(at) if now.saturating_duration_since(at) >= LASTING => {
                self.state = State::Up;
                let down = at.saturating_duration_since(since);
                Some(Notice::Recovered { down, failures })
            }
            Some(_) => None,
            None if now.saturating_duration_since(*noticed_at) >= REMINDER => {
                *noticed_at = now;
                Some(Notice::StillDown {
                    ago: now.saturating_duration_since(since),
                    failures,
                    cause: cause.clone(),
                })
            }
            None => None,
        }
    }

    fn record_response(&mut self, now: Instant) -> Option<Notice> {
        self.answered = true;
        match &mut self.state {
            State::Up => None,
            State::Failing { .. } => {
                self.state = State::Up;
                None
            }
            State::Down {
                recovering_since, ..
            } => {
                recovering_since.get_or_insert(now);
                self.tick(now)
            }
        }
    }

    fn record_failure(&mut self, failure: &Failure, id: &str, now: Instant) -> Option<Notice> {
        let concerns_all = failure.scope == Scope::Target;
        if let State::Up = self.state {
            self.state = State::Failing {
                since: now,
                failures: 0,
                events: 0,
                last: String::new(),
            };
        }
        match &mut self.state {
            State::Up => None,
            State::Failing {
                since,
                failures,
                events,
                last,
            } => {
                *failures += 1;
                if last != id {
                    (*events, *last) = (*events + 1, id.to_owned());
                }
                let ago = now.saturating_duration_since(*since);
                let lasts = ago >= LASTING || !self.answered;
                if !(lasts && (concerns_all || *events >= EVENTS)) {
                    return None;
                }
                let cause = Cause {
                    reason: failure.reason,
                    error: failure.message.clone(),
                };
                self.state = State::Down {
                    since: *since,
                    failures: *failures,
                    cause: cause.clone(),
                    noticed_at: now,
                    recovering_since: None,
                };
                Some(Notice::Down { ago, cause })
            }
            State::Down {
                failures,
                cause,
                recovering_since,
                ..
            } => {
                *failures += 1;
                cause.reason = failure.reason;
                cause.error.clone_from(&failure.message);
                // While other events are accepted, this failure concerns its event alone.
                if concerns_all {
                    *recovering_since = None;
                }
                self.tick(now)
            }
        }
    }
}

#[cfg(test)]
mod tests;
