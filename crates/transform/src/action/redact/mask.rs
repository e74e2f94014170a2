//! Masks: the replacement of a value that is redacted as a whole.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The mask for values that nobody needs to compare.
pub(super) const STARS: &str = "***";

const HASHED: &str = "hmac:";

/// Hex digits that are kept of a hash: 128 bits, so that collisions between values are negligible.
const KEPT: usize = 32;

/// How a value is masked.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Mask {
    /// `***`.
    #[default]
    Stars,
    /// `hmac:` and the first 32 hex digits of HMAC-SHA256 with this key: equal values get equal masks, so that
    /// they can still be joined, and guesses cannot be verified without the key.
    Hash(Vec<u8>),
}

impl Mask {
    /// Returns the mask of `text`. A masked text stays.
    pub fn mask(&self, text: &str) -> String {
        if is_masked(text) {
            return text.to_owned();
        }
        match self {
            Mask::Stars => STARS.to_owned(),
            Mask::Hash(key) => match Hmac::<Sha256>::new_from_slice(key) {
                Ok(mut hmac) => {
                    hmac.update(text.as_bytes());
                    let digits = hex::encode(hmac.finalize().into_bytes());
                    format!("{HASHED}{}", digits.get(..KEPT).unwrap_or(&digits))
                }
                // Keys of any length are valid; if not, the value would be redacted anyway.
                Err(_) => STARS.to_owned(),
            },
        }
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mask::Stars => "Stars",
            Mask::Hash(_) => "Hash(..)",
        })
    }
}

/// Whether `text` is a mask.
fn is_masked(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text == STARS
        || (text.strip_prefix(HASHED))
            .is_some_and(|digits| digits.len() == KEPT && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_hmac_sha256_and_is_not_hashed_again() {
        // RFC 4231, test case 2.
        let mask = Mask::Hash(b"Jefe".to_vec());
        let hashed = mask.mask("what do ya want for nothing?");
        assert_eq!(hashed, "hmac:5bdcc146bf60754e6a042426089575c7");
        assert_eq!(mask.mask(&hashed), hashed);
        assert_eq!(Mask::Stars.mask("x"), "***");
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", Mask::Hash(b"Jefe".to_vec())), "Hash(..)");
    }
}
