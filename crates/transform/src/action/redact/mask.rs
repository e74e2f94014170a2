//! What is written instead of a value that is hidden as a whole.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What stands for a hidden value that nobody needs to compare.
pub(super) const STARS: &str = "***";

const HASHED: &str = "hmac:";

/// Hex digits of a hash that are kept: 128 bits, so that no two values of one estate meet by chance.
const KEPT: usize = 32;

/// How a value is hidden.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Mask {
    /// `***`.
    #[default]
    Stars,
    /// `hmac:` and the first 32 hex digits of HMAC-SHA256 with this key: the same value gives the same text, so that
    /// values can still be joined, and who lacks the key cannot try guesses.
    Hash(Vec<u8>),
}

impl Mask {
    /// What is written instead of `text`. What is masked already stays.
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
                // A key of any length is one; were it not, the value would be hidden all the same.
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

/// Whether `text` is what a mask writes.
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
