//! Trouble that lasts, told now and then: what fails a hundred times a second is a line when it begins, one a minute,
//! and one when it is over. Used by the writer here, and by the queue's worker and sender.

use std::fmt::Display;
use std::time::{Duration, Instant};

use tracing::{error, info};

/// How often trouble that lasts is told again, and how soon after it was told.
const AGAIN: Duration = Duration::from_secs(60);

/// Something that can fail for a while.
#[derive(Debug)]
pub struct Trouble {
    what: &'static str,
    /// The end of this trouble has not been told yet.
    lasts: bool,
    told: Option<Instant>,
    failures: u64,
}

impl Trouble {
    /// Nothing has failed yet. `what` is the message that tells of a failure.
    pub fn new(what: &'static str) -> Trouble {
        Trouble {
            what,
            lasts: false,
            told: None,
            failures: 0,
        }
    }

    /// It failed, and that is why.
    pub fn failed(&mut self, why: &dyn Display) {
        self.failures += 1;
        if self.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            error!(error = %why, failures = self.failures, "{}", self.what);
            self.told = Some(Instant::now());
            self.lasts = true;
        }
    }

    /// It did not fail.
    pub fn fine(&mut self) {
        if self.lasts {
            self.lasts = false;
            info!(failures = self.failures, "over: {}", self.what);
            self.failures = 0;
        }
    }
}
