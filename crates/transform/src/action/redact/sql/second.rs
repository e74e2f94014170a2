//! A second reading of SQL, by sqlparser's tokenizer for the dialect.
//!
//! Neither reading is relied on alone: what either takes for a value or a comment is redacted. sqlparser's follows the
//! dialects as they grow; where it is known to be wrong (digits in groups, <https://github.com/apache/datafusion-sqlparser-rs/issues/1659>),
//! ours is not. Called by `sql.rs`.

use std::ops::Range;

use sqlparser::dialect as of;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::dialect::Dialect;
use super::token_rules::TokenRules;
use super::{Redaction, Replacement};

/// Returns the spans to redact in `sql`; from the first error on, everything.
pub(super) fn hidden(sql: &str, dialect: Option<Dialect>) -> Vec<Redaction> {
    let dialect = dialect.map_or(
        &TokenRules(of::GenericDialect {}) as &dyn of::Dialect,
        tokenizer,
    );
    let mut tokens = Vec::new();
    let read = Tokenizer::new(dialect, sql)
        .with_unescape(false)
        .tokenize_with_location_into_buf(&mut tokens);
    let spans = spans(sql, &tokens);
    let mut done = 0;
    let mut found = Vec::new();
    for (token, range) in &spans {
        // A gap would be text that was not examined.
        if range.start > done {
            found.push(Redaction::of(done..range.start, Replacement::Doubt));
        }
        done = range.end;
        let text = sql.get(range.clone()).unwrap_or_default();
        if let Some(hidden) = of_token(token, text, range) {
            found.push(hidden);
        }
    }
    // `tokens` may lack the last one only after an error.
    if read.is_err() || spans.len() < tokens.len() || done < sql.len() {
        found.push(Redaction::of(done..sql.len(), Replacement::Doubt));
    }
    found.retain(|hidden| !hidden.range.is_empty());
    found
}

fn tokenizer(dialect: Dialect) -> &'static dyn of::Dialect {
    match dialect {
        Dialect::Standard => &TokenRules(of::AnsiDialect {}),
        Dialect::BigQuery => &TokenRules(of::BigQueryDialect),
        Dialect::ClickHouse => &TokenRules(of::ClickHouseDialect {}),
        Dialect::DuckDb => &TokenRules(of::DuckDbDialect),
        Dialect::MySql => &TokenRules(of::MySqlDialect {}),
        Dialect::Oracle => &TokenRules(of::OracleDialect),
        Dialect::Postgres => &TokenRules(of::PostgreSqlDialect {}),
        Dialect::Redshift => &TokenRules(of::RedshiftSqlDialect {}),
        Dialect::SqlServer => &TokenRules(of::MsSqlDialect {}),
        Dialect::Sqlite => &TokenRules(of::SQLiteDialect {}),
        Dialect::Snowflake => &TokenRules(of::SnowflakeDialect),
        Dialect::Spark => &TokenRules(of::DatabricksDialect),
    }
}

/// Lists the kinds that are kept, so that a future kind of literal is redacted.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "sqlparser adds kinds of tokens; one that is not listed is redacted"
)]
fn of_token(token: &Token, text: &str, range: &Range<usize>) -> Option<Redaction> {
    let shown = match token {
        Token::Word(_) | Token::Placeholder(_) => return None,
        // A letter that is in no word of that dialect.
        Token::Char(c) if c.is_alphabetic() => return None,
        Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab) => {
            return None;
        }
        Token::Whitespace(Whitespace::SingleLineComment { prefix, .. }) => {
            let mark = match prefix.as_str() {
                "#" => "#",
                "//" => "//",
                _ => "--",
            };
            let line = text.split('\n').next().unwrap_or_default();
            let line = line.strip_suffix('\r').unwrap_or(line);
            let range = range.start..range.start + line.len();
            return Some(Redaction::of(range, Replacement::Comment(mark)));
        }
        Token::Whitespace(Whitespace::MultiLineComment(_)) => Replacement::Comment("/**/"),
        // Punctuation and operators. A token with a quote is a literal.
        _ if !text
            .chars()
            .any(|c| c.is_alphanumeric() || matches!(c, '\'' | '"' | '`'))
            && !matches!(token, Token::DollarQuotedString(_)) =>
        {
            return None;
        }
        // `project-123.dataset`: the period does not belong to a number.
        Token::Number(..) if text.len() > 1 && text.ends_with('.') => {
            return Some(Redaction::of(
                range.start..range.end - 1,
                Replacement::Value,
            ));
        }
        _ => Replacement::Value,
    };
    Some(Redaction::of(range.clone(), shown))
}

/// Returns the tokens with their byte positions; the tokenizer counts lines and characters. Ends at the first token without a
/// position.
fn spans<'t>(sql: &str, tokens: &'t [TokenWithSpan]) -> Vec<(&'t Token, Range<usize>)> {
    let mut places = sql.char_indices().chain([(sql.len(), '\n')]);
    let mut here = (1, 1);
    let mut at = places.next();
    let mut byte = |wanted: Location| -> Option<usize> {
        while here < (wanted.line, wanted.column) {
            here = match at?.1 {
                '\n' => (here.0 + 1, 1),
                _ => (here.0, here.1 + 1),
            };
            at = places.next();
        }
        (here == (wanted.line, wanted.column)).then_some(at?.0)
    };
    let place = |token: &'t TokenWithSpan| {
        let start = byte(token.span.start)?;
        Some((&token.token, start..byte(token.span.end)?))
    };
    tokens.iter().map_while(place).collect()
}
