//! Finds tokens that hold values although their kind does not show it: double-quoted texts, and passwords of users, which
//! some dialects accept as bare words.
//!
//! Double quotes hold names in the standard, and strings in Spark, MySQL and BigQuery. If the dialect is unknown, they
//! hold values, unless the text shows that it quotes names so: one where only a table can be, or next to a
//! period. Called by `sql.rs`.

use super::dialect::Double;
use super::lexer::{Kind, Token};

/// Statements whose `FROM` is followed by a table, not by a file or a text.
const READS: [&str; 2] = ["SELECT", "DELETE"];

/// Words that begin a statement or clause; the last of them decides the meaning of a `FROM`.
const VERBS: [&str; 18] = [
    "SELECT", "DELETE", "INSERT", "UPDATE", "MERGE", "COPY", "LOAD", "IMPORT", "EXPORT", "PREPARE",
    "CREATE", "ALTER", "RESTORE", "SHOW", "EXECUTE", "UNLOAD", "GRANT", "REVOKE",
];

const BEFORE_TABLES: [&str; 4] = ["JOIN", "INTO", "UPDATE", "TABLE"];
const LIKES: [&str; 6] = ["LIKE", "ILIKE", "RLIKE", "REGEXP", "CONTAINS", "IN"];
const COMPARISONS: [&str; 4] = ["=", "<", ">", "!"];

/// Returns the indices of double-quoted tokens that are values.
pub(super) fn values(sql: &str, tokens: &[Token], double: Double, named: bool) -> Vec<usize> {
    let all = |kind: Kind| {
        let found = tokens.iter().enumerate();
        let found = found.filter(move |(_, token)| token.kind == kind);
        found.map(|(index, _)| index).collect::<Vec<_>>()
    };
    match double {
        Double::Name => Vec::new(),
        Double::Value => all(Kind::Double),
        Double::Either => {
            let found = DoubleQuotes::of(sql, tokens);
            match (found.names, named) {
                (true, _) => found.listed,
                // A dialect in which they are usually names.
                (false, true) => [found.listed, found.compared].concat(),
                (false, false) => all(Kind::Double),
            }
        }
    }
}

struct DoubleQuotes {
    /// Whether the text quotes names so.
    names: bool,
    /// In lists of `IN` and `VALUES` and after `LIKE`, where names are rare.
    listed: Vec<usize>,
    /// After a comparison.
    compared: Vec<usize>,
}

impl DoubleQuotes {
    fn of(sql: &str, tokens: &[Token]) -> DoubleQuotes {
        let text = |token: &Token| sql.get(token.range.clone()).unwrap_or_default();
        let seen: Vec<(usize, &Token)> = tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| !matches!(token.kind, Kind::Space | Kind::Comment(_)))
            .collect();
        let at = |index: Option<usize>| {
            let token = index.and_then(|index| seen.get(index));
            token.map_or("", |(_, token)| text(token))
        };
        let mut found = DoubleQuotes {
            names: false,
            listed: Vec::new(),
            compared: Vec::new(),
        };
        let mut open = OpenParentheses::default();
        for (place, (index, token)) in seen.iter().enumerate() {
            let before = at(place.checked_sub(1));
            open.step(before, text(token), token.kind);
            if token.kind != Kind::Double {
                continue;
            }
            let (earlier, after) = (at(place.checked_sub(2)), at(Some(place + 1)));
            let part = (before == "." || after == ".") && is_name(text(token));
            let from = is(before, &["FROM"]) && !is(earlier, &["DISTINCT"]) && open.reads();
            let table = from || is(before, &BEFORE_TABLES) && !open.loads();
            if part || table && is_name(text(token)) {
                found.names = true;
            } else if open.in_values() && matches!(before, "(" | ",") || is(before, &LIKES) {
                found.listed.push(*index);
            } else if COMPARISONS.contains(&before) {
                found.compared.push(*index);
            }
        }
        found
    }
}

/// Whether a double-quoted text looks like a name in a database, not like a path or a sentence.
fn is_name(quoted: &str) -> bool {
    quoted.starts_with('"') && !quoted.contains(['/', ':', '\n', ',', '\'', '\\'])
}

fn is(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The open parentheses: whether each holds values, and the last verb in each.
struct OpenParentheses {
    levels: Vec<(bool, Option<&'static str>)>,
    /// Whether the last closed one held values: `VALUES (1), (2)`.
    closed: bool,
}

impl Default for OpenParentheses {
    fn default() -> OpenParentheses {
        OpenParentheses {
            levels: vec![(false, None)],
            closed: false,
        }
    }
}

impl OpenParentheses {
    fn step(&mut self, before: &str, text: &str, kind: Kind) {
        match text {
            "(" => {
                let starts = is(before, &["IN", "VALUES", "VALUE"]);
                let next = before == "," && self.closed;
                self.levels.push((starts || next || self.in_values(), None));
            }
            ")" => {
                let level = match self.levels.len() {
                    0 | 1 => None,
                    _ => self.levels.pop(),
                };
                self.closed = level.is_some_and(|(values, _)| values);
            }
            // Only a comma joins rows of values.
            "," => {}
            _ if kind == Kind::Word => {
                let verb = VERBS.iter().find(|verb| text.eq_ignore_ascii_case(verb));
                if let (Some(verb), Some(level)) = (verb, self.levels.last_mut()) {
                    level.1 = Some(verb);
                    level.0 = level.0 && *verb != "SELECT";
                }
                self.closed = false;
            }
            _ => self.closed = false,
        }
    }

    fn in_values(&self) -> bool {
        self.levels.last().is_some_and(|(values, _)| *values)
    }

    fn verb(&self) -> &'static str {
        self.levels
            .last()
            .and_then(|(_, verb)| *verb)
            .unwrap_or_default()
    }

    fn reads(&self) -> bool {
        READS.contains(&self.verb())
    }

    fn loads(&self) -> bool {
        ["LOAD", "IMPORT", "EXPORT"].contains(&self.verb())
    }
}

/// Returns the indices of passwords in `IDENTIFIED BY tiger`, `IDENTIFIED WITH plugin BY "x"`, `IDENTIFIED BY VALUES x`,
/// `… REPLACE old`, and `PASSWORD = 0x… HASHED`, in any spelling.
pub(super) fn passwords(sql: &str, tokens: &[Token]) -> Vec<usize> {
    let text = |token: &Token| sql.get(token.range.clone()).unwrap_or_default();
    let seen = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.kind, Kind::Space | Kind::Comment(_)));
    let mut found = Vec::new();
    // How many words ago `IDENTIFIED` was read, and whether a password is next.
    let (mut ago, mut next) = (usize::MAX, false);
    for (index, token) in seen {
        let word = text(token);
        let literal = matches!(token.kind, Kind::Text | Kind::Number);
        if next {
            next = is(word, &["VALUES", "VALUE", "PASSWORD"]);
            if !next && !literal && !is(word, &["RANDOM"]) && token.kind != Kind::Sign {
                found.push(index);
            }
            continue;
        }
        ago = match is(word, &["IDENTIFIED"]) {
            true => 0,
            false => ago.saturating_add(1),
        };
        next = ago < 6 && is(word, &["BY", "AS"]) || ago < 12 && is(word, &["REPLACE"]);
    }
    found
}
