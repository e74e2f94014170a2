//! `CREATE`: tables, views and models, with the query that fills or defines them.

use super::draft::Draft;
use super::lexeme::Kind;
use super::words::Words;
use super::write;
use super::{Catalog, Dataset, Effect, Refusal, StatementKind};

/// Reads a `CREATE` of anything.
pub(super) fn read(
    words: Words<'_>,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    draft.kind = StatementKind::Definition;
    let mut at = words.skip(1, &["or", "replace"]);
    let external = words.is(at, "external");
    at += usize::from(external);
    at = words.skip(at, &["protected"]);
    at = words.skip(at, &["local"]);
    let temporary = words.is_one_of(at, &["temp", "temporary"]);
    at += usize::from(temporary);
    let materialized = words.is(at, "materialized");
    at += usize::from(materialized);
    match words.written(at).to_ascii_lowercase().as_str() {
        "table" => create_table(words, at + 1, external, temporary, catalog, draft),
        "view" => {
            draft.kind = if materialized {
                StatementKind::CreateMaterializedView
            } else {
                StatementKind::CreateView
            };
            create_view(words, at + 1, catalog, draft)
        }
        "model" => create_model(words, at + 1, catalog, draft),
        _ => Ok(()),
    }
}

/// Where the query of a definition starts: after an `AS` outside brackets.
fn query_after_as(words: Words<'_>, from: usize) -> Option<usize> {
    words
        .find(from, |at| words.is(at, "as") && words.is_query(at + 1))
        .map(|at| at + 1)
}

fn create_table(
    words: Words<'_>,
    at: usize,
    external: bool,
    temporary: bool,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let after = words.skip(at, &["if", "not", "exists"]);
    let if_not_exists = after > at;
    let (table, at) = words.table(after).ok_or(words.refusal(Some(after)))?;
    let list = words.name_list(at);
    let Some(query) = query_after_as(words, at) else {
        let columns = list.and_then(|(_, end)| defined_columns(words, at, end, catalog));
        draft.creates(Some((table, at)), temporary, if_not_exists, columns);
        draft.outputs.clear();
        return Ok(());
    };
    draft.kind = if external {
        StatementKind::CreateExternalTableAs
    } else {
        StatementKind::CreateTableAs
    };
    draft.creates(Some((table, at)), temporary, if_not_exists, None);
    let names = list.filter(|_| !external).map(|(names, _)| names);
    write::definition(words.from(query), names, catalog, draft)
}

/// The columns of a table that is defined by a list, with those of the tables that it is `LIKE`.
fn defined_columns(
    words: Words<'_>,
    at: usize,
    end: usize,
    catalog: &dyn Catalog,
) -> Option<Vec<String>> {
    const CONSTRAINTS: &[&str] = &["primary", "foreign", "unique", "constraint", "check"];
    let mut columns = Vec::new();
    for item in words.list_items(at, end) {
        if words.is(item.start, "like") {
            let (other, _) = words.table(item.start + 1)?;
            columns.extend(catalog.columns(&other)?.iter().cloned());
        } else if !words.is_one_of(item.start, CONSTRAINTS) {
            columns.push(words.identifier(item.start)?);
        }
    }
    Some(columns)
}

fn create_view(
    words: Words<'_>,
    at: usize,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    let at = words.skip(at, &["if", "not", "exists"]);
    let (view, at) = words.table(at).ok_or(words.refusal(Some(at)))?;
    draft.outputs.push(Dataset::Table(view.clone()));
    draft.effects.push(Effect::CreateView {
        view,
        columns: None,
    });
    let names = words.name_list(at).map(|(names, _)| names);
    let Some(from) = query_after_as(words, at) else {
        return Err(words.refusal(None));
    };
    let query = words.from(from);
    let unbound = ["with", "no", "schema", "binding"];
    let until = query.len().saturating_sub(unbound.len());
    let query = if query.are(until, &unbound) {
        query.within(0..until)
    } else {
        query
    };
    write::definition(query, names, catalog, draft)
}

/// `CREATE MODEL name FROM table` or `FROM (SELECT …)`.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_MODEL.html>
fn create_model(
    words: Words<'_>,
    at: usize,
    catalog: &dyn Catalog,
    draft: &mut Draft,
) -> Result<(), Refusal> {
    draft.kind = StatementKind::CreateModel;
    let (model, at) = words.table(at).ok_or(words.refusal(Some(at)))?;
    draft.outputs.push(Dataset::Table(model));
    let Some(from) = words.find(at, |at| words.is(at, "from")).map(|at| at + 1) else {
        return Ok(());
    };
    if words.sign(from, "(") {
        let end = words.after_bracket(from);
        write::query(words.within(from..end), catalog, draft)?;
        // They are what the model learns from, and no columns of it.
        draft.columns.clear();
        draft.star_of.clear();
    } else if words.kind(from) != Some(Kind::String)
        && let Some((table, _)) = words.table(from)
    {
        draft.inputs.push(Dataset::Table(table));
    }
    Ok(())
}
