//! Logs a lasting failure: one line when it begins, one a minute while it lasts, and one when it ends.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tracing::{error, info};

/// The time between two lines about a lasting failure: one that occurs a hundred times a second must not fill the log.
const INTERVAL: Duration = Duration::from_secs(60);

/// Logs the failures of one operation.
#[derive(Debug)]
pub struct FailureLog {
    message: &'static str,
    /// Whether a failure was logged after which there was no recovery.
    is_failing: bool,
    logged_at: Option<Instant>,
    failures: u64,
}

impl FailureLog {
    /// Creates a log with this message.
    pub fn new(message: &'static str) -> FailureLog {
        FailureLog {
            message,
            is_failing: false,
            logged_at: None,
            failures: 0,
        }
    }

    /// Counts a failure, and logs it unless one was logged within the last minute.
    pub fn record_failure(&mut self, reason: &dyn Display) {
        self.failures += 1;
        if self.logged_at.is_none_or(|at| at.elapsed() >= INTERVAL) {
            error!(error = %reason, failures = self.failures, "{}", self.message);
            self.logged_at = Some(Instant::now());
            self.is_failing = true;
        }
    }

    /// Logs that the operation works again, if a failure was logged before.
    pub fn record_recovery(&mut self) {
        if self.is_failing {
            self.is_failing = false;
            info!(failures = self.failures, "recovered: {}", self.message);
            self.failures = 0;
        }
    }
}
