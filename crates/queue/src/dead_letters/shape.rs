//! The shape of a reason: the reason without what differs from one event to another. Pure.
//!
//! Words with a digit, words that are long and hexadecimal, addresses, and texts in quotes become `…`; several of them in a
//! row become one. Quotes around three words or more, and around the keys of a JSON object, are left out instead: what they
//! quote says why, such as the message in the body of an answer. The code in front stays, and so does an HTTP status after it, since 400 and 503 are different reasons.

use std::fmt;

use sha2::{Digest, Sha256};

/// What stands for a text that differs.
const ANY: char = '…';

/// How much of a reason is read, in characters. Reasons of our own are shorter.
const LONGEST_REASON: usize = 1_000;

/// The longest shape, in characters.
const LONGEST: usize = 300;

/// From how many characters on a word of hexadecimal digits is an id, also without 0 to 9. The longest such words in
/// dictionaries have seven.
const HEX_ID: usize = 8;

/// A reason without what differs from one event to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonShape(String);

impl fmt::Display for ReasonShape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl ReasonShape {
    /// Returns the shape of a reason. That of a shape is the same shape.
    #[must_use]
    pub fn of(reason: &str) -> ReasonShape {
        let text: Vec<char> = reason.chars().take(LONGEST_REASON).collect();
        let mut shape = Shape::default();
        let mut rest = text.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = match *first {
                quote @ ('"' | '`' | '\'') => match quoted(quote, after, shape.last()) {
                    Some(end) => {
                        let inside = after.len().saturating_sub(end.len() + 1);
                        let inside = after.get(..inside).unwrap_or_default();
                        match is_prose(inside) || quote == '"' && shape.is_before_key(end) {
                            true => shape.push_quoted(inside),
                            false => shape.push(ANY),
                        }
                        end
                    }
                    None => {
                        shape.push(quote);
                        after
                    }
                },
                first if is_word(first) => {
                    let end = rest.iter().position(|c| !is_word(*c));
                    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                    shape.push_word(word);
                    after
                }
                first if first.is_whitespace() => {
                    shape.push_space();
                    after
                }
                first => {
                    shape.push(first);
                    after
                }
            };
        }
        ReasonShape(shape.finish())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// A short name for it, for addresses: the first 16 digits of its SHA-256.
    pub fn key(&self) -> String {
        let mut digits = hex::encode(Sha256::digest(&self.0));
        digits.truncate(16);
        digits
    }
}

/// A shape that is being written.
#[derive(Default)]
struct Shape {
    text: Vec<char>,
}

impl Shape {
    fn last(&self) -> Option<char> {
        self.text.last().copied()
    }

    /// Adds a character. One `…` after another, with nothing but separators between them, is left out.
    fn push(&mut self, c: char) {
        if c == ANY {
            let kept = self.text.iter().rposition(|c| !is_separator(*c));
            if let Some(kept) = kept.filter(|kept| self.text.get(*kept) == Some(&ANY)) {
                self.text.truncate(kept + 1);
                return;
            }
        }
        self.text.push(c);
    }

    fn push_space(&mut self) {
        if self.last().is_some_and(|last| last != ' ') {
            self.text.push(' ');
        }
    }

    /// Adds a word, or `…` in place of it, and the punctuation behind it.
    fn push_word(&mut self, word: &[char]) {
        let end = word.iter().rposition(|c| !matches!(c, '.' | ':'));
        let (core, punctuation) = word.split_at(end.map_or(0, |end| end + 1));
        match differs(core) && !(is_status(core) && self.is_after_code()) {
            true => self.push(ANY),
            false => self.text.extend(core),
        }
        self.text.extend(punctuation);
    }

    /// Adds what is in quotes without them, and `…` in place of what it quotes itself.
    fn push_quoted(&mut self, inside: &[char]) {
        let escapes = |(at, c): (usize, &char)| {
            *c == '\\' && inside.get(at + 1).is_some_and(|next| is_quote(*next))
        };
        let plain = inside.iter().enumerate();
        let plain = plain.filter(|(at, c)| !escapes((*at, *c)));
        let plain: Vec<char> = plain.map(|(_, c)| *c).collect();
        self.push_space();
        let mut rest = plain.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = match *first {
                quote if is_quote(quote) => match quoted(quote, after, self.last()) {
                    Some(end) => {
                        self.push(ANY);
                        end
                    }
                    None => {
                        self.push_space();
                        after
                    }
                },
                first if is_word(first) => {
                    let end = rest.iter().position(|c| !is_word(*c));
                    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                    self.push_word(word);
                    after
                }
                first if first.is_whitespace() => {
                    self.push_space();
                    after
                }
                first => {
                    self.push(first);
                    after
                }
            };
        }
        self.push_space();
    }

    /// Whether what is in quotes now, before `after`, is the key of a JSON object.
    fn is_before_key(&self, after: &[char]) -> bool {
        let before = self.text.iter().rfind(|c| **c != ' ');
        let after = after.iter().find(|c| !c.is_whitespace());
        matches!(before, Some('{' | ',')) && after == Some(&':')
    }

    /// Whether all that there is is a code and a colon.
    fn is_after_code(&self) -> bool {
        let is_code = |c: &char| c.is_ascii_lowercase() || *c == '_';
        match self.text.split_last_chunk() {
            Some((code, [':', ' '])) => !code.is_empty() && code.iter().all(is_code),
            Some(_) | None => false,
        }
    }

    fn finish(mut self) -> String {
        if self.last() == Some(' ') {
            self.text.pop();
        }
        if self.text.len() > LONGEST {
            self.text.truncate(LONGEST - 1);
            self.push(ANY);
        }
        self.text.into_iter().collect()
    }
}

/// Returns what follows a text in quotes, if this quote begins one. An apostrophe begins and ends none.
fn quoted(quote: char, after: &[char], before: Option<char>) -> Option<&[char]> {
    let touches = |c: char| c.is_alphanumeric() || c == ANY;
    if before.is_some_and(touches) {
        return None;
    }
    let mut ends = after.iter().enumerate().filter(|(_, c)| **c == quote);
    ends.find_map(|(end, _)| {
        let is_escaped = end.checked_sub(1).and_then(|before| after.get(before)) == Some(&'\\');
        if is_escaped {
            return None;
        }
        let rest = after.get(end + 1..)?;
        (!rest.first().is_some_and(|next| touches(*next))).then_some(rest)
    })
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '`' | '\'')
}

/// Whether it is of three words or more, and no name or value.
fn is_prose(text: &[char]) -> bool {
    let words = text.split(|c| c.is_whitespace());
    let is_word = |word: &&[char]| word.len() > 1 && word.iter().all(|c| c.is_alphabetic());
    words.filter(is_word).count() >= 3
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.:/%@+=~#&?*|\\$".contains(c)
}

/// What may stand between two values of a list, or between the parts of one.
fn is_separator(c: char) -> bool {
    " ,.:;/-+".contains(c)
}

/// Whether a word is likely to be another one for another event.
fn differs(word: &[char]) -> bool {
    let is_hex = |word: &[char]| word.iter().all(char::is_ascii_hexdigit);
    let is_address = word.windows(3).any(|part| part == [':', '/', '/']);
    word.iter().any(|c| c.is_numeric()) || is_address || word.len() >= HEX_ID && is_hex(word)
}

fn is_status(word: &[char]) -> bool {
    matches!(word, ['1'..='5', '0'..='9', '0'..='9'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(reason: &str) -> String {
        ReasonShape::of(reason).text().to_owned()
    }

    #[test]
    fn what_differs_from_event_to_event_is_left_out_and_the_status_stays() {
        for (reason, expected) in [
            (
                "invalid: 400 Bad Request: ValidationException: name at 'domainIdentifier'",
                "invalid: 400 Bad Request: ValidationException: name at …",
            ),
            (
                "unavailable: 503 Service Unavailable (no retry after 100 attempts)",
                "unavailable: 503 Service Unavailable (no retry after … attempts)",
            ),
            (
                "too_large: larger than 300,000 bytes after cutting",
                "too_large: larger than … bytes after cutting",
            ),
            (
                "unavailable: http://10.1.2.3:5000/api/v1/lineage: connection refused",
                "unavailable: …: connection refused",
            ),
            (
                "missing: domain dzd_4xk2 of 01890000-0000-7000-8000-000000000000 since 2026-11-29T02:51:07.412Z, 3, 4 and 5",
                "missing: domain … of … since … and …",
            ),
            (
                r#"rule: "owners" failed: can't read `a b`, don't know"#,
                "rule: … failed: can't read …, don't know",
            ),
            (
                "permission: key deadbeefcafe is unknown",
                "permission: key … is unknown",
            ),
            (
                r#"invalid: 422 Unprocessable Entity: {"code": "X1", "message": "the namespace \"abc\" of job 17 is not registered"}"#,
                "invalid: 422 Unprocessable Entity: { code : …, message : the namespace … of job … is not registered }",
            ),
            ("moved by SQS", "moved by SQS"),
            ("", ""),
        ] {
            assert_eq!(shape(reason), expected);
        }
    }

    #[test]
    fn another_message_in_the_body_of_an_answer_is_another_reason() {
        let body = |message: &str| shape(&format!(r#"invalid: 422 A: {{"message":"{message}"}}"#));
        assert_ne!(
            body("the namespace is not registered"),
            body("the run has already ended")
        );
        assert_eq!(
            body("the job a1 is not registered"),
            body("the job b2 is not registered")
        );
    }

    #[test]
    fn another_status_is_another_reason() {
        assert_ne!(shape("invalid: 400 A"), shape("invalid: 422 A"));
        assert_eq!(shape("invalid: A 400"), shape("invalid: A 422"));
    }

    /// A value that may differ between two events for the same reason.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{1,9}(\\.[0-9]{1,3})?(ms|s)?",
            "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
            "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z",
            "(https?|s3|postgres)://[a-z]{1,9}(\\.[a-z]{1,9}){0,2}(/[a-z0-9]{0,9}){0,3}",
            "'[a-zA-Z0-9/_.:-]{0,30}'",
            "\"[a-zA-Z0-9/_.:'-]{0,30}\"",
            "[0-9a-f]{8,40}",
        ]
    }

    proptest! {
        #[test]
        fn the_shape_of_a_shape_is_itself_and_has_a_bound(
            reason in prop_oneof![
                "\\PC{0,400}",
                "([a-z]{1,4}: )?([a-z0-9'\"`…:/., ()_-]|[0-9]{3} ){0,600}",
            ],
        ) {
            let once = shape(&reason);
            prop_assert!(once.chars().count() <= LONGEST);
            prop_assert_eq!(&shape(&once), &once);
        }

        #[test]
        fn reasons_that_differ_in_their_values_alone_have_the_same_shape(
            parts in proptest::collection::vec(("[a-z]{3,7}", value(), value()), 1..6),
        ) {
            let reason = |value: fn(&(String, String, String)) -> &String| {
                let parts = parts.iter().map(|part| format!("{} {}", part.0, value(part)));
                format!("invalid: no {}", parts.collect::<Vec<_>>().join(", "))
            };
            let (one, other) = (reason(|part| &part.1), reason(|part| &part.2));
            prop_assert_eq!(shape(&one), shape(&other));
            prop_assert_eq!(ReasonShape::of(&one).key(), ReasonShape::of(&other).key());
        }
    }
}
