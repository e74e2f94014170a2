//! The formats that several settings share. A format that one setting has alone stands beside that setting.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use crate::{Format, forms, nearest};

/// A text of any form.
pub enum Text {}

impl Format for Text {
    type Value = String;

    fn expected() -> String {
        "a text".to_owned()
    }

    fn values() -> String {
        String::new()
    }

    fn parse(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// A path of a file or folder.
pub enum FilePath {}

impl Format for FilePath {
    type Value = PathBuf;

    fn expected() -> String {
        "a path".to_owned()
    }

    fn values() -> String {
        "path".to_owned()
    }

    fn parse(text: &str) -> Result<PathBuf, String> {
        Ok(PathBuf::from(text))
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// A whole number within limits, both included.
pub enum Count<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Format for Count<MIN, MAX> {
    type Value = u32;

    fn expected() -> String {
        match MAX {
            u32::MAX => format!("a whole number of at least {MIN}"),
            _ => format!("a whole number from {MIN} to {MAX}"),
        }
    }

    fn values() -> String {
        match MAX {
            u32::MAX => format!("{MIN} or more"),
            _ => format!("{MIN} to {MAX}"),
        }
    }

    fn parse(text: &str) -> Result<u32, String> {
        let number = text.parse().ok();
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        number.ok_or_else(|| format!("expected {}, found {text:?}", Self::expected()))
    }

    fn show(value: &u32) -> String {
        value.to_string()
    }
}

/// A duration within limits in seconds, both included: `5`, `500ms`, `2m`.
pub enum Seconds<const MIN: u64, const MAX: u64> {}

impl<const MIN: u64, const MAX: u64> Format for Seconds<MIN, MAX> {
    type Value = Duration;

    fn expected() -> String {
        format!("{MIN} to {MAX} seconds (`5`, `500ms`, `2m`)")
    }

    fn values() -> String {
        let show = |seconds| Self::show(&Duration::from_secs(seconds));
        format!("{} to {}", show(MIN), show(MAX))
    }

    fn parse(text: &str) -> Result<Duration, String> {
        let seconds = text.parse().ok().map(Duration::from_secs);
        let duration = seconds.or_else(|| humantime::parse_duration(text).ok());
        let limits = Duration::from_secs(MIN)..=Duration::from_secs(MAX);
        let duration = duration.filter(|duration| limits.contains(duration));
        duration.ok_or_else(|| format!("expected {}, found {text:?}", Self::expected()))
    }

    fn show(value: &Duration) -> String {
        humantime::format_duration(*value).to_string()
    }
}

/// A number of bytes, at least one: `10 MB`, `1 MiB`, `4096`.
pub enum Size {}

impl Format for Size {
    type Value = u64;

    fn expected() -> String {
        "a size such as 10 MB".to_owned()
    }

    fn values() -> String {
        "size".to_owned()
    }

    fn parse(text: &str) -> Result<u64, String> {
        let size = text.parse::<bytesize::ByteSize>().ok();
        let size = size.map(|size| size.as_u64()).filter(|size| *size > 0);
        size.ok_or_else(|| format!("expected {}, found {text:?}", Self::expected()))
    }

    fn show(value: &u64) -> String {
        // Exact: the largest unit of which it is a whole number.
        const UNITS: [(&str, u64); 6] = [
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("KB", 1_000),
        ];
        let unit = UNITS.iter().find(|(_, size)| value.is_multiple_of(*size));
        match unit {
            Some((unit, size)) => format!("{} {unit}", value / size),
            None => value.to_string(),
        }
    }
}

/// Yes or no.
pub enum Flag {}

impl Format for Flag {
    type Value = bool;

    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn parse(text: &str) -> Result<bool, String> {
        match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            other => Err(format!("expected true or false, found {other:?}")),
        }
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// A value that is one of a few words. See [`OneOf`].
pub trait Choice: Copy + PartialEq + 'static {
    /// Every value with its word, in the order of the documentation.
    const CHOICES: &'static [(&'static str, Self)];
}

/// One of the words of a [`Choice`].
pub struct OneOf<T>(PhantomData<T>);

impl<T: Choice> Format for OneOf<T> {
    type Value = T;

    fn expected() -> String {
        let words = T::CHOICES.iter().map(|(word, _)| format!("`{word}`"));
        words.collect::<Vec<_>>().join(", ")
    }

    fn parse(text: &str) -> Result<T, String> {
        let found = T::CHOICES.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<&str> = T::CHOICES.iter().map(|(word, _)| *word).collect();
            let near = nearest(text, words.iter().copied());
            let hint = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
            let words = words.join(", ");
            format!("expected one of {words}, found {text:?}{hint}")
        })
    }

    fn show(value: &T) -> String {
        let found = T::CHOICES.iter().find(|(_, choice)| choice == value);
        found.map_or_else(String::new, |(word, _)| (*word).to_owned())
    }
}

/// A text that is kept as it is, once it is checked. See [`Checked`].
pub trait Check {
    /// Describes a valid text as a noun phrase: `a URL`.
    const EXPECTED: &'static str;

    /// Whether the text is valid.
    fn is_valid(text: &str) -> bool;
}

/// A text that a [`Check`] accepts.
pub struct Checked<T>(PhantomData<T>);

impl<T: Check> Format for Checked<T> {
    type Value = String;

    fn expected() -> String {
        T::EXPECTED.to_owned()
    }

    fn values() -> String {
        String::new()
    }

    fn parse(text: &str) -> Result<String, String> {
        match T::is_valid(text) {
            true => Ok(text.to_owned()),
            false => Err(format!("expected {}, found {text:?}", T::EXPECTED)),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// A text that must not be seen: it is left out of logs, errors and `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Keeps a text secret.
    pub fn new(text: String) -> SecretText {
        SecretText(text)
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// A secret that is one text.
pub enum Secret {}

impl Format for Secret {
    type Value = SecretText;

    fn expected() -> String {
        "a secret".to_owned()
    }

    fn values() -> String {
        "secret".to_owned()
    }

    fn parse(text: &str) -> Result<SecretText, String> {
        Ok(SecretText::new(text.to_owned()))
    }

    fn show(_: &SecretText) -> String {
        HIDDEN.to_owned()
    }

    fn is_secret() -> bool {
        true
    }
}

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
    fn a_size_and_a_duration_are_shown_as_they_could_be_written() {
        for text in ["10 MB", "256 MB", "1 MiB", "4096", "1", "12345"] {
            let size = Size::parse(text).unwrap();
            assert_eq!(Size::parse(&Size::show(&size)), Ok(size), "{text}");
        }
        for text in ["0", "5", "500ms", "2m", "90"] {
            let duration = Seconds::<0, 300>::parse(text).unwrap();
            let shown = Seconds::<0, 300>::show(&duration);
            assert_eq!(Seconds::<0, 300>::parse(&shown), Ok(duration), "{text}");
        }
        assert_eq!(Seconds::<0, 300>::show(&Duration::from_secs(5)), "5s");
        assert_eq!(Size::show(&10_000_000), "10 MB");
    }

    #[test]
    fn a_value_outside_its_limits_is_an_error_that_names_them() {
        let error = Count::<1, 10>::parse("11").unwrap_err();
        assert_eq!(error, "expected a whole number from 1 to 10, found \"11\"");
        assert!(Count::<1, 10>::parse("-1").is_err());
        assert!(Seconds::<10, 60>::parse("5s").is_err());
        assert!(Size::parse("0").is_err());
    }

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
    fn a_secret_is_never_shown() {
        let secret = Secret::parse("hunter2").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?} {}", Secret::show(&secret)), "*** ***");
    }
}
