//! Futures that begin in groups. Called for the runs of a batch.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many begin, or how many records are decoded, before the other tasks of the thread get their turn: about half a millisecond of
/// rules, encoding and writing. A whole batch of a local target would keep a request waiting for ten times as long. At most 30:
/// of more, `join_all` polls only those that were woken
/// (<https://docs.rs/futures-util/0.3/futures_util/future/fn.join_all.html>), and not all at the end.
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

/// Begins a future for each item, and completes all of them concurrently. Returns their results in any order. Polls all of them when
/// `end` is cancelled: they need not wait for that themselves. `until_begun` is dropped once all have begun, or after [`GATHER`].
pub(super) async fn join_in_groups<T, F: Future>(
    items: impl IntoIterator<Item = T>,
    begin: impl Fn(T) -> F,
    wake: Wake,
    end: &CancellationToken,
    until_begun: impl Sized,
) -> Vec<F::Output> {
    // Items and not futures, which are ten times as large and would be moved once more each time.
    let mut waiting = items.into_iter().peekable();
    let (mut begun, mut done) = (FuturesUnordered::new(), Vec::new());
    let (mut until_begun, first) = (Some(until_begun), Instant::now());
    while waiting.peek().is_some() {
        match wake {
            Wake::Alone => {
                let group = waiting.by_ref().take(GROUP);
                begun.extend(group.map(|item| polled_at(end, join_all([begin(item)]))));
            }
            Wake::Together => {
                let group = waiting.by_ref().take(GROUP).map(&begin);
                begun.push(polled_at(end, join_all(group)));
            }
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

/// Completes `work`, which is also polled when `end` is cancelled.
async fn polled_at<W: Future + Unpin>(end: &CancellationToken, mut work: W) -> W::Output {
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = end.cancelled() => {}
    }
    work.await
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use super::*;

    fn never() -> CancellationToken {
        CancellationToken::new()
    }

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
            let mut done = join_in_groups(0..count, future, wake, &never(), ()).await;
            done.sort_unstable();
            assert_eq!(done, Vec::from_iter(0..count));
        }
    }

    #[tokio::test]
    async fn another_task_gets_its_turn_before_all_have_begun() {
        let begun = AtomicUsize::new(0);
        let begin = |_| async { begun.fetch_add(1, Ordering::Relaxed) };
        let end = &never();
        let other = async {
            tokio::task::yield_now().await;
            begun.load(Ordering::Relaxed)
        };
        let (_, seen) = tokio::join!(join_in_groups(0..100, begin, Wake::Alone, end, ()), other);
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
        let done = join_in_groups(0..100, begin, Wake::Together, &never(), alive.clone()).await;
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
        let mut done = join_in_groups(0..200, begin, Wake::Together, &never(), alive.clone()).await;
        done.sort_unstable();
        assert_eq!((done[0], done[199]), ((0, true), (199, false)));
    }

    #[tokio::test]
    async fn all_are_polled_at_the_end() {
        for wake in [Wake::Alone, Wake::Together] {
            let end = &CancellationToken::new();
            // Nothing else wakes them.
            let begin = |_| {
                poll_fn(|_| match end.is_cancelled() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
            };
            let nested = |n| async move { join_in_groups([n], begin, wake, end, ()).await.len() };
            let joined = join_in_groups(0..100, nested, wake, end, ());
            let cancel = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                end.cancel();
            };
            assert_eq!(tokio::join!(joined, cancel).0, [1; 100]);
        }
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
            let end = &never();
            let joined = join_in_groups(0..100, wait_or_notify, wake, end, ());
            assert_eq!(joined.await.len(), 100);
        }
    }
}
