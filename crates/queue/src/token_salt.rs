//! What a replay asks of the target: to take events again that it has accepted before. Travels with each message. Pure.

use std::sync::Arc;

/// The message attribute with the salt. A function of an older version ignores it, and delivers as if there were none.
pub(crate) const ATTRIBUTE: &str = "token_salt";

/// The longest salt, in bytes: ours are UUIDs, and others may write to the queue.
const MAX_BYTES: usize = 64;

/// What the client tokens of replayed events are made of, besides their content: equal events with equal salts are one event to
/// the target, and others are new ones. 1 to 64 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenSalt(Arc<str>);

impl TokenSalt {
    /// Reads a salt; `None` if it cannot be one.
    pub fn read(text: &str) -> Option<TokenSalt> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (1..=MAX_BYTES).contains(&text.len());
        (is_plain && fits).then(|| TokenSalt(Arc::from(text)))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_short_and_plain() {
        let is_salt = |text: &str| TokenSalt::read(text).is_some();
        assert!(is_salt("019ac1f2-7c1e-7d40-9c3a-4d1c3a0f5b11"));
        assert!(is_salt(&"x".repeat(MAX_BYTES)));
        for odd in ["", "a b", "a\n", "\u{e9}", &"x".repeat(MAX_BYTES + 1)] {
            assert!(!is_salt(odd), "{odd:?}");
        }
    }
}
