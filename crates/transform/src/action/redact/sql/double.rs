//! Which texts in double quotes are values, by where they stand: identifiers in the standard and in PostgreSQL,
//! Redshift and Snowflake, but strings in Spark, Hive, MySQL and BigQuery, and an event does not say which it is.
//!
//! In lists of `IN` and `VALUES` and after `LIKE` identifiers are rare: there all of them are values. After a comparison
//! they are, unless the query shows by another place that it writes identifiers so. Called by `sql.rs`.

use std::collections::HashSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Words that a table or a left-hand side follows.
const BEFORE_NAMES: [&str; 6] = ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "USING"];
const BEFORE_CONDITIONS: [&str; 6] = ["ON", "WHERE", "AND", "OR", "HAVING", "NOT"];

const LIKES: [&str; 5] = ["LIKE", "ILIKE", "RLIKE", "REGEXP", "CONTAINS"];

/// The indices of tokens in double quotes that are values.
pub(super) fn values(tokens: &[TokenWithSpan]) -> HashSet<usize> {
    let is_seen = |token: &&(usize, &Token)| !matches!(token.1, Token::Whitespace(_));
    let all: Vec<(usize, &Token)> = (tokens.iter().map(|token| &token.token))
        .enumerate()
        .collect();
    let seen: Vec<(usize, &Token)> = all.iter().filter(is_seen).copied().collect();
    let at = |index: Option<usize>| {
        index
            .and_then(|index| seen.get(index))
            .map(|(_, token)| *token)
    };
    let mut lists = Lists::default();
    let (mut values, mut compared) = (HashSet::new(), Vec::new());
    let mut identifiers = false;
    for (place, (index, token)) in seen.iter().enumerate() {
        let (before, after) = (at(place.checked_sub(1)), at(Some(place + 1)));
        lists.step(before, token);
        if !is_double(token) {
            continue;
        }
        let part = matches!(before, Some(Token::Period)) || matches!(after, Some(Token::Period));
        let left = is_comparison(after) && is_word(before, &BEFORE_CONDITIONS);
        if part || left || is_word(before, &BEFORE_NAMES) {
            identifiers = true;
        } else if lists.in_values() && matches!(before, Some(Token::LParen | Token::Comma))
            || is_word(before, &LIKES)
            || is_word(before, &["IN"])
        {
            values.insert(*index);
        } else if is_comparison(before) {
            compared.push(*index);
        }
    }
    if !identifiers {
        values.extend(compared);
    }
    values
}

/// Which parentheses are open, and whether each holds values.
#[derive(Default)]
struct Lists {
    open: Vec<bool>,
    /// Whether the one that was closed last did: `VALUES (1), (2)`.
    closed: bool,
}

impl Lists {
    fn step(&mut self, before: Option<&Token>, token: &Token) {
        match token {
            Token::LParen => {
                let starts = is_word(before, &["IN", "VALUES", "VALUE"]);
                let next = matches!(before, Some(Token::Comma)) && self.closed;
                self.open.push(starts || next || self.in_values());
            }
            Token::RParen => self.closed = self.open.pop().unwrap_or_default(),
            Token::Word(_) if is_word(Some(token), &["SELECT", "WITH"]) => {
                if let Some(values) = self.open.last_mut() {
                    *values = false;
                }
            }
            // Only a comma keeps a row of values next to another.
            Token::Comma => {}
            _ => self.closed = false,
        }
    }

    fn in_values(&self) -> bool {
        self.open.last().copied().unwrap_or_default()
    }
}

fn is_double(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style == Some('"'),
        Token::DoubleQuotedString(_) => true,
        _ => false,
    }
}

fn is_word(token: Option<&Token>, words: &[&str]) -> bool {
    match token {
        Some(Token::Word(word)) if word.quote_style.is_none() => words
            .iter()
            .any(|known| word.value.eq_ignore_ascii_case(known)),
        _ => false,
    }
}

fn is_comparison(token: Option<&Token>) -> bool {
    matches!(
        token,
        Some(
            Token::Eq
                | Token::DoubleEq
                | Token::Neq
                | Token::Lt
                | Token::Gt
                | Token::LtEq
                | Token::GtEq
                | Token::Spaceship
        )
    )
}
