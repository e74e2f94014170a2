//! A dialect of sqlparser without its parser, for the tokenizer in `second.rs`.
//!
//! What a tokenizer is given is a `dyn Dialect`, which refers to all methods of a dialect: so those that parse would be part of
//! each program that redacts, with all that they call, and be a tenth of the ingest function. Here all of them are
//! the trait's own, which do nothing; what decides about tokens is that of the dialect.

use std::any::TypeId;
use std::fmt::Debug;
use std::iter::Peekable;
use std::str::Chars;

use sqlparser::dialect::Dialect;

/// How a dialect reads tokens.
#[derive(Debug)]
pub(super) struct TokenRules<D>(pub(super) D);

impl<D: Dialect> Dialect for TokenRules<D> {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_nested_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_nested_delimited_identifier_start(ch)
    }

    fn peek_nested_delimited_identifier_quotes(
        &self,
        chars: Peekable<Chars<'_>>,
    ) -> Option<(char, Option<char>)> {
        self.0.peek_nested_delimited_identifier_quotes(chars)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn ignores_wildcard_escapes(&self) -> bool {
        self.0.ignores_wildcard_escapes()
    }

    fn requires_single_line_comment_whitespace(&self) -> bool {
        self.0.requires_single_line_comment_whitespace()
    }

    fn supports_dollar_as_money_prefix(&self) -> bool {
        self.0.supports_dollar_as_money_prefix()
    }

    fn supports_dollar_placeholder(&self) -> bool {
        self.0.supports_dollar_placeholder()
    }

    fn supports_geometric_types(&self) -> bool {
        self.0.supports_geometric_types()
    }

    fn supports_multiline_comment_hints(&self) -> bool {
        self.0.supports_multiline_comment_hints()
    }

    fn supports_nested_comments(&self) -> bool {
        self.0.supports_nested_comments()
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        self.0.supports_numeric_literal_underscores()
    }

    fn supports_numeric_prefix(&self) -> bool {
        self.0.supports_numeric_prefix()
    }

    fn supports_pipe_operator(&self) -> bool {
        self.0.supports_pipe_operator()
    }

    fn supports_quote_delimited_string(&self) -> bool {
        self.0.supports_quote_delimited_string()
    }

    fn supports_string_escape_constant(&self) -> bool {
        self.0.supports_string_escape_constant()
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        self.0.supports_string_literal_backslash_escape()
    }

    fn supports_triple_quoted_string(&self) -> bool {
        self.0.supports_triple_quoted_string()
    }

    fn supports_unicode_string_literal(&self) -> bool {
        self.0.supports_unicode_string_literal()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlparser::dialect as of;
    use sqlparser::tokenizer::{TokenWithSpan, Tokenizer};

    use super::*;

    /// What dialects read differently, and what stands around it.
    const PARTS: &[&str] = &[
        " ", "\n", "a", "Z9", "é", "_", "1", "1_0", "0x1F", "1e5", ".", ",", ";", "(", ")", "[",
        "]", "{", "}", "'", "''", "'''", "\"", "\"\"", "\"\"\"", "`", "\\", "\\'", "\\%", "$",
        "$$", "$a$", "$1", "@", "@@", "#", "##", "?", "?|", "?-", ":", "::", "!", "!!", "~", "^",
        "^@", "%", "&", "&&", "|", "|>", "||", "|/", "<", "<->", "<<|", ">", ">^", "@>", "@-@",
        "#>", "#-", "->>", "-", "--", "-- ", "//", "/*", "*/", "/*!", "/*+", "*", "=", "==", "E'",
        "e'", "N'", "U&'", "B'", "b\"", "X'", "R'", "r\"", "Q'[", "]'", "nq'{", "}'", "[\"a\"]",
        "1a", "<@", "=>",
    ];

    fn tokens(dialect: &dyn Dialect, sql: &str) -> (Vec<TokenWithSpan>, Option<String>) {
        let mut tokens = Vec::new();
        let read = Tokenizer::new(dialect, sql)
            .with_unescape(false)
            .tokenize_with_location_into_buf(&mut tokens);
        (tokens, read.err().map(|error| error.to_string()))
    }

    fn assert_same<D: Dialect>(dialect: impl Fn() -> D, sql: &str) {
        let (ours, theirs) = (tokens(&TokenRules(dialect()), sql), tokens(&dialect(), sql));
        assert_eq!(ours, theirs, "{:?}: {sql}", dialect());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn its_tokens_are_those_of_the_dialect(
            parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..14),
        ) {
            let sql = parts.concat();
            assert_same(|| of::GenericDialect {}, &sql);
            assert_same(|| of::AnsiDialect {}, &sql);
            assert_same(|| of::BigQueryDialect, &sql);
            assert_same(|| of::ClickHouseDialect {}, &sql);
            assert_same(|| of::DuckDbDialect, &sql);
            assert_same(|| of::MySqlDialect {}, &sql);
            assert_same(|| of::OracleDialect, &sql);
            assert_same(|| of::PostgreSqlDialect {}, &sql);
            assert_same(|| of::RedshiftSqlDialect {}, &sql);
            assert_same(|| of::MsSqlDialect {}, &sql);
            assert_same(|| of::SQLiteDialect {}, &sql);
            assert_same(|| of::SnowflakeDialect, &sql);
            assert_same(|| of::DatabricksDialect, &sql);
        }
    }
}
