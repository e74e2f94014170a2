//! Statements, by their heads: which form one has, what it writes, and where the query is that the parser gets. Heads have
//! options without end (`DISTKEY`, `BACKUP`, `ENCODE`, credentials), so they are read by their words alone.

use super::draft::Draft;
use super::lexeme::{Backslash, Kind, lexemes};
use super::reader::Reader;
use super::words::Words;
use super::write;
use super::{
    Catalog, CopySource, Dataset, Effect, Refusal, S3Location, StatementKind, TableName, change,
    create, grammar, session,
};

/// What reading a statement needs besides its words.
pub(super) type Context<'c> = &'c dyn Catalog;

/// Reads one statement.
pub(super) fn read(words: Words<'_>, catalog: Context<'_>) -> Draft {
    let mut draft = Draft::new(StatementKind::Other);
    let result = by_head(words, catalog, &mut draft);
    if let Err(refusal) = result {
        draft.by_words(words, refusal);
    }
    draft
}

fn by_head(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    // What does not end is the last.
    if words.kind(words.len().saturating_sub(1)) == Some(Kind::Open) {
        draft.kind = kind_by_head(words);
        return Err(Refusal::Unterminated);
    }
    if words.is_query(0) {
        return select(words, catalog, draft);
    }
    match words.written(0).to_ascii_lowercase().as_str() {
        "insert" => insert(words, catalog, draft),
        "create" => create::read(words, catalog, draft),
        "copy" => copy(words, draft),
        "unload" => unload(words, catalog, draft),
        "merge" => merge(words, catalog, draft),
        "update" => {
            draft.kind = StatementKind::Update;
            draft.output(words.table(1));
            change(words, catalog, draft)
        }
        "delete" => delete(words, catalog, draft),
        "alter" => alter(words, catalog, draft),
        _ => {
            session::read(words, draft);
            Ok(())
        }
    }
}

/// What a statement seems to be that cannot be read to its end.
fn kind_by_head(words: Words<'_>) -> StatementKind {
    match words.written(0).to_ascii_lowercase().as_str() {
        "insert" => StatementKind::Insert,
        "merge" => StatementKind::Merge,
        "update" => StatementKind::Update,
        "delete" => StatementKind::Delete,
        "select" | "with" => StatementKind::Select,
        "create" => StatementKind::Definition,
        "copy" => StatementKind::Copy,
        "unload" => StatementKind::Unload,
        _ => StatementKind::Other,
    }
}

/// `SELECT`, with or without `INTO`, and `WITH` before it, or before `UPDATE`, `DELETE` and `MERGE`.
fn select(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let changes = |at: usize| words.is_one_of(at, &["update", "delete", "merge"]);
    if words.is(0, "with")
        && let Some(at) = words.find(1, |at| words.is(at, "select") || changes(at))
        && changes(at)
    {
        draft.kind = kind_by_head(words.from(at));
        let into = words.skip(words.skip(at + 1, &["into"]), &["from"]);
        draft.output(words.table(into));
        return change(words, catalog, draft);
    }
    draft.kind = StatementKind::Select;
    // Known before the query is parsed, so that it is also known if the parser refuses the query.
    if let Some(into) = words.find(0, |at| words.is(at, "into")) {
        let mut at = into + 1;
        let temporary = words.is_one_of(at, &["temp", "temporary"]);
        at += usize::from(temporary);
        at = words.skip(at, &["table"]);
        draft.kind = StatementKind::SelectInto;
        draft.creates(words.table(at), temporary, false, None);
    }
    write::query(words, catalog, draft)
}

fn insert(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    draft.kind = StatementKind::Insert;
    let at = words.skip(words.skip(1, &["into"]), &["table"]);
    let (table, mut at) = words.table(at).ok_or(words.refusal(Some(at)))?;
    draft.outputs.push(Dataset::Table(table.clone()));
    let mut columns = None;
    if !words.is_query(at)
        && let Some((names, after)) = words.name_list(at)
    {
        (columns, at) = (Some(names), after);
    }
    if words.are(at, &["default", "values"]) {
        draft.kind = StatementKind::InsertValues;
        return Ok(());
    }
    // Constants alone are nothing that is read; there may be many thousand rows of them.
    if words.is(at, "values") && !(at..words.len()).any(|at| words.is(at, "select")) {
        draft.kind = StatementKind::InsertValues;
        return Ok(());
    }
    write::insert(words.from(at), table, columns, catalog, draft)
}

/// What follows `COPY JOB` in statements about jobs that exist. One is created by `COPY … JOB CREATE`, which loads nothing: files
/// that are there already are left out, and each load of later ones is a `COPY` of the history with an id of its own.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_COPY-JOB.html>,
/// <https://docs.aws.amazon.com/redshift/latest/dg/SYS_LOAD_HISTORY.html> (`copy_job_id`).
const ABOUT_JOBS: [&str; 5] = ["alter", "run", "list", "show", "drop"];

/// <https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html>
fn copy(words: Words<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    if words.is(1, "job") && words.is_one_of(2, &ABOUT_JOBS) && !words.is(3, "from") {
        draft.kind = StatementKind::Other;
        return Ok(());
    }
    draft.kind = StatementKind::Copy;
    let (table, at) = words.table(1).ok_or(words.refusal(Some(1)))?;
    draft.outputs.push(Dataset::Table(table));
    let from = words.find(at, |at| {
        words.is(at, "from") && words.string(at + 1).is_some()
    });
    let from = from.ok_or(words.refusal(None))?;
    let is_definition = |at| words.are(at, &["job", "create"]);
    if words.find(from + 2, is_definition).is_some() {
        draft.kind = StatementKind::Definition;
        draft.outputs.clear();
        return Ok(());
    }
    let source = words.string(from + 1).unwrap_or_default();
    let ssh = words.find(from + 2, |at| words.is(at, "ssh")).is_some();
    let (scheme, rest) = source
        .split_once("://")
        .ok_or(words.refusal(Some(from + 1)))?;
    let (first, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (first, path) = (first.to_owned(), path.to_owned());
    draft
        .inputs
        .push(match scheme.to_ascii_lowercase().as_str() {
            "s3" if ssh => Dataset::Other(CopySource::Ssh(S3Location {
                bucket: first,
                key: path,
            })),
            "s3" => Dataset::S3(S3Location {
                bucket: first,
                key: path,
            }),
            "dynamodb" => Dataset::Other(CopySource::DynamoDb(first)),
            "emr" => Dataset::Other(CopySource::Emr {
                cluster: first,
                path,
            }),
            _ => return Err(words.refusal(Some(from + 1))),
        });
    Ok(())
}

/// <https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html>
fn unload(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    draft.kind = StatementKind::Unload;
    let end = words.after_bracket(1);
    if words.is(end, "to")
        && let Some(location) = words.string(end + 1).as_deref().and_then(s3)
    {
        draft.outputs.push(Dataset::S3(location));
    }
    let Some(text) = words.string(2) else {
        return write::query(words.within(1..end), catalog, draft);
    };
    let inner = lexemes(&text, Backslash::Escapes);
    let all: Vec<_> = inner
        .all
        .into_iter()
        .filter(|lexeme| lexeme.kind() != Kind::Comment)
        .collect();
    let inner = Words {
        text: &text,
        all: &all,
        options: words.options,
    };
    let inner = if inner.sign(inner.len().saturating_sub(1), ";") {
        inner.within(0..inner.len() - 1)
    } else {
        inner
    };
    if let Err(refusal) = write::query(inner, catalog, draft) {
        // The place is one of the inner text: for the reader it is the string.
        let refusal = match refusal {
            Refusal::Syntax { .. } => words.refusal(Some(2)),
            Refusal::TooLarge | Refusal::Unterminated => refusal,
        };
        draft.by_words(inner, refusal);
    }
    Ok(())
}

fn s3(text: &str) -> Option<S3Location> {
    let (scheme, rest) = text.split_at_checked("s3://".len())?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    scheme.eq_ignore_ascii_case("s3://").then(|| S3Location {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    })
}

fn merge(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    draft.kind = StatementKind::Merge;
    let at = words.skip(1, &["into"]);
    let (target, at) = words.table(at).ok_or(words.refusal(Some(at)))?;
    draft.outputs.push(Dataset::Table(target.clone()));
    let end = words.len().saturating_sub(2);
    if words.are(end, &["remove", "duplicates"]) {
        let using = words
            .find(at, |at| words.is(at, "using"))
            .ok_or(words.refusal(Some(at)))?;
        let (source, _) = words
            .table(using + 1)
            .ok_or(words.refusal(Some(using + 1)))?;
        draft.inputs.push(Dataset::Table(source.clone()));
        // Both have the same columns in the same order.
        // <https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html>
        write::same_columns(&source, &target, catalog, draft);
        return Ok(());
    }
    change(words, catalog, draft)
}

/// An `UPDATE`, `DELETE` or `MERGE`, for the parser.
fn change(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    let statement = grammar::statement(words)?;
    let mut reader = Reader::new(catalog, words.options);
    change::change(statement, &mut reader, draft)
}

fn delete(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    draft.kind = StatementKind::Delete;
    let at = words.skip(1, &["from"]);
    draft.output(words.table(at));
    if at > 1 {
        return change(words, catalog, draft);
    }
    // `FROM` may be left out, which the parser does not know.
    let start = words.start(0).unwrap_or_default();
    let text = format!(
        "delete from {}",
        words.text.get(start + "delete".len()..).unwrap_or_default()
    );
    let all = lexemes(&text, Backslash::Escapes).all;
    let count = words.len() + 1;
    let all: Vec<_> = all
        .into_iter()
        .filter(|lexeme| lexeme.kind() != Kind::Comment)
        .take(count)
        .collect();
    change(
        Words {
            text: &text,
            all: &all,
            options: words.options,
        },
        catalog,
        draft,
    )
}

/// <https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html>
fn alter(words: Words<'_>, catalog: Context<'_>, draft: &mut Draft) -> Result<(), Refusal> {
    draft.kind = StatementKind::Definition;
    let at = words.skip(1, &["external"]);
    if !words.is(at, "table") {
        return Ok(());
    }
    let (table, at) = words.table(at + 1).ok_or(words.refusal(Some(at + 1)))?;
    if words.are(at, &["append", "from"]) {
        let (from, _) = words.table(at + 2).ok_or(words.refusal(Some(at + 2)))?;
        draft.kind = StatementKind::Append;
        draft.inputs.push(Dataset::Table(from.clone()));
        draft.outputs.push(Dataset::Table(table.clone()));
        write::columns_by_name(&from, &table, catalog, draft);
        draft.effects.push(Effect::Append { from, to: table });
        return Ok(());
    }
    let effect = if words.are(at, &["rename", "to"]) {
        // The new name has no schema.
        words.table(at + 2).map(|(to, _)| Effect::Rename {
            from: table,
            to: to.table,
        })
    } else if words.is(at, "rename") {
        let at = words.skip(at + 1, &["column"]);
        let names = words
            .identifier(at)
            .zip(words.identifier(at + 2))
            .filter(|_| words.is(at + 1, "to"));
        names.map(|(from, to)| Effect::RenameColumn { table, from, to })
    } else if words.is_one_of(at, &["add", "drop"]) && !is_constraint(words, at + 1) {
        Some(Effect::AlterColumns(table))
    } else {
        None
    };
    draft.effects.extend(effect);
    Ok(())
}

fn is_constraint(words: Words<'_>, at: usize) -> bool {
    words.is_one_of(
        at,
        &[
            "constraint",
            "primary",
            "foreign",
            "unique",
            "check",
            "partition",
        ],
    )
}

impl Draft {
    /// The output that a head names.
    fn output(&mut self, table: Option<(TableName, usize)>) {
        self.outputs
            .extend(table.map(|(table, _)| Dataset::Table(table)));
    }
}
