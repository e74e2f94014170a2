//! Futures that begin in groups. Called for the runs of a batch.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

/// How many begin, or how many records are decoded, before the other tasks of the thread get their turn: about half a millisecond of
/// rules, encoding and writing. A whole batch of a local target would keep a request waiting for ten times as long.
pub(super) const GROUP: usize = 16;

/// The most time for which the events of a batch are gathered: where the rules are slow, those of other batches must not wait for all
/// of this one.
const GATHER: Duration = Duration::from_millis(50);

/// How the futures are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// Each alone.
    Alone,
    /// Most of a group at the same time, as by the sync of a file. Then one waker for the group costs less than one for each, although it
    /// polls the whole group.
    Together,
}

/// Completes all futures concurrently. Returns their results in any order. `until_begun` is dropped once all have begun, or after
/// [`GATHER`].
pub(super) async fn join_in_groups<F: Future>(
    futures: impl IntoIterator<Item = F>,
    wake: Wake,
    until_begun: impl Sized,
) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().peekable();
    let (mut begun, mut done) = (FuturesUnordered::new(), Vec::new());
    let (mut until_begun, first) = (Some(until_begun), Instant::now());
    while waiting.peek().is_some() {
        match wake {
            Wake::Alone => begun.extend(waiting.by_ref().take(GROUP).map(|it| join_all([it]))),
            Wake::Together => begun.push(join_all(waiting.by_ref().take(GROUP))),
        }
        while let Some(Some(results)) = begun.next().now_or_never() {
            done.extend(results);
        }
        if waiting.peek().is_some() {
            until_begun = until_begun.filter(|_| first.elapsed() < GATHER);
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
        let counts = [0, 1, GROUP, GROUP + 1, 100];
        let wakes = [Wake::Alone, Wake::Together];
        for (count, wake) in counts.into_iter().flat_map(|n| wakes.map(|wake| (n, wake))) {
            let future = |n: usize| async move {
                for _ in 0..n % 3 {
                    tokio::task::yield_now().await;
                }
                n
            };
            let mut done = join_in_groups((0..count).map(future), wake, ()).await;
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
        let (_, seen) = tokio::join!(join_in_groups((0..100).map(begin), Wake::Alone, ()), other);
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
        let done = join_in_groups((0..100).map(begin), Wake::Together, alive.clone()).await;
        assert!(done.iter().all(|it| it.1), "{done:?}");
        assert!(done.iter().any(|it| it.2), "{done:?}");
    }

    #[tokio::test]
    async fn where_beginning_takes_long_nothing_is_kept_for_all_of_it() {
        let alive = Arc::new(());
        let begin = async |n: u32| {
            std::thread::sleep(GATHER / 50);
            (n, Arc::strong_count(&alive) == 2)
        };
        let mut done = join_in_groups((0..200).map(begin), Wake::Together, alive.clone()).await;
        done.sort_unstable();
        assert_eq!((done[0], done[199]), ((0, true), (199, false)));
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
        for wake in [Wake::Alone, Wake::Together] {
            let joined = join_in_groups((0..100).map(wait_or_notify), wake, ());
            assert_eq!(joined.await.len(), 100);
        }
    }
}
