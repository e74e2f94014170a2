//! Statements that move no data: what they change for later statements of the session.

use super::draft::Draft;
use super::words::Words;
use super::{Dataset, Effect, StatementKind};

/// Reads a statement that is neither a query nor a change of data.
pub(super) fn read(words: Words<'_>, draft: &mut Draft) {
    let (kind, effects) = match words.written(0).to_ascii_lowercase().as_str() {
        "drop" => (StatementKind::Definition, dropped(words)),
        "truncate" => {
            let table = words
                .table(words.skip(1, &["table"]))
                .map(|(table, _)| table);
            draft.outputs.extend(table.clone().map(Dataset::Table));
            (
                StatementKind::Truncate,
                table.map(Effect::Truncate).into_iter().collect(),
            )
        }
        "call" => (
            StatementKind::Call,
            words
                .table(1)
                .map(|(name, _)| Effect::Call(name))
                .into_iter()
                .collect(),
        ),
        "set" => (StatementKind::Session, set(words)),
        "reset" => (StatementKind::Session, reset(words)),
        "use" => (
            StatementKind::Session,
            words
                .identifier(1)
                .map(Effect::UseDatabase)
                .into_iter()
                .collect(),
        ),
        "begin" => (StatementKind::Transaction, vec![Effect::Begin]),
        "start" if words.is(1, "transaction") => (StatementKind::Transaction, vec![Effect::Begin]),
        "commit" | "end" => (StatementKind::Transaction, vec![Effect::Commit]),
        "rollback" | "abort" => (StatementKind::Transaction, vec![Effect::Rollback]),
        _ => (StatementKind::Other, Vec::new()),
    };
    draft.kind = kind;
    draft.effects.extend(effects);
}

fn dropped(words: Words<'_>) -> Vec<Effect> {
    let at = words.skip(words.skip(1, &["external"]), &["materialized"]);
    if !words.is_one_of(at, &["table", "view"]) {
        return Vec::new();
    }
    let mut at = words.skip(at + 1, &["if", "exists"]);
    let mut tables = Vec::new();
    while let Some((table, after)) = words.table(at) {
        tables.push(table);
        if !words.sign(after, ",") {
            break;
        }
        at = after + 1;
    }
    if tables.is_empty() {
        Vec::new()
    } else {
        vec![Effect::Drop(tables)]
    }
}

/// Names of parameters are not folded: they may be quoted, and have no case.
fn parameter(words: Words<'_>, at: usize) -> Option<Parameter> {
    match words.identifier(at)?.to_lowercase().as_str() {
        "search_path" => Some(Parameter::SearchPath),
        "enable_case_sensitive_identifier" => Some(Parameter::CaseSensitive),
        _ => None,
    }
}

/// The parameters that decide what a name means.
enum Parameter {
    SearchPath,
    CaseSensitive,
}

fn set(words: Words<'_>) -> Vec<Effect> {
    let at = if words.is_one_of(1, &["session", "local"]) {
        2
    } else {
        1
    };
    let value = at + 1;
    if !(words.is(value, "to") || words.sign(value, "=")) {
        return Vec::new();
    }
    let value = value + 1;
    let default = words.is(value, "default");
    let effect = match parameter(words, at) {
        Some(Parameter::SearchPath) if default => Effect::SetSearchPath(None),
        Some(Parameter::SearchPath) => Effect::SetSearchPath(Some(schemas(words, value))),
        Some(Parameter::CaseSensitive) if default => Effect::SetCaseSensitive(None),
        Some(Parameter::CaseSensitive) => Effect::SetCaseSensitive(Some(is_true(words, value))),
        None => return Vec::new(),
    };
    vec![effect]
}

/// The schemas of a search path: `public, "$user"`, also in quotes, or all in one string.
fn schemas(words: Words<'_>, from: usize) -> Vec<String> {
    let mut schemas = Vec::new();
    let mut at = from;
    while at < words.len() {
        if let Some(name) = words.identifier(at) {
            schemas.push(name);
        } else if let Some(text) = words.string(at) {
            let names = text
                .split(',')
                .map(|name| name.trim().trim_matches('"').to_lowercase());
            schemas.extend(names.filter(|name| !name.is_empty()));
        } else if words.sign(at, "$") && words.is(at + 1, "user") {
            schemas.push("$user".to_owned());
            at += 1;
        }
        at += 1;
    }
    schemas
}

fn is_true(words: Words<'_>, at: usize) -> bool {
    let text = words.string(at);
    let written = text
        .as_deref()
        .unwrap_or(words.written(at))
        .to_ascii_lowercase();
    matches!(written.as_str(), "true" | "on" | "1" | "yes" | "t")
}

fn reset(words: Words<'_>) -> Vec<Effect> {
    if words.is(1, "all") {
        return vec![Effect::SetSearchPath(None), Effect::SetCaseSensitive(None)];
    }
    match parameter(words, 1) {
        Some(Parameter::SearchPath) => vec![Effect::SetSearchPath(None)],
        Some(Parameter::CaseSensitive) => vec![Effect::SetCaseSensitive(None)],
        None => Vec::new(),
    }
}
