//! API keys: several at once, hashed at rest, compared in constant time.
//!
//! Each key has a name and roles (`config/keys.rs`); a route names the role that it requires. Keys come from the
//! configuration and from a secret of Secrets Manager (`auth/secret.rs`). A key may have a limit of requests
//! (`auth/rate_limits.rs`). JWT and IAM are checked by API Gateway.

mod rate_limits;
mod secret;

use std::sync::Arc;
use std::time::Instant;

use aws::Aws;
use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::caller::Sender;
use super::rejection::Rejection;
use crate::config::{self, Key, KeyEntry, KeyError, KeyRole, RateLimit, too_many};
use rate_limits::RateLimits;
use secret::SecretKeys;

/// What stands before a key, in any case (RFC 6750, section 2.1).
const SCHEME: &[u8] = b"bearer ";

/// The most keys of a request that are compared: clients send two at most, and a stranger must not choose how much is hashed.
const MAX_PRESENTED: usize = 8;

/// The keys that may be used. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    configured: Arc<[Key]>,
    secret: Option<SecretKeys>,
    limits: RateLimits,
    /// Whether anyone may send without a key, and whether anyone may read.
    anonymous: bool,
    anonymous_reads: bool,
}

/// What the keys of a request allow.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    /// The key of this name has the role, and may have a limit.
    Allowed(Arc<str>, Option<RateLimit>),
    /// The key of this name is known but does not have the role.
    LacksRole(Arc<str>),
    /// No key is known.
    Unknown,
}

/// Why a request is not admitted, and its sender if the key is known: senders have a separate limit in the log.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) rejection: Rejection,
    pub(crate) sender: Option<Sender>,
}

impl Keys {
    /// Creates the keys of the configuration. A configured secret is read with `aws`.
    pub fn new(config: &config::Auth, aws: &Aws) -> Keys {
        let secret = config.secret_id.clone();
        let secret = secret.map(|id| SecretKeys::new(aws.clone(), id));
        let none = config.keys.is_empty() && config.secret_id.is_none();
        // An operator who configures a key for reading does not want everybody to read.
        let has_reader = (config.keys.iter()).any(|key| key.may(KeyRole::Metrics));
        Keys {
            configured: config.keys.clone().into(),
            secret,
            limits: RateLimits::default(),
            anonymous: config.anonymous || none,
            anonymous_reads: none || config.anonymous && !has_reader && config.secret_id.is_none(),
        }
    }

    /// Admits a request that carries a key with the role. Returns its sender, or none if no key is needed. Java clients
    /// can send `Authorization` twice: one good key is enough.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        role: KeyRole,
    ) -> Result<Option<Sender>, Denial> {
        self.admit_hashes(&presented(headers), role).await
    }

    /// Admits the holder of keys with these hashes, as [`admit`](Self::admit) does.
    pub(super) async fn admit_hashes(
        &self,
        presented: &[[u8; 32]],
        role: KeyRole,
    ) -> Result<Option<Sender>, Denial> {
        let configured = find(presented, &self.configured, role);
        let found = match (configured, &self.secret) {
            (found @ Match::Allowed(..), _) => found,
            (Match::LacksRole(_) | Match::Unknown, _) if self.is_open(role) => return Ok(None),
            _ if presented.is_empty() => return Err(Rejection::MissingKey.into()),
            (found, None) => found,
            (configured, Some(secret)) => match (secret.find(presented, role).await?, configured) {
                (Match::Unknown, configured) => configured,
                (found, _) => found,
            },
        };
        match found {
            Match::Allowed(key, Some(limit)) if !self.limits.admit(&key, limit, Instant::now()) => {
                Err(Denial {
                    sender: Some(Sender(key.clone())),
                    rejection: Rejection::RateLimited { key, limit },
                })
            }
            Match::Allowed(name, _) => Ok(Some(Sender(name))),
            Match::LacksRole(key) => Err(Denial {
                sender: Some(Sender(key.clone())),
                rejection: Rejection::MissingRole { key, role },
            }),
            Match::Unknown => Err(Rejection::UnknownKey(role).into()),
        }
    }

    /// Whether there are keys, or may be.
    pub(super) fn are_configured(&self) -> bool {
        !self.configured.is_empty() || self.secret.is_some()
    }

    fn is_open(&self, role: KeyRole) -> bool {
        match role {
            KeyRole::Send => self.anonymous,
            KeyRole::Read | KeyRole::Metrics => self.anonymous_reads,
            KeyRole::Operate => false,
        }
    }
}

impl From<Rejection> for Denial {
    fn from(rejection: Rejection) -> Denial {
        Denial {
            rejection,
            sender: None,
        }
    }
}

/// Reads the keys of a secret: a JSON array, an object of named keys (`{"airflow": "KEY", "grafana": {"hash": …, "roles": ["read"]}}`),
/// or one key a line. Errors name positions, never keys.
pub fn keys(text: &str) -> Result<Vec<KeyEntry>, KeyError> {
    use serde_json::Value;
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
        Ok(Value::String(line)) => Value::from(vec![line]),
        Ok(_) | Err(_) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.collect()
        }
    };
    let keys: Result<Vec<KeyEntry>, KeyError> = config::key_entries(&value).into_iter().collect();
    let keys = keys?;
    too_many(keys.len()).map_or(Ok(()), Err)?;
    for key in &keys {
        key.key()?;
    }
    Ok(keys)
}

/// Hashes the keys of a request: that of each header, as it is, and those of headers that were joined.
fn presented(headers: &HeaderMap) -> Vec<[u8; 32]> {
    let values = headers.get_all(header::AUTHORIZATION).iter();
    let values = values.map(HeaderValue::as_bytes);
    let hashes = values.flat_map(|value| {
        let parts = joined(value);
        let parts = if parts.len() > 1 { parts } else { Vec::new() };
        [value].into_iter().chain(parts).filter_map(bearer)
    });
    hashes.take(MAX_PRESENTED).collect()
}

/// Splits a value before each `Bearer` that follows a comma: API Gateway and function URLs join the headers of one name so,
/// in payload 2.0 (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>:
/// "Duplicate headers are combined with commas"). A comma within a key separates nothing.
fn joined(value: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    for (comma, _) in value.iter().enumerate().filter(|(_, byte)| **byte == b',') {
        let rest = value
            .get(comma + 1..)
            .unwrap_or_default()
            .trim_ascii_start();
        let scheme = rest.get(..SCHEME.len()).unwrap_or_default();
        if scheme.eq_ignore_ascii_case(SCHEME) {
            parts.extend(value.get(begin..comma));
            begin = value.len() - rest.len();
        }
    }
    parts.extend(value.get(begin..));
    parts
}

/// Hashes the key in `Bearer KEY`.
fn bearer(value: &[u8]) -> Option<[u8; 32]> {
    let (scheme, key) = value.trim_ascii_start().split_at_checked(SCHEME.len())?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(SCHEME) && !key.is_empty()).then(|| Sha256::digest(key).into())
}

/// Finds the presented keys among the known ones, in a time that depends only on their number.
fn find(presented: &[[u8; 32]], keys: &[Key], role: KeyRole) -> Match {
    let (mut known, mut allowed, mut which) = (Choice::from(0), Choice::from(0), 0_u64);
    for one in presented {
        for (index, key) in (0_u64..).zip(keys) {
            let equal = one.ct_eq(&key.hash);
            let serves = equal & Choice::from(u8::from(key.may(role)));
            // Prefers the first that has the role over one that is only known.
            which.conditional_assign(&index, (serves | equal) & !allowed);
            known |= equal;
            allowed |= serves;
        }
    }
    let key = usize::try_from(which)
        .ok()
        .and_then(|which| keys.get(which));
    match (key, bool::from(allowed), bool::from(known)) {
        (Some(key), true, _) => Match::Allowed(key.name.clone(), key.limit),
        (Some(key), false, true) => Match::LacksRole(key.name.clone()),
        (Some(_) | None, _, _) => Match::Unknown,
    }
}

#[cfg(test)]
mod tests;
