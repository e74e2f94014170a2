//! Limits log lines: one in an interval for each reason of each source. Suppressed lines are counted.
//!
//! Each source has its own limit, so that a source that fails all the time does not hide the others. Memory and lines
//! are bounded, whatever strangers do: above a number of sources, and of reasons for each, the others share one slot.
//! Pure except for its lock: the caller passes the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The bounds of a [`Limiter`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The interval between two lines with the same source and reason.
    pub(crate) interval: Duration,
    /// The most sources that are distinguished.
    pub(crate) sources: usize,
    /// The most reasons that are distinguished for each source.
    pub(crate) reasons: usize,
    /// The most lines a second, of all sources together.
    pub(crate) lines_per_second: u32,
}

/// Limits log lines by source and reason.
#[derive(Debug)]
pub(crate) struct Limiter<S, R> {
    bounds: Bounds,
    state: Mutex<State<S, R>>,
}

#[derive(Debug)]
struct State<S, R> {
    sources: HashMap<S, Vec<Slot<R>>>,
    /// The slots that all sources above the limit share.
    others: Vec<Slot<R>>,
    second: Option<Instant>,
    lines: u32,
    expired: Option<Instant>,
}

#[derive(Debug)]
struct Slot<R> {
    /// `None` for all reasons above the limit.
    reason: Option<R>,
    logged: Option<Instant>,
    seen: Instant,
    suppressed: u64,
}

/// The suppressed lines since the last line that counted them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SuppressedLines<S, R> {
    /// `None` for several sources.
    pub(crate) source: Option<S>,
    /// `None` for several reasons.
    pub(crate) reason: Option<R>,
    /// Their number.
    pub(crate) count: u64,
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

    /// Admits a line about `count` occurrences, and returns how many others were suppressed since the last line. `None`
    /// suppresses it.
    pub(crate) fn admit(&self, source: &S, reason: &R, count: u64, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Bounds {
            interval,
            sources,
            reasons,
            lines_per_second,
        } = self.bounds;
        let within = |since: Option<Instant>, time| {
            since.is_some_and(|since| now.saturating_duration_since(since) < time)
        };
        if !within(state.second, Duration::from_secs(1)) {
            (state.second, state.lines) = (Some(now), 0);
        }
        let is_within_rate = state.lines < lines_per_second;
        let has_slots = state.sources.contains_key(source) || state.sources.len() < sources;
        let slots = match has_slots {
            true => state.sources.entry(source.clone()).or_default(),
            false => &mut state.others,
        };
        let known = slots
            .iter()
            .position(|slot| slot.reason.as_ref() == Some(reason));
        let index = known.or_else(|| match slots.len() < reasons {
            true => None,
            false => slots.iter().position(|slot| slot.reason.is_none()),
        });
        let index = index.unwrap_or_else(|| {
            slots.push(Slot {
                reason: (slots.len() < reasons).then(|| reason.clone()),
                logged: None,
                seen: now,
                suppressed: 0,
            });
            slots.len() - 1
        });
        let slot = slots.get_mut(index)?;
        slot.seen = now;
        if !is_within_rate || within(slot.logged, interval) {
            slot.suppressed = slot.suppressed.saturating_add(count);
            return None;
        }
        slot.logged = Some(now);
        let suppressed =
            std::mem::take(&mut slot.suppressed).saturating_add(count.saturating_sub(1));
        state.lines += 1;
        Some(suppressed)
    }

    /// Removes the slots that were not used for an interval, and returns the suppressed lines of them. Does so at most
    /// once a second; returns no more entries than lines are allowed, and one for all others.
    pub(crate) fn expire(&self, now: Instant) -> Vec<SuppressedLines<S, R>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let just = |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(1);
        if state.expired.is_some_and(just) {
            return Vec::new();
        }
        state.expired = Some(now);
        let interval = self.bounds.interval;
        let mut expired = Vec::new();
        let mut sweep = |source: Option<&S>, slots: &mut Vec<Slot<R>>| {
            slots.retain_mut(|slot| {
                let since = slot.logged.unwrap_or(slot.seen);
                let is_over = now.saturating_duration_since(since) >= interval;
                if is_over && slot.suppressed > 0 {
                    expired.push(SuppressedLines {
                        source: source.cloned(),
                        reason: slot.reason.clone(),
                        count: slot.suppressed,
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
        // Otherwise a caller that invents a source for each request would get a line for each.
        let most = usize::try_from(self.bounds.lines_per_second).unwrap_or(usize::MAX);
        if expired.len() > most {
            expired.sort_by_key(|suppressed| std::cmp::Reverse(suppressed.count));
            let beyond = expired.split_off(most).into_iter();
            expired.push(SuppressedLines {
                source: None,
                reason: None,
                count: beyond.fold(0, |sum: u64, one| sum.saturating_add(one.count)),
            });
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds {
        interval: Duration::from_secs(10),
        sources: 3,
        reasons: 2,
        lines_per_second: 5,
    };

    fn limiter() -> (Limiter<u32, u32>, impl Fn(u64) -> Instant) {
        let begin = Instant::now();
        (Limiter::new(BOUNDS), move |ms| {
            begin + Duration::from_millis(ms)
        })
    }

    #[test]
    fn a_source_that_fails_all_the_time_hides_no_other_source_and_no_other_reason() {
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
    fn suppressed_lines_are_reported_when_no_line_follows() {
        let (limiter, at) = limiter();
        for ms in 0..100 {
            limiter.admit(&1, &403, 1, at(ms));
        }
        assert_eq!(limiter.expire(at(9_000)), []);
        let suppressed = SuppressedLines {
            source: Some(1),
            reason: Some(403),
            count: 99,
        };
        assert_eq!(limiter.expire(at(10_000)), [suppressed]);
        assert_eq!(limiter.expire(at(30_000)), []);
    }

    #[test]
    fn a_source_made_up_for_each_request_gets_no_line_of_its_own() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let limiter: Limiter<u64, u64> = Limiter::new(Bounds {
            sources: 1_000,
            ..BOUNDS
        });
        let (mut lines, mut counted) = (0, 0);
        for ms in 0..30_000 {
            let line = limiter.admit(&ms, &0, 1, at(ms));
            let expired = limiter.expire(at(ms));
            lines += usize::from(line.is_some()) + expired.len();
            counted += line.map_or(0, |before| 1 + before);
            counted += expired.iter().map(|one| one.count).sum::<u64>();
        }
        assert!(lines <= 30 * (5 + 5 + 1), "{lines}");
        let expired = limiter.expire(at(60_000));
        counted += expired.iter().map(|one| one.count).sum::<u64>();
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
                let expired = limiter.expire(at(ms));
                lines += expired.len() as u64;
                counted += expired.iter().map(|one| one.count).sum::<u64>();
                let state = limiter.state.lock().unwrap();
                prop_assert!(state.sources.len() <= BOUNDS.sources);
                prop_assert!(state.sources.values().chain([&state.others]).all(|slots| slots.len() <= BOUNDS.reasons + 1));
            }
            // The requests, and those that were suppressed.
            prop_assert!(lines <= (ms / 1_000 + 1) * u64::from(2 * BOUNDS.lines_per_second + 1));
            let expired = limiter.expire(at(ms + 20_000));
            counted += expired.iter().map(|one| one.count).sum::<u64>();
            prop_assert_eq!(counted, requests.len() as u64);
        }
    }
}
