//! How many requests each key may send: a GCRA for each key that has a limit, with a burst of one second.
//!
//! The keys come from the configuration or the secret, so their number is bounded. What is known of them is that of this
//! process: each instance of a function counts for itself. Called by `auth.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RateLimit;

/// How much of the rate may be sent at once: clients send the START and the COMPLETE of short jobs together.
const BURST: Duration = Duration::from_secs(1);

/// The number of keys above which those that are at rest are forgotten: keys that were withdrawn must not stay for ever.
const KEPT: usize = 256;

/// The limits of all keys. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct RateLimits {
    /// By key, when its next request is due at its rate. A time that has passed is as good as none.
    due: Arc<Mutex<HashMap<Arc<str>, Instant>>>,
}

impl RateLimits {
    /// Whether the key may send a request now, which is counted then.
    pub(super) fn admit(&self, key: &Arc<str>, limit: RateLimit, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() > KEPT {
            due.retain(|_, due| *due > now);
        }
        let interval = limit.interval();
        let at = due.get(key).copied().unwrap_or(now).max(now);
        // The last request of a burst is due one interval before the burst is over.
        let is_admitted = at.duration_since(now) <= BURST.saturating_sub(interval);
        if is_admitted {
            due.insert(key.clone(), at + interval);
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(requests: u32) -> RateLimit {
        RateLimit::new(requests).unwrap()
    }

    #[test]
    fn a_key_has_a_burst_of_a_second_and_then_its_rate_and_costs_no_other_key_anything() {
        let (limits, begin) = (RateLimits::default(), Instant::now());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let admitted = |key, ms| {
            let now = begin + Duration::from_millis(ms);
            (0..20)
                .filter(|_| limits.admit(key, limit(10), now))
                .count()
        };
        assert_eq!([0, 99, 100, 350].map(|ms| admitted(&a, ms)), [10, 0, 1, 2]);
        assert_eq!(admitted(&b, 350), 10);
        assert_eq!(admitted(&a, 5_000), 10);
        // One a second is one at a time.
        assert!(limits.admit(&"c".into(), limit(1), begin));
        assert!(!limits.admit(&"c".into(), limit(1), begin));
        assert!(limits.admit(&"c".into(), limit(1), begin + Duration::from_secs(1)));
    }

    #[test]
    fn keys_that_are_at_rest_take_no_memory() {
        let (limits, begin) = (RateLimits::default(), Instant::now());
        for n in 0..5_000_u64 {
            let key = n.to_string().into();
            limits.admit(&key, limit(1_000), begin + Duration::from_millis(n * 10));
        }
        assert!(limits.due.lock().unwrap().len() <= KEPT + 1);
    }

    proptest! {
        #[test]
        fn no_second_has_more_than_twice_the_limit(
            requests in 1_u32..50,
            pauses in proptest::collection::vec(0_u64..200, 1..200),
        ) {
            let (limits, begin) = (RateLimits::default(), Instant::now());
            let (mut ms, mut admitted) = (0, Vec::new());
            for pause in pauses {
                ms += pause;
                let now = begin + Duration::from_millis(ms);
                if limits.admit(&"a".into(), limit(requests), now) {
                    admitted.push(ms);
                }
            }
            for (index, first) in admitted.iter().enumerate() {
                let within = admitted[index..].iter().filter(|ms| **ms < first + 1_000);
                prop_assert!(within.count() <= 2 * requests as usize);
            }
        }
    }
}
