//! The key of the hashes that replace redacted values, while rules are in use: read again from its secret, so that a new key
//! takes effect without a restart. Without a good new key the old one stays in use.
//!
//! The first read is that of the start (`topology/target.rs`). Called by `rules.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{Aws, secrets_manager};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws_error::summarize;
use crate::config::HashKey;
use crate::telemetry::metric::Metric;

/// How often the secret is read: as soon as the keys of targets and senders are, and for next to nothing.
const INTERVAL: Duration = Duration::from_secs(300);

/// How long a read may take: a batch waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The key of a rules file.
#[derive(Debug)]
pub struct RulesKey {
    /// Where the key is read again; `None` if it never changes.
    secret: Option<(Aws, String)>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    key: Arc<HashKey>,
    /// How often the key was replaced.
    generation: u32,
    /// When the secret was last read, or a read began.
    read_at: Instant,
}

impl RulesKey {
    /// A key that never changes.
    pub fn fixed(key: HashKey) -> RulesKey {
        RulesKey::new(key, None)
    }

    /// A key that was read now from the secret with this id.
    pub fn of_secret(key: HashKey, aws: &Aws, id: &str) -> RulesKey {
        RulesKey::new(key, Some((aws.clone(), id.to_owned())))
    }

    fn new(key: HashKey, secret: Option<(Aws, String)>) -> RulesKey {
        RulesKey {
            secret,
            state: Mutex::new(State {
                key: Arc::new(key),
                generation: 0,
                read_at: Instant::now(),
            }),
        }
    }

    /// Returns the key in use, and how often it was replaced.
    pub(super) fn current(&self) -> (Arc<HashKey>, u32) {
        let state = self.lock();
        (state.key.clone(), state.generation)
    }

    /// Reads the key again if the last read is long enough ago, or at once if an operator asks for it.
    pub(super) async fn refresh(&self, at_once: bool) {
        let Some((aws, id)) = &self.secret else {
            return;
        };
        if !self.begin(at_once, Instant::now()) {
            return;
        }
        let text = secrets_manager::read_text(aws, id, TIMEOUT).await;
        let key = text.map_err(|error| summarize(&error));
        match key.and_then(|text| HashKey::new(text.trim().to_owned())) {
            Ok(key) => {
                if self.replace(key) {
                    info!(
                        secret_id = id,
                        "the hash key has changed; using the new one"
                    );
                }
            }
            Err(error) => {
                Metric::RulesReloadFailures.add([], 1);
                warn!(
                    error,
                    secret_id = id,
                    "failed to read the hash key again; the last one stays in use"
                );
            }
        }
    }

    /// Whether to read it now. Nobody else reads it for a while then.
    fn begin(&self, at_once: bool, now: Instant) -> bool {
        let mut state = self.lock();
        let is_due = at_once || now.duration_since(state.read_at) >= INTERVAL;
        if is_due {
            state.read_at = now;
        }
        is_due
    }

    /// Uses this key from now on. Returns whether it is another one.
    fn replace(&self, key: HashKey) -> bool {
        let mut state = self.lock();
        let is_new = *state.key != key;
        if is_new {
            state.key = Arc::new(key);
            state.generation += 1;
        }
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RulesFile, RulesSource};
    use crate::rules::{RuleOptions, RuleStore};

    fn key(letter: &str) -> HashKey {
        HashKey::new(letter.repeat(32)).unwrap()
    }

    #[test]
    fn a_key_is_read_seldom_and_at_once_if_an_operator_asks() {
        let rules_key = RulesKey::fixed(key("a"));
        let start = Instant::now();
        let begin = |at_once, seconds| {
            let now = start + Duration::from_secs(seconds);
            rules_key.begin(at_once, now)
        };
        assert_eq!([begin(false, 10), begin(true, 20)], [false, true]);
        let asked = [319, 320, 321].map(|seconds| begin(false, seconds));
        assert_eq!(asked, [false, true, false]);
    }

    #[test]
    fn only_another_key_counts_as_a_change() {
        let rules_key = RulesKey::fixed(key("a"));
        assert!(!rules_key.replace(key("a")));
        assert_eq!(rules_key.current().1, 0);
        assert!(rules_key.replace(key("b")));
        let (current, generation) = rules_key.current();
        assert_eq!((current.bytes(), generation), (&[b'b'; 32][..], 1));
    }

    #[tokio::test]
    async fn rules_are_read_again_with_a_key_that_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        std::fs::write(&file, "rules: []\n").unwrap();
        let config = RulesFile {
            source: Some(RulesSource::Path(file)),
            setting: "rules.file".to_owned(),
            refresh: Duration::ZERO,
            hash_key: None,
        };
        let rules_key = Some(RulesKey::fixed(key("a")));
        let options = RuleOptions::default();
        let store = RuleStore::open(&config, rules_key, &Aws::new(), options).await;
        let store = store.unwrap();
        let version = store.current().version.clone();
        store.reload().await;
        assert_eq!(store.current().version, version);
        store.hash_key.as_ref().unwrap().replace(key("b"));
        store.reload().await;
        assert_eq!(store.current().version, format!("{version}-key-2"));
        assert_eq!(store.key().unwrap().bytes(), &[b'b'; 32]);
    }

    #[tokio::test]
    async fn rules_that_are_tried_do_not_hash_with_the_key_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.yaml");
        let text = "rules: [{name: r, redact: {pointers: [/run/facets/x/secret], with: hash}}]";
        std::fs::write(&file, text).unwrap();
        let config = RulesFile {
            source: Some(RulesSource::Path(file)),
            setting: "rules.file".to_owned(),
            refresh: Duration::ZERO,
            hash_key: None,
        };
        let rules_key = Some(RulesKey::fixed(key("a")));
        let store = RuleStore::open(&config, rules_key, &Aws::new(), RuleOptions::default()).await;
        let store = store.unwrap();
        let event = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"START",
            "run":{"runId":"01a1faa6-e194-708b-a993-000000000001","facets":{"x":{"_producer":"urn:p","_schemaURL":"urn:s","secret":"guess"}}},
            "job":{"namespace":"etl","name":"j"}}"#;
        let event = openlineage::Event::read_again(&event.into()).unwrap();
        let lookups = std::collections::HashMap::new();
        let context = transform::Context {
            target: "store",
            lookups: &lookups,
        };
        let hash = |rules: &transform::RuleSet| {
            let hidden = rules.redacted(&event, &context).unwrap();
            let hidden: serde_json::Value = serde_json::from_str(hidden.text()).unwrap();
            let hash = hidden.pointer("/run/facets/x/secret").unwrap();
            hash.as_str().unwrap().to_owned()
        };
        let in_use = hash(&store.current().rules);
        let tried = hash(&store.read_trial(text).unwrap());
        assert!(in_use.starts_with("hmac:") && tried.starts_with("hmac:"));
        assert_ne!(tried, in_use);
    }
}
