//! API keys: several at once, hashed at rest, compared in constant time.
//!
//! Each key has a name and roles (`config/keys.rs`); a route names the role it requires. Keys come from the configuration and
//! from a Secrets Manager secret, which is read again while running, so that a key is rotated without a restart and without
//! a rejection in between. JWT and IAM are done by API Gateway in front.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::Aws;
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{Mutex, RwLock};
use tracing::warn;

use super::caller::Sender;
use super::rejection::Rejection;
use crate::config::{self, Key, KeyEntry, KeyRole};
use crate::secrets;

/// How long the keys of the secret are used without reading it again: a withdrawn key works that long at most.
const MAX_AGE: Duration = Duration::from_secs(300);

/// How long after a read an unknown key causes another: a new key works that soon at least, and a stranger cannot make us
/// call Secrets Manager at will.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// How long Secrets Manager may take: a request that waits for it has 5 s in all.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The keys that are admitted. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    configured: Arc<[Key]>,
    secret: Option<SecretKeys>,
    /// Whether anyone may send without a key, and whether anyone may read.
    anonymous: bool,
    anonymous_reads: bool,
}

/// What the keys that a request carries allow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    /// A key, of this name, has the role.
    Allowed(Arc<str>),
    /// A key, of this name, is known and lacks the role.
    LacksRole(Arc<str>),
    /// No key is known.
    Unknown,
}

/// Why a request is not admitted, and whose it is if its key is known: senders have a limit of their own in the log.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) rejection: Rejection,
    pub(super) sender: Option<Sender>,
}

/// The keys of a secret, read when they are needed.
#[derive(Clone)]
struct SecretKeys {
    aws: Aws,
    id: String,
    cache: Arc<RwLock<KeyCache>>,
    /// Held by the request that reads the secret, so that the others go on with the cached keys.
    reading: Arc<Mutex<()>>,
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

impl Keys {
    /// Takes the keys as configured; a configured secret is read with `aws`.
    pub fn new(config: &config::Auth, aws: &Aws) -> Keys {
        let secret = config.secret_id.clone().map(|id| SecretKeys {
            aws: aws.clone(),
            id,
            cache: Arc::default(),
            reading: Arc::default(),
        });
        let none = config.keys.is_empty() && config.secret_id.is_none();
        // Whoever gave somebody a key to read with does not want everybody to read.
        let has_reader = (config.keys.iter()).any(|key| key.may(KeyRole::Metrics));
        Keys {
            configured: config.keys.clone().into(),
            secret,
            anonymous: config.anonymous || none,
            anonymous_reads: none || config.anonymous && !has_reader && config.secret_id.is_none(),
        }
    }

    /// Admits a request that carries a key with the role, and returns whose it is: nobody's where no key is needed. Java
    /// clients can send `Authorization` twice: one good key is enough.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        role: KeyRole,
    ) -> Result<Option<Sender>, Denied> {
        let presented: Vec<[u8; 32]> = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|value| bearer(value.as_bytes()))
            .collect();
        let configured = find(&presented, &self.configured, role);
        let found = match (configured, &self.secret) {
            (found @ Match::Allowed(_), _) => found,
            (Match::LacksRole(_) | Match::Unknown, _) if self.is_open(role) => return Ok(None),
            _ if presented.is_empty() => return Err(Rejection::MissingKey.into()),
            (found, None) => found,
            (configured, Some(secret)) => {
                match (secret.find(&presented, role).await?, configured) {
                    (Match::Unknown, configured) => configured,
                    (found, _) => found,
                }
            }
        };
        match found {
            Match::Allowed(name) => Ok(Some(Sender(name))),
            Match::LacksRole(key) => Err(Denied {
                sender: Some(Sender(key.clone())),
                rejection: Rejection::MissingRole { key, role },
            }),
            Match::Unknown => Err(Rejection::UnknownKey(role).into()),
        }
    }

    fn is_open(&self, role: KeyRole) -> bool {
        match role {
            KeyRole::Send => self.anonymous,
            KeyRole::Read | KeyRole::Metrics => self.anonymous_reads,
            KeyRole::Operate => false,
        }
    }
}

impl From<Rejection> for Denied {
    fn from(rejection: Rejection) -> Denied {
        Denied {
            rejection,
            sender: None,
        }
    }
}

impl SecretKeys {
    async fn find(&self, presented: &[[u8; 32]], role: KeyRole) -> Result<Match, Rejection> {
        if let Some(found) = self.cache.read().await.find(presented, role, MAX_AGE) {
            return found;
        }
        // One request at a time reads the secret; those that waited find what it read.
        let reading = self.reading.lock().await;
        let found = self.cache.read().await.find(presented, role, MAX_AGE);
        if found.is_none() {
            let read = self.read().await;
            let mut cache = self.cache.write().await;
            cache.tried_at = Some(Instant::now());
            match read {
                Ok(keys) => {
                    cache.keys = Some(keys);
                    cache.read_at = cache.tried_at;
                }
                Err(error) => warn!(
                    error,
                    secret_id = self.id,
                    "failed to read the API keys from the secret"
                ),
            }
        }
        drop(reading);
        let cache = self.cache.read().await;
        let found = cache.find(presented, role, Duration::MAX);
        found.unwrap_or(Ok(Match::Unknown))
    }

    async fn read(&self) -> Result<Vec<Key>, String> {
        let text = secrets::read(&self.aws, &self.id, READ_TIMEOUT).await;
        parse(&text.map_err(|error| error.to_string())?)
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
        let within = |at: Option<Instant>, age: Duration| at.is_some_and(|at| at.elapsed() < age);
        let tried = within(self.tried_at, MIN_INTERVAL);
        match &self.keys {
            Some(keys) => match find(presented, keys, role) {
                allowed @ Match::Allowed(_) => {
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
}

/// Reads the keys of a secret: a JSON array, an object of named keys (`{"airflow": "KEY", "grafana": {"hash": …, "roles": ["read"]}}`),
/// or one key a line. Errors name positions, never keys.
pub fn keys(text: &str) -> Result<Vec<KeyEntry>, String> {
    use serde_json::Value;
    let mut keys = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => {
            config::key_entries("", &value, &mut keys)
                .map_err(|error| format!("key of the secret: {error}"))?;
        }
        Ok(Value::String(line)) => config::key_entries("", &Value::from(vec![line]), &mut keys)?,
        Ok(_) | Err(_) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            config::key_entries("", &lines.collect(), &mut keys)?;
        }
    }
    for (index, key) in keys.iter().enumerate() {
        (key.key()).map_err(|error| format!("key {} of the secret: {error}", index + 1))?;
    }
    Ok(keys)
}

/// Reads and hashes the keys of a secret; plain keys are dropped at once.
fn parse(text: &str) -> Result<Vec<Key>, String> {
    keys(text)?.iter().map(KeyEntry::key).collect()
}

/// Hashes the key in `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<[u8; 32]> {
    let (scheme, key) = value.split_at_checked(7)?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then(|| Sha256::digest(key).into())
}

/// Finds the keys presented among those known, in a time that depends on how many there are and on nothing else.
fn find(presented: &[[u8; 32]], keys: &[Key], role: KeyRole) -> Match {
    let (mut known, mut allowed, mut which) = (Choice::from(0), Choice::from(0), 0_u64);
    for one in presented {
        for (index, key) in (0_u64..).zip(keys) {
            let equal = one.ct_eq(&key.hash);
            let serves = equal & Choice::from(u8::from(key.may(role)));
            // The first that has the role; until there is one, any that is known.
            which.conditional_assign(&index, (serves | equal) & !allowed);
            known |= equal;
            allowed |= serves;
        }
    }
    let key = usize::try_from(which)
        .ok()
        .and_then(|which| keys.get(which));
    match (key, bool::from(allowed), bool::from(known)) {
        (Some(key), true, _) => Match::Allowed(key.name.clone()),
        (Some(key), false, true) => Match::LacksRole(key.name.clone()),
        (Some(_) | None, _, _) => Match::Unknown,
    }
}

#[cfg(test)]
mod tests;
