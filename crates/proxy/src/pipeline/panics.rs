//! The two boundaries of panics, which are bugs: the work on one event, and a batch.
//!
//! A panic in the work on one event, which depends on what a stranger sent, makes that event a dead letter. Any other
//! panic ends the batch, and its events are redelivered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use targets::Reason;
use tracing::error;

use super::outcome::Outcome;
use super::retry::BUG;

/// Runs pure work on one event. A panic becomes the outcome of that event.
pub(super) fn isolate<T>(work: impl FnOnce() -> T) -> Result<T, Outcome> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Outcome::dead_letter(Reason::Bug, BUG))
}

/// Runs a batch. Returns `None` if it panics.
pub async fn guard<T>(batch: impl Future<Output = T>) -> Option<T> {
    let ended = AssertUnwindSafe(batch).catch_unwind().await;
    if ended.is_err() {
        error!("batch panicked; its events will be redelivered");
    }
    ended.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_one_event_is_its_outcome() {
        let panicked = isolate(|| [0u8; 0][std::hint::black_box(1)]);
        let Err(Outcome::DeadLettered { reason, error }) = panicked else {
            panic!("{panicked:?}");
        };
        assert_eq!(reason, Reason::Bug);
        assert!(error.starts_with("bug: "));
    }

    #[tokio::test]
    async fn a_panic_ends_the_batch_and_not_its_caller() {
        assert_eq!(guard(async { 7 }).await, Some(7));
        assert_eq!(guard(async { panic!("a bug") }).await, None::<()>);
    }
}
