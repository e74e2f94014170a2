//! What all readers get alike: it is read once for those who ask at about the same time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What was read last.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    /// How long it is returned again.
    kept: Duration,
    /// Whoever has the lock reads.
    last: Mutex<Option<Last<T>>>,
}

#[derive(Debug)]
struct Last<T> {
    value: T,
    begun: Instant,
    ended: Instant,
}

impl<T: Clone> Shared<T> {
    pub(crate) fn new(kept: Duration) -> Shared<T> {
        Shared {
            kept,
            last: Mutex::new(None),
        }
    }

    /// Returns what was read a moment ago, unless something has `changed` since; or else reads it. Whoever asks meanwhile waits for
    /// the same. An error is not kept.
    pub(crate) async fn get<E>(
        &self,
        changed: Option<Instant>,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut last = self.last.lock().await;
        let is_fresh = |last: &&Last<T>| {
            last.ended.elapsed() < self.kept && changed.is_none_or(|changed| last.begun >= changed)
        };
        if let Some(last) = last.as_ref().filter(is_fresh) {
            return Ok(last.value.clone());
        }
        let begun = Instant::now();
        let value = read.await?;
        *last = Some(Last {
            value: value.clone(),
            begun,
            ended: Instant::now(),
        });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_once_share_what_is_read_until_something_has_changed() {
        let shared = Shared::new(Duration::from_secs(3_600));
        let reads = Cell::new(0);
        let get = |changed| {
            shared.get(changed, async {
                tokio::task::yield_now().await;
                reads.set(reads.get() + 1);
                Ok::<u32, ()>(reads.get())
            })
        };
        assert_eq!(
            tokio::join!(get(None), get(None), get(None)),
            (Ok(1), Ok(1), Ok(1))
        );
        let changed = Some(Instant::now());
        assert_eq!(tokio::join!(get(changed), get(changed)), (Ok(2), Ok(2)));
    }

    #[tokio::test]
    async fn what_was_read_long_ago_and_what_failed_is_read_again() {
        let shared = Shared::new(Duration::ZERO);
        assert_eq!(shared.get(None, async { Err(()) }).await, Err(()));
        assert_eq!(shared.get(None, async { Ok::<_, ()>(1) }).await, Ok(1));
        assert_eq!(shared.get(None, async { Ok::<_, ()>(2) }).await, Ok(2));
    }
}
