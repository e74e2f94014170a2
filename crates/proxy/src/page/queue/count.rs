//! The number of dead letters that the navigation shows. Called by `page/queue.rs`, with each count that is taken.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The latest count of dead letters.
pub(super) struct LatestCount(Mutex<(Instant, Option<u64>)>);

impl LatestCount {
    /// Creates it. Nothing is known yet.
    pub(super) fn new() -> LatestCount {
        LatestCount(Mutex::new((Instant::now(), None)))
    }

    /// Keeps a count that was begun at that time, unless a later one is known: a count may take longer than the one after it, and
    /// the navigation would then contradict the list below it.
    pub(super) fn set(&self, begun: Instant, count: Option<u64>) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if begun >= latest.0 {
            *latest = (begun, count);
        }
    }

    /// Returns it; nothing if it is not known.
    pub(super) fn get(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_count_that_was_begun_earlier_replaces_no_later_one() {
        let latest = LatestCount::new();
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_millis(1));
        latest.set(second, Some(0));
        latest.set(first, Some(30));
        assert_eq!(latest.get(), Some(0));
        latest.set(second + Duration::from_millis(1), None);
        assert_eq!(latest.get(), None);
    }
}
