//! API keys: their names, hashes and roles.
//!
//! The keys of a list may send; a map gives keys names and roles. Both can stand in the file, in the environment and in a
//! secret of Secrets Manager. Plain keys are dropped as soon as they are hashed. Part of `config.rs`; also called by
//! `http/auth.rs`, for the secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use settings::{Format, List, object};
use sha2::{Digest, Sha256};

/// The SHA-256 of a key that is given plain, or as `sha256:` and 64 hex digits.
pub fn hash(key: &str) -> Result<[u8; 32], String> {
    // A key that can be guessed protects nothing; 16 characters of base 62 have 95 bits.
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
        let value = match value {
            Value::String(text) if text.trim_start().starts_with('{') => {
                object(&text).map_err(|why| format!("expected a list, or a map in JSON: {why}"))?
            }
            Value::String(text) => List::parse(&text)?.into(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => value,
        };
        let is_nested = value
            .as_array()
            .is_some_and(|keys| !keys.iter().all(Value::is_string));
        if is_nested || !is_of_texts(&value) {
            // In a secret it may be something else; here it is a key that would let nobody in.
            return Err(
                "expected keys that are texts, found one that is not: put it in quotes".to_owned(),
            );
        }
        let mut found = Vec::new();
        key_entries("", &value, &mut found)?;
        let (keys, errors) = hashed(&found, value.is_object());
        match errors.is_empty() {
            true => Ok(keys),
            false => Err(errors.join("; ")),
        }
    }

    /// The names of the keys, with their roles.
    fn show(keys: &Vec<Key>) -> String {
        let shown = keys.iter().map(|key| {
            let roles: Vec<&str> = key.roles.iter().map(|role| role.name()).collect();
            format!("{} ({})", key.name, roles.join(", "))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The keys, hashed, and what is wrong with the others. Two names must not have the same key: which of them sent an event, and
/// what may it do? The same key twice in a list is one key.
fn hashed(found: &[KeyEntry], have_names: bool) -> (Vec<Key>, Vec<String>) {
    let (mut keys, mut errors): (Vec<Key>, Vec<String>) = Default::default();
    for (index, entry) in found.iter().enumerate() {
        // The name of a key in a list is its number.
        let name = match entry.name.strip_prefix("key-") {
            Some(_) => format!("key {}", index + 1),
            None => entry.name.clone(),
        };
        match entry.key() {
            Ok(key) => match keys.iter().find(|other| other.hash == key.hash) {
                Some(other) if have_names => {
                    errors.push(format!("{name}: the same key as {}", other.name));
                }
                Some(_) => {}
                None => keys.push(key),
            },
            Err(message) => errors.push(format!("{name}: {message}")),
        }
    }
    (keys, errors)
}

/// Whether every value is a text, and no map is empty.
fn is_of_texts(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().all(is_of_texts),
        Value::Object(members) => members
            .values()
            .all(|value| is_of_texts(value) && value.as_object().is_none_or(|one| !one.is_empty())),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
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
    /// Administer. No route requires it yet; keys can be given out ahead.
    Operate,
}

impl KeyRole {
    /// The name in settings and responses.
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

/// A key, hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of its holder in logs and metrics.
    pub name: Arc<str>,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it allows.
    pub roles: BTreeSet<KeyRole>,
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

/// A key as it is written, plain or hashed.
pub struct KeyEntry {
    /// Its name.
    pub name: String,
    /// The key, or `sha256:` and its hash.
    pub text: String,
    /// What it allows.
    pub roles: BTreeSet<KeyRole>,
}

impl KeyEntry {
    fn sender(name: impl Into<String>, text: &str) -> KeyEntry {
        KeyEntry {
            name: name.into(),
            text: text.to_owned(),
            roles: BTreeSet::from([KeyRole::Send]),
        }
    }

    /// Hashes the key. Errors do not repeat it.
    pub fn key(&self) -> Result<Key, String> {
        Ok(Key {
            name: self.name.as_str().into(),
            hash: hash(&self.text)?,
            roles: self.roles.clone(),
        })
    }
}

/// Collects the keys of a list, or of a map by name. `outer` is the name of the value they are in. Errors contain names only.
pub(crate) fn key_entries(
    outer: &str,
    value: &Value,
    keys: &mut Vec<KeyEntry>,
) -> Result<(), String> {
    match value {
        Value::String(text) => keys.push(KeyEntry::sender(outer, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = match outer {
                    "" => format!("key-{}", index + 1),
                    outer => format!("{outer}-{}", index + 1),
                };
                key_entries(&name, item, keys)?;
            }
        }
        // Only in an entry of a map are these names those of a description.
        Value::Object(members) if !outer.is_empty() && describes_a_key(members) => {
            keys.push(described(outer, members)?);
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = match outer {
                    "" => named(name),
                    outer => format!("{outer}.{}", named(name)),
                };
                key_entries(&name, value, keys)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn describes_a_key(members: &Map<String, Value>) -> bool {
    ["hash", "key", "roles"]
        .iter()
        .any(|name| members.contains_key(*name))
}

/// `{hash: sha256:…, roles: [send, read]}`.
fn described(name: &str, members: &Map<String, Value>) -> Result<KeyEntry, String> {
    let wrong = |what: &str| format!("{name}: {what}");
    if let Some(other) = members
        .keys()
        .find(|name| !["hash", "key", "roles"].contains(&name.as_str()))
    {
        return Err(wrong(&format!(
            "expected hash or key, and roles, found {:?}",
            named(other)
        )));
    }
    let text = match (members.get("hash"), members.get("key")) {
        (Some(Value::String(hash)), None) if hash.starts_with("sha256:") => hash,
        (Some(_), None) => {
            return Err(wrong(
                "hash: expected sha256: and 64 hex digits (lineage-proxy keys hash)",
            ));
        }
        (None, Some(Value::String(key))) => key,
        _ => return Err(wrong("expected one text, hash or key")),
    };
    let roles: Vec<&str> = match members.get("roles") {
        None => vec!["send"],
        Some(Value::String(text)) => text.split(',').map(str::trim).collect(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect()
        }
        Some(_) => return Err(wrong("roles: expected a list")),
    };
    let roles: Result<BTreeSet<KeyRole>, String> = roles.into_iter().map(KeyRole::parse).collect();
    let roles = roles.map_err(|error| wrong(&error))?;
    if roles.is_empty() {
        return Err(wrong("roles: expected at least one role"));
    }
    Ok(KeyEntry {
        roles,
        ..KeyEntry::sender(name, text)
    })
}

/// A name that is fit for a log line and a label.
fn named(name: &str) -> String {
    const LONGEST: usize = 64;
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
        _ => '_',
    };
    name.chars().take(LONGEST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "0123456789abcdef";

    fn keys(value: &Value) -> Result<Vec<(String, Vec<&'static str>)>, String> {
        let mut keys = Vec::new();
        key_entries("", value, &mut keys)?;
        let roles = |key: &KeyEntry| key.roles.iter().map(|role| role.name()).collect();
        Ok(keys
            .iter()
            .map(|key| (key.name.clone(), roles(key)))
            .collect())
    }

    #[test]
    fn the_keys_of_a_list_may_send_and_a_map_gives_roles() {
        let hash = format!("sha256:{}", "0".repeat(64));
        let map = json!({"airflow": {"hash": hash}, "grafana": {"key": KEY, "roles": ["read", "metrics"]}, "dbt": KEY, "old": [KEY, hash], "n": 1});
        let found = keys(&map).unwrap();
        let expected = [
            ("airflow", vec!["send"]),
            ("grafana", vec!["read", "metrics"]),
            ("dbt", vec!["send"]),
            ("old-1", vec!["send"]),
            ("old-2", vec!["send"]),
        ];
        let named = |name: &str| {
            found
                .iter()
                .find(|key| key.0 == name)
                .map(|key| key.1.clone())
        };
        for (name, roles) in expected {
            assert_eq!(named(name), Some(roles), "{name}");
        }
        assert_eq!(
            keys(&json!([KEY])).unwrap(),
            [("key-1".to_owned(), vec!["send"])]
        );
        assert_eq!(keys(&json!({"a b\n": KEY})).unwrap()[0].0, "a_b_");
        // A stack's secret: nested, as far as it always was.
        assert_eq!(
            keys(&json!({"etl": {"current": KEY}})).unwrap()[0].0,
            "etl.current"
        );
    }

    #[test]
    fn an_invalid_key_is_named_and_never_shown() {
        let cases = [
            (
                json!({"a": {"hash": KEY}}),
                "a: hash: expected sha256: and 64 hex digits (lineage-proxy keys hash)",
            ),
            (
                json!({"a": {"roles": ["send"]}}),
                "a: expected one text, hash or key",
            ),
            (
                json!({"a": {"key": KEY, "roles": []}}),
                "a: roles: expected at least one role",
            ),
            (
                json!({"a": {"key": KEY, "roles": ["write"]}}),
                "a: a role is send, read, metrics or operate, not \"write\"",
            ),
            (
                json!({"a": {"key": KEY, "role": "read"}}),
                "a: expected hash or key, and roles, found \"role\"",
            ),
            (
                json!({"a": {"key": KEY, "roles": 7}}),
                "a: roles: expected a list",
            ),
        ];
        for (value, message) in cases {
            let error = keys(&value).unwrap_err();
            assert_eq!(error, message);
            assert!(!error.contains(KEY));
        }
    }

    #[test]
    fn a_role_allows_no_more_than_it_names() {
        let key = |roles: &[KeyRole]| Key {
            name: "k".into(),
            hash: [0; 32],
            roles: roles.iter().copied().collect(),
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
