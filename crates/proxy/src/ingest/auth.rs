//! Who may do what: bearer keys, several at once, hashed at rest, compared in constant time.
//!
//! Each has a name and roles (`config/keys.rs`); a route says which role it asks for. Keys come from the configuration and
//! from a Secrets Manager secret, which is read again while running, so that a key can be rotated with no restart and no
//! refusal in between. JWT and IAM are done by API Gateway in front.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::Aws;
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{Mutex, RwLock};
use tracing::warn;

use super::answer::Refusal;
use super::caller::Sender;
use crate::config::{self, Key, KeyEntry, KeyRole};
use crate::secrets;

/// How long the secret's keys are used without looking again: a withdrawn key works that long at most.
const FRESH: Duration = Duration::from_secs(300);

/// How soon an unknown key may make us look again: a new key works that soon at least, and a stranger cannot make us
/// call Secrets Manager at will.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What is known of no key.
const UNKNOWN: &str = "the key is not known";

/// The keys that are let in. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    configured: Arc<[Key]>,
    secret: Option<Secret>,
    /// Whether anyone may send without a key, and whether anyone may read.
    anonymous: bool,
    anonymous_reads: bool,
}

/// What some keys are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// For that; the name of the key.
    Good(Arc<str>),
    /// For something else.
    Other(Arc<str>),
    /// Nobody knows them.
    Unknown,
}

/// How long Secrets Manager may take: a request that waits for it has 5 s in all.
const FETCH: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Secret {
    aws: Aws,
    id: String,
    known: Arc<RwLock<Known>>,
    /// Held by the one who looks, so that the others go on with the keys that are known.
    looking: Arc<Mutex<()>>,
}

/// What is known of the secret's keys.
#[derive(Default)]
struct Known {
    keys: Option<Vec<Key>>,
    read_at: Option<Instant>,
    /// When it was last tried, in vain or not.
    tried_at: Option<Instant>,
}

impl Keys {
    /// The keys as configured; a secret that is named is read with `aws`.
    pub fn new(config: &config::Auth, aws: &Aws) -> Keys {
        let secret = config.secret_id.clone().map(|id| Secret {
            aws: aws.clone(),
            id,
            known: Arc::default(),
            looking: Arc::default(),
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

    /// Whether these headers carry a key for that, and whose; nobody's where none is needed. Java clients can send
    /// `Authorization` twice: one good one is enough.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        role: KeyRole,
    ) -> Result<Option<Sender>, Denied> {
        let open = match role {
            KeyRole::Send => self.anonymous,
            KeyRole::Read | KeyRole::Metrics => self.anonymous_reads,
            KeyRole::Operate => false,
        };
        let presented: Vec<[u8; 32]> = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|v| bearer(v.as_bytes()))
            .collect();
        let found = find(&presented, &self.configured, role);
        match (found, &self.secret) {
            (Verdict::Good(name), _) => Ok(Some(Sender(name))),
            (Verdict::Other(_) | Verdict::Unknown, _) if open => Ok(None),
            _ if presented.is_empty() => {
                Err(Refusal::Unauthorised("no Authorization: Bearer KEY").into())
            }
            (Verdict::Other(name), None) => Err(lacks(name, role)),
            (Verdict::Unknown, None) => Err(not_allowed(role, UNKNOWN.to_owned()).into()),
            (found, Some(secret)) => match (secret.admit(&presented, role).await?, found) {
                (Verdict::Good(name), _) => Ok(Some(Sender(name))),
                (Verdict::Other(name), _) | (Verdict::Unknown, Verdict::Other(name)) => {
                    Err(lacks(name, role))
                }
                (Verdict::Unknown, _) => Err(not_allowed(role, UNKNOWN.to_owned()).into()),
            },
        }
    }
}

/// Why a request is not let in, and whose it is if its key is known: they have a limit of their own in the log.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) refusal: Refusal,
    pub(super) sender: Option<Sender>,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Denied {
        Denied {
            refusal,
            sender: None,
        }
    }
}

fn lacks(name: Arc<str>, role: KeyRole) -> Denied {
    let why = format!("the key {name} does not have the role {}", role.name());
    Denied {
        refusal: not_allowed(role, why),
        sender: Some(Sender(name)),
    }
}

fn not_allowed(role: KeyRole, why: String) -> Refusal {
    match role {
        KeyRole::Send => Refusal::Forbidden(why),
        KeyRole::Read | KeyRole::Metrics | KeyRole::Operate => Refusal::NotForReading(why),
    }
}

impl Secret {
    async fn admit(&self, presented: &[[u8; 32]], role: KeyRole) -> Result<Verdict, Refusal> {
        if let Some(verdict) = self.known.read().await.verdict(presented, role, FRESH) {
            return verdict;
        }
        // One at a time looks; those who waited find what it read.
        let looking = self.looking.lock().await;
        let known = self.known.read().await.verdict(presented, role, FRESH);
        if known.is_none() {
            let fetched = self.fetch().await;
            let mut known = self.known.write().await;
            known.tried_at = Some(Instant::now());
            match fetched {
                Ok(keys) => {
                    known.keys = Some(keys);
                    known.read_at = known.tried_at;
                }
                // While Secrets Manager is away, the keys that were good go on being good.
                Err(error) => warn!(error, "the keys could not be read"),
            }
        }
        drop(looking);
        let known = self.known.read().await;
        let verdict = known.verdict(presented, role, Duration::MAX);
        verdict.unwrap_or(Ok(Verdict::Unknown))
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let read = secrets::read(&self.aws, &self.id, FETCH).await;
        parse(&read.map_err(|error| error.to_string())?)
    }
}

impl Known {
    /// What these keys are good for, as far as that can be said without looking again: keys that were read within
    /// `fresh`, or tried within [`LOOK_AGAIN`].
    fn verdict(
        &self,
        presented: &[[u8; 32]],
        role: KeyRole,
        fresh: Duration,
    ) -> Option<Result<Verdict, Refusal>> {
        let within = |at: Option<Instant>, age: Duration| at.is_some_and(|at| at.elapsed() < age);
        let tried = within(self.tried_at, LOOK_AGAIN);
        match &self.keys {
            Some(keys) => match find(presented, keys, role) {
                good @ Verdict::Good(_) => {
                    (tried || within(self.read_at, fresh)).then_some(Ok(good))
                }
                // A key that is new, or has got a new role, is looked for.
                other => tried.then_some(Ok(other)),
            },
            None => tried.then(|| Err(Refusal::Unavailable("the keys cannot be read".to_owned()))),
        }
    }
}

/// The keys of a secret: a JSON array, an object of named keys (`{"airflow": "KEY", "grafana": {"hash": …, "roles": ["read"]}}`),
/// or one key a line. Errors name places, never keys.
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

/// Their hashes: plain keys are forgotten at once.
fn parse(text: &str) -> Result<Vec<Key>, String> {
    keys(text)?.iter().map(KeyEntry::key).collect()
}

/// The hash of the key in `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<[u8; 32]> {
    let (scheme, key) = value.split_at_checked(7)?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then(|| Sha256::digest(key).into())
}

/// What the keys presented are good for. Takes as long whichever they are.
fn find(presented: &[[u8; 32]], keys: &[Key], role: KeyRole) -> Verdict {
    let (mut known, mut good, mut which) = (Choice::from(0), Choice::from(0), 0_u64);
    for one in presented {
        for (index, key) in (0_u64..).zip(keys) {
            let equal = one.ct_eq(&key.hash);
            let serves = equal & Choice::from(u8::from(key.may(role)));
            // The first that is good for it; until there is one, any that is known.
            which.conditional_assign(&index, (serves | equal) & !good);
            known |= equal;
            good |= serves;
        }
    }
    let name = usize::try_from(which)
        .ok()
        .and_then(|which| keys.get(which));
    match (name, bool::from(good), bool::from(known)) {
        (Some(key), true, _) => Verdict::Good(key.name.clone()),
        (Some(key), false, true) => Verdict::Other(key.name.clone()),
        (Some(_) | None, _, _) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests;
