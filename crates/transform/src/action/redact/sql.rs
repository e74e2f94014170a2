//! SQL without its values: literals become `?`, comments lose their text, everything else stays as it is written.
//!
//! Tokens, not grammar: any dialect passes that cuts text into tokens the usual way. Where dialects read the same text
//! differently and a value could be taken for code, the whole is redacted. Double-quoted words are identifiers in the
//! standard, and strings in Spark, Hive, MySQL and BigQuery: which they are is told by where they stand
//! (`sql/double.rs`). Called for the facets `sql` and `sourceCode` only: a message of an error that quotes SQL stays.

mod double;

use std::ops::Range;

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

/// What is written instead of SQL that cannot be read.
const UNREADABLE: &str = "[redacted]";

/// `sql` with `?` for every string and number, and without the text of comments; `[redacted]` when it cannot be cut
/// into tokens, or not in one way only. Double-quoted text goes after `LIKE`, in lists of `IN` and `VALUES`, and after
/// a comparison where nothing else in double quotes is plainly an identifier. It stays, though it can be a string, in
/// other places (`select "x"`, arguments of functions, `then "x"`). Bare words stay too.
pub fn sql_literals(sql: &str) -> String {
    redacted(sql).unwrap_or_else(|| UNREADABLE.to_owned())
}

fn redacted(sql: &str) -> Option<String> {
    if sql == UNREADABLE {
        return None;
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .with_unescape(false)
        .tokenize_with_location()
        .ok()?;
    let mut out = String::with_capacity(sql.len());
    let (mut done, mut previous, mut fresh_line) = (0, "", true);
    let values = double::values(&tokens);
    for (index, (token, span)) in spans(sql, &tokens)?.into_iter().enumerate() {
        // All text belongs to a token: a gap would be text that nobody has looked at.
        if span.start != done {
            return None;
        }
        done = span.end;
        let text = sql.get(span)?;
        if ambiguous(token, text, previous, fresh_line) {
            return None;
        }
        match values.contains(&index) {
            true => out.push('?'),
            false => out.push_str(&kept(token, text)),
        }
        previous = text;
        fresh_line = text.ends_with('\n') || fresh_line && text.trim().is_empty();
    }
    (done == sql.len()).then_some(out)
}

/// What stays of a token. Named are the kinds that stay, so that a literal of a kind yet to come does not.
fn kept<'s>(token: &Token, text: &'s str) -> std::borrow::Cow<'s, str> {
    match token {
        Token::Word(_) | Token::Placeholder(_) => text.into(),
        Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab) => text.into(),
        Token::Whitespace(Whitespace::SingleLineComment { prefix, .. }) => {
            let end = text.trim_start_matches(|c| c != '\n');
            format!("{prefix}{end}").into()
        }
        Token::Whitespace(Whitespace::MultiLineComment(_)) => "/**/".into(),
        // The one literal that needs neither quotes nor letters: `$$!$$`.
        Token::DollarQuotedString(_) => "?".into(),
        _ if text.chars().all(is_sign) => text.into(),
        _ => "?".into(),
    }
}

/// Punctuation and operators. Quotes are none: what has one is a literal.
fn is_sign(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '\'' | '"' | '`')
}

/// Whether another dialect reads this token as something else, so that what follows may be a value or a comment.
fn ambiguous(token: &Token, text: &str, previous: &str, fresh_line: bool) -> bool {
    match token {
        // `'it\'s'`: the string ends at one quote or at the other.
        Token::EscapedStringLiteral(_) => false,
        Token::SingleQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_)
        | Token::DoubleQuotedRawStringLiteral(_)
        | Token::DoubleQuotedString(_) => escaped_quote(text),
        // MySQL's comments; `#table` is one of SQL Server's temporary tables, but not at the start of a line.
        Token::Word(_) if text.starts_with('#') => text == "#" || fresh_line,
        Token::Word(word) => word.quote_style.is_some() && escaped_quote(text),
        Token::Sharp => true,
        // Snowflake's comments.
        Token::Div => previous == "/",
        Token::DuckIntDiv => true,
        _ => false,
    }
}

/// Whether a quote stands after an odd number of backslashes.
fn escaped_quote(text: &str) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if escaped && matches!(c, '\'' | '"' | '`') {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

/// The tokens with their places in bytes; the tokenizer counts lines and characters.
fn spans<'t>(sql: &str, tokens: &'t [TokenWithSpan]) -> Option<Vec<(&'t Token, Range<usize>)>> {
    let mut places = sql.char_indices().chain([(sql.len(), '\n')]);
    let mut here = (1, 1);
    let mut at = places.next()?;
    let mut byte = |wanted: Location| -> Option<usize> {
        while here < (wanted.line, wanted.column) {
            here = match at.1 {
                '\n' => (here.0 + 1, 1),
                _ => (here.0, here.1 + 1),
            };
            at = places.next()?;
        }
        (here == (wanted.line, wanted.column)).then_some(at.0)
    };
    tokens
        .iter()
        .map(|token| {
            let start = byte(token.span.start)?;
            let end = byte(token.span.end)?;
            Some((&token.token, start..end))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_go_and_structure_stays() {
        for (sql, expected) in [
            (
                "SELECT a, \"B c\" FROM s.t1 WHERE x = 'it''s' AND y != 1.5e3",
                "SELECT a, \"B c\" FROM s.t1 WHERE x = ? AND y != ?",
            ),
            (
                "select E'a\\'b', N'x', X'ff', U&'d', $$a 'b' $$, $t$ x $t$ from `T`",
                "select ?, ?, ?, ?, ?, ? from `T`",
            ),
            (
                "insert into t values (-1, 'a', NULL, true);\r\n",
                "insert into t values (-?, ?, NULL, true);\r\n",
            ),
            (
                "select 1 -- pw: x\n, a /* secret /* deep */ y */ + 2",
                "select ? --\n, a /**/ + ?",
            ),
            (
                "select a::int, b->>'k', $1, :name, ? from t_20240501 limit 10",
                "select a::int, b->>?, $1, :name, ? from t_20240501 limit ?",
            ),
            (
                "select '☃', ünï from \"t\"\twhere a<>'b'",
                "select ?, ünï from \"t\"\twhere a<>?",
            ),
            (
                "select * from #tmp where date '2024-01-01' < d",
                "select * from #tmp where date ? < d",
            ),
            ("select $$!$$", "select ?"),
            ("", ""),
        ] {
            assert_eq!(sql_literals(sql), expected);
        }
    }

    #[test]
    fn double_quotes_hold_values_where_no_identifier_can_stand() {
        for (sql, expected) in [
            (
                r#"select a from t where x = "S" and y <> "S" and z >= "S""#,
                "select a from t where x = ? and y <> ? and z >= ?",
            ),
            (
                r#"select a from `t` where x in ("S", "T") or x like "S%" or x not in (f("S"))"#,
                "select a from `t` where x in (?, ?) or x like ? or x not in (f(?))",
            ),
            (
                r#"insert into "t" ("a", "b") values ("S", 1), ("T", "U")"#,
                r#"insert into "t" ("a", "b") values (?, ?), (?, ?)"#,
            ),
            (
                r#"select "a" from "t" join "u" on "t"."x" = "u"."y""#,
                r#"select "a" from "t" join "u" on "t"."x" = "u"."y""#,
            ),
            (
                r#"select a from t where "x" = "y""#,
                r#"select a from t where "x" = "y""#,
            ),
            (
                r#"select a from t where x in (select "y" from u)"#,
                r#"select a from t where x in (select "y" from u)"#,
            ),
        ] {
            assert_eq!(sql_literals(sql), expected);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_shown() {
        for sql in [
            "select 'open",
            "select /* open",
            r"select 'a\'b secret', 'c\'d'",
            r"select 'a\'' , x, 'secret'",
            "select 1 # don't secret",
            "#secret\nselect 1",
            "select 1 // secret",
            "$t$ open",
        ] {
            assert_eq!(sql_literals(sql), UNREADABLE, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_value_is_left_in_any_quoting(
            secret in "SECRET[a-z '\\\\;/*-]{0,6}[0-9]{2}",
            quoting in 0..8usize, lead in "[a-z ,()=]{0,8}", end in "[a-z ,()=\n]{0,8}",
        ) {
            let value = match quoting {
                0 => format!("'{}'", secret.replace('\'', "''")),
                1 => format!("E'{}'", secret.replace('\\', "\\\\").replace('\'', "\\'")),
                2 => format!("N'{}'", secret.replace('\'', "''")),
                3 => format!("$q${secret}$q$"),
                4 => format!("$${secret}$$"),
                5 => format!("/*{}*/", secret.replace("*/", "").replace("/*", "")),
                6 => format!("--{secret}\n"),
                _ => format!("'{}'", secret.replace('\'', "\\'")),
            };
            let out = sql_literals(&format!("{lead} {value} {end}"));
            prop_assert!(!out.contains("SECRET"), "{}", out);
        }

        #[test]
        fn twice_is_as_once_and_nothing_breaks_it(
            sql in "(select |a|\"b\"| in \\(|values\\(| like |=|<|,|\\)|from |on |\"b\"|'c'|'|\"|`|\\\\|--|/\\*|\\*/|\\$\\$|E'|#|\\?|1|\\.|[|]|\n|\r\n| |é|.){0,14}",
        ) {
            let once = sql_literals(&sql);
            prop_assert_eq!(sql_literals(&once), once);
        }
    }
}
