//! API keys: their hashes and roles, and the setting `auth.keys`.
//!
//! Plain keys are dropped as soon as they are hashed. How keys are written, with their names and roles, is in
//! `keys/entries.rs`; a secret of Secrets Manager, which `http/auth.rs` reads, has the same form.

mod entries;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use settings::{Format, List, object};
use sha2::{Digest, Sha256};

pub use entries::{KeyEntry, KeyError};
pub(crate) use entries::{Step, key_entries};

use entries::{KeyPath, describes_a_key};

/// Returns the SHA-256 of a key, which is written in plain text or as `sha256:` and 64 hex digits.
pub fn hash(key: &str) -> Result<[u8; 32], String> {
    // A key that can be guessed is useless; 16 characters of base 62 have 95 bits.
    const SHORTEST: usize = 16;
    match key.strip_prefix("sha256:") {
        Some(digits) => {
            let bytes = hex::decode(digits).ok();
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| "expected 64 hex digits after sha256:".to_owned())
        }
        None if key.len() < SHORTEST => Err(format!("shorter than {SHORTEST} characters")),
        None => Ok(Sha256::digest(key).into()),
    }
}

/// The setting `auth.keys`: keys by name with their roles, or a list of keys. Errors do not repeat keys.
pub(super) enum Keys {}

impl Format for Keys {
    type Value = Vec<Key>;

    fn expected() -> String {
        "keys by name, or a list of keys".to_owned()
    }

    fn values() -> String {
        "map or list".to_owned()
    }

    fn parse(text: &str) -> Result<Vec<Key>, String> {
        Keys::read(text.into())
    }

    fn read(value: Value) -> Result<Vec<Key>, String> {
        Keys::check(value).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            errors.join("; ")
        })
    }

    /// Shows the names of the keys, with their roles and limits.
    fn show(keys: &Vec<Key>) -> String {
        let shown = keys.iter().map(|key| {
            let roles: Vec<&str> = key.roles.iter().map(|role| role.name()).collect();
            let limit = key.limit.map(|limit| format!(", {limit} requests/s"));
            let limit = limit.unwrap_or_default();
            format!("{} ({}{limit})", key.name, roles.join(", "))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

impl Keys {
    /// Reads the keys. Reports all errors, each with its place.
    pub(super) fn check(value: Value) -> Result<Vec<Key>, Vec<KeyError>> {
        let value = match value {
            Value::String(text) => parsed(&text).map_err(|error| vec![error])?,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => value,
        };
        let mut errors = Vec::new();
        not_texts(&KeyPath::default(), &value, &mut errors);
        let mut entries = Vec::new();
        for entry in key_entries(&value) {
            match entry {
                // What a list inside a list holds is not a key.
                Ok(entry) if errors.iter().any(|wrong| entry.path.is_within(&wrong.path)) => {}
                Ok(entry) => entries.push(entry),
                Err(error) => errors.push(error),
            }
        }
        errors.extend(too_many(entries.len()));
        let (keys, wrong) = hashed(&entries, value.is_object());
        errors.extend(wrong);
        match errors.is_empty() {
            true => Ok(keys),
            false => Err(errors),
        }
    }
}

/// Reads keys that are written as one text.
fn parsed(text: &str) -> Result<Value, KeyError> {
    let error = |message| KeyPath::default().error(message);
    match text.trim_start().starts_with('{') {
        true => {
            object(text).map_err(|why| error(format!("expected a list, or a map in JSON: {why}")))
        }
        false => List::parse(text).map(Value::from).map_err(error),
    }
}

/// Hashes the keys, and returns the errors of the others. Two names must not have the same key, because its sender and
/// roles would be ambiguous. The same key twice in a list is one key.
fn hashed(found: &[KeyEntry], have_names: bool) -> (Vec<Key>, Vec<KeyError>) {
    let (mut keys, mut errors): (Vec<Key>, Vec<KeyError>) = Default::default();
    for entry in found {
        match entry.key() {
            Ok(key) => match keys.iter().find(|other| other.hash == key.hash) {
                Some(other) if have_names => {
                    errors.push(entry.error(format!("the same key as {}", other.name)));
                }
                Some(_) => {}
                None => keys.push(key),
            },
            Err(error) => errors.push(error),
        }
    }
    (keys, errors)
}

/// The most keys. Each is compared with every request, and its name is a label of a metric.
const MAX_KEYS: usize = 200;

/// Reports more keys than there may be.
pub(crate) fn too_many(keys: usize) -> Option<KeyError> {
    let message = || format!("expected at most {MAX_KEYS} keys, found {keys}");
    (keys > MAX_KEYS).then(|| KeyPath::default().error(message()))
}

/// Reports values that cannot be keys. In a secret they are ignored; here one would be a key that lets nobody in.
fn not_texts(path: &KeyPath, value: &Value, errors: &mut Vec<KeyError>) {
    let is_listed = matches!(path.0.as_slice(), [Step::Item(_)]);
    let is_all = path.0.is_empty();
    match value {
        Value::String(_) => {}
        Value::Array(items) if !is_listed => {
            for (index, item) in items.iter().enumerate() {
                not_texts(&path.then(Step::Item(index)), item, errors);
            }
        }
        // `key_entries` reports what is wrong inside.
        Value::Object(members) if !is_listed && !is_all && describes_a_key(members) => {}
        Value::Object(members) if is_all || !is_listed && !members.is_empty() => {
            for (name, value) in members {
                not_texts(&path.then(Step::Member(name.clone())), value, errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            errors.push(path.error("expected a text: put it in quotes"));
        }
    }
}

/// What a key allows a request to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// Send events, and validate them.
    Send,
    /// Read stored events, and metrics.
    Read,
    /// Read metrics only.
    Metrics,
    /// Administer the proxy. No route requires it yet, but keys can already have it.
    Operate,
}

impl KeyRole {
    /// Returns the name in settings and responses.
    pub fn name(self) -> &'static str {
        match self {
            KeyRole::Send => "send",
            KeyRole::Read => "read",
            KeyRole::Metrics => "metrics",
            KeyRole::Operate => "operate",
        }
    }

    fn parse(text: &str) -> Result<KeyRole, String> {
        let roles = [
            KeyRole::Send,
            KeyRole::Read,
            KeyRole::Metrics,
            KeyRole::Operate,
        ];
        let found = roles.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("a role is send, read, metrics or operate, not {text:?}"))
    }
}

/// A hashed key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of its holder in logs and metrics.
    pub name: Arc<str>,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it allows.
    pub roles: BTreeSet<KeyRole>,
    /// How many requests it may send.
    pub limit: Option<RateLimit>,
}

/// A number of requests a second, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(NonZeroU32);

impl RateLimit {
    /// The highest limit.
    const MAX: u32 = 1_000_000;

    /// Creates a limit of `requests` a second, from 1 to a million.
    pub fn new(requests: u32) -> Option<RateLimit> {
        let requests = NonZeroU32::new(requests)?;
        (requests.get() <= RateLimit::MAX).then_some(RateLimit(requests))
    }

    /// The time between two requests at this rate.
    pub fn interval(self) -> Duration {
        Duration::from_secs(1) / self.0.get()
    }
}

impl std::fmt::Display for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.roles)
    }
}

impl Key {
    /// Whether the key allows `role`.
    pub fn may(&self, role: KeyRole) -> bool {
        let more = role == KeyRole::Metrics && self.roles.contains(&KeyRole::Read);
        self.roles.contains(&role) || more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_no_more_than_it_names() {
        let key = |roles: &[KeyRole]| Key {
            name: "k".into(),
            hash: [0; 32],
            roles: roles.iter().copied().collect(),
            limit: None,
        };
        use KeyRole::{Metrics, Operate, Read, Send};
        assert!(key(&[Read]).may(Metrics) && key(&[Read]).may(Read));
        for (has, may_not) in [
            (Send, Read),
            (Send, Metrics),
            (Metrics, Read),
            (Read, Send),
            (Operate, Read),
            (Operate, Send),
            (Send, Operate),
        ] {
            assert!(!key(&[has]).may(may_not), "{has:?} {may_not:?}");
        }
    }
}
