//! The formats that several settings share. A format of a single setting is beside that setting.

mod collections;
mod point_in_time;
mod role;
mod secret;

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Format, nearest};

pub use collections::{List, Pairs, SecretPairs};
pub use point_in_time::PointInTime;
pub use role::{ExternalId, RoleArn};
pub use secret::{Secret, SecretText};

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

/// A number of bytes, which may be none: `1 GB`, `0`.
pub enum SizeOrNone {}

impl Format for SizeOrNone {
    type Value = u64;

    fn expected() -> String {
        "a size such as 10 MB, or 0".to_owned()
    }

    fn values() -> String {
        Size::values()
    }

    fn parse(text: &str) -> Result<u64, String> {
        let size = text.parse::<bytesize::ByteSize>().ok();
        let size = size.map(|size| size.as_u64());
        size.ok_or_else(|| format!("expected {}, found {text:?}", Self::expected()))
    }

    fn show(value: &u64) -> String {
        match value {
            0 => "0".to_owned(),
            value => Size::show(value),
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

/// A text that is kept as it is, once it is checked. See [`CheckedText`].
pub trait TextCheck {
    /// Describes a valid text as a noun phrase: `a URL`.
    const EXPECTED: &'static str;

    /// Whether the text is valid.
    fn is_valid(text: &str) -> bool;
}

/// A text that a [`TextCheck`] accepts.
pub struct CheckedText<T>(PhantomData<T>);

impl<T: TextCheck> Format for CheckedText<T> {
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

/// The id of an AWS account, as a [`CheckedText`].
pub enum AccountId {}

impl TextCheck for AccountId {
    const EXPECTED: &'static str = "the 12 digits of an AWS account";

    /// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html>
    fn is_valid(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
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
        for text in ["0", "10 MB", "1"] {
            let size = SizeOrNone::parse(text).unwrap();
            let shown = SizeOrNone::show(&size);
            assert_eq!(SizeOrNone::parse(&shown), Ok(size), "{text}");
        }
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
}
