//! Logs from where each API key is used: once an hour for each key and address, so that a rotation shows who still has the old
//! one. The metric of the same requests has the name of the key alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::caller::{Caller, CallerGroup, Sender};
use crate::telemetry::limit::{Bounds, Limiter};

/// Logs the use of keys. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SenderLog(Arc<Limiter<Arc<str>, CallerGroup>>);

impl SenderLog {
    pub(super) fn new() -> SenderLog {
        SenderLog(Arc::new(Limiter::new(Bounds {
            interval: Duration::from_secs(3_600),
            sources: 256, // more than there are keys
            reasons: 64,  // the addresses of a key; all others share one
            lines_per_second: 10,
        })))
    }

    /// Logs that the key was used from there, unless it was logged within an hour.
    pub(super) fn record(&self, sender: &Sender, caller: &Caller) {
        let (from, now) = (caller.source(None), Instant::now());
        let _ = self.0.expire(now); // the metric counts what has no line
        if self.0.admit(&sender.0, &from, 1, now).is_none() {
            return;
        }
        info!(
            sender = &*sender.0,
            peer = caller.peer(),
            forwarded_for = caller.forwarded_for(),
            user_agent = caller.user_agent(),
            "API key used"
        );
    }
}
