//! The clock by which events become visible: it starts at the time of the wall clock, and runs on however that is set.
//!
//! A file outlives its owner, and the wall clock may have been set back since: the next owner starts after the latest time
//! in the file, so that every event in it is visible. A process beside the owner reads how far that clock is ahead.

use std::time::{Duration, Instant};

/// A time that no clock shows (the year 2200): later ones were not written by us, or are damaged.
pub(crate) const NEVER: i64 = 7_258_118_400_000;

/// Milliseconds, from about 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began_at: i64,
    began: Instant,
}

impl Clock {
    /// Starts a clock when it is `now`.
    pub(crate) fn starting_at(now: i64) -> Clock {
        Clock {
            began_at: now,
            began: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.began_at.saturating_add(millis(self.began.elapsed()))
    }

    pub(crate) fn after(&self, wait: Duration) -> i64 {
        self.now().saturating_add(millis(wait))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
