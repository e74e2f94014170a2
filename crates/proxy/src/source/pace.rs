//! When a source polls next. Pure, but for the jitter.

use std::time::Duration;

use fetch::FetchError;

/// When it polls again after a first failure; the time doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause after failures that may pass by themselves.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after a refusal: somebody has to change something, and wants to see soon that it helped.
const REFUSED: Duration = Duration::from_secs(60);

/// The shortest pause between two polls, so that no interval makes a loop that only calls.
const SHORTEST: Duration = Duration::from_millis(100);

/// The pace of a source.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Pace {
        Pace {
            interval,
            failures: 0,
        }
    }

    /// Returns how long to wait after a poll that succeeded.
    pub(super) fn after_success(&mut self, more: bool) -> Duration {
        self.failures = 0;
        match more {
            true => Duration::ZERO,
            false => self.interval.max(SHORTEST),
        }
    }

    /// Returns how long to wait after a poll that failed: up to half as much again, so that sources that failed together do
    /// not come back together.
    pub(super) fn after_failure(&mut self, failure: &FetchError) -> Duration {
        let pause = match failure {
            FetchError::Unavailable(_) => {
                let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(20)));
                self.failures = self.failures.saturating_add(1);
                doubled.min(LONGEST)
            }
            FetchError::Refused(_) => REFUSED,
        };
        pause.mul_f64(1.0 + jitter() / 2.0)
    }
}

/// A number from 0 to 1.
fn jitter() -> f64 {
    let random = uuid::Uuid::now_v7().as_bytes().last().copied(); // its last bytes are random
    f64::from(random.unwrap_or(0)) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_after_failures_grow_to_a_limit_and_begin_anew_after_a_success(
            failures in 0u32..80, interval in 0u64..10_000,
        ) {
            let mut pace = Pace::new(Duration::from_secs(interval));
            let failure = FetchError::Unavailable(String::new());
            let mut before = Duration::ZERO;
            for _ in 0..failures {
                let pause = pace.after_failure(&failure);
                prop_assert!(pause >= FIRST && pause <= LONGEST.mul_f64(1.5));
                // Twice as long, at least as long with the jitter of both.
                prop_assert!(pause.mul_f64(1.5) >= before);
                before = pause;
            }
            prop_assert_eq!(pace.after_success(true), Duration::ZERO);
            prop_assert!(pace.after_success(false) >= SHORTEST);
            prop_assert!(pace.after_failure(&failure) <= FIRST.mul_f64(1.5));
        }
    }
}
