//! The text of a statement, from the pieces that the history keeps. What it says is read in `sql`; which of two joinings
//! is right is decided in `extract`, which calls it.
//!
//! SYS_QUERY_TEXT has rows of `char(4000)`: at most 4,000 bytes, often some less, because no character and no escape is
//! cut on purpose. Line feeds, carriage returns and backslashes are stored as two characters each. They are put back only
//! after the pieces are joined, since a piece may end between the two. Blanks at the end of a piece may be padding or text:
//! a [`Joint`] is a place where it is not known.

use std::collections::BTreeMap;

/// The longest text that is put together. Redshift refuses statements of more than 16 MB
/// (<https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-sql.html>); escapes at most double it.
const MAX_BYTES: usize = 33 << 20;

/// The width of a piece, in bytes.
const WIDTH: usize = 4_000;

/// A piece that ends less than this before [`WIDTH`] was cut there by a character or an escape of up to four bytes. One
/// that ends earlier has blanks after it, for otherwise more text would have been put in.
const SLACK: usize = 4;

/// The pieces of one statement by their sequence. One that is stored twice counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    by_sequence: BTreeMap<u32, String>,
    bytes: usize,
}

/// What the pieces come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assembly {
    /// All of the text.
    Whole(Joined),
    /// A piece is missing.
    Gap,
    /// More than is read.
    TooLong,
}

/// The text without the blanks of which it is not known whether they belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined {
    text: String,
    joints: Vec<Joint>,
}

/// The end of a piece, where a blank may be missing: an offset in bytes.
type Joint = usize;

impl Pieces {
    /// Adds a piece as it is stored, with its padding.
    pub(super) fn add(&mut self, sequence: u32, stored: &str) {
        // One byte more than is read tells that there is too much.
        if self.bytes > MAX_BYTES {
            return;
        }
        let text = stored.trim_end_matches(' ');
        if let std::collections::btree_map::Entry::Vacant(place) = self.by_sequence.entry(sequence)
        {
            self.bytes += text.len() + 1;
            place.insert(text.to_owned());
        }
    }

    /// The pieces with their sequence, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &str)> {
        let rows = self.by_sequence.iter();
        rows.map(|(sequence, text)| (*sequence, text.as_str()))
    }

    pub(super) fn assemble(&self) -> Assembly {
        if self.bytes > MAX_BYTES {
            return Assembly::TooLong;
        }
        let expected = 0..self.by_sequence.len();
        let is_complete = self
            .by_sequence
            .keys()
            .zip(expected)
            .all(|(sequence, expected)| usize::try_from(*sequence) == Ok(expected));
        if !is_complete || self.by_sequence.is_empty() {
            return Assembly::Gap;
        }
        let last = self.by_sequence.len() - 1;
        let mut unescape = Unescape::default();
        let mut joints = Vec::new();
        for (number, piece) in self.by_sequence.values().enumerate() {
            unescape.push(piece);
            if number == last || piece.len() >= WIDTH {
                continue;
            }
            if piece.len() + SLACK <= WIDTH {
                unescape.push(" ");
            } else if !unescape.pending {
                joints.push(unescape.text.len());
            }
        }
        Assembly::Whole(Joined {
            text: unescape.finish(),
            joints,
        })
    }
}

/// The text of a row that has it whole, such as `query_text` of a short statement.
pub(super) fn whole(stored: &str) -> Joined {
    let mut unescape = Unescape::default();
    unescape.push(stored.trim_end_matches(' '));
    Joined {
        text: unescape.finish(),
        joints: Vec::new(),
    }
}

impl Joined {
    /// The text with no blank at any joint.
    pub(super) fn tight(&self) -> &str {
        &self.text
    }

    pub(super) fn joints(&self) -> &[Joint] {
        &self.joints
    }

    /// The text with a blank at each of these joints, which are in order.
    pub(super) fn with_blanks(&self, at: &[Joint]) -> String {
        let mut text = String::with_capacity(self.text.len() + at.len());
        let mut from = 0;
        for joint in at {
            text.push_str(self.text.get(from..*joint).unwrap_or_default());
            text.push(' ');
            from = *joint;
        }
        text.push_str(self.text.get(from..).unwrap_or_default());
        text
    }
}

/// Puts back what the history escapes: `\n`, `\r` and `\\`. Any other backslash stays.
#[derive(Default)]
struct Unescape {
    text: String,
    /// A backslash of which the second half is still to come.
    pending: bool,
}

impl Unescape {
    fn push(&mut self, stored: &str) {
        for part in stored.split_inclusive('\\') {
            let (plain, ends_in_escape) = match part.strip_suffix('\\') {
                Some(plain) => (plain, true),
                None => (part, false),
            };
            let plain = match std::mem::take(&mut self.pending) {
                true => self.close(plain, ends_in_escape),
                false => Some(plain),
            };
            let Some(plain) = plain else { continue };
            self.text.push_str(plain);
            self.pending = ends_in_escape;
        }
    }

    /// Writes an escape that was begun, and returns what follows it. `None`: the next backslash was its second half.
    fn close<'s>(&mut self, rest: &'s str, before_backslash: bool) -> Option<&'s str> {
        if let Some(rest) = rest.strip_prefix('n') {
            self.text.push('\n');
            return Some(rest);
        }
        if let Some(rest) = rest.strip_prefix('r') {
            self.text.push('\r');
            return Some(rest);
        }
        self.text.push('\\');
        match rest.is_empty() && before_backslash {
            true => None,
            false => Some(rest),
        }
    }

    fn finish(mut self) -> String {
        if self.pending {
            self.text.push('\\');
        }
        self.text
    }
}

/// Escapes a text as the history stores it: for tests.
#[cfg(test)]
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(stored: &[&str]) -> Pieces {
        let mut pieces = Pieces::default();
        for (sequence, piece) in (0..).zip(stored) {
            pieces.add(sequence, piece);
        }
        pieces
    }

    fn joined(stored: &[&str]) -> Joined {
        match pieces(stored).assemble() {
            Assembly::Whole(joined) => joined,
            other @ (Assembly::Gap | Assembly::TooLong) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_comment_ends_with_its_line() {
        let text = whole(r"SELECT 1 -- one\nFROM t\r\n");
        assert_eq!(text.tight(), "SELECT 1 -- one\nFROM t\r\n");
    }

    #[test]
    fn a_backslash_is_one_and_a_line_feed_that_was_written_as_two_characters_stays_two() {
        assert_eq!(whole(r"'a\\nb' '\d' '\").tight(), r"'a\nb' '\d' '\");
    }

    #[test]
    fn an_escape_that_two_pieces_share_is_one() {
        let first = format!("{}\\", "x".repeat(3_999));
        let text = joined(&[&first, "nFROM t"]);
        assert!(text.tight().ends_with("x\nFROM t"));
        assert_eq!(text.joints(), [0_usize; 0]);
    }

    #[test]
    fn a_piece_that_is_short_by_a_character_may_end_in_a_blank() {
        let first = format!("SELECT {}", "x".repeat(3_991)); // 3,998 bytes
        let text = joined(&[&format!("{first}  "), "FROM t"]);
        assert_eq!(text.joints(), [3_998]);
        assert_eq!(text.tight(), format!("{first}FROM t"));
        assert_eq!(text.with_blanks(text.joints()), format!("{first} FROM t"));
    }

    #[test]
    fn a_piece_that_is_much_too_short_ends_in_a_blank() {
        let text = joined(&["SELECT x", "FROM t"]);
        assert_eq!((text.tight(), text.joints().len()), ("SELECT x FROM t", 0));
    }

    #[test]
    fn a_piece_that_is_stored_twice_counts_once() {
        let mut twice = pieces(&["SELECT x", "FROM t"]);
        twice.add(1, "FROM t");
        assert_eq!(twice.assemble(), pieces(&["SELECT x", "FROM t"]).assemble());
    }

    #[test]
    fn a_text_without_its_beginning_or_its_middle_has_a_gap() {
        let mut gap = Pieces::default();
        gap.add(1, "FROM t");
        assert_eq!(gap.assemble(), Assembly::Gap);
        gap.add(0, "SELECT x");
        gap.add(3, "x");
        assert_eq!(gap.assemble(), Assembly::Gap);
        assert_eq!(Pieces::default().assemble(), Assembly::Gap);
    }

    #[test]
    fn a_text_longer_than_any_statement_is_not_kept() {
        let mut long = Pieces::default();
        let piece = "x".repeat(1 << 20);
        (0..100).for_each(|sequence| long.add(sequence, &piece));
        assert_eq!(long.assemble(), Assembly::TooLong);
        assert!(long.bytes < MAX_BYTES + (2 << 20));
    }

    /// Cuts as Redshift does: no character and no escape in half, at most 4,000 bytes.
    fn cut(stored: &str) -> Vec<String> {
        let mut pieces = vec![String::new()];
        let mut characters = stored.chars().peekable();
        while let Some(character) = characters.next() {
            let mut unit = character.to_string();
            if character == '\\' {
                unit.extend(characters.next());
            }
            if pieces.last().unwrap().len() + unit.len() > WIDTH {
                pieces.push(String::new());
            }
            pieces.last_mut().unwrap().push_str(&unit);
        }
        pieces
            .iter()
            .map(|piece| format!("{piece:<4000}"))
            .collect()
    }

    proptest! {
        // Each is several pieces long.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn one_of_the_joinings_is_the_text(text in "([a-zæ\\\\\n\r𝄞]{1,9} ?){0,3000}") {
            let text = text.trim_end();
            let stored = cut(&escaped(text));
            let joined = joined(&stored.iter().map(String::as_str).collect::<Vec<_>>());
            let blanks = joined.with_blanks(joined.joints());
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(joined.tight()), bare(text));
            prop_assert!(blanks.len() >= text.len() && joined.tight().len() <= text.len());
        }

    }

    proptest! {
        #[test]
        fn any_pieces_are_joined_or_not(stored in proptest::collection::vec(".{0,30}", 0..9), at in 0_usize..300) {
            let mut pieces = Pieces::default();
            for piece in &stored {
                pieces.add(u32::try_from(piece.len() / 3).unwrap(), piece);
            }
            if let Assembly::Whole(joined) = pieces.assemble() {
                let _ = joined.with_blanks(&[at]);
            }
        }
    }
}
