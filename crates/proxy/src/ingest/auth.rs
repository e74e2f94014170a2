//! Who may send: bearer keys, several at once, hashed at rest, compared in constant time.
//!
//! Keys come from the configuration and from a Secrets Manager secret, which is read again while running, so that a
//! key can be rotated with no restart and no refusal in between. JWT and IAM are done by API Gateway in front.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::{Mutex, RwLock};
use tracing::warn;

use super::answer::Refusal;
use crate::aws_error::said;
use crate::config;

/// How long the secret's keys are used without looking again: a withdrawn key works that long at most.
const FRESH: Duration = Duration::from_secs(300);

/// How soon an unknown key may make us look again: a new key works that soon at least, and a stranger cannot make us
/// call Secrets Manager at will.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The keys that are let in. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    configured: Arc<[[u8; 32]]>,
    secret: Option<Secret>,
    anonymous: bool,
}

/// How long Secrets Manager may take: a request that waits for it has 5 s in all.
const FETCH: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Secret {
    client: aws_sdk_secretsmanager::Client,
    id: String,
    known: Arc<RwLock<Known>>,
    /// Held by the one who looks, so that the others go on with the keys that are known.
    looking: Arc<Mutex<()>>,
}

/// What is known of the secret's keys.
#[derive(Default)]
struct Known {
    keys: Option<Vec<[u8; 32]>>,
    read_at: Option<Instant>,
    /// When it was last tried, in vain or not.
    tried_at: Option<Instant>,
}

impl Keys {
    /// The keys as configured; `aws` is needed where a secret is named.
    pub fn new(config: &config::Auth, aws: Option<&aws_config::SdkConfig>) -> Keys {
        let secret = config.secret_id.clone().zip(aws).map(|(id, aws)| Secret {
            client: aws_sdk_secretsmanager::Client::new(aws),
            id,
            known: Arc::default(),
            looking: Arc::default(),
        });
        let anonymous = config.anonymous || config.keys.is_empty() && config.secret_id.is_none();
        Keys {
            configured: config.keys.clone().into(),
            secret,
            anonymous,
        }
    }

    /// Whether these headers carry a key. Java clients can send `Authorization` twice: one good one is enough.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.anonymous {
            return Ok(());
        }
        let presented: Vec<[u8; 32]> = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|v| bearer(v.as_bytes()))
            .collect();
        if presented.is_empty() {
            return Err(Refusal::Unauthorised("no Authorization: Bearer KEY"));
        }
        if known(&presented, &self.configured) {
            return Ok(());
        }
        match &self.secret {
            Some(secret) => secret.admit(&presented).await,
            None => Err(Refusal::Forbidden("the key is not known")),
        }
    }
}

impl Secret {
    async fn admit(&self, presented: &[[u8; 32]]) -> Result<(), Refusal> {
        if let Some(verdict) = self.known.read().await.verdict(presented, FRESH) {
            return verdict;
        }
        // One at a time looks; those who waited find what it read.
        let looking = self.looking.lock().await;
        if self.known.read().await.verdict(presented, FRESH).is_none() {
            let fetched = tokio::time::timeout(FETCH, self.fetch()).await;
            let mut known = self.known.write().await;
            known.tried_at = Some(Instant::now());
            match fetched.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
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
        known
            .verdict(presented, Duration::MAX)
            .unwrap_or(Err(Refusal::Forbidden("the key is not known")))
    }

    async fn fetch(&self) -> Result<Vec<[u8; 32]>, String> {
        let request = self.client.get_secret_value().secret_id(&self.id);
        let answer = request.send().await.map_err(|error| said(&error))?;
        parse(answer.secret_string().unwrap_or_default())
    }
}

impl Known {
    /// Whether these keys are let in, as far as that can be said without looking again: keys that were read within
    /// `fresh`, or tried within [`LOOK_AGAIN`].
    fn verdict(&self, presented: &[[u8; 32]], fresh: Duration) -> Option<Result<(), Refusal>> {
        let within = |at: Option<Instant>, age: Duration| at.is_some_and(|at| at.elapsed() < age);
        let tried = within(self.tried_at, LOOK_AGAIN);
        match &self.keys {
            Some(keys) if known(presented, keys) => {
                (tried || within(self.read_at, fresh)).then_some(Ok(()))
            }
            Some(_) => tried.then_some(Err(Refusal::Forbidden("the key is not known"))),
            None => tried.then(|| Err(Refusal::Unavailable("the keys cannot be read".to_owned()))),
        }
    }
}

/// The keys of a secret: a JSON array, an object whose values are keys or arrays of keys, or one key a line.
/// Errors name places, never keys.
pub fn keys(text: &str) -> Result<Vec<String>, String> {
    use serde_json::Value;
    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
            Value::Object(members) => members.values().for_each(|value| texts(value, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut keys = Vec::new();
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_) | Value::String(_))) => {
            texts(&value, &mut keys)
        }
        Ok(_) | Err(_) => {
            keys = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        }
    }
    for (index, key) in keys.iter().enumerate() {
        config::hash(key).map_err(|error| format!("key {} of the secret: {error}", index + 1))?;
    }
    Ok(keys)
}

/// Their hashes: plain keys are forgotten at once.
fn parse(text: &str) -> Result<Vec<[u8; 32]>, String> {
    keys(text)?.iter().map(|key| config::hash(key)).collect()
}

/// The hash of the key in `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<[u8; 32]> {
    let (scheme, key) = value.split_at_checked(7)?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then(|| Sha256::digest(key).into())
}

/// Whether any key presented is any key known. Takes as long whichever it is.
fn known(presented: &[[u8; 32]], keys: &[[u8; 32]]) -> bool {
    let mut found = Choice::from(0);
    for one in presented {
        for key in keys {
            found |= one.ct_eq(key);
        }
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[tokio::test]
    async fn one_good_key_among_several_headers_is_enough() {
        let auth = config::Auth {
            keys: vec![config::hash(KEY).unwrap()],
            ..Default::default()
        };
        let keys = Keys::new(&auth, None);
        let mut headers = HeaderMap::new();
        assert!(matches!(
            keys.admit(&headers).await,
            Err(Refusal::Unauthorised(_))
        ));
        headers.append(header::AUTHORIZATION, "Bearer wrong".parse().unwrap());
        assert!(matches!(
            keys.admit(&headers).await,
            Err(Refusal::Forbidden(_))
        ));
        headers.append(
            header::AUTHORIZATION,
            format!("bearer  {KEY}").parse().unwrap(),
        );
        assert!(keys.admit(&headers).await.is_ok());
    }

    #[test]
    fn a_secret_that_cannot_be_read_again_keeps_its_keys_and_is_not_asked_at_every_request() {
        let (good, bad) = ([[1; 32]], [[2; 32]]);
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let state = |known: &Known, key: &[[u8; 32]]| {
            known.verdict(key, FRESH).map(|verdict| verdict.is_ok())
        };
        let fresh = Known {
            keys: Some(good.to_vec()),
            read_at: ago(60),
            tried_at: ago(60),
        };
        assert_eq!(
            (state(&fresh, &good), state(&fresh, &bad)),
            (Some(true), None),
            "a new key is looked for"
        );
        let in_vain = Known {
            read_at: ago(900),
            tried_at: ago(1),
            ..fresh
        };
        assert_eq!(
            (state(&in_vain, &good), state(&in_vain, &bad)),
            (Some(true), Some(false))
        );
        let stale = Known {
            tried_at: ago(900),
            ..in_vain
        };
        assert_eq!(state(&stale, &good), None);
        let never = Known {
            tried_at: ago(1),
            ..Known::default()
        };
        assert!(matches!(
            never.verdict(&good, FRESH),
            Some(Err(Refusal::Unavailable(_)))
        ));
    }

    #[test]
    fn a_secret_holds_keys_in_any_of_three_forms() {
        let hashed = config::hash(KEY).unwrap();
        let other = format!("sha256:{}", hex::encode([7u8; 32]));
        let forms = [
            format!("[\"{KEY}\", \"{other}\"]"),
            format!("{{\"current\":\"{KEY}\",\"old\":[\"{other}\"]}}"),
            format!("{KEY}\n\n{other}\n"),
        ];
        for form in forms {
            assert_eq!(parse(&form).unwrap(), [hashed, [7; 32]]);
        }
        assert!(!parse("tooshort").unwrap_err().contains("tooshort"));
    }
}
