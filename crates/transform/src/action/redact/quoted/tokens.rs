//! Approximate tokens of the text after a word: enough to distinguish a statement from a sentence in any dialect.
//!
//! `sql.rs` reads the statement itself. Called by `starts.rs`.

use Token::{Comment, Flag, Name, Number, Sign, Stop, Text, Word};

/// How much text is examined, in bytes.
const WINDOW: usize = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Word(&'t str),
    /// A quoted name.
    Name,
    /// A quoted text with its prefix.
    Text,
    Number,
    Comment,
    /// The option of a command: `--word`.
    Flag,
    Sign(char),
    /// The end of a sentence or clause.
    Stop,
}

impl Token<'_> {
    pub(super) fn is(self, words: &[&str]) -> bool {
        matches!(self, Word(word) if words.iter().any(|known| word.eq_ignore_ascii_case(known)))
    }

    pub(super) fn is_value(self) -> bool {
        matches!(
            self,
            Text | Name | Number | Comment | Sign('(' | '-' | '$' | '+')
        )
    }
}

/// Approximate tokens of the text after a word: enough to distinguish a statement from a sentence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'t> {
    pub(super) rest: &'t str,
    /// Whether `--word` is an option of a command rather than a comment.
    options: bool,
}

impl<'t> Tokens<'t> {
    pub(super) fn of(rest: &'t str) -> Tokens<'t> {
        let mut end = rest.len().min(WINDOW);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        Tokens {
            rest: rest.get(..end).unwrap_or_default(),
            options: false,
        }
    }

    /// Like `new`, with `--word` as an option of a command: one word, and not a comment that hides the line.
    pub(super) fn with_options(self) -> Tokens<'t> {
        Tokens {
            options: true,
            ..self
        }
    }

    /// Whether one of `words`, or a comment, is among the next `count`, before a sentence ends.
    pub(super) fn has(self, count: usize, words: &[&str]) -> bool {
        let mut until = self.take(count).take_while(|token| *token != Stop);
        until.any(|token| token == Comment || token.is(words))
    }

    /// Skips leading words that are among these.
    pub(super) fn without(mut self, words: &[&str]) -> Tokens<'t> {
        let mut after = self;
        while after.next().is_some_and(|token| token.is(words)) {
            self = after;
        }
        self
    }

    /// Consumes a name with its parts; returns whether there is one.
    pub(super) fn name(&mut self) -> bool {
        let mut found = false;
        loop {
            let mut after = *self;
            match after.next() {
                Some(Word(_) | Name) if !found => {}
                Some(Sign('.')) if found => {
                    let mut part = after;
                    if !matches!(part.next(), Some(Word(_) | Name)) {
                        return found;
                    }
                    after = part;
                }
                _ => return found,
            }
            (*self, found) = (after, true);
        }
    }

    /// Consumes a parenthesised group, if it is next.
    pub(super) fn group(&mut self) {
        let mut after = *self;
        if after.next() != Some(Sign('(')) {
            return;
        }
        let mut depth = 1_usize;
        for token in after.by_ref() {
            if token == Sign('(') {
                depth += 1;
            } else if token == Sign(')') {
                depth -= 1;
            }
            if depth == 0 {
                break;
            }
        }
        *self = after;
    }

    /// Consumes `length` bytes.
    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// Consumes up to and including the next `mark`, or everything.
    fn until(&mut self, mark: &str) {
        let end = self.rest.find(mark).map(|at| at + mark.len());
        self.skip(end.unwrap_or(self.rest.len()));
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        // White space, and escaped white space: `\n` of a printed string.
        loop {
            self.rest = self.rest.trim_start();
            let slashes = self.rest.len() - self.rest.trim_start_matches('\\').len();
            if slashes == 0 {
                break;
            }
            self.skip(slashes);
            let blank = self.rest.starts_with(['n', 'r', 't']);
            self.skip(usize::from(blank));
        }
        let rest = self.rest;
        let c = rest.chars().next()?;
        if rest.starts_with("/*") {
            self.skip(2);
            self.until("*/");
            return Some(Comment);
        }
        if self.options
            && let Some(option) = rest.strip_prefix("--")
            && option.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let end = option.find(|c| !is_word(c)).unwrap_or(option.len());
            self.skip("--".len() + end);
            return Some(Flag);
        }
        if rest.starts_with("--")
            || c == '#' && rest.get(1..).is_some_and(|rest| rest.starts_with(' '))
        {
            self.until("\n");
            return Some(Comment);
        }
        if c.is_alphanumeric() || c == '_' {
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '#');
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest.get(..end)?;
            self.skip(end);
            let after = self.rest.trim_start_matches('&').trim_start_matches('\\');
            // `_utf8 'x'`: the name of a character set may be separate.
            let after = match word.starts_with('_') {
                true => after.trim_start(),
                false => after,
            };
            if after.starts_with('\'') && !c.is_numeric() {
                self.rest = after;
                self.next();
                return Some(Text);
            }
            return Some(if c.is_numeric() { Number } else { Word(word) });
        }
        if let Some((tag, _)) = rest.strip_prefix('$').and_then(|rest| rest.split_once('$'))
            && tag.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !tag.starts_with(char::is_numeric)
        {
            let mark = format!("${tag}$");
            self.skip(mark.len());
            self.until(&mark);
            return Some(Text);
        }
        self.skip(c.len_utf8());
        let ends = |rest: &str| rest.chars().next().is_none_or(char::is_whitespace);
        Some(match c {
            '\'' => {
                self.until("'");
                Text
            }
            '"' | '`' => {
                self.until(&c.to_string());
                Name
            }
            '[' => {
                self.until("]");
                Name
            }
            '.' | ':' | ';' | '!' if ends(self.rest) => Stop,
            other => Sign(other),
        })
    }
}
