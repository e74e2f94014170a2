//! Reads keys as they are written: a list whose keys may send, or a map with names and roles for its keys.
//!
//! Both can be in the file, in the environment and in a secret. Errors name the key, and never contain it.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::{Key, KeyRole, RateLimit, hash};

/// A key as it is written, plain or hashed.
pub struct KeyEntry {
    /// Its name.
    pub name: String,
    /// The key, or `sha256:` and its hash.
    pub text: String,
    /// What it allows.
    pub roles: BTreeSet<KeyRole>,
    /// How many requests it may send.
    pub limit: Option<RateLimit>,
    /// Where it is written.
    pub(super) path: KeyPath,
}

impl KeyEntry {
    fn sender(path: &KeyPath, text: &str) -> KeyEntry {
        KeyEntry {
            name: path.name(),
            text: text.to_owned(),
            roles: BTreeSet::from([KeyRole::Send]),
            limit: None,
            path: path.clone(),
        }
    }

    /// Hashes the key. Errors do not repeat it.
    pub fn key(&self) -> Result<Key, KeyError> {
        let hash = hash(&self.text).map_err(|message| self.error(message))?;
        Ok(Key {
            name: self.name.as_str().into(),
            hash,
            roles: self.roles.clone(),
            limit: self.limit,
        })
    }

    /// An error of this key.
    pub(super) fn error(&self, message: impl Into<String>) -> KeyError {
        self.path.error(message)
    }
}

/// The names and indices that lead to a value among the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(pub(crate) Vec<Step>);

/// A step to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The member of a map.
    Member(String),
    /// The element of a list, from 0.
    Item(usize),
}

impl KeyPath {
    /// The value inside this one.
    pub(super) fn then(&self, step: Step) -> KeyPath {
        KeyPath(self.0.iter().cloned().chain([step]).collect())
    }

    /// Whether it is the other value, or inside it.
    pub(super) fn is_within(&self, other: &KeyPath) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The name of the key in logs and metrics.
    fn name(&self) -> String {
        let join = |outer: String, step: &Step| match (outer.as_str(), step) {
            ("", Step::Member(name)) => named(name),
            ("", Step::Item(index)) => format!("key-{}", index + 1),
            (outer, Step::Member(name)) => format!("{outer}.{}", named(name)),
            (outer, Step::Item(index)) => format!("{outer}-{}", index + 1),
        };
        self.0.iter().fold(String::new(), join)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> KeyError {
        KeyError {
            path: self.clone(),
            message: message.into(),
        }
    }
}

/// What is wrong with a key. Contains names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// Where it is written.
    pub(crate) path: KeyPath,
    message: String,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.0.as_slice() {
            [] => {}
            // A key in a list has no name.
            [Step::Item(index)] => write!(f, "key {}: ", index + 1)?,
            _ => write!(f, "key {}: ", self.path.name())?,
        }
        f.write_str(&self.message)
    }
}

/// Reads the keys of a list, or of a map by name, and what is wrong with others. Values that cannot be keys are left out.
pub(crate) fn key_entries(value: &Value) -> Vec<Result<KeyEntry, KeyError>> {
    let mut entries = Vec::new();
    collect(&KeyPath::default(), value, &mut entries);
    entries
}

fn collect(path: &KeyPath, value: &Value, entries: &mut Vec<Result<KeyEntry, KeyError>>) {
    match value {
        Value::String(text) => entries.push(Ok(KeyEntry::sender(path, text))),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&path.then(Step::Item(index)), item, entries);
            }
        }
        // Only inside an entry of a map do these names describe a key.
        Value::Object(members) if !path.0.is_empty() && describes_a_key(members) => {
            entries.push(described(path, members));
        }
        Value::Object(members) => {
            for (name, value) in members {
                collect(&path.then(Step::Member(name.clone())), value, entries);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn describes_a_key(members: &Map<String, Value>) -> bool {
    ["hash", "key", "roles"]
        .iter()
        .any(|name| members.contains_key(*name))
}

/// What an entry of a map may have.
const MEMBERS: [&str; 4] = ["hash", "key", "roles", REQUESTS_PER_SECOND];

const REQUESTS_PER_SECOND: &str = "requests_per_second";

/// `{hash: sha256:…, roles: [send, read], requests_per_second: 10}`.
fn described(path: &KeyPath, members: &Map<String, Value>) -> Result<KeyEntry, KeyError> {
    let wrong = |what: &str| path.error(what);
    if let Some(other) = members
        .keys()
        .find(|name| !MEMBERS.contains(&name.as_str()))
    {
        return Err(wrong(&format!(
            "expected hash or key, roles, and requests_per_second, found {:?}",
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
    let limit = match members.get(REQUESTS_PER_SECOND) {
        None => None,
        Some(requests) => {
            let requests = requests.as_u64().and_then(|it| u32::try_from(it).ok());
            let message = "requests_per_second: expected a whole number from 1 to 1000000";
            let limit = requests.and_then(RateLimit::new);
            Some(limit.ok_or_else(|| wrong(message))?)
        }
    };
    Ok(KeyEntry {
        roles,
        limit,
        ..KeyEntry::sender(path, text)
    })
}

/// Makes a name safe for log lines and labels.
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
        let keys: Result<Vec<KeyEntry>, KeyError> = key_entries(value).into_iter().collect();
        let keys = keys.map_err(|error| error.to_string())?;
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
        // A nested secret of a stack, which has always been accepted.
        assert_eq!(
            keys(&json!({"etl": {"current": KEY}})).unwrap()[0].0,
            "etl.current"
        );
    }

    #[test]
    fn an_entry_may_limit_the_requests_of_its_key() {
        let map = json!({"a": {"key": KEY, "requests_per_second": 10}, "b": KEY});
        let entries = key_entries(&map).into_iter();
        let limits: Vec<_> = entries.map(|entry| entry.unwrap().limit).collect();
        assert_eq!(limits, [RateLimit::new(10), None]);
    }

    #[test]
    fn an_invalid_key_is_named_and_never_shown() {
        let cases = [
            (
                json!({"a": {"hash": KEY}}),
                "key a: hash: expected sha256: and 64 hex digits (lineage-proxy keys hash)",
            ),
            (
                json!({"a": {"roles": ["send"]}}),
                "key a: expected one text, hash or key",
            ),
            (
                json!({"a": {"key": KEY, "roles": []}}),
                "key a: roles: expected at least one role",
            ),
            (
                json!({"a": {"key": KEY, "roles": ["write"]}}),
                "key a: a role is send, read, metrics or operate, not \"write\"",
            ),
            (
                json!({"a": {"key": KEY, "role": "read"}}),
                "key a: expected hash or key, roles, and requests_per_second, found \"role\"",
            ),
            (
                json!({"a": {"key": KEY, "requests_per_second": 0}}),
                "key a: requests_per_second: expected a whole number from 1 to 1000000",
            ),
            (
                json!({"a": {"key": KEY, "requests_per_second": "10"}}),
                "key a: requests_per_second: expected a whole number from 1 to 1000000",
            ),
            (
                json!({"a": {"key": KEY, "requests_per_second": 1_000_001}}),
                "key a: requests_per_second: expected a whole number from 1 to 1000000",
            ),
            (
                json!({"a": {"key": KEY, "roles": 7}}),
                "key a: roles: expected a list",
            ),
        ];
        for (value, message) in cases {
            let error = keys(&value).unwrap_err();
            assert_eq!(error, message);
            assert!(!error.contains(KEY));
        }
    }
}
