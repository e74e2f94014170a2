//! Waiting for a condition, with a limit after which the test fails.

use std::time::{Duration, Instant};

/// How long a condition may take that holds within a second on a machine that is not busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

const STEP: Duration = Duration::from_millis(20);

/// Blocks until `ready` returns a value.
pub fn eventually<T>(ready: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, ready)
}

/// Blocks until `ready` returns a value.
pub fn eventually_within<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}");
        std::thread::sleep(STEP);
    }
}

/// Waits until `ready` returns a value, and lets other tasks of the test run meanwhile.
pub async fn until<T>(mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        tokio::time::sleep(STEP).await;
    }
}
