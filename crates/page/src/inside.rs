//! What changed inside of a long text, such as SQL: the parts that differ, with some words around them. Pure.
//!
//! Words are compared (<https://www.unicode.org/reports/tr29/#Word_Boundaries>), so that no part ends inside of a character that is
//! written with several code points, nor inside of an escape of JSON. The work is bounded whatever the texts: what is alike at
//! both ends is skipped, and of what is between, so many edits are found at most; beyond that, all of it differs.

use unicode_segmentation::UnicodeSegmentation;

/// Texts of fewer bytes are shown whole.
const LONG: usize = 160;

/// How many bytes are shown beside a part that differs, about; and of how many it is not worth to leave them out.
const AROUND: usize = 60;
const KEPT: usize = 3 * AROUND;

/// The longest text between what is alike at both ends, in bytes, in which edits are looked for.
const SEARCHED: usize = 65_536;

/// The most edits that are found, in words that go or come, and the most words that are compared for that.
const EDITS: isize = 128;
const COMPARED: usize = 500_000;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// It is in the other text, too.
    Same(&'t str),
    /// The other one does not have it.
    Differs(&'t str),
    /// So many characters of both, which are left out.
    LeftOut(usize),
}

/// The parts of a text before and after.
pub(crate) type Parts<'t> = (Vec<Part<'t>>, Vec<Part<'t>>);

/// The parts of two texts, if that shows more than both texts do.
pub(crate) fn inside<'t>(before: &'t str, after: &'t str) -> Option<Parts<'t>> {
    if before.len().min(after.len()) < LONG || before == after {
        return None;
    }
    let same = |(one, other): &(u8, u8)| one == other;
    let first = before.bytes().zip(after.bytes()).take_while(same).count();
    let first = before.floor_char_boundary(first);
    let most = before.len().min(after.len()) - first;
    let last = before.bytes().rev().zip(after.bytes().rev());
    let last = last.take(most).take_while(same).count();
    let last = before.len() - before.ceil_char_boundary(before.len() - last);
    let changed = before.len().max(after.len()) - first - last;
    if changed > SEARCHED {
        return None;
    }
    // Both begin and end with the same, so what is taken of it is the same, too.
    let (one, other) = (
        Window::of(before, first, last),
        Window::of(after, first, last),
    );
    let runs = runs(&one.words, &other.words);
    let is_alike = first + last > 0 || runs.iter().any(|run| run.is_same);
    let lengths = |run: &Run| (run.is_same, run.one);
    let others = |run: &Run| (run.is_same, run.other);
    is_alike.then(|| {
        (
            one.parts(runs.iter().map(lengths)),
            other.parts(runs.iter().map(others)),
        )
    })
}

/// The part of a text that is compared: what differs, with some of what is alike beside it.
struct Window<'t> {
    text: &'t str,
    /// How many bytes are before and after the words.
    head: usize,
    tail: usize,
    words: Vec<&'t str>,
}

impl<'t> Window<'t> {
    /// The window of a text of which so many bytes at both ends are those of the other text.
    fn of(text: &'t str, first: usize, last: usize) -> Window<'t> {
        let begin = text.floor_char_boundary(first.saturating_sub(KEPT));
        let tail_begin = text.len() - last;
        let end = text.ceil_char_boundary((tail_begin + KEPT).min(text.len()));
        let slice = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        // The window may begin or end inside of a word: that is left out with the rest.
        let begin = match begin {
            0 => 0,
            begin => begin + end_of_first(slice(begin, first)),
        };
        let end = match end == text.len() {
            true => end,
            false => tail_begin + begin_of_last(slice(tail_begin, end)),
        };
        Window {
            text,
            head: begin,
            tail: text.len() - end,
            words: words(slice(begin, end)),
        }
    }

    /// The parts of the text: of runs of so many words, each of which is in both texts or differs. One that differs may have no word.
    fn parts(&self, runs: impl Iterator<Item = (bool, usize)>) -> Vec<Part<'t>> {
        let mut pieces: Vec<(bool, usize)> = vec![(true, self.head)];
        let mut words = self.words.iter();
        let mut add = |is_same: bool, length: usize| match pieces.last_mut() {
            Some((true, last)) if is_same => *last += length,
            Some(_) | None => pieces.push((is_same, length)),
        };
        for (is_same, count) in runs {
            add(
                is_same,
                words.by_ref().take(count).map(|word| word.len()).sum(),
            );
        }
        add(true, self.tail);
        let count = pieces.len();
        let (mut parts, mut rest) = (Vec::new(), self.text);
        for (at, (is_same, length)) in pieces.into_iter().enumerate() {
            let (piece, after) = rest.split_at(length);
            rest = after;
            match is_same {
                true => cut(&mut parts, piece, at > 0, at + 1 < count),
                false if piece.is_empty() => {}
                false => parts.push(Part::Differs(piece)),
            }
        }
        parts
    }
}

/// Where the first word of a text ends that has several, or else its first character.
fn end_of_first(text: &str) -> usize {
    let words = words(text);
    match &words[..] {
        [first, _, ..] => first.len(),
        [] | [_] => {
            let mut characters = text.grapheme_indices(true);
            characters.nth(1).map_or(0, |(at, _)| at)
        }
    }
}

/// Where the last word of a text begins that has several, or else its last character.
fn begin_of_last(text: &str) -> usize {
    let words = words(text);
    match &words[..] {
        [_, .., last] => text.len() - last.len(),
        [] | [_] => {
            let mut characters = text.grapheme_indices(true);
            let last = characters.next_back().map_or(0, |(at, _)| at);
            if last == 0 { text.len() } else { last }
        }
    }
}

/// Adds what is alike: its beginning, if a part that differs is before it, and its end, if one comes after it.
fn cut<'t>(parts: &mut Vec<Part<'t>>, piece: &'t str, has_before: bool, has_after: bool) {
    if piece.len() <= KEPT {
        if !piece.is_empty() {
            parts.push(Part::Same(piece));
        }
        return;
    }
    let begin = match has_before {
        true => first_words(piece),
        false => 0,
    };
    let end = match has_after {
        true => last_words(piece),
        false => piece.len(),
    };
    let (begin, rest) = piece.split_at(begin);
    let (middle, end) = rest.split_at(end - begin.len());
    let same = |part: &'t str| (!part.is_empty()).then_some(Part::Same(part));
    parts.extend(same(begin));
    parts.push(Part::LeftOut(middle.chars().count()));
    parts.extend(same(end));
}

/// Where the first words of a long text end, at most [`AROUND`] bytes from its beginning unless one is longer.
fn first_words(text: &str) -> usize {
    let seen = text.get(..text.floor_char_boundary(KEPT)).unwrap_or(text);
    let mut at = 0;
    for word in words(seen) {
        if at + word.len() > AROUND {
            break;
        }
        at += word.len();
    }
    at
}

/// Where the last words of a long text begin.
fn last_words(text: &str) -> usize {
    let seen = text.get(text.ceil_char_boundary(text.len() - KEPT)..);
    let mut at = text.len();
    // The first of them may be the end of a longer one.
    for word in words(seen.unwrap_or(text)).into_iter().skip(1).rev() {
        if text.len() - at + word.len() > AROUND {
            break;
        }
        at -= word.len();
    }
    at
}

/// The words of a text and what is between them. Escapes of JSON that follow one another are one word.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escaped) = rest.split_at(at);
        words.extend(plain.split_word_bounds());
        let (escapes, after) = escaped.split_at(escapes(escaped));
        words.push(escapes);
        rest = after;
    }
    words.extend(rest.split_word_bounds());
    words
}

/// How many bytes of a text are escapes at its beginning.
fn escapes(text: &str) -> usize {
    let mut length = 0;
    while let Some(escape) = text.get(length..).and_then(|rest| rest.strip_prefix('\\')) {
        let wanted = match escape.starts_with('u') {
            true => 5,
            false => escape.chars().next().map_or(0, char::len_utf8),
        };
        length += 1 + escape.floor_char_boundary(wanted);
    }
    length
}

/// Words that follow one another, which both lists have or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    is_same: bool,
    /// How many words of the first list.
    one: usize,
    /// How many of the other one.
    other: usize,
}

/// The runs of two lists, in turn of the same and of others.
fn runs(one: &[&str], other: &[&str]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut add = |is_same: bool, one: usize, other: usize| match runs.last_mut() {
        Some(last) if last.is_same == is_same => {
            (last.one, last.other) = (last.one + one, last.other + other);
        }
        Some(_) | None if one + other == 0 => {}
        Some(_) | None => runs.push(Run {
            is_same,
            one,
            other,
        }),
    };
    let (mut x, mut y) = (0, 0);
    for (next_x, next_y) in pairs(one, other) {
        add(false, next_x - x, next_y - y);
        add(true, 1, 1);
        (x, y) = (next_x + 1, next_y + 1);
    }
    add(false, one.len() - x, other.len() - y);
    runs
}

/// The positions of words that are in both lists, in their order: as many as can be, by the algorithm of Myers (An O(ND) Difference
/// Algorithm and Its Variations, 1986). If that takes more than the bounds, only those at both ends.
fn pairs(one: &[&str], other: &[&str]) -> Vec<(usize, usize)> {
    let same = |(one, other): &(&&str, &&str)| one == other;
    let first = one.iter().zip(other).take_while(same).count();
    let most = one.len().min(other.len()) - first;
    let last = one.iter().rev().zip(other.iter().rev());
    let last = last.take(most).take_while(same).count();
    let (lasts, others) = (one.len() - last, other.len() - last);
    let between = match (one.get(first..lasts), other.get(first..others)) {
        (Some(one), Some(other)) => edits(one, other).unwrap_or_default(),
        (None, _) | (_, None) => Vec::new(),
    };
    let begin = (0..first).map(|at| (at, at));
    let between = between.into_iter().map(|(x, y)| (x + first, y + first));
    let end = (0..last).map(|at| (lasts + at, others + at));
    begin.chain(between).chain(end).collect()
}

/// How far the furthest path of so many edits reaches in the first list, on each diagonal from the lowest on.
struct Reached {
    lowest: isize,
    ends: Vec<usize>,
}

impl Reached {
    fn at(&self, diagonal: isize) -> Option<usize> {
        let at = usize::try_from(diagonal - self.lowest).ok()?;
        self.ends.get(at).copied()
    }

    /// Where a path of one edit more begins on a diagonal, and on which diagonal it was: a word came, or one went.
    fn next(&self, diagonal: isize) -> (usize, isize) {
        let came = self.at(diagonal + 1);
        let went = self.at(diagonal - 1).map(|x| x + 1);
        match (came, went) {
            (Some(came), Some(went)) if went > came => (went, diagonal - 1),
            (Some(came), _) => (came, diagonal + 1),
            (None, Some(went)) => (went, diagonal - 1),
            (None, None) => (0, diagonal),
        }
    }
}

/// The pairs with the fewest edits between them, unless these are too many.
fn edits(one: &[&str], other: &[&str]) -> Option<Vec<(usize, usize)>> {
    let mut compared = 0;
    let mut steps: Vec<Reached> = Vec::new();
    for count in 0..=EDITS {
        let mut ends = Vec::with_capacity(2 * count.unsigned_abs() + 1);
        for diagonal in -count..=count {
            // Each edit leads to the diagonal beside: only every second one is reached.
            if (diagonal + count) % 2 != 0 {
                ends.push(0);
                continue;
            }
            let mut x = steps.last().map_or(0, |last| last.next(diagonal).0);
            let mut y = x.saturating_add_signed(-diagonal);
            while let (Some(word), Some(found)) = (one.get(x), other.get(y)) {
                compared += 1;
                if word != found {
                    break;
                }
                (x, y) = (x + 1, y + 1);
            }
            if x >= one.len() && y >= other.len() {
                return Some(path(&steps, one.len(), other.len()));
            }
            ends.push(x);
        }
        if compared > COMPARED {
            return None;
        }
        let lowest = -count;
        steps.push(Reached { lowest, ends });
    }
    None
}

/// The pairs on the path that leads to the ends of both lists.
fn path(steps: &[Reached], mut x: usize, mut y: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for step in steps.iter().rev() {
        let (begin, from) = step.next(x as isize - y as isize);
        while x > begin {
            (x, y) = (x - 1, y.saturating_sub(1));
            pairs.push((x, y));
        }
        x = step.at(from).unwrap_or(0);
        y = x.saturating_add_signed(-from);
    }
    while x > 0 {
        (x, y) = (x - 1, y.saturating_sub(1));
        pairs.push((x, y));
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests;
