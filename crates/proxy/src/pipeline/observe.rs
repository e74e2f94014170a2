//! Who learns of outcomes: the log, the metrics, and whoever else is added.
//!
//! The pipeline publishes each outcome once, after the queue was told: a dead letter that could not be sent is none yet.

mod log;
mod metrics;

pub(super) use log::{LogObserver, RetryLines, log_health, log_separated};
pub(super) use metrics::{MetricsObserver, count_attempts, register_rules, set_target_up};

use super::outcome::OutcomeRecord;

/// Learns of the outcomes of a batch.
///
/// Called by the task that processed the batch, which waits for it: an observer that takes long hands over to a task of its
/// own.
pub trait Observer: Send + Sync {
    /// Takes in the outcomes, in no particular order.
    fn observe(&self, outcomes: &[OutcomeRecord]);
}

/// An observer that several pipelines share.
impl Observer for std::sync::Arc<dyn Observer> {
    fn observe(&self, outcomes: &[OutcomeRecord]) {
        self.as_ref().observe(outcomes);
    }
}
