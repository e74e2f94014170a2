//! Inputs whose reading panics, which is a bug here: each is kept apart with its bytes, so that the inputs beside it are
//! read and nothing of it is lost. Every reader calls [`guarded`] for each input by itself: a message, a line of a log, a
//! statement, a table.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Extraction, Finding, FindingRule, Identity};

/// What the finding says.
const MESSAGE: &str = "it cannot be read because of a bug, please report it";

/// An input whose reading panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadInput {
    /// The same for the same input, however often it is read.
    pub identity: Identity,
    /// Where it is, as in its finding.
    pub place: String,
    /// The input, in a form in which it can be read again: a message as its body, a line of a log as it is, the others as
    /// answers of their service.
    pub bytes: Vec<u8>,
}

/// Reads an input. `None` if that panics: what `read` was changing may be incomplete then.
///
/// `input` is for the tests of this crate alone, in which the readers of some inputs have a bug.
pub fn guarded<T>(input: &[u8], read: impl FnOnce() -> T) -> Option<T> {
    #[cfg(test)]
    if !tests::has_bug(input) {
        return Some(read()); // a panic that nobody planned fails its test
    }
    let read = || {
        #[cfg(test)]
        tests::panic_on(input);
        let _ = input;
        let value = read();
        #[cfg(test)]
        tests::panic_behind(input);
        value
    };
    catch_unwind(AssertUnwindSafe(read)).ok()
}

impl UnreadInput {
    /// An input at a place.
    pub fn new(place: &str, bytes: &[u8]) -> UnreadInput {
        UnreadInput {
            identity: Identity::of_bytes(&["unread input"], bytes),
            place: place.to_owned(),
            bytes: bytes.to_owned(),
        }
    }

    pub(crate) fn finding(&self) -> Finding {
        Finding {
            rule: FindingRule::Bug,
            place: self.place.clone(),
            message: MESSAGE.to_owned(),
        }
    }
}

impl Extraction {
    /// Adds an input whose reading panicked, and the finding that says so.
    pub fn fail(&mut self, input: UnreadInput) {
        self.findings.push(input.finding());
        self.unread.push(input);
    }

    /// What an input comes to whose reading panicked.
    pub fn unread(place: &str, bytes: &[u8]) -> Extraction {
        let mut extraction = Extraction::default();
        extraction.fail(UnreadInput::new(place, bytes));
        extraction
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What makes every reader panic, wherever it is in an input.
    pub(crate) const BUG: &str = "an input with a bug";

    /// What makes every reader panic once it has read everything else of an input.
    pub(crate) const LATE_BUG: &str = "an input with a late bug";

    fn has(input: &[u8], bug: &str) -> bool {
        let mut windows = input.windows(bug.len());
        windows.any(|window| window == bug.as_bytes())
    }

    pub(super) fn has_bug(input: &[u8]) -> bool {
        has(input, BUG) || has(input, LATE_BUG)
    }

    pub(super) fn panic_on(input: &[u8]) {
        assert!(!has(input, BUG), "a bug");
    }

    pub(super) fn panic_behind(input: &[u8]) {
        assert!(!has(input, LATE_BUG), "a bug");
    }

    #[test]
    fn an_input_is_one_and_the_same_however_often_it_panics() {
        assert_eq!(guarded(b"fine", || 7), Some(7));
        assert_eq!(guarded(BUG.as_bytes(), || 7), None);
        let [one, again] = [1, 2].map(|_| Extraction::unread("a", b"x"));
        assert_eq!(one, again);
        assert_eq!(one.findings[0].place, "a");
        let other = Extraction::unread("a", b"y");
        assert_ne!(one.unread[0].identity, other.unread[0].identity);
    }
}
