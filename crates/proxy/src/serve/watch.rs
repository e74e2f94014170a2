//! What `serve` says by the clock and not by an event: what the log left out. Started by `serve.rs`.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::ingest;

/// How often it is looked whether something is to be said.
const TICK: Duration = Duration::from_secs(1);

/// Looks until `stop`.
pub(super) async fn watch(stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(TICK))
        .await
        .is_some()
    {
        ingest::tell_suppressed(Instant::now());
    }
}
