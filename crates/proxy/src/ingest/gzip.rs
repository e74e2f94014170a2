//! Decompresses gzip. Pure; `body.rs` decides on which thread.
//!
//! The memory of a body is allocated once, in its exact size. A buffer that grows leaves smaller ones behind, which the
//! allocator keeps for a while: with eight large bodies at once, as much again as the bodies take.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::http::Rejection;
use crate::intake::Reservation;

/// The most members of a body. Real clients send one; each costs time, even if it is empty.
const MAX_MEMBERS: usize = 1_000;

/// How many bytes are decompressed at once.
const PIECE: usize = 16_384;

/// The most bytes that one of deflate can become (<https://zlib.net/zlib_tech.html>: 1032 to 1).
const MAX_RATIO: usize = 1_032;

/// Returns the size that a body claims to have when it is decompressed. It may be wrong: it is that of the last member alone,
/// modulo 4 GB, and what a stranger says (RFC 1952, section 2.3.1, `ISIZE`).
pub(super) fn claimed_size(sent: &[u8]) -> usize {
    let claimed = sent.last_chunk().map_or(0, |end| u32::from_le_bytes(*end));
    let possible = sent.len().saturating_mul(MAX_RATIO);
    usize::try_from(claimed).map_or(possible, |claimed| claimed.min(possible))
}

/// Decompresses a body of at most `limit` bytes, and reserves its memory beside that of `sent`. One that says that it is larger takes
/// none, and one that is larger than it says takes what it says.
pub(super) fn decompress(
    sent: &[u8],
    limit: usize,
    memory: &mut Reservation,
) -> Result<Vec<u8>, Rejection> {
    let claimed = claimed_size(sent);
    if claimed <= limit {
        match decompress_at_most(sent, claimed, memory) {
            Err(Rejection::TooLarge(_)) => {} // it is larger than it claims
            done => return done,
        }
    }
    let mut size = 0;
    inflate(sent, limit, |piece| size += piece.len())?;
    decompress_at_most(sent, size, memory)
}

fn decompress_at_most(
    sent: &[u8],
    size: usize,
    memory: &mut Reservation,
) -> Result<Vec<u8>, Rejection> {
    memory.grow_to(sent.len().saturating_add(size))?;
    let mut bytes = Vec::with_capacity(size);
    inflate(sent, size, |piece| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

fn inflate(sent: &[u8], limit: usize, mut take: impl FnMut(&[u8])) -> Result<(), Rejection> {
    let (mut rest, mut size, mut piece) = (sent, 0, [0; PIECE]);
    for _ in 0..MAX_MEMBERS {
        let mut decoder = GzDecoder::new(rest);
        loop {
            let invalid = |error| Rejection::Unreadable(format!("invalid gzip: {error}"));
            let count = decoder.read(&mut piece).map_err(invalid)?;
            if count == 0 {
                break;
            }
            size += count;
            if size > limit {
                return Err(Rejection::TooLarge(format!(
                    "more than {limit} bytes decompressed (max_decompressed_size)"
                )));
            }
            take(piece.get(..count).unwrap_or_default());
        }
        rest = decoder.into_inner();
        if rest.is_empty() {
            return Ok(());
        }
    }
    Err(Rejection::Unreadable(format!(
        "more than {MAX_MEMBERS} gzip members"
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use testing::events::gzip as member;

    use super::*;
    use crate::intake::MemoryBudget;

    fn decompressed(sent: &[u8], limit: usize) -> Result<Vec<u8>, Rejection> {
        decompress(sent, limit, &mut MemoryBudget::new(1 << 30).reserve())
    }

    #[test]
    fn a_body_that_is_larger_than_allowed_takes_no_memory() {
        let bomb = member(&vec![b' '; 4 << 20]);
        // The size of the last member is all that a body says.
        let liar = [bomb.clone(), member(b"{}")].concat();
        for sent in [bomb, liar] {
            let mut little = MemoryBudget::new(32_768).reserve();
            let found = decompress(&sent, 2 << 20, &mut little);
            assert!(matches!(found, Err(Rejection::TooLarge(_))), "{found:?}");
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_not_allocated() {
        let mut sent = member(b"{}");
        let end = sent.len() - 4;
        sent[end..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(claimed_size(&sent) < 100_000);
        let found = decompressed(&sent, 1 << 30);
        assert!(matches!(found, Err(Rejection::Unreadable(_))), "{found:?}");
    }

    proptest! {
        #[test]
        fn a_body_of_any_members_is_what_was_compressed_or_too_large(
            members in prop::collection::vec((any::<u8>(), 0usize..100_000), 1..5),
            limit in 0usize..300_000,
        ) {
            let plain: Vec<Vec<u8>> = members.iter().map(|(byte, size)| vec![*byte; *size]).collect();
            let sent: Vec<u8> = plain.iter().flat_map(|plain| member(plain)).collect();
            let plain = plain.concat();
            match decompressed(&sent, limit) {
                Ok(found) => prop_assert!(found == plain && plain.len() <= limit),
                Err(Rejection::TooLarge(_)) => prop_assert!(plain.len() > limit),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
