//! The name that a user gives a target. Logs, metrics, dead letters and rules identify a target by it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Kind;

/// The name of a target, unique in a configuration.
///
/// Starts with a lower-case ASCII letter and continues with lower-case ASCII letters, digits, `_` and `-`, up to
/// [`MAX_LEN`](Self::MAX_LEN) characters. Such a name needs no escaping as a metric label, a log field or a file name, and
/// two names never differ only by case, which some file systems ignore.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(Arc<str>);

/// A text that is not a valid [`TargetName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a name of at most {most} lower-case letters, digits, _ and -, beginning with a letter, found {0:?}",
    most = TargetName::MAX_LEN
)]
pub struct InvalidTargetName(String);

impl TargetName {
    /// The longest name, in characters: that of a DNS label, which also fits names derived from it (queues, stacks).
    pub const MAX_LEN: usize = 63;

    /// Checks a name.
    pub fn new(name: &str) -> Result<TargetName, InvalidTargetName> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if starts_well && name.len() <= TargetName::MAX_LEN && name.bytes().all(is_plain) {
            Ok(TargetName(name.into()))
        } else {
            Err(InvalidTargetName(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a shared text, as metric labels take it.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

/// The name of a target whose user chose none: that of its kind.
impl From<Kind> for TargetName {
    fn from(kind: Kind) -> TargetName {
        TargetName(kind.name().into())
    }
}

impl FromStr for TargetName {
    type Err = InvalidTargetName;

    fn from_str(name: &str) -> Result<TargetName, InvalidTargetName> {
        TargetName::new(name)
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_as_a_label_and_as_a_file_name() {
        let longest = "a".repeat(TargetName::MAX_LEN);
        for good in ["catalog", "a", "marquez-2_eu", &longest] {
            assert_eq!(TargetName::new(good).unwrap().as_str(), good);
        }
        let too_long = format!("{longest}a");
        for bad in [
            "", "Catalog", "2a", "-a", "_a", "a b", "a/b", "..", "a.b", "é", "a\n", "a\"",
            &too_long,
        ] {
            assert!(TargetName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_name_of_every_kind_is_a_valid_target_name() {
        for kind in Kind::ALL {
            assert_eq!(
                TargetName::new(kind.name()).unwrap(),
                TargetName::from(kind)
            );
        }
    }
}
