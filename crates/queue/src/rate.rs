//! A rate limit for what is done to dead letters one after the other. Used by the command line and the page.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A rate limit: each operation waits for its turn.
#[derive(Debug)]
pub struct Rate {
    interval: Duration,
    next: Instant,
}

impl Rate {
    /// Creates a rate limit, in operations a second; 0 is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Rate {
        Rate {
            interval: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            next: Instant::now(),
        }
    }

    /// Whether there is no limit.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.interval.is_zero()
    }

    /// Waits for the next turn. If that is cancelled, the turn is not used up.
    pub async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.interval;
    }
}
