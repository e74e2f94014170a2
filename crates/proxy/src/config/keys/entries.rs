//! Reads keys as they are written: a list whose keys may send, or a map with names and roles for its keys.
//!
//! Both can be in the file, in the environment and in a secret. Errors name the key, and never contain it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Key, KeyRole, hash};

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

/// Collects the keys of a list, or of a map by name. `outer` is the name of the value that contains them. Errors
/// contain names only.
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
        // Only inside an entry of a map do these names describe a key.
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
        // A nested secret of a stack, which has always been accepted.
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
}
