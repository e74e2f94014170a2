//! Finds our own credentials in a text: plain, in base64, in hex, in another case, with other characters in between.
//!
//! Pure. Called by `response.rs`.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// How many letters and digits in a row a text must not share with a credential. Services show the first or last four of a
/// key to identify it.
const ROW: usize = 6;

/// The shortest credential, in characters. A shorter one protects nothing, and would be found in every text.
const MIN_LENGTH: usize = 3;

/// Our credentials, in each form in which a response could contain them.
#[derive(Clone, Default)]
pub(crate) struct OwnCredentials {
    /// The plain texts, for credentials with punctuation and few letters.
    plain: Vec<String>,
    /// Their sequences of letters and digits, in lower case.
    rows: HashSet<Vec<char>>,
}

impl OwnCredentials {
    /// Collects the forms of `secrets`.
    pub(crate) fn of<'s>(secrets: impl IntoIterator<Item = &'s str>) -> OwnCredentials {
        let mut own = OwnCredentials::default();
        for secret in secrets {
            let decoded = percent_decode_str(secret).decode_utf8_lossy().into_owned();
            for secret in [secret, &decoded] {
                own.add(secret);
            }
        }
        own
    }

    fn add(&mut self, secret: &str) {
        if secret.chars().count() < MIN_LENGTH {
            return;
        }
        self.plain.push(secret.to_owned());
        self.add_rows(secret);
        self.add_rows(&hex::encode(secret));
        // In an encoded text it may be shifted by a byte or two; its neighbours change only the first and the last
        // characters.
        for before in ["", "\0", "\0\0"] {
            let encoded = STANDARD.encode(format!("{before}{secret}"));
            let inner = encoded.trim_end_matches('=');
            let (skipped, last) = (
                if before.is_empty() {
                    0
                } else {
                    before.len() + 1
                },
                1,
            );
            let inner = inner.get(skipped..inner.len().saturating_sub(last));
            self.add_rows(inner.unwrap_or_default());
        }
    }

    fn add_rows(&mut self, text: &str) {
        let letters: Vec<char> = squeezed(text).map(|(_, c)| c).collect();
        if letters.len() < ROW && letters.len() >= MIN_LENGTH {
            self.rows.insert(letters);
        } else {
            self.rows.extend(letters.windows(ROW).map(<[char]>::to_vec));
        }
    }

    /// Finds the ranges of `text` that contain a credential, or enough of one.
    pub(crate) fn places(&self, text: &str) -> Vec<Range<usize>> {
        let plain = self
            .plain
            .iter()
            .flat_map(|secret| text.match_indices(secret.as_str()));
        let mut places: Vec<_> = plain.map(|(at, found)| at..at + found.len()).collect();
        if self.rows.is_empty() {
            return places;
        }
        let letters: Vec<(Range<usize>, char)> = squeezed(text).collect();
        for length in MIN_LENGTH..=ROW {
            for row in letters.windows(length) {
                let key: Vec<char> = row.iter().map(|(_, c)| *c).collect();
                if let (true, Some(first), Some(last)) =
                    (self.rows.contains(&key), row.first(), row.last())
                {
                    places.push(first.0.start..last.0.end);
                }
            }
        }
        places
    }
}

/// The letters and digits of a text with their ranges, case-folded.
pub(super) fn squeezed(text: &str) -> impl Iterator<Item = (Range<usize>, char)> {
    let letters = text.char_indices().filter(|(_, c)| c.is_alphanumeric());
    letters.flat_map(|(at, c)| fold(c).map(move |folded| (at..at + c.len_utf8(), folded)))
}

/// Folds the case of a text: `STRASSE` and `straße` fold to the same.
pub(super) fn folded(text: &str) -> String {
    text.chars().flat_map(fold).collect()
}

fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}
