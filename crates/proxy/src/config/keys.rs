//! Keys: what each is called, and what whoever has it may do.
//!
//! A list of keys may send; a map names them and says what they may. Both stand in the file, in the environment and in a
//! secret of Secrets Manager. Plain keys are forgotten as soon as they are hashed. Part of `config.rs`; also called by
//! `ingest/auth.rs`, for the secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parse::hash;

/// What a request does, and what a key may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// Send events, and have them judged.
    Send,
    /// Read the events that are stored, and the metrics.
    Read,
    /// Read the metrics alone.
    Metrics,
    /// Administer. No route asks for it so far: whoever has a key for it need not be given another when one does.
    Operate,
}

impl KeyRole {
    /// The name in settings and answers.
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
    /// What logs and metrics call whoever has it.
    pub name: Arc<str>,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// What it may.
    pub roles: BTreeSet<KeyRole>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.roles)
    }
}

impl Key {
    /// Whether that is allowed with it.
    pub fn may(&self, role: KeyRole) -> bool {
        let more = role == KeyRole::Metrics && self.roles.contains(&KeyRole::Read);
        self.roles.contains(&role) || more
    }
}

/// A key as it was written, plain or hashed.
pub struct Written {
    /// What it is called.
    pub name: String,
    /// The key, or `sha256:` and its hash.
    pub text: String,
    /// What it may.
    pub roles: BTreeSet<KeyRole>,
}

impl Written {
    fn sender(name: impl Into<String>, text: &str) -> Written {
        Written {
            name: name.into(),
            text: text.to_owned(),
            roles: BTreeSet::from([KeyRole::Send]),
        }
    }

    /// The key, hashed. Errors do not tell it.
    pub fn key(&self) -> Result<Key, String> {
        Ok(Key {
            name: self.name.as_str().into(),
            hash: hash(&self.text)?,
            roles: self.roles.clone(),
        })
    }
}

/// Keys of a list, or of a map by name. `outer` is the name of what they are in. Errors name places.
pub(crate) fn written(outer: &str, value: &Value, keys: &mut Vec<Written>) -> Result<(), String> {
    match value {
        Value::String(text) => keys.push(Written::sender(outer, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = match outer {
                    "" => format!("key-{}", index + 1),
                    outer => format!("{outer}-{}", index + 1),
                };
                written(&name, item, keys)?;
            }
        }
        // Of a map by name the key itself is the one that has no name yet.
        Value::Object(members) if !outer.is_empty() && describes_a_key(members) => {
            keys.push(described(outer, members)?);
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = match outer {
                    "" => named(name),
                    outer => format!("{outer}.{}", named(name)),
                };
                written(&name, value, keys)?;
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
fn described(name: &str, members: &Map<String, Value>) -> Result<Written, String> {
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
        return Err(wrong("roles: a key without one is good for nothing"));
    }
    Ok(Written {
        roles,
        ..Written::sender(name, text)
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
        written("", value, &mut keys)?;
        let roles = |key: &Written| key.roles.iter().map(|role| role.name()).collect();
        Ok(keys
            .iter()
            .map(|key| (key.name.clone(), roles(key)))
            .collect())
    }

    #[test]
    fn a_list_may_send_and_a_map_says_who_may_what() {
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
    fn a_wrong_key_is_told_by_its_name_and_never_shown() {
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
                "a: roles: a key without one is good for nothing",
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
    fn who_reads_reads_the_metrics_too_and_nobody_else_reads() {
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
