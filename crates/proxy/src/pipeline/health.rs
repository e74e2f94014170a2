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

    /// Records an attempt to deliver the event `id`.
    pub(super) fn record(&mut self, delivery: &Delivery, id: &str, now: Instant) -> Option<Notice> {
        match delivery {
            // A target that rejects one event may accept the next.
            Delivery::Delivered { .. }
            | Delivery::AlreadyThere
            | Delivery::Unchanged { .. }
            | Delivery::Permanent(_) => self.record_response(now),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed(scope: Scope) -> Delivery {
        Delivery::Transient(Failure {
            reason: Reason::Unavailable,
            scope,
            message: "503".to_owned(),
            after: None,
        })
    }

    fn delivered() -> Delivery {
        Delivery::Delivered { id: None }
    }

    /// Records what happens at each second. Returns the notices, each with its second.
    fn notices(happens: &[(u64, Option<Delivery>)]) -> Vec<(u64, Notice)> {
        let begin = Instant::now();
        let mut health = Health::default();
        let mut found = Vec::new();
        for (n, (at, what)) in happens.iter().enumerate() {
            let now = begin + Duration::from_secs(*at);
            let notice = match what {
                Some(delivery) => health.record(delivery, &n.to_string(), now),
                None => health.tick(now),
            };
            found.extend(notice.map(|notice| (*at, notice)));
        }
        found
    }

    fn cause() -> Cause {
        Cause {
            reason: Reason::Unavailable,
            error: "503".to_owned(),
        }
    }

    #[test]
    fn an_outage_is_a_line_when_it_begins_one_a_minute_and_one_when_it_is_over() {
        let mut happens = vec![(0, Some(delivered()))];
        happens.extend((10..135).map(|at| (at, Some(failed(Scope::Target)))));
        happens.push((135, Some(delivered())));
        happens.push((136, None));
        happens.push((137, None));
        let seconds = Duration::from_secs;
        assert_eq!(
            notices(&happens),
            [
                (
                    12,
                    Notice::Down {
                        ago: seconds(2),
                        cause: cause()
                    }
                ),
                (
                    72,
                    Notice::StillDown {
                        ago: seconds(62),
                        failures: 63,
                        cause: cause()
                    }
                ),
                (
                    132,
                    Notice::StillDown {
                        ago: seconds(122),
                        failures: 123,
                        cause: cause()
                    }
                ),
                (
                    137,
                    Notice::Recovered {
                        down: seconds(125),
                        failures: 125
                    }
                ),
            ]
        );
    }

    #[test]
    fn a_target_that_has_never_responded_is_down_at_its_first_failure() {
        let found = notices(&[(0, Some(failed(Scope::Target)))]);
        assert_eq!(
            found,
            [(
                0,
                Notice::Down {
                    ago: Duration::ZERO,
                    cause: cause()
                }
            )]
        );
    }

    #[test]
    fn a_hiccup_is_not_an_outage_and_one_response_is_not_a_recovery() {
        let (target, event) = (
            || Some(failed(Scope::Target)),
            || Some(failed(Scope::Event)),
        );
        let up = |at| (at, Some(delivered()));
        let hiccups = [
            up(0),
            (1, target()),
            up(2),
            (3, target()),
            up(4),
            (10, target()),
            (11, target()),
            up(12),
        ];
        assert_eq!(notices(&hiccups), []);
        // Two events that fail by themselves while no other arrives.
        assert_eq!(notices(&[up(0), (1, event()), (9, event())]), []);
        let flaps = [
            up(0),
            (1, target()),
            (3, target()),
            up(4),
            (5, target()),
            up(6),
            (7, target()),
            (8, None),
        ];
        let found = notices(&flaps);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_target_that_fails_on_every_event_is_down_and_one_bad_event_is_not_an_outage() {
        let all: Vec<_> = (0..6).map(|at| (at, Some(failed(Scope::Event)))).collect();
        assert!(matches!(notices(&all)[..], [(2, Notice::Down { .. })]));
        let (mut health, begin) = (Health::default(), Instant::now());
        for second in 0..100 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(health.record(&failed(Scope::Event), "the same", now), None);
        }
    }

    proptest! {
        #[test]
        fn down_and_back_alternate_and_reminders_are_a_minute_apart(
            happens in proptest::collection::vec((0u64..90_000, 0u8..4), 0..200),
        ) {
            let begin = Instant::now();
            let (mut health, mut at, mut down, mut noticed_at) = (Health::default(), begin, false, begin);
            for (n, (after, what)) in happens.into_iter().enumerate() {
                at += Duration::from_millis(after / 7);
                let notice = match what {
                    0 => health.tick(at),
                    1 => health.record(&delivered(), "", at),
                    2 => health.record(&failed(Scope::Target), &n.to_string(), at),
                    _ => health.record(&failed(Scope::Event), &n.to_string(), at),
                };
                match notice {
                    Some(Notice::Down { .. }) => {
                        prop_assert!(!down);
                        (down, noticed_at) = (true, at);
                    }
                    Some(Notice::StillDown { .. }) => {
                        prop_assert!(down && at - noticed_at >= REMINDER);
                        noticed_at = at;
                    }
                    Some(Notice::Recovered { .. }) => {
                        prop_assert!(down);
                        down = false;
                    }
                    None => {}
                }
                prop_assert_eq!(down, health.is_down());
            }
        }
    }
}
