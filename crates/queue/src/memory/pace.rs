//! How many events a queue in memory may give out, so that no more are attempted in a second than asked. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How much time is made up for at least: a timer has the precision of a millisecond, which is longer than the gap at a high
/// rate.
const LATE: Duration = Duration::from_millis(10);

/// Spaces events evenly, but for those that are received together.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Pace {
        let gap = Duration::from_secs(1) / per_second.max(1);
        Pace {
            gap: gap.max(Duration::from_nanos(1)),
            next: now,
        }
    }

    /// When the next event may be given out.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The time for so many events.
    pub(super) fn time_for(&self, events: usize) -> Duration {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.gap.saturating_mul(events)
    }

    /// How many may be given out, if the first could be received since `first`. What nobody has taken for longer than `window` is
    /// not made up for, nor the time without events.
    pub(super) fn allowed(&self, first: Instant, now: Instant, window: Duration) -> usize {
        match now.checked_duration_since(self.next.max(first)) {
            None => 0,
            Some(since) => {
                let since = since.min(window.max(LATE));
                let gaps = since.as_nanos() / self.gap.as_nanos();
                usize::try_from(gaps)
                    .unwrap_or(usize::MAX)
                    .saturating_add(1)
            }
        }
    }

    /// Counts events that are given out.
    pub(super) fn count(&mut self, events: usize, first: Instant, now: Instant, window: Duration) {
        let earliest = now.checked_sub(window.max(LATE)).unwrap_or(first);
        self.next = self.next.max(first).max(earliest) + self.time_for(events);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever takes all that is allowed whenever he looks gets no more than the rate and what one look may make up for.
        #[test]
        fn no_more_is_given_out_than_the_rate_and_one_window(
            per_second in 1_u32..5_000,
            window in 0_u64..2_000,
            looks in prop::collection::vec(0_u64..500, 1..100),
        ) {
            let (start, window) = (Instant::now(), Duration::from_millis(window));
            let (mut pace, mut now, mut given) = (Pace::new(per_second, start), start, 0);
            for look in looks {
                now += Duration::from_millis(look);
                let allowed = pace.allowed(start, now, window);
                pace.count(allowed, start, now, window);
                given += allowed;
            }
            let time = now - start + window.max(LATE);
            let most = time.as_secs_f64() * f64::from(per_second);
            prop_assert!(given as f64 <= most.ceil() + 2.0, "{given} in {time:?}");
        }
    }
}
