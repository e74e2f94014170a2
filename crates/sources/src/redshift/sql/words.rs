//! The lexemes of one statement, without comments, as the head of a statement is read: by keywords, names and brackets.

use std::borrow::Cow;
use std::ops::Range;

use super::lexeme::{Kind, Lexeme};
use super::name::{fold, of_parts};
use super::{ReadOptions, Refusal, TableName};

/// The lexemes of one statement. Positions count lexemes.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) text: &'a str,
    pub(super) all: &'a [Lexeme],
    pub(super) options: ReadOptions,
}

impl<'a> Words<'a> {
    pub(super) fn len(self) -> usize {
        self.all.len()
    }

    pub(super) fn get(self, at: usize) -> Option<Lexeme> {
        self.all.get(at).copied()
    }

    pub(super) fn kind(self, at: usize) -> Option<Kind> {
        self.get(at).map(Lexeme::kind)
    }

    pub(super) fn written(self, at: usize) -> &'a str {
        self.get(at).map_or("", |lexeme| lexeme.of(self.text))
    }

    /// Whether a keyword stands there.
    pub(super) fn is(self, at: usize, keyword: &str) -> bool {
        self.kind(at) == Some(Kind::Word) && self.written(at).eq_ignore_ascii_case(keyword)
    }

    pub(super) fn is_one_of(self, at: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(at, keyword))
    }

    /// Whether these keywords follow one another there.
    pub(super) fn are(self, at: usize, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .enumerate()
            .all(|(n, keyword)| self.is(at + n, keyword))
    }

    /// The position after these keywords, or the same position if they do not stand there.
    pub(super) fn skip(self, at: usize, keywords: &[&str]) -> usize {
        if self.are(at, keywords) {
            at + keywords.len()
        } else {
            at
        }
    }

    pub(super) fn sign(self, at: usize, sign: &str) -> bool {
        self.kind(at) == Some(Kind::Sign) && self.written(at) == sign
    }

    pub(super) fn is_sign(self, at: usize) -> bool {
        self.kind(at) == Some(Kind::Sign)
    }

    /// Where the lexeme there starts in the text.
    pub(super) fn start(self, at: usize) -> Option<usize> {
        self.get(at).map(Lexeme::start)
    }

    /// Whether a constant of one lexeme stands there.
    pub(super) fn is_constant(self, at: usize) -> bool {
        matches!(self.kind(at), Some(Kind::String | Kind::Number))
    }

    /// These lexemes alone.
    pub(super) fn within(self, range: Range<usize>) -> Words<'a> {
        Words {
            all: self.all.get(range).unwrap_or_default(),
            ..self
        }
    }

    /// All lexemes from there on.
    pub(super) fn from(self, at: usize) -> Words<'a> {
        self.within(at..self.len())
    }

    /// That the lexeme there is not understood, by its place in the text. None: the end is not.
    pub(super) fn refusal(self, at: Option<usize>) -> Refusal {
        let Some(before) = at
            .and_then(|at| self.start(at))
            .and_then(|start| self.text.get(..start))
        else {
            return Refusal::Syntax { line: 0, column: 0 };
        };
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Refusal::Syntax {
            line: line as u64,
            column: column as u64,
        }
    }

    /// Whether a query starts there: at a keyword or within brackets.
    pub(super) fn is_query(self, mut at: usize) -> bool {
        while self.sign(at, "(") {
            at += 1;
        }
        self.is_one_of(at, &["select", "with", "values"])
    }

    /// The name there, folded.
    pub(super) fn identifier(self, at: usize) -> Option<String> {
        match self.kind(at)? {
            Kind::Word => Some(fold(self.written(at), false, self.options)),
            Kind::Quoted => Some(fold(&unquoted(self.written(at), '"'), true, self.options)),
            Kind::String
            | Kind::Dollars
            | Kind::Number
            | Kind::Parameter
            | Kind::Comment
            | Kind::Sign
            | Kind::Open => None,
        }
    }

    /// The name of a table there, of up to three parts, and the position after it.
    pub(super) fn table(self, at: usize) -> Option<(TableName, usize)> {
        let mut parts = vec![self.identifier(at)?];
        let mut at = at + 1;
        while self.sign(at, ".") {
            parts.push(self.identifier(at + 1)?);
            at += 2;
            if parts.len() > 3 {
                return None;
            }
        }
        Some((of_parts(parts)?, at))
    }

    /// The content of the string there.
    pub(super) fn string(self, at: usize) -> Option<Cow<'a, str>> {
        let written = self.written(at);
        match self.kind(at)? {
            Kind::String => Some(unquoted(
                written.strip_prefix(['e', 'E']).unwrap_or(written),
                '\'',
            )),
            Kind::Dollars => {
                let mark = written.get(1..)?.find('$')? + 2;
                Some(Cow::Borrowed(written.get(mark..written.len() - mark)?))
            }
            Kind::Word
            | Kind::Quoted
            | Kind::Number
            | Kind::Parameter
            | Kind::Comment
            | Kind::Sign
            | Kind::Open => None,
        }
    }

    /// The position after the bracket that closes the one there; the end, if none does.
    pub(super) fn after_bracket(self, at: usize) -> usize {
        let mut depth = 0_usize;
        for (n, _) in self.all.iter().enumerate().skip(at) {
            if self.sign(n, "(") {
                depth += 1;
            } else if self.sign(n, ")") {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return n + 1;
            }
        }
        self.len()
    }

    /// The first position from there, outside brackets, that is wanted.
    pub(super) fn find(self, from: usize, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = from;
        while at < self.len() {
            if wanted(at) {
                return Some(at);
            }
            at = if self.sign(at, "(") {
                self.after_bracket(at)
            } else {
                at + 1
            };
        }
        None
    }

    /// The names of a list in brackets, and the position after it.
    pub(super) fn name_list(self, at: usize) -> Option<(Vec<String>, usize)> {
        if !self.sign(at, "(") {
            return None;
        }
        let end = self.after_bracket(at);
        let names = self
            .list_items(at, end)
            .filter_map(|item| self.identifier(item.start))
            .collect();
        Some((names, end))
    }

    /// The items of a list in brackets, between its commas. `end` is the position after the list.
    pub(super) fn list_items(self, at: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
        let last = end.saturating_sub(1);
        let mut from = at + 1;
        std::iter::from_fn(move || {
            if from >= last {
                return None;
            }
            let until = self
                .find(from, |n| n >= last || self.sign(n, ","))
                .unwrap_or(last)
                .min(last);
            let item = from..until;
            from = until + 1;
            Some(item)
        })
    }
}

/// The content of a quoted text, with doubled quotes as one. Backslashes stay, unless they stand before the quote.
pub(super) fn unquoted(written: &str, quote: char) -> Cow<'_, str> {
    let inner = written
        .get(1..written.len().saturating_sub(1))
        .unwrap_or_default();
    if !inner.contains(quote) {
        return Cow::Borrowed(inner);
    }
    let mut content = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(char) = chars.next() {
        if (char == quote || (char == '\\' && quote == '\'')) && chars.peek() == Some(&quote) {
            chars.next();
            content.push(quote);
        } else {
            content.push(char);
        }
    }
    Cow::Owned(content)
}
