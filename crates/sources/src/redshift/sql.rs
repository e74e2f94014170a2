//! The SQL of Redshift, read as lineage. [`read`] takes the text of a statement and says which tables and columns it
//! reads and writes, and what it changes for later statements of its session.
//!
//! Names are as the text has them, folded: which schema an unqualified name stands for, which names are temporary tables,
//! and which database an external schema reads, is the business of the caller, `redshift`. Literals and credentials stay
//! here: what comes out holds names only, and [`StatementLineage::redacted`] has none of them either.

mod bounds;
mod catalog;
mod change;
mod columns;
mod create;
mod draft;
mod fallback;
mod frame;
mod grammar;
mod joined;
mod lexeme;
mod lineage;
mod name;
mod origin;
mod pivot;
mod query;
mod reader;
mod redact;
mod relation;
mod session;
mod statement;
mod tables;
mod value;
mod words;
mod write;

pub use catalog::{Catalog, ColumnList};
pub use lineage::{
    ColumnEdge, ColumnLineage, CopySource, Dataset, Effect, Origin, Reading, Refusal, S3Location,
    Star, StatementKind, StatementLineage, Transformation, Unresolved,
};
pub use name::TableName;

use draft::Draft;
use lexeme::{Backslash, Kind, Lexeme};
use words::Words;

/// How names are read. It belongs to the session: see [`Effect::SetCaseSensitive`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether `enable_case_sensitive_identifier` is on. Without it Redshift folds quoted names to lower case, too.
    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html>
    pub case_sensitive: bool,
}

/// Reads the statements of a text: one for each row of the query history, several for a script. It accepts any text,
/// and takes time and memory in proportion to its length.
///
/// A text without a statement gives nothing. A statement that cannot be parsed gives the tables that its words name:
/// see [`Reading::Words`].
pub fn read(text: &str, catalog: &dyn Catalog, options: ReadOptions) -> Vec<StatementLineage> {
    let mut lexemes = lexeme::lexemes(text, Backslash::Escapes);
    if lexemes
        .all
        .last()
        .is_some_and(|last| last.kind() == Kind::Open)
    {
        // Where backslashes were unescaped already, `'\'` is a whole string.
        let plain = lexeme::lexemes(text, Backslash::Plain);
        if plain
            .all
            .last()
            .is_none_or(|last| last.kind() != Kind::Open)
        {
            lexemes = plain;
        }
    }
    let mut statements = Vec::new();
    let all = lexemes.all.as_slice();
    let mut rest = all;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|lexeme| lexeme.of(text) == ";")
            .unwrap_or(rest.len());
        let (statement, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let (statement, after) = if statements.len() + 1 < MAX_STATEMENTS {
            (statement, after)
        } else {
            (rest, [].as_slice())
        };
        let is_cut = after.is_empty() && (!lexemes.complete || statement.len() > end);
        rest = after.get(1..).unwrap_or_default();
        let words: Vec<Lexeme> = statement
            .iter()
            .copied()
            .filter(|lexeme| lexeme.kind() != Kind::Comment)
            .collect();
        if !words.is_empty() {
            statements.push(of_words(
                Words {
                    text,
                    all: &words,
                    options,
                },
                catalog,
                origin::origin(text, statement),
                is_cut,
            ));
        }
    }
    // A comment behind the last semicolon belongs to what is before it.
    if let [only] = statements.as_mut_slice() {
        only.origin = only.origin.take().or_else(|| origin::origin(text, all));
    }
    statements
}

/// The most statements of a text: the history has one a row, and a script hundreds. The last takes what follows.
const MAX_STATEMENTS: usize = 10_000;

fn of_words(
    words: Words<'_>,
    catalog: &dyn Catalog,
    origin: Option<Origin>,
    is_cut: bool,
) -> StatementLineage {
    let mut draft = statement::read(words, catalog);
    if is_cut {
        draft.by_words(words, Refusal::TooLarge);
    }
    let Draft {
        kind,
        inputs,
        outputs,
        columns,
        star_of,
        influences,
        effects,
        reading,
        unresolved,
    } = draft;
    let redacted = redact::redacted(words);
    StatementLineage {
        kind,
        inputs,
        outputs,
        columns,
        star_of,
        influences,
        effects,
        reading,
        unresolved,
        origin,
        redacted,
    }
}

#[cfg(test)]
mod tests;
