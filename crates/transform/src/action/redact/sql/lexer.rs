//! Splits SQL into tokens by one set of lexical rules. Accepts any text, reads each character once, and never fails: a token
//! that is not closed goes to the end.
//!
//! Used beside sqlparser's tokenizer (`second.rs`), because that stops at the first error and has
//! one set of rules per dialect. Called by `sql.rs`.

use std::ops::Range;

use super::super::value::end_of_q;
use super::dialect::{Dollar, Double, Lexis, Raw};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    /// A comment, with its remaining text.
    Comment(&'static str),
    Word,
    Number,
    Text,
    /// A double-quoted text.
    Double,
    /// Another quoted name.
    Name,
    Sign,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    /// Whether the token is closed.
    pub(super) closed: bool,
}

/// Prefixes of strings directly before the quote. Others (`date'2024-01-01'`, `_utf8'x'`) are separate words.
const PREFIXES: [&str; 17] = [
    "e", "n", "b", "x", "r", "f", "u", "g", "q", "nq", "rb", "br", "fr", "rf", "bx", "gx", "ux",
];

/// The longest number of a parameter (`$12`).
const PARAMETER: usize = 2;

/// Splits `sql` into tokens.
pub(super) fn tokens(sql: &str, lexis: Lexis) -> Vec<Token> {
    let mut lexer = Lexer { sql, lexis, at: 0 };
    let mut tokens = Vec::new();
    while lexer.at < sql.len() {
        let start = lexer.at;
        let (kind, closed) = lexer.step();
        // Each step consumes at least one character; otherwise the rest would be one ambiguous text.
        if lexer.at <= start {
            lexer.at = sql.len();
        }
        let range = start..lexer.at;
        tokens.push(Token {
            kind,
            range,
            closed,
        });
    }
    tokens
}

/// Quotes of typography.
pub(super) fn is_curly(c: char) -> bool {
    matches!(
        c,
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2039}' | '\u{203a}' | '\u{ff02}' | '\u{ff07}' | '\u{b4}'
            | '\u{2032}' | '\u{2033}' | '\u{300c}'..='\u{300f}'
    )
}

struct Lexer<'s> {
    sql: &'s str,
    lexis: Lexis,
    at: usize,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.sql.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !fits(c)).unwrap_or(rest.len());
    }

    fn step(&mut self) -> (Kind, bool) {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else {
            return (Kind::Sign, true);
        };
        match c {
            c if c.is_whitespace() => {
                self.take_while(char::is_whitespace);
                (Kind::Space, true)
            }
            '-' if rest.starts_with("--") && self.dashes(rest) => self.line("--"),
            '#' if self.lexis.hash => self.line("#"),
            '/' if rest.starts_with("/*") => self.block(),
            '/' if self.lexis.slashes && rest.starts_with("//") => self.line("//"),
            '\'' => (Kind::Text, self.string('\'', self.lexis.backslash)),
            '"' => {
                let escapes = self.lexis.backslash && self.lexis.double != Double::Name;
                (Kind::Double, self.string('"', escapes))
            }
            '`' if self.lexis.backtick => (Kind::Name, self.quoted('`', '`', self.lexis.backslash)),
            '[' if self.lexis.brackets => (Kind::Name, self.quoted('[', ']', false)),
            '$' => self.dollar(),
            c if self.lexis.curly && is_curly(c) => {
                self.at += c.len_utf8();
                let rest = self.rest();
                let end = rest.char_indices().find(|(_, c)| is_curly(*c));
                self.at += end.map_or(rest.len(), |(at, c)| at + c.len_utf8());
                (Kind::Text, end.is_some())
            }
            c if c.is_numeric() => {
                self.number();
                (Kind::Number, true)
            }
            c if is_word(c) => self.word(),
            '@' | '#' => {
                self.at += 1;
                if self.peek().is_some_and(|c| is_word(c) && !c.is_numeric()) {
                    self.take_while(is_inside);
                    return (Kind::Word, true);
                }
                (Kind::Sign, true)
            }
            c => {
                self.at += c.len_utf8();
                (Kind::Sign, true)
            }
        }
    }

    fn dashes(&self, rest: &str) -> bool {
        let next = rest.chars().nth(2);
        !self.lexis.dash_space || next.is_none_or(|c| c.is_whitespace() || c.is_control())
    }

    /// A comment to the end of the line, without it.
    fn line(&mut self, mark: &'static str) -> (Kind, bool) {
        let ends = |c: char| c == '\n' || self.lexis.cr && c == '\r';
        let rest = self.rest();
        let line = rest.split(ends).next().unwrap_or_default();
        // The second half of a line end.
        self.at += line.strip_suffix('\r').unwrap_or(line).len();
        (Kind::Comment(mark), true)
    }

    fn block(&mut self) -> (Kind, bool) {
        let mut depth = 0_usize;
        let bytes = self.sql.as_bytes();
        while let Some(pair) = bytes.get(self.at..self.at + 2) {
            match pair {
                b"/*" if depth == 0 || self.lexis.nested => depth += 1,
                b"*/" => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return (Kind::Comment("/**/"), true);
            }
        }
        self.at = self.sql.len();
        (Kind::Comment("/**/"), false)
    }

    /// A string whose quote is next, tripled if the rules allow it.
    fn string(&mut self, quote: char, escapes: bool) -> bool {
        let three = [quote; 3].iter().collect::<String>();
        if !(self.lexis.triple && self.rest().starts_with(&three)) {
            return self.quoted(quote, quote, escapes);
        }
        self.at += 3;
        let mut escaped = false;
        let rest = self.rest();
        for (at, c) in rest.char_indices() {
            if !escaped && c == quote && rest.get(at..).is_some_and(|rest| rest.starts_with(&three))
            {
                self.at += at + 3;
                return true;
            }
            escaped = escapes && c == '\\' && !escaped;
        }
        self.at = self.sql.len();
        false
    }

    /// The text between `open`, which is next, and `close`, which is doubled inside.
    fn quoted(&mut self, open: char, close: char, escapes: bool) -> bool {
        self.at += open.len_utf8();
        let rest = self.rest();
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if escapes && c == '\\' {
                chars.next();
            } else if c == close && chars.next_if(|(_, next)| *next == close).is_none() {
                self.at += at + close.len_utf8();
                return true;
            }
        }
        self.at = self.sql.len();
        false
    }

    /// `$tag$ … $tag$`, `$1`, `$12.50`, or a sign.
    fn dollar(&mut self) -> (Kind, bool) {
        self.at += 1;
        let rest = self.rest();
        if let Some(tag) = self.tag(rest) {
            let mark = format!("${tag}$");
            self.at += mark.len() - 1;
            let rest = self.rest();
            let end = rest.find(&mark);
            self.at += end.map_or(rest.len(), |at| at + mark.len());
            return (Kind::Text, end.is_some());
        }
        let start = self.at;
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            self.number();
            let digits = self.sql.get(start..self.at).unwrap_or_default();
            let parameter =
                digits.len() <= PARAMETER && digits.bytes().all(|byte| byte.is_ascii_digit());
            return match parameter && !self.lexis.money {
                true => (Kind::Word, true),
                false => (Kind::Number, true),
            };
        }
        (Kind::Sign, true)
    }

    fn tag(&self, rest: &'s str) -> Option<&'s str> {
        let end = rest.find(|c: char| !is_word(c))?;
        let (tag, after) = rest.split_at(end);
        let fits = match self.lexis.dollar {
            Dollar::No => false,
            Dollar::Plain => tag.is_empty(),
            Dollar::Tagged => !tag.starts_with(char::is_numeric),
        };
        (fits && after.starts_with('$')).then_some(tag)
    }

    /// Digits and all characters joined to them: `10_000`, `0xDEAD_BEEF`, `1.5e-3`, `10L`, `1e+5`.
    fn number(&mut self) {
        let start = self.at;
        loop {
            self.take_while(|c| c.is_alphanumeric() || c == '_');
            let word = self.sql.get(start..self.at).unwrap_or_default();
            let rest = self.rest();
            let mut after = rest.chars();
            match after.next() {
                Some('+' | '-')
                    if word.ends_with(['e', 'E'])
                        && !word.starts_with("0x")
                        && !word.starts_with("0X")
                        && word
                            .trim_end_matches(['e', 'E'])
                            .ends_with(|c: char| c.is_ascii_digit() || c == '.' || c == '_')
                        && after.next().is_some_and(|c| c.is_ascii_digit()) =>
                {
                    self.at += 1;
                }
                // `project-123.dataset` is a name, `1.e5` and `1.5` are numbers.
                Some('.') if exponent_or_digit(after.as_str()) => self.at += 1,
                _ => return,
            }
        }
    }

    /// A word, or the string of which it is the prefix.
    fn word(&mut self) -> (Kind, bool) {
        let start = self.at;
        let hash = self.lexis.hash;
        self.take_while(|c| is_inside(c) && !(hash && c == '#'));
        let word = self.sql.get(start..self.at).unwrap_or_default();
        let known = |word: &str| {
            PREFIXES
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
        };
        if word.eq_ignore_ascii_case("u") && (self.take("&'") || self.take("&\"")) {
            self.at -= 1;
        }
        let Some(quote) = self.peek().filter(|c| matches!(c, '\'' | '"')) else {
            return (Kind::Word, true);
        };
        if !known(word) {
            return (Kind::Word, true);
        }
        let is = |letter: char| word.chars().any(|c| c.eq_ignore_ascii_case(&letter));
        let kind = match quote {
            '"' => Kind::Double,
            _ => Kind::Text,
        };
        if self.lexis.q_strings && quote == '\'' && is('q') {
            return (kind, self.q_string());
        }
        let escapes = match (is('r'), is('e'), self.lexis.raw) {
            (true, _, Raw::Plain) => false,
            (true, _, Raw::Escaped) => true,
            (_, true, _) => self.lexis.e_strings || self.lexis.backslash,
            (..) => self.lexis.backslash,
        };
        let escapes = escapes && !(quote == '"' && self.lexis.double == Double::Name);
        (kind, self.string(quote, escapes))
    }

    /// `'[ … ]'`: the quote is next, followed by any character that, with its pair and a quote, ends the string.
    fn q_string(&mut self) -> bool {
        self.at += 1;
        let Some(open) = self.peek() else {
            return false;
        };
        self.at += open.len_utf8();
        let end = end_of_q(open);
        let rest = self.rest();
        let found = rest.find(&end);
        self.at += found.map_or(rest.len(), |at| at + end.len());
        found.is_some()
    }
}

fn exponent_or_digit(after: &str) -> bool {
    let mut chars = after.chars();
    match chars.next() {
        Some(c) if c.is_numeric() => true,
        Some('e' | 'E') => matches!(chars.next(), Some('0'..='9' | '+' | '-')),
        _ => false,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_inside(c: char) -> bool {
    is_word(c) || matches!(c, '$' | '#')
}
