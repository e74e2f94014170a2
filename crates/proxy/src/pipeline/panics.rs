//! The boundaries of panics in the pipeline: the work on one event, an observer, and a batch.
//!
//! A panic is a bug. In the work on one event, which depends on what a stranger sent, it makes that event a dead letter. Any
//! other panic ends the batch, and its events are redelivered. Other parts of the proxy have boundaries of their own:
//! `docs/architecture.md`, Panics, lists all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use targets::Reason;
use tracing::error;

use super::outcome::Outcome;
use super::retry::BUG;

/// Runs pure work on one event, or an observer. A panic becomes the outcome of that event.
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
    use std::path::Path;

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

    #[test]
    fn the_documentation_lists_every_boundary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = std::fs::read_to_string(root.join("docs/architecture.md")).unwrap();
        let (_, section) = page.split_once("\n## Panics\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let found = testing::source_files("crates", "rs");
        let catches = found
            .iter()
            .filter(|file| file.text.contains("catch_unwind("));
        let names: Vec<&str> = catches.map(|file| file.path.as_str()).collect();
        let mut listed: Vec<&str> = section
            .split('`')
            .filter(|text| text.ends_with(".rs"))
            .collect();
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(names, listed);
    }

    #[tokio::test]
    async fn a_panic_ends_the_batch_and_not_its_caller() {
        assert_eq!(guard(async { 7 }).await, Some(7));
        assert_eq!(guard(async { panic!("a bug") }).await, None::<()>);
    }
}
