//! Secrets: texts that are never shown.

use std::fmt;

use crate::Format;

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

/// What is shown instead of a secret.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::parse("hunter2").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?} {}", Secret::show(&secret)), "*** ***");
    }
}
