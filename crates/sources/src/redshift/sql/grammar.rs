//! Gives lexemes to the parser, within bounds. Forms that Redshift has and the parser refuses are made into what it
//! accepts, where that changes no name. What it says of a failure may quote the text, so only the place is kept.

use std::any::{Any, TypeId};
use std::cell::Cell;

use sqlparser::ast::{Expr, Query, Statement};
use sqlparser::dialect::{Dialect, RedshiftSqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::Refusal;
use super::bounds::{self, MAX_DEPTH, SHALLOW, STACK, Stack};
use super::lexeme::Kind;
use super::words::{Words, unquoted};

/// Parses a query: `SELECT`, `WITH`, `VALUES`, or one in brackets.
pub(super) fn query(words: Words<'_>) -> Result<Box<Query>, Refusal> {
    parse(words, |parser| parser.parse_query())
}

/// Parses an `UPDATE`, `DELETE` or `MERGE`.
pub(super) fn statement(words: Words<'_>) -> Result<Statement, Refusal> {
    parse(words, |parser| parser.parse_statement())
}

/// Parses on the stack of the caller what is nested as most statements are, and the rest on one of its own: the parser
/// takes 100 KB of stack for each level without optimisation, and a stack that overflows ends the process.
fn parse<T: Send>(words: Words<'_>, read: Rule<T>) -> Result<T, Refusal> {
    let shallow = match bounds::check(words)? {
        Stack::Callers => parse_within(words, read, SHALLOW).ok(),
        Stack::Own => None,
    };
    // Where the parser tries ways, it may take its limit for a way that fails: no error of the first is the last word.
    let result = shallow.map_or_else(|| parse_deep(words, read), Ok);
    result.map_err(|error| match error {
        ParserError::RecursionLimitExceeded => Refusal::TooLarge,
        ParserError::TokenizerError(_) => words.refusal(None),
        ParserError::ParserError(message) => words.refusal(place(&message)),
    })
}

/// What of the grammar is read.
type Rule<T> = fn(&mut Parser<'_>) -> Result<T, ParserError>;

fn parse_deep<T: Send>(words: Words<'_>, read: Rule<T>) -> Result<T, ParserError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("sql".to_owned())
            .stack_size(STACK);
        let parsed = thread.spawn_scoped(scope, || parse_within(words, read, MAX_DEPTH));
        // Without a thread, and without an answer of it, the statement is left to its words.
        let result = parsed.ok().and_then(|parsed| parsed.join().ok());
        result.unwrap_or(Err(ParserError::RecursionLimitExceeded))
    })
}

fn parse_within<T>(words: Words<'_>, read: Rule<T>, depth: usize) -> Result<T, ParserError> {
    let dialect = Patience {
        left: Cell::new(FEWEST_STEPS + words.len() * STEPS_PER_LEXEME),
    };
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(depth)
        .with_tokens_with_locations(tokens(words));
    let tree = read(&mut parser)?;
    if parser.peek_token_ref().token == Token::EOF {
        return Ok(tree);
    }
    parser.expected_ref("the end", parser.peek_token_ref())
}

/// The position of the lexeme that the parser did not expect. [`tokens`] gave positions as columns.
fn place(message: &str) -> Option<usize> {
    let (_, column) = message.rsplit_once(" at Line: 1, Column: ")?;
    column.parse().ok()
}

/// The tokens of the parser for the lexemes, without what it refuses and lineage does not need.
fn tokens(words: Words<'_>) -> Vec<TokenWithSpan> {
    let mut tokens = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let skipped = noise(words, at);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let (token, length) = token(words, at);
        let place = Location {
            line: 1,
            column: at as u64,
        };
        tokens.push(TokenWithSpan {
            token,
            span: Span {
                start: place,
                end: place,
            },
        });
        at += length;
    }
    tokens
}

/// How many lexemes there say nothing about lineage, and are refused by the parser.
fn noise(words: Words<'_>, at: usize) -> usize {
    let aggregate = ["count", "percentile_disc"];
    let before =
        |n: usize, keyword: &str| at.checked_sub(n).is_some_and(|at| words.is(at, keyword));
    // <https://docs.aws.amazon.com/redshift/latest/dg/r_COUNT.html>
    if words.is(at, "approximate") && words.is_one_of(at + 1, &aggregate) {
        return 1;
    }
    // The join operator of Oracle. <https://docs.aws.amazon.com/redshift/latest/dg/r_WHERE_oracle_outer.html>
    if words.sign(at, "(") && words.sign(at + 1, "+") && words.sign(at + 2, ")") && at > 0 {
        return 3;
    }
    // Operators before a number, which make no other column of it.
    // <https://docs.aws.amazon.com/redshift/latest/dg/r_OPERATOR_SYMBOLS.html>
    if words.sign(at, "@") {
        return 1;
    }
    if words.sign(at, "|") && words.sign(at + 1, "/") {
        return 2;
    }
    if words.sign(at, "|") && words.sign(at + 1, "|") && words.sign(at + 2, "/") {
        return 3;
    }
    if words.is(at, "symmetric") && before(1, "between") {
        return 1;
    }
    if words.is_one_of(at, &["leading", "trailing", "both"])
        && words.is(at + 1, "from")
        && before(2, "trim")
    {
        return 2;
    }
    // All but the first of `IN (1, 2, 3, …)`: lists of keys may have a hundred thousand.
    if at > 2
        && words.sign(at, ",")
        && words.sign(at - 2, "(")
        && words.is(at - 3, "in")
        && words.is_constant(at - 1)
    {
        let mut end = at;
        while words.sign(end, ",") && words.is_constant(end + 1) {
            end += 2;
        }
        if words.sign(end, ")") {
            return end - at;
        }
    }
    0
}

/// The token of the lexeme there, or of several signs that stand together.
fn token(words: Words<'_>, at: usize) -> (Token, usize) {
    let written = words.written(at);
    let token = match words.kind(at) {
        Some(Kind::Word) if written == "#" => Token::Sharp,
        Some(Kind::Word) => Token::make_word(written, None),
        Some(Kind::Quoted) => Token::make_word(&unquoted(written, '"'), Some('"')),
        Some(Kind::String | Kind::Dollars) => {
            let content = words
                .string(at)
                .filter(|content| content.len() <= LONGEST_NAME);
            Token::SingleQuotedString(content.unwrap_or_default().into_owned())
        }
        Some(Kind::Number) => Token::Number(written.to_owned(), false),
        Some(Kind::Parameter) => Token::Placeholder(written.to_owned()),
        Some(Kind::Sign) => return signs(words, at),
        Some(Kind::Comment | Kind::Open) | None => Token::EOF,
    };
    (token, 1)
}

/// Strings are kept only where they may be names, as in `PIVOT`. Names of Redshift have up to 127 bytes.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>
const LONGEST_NAME: usize = 127;

fn signs(words: Words<'_>, at: usize) -> (Token, usize) {
    let start = words.get(at).map_or(0, |lexeme| lexeme.start());
    let together = |length: usize| {
        (1..length).all(|n| {
            words.kind(at + n) == Some(Kind::Sign) && words.start(at + n) == Some(start + n)
        })
    };
    let rest = words.text.get(start..).unwrap_or_default();
    for (sign, token) in LONG_SIGNS {
        if rest.starts_with(sign) && together(sign.len()) {
            return (token.clone(), sign.len());
        }
    }
    let token = match rest.chars().next() {
        Some(',') => Token::Comma,
        Some('=') => Token::Eq,
        Some('<') => Token::Lt,
        Some('>') => Token::Gt,
        Some('+') => Token::Plus,
        Some('-') => Token::Minus,
        Some('*') => Token::Mul,
        Some('/') => Token::Div,
        Some('%') => Token::Mod,
        Some('(') => Token::LParen,
        Some(')') => Token::RParen,
        Some('.') => Token::Period,
        Some(':') => Token::Colon,
        Some(';') => Token::SemiColon,
        Some('\\') => Token::Backslash,
        Some('[') => Token::LBracket,
        Some(']') => Token::RBracket,
        Some('&') => Token::Ampersand,
        Some('|') => Token::Pipe,
        Some('^') => Token::Caret,
        Some('{') => Token::LBrace,
        Some('}') => Token::RBrace,
        Some('~') => Token::Tilde,
        Some('!') => Token::ExclamationMark,
        Some('@') => Token::AtSign,
        Some('?') => Token::Placeholder("?".to_owned()),
        Some(other) => Token::Char(other),
        None => Token::EOF,
    };
    (token, 1)
}

/// Operators of several characters, the longest first.
const LONG_SIGNS: &[(&str, Token)] = &[
    ("!~~*", Token::ExclamationMarkDoubleTildeAsterisk),
    ("!~~", Token::ExclamationMarkDoubleTilde),
    ("!~*", Token::ExclamationMarkTildeAsterisk),
    ("~~*", Token::DoubleTildeAsterisk),
    ("->>", Token::LongArrow),
    ("::", Token::DoubleColon),
    ("||", Token::StringConcat),
    ("<=", Token::LtEq),
    (">=", Token::GtEq),
    ("<>", Token::Neq),
    ("!=", Token::Neq),
    ("=>", Token::RArrow),
    (":=", Token::Assignment),
    ("->", Token::Arrow),
    ("!~", Token::ExclamationMarkTilde),
    ("~~", Token::DoubleTilde),
    ("~*", Token::TildeAsterisk),
    ("<<", Token::ShiftLeft),
    (">>", Token::ShiftRight),
    ("&&", Token::Overlap),
];

/// The dialect of Redshift, that loses patience: where the parser does not know what follows, it tries one way after the
/// other, and nested ways multiply.
#[derive(Debug)]
struct Patience {
    left: Cell<usize>,
}

/// How many expressions may be begun for each lexeme: each is begun once, and a few times where ways are tried.
const STEPS_PER_LEXEME: usize = 20;

/// What a short statement may take.
const FEWEST_STEPS: usize = 1_000;

impl Dialect for Patience {
    fn dialect(&self) -> TypeId {
        RedshiftSqlDialect {}.type_id()
    }

    fn parse_prefix(&self, _: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Some(Err(ParserError::RecursionLimitExceeded)),
        }
        None
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        RedshiftSqlDialect {}.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        RedshiftSqlDialect {}.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        RedshiftSqlDialect {}.is_reserved_for_identifier(keyword)
    }

    fn convert_type_before_value(&self) -> bool {
        RedshiftSqlDialect {}.convert_type_before_value()
    }

    /// `GROUPING SETS`, `ROLLUP` and `CUBE`, which the dialect of the parser does not have yet.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_GROUP_BY_aggregation-extensions.html>
    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_connect_by(&self) -> bool {
        RedshiftSqlDialect {}.supports_connect_by()
    }

    fn supports_top_before_distinct(&self) -> bool {
        RedshiftSqlDialect {}.supports_top_before_distinct()
    }

    fn supports_partiql(&self) -> bool {
        RedshiftSqlDialect {}.supports_partiql()
    }

    fn supports_unpivot_expr(&self) -> bool {
        RedshiftSqlDialect {}.supports_unpivot_expr()
    }

    fn supports_geometric_types(&self) -> bool {
        RedshiftSqlDialect {}.supports_geometric_types()
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        RedshiftSqlDialect {}.supports_bitwise_shift_operators()
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        RedshiftSqlDialect {}.supports_array_typedef_with_brackets()
    }

    fn allow_extract_single_quotes(&self) -> bool {
        RedshiftSqlDialect {}.allow_extract_single_quotes()
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        RedshiftSqlDialect {}.supports_select_wildcard_exclude()
    }

    fn supports_select_wildcard_with_alias(&self) -> bool {
        RedshiftSqlDialect {}.supports_select_wildcard_with_alias()
    }

    fn supports_left_associative_joins_without_parens(&self) -> bool {
        RedshiftSqlDialect {}.supports_left_associative_joins_without_parens()
    }

    fn supports_select_exclude(&self) -> bool {
        RedshiftSqlDialect {}.supports_select_exclude()
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        RedshiftSqlDialect {}.supports_window_function_null_treatment_arg()
    }

    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        RedshiftSqlDialect {}.supports_string_literal_concatenation_with_newline()
    }
}
