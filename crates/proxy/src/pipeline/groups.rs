//! Futures that begin in groups. Called for the runs of a batch.

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

/// How many begin, or how many records are decoded, before the other tasks of the thread get their turn: about half a millisecond of
/// rules, encoding and writing. A whole batch of a local target would keep a request waiting for ten times as long.
pub(super) const GROUP: usize = 16;

/// Completes all futures concurrently. Returns their results in any order. `until_begun` is dropped once all have begun.
pub(super) async fn join_in_groups<F: Future>(
    futures: impl IntoIterator<Item = F>,
    until_begun: impl Sized,
) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().peekable();
    let (mut begun, mut done) = (FuturesUnordered::new(), Vec::new());
    while waiting.peek().is_some() {
        // All of a group are polled when one of them is woken. Most are woken together, and a waker for each costs more.
        begun.push(join_all(waiting.by_ref().take(GROUP)));
        while let Some(Some(results)) = begun.next().now_or_never() {
            done.extend(results);
        }
        if waiting.peek().is_some() {
            tokio::task::yield_now().await;
        }
    }
    drop(until_begun);
    while let Some(results) = begun.next().await {
        done.extend(results);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn each_future_is_completed_once() {
        for count in [0, 1, GROUP, GROUP + 1, 100] {
            let future = |n: usize| async move {
                for _ in 0..n % 3 {
                    tokio::task::yield_now().await;
                }
                n
            };
            let mut done = join_in_groups((0..count).map(future), ()).await;
            done.sort_unstable();
            assert_eq!(done, Vec::from_iter(0..count));
        }
    }

    #[tokio::test]
    async fn another_task_gets_its_turn_before_all_have_begun() {
        let begun = AtomicUsize::new(0);
        let begin = |_| async { begun.fetch_add(1, Ordering::Relaxed) };
        let other = async {
            tokio::task::yield_now().await;
            begun.load(Ordering::Relaxed)
        };
        let (_, seen) = tokio::join!(join_in_groups((0..100).map(begin), ()), other);
        assert!((1..100).contains(&seen), "{seen}");
    }

    #[tokio::test]
    async fn what_is_kept_until_all_have_begun_is_dropped_then() {
        let (alive, begun) = (Arc::new(()), AtomicUsize::new(0));
        let seen = &alive;
        let begin = |n| {
            let begun = &begun;
            async move {
                let is_kept = Arc::strong_count(seen) == 2;
                begun.fetch_add(1, Ordering::Relaxed);
                while begun.load(Ordering::Relaxed) < 100 {
                    tokio::task::yield_now().await;
                }
                tokio::task::yield_now().await;
                (n, is_kept, Arc::strong_count(seen) == 1)
            }
        };
        let done = join_in_groups((0..100).map(begin), alive.clone()).await;
        assert!(done.iter().all(|it| it.1), "{done:?}");
        assert!(done.iter().any(|it| it.2), "{done:?}");
    }

    #[tokio::test]
    async fn one_that_waits_for_a_later_one_does_not_keep_it_from_beginning() {
        let latest = tokio::sync::Notify::new();
        let wait_or_notify = |n| {
            let latest = &latest;
            async move {
                match n {
                    99 => latest.notify_waiters(),
                    _ => latest.notified().await,
                }
            }
        };
        assert_eq!(
            join_in_groups((0..100).map(wait_or_notify), ()).await.len(),
            100
        );
    }
}
