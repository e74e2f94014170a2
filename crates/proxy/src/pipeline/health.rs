//! Whether the target takes events: down since when and why, and up again.
//!
//! A target that is down fails every event at every try; what an operator wants is a line when it goes down, one now and
//! then, and one when it is back. One failure is no outage, and one answer no recovery: both have to last. Pure: the
//! clock is its caller's. Fed by `pipeline.rs` with each answer; told in `pipeline/report.rs`.

use std::time::Duration;

use targets::{Delivery, Failure, Reason, Scope};
use tokio::time::Instant;

/// How long failures, or answers, have to go on before they count: longer than a restart behind a load balancer's.
const LASTING: Duration = Duration::from_secs(2);

/// How many different events have to fail one after another, where each failure may be the event's own.
const EVENTS: u32 = 3;

/// How often a target that is down is told again.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of a target.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    state: State,
    /// Whether it ever took anything. One that did not is down with its first failure: most likely it is set up wrong.
    answered: bool,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Up,
    /// It fails, and may be down.
    Failing {
        since: Instant,
        failures: u64,
        /// Different events that failed, and the last of them.
        events: u32,
        last: String,
    },
    Down {
        since: Instant,
        failures: u64,
        why: Why,
        told: Instant,
        /// It answers again, since then.
        recovers: Option<Instant>,
    },
}

/// Why a target takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    /// As a code.
    pub(super) reason: Reason,
    /// For a person.
    pub(super) error: String,
}

/// What is to be told of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// It takes nothing, since that long ago.
    Down { ago: Duration, why: Why },
    /// It still takes nothing.
    StillDown {
        ago: Duration,
        failures: u64,
        why: Why,
    },
    /// It takes events again.
    Back { down: Duration, failures: u64 },
}

impl Health {
    /// Whether it is down, as far as was told.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    /// Takes in what became of the event `id` at the target.
    pub(super) fn saw(&mut self, delivery: &Delivery, id: &str, now: Instant) -> Option<Notice> {
        match delivery {
            // It was read and judged: whoever refuses one event may take the next.
            Delivery::Delivered { .. } | Delivery::Permanent(_) => self.answers(now),
            Delivery::Transient(failure) => self.fails(failure, id, now),
        }
    }

    /// What is to be told by now, though nothing has happened.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Notice> {
        let State::Down {
            since,
            failures,
            why,
            told,
            recovers,
        } = &mut self.state
        else {
            return None;
        };
        let (since, failures) = (*since, *failures);
        match *recovers {
            Some(at) if now.saturating_duration_since(at) >= LASTING => {
                self.state = State::Up;
                let down = at.saturating_duration_since(since);
                Some(Notice::Back { down, failures })
            }
            Some(_) => None,
            None if now.saturating_duration_since(*told) >= AGAIN => {
                *told = now;
                Some(Notice::StillDown {
                    ago: now.saturating_duration_since(since),
                    failures,
                    why: why.clone(),
                })
            }
            None => None,
        }
    }

    fn answers(&mut self, now: Instant) -> Option<Notice> {
        self.answered = true;
        match &mut self.state {
            State::Up => None,
            State::Failing { .. } => {
                self.state = State::Up;
                None
            }
            State::Down { recovers, .. } => {
                recovers.get_or_insert(now);
                self.tick(now)
            }
        }
    }

    fn fails(&mut self, failure: &Failure, id: &str, now: Instant) -> Option<Notice> {
        let is_all = failure.scope == Scope::Target;
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
                if !(lasts && (is_all || *events >= EVENTS)) {
                    return None;
                }
                let why = Why {
                    reason: failure.reason,
                    error: failure.message.clone(),
                };
                self.state = State::Down {
                    since: *since,
                    failures: *failures,
                    why: why.clone(),
                    told: now,
                    recovers: None,
                };
                Some(Notice::Down { ago, why })
            }
            State::Down {
                failures,
                why,
                recovers,
                ..
            } => {
                *failures += 1;
                why.reason = failure.reason;
                why.error.clone_from(&failure.message);
                // Where others are taken, a failure of one event is its own.
                if is_all {
                    *recovers = None;
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

    fn taken() -> Delivery {
        Delivery::Delivered { id: None }
    }

    /// Feeds what happens at which second; gives the notices, each with its second.
    fn notices(happens: &[(u64, Option<Delivery>)]) -> Vec<(u64, Notice)> {
        let begin = Instant::now();
        let mut health = Health::default();
        let mut told = Vec::new();
        for (n, (at, what)) in happens.iter().enumerate() {
            let now = begin + Duration::from_secs(*at);
            let notice = match what {
                Some(delivery) => health.saw(delivery, &n.to_string(), now),
                None => health.tick(now),
            };
            told.extend(notice.map(|notice| (*at, notice)));
        }
        told
    }

    fn why() -> Why {
        Why {
            reason: Reason::Unavailable,
            error: "503".to_owned(),
        }
    }

    #[test]
    fn an_outage_is_a_line_when_it_begins_one_a_minute_and_one_when_it_is_over() {
        let mut happens = vec![(0, Some(taken()))];
        happens.extend((10..135).map(|at| (at, Some(failed(Scope::Target)))));
        happens.push((135, Some(taken())));
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
                        why: why()
                    }
                ),
                (
                    72,
                    Notice::StillDown {
                        ago: seconds(62),
                        failures: 63,
                        why: why()
                    }
                ),
                (
                    132,
                    Notice::StillDown {
                        ago: seconds(122),
                        failures: 123,
                        why: why()
                    }
                ),
                (
                    137,
                    Notice::Back {
                        down: seconds(125),
                        failures: 125
                    }
                ),
            ]
        );
    }

    #[test]
    fn one_that_never_took_anything_is_down_at_once() {
        let told = notices(&[(0, Some(failed(Scope::Target)))]);
        assert_eq!(
            told,
            [(
                0,
                Notice::Down {
                    ago: Duration::ZERO,
                    why: why()
                }
            )]
        );
    }

    #[test]
    fn a_hiccup_is_no_outage_and_one_answer_no_recovery() {
        let (target, event) = (
            || Some(failed(Scope::Target)),
            || Some(failed(Scope::Event)),
        );
        let up = |at| (at, Some(taken()));
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
        // Two events that fail for themselves while nothing else comes.
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
        let told = notices(&flaps);
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn a_target_that_fails_inside_at_every_event_is_down_and_one_bad_event_is_not() {
        let all: Vec<_> = (0..6).map(|at| (at, Some(failed(Scope::Event)))).collect();
        assert!(matches!(notices(&all)[..], [(2, Notice::Down { .. })]));
        let (mut health, begin) = (Health::default(), Instant::now());
        for second in 0..100 {
            let now = begin + Duration::from_secs(second);
            assert_eq!(health.saw(&failed(Scope::Event), "the same", now), None);
        }
    }

    proptest! {
        #[test]
        fn down_and_back_alternate_and_reminders_are_a_minute_apart(
            happens in proptest::collection::vec((0u64..90_000, 0u8..4), 0..200),
        ) {
            let begin = Instant::now();
            let (mut health, mut at, mut down, mut told) = (Health::default(), begin, false, begin);
            for (n, (after, what)) in happens.into_iter().enumerate() {
                at += Duration::from_millis(after / 7);
                let notice = match what {
                    0 => health.tick(at),
                    1 => health.saw(&taken(), "", at),
                    2 => health.saw(&failed(Scope::Target), &n.to_string(), at),
                    _ => health.saw(&failed(Scope::Event), &n.to_string(), at),
                };
                match notice {
                    Some(Notice::Down { .. }) => {
                        prop_assert!(!down);
                        (down, told) = (true, at);
                    }
                    Some(Notice::StillDown { .. }) => {
                        prop_assert!(down && at - told >= AGAIN);
                        told = at;
                    }
                    Some(Notice::Back { .. }) => {
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
