//! Inline data in a statement, without quotes: the lines after `COPY … FROM stdin;` up to `\.`, and
//! ClickHouse's `INSERT … FORMAT x`.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, <https://clickhouse.com/docs/sql-reference/statements/insert-into>.
//! Called by `sql.rs`, for each reading.

use std::ops::Range;

use super::lexer::{Kind, Token};

/// The positions of inline data among `tokens`.
pub(super) fn data(sql: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut words = [""; 2];
    // Whether the statement is a COPY from the client or an INSERT, and where pending data ends.
    let (mut copy, mut insert, mut formatted, mut until) = (false, false, false, 0);
    for token in tokens.iter() {
        let text = sql.get(token.range.clone()).unwrap_or_default();
        if token.range.start < until || matches!(token.kind, Kind::Space | Kind::Comment(_)) {
            continue;
        }
        if formatted {
            // The previous word was the format's name; `FORMAT` is a function as well.
            until = match text == "(" && token.range.start == end_of(tokens, token) {
                true => 0,
                false => sql.len(),
            };
            formatted = false;
            if until > 0 && text != ";" {
                found.push(token.range.start..until);
            }
            continue;
        }
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match text {
            ";" => {
                if copy {
                    let rest = sql.get(token.range.end..).unwrap_or_default();
                    until = token.range.end + rest.find("\n\\.").unwrap_or(rest.len());
                    found.push(token.range.end..until);
                }
                (copy, insert) = (false, false);
            }
            _ if token.kind == Kind::Word => {
                copy |= is("stdin")
                    && words
                        .last()
                        .is_some_and(|last| last.eq_ignore_ascii_case("from"));
                insert |= is("insert");
                let [_, last] = words;
                formatted = insert && last.eq_ignore_ascii_case("format") && !is("values");
                words = [last, text];
            }
            _ => words = ["", ""],
        }
    }
    found.retain(|range| {
        sql.get(range.clone())
            .is_some_and(|text| !text.trim().is_empty())
    });
    found
}

/// The end of the token before `token`.
fn end_of(tokens: &[Token], token: &Token) -> usize {
    let before = tokens.partition_point(|other| other.range.start < token.range.start);
    before
        .checked_sub(1)
        .and_then(|index| tokens.get(index))
        .map_or(0, |token| token.range.end)
}
