//! How many lines of one kind the log takes: one a while for each reason of each source, and what was left out is counted.
//!
//! Limits by source, so that one that is refused all the time hides nobody else's reason. Whatever strangers do, memory
//! and lines are bounded: there are places for so many sources and so many reasons of each, and those beyond share one.
//! Pure but for its lock: the clock is its caller's.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a [`Limiter`] keeps to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long after a line there is no other with the same source and reason.
    pub(crate) every: Duration,
    /// Sources that are told apart.
    pub(crate) sources: usize,
    /// Reasons that are told apart for each.
    pub(crate) reasons: usize,
    /// Lines a second, of all together.
    pub(crate) lines: u32,
}

/// Lines of one kind, by source and reason.
#[derive(Debug)]
pub(crate) struct Limiter<S, R> {
    bounds: Bounds,
    state: Mutex<State<S, R>>,
}

#[derive(Debug)]
struct State<S, R> {
    sources: HashMap<S, Vec<Slot<R>>>,
    /// Of the sources for which there was no place.
    others: Vec<Slot<R>>,
    second: Option<Instant>,
    lines: u32,
    expired: Option<Instant>,
}

#[derive(Debug)]
struct Slot<R> {
    /// Nothing: those reasons for which there was no place.
    reason: Option<R>,
    logged: Option<Instant>,
    seen: Instant,
    suppressed: u64,
}

/// What was left out and has not been told with a later line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left<S, R> {
    /// Nothing: several.
    pub(crate) source: Option<S>,
    /// Nothing: several.
    pub(crate) reason: Option<R>,
    /// How many.
    pub(crate) suppressed: u64,
}

impl<S: Hash + Eq + Clone, R: Eq + Clone> Limiter<S, R> {
    pub(crate) fn new(bounds: Bounds) -> Limiter<S, R> {
        let state = State {
            sources: HashMap::new(),
            others: Vec::new(),
            second: None,
            lines: 0,
            expired: None,
        };
        Limiter {
            bounds,
            state: Mutex::new(state),
        }
    }

    /// Whether `count` occurrences are to be logged as a line now, and how many there were since the last one.
    pub(crate) fn admit(&self, source: &S, reason: &R, count: u64, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Bounds {
            every,
            sources,
            reasons,
            lines,
        } = self.bounds;
        let within = |since: Option<Instant>, time| {
            since.is_some_and(|since| now.saturating_duration_since(since) < time)
        };
        if !within(state.second, Duration::from_secs(1)) {
            (state.second, state.lines) = (Some(now), 0);
        }
        let may = state.lines < lines;
        let has_place = state.sources.contains_key(source) || state.sources.len() < sources;
        let slots = match has_place {
            true => state.sources.entry(source.clone()).or_default(),
            false => &mut state.others,
        };
        let known = slots
            .iter()
            .position(|slot| slot.reason.as_ref() == Some(reason));
        let place = known.or_else(|| match slots.len() < reasons {
            true => None,
            false => slots.iter().position(|slot| slot.reason.is_none()),
        });
        let place = place.unwrap_or_else(|| {
            slots.push(Slot {
                reason: (slots.len() < reasons).then(|| reason.clone()),
                logged: None,
                seen: now,
                suppressed: 0,
            });
            slots.len() - 1
        });
        let slot = slots.get_mut(place)?;
        slot.seen = now;
        if !may || within(slot.logged, every) {
            slot.suppressed = slot.suppressed.saturating_add(count);
            return None;
        }
        slot.logged = Some(now);
        let suppressed =
            std::mem::take(&mut slot.suppressed).saturating_add(count.saturating_sub(1));
        state.lines += 1;
        Some(suppressed)
    }

    /// Forgets what was not seen for a while, and gives what of it was left out of the log: once a second, as many lines
    /// as others may be, and one for all beyond them.
    pub(crate) fn expire(&self, now: Instant) -> Vec<Left<S, R>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let just = |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(1);
        if state.expired.is_some_and(just) {
            return Vec::new();
        }
        state.expired = Some(now);
        let every = self.bounds.every;
        let mut left = Vec::new();
        let mut sweep = |source: Option<&S>, slots: &mut Vec<Slot<R>>| {
            slots.retain_mut(|slot| {
                let since = slot.logged.unwrap_or(slot.seen);
                let is_over = now.saturating_duration_since(since) >= every;
                if is_over && slot.suppressed > 0 {
                    left.push(Left {
                        source: source.cloned(),
                        reason: slot.reason.clone(),
                        suppressed: slot.suppressed,
                    });
                }
                !is_over
            });
        };
        state.sources.retain(|source, slots| {
            sweep(Some(source), slots);
            !slots.is_empty()
        });
        sweep(None, &mut state.others);
        // Whoever makes up a source for each request would otherwise have a line for each.
        let most = usize::try_from(self.bounds.lines).unwrap_or(usize::MAX);
        if left.len() > most {
            left.sort_by_key(|left| std::cmp::Reverse(left.suppressed));
            let beyond = left.split_off(most).into_iter();
            let suppressed = beyond.fold(0_u64, |sum, left| sum.saturating_add(left.suppressed));
            left.push(Left {
                source: None,
                reason: None,
                suppressed,
            });
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        every: Duration::from_secs(10),
        sources: 3,
        reasons: 2,
        lines: 5,
    };

    fn limiter() -> (Limiter<u32, u32>, impl Fn(u64) -> Instant) {
        let begin = Instant::now();
        (Limiter::new(BOUNDS), move |ms| {
            begin + Duration::from_millis(ms)
        })
    }

    #[test]
    fn one_that_is_refused_all_the_time_hides_no_other_source_and_no_other_reason() {
        let (limiter, at) = limiter();
        assert_eq!(limiter.admit(&1, &403, 1, at(0)), Some(0));
        for ms in 1..500 {
            assert_eq!(limiter.admit(&1, &403, 1, at(ms)), None);
        }
        assert_eq!(limiter.admit(&1, &400, 1, at(500)), Some(0));
        assert_eq!(limiter.admit(&2, &403, 1, at(501)), Some(0));
        assert_eq!(limiter.admit(&1, &403, 1, at(10_000)), Some(499));
    }

    #[test]
    fn what_was_left_out_is_told_though_nothing_follows() {
        let (limiter, at) = limiter();
        for ms in 0..100 {
            limiter.admit(&1, &403, 1, at(ms));
        }
        assert_eq!(limiter.expire(at(9_000)), []);
        let left = Left {
            source: Some(1),
            reason: Some(403),
            suppressed: 99,
        };
        assert_eq!(limiter.expire(at(10_000)), [left]);
        assert_eq!(limiter.expire(at(30_000)), []);
    }

    #[test]
    fn who_makes_up_a_source_for_each_request_does_not_get_a_line_for_each() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let limiter: Limiter<u64, u64> = Limiter::new(Bounds {
            sources: 1_000,
            ..BOUNDS
        });
        let (mut lines, mut counted) = (0, 0);
        for ms in 0..30_000 {
            let line = limiter.admit(&ms, &0, 1, at(ms));
            let left = limiter.expire(at(ms));
            lines += usize::from(line.is_some()) + left.len();
            counted += line.map_or(0, |before| 1 + before);
            counted += left.iter().map(|left| left.suppressed).sum::<u64>();
        }
        assert!(lines <= 30 * (5 + 5 + 1), "{lines}");
        let left = limiter.expire(at(60_000));
        counted += left.iter().map(|left| left.suppressed).sum::<u64>();
        assert_eq!(counted, 30_000);
    }

    proptest! {
        #[test]
        fn memory_and_lines_are_bounded_and_everything_is_counted(
            requests in proptest::collection::vec((0u32..40, 0u32..6, 0u64..400), 1..300),
        ) {
            let (limiter, at) = limiter();
            let (mut ms, mut lines, mut counted) = (0, 0u64, 0);
            for (source, reason, after) in &requests {
                ms += after;
                if let Some(suppressed) = limiter.admit(source, reason, 1, at(ms)) {
                    lines += 1;
                    counted += 1 + suppressed;
                }
                let left = limiter.expire(at(ms));
                lines += left.len() as u64;
                counted += left.iter().map(|left| left.suppressed).sum::<u64>();
                let state = limiter.state.lock().unwrap();
                prop_assert!(state.sources.len() <= BOUNDS.sources);
                prop_assert!(state.sources.values().chain([&state.others]).all(|slots| slots.len() <= BOUNDS.reasons + 1));
            }
            // Of requests, and of what was left out.
            prop_assert!(lines <= (ms / 1_000 + 1) * u64::from(2 * BOUNDS.lines + 1));
            let left = limiter.expire(at(ms + 20_000));
            counted += left.iter().map(|left| left.suppressed).sum::<u64>();
            prop_assert_eq!(counted, requests.len() as u64);
        }
    }
}
