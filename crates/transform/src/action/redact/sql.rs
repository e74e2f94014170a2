//! SQL without its values: literals become `?`, comments lose their text, everything else stays as it is written.
//!
//! Tokens, not grammar. A text is read in every way in which the dialects that it can be in would read it
//! (`sql/dialect.rs`), by a lexer of ours (`sql/lexer.rs`) and by sqlparser's (`sql/second.rs`); what any of them takes for
//! a value goes. Where they part, all of the stretch on which they do is `[redacted]`. Called for the facets that hold
//! SQL, and for SQL that stands in other strings (`quoted.rs`).

mod dialect;
mod double;
mod inline;
mod lexer;
mod second;

pub use dialect::Dialect;

use std::borrow::Cow;
use std::ops::Range;

use dialect::Lexis;
use lexer::{Kind, Token};

/// What is written instead of SQL that cannot be read, or not in one way.
const UNREADABLE: &str = "[redacted]";

/// `sql` with `?` for every string and number, and without the text of comments; `[redacted]` for what is not closed,
/// and for what dialects read differently. Nobody said which dialect it is in.
///
/// Double-quoted text stays only where the text shows that it writes names so (`from "t"`, `"a"."b"`), and not after
/// `LIKE` or in lists of `IN` and `VALUES`. Bare words stay, but the passwords of `IDENTIFIED BY`.
pub fn sql_literals(sql: &str) -> String {
    sql_literals_in(sql, &[])
}

/// The same in one of `dialects`; in any when there are none.
pub fn sql_literals_in(sql: &str, dialects: &[Dialect]) -> String {
    let mut new = once(sql, dialects);
    let mut before = Cow::Borrowed(sql);
    // A text without what was hidden can be read in another way (`[--x]`): until all agree.
    for _ in 0..ROUNDS {
        if new == before {
            break;
        }
        let again = once(&new, dialects);
        before = Cow::Owned(std::mem::replace(&mut new, again));
    }
    new
}

/// As often a text is read again.
const ROUNDS: usize = 8;

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

/// The places of `sql` that are hidden in any reading, in order.
pub(super) fn places(sql: &str, dialects: &[Dialect]) -> Vec<Place> {
    together(sql, hidden(sql, dialects))
}

/// A place that is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) range: Range<usize>,
    shown: Shown,
}

impl Place {
    /// What is written instead.
    pub(super) fn text(&self) -> &'static str {
        self.shown.text()
    }

    /// Whether it may hold more than a value.
    pub(super) fn is_doubtful(&self) -> bool {
        self.shown == Shown::Doubt
    }
}

impl Place {
    fn of(range: Range<usize>, shown: Shown) -> Place {
        Place { range, shown }
    }
}

/// What is written instead; of several for the same place, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shown {
    Comment(&'static str),
    Value,
    Doubt,
}

impl Shown {
    fn text(self) -> &'static str {
        match self {
            Shown::Comment(mark) => mark,
            Shown::Value => "?",
            Shown::Doubt => UNREADABLE,
        }
    }
}

/// What any reading hides, in order of places.
fn hidden(sql: &str, dialects: &[Dialect]) -> Vec<Place> {
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
    // The longest of those that begin together first.
    found.sort_by(|one, two| {
        let key = |hidden: &Place| (hidden.range.start, usize::MAX - hidden.range.end);
        key(one).cmp(&key(two)).then(one.shown.cmp(&two.shown))
    });
    found
}

fn reading(sql: &str, lexis: Lexis, named: bool) -> Vec<Place> {
    let tokens = lexer::tokens(sql, lexis);
    let kept = |index: usize| Some((index, tokens.get(index)?));
    let mut found: Vec<Place> = tokens.iter().filter_map(of_token).collect();
    let more = double::values(sql, &tokens, lexis.double, named);
    let more = more.into_iter().chain(double::passwords(sql, &tokens));
    let values = more.filter_map(kept).filter(|(_, token)| token.closed);
    found.extend(values.map(|(_, token)| Place::of(token.range.clone(), Shown::Value)));
    let data = inline::data(sql, &tokens).into_iter();
    found.extend(data.map(|range| Place::of(range, Shown::Doubt)));
    found
}

fn of_token(token: &Token) -> Option<Place> {
    let shown = match token.kind {
        _ if !token.closed => Shown::Doubt,
        Kind::Comment(mark) => Shown::Comment(mark),
        Kind::Number | Kind::Text => Shown::Value,
        Kind::Space | Kind::Word | Kind::Double | Kind::Name | Kind::Sign => return None,
    };
    Some(Place::of(token.range.clone(), shown))
}

/// One place for those that overlap. It is doubtful, unless one reading has all of it as one.
fn together(sql: &str, found: Vec<Place>) -> Vec<Place> {
    let mut all: Vec<Place> = Vec::new();
    for hidden in found {
        match all.last_mut() {
            Some(last) if hidden.range.start < last.range.end => {
                if hidden.range == last.range {
                    last.shown = last.shown.max(hidden.shown);
                } else if hidden.range.end > last.range.end {
                    last.range.end = hidden.range.end;
                    // A reading that has all of it came first, if there is one: this is none.
                    last.shown = Shown::Doubt;
                }
            }
            _ => all.push(hidden),
        }
    }
    // Only a comment that hides something is one: `--` alone stays, as it is.
    all.retain(|hidden| sql.get(hidden.range.clone()) != Some(hidden.shown.text()));
    all
}

#[cfg(test)]
mod tests;
