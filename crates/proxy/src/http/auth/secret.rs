//! The keys of a Secrets Manager secret, read when a request needs them and again while running, so that a key is rotated
//! without a restart and without a rejection in between.
//!
//! A stranger decides when requests arrive and when they are reset, and must not decide how often Secrets Manager is called:
//! a read is a task of its own, one at a time, and what it found is good for a while even if it found nothing.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use aws::{Aws, secrets_manager};
use tokio::sync::watch;
use tracing::warn;

use super::{Match, find, keys};
use crate::aws_error::summarize;
use crate::config::{Key, KeyEntry, KeyRole};
use crate::http::rejection::Rejection;

/// How long the keys of the secret are used without reading it again: a withdrawn key works that long at most.
const MAX_AGE: Duration = Duration::from_secs(300);

/// How long after a read an unknown key causes another: a new key works that soon at least, and a stranger cannot make us
/// call Secrets Manager at will.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// How long Secrets Manager may take: a request that waits for it has 5 s in all.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The keys of a secret. Cheap to clone.
#[derive(Clone)]
pub(super) struct SecretKeys {
    aws: Aws,
    id: String,
    cache: Arc<RwLock<KeyCache>>,
    reading: SharedTask,
}

/// The keys that were read from the secret. Not a cache that expires: while Secrets Manager is down, old keys go on being
/// good.
#[derive(Default)]
struct KeyCache {
    keys: Option<Vec<Key>>,
    read_at: Option<Instant>,
    /// When it was last tried, successfully or not.
    tried_at: Option<Instant>,
}

/// A task that several callers wait for, and that goes on when they do not.
#[derive(Clone, Default)]
struct SharedTask {
    /// Closed when the task has ended.
    running: Arc<Mutex<Option<watch::Receiver<()>>>>,
}

impl SecretKeys {
    pub(super) fn new(aws: Aws, id: String) -> SecretKeys {
        SecretKeys {
            aws,
            id,
            cache: Arc::default(),
            reading: SharedTask::default(),
        }
    }

    /// Finds the keys presented among those of the secret, which is read first if it should be.
    pub(super) async fn find(
        &self,
        presented: &[[u8; 32]],
        role: KeyRole,
    ) -> Result<Match, Rejection> {
        let cached = |max_age| self.cached().find(presented, role, max_age);
        if let Some(found) = cached(MAX_AGE) {
            return found;
        }
        // Another read may have ended just now.
        let read = || (!self.cached().was_tried()).then(|| self.clone().refresh());
        self.reading.join(read).await;
        cached(Duration::MAX).unwrap_or(Ok(Match::Unknown))
    }

    fn cached(&self) -> RwLockReadGuard<'_, KeyCache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the secret into the cache.
    async fn refresh(self) {
        let text = secrets_manager::read_text(&self.aws, &self.id, READ_TIMEOUT).await;
        let read = text.map_err(|error| summarize(&error));
        let read = read.and_then(|text| parse(&text));
        // Requests wait for the lock, and the log may be slow.
        if let Err(error) = self.store(read) {
            warn!(
                error,
                secret_id = self.id,
                "failed to read the API keys from the secret"
            );
        }
    }

    /// Puts the keys into the cache. Returns why they could not be read.
    fn store(&self, read: Result<Vec<Key>, String>) -> Result<(), String> {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.tried_at = Some(Instant::now());
        cache.keys = Some(read?);
        cache.read_at = cache.tried_at;
        Ok(())
    }
}

impl KeyCache {
    /// What the cache knows about these keys, unless the secret should be read first. It need not be when the last attempt
    /// was within [`MIN_INTERVAL`], or when a key has the role and was read within `max_age`.
    fn find(
        &self,
        presented: &[[u8; 32]],
        role: KeyRole,
        max_age: Duration,
    ) -> Option<Result<Match, Rejection>> {
        let tried = self.was_tried();
        match &self.keys {
            Some(keys) => match find(presented, keys, role) {
                allowed @ Match::Allowed(..) => {
                    (tried || within(self.read_at, max_age)).then_some(Ok(allowed))
                }
                // The key may be new, or have a new role.
                other @ (Match::LacksRole(_) | Match::Unknown) => tried.then_some(Ok(other)),
            },
            None => tried.then(|| {
                let why = "the API keys could not be read from the secret";
                Err(Rejection::Unavailable(why.to_owned()))
            }),
        }
    }

    /// Whether the last attempt to read the secret, successful or not, is too recent for another.
    fn was_tried(&self) -> bool {
        within(self.tried_at, MIN_INTERVAL)
    }
}

fn within(at: Option<Instant>, age: Duration) -> bool {
    at.is_some_and(|at| at.elapsed() < age)
}

/// Reads and hashes the keys of a secret; plain keys are dropped at once.
fn parse(text: &str) -> Result<Vec<Key>, String> {
    let hashed = keys(text).and_then(|keys| keys.iter().map(KeyEntry::key).collect());
    hashed.map_err(|error| error.to_string())
}

impl SharedTask {
    /// Waits for the task that runs. If none does, starts the one that `task` returns, if any.
    async fn join<F>(&self, task: impl FnOnce() -> Option<F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(mut running) = self.running_or(task) else {
            return;
        };
        let _ = running.changed().await; // nothing is ever sent: it ends with the task
    }

    fn running_or<F>(&self, task: impl FnOnce() -> Option<F>) -> Option<watch::Receiver<()>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running
            && running.has_changed().is_ok()
        {
            return Some(running.clone());
        }
        let task = task()?;
        let (ends, started) = watch::channel(());
        tokio::spawn(async move {
            task.await;
            drop(ends);
        });
        *running = Some(started.clone());
        Some(started)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;

    use super::*;
    use crate::config;

    const KEY: &str = "0123456789abcdef";

    fn key() -> Key {
        Key {
            name: "current".into(),
            hash: config::hash(KEY).unwrap(),
            roles: [KeyRole::Send].into(),
            limit: None,
        }
    }

    #[tokio::test]
    async fn a_read_outlives_the_request_that_began_it_and_the_next_ones_wait_for_it() {
        let reading = SharedTask::default();
        let (reads, (end, ended)) = (Arc::new(AtomicU32::new(0)), watch::channel(()));
        let read = || {
            let (reads, mut ended) = (reads.clone(), ended.clone());
            Some(async move {
                reads.fetch_add(1, Ordering::Relaxed);
                let _ = ended.changed().await;
            })
        };
        for _ in 0..3 {
            // The client resets its connection, and the request is dropped.
            assert_eq!(reading.join(read).now_or_never(), None);
            tokio::task::yield_now().await;
        }
        let mut last = Box::pin(reading.join(read));
        assert_eq!(last.as_mut().now_or_never(), None);
        drop(end);
        last.await;
        assert_eq!(reads.load(Ordering::Relaxed), 1);
        // What it found may be good for a while.
        reading.join(|| None::<std::future::Ready<()>>).await;
    }

    #[test]
    fn a_secret_that_cannot_be_read_keeps_its_keys_and_is_not_read_at_every_request() {
        let hash = |text: &str| [config::hash(text).unwrap()];
        let (good, bad) = (hash(KEY), hash("fedcba9876543210"));
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let state = |cache: &KeyCache, key: &[[u8; 32]]| {
            let found = cache.find(key, KeyRole::Send, MAX_AGE)?;
            Some(matches!(found, Ok(Match::Allowed(..))))
        };
        let fresh = KeyCache {
            keys: Some(vec![key()]),
            read_at: ago(60),
            tried_at: ago(60),
        };
        assert_eq!(
            (state(&fresh, &good), state(&fresh, &bad)),
            (Some(true), None),
            "an unknown key makes us read the secret"
        );
        let in_vain = KeyCache {
            read_at: ago(900),
            tried_at: ago(1),
            ..fresh
        };
        assert_eq!(
            (state(&in_vain, &good), state(&in_vain, &bad)),
            (Some(true), Some(false))
        );
        let stale = KeyCache {
            tried_at: ago(900),
            ..in_vain
        };
        assert_eq!(state(&stale, &good), None);
        let never = KeyCache {
            tried_at: ago(1),
            ..KeyCache::default()
        };
        assert!(matches!(
            never.find(&good, KeyRole::Send, MAX_AGE),
            Some(Err(Rejection::Unavailable(_)))
        ));
    }

    #[test]
    fn a_secret_holds_keys_in_any_of_its_forms() {
        let other = format!("sha256:{}", hex::encode([7u8; 32]));
        let forms = [
            format!("[\"{KEY}\", \"{other}\"]"),
            format!("{{\"current\":\"{KEY}\",\"old\":[\"{other}\"]}}"),
            format!(
                "{{\"a\":{{\"key\":\"{KEY}\"}},\"b\":{{\"hash\":\"{other}\",\"roles\":[\"send\"]}}}}"
            ),
            format!("{KEY}\n\n{other}\n"),
        ];
        for form in forms {
            let keys = parse(&form).unwrap();
            let hashes: Vec<[u8; 32]> = keys.iter().map(|key| key.hash).collect();
            assert_eq!(hashes, [config::hash(KEY).unwrap(), [7; 32]], "{form}");
            assert!(keys.iter().all(|key| key.roles == [KeyRole::Send].into()));
        }
        assert!(!parse("tooshort").err().unwrap().contains("tooshort"));
    }
}
