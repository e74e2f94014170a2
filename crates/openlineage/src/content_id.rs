//! An id made from content, the same in every process.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A UUID (version 8, RFC 9562 section 5.8) from the SHA-256 of the text.
pub fn content_id(text: &str) -> Uuid {
    let hash = Sha256::digest(text);
    let mut half = [0; 16];
    for (byte, hashed) in half.iter_mut().zip(hash) {
        *byte = hashed;
    }
    Uuid::new_v8(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_the_text_alone() {
        // sha256sum of "a" begins with ca978112ca1bbdcafac231b39a23dc4d; version and variant replace six bits.
        let id = "ca978112-ca1b-8dca-bac2-31b39a23dc4d";
        assert_eq!(content_id("a").to_string(), id);
        assert_ne!(content_id("b"), content_id("a"));
    }
}
