//! The observers of outcomes: the log, the metrics, and those that a caller adds.
//!
//! The pipeline publishes each outcome once, after it is settled with the queue: an event that could not be moved to the
//! dead letters is not a dead letter yet.

mod log;
mod metrics;
mod tally;

pub(super) use log::{LogObserver, RetryLogging, log_health, log_separated};
pub(crate) use metrics::set_target_up;
pub(super) use metrics::{AttemptMetrics, MetricsObserver, register_rules};

pub(crate) use tally::RuleTally;

use super::outcome::OutcomeRecord;

/// An observer of the outcomes of a batch.
///
/// Several pipelines may share one. The task that processed the batch waits for it, so an observer that takes long has to work in a task of its own.
pub trait Observer: Send + Sync {
    /// Observes the outcomes of a batch, in no particular order.
    fn observe(&self, outcomes: &[OutcomeRecord]);
}
