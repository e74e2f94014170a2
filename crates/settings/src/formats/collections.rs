//! Lists and maps of texts.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{Format, Secret, SecretText, forms};

/// A list of texts: a list of YAML, or `a,b`, or JSON. Errors do not repeat values.
pub enum List {}

impl Format for List {
    type Value = Vec<String>;

    fn expected() -> String {
        "a list: `a,b` or `[\"a\",\"b\"]`".to_owned()
    }

    fn values() -> String {
        "list".to_owned()
    }

    fn parse(text: &str) -> Result<Vec<String>, String> {
        forms::list(text)
    }

    fn read(value: Json) -> Result<Vec<String>, String> {
        match value {
            Json::String(text) => forms::list(&text),
            Json::Array(items) => items.into_iter().map(text).collect(),
            Json::Number(_) | Json::Bool(_) => text(value).map(|text| vec![text]),
            Json::Null => Ok(Vec::new()),
            Json::Object(_) => Err("expected a list, found a map".to_owned()),
        }
    }

    fn show(value: &Vec<String>) -> String {
        value.join(", ")
    }
}

/// A map of texts by text: a map of YAML, or `a=b,c=d`, or JSON. Errors do not repeat values.
pub enum Pairs {}

impl Format for Pairs {
    type Value = BTreeMap<String, String>;

    fn expected() -> String {
        "a map: `a=b,c=d` or `{\"a\":\"b\",\"c\":\"d\"}`".to_owned()
    }

    fn values() -> String {
        "map".to_owned()
    }

    fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
        Ok(forms::map(text)?.into_iter().collect())
    }

    fn read(value: Json) -> Result<BTreeMap<String, String>, String> {
        match value {
            Json::String(text) => Self::parse(&text),
            Json::Object(members) => members
                .into_iter()
                .map(|(key, value)| Ok((key, text(value)?)))
                .collect(),
            Json::Null => Ok(BTreeMap::new()),
            Json::Array(_) => Err("expected a map, found a list".to_owned()),
            Json::Number(_) | Json::Bool(_) => Self::parse(&value.to_string()),
        }
    }

    fn show(value: &BTreeMap<String, String>) -> String {
        let pairs = value.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

/// A map as [`Pairs`] whose values are secret: only its names are shown.
pub enum SecretPairs {}

impl Format for SecretPairs {
    type Value = BTreeMap<String, SecretText>;

    fn expected() -> String {
        Pairs::expected()
    }

    fn values() -> String {
        Pairs::values()
    }

    fn parse(text: &str) -> Result<BTreeMap<String, SecretText>, String> {
        Pairs::parse(text).map(secret)
    }

    fn read(value: Json) -> Result<BTreeMap<String, SecretText>, String> {
        Pairs::read(value).map(secret)
    }

    fn show(value: &BTreeMap<String, SecretText>) -> String {
        let pairs = (value.iter()).map(|(name, value)| format!("{name}={}", Secret::show(value)));
        pairs.collect::<Vec<_>>().join(", ")
    }

    fn is_secret() -> bool {
        true
    }
}

fn secret(pairs: BTreeMap<String, String>) -> BTreeMap<String, SecretText> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name, SecretText::new(value)))
        .collect()
}

/// An element of a list or a map.
fn text(value: Json) -> Result<String, String> {
    let found = match value {
        Json::String(text) => return Ok(text),
        Json::Number(number) => return Ok(number.to_string()),
        Json::Bool(flag) => return Ok(flag.to_string()),
        Json::Null => "nothing",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    };
    Err(format!("expected a text, found {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_and_maps_are_read_from_yaml_and_from_text() {
        assert_eq!(
            List::read(json!(["a", 1])),
            Ok(vec!["a".into(), "1".into()])
        );
        assert_eq!(List::read(json!("a,b")), Ok(vec!["a".into(), "b".into()]));
        let error = List::read(json!([["a"]])).unwrap_err();
        assert_eq!(error, "expected a text, found a list");
        let pairs = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(Pairs::read(json!({"a": "b"})), Ok(pairs.clone()));
        assert_eq!(Pairs::read(json!("a=b")), Ok(pairs));
        let error = Pairs::read(json!(["a=b"])).unwrap_err();
        assert_eq!(error, "expected a map, found a list");
    }

    #[test]
    fn a_map_of_secrets_shows_its_names_only() {
        let read = SecretPairs::read(json!({"scope": "a", "password": "hunter2"})).unwrap();
        assert_eq!(read["password"].expose(), "hunter2");
        assert_eq!(SecretPairs::show(&read), "password=***, scope=***");
        assert!(!format!("{read:?}").contains("hunter2"));
        assert_eq!(SecretPairs::parse("scope=a,password=hunter2"), Ok(read));
    }
}
