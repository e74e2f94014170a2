//! SQL without its values: literals become `?`, comments lose their text, everything else is unchanged.
//!
//! Works on tokens, without a grammar. A text is read in every way in which its possible dialects would read it
//! (`sql/dialect.rs`), by our lexer (`sql/lexer.rs`) and by sqlparser's (`sql/second.rs`). What any reading takes for
//! a value is redacted. Where readings disagree, the whole stretch becomes `[redacted]`. Called for facets with
//! SQL, and for SQL in other strings (`quoted.rs`).

mod dialect;
mod double;
mod inline;
mod lexer;
mod second;
mod token_rules;

pub use dialect::Dialect;

use std::borrow::Cow;
use std::ops::Range;

use dialect::Lexis;
use lexer::{Kind, Token};

/// The replacement of SQL that cannot be read, or not unambiguously.
const UNREADABLE: &str = "[redacted]";

/// Replaces every string and number of `sql` by `?` and removes the text of comments; text that is not closed, and text that
/// dialects read differently, becomes `[redacted]`. The dialect is unknown.
///
/// Double-quoted text is kept only if the text shows that it quotes names so (`from "t"`, `"a"."b"`), and not after
/// `LIKE` or in lists of `IN` and `VALUES`. Bare words are kept, except the passwords of `IDENTIFIED BY`.
pub fn sql_literals(sql: &str) -> String {
    sql_literals_in(sql, &[])
}

/// Like [`sql_literals`] in one of `dialects`; in any if there are none.
pub fn sql_literals_in(sql: &str, dialects: &[Dialect]) -> String {
    let mut text = Cow::Borrowed(sql);
    // A redacted text can be read in a new way (`[--x]`): repeat until all readings agree.
    for _ in 0..ROUNDS {
        let new = once(&text, dialects);
        if new == text {
            return new;
        }
        text = Cow::Owned(new);
    }
    // Readings that disagree each time agree on nothing: what is left would be redacted by the next.
    UNREADABLE.to_owned()
}

/// The most readings of a text: each is as long as the text. A statement takes two or three; a pile of quotes that do not
/// match takes one for each.
const ROUNDS: usize = 10;

fn once(sql: &str, dialects: &[Dialect]) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut done = 0;
    for place in places(sql, dialects) {
        out.push_str(sql.get(done..place.range.start).unwrap_or_default());
        out.push_str(place.text());
        done = place.range.end;
    }
    out.push_str(sql.get(done..).unwrap_or_default());
    out
}

/// Returns the spans of `sql` that are redacted in any reading, in order.
pub(super) fn places(sql: &str, dialects: &[Dialect]) -> Vec<Redaction> {
    together(sql, hidden(sql, dialects))
}

/// A span to redact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redaction {
    pub(super) range: Range<usize>,
    shown: Replacement,
}

impl Redaction {
    /// Returns the replacement.
    pub(super) fn text(&self) -> &'static str {
        self.shown.text()
    }

    /// Whether the span may contain more than a value.
    pub(super) fn is_doubtful(&self) -> bool {
        self.shown == Replacement::Doubt
    }
}

impl Redaction {
    fn of(range: Range<usize>, shown: Replacement) -> Redaction {
        Redaction { range, shown }
    }
}

/// The replacement of a span; of several for the same span, the last counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Replacement {
    Comment(&'static str),
    Value,
    Doubt,
}

impl Replacement {
    fn text(self) -> &'static str {
        match self {
            Replacement::Comment(mark) => mark,
            Replacement::Value => "?",
            Replacement::Doubt => UNREADABLE,
        }
    }
}

/// Collects the spans of all readings, in order.
fn hidden(sql: &str, dialects: &[Dialect]) -> Vec<Redaction> {
    let mut found = Vec::new();
    for lexis in dialect::ways(sql, dialects) {
        found.extend(reading(sql, lexis, !dialects.is_empty()));
    }
    match dialects {
        [] => found.extend(second::hidden(sql, None)),
        some => {
            for dialect in some {
                found.extend(second::hidden(sql, Some(*dialect)));
            }
        }
    }
    // Of those with the same start, the longest first.
    found.sort_by(|one, two| {
        let key = |hidden: &Redaction| (hidden.range.start, usize::MAX - hidden.range.end);
        key(one).cmp(&key(two)).then(one.shown.cmp(&two.shown))
    });
    found
}

fn reading(sql: &str, lexis: Lexis, named: bool) -> Vec<Redaction> {
    let tokens = lexer::tokens(sql, lexis);
    let kept = |index: usize| Some((index, tokens.get(index)?));
    let mut found: Vec<Redaction> = tokens.iter().filter_map(of_token).collect();
    let more = double::values(sql, &tokens, lexis.double, named);
    let more = more.into_iter().chain(double::passwords(sql, &tokens));
    let values = more.filter_map(kept).filter(|(_, token)| token.closed);
    found.extend(values.map(|(_, token)| Redaction::of(token.range.clone(), Replacement::Value)));
    let data = inline::data(sql, &tokens).into_iter();
    found.extend(data.map(|range| Redaction::of(range, Replacement::Doubt)));
    found
}

fn of_token(token: &Token) -> Option<Redaction> {
    let shown = match token.kind {
        _ if !token.closed => Replacement::Doubt,
        Kind::Comment(mark) => Replacement::Comment(mark),
        Kind::Number | Kind::Text => Replacement::Value,
        Kind::Space | Kind::Word | Kind::Double | Kind::Name | Kind::Sign => return None,
    };
    Some(Redaction::of(token.range.clone(), shown))
}

/// Merges overlapping spans. The result is ambiguous unless one reading has all of it as one span.
fn together(sql: &str, found: Vec<Redaction>) -> Vec<Redaction> {
    let mut all: Vec<Redaction> = Vec::new();
    for hidden in found {
        match all.last_mut() {
            Some(last) if hidden.range.start < last.range.end => {
                if hidden.range == last.range {
                    last.shown = last.shown.max(hidden.shown);
                } else if hidden.range.end > last.range.end {
                    last.range.end = hidden.range.end;
                    // A reading with the whole span came first, if there is one; this is not it.
                    last.shown = Replacement::Doubt;
                }
            }
            _ => all.push(hidden),
        }
    }
    // Only a comment with text counts: `--` alone stays unchanged.
    all.retain(|hidden| sql.get(hidden.range.clone()) != Some(hidden.shown.text()));
    all
}

#[cfg(test)]
mod tests;
