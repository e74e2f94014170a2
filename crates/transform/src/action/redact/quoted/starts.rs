//! Finds the start of a statement inside other text: the words that begin statements and clauses, and what must
//! follow each for it to be SQL and not a sentence.
//!
//! In doubt it is a start: that redacts a quoted value or a number of a sentence, and never keeps a secret.
//! Only a few tokens after the word are examined, so the work is proportional to the length of the text. Called by
//! `quoted.rs`.

use std::sync::LazyLock;

use regex::Regex;

use super::tokens::{Token, Tokens};
use crate::action::pattern;

use Token::{Comment, Flag, Name, Number, Sign, Stop, Text, Word};

/// The words; in a printed string an escaped line end may directly precede one.
static VERBS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i-u:(?:\b|\\[nrt])(?P<verb>select|insert|upsert|replace|update|delete|merge|with|create|alter|drop|rename|copy|unload",
        r"|values|attach|call|exec|execute|where|having|qualify|and|or|on|set|when|case|grant|revoke|load|export|import",
        r"|declare|comment|raise|raiserror|do|prepare|backup|restore|pragma|notify|signal|show|print)\b)",
    ))
});

/// The objects of `create` and similar.
const OBJECTS: [&str; 49] = [
    "table",
    "view",
    "user",
    "role",
    "login",
    "stage",
    "secret",
    "function",
    "procedure",
    "proc",
    "database",
    "schema",
    "index",
    "credential",
    "connection",
    "server",
    "warehouse",
    "stream",
    "task",
    "pipe",
    "model",
    "external",
    "session",
    "system",
    "integration",
    "subscription",
    "dictionary",
    "source",
    "sink",
    "link",
    "policy",
    "tag",
    "format",
    "type",
    "domain",
    "trigger",
    "event",
    "sequence",
    "macro",
    "catalog",
    "volume",
    "mapping",
    "certificate",
    "key",
    "profile",
    "collection",
    "share",
    "account",
    "column",
];

/// Words that commands use: `az keyvault secret show --name n`, `git merge --no-ff`. A comment without a space after its
/// dashes redacts nothing that other parts of such a statement do not reveal.
const SUBCOMMANDS: [&str; 17] = [
    "update", "delete", "merge", "create", "alter", "drop", "rename", "copy", "call", "exec",
    "execute", "set", "load", "export", "import", "restore", "show",
];

/// Words in the list of a `select` that a sentence does not contain there, or that show that it is one.
const IN_LISTS: [&str; 12] = [
    "from", "as", "is", "when", "case", "between", "like", "union", "not", "null", "date",
    "interval",
];

/// Words between a name and a value.
const COMPARES: [&str; 11] = [
    "in", "like", "ilike", "rlike", "regexp", "similar", "glob", "between", "is", "not", "collate",
];

/// How many tokens of a list are examined.
const WORDS: usize = 7;

/// Finds the start of the next statement, from the byte `from`.
pub(super) fn find(text: &str, mut from: usize) -> Option<usize> {
    loop {
        let verb = VERBS.captures_at(text, from)?.name("verb")?;
        let rest = text.get(verb.end()..)?;
        if starts(&verb.as_str().to_ascii_lowercase(), Tokens::of(rest)) {
            return Some(verb.start());
        }
        from = verb.end();
    }
}

fn starts(verb: &str, tokens: Tokens<'_>) -> bool {
    let tokens = match SUBCOMMANDS.contains(&verb) {
        true => tokens.with_options(),
        false => tokens,
    };
    let mut next = tokens;
    let first = next.next();
    let first_is = |words: &[&str]| first.is_some_and(|token| token.is(words));
    // Only SQL has a comment there.
    if first == Some(Comment) {
        return true;
    }
    match verb {
        "select" => lists(tokens),
        "insert" | "upsert" => tokens.has(6, &["into", "overwrite", "values", "value"]),
        "replace" => tokens.has(3, &["into", "overwrite", "values"]),
        "update" => tokens.has(14, &["set"]),
        "delete" => tokens.has(8, &["from", "where", "using", "output"]),
        "merge" => tokens.has(8, &["into", "using"]),
        "with" => is_common(tokens),
        "create" | "alter" | "drop" | "rename" => tokens.has(7, &OBJECTS),
        "copy" => copies(tokens),
        "unload" | "values" | "raiserror" => first == Some(Sign('(')) || first_is(&["row"]),
        "attach" => tokens.take(5).any(|token| matches!(token, Text | Name)),
        "call" => {
            next = tokens;
            next.name() && matches!(next.next(), Some(Sign('(')))
        }
        "exec" | "execute" => executes(tokens, first),
        "where" | "having" | "qualify" => compares(tokens, false),
        "and" | "or" | "on" | "when" => compares(tokens, true),
        "set" => {
            compares(tokens.without(&SETS), true)
                || first_is(&SETS) && tokens.take(8).any(|token| token == Text)
        }
        "case" => tokens.has(4, &["when"]),
        "grant" | "revoke" => tokens.has(16, &["on", "to", "from"]),
        "load" | "export" => first_is(&["data", "table"]),
        "import" => first_is(&["foreign", "into", "table"]),
        "declare" => {
            first == Some(Sign('@'))
                || tokens
                    .take(8)
                    .any(|token| token == Sign('=') || token.is(&["default", "constant", "cursor"]))
        }
        "comment" => first_is(&["on", "if"]) && tokens.has(10, &["is"]),
        "raise" => {
            first_is(&["notice", "exception", "warning", "info", "log", "debug"])
                && next.next() == Some(Text)
        }
        "do" => tokens.rest.trim_start().starts_with('$') && first == Some(Text),
        "prepare" => tokens.has(4, &["from", "as"]),
        "backup" | "restore" => first_is(&["database", "log", "table", "all"]),
        "pragma" => {
            next = tokens;
            next.name() && matches!(next.next(), Some(Sign('=' | '(')))
        }
        "notify" => next.next() == Some(Sign(',')),
        "signal" => first_is(&["sqlstate"]),
        "show" => tokens.has(5, &["like", "ilike", "where"]),
        "print" => first == Some(Text),
        _ => false,
    }
}

/// Words that may stand between `set` and a name, or show that it is a statement.
const SETS: [&str; 10] = [
    "session",
    "global",
    "local",
    "persist",
    "var",
    "variable",
    "password",
    "role",
    "names",
    "authorization",
];

/// The list of a `select`: any sign before the end of a sentence, or a word that no sentence contains.
fn lists(tokens: Tokens<'_>) -> bool {
    for token in tokens.take(WORDS) {
        match token {
            Stop | Flag => return false,
            Word(_) if token.is(&IN_LISTS) => return true,
            Word(_) => {}
            Name | Text | Number | Comment | Sign(_) => return true,
        }
    }
    false
}

/// `with a (b, c) as (`.
fn is_common(mut tokens: Tokens<'_>) -> bool {
    tokens = tokens.without(&["recursive"]);
    if !tokens.name() {
        return false;
    }
    tokens.group();
    let word = tokens.next();
    let as_it_is = word.is_some_and(|token| token.is(&["as"]));
    word == Some(Comment)
        || as_it_is
            && matches!(
                tokens.without(&["not", "materialized"]).next(),
                Some(Sign('(') | Comment)
            )
}

/// `copy t (a, b) from`, `copy (…) to`, `copy into t`.
fn copies(mut tokens: Tokens<'_>) -> bool {
    if tokens.has(1, &["into"]) {
        return true;
    }
    let named = tokens.name();
    let before = tokens.rest.len();
    tokens.group();
    (named || tokens.rest.len() < before) && tokens.has(1, &["from", "to"])
}

/// A statement that runs something: with a value, a variable, or SQL text.
fn executes(mut tokens: Tokens<'_>, first: Option<Token<'_>>) -> bool {
    if first == Some(Sign('@')) || first.is_some_and(|token| token.is(&["immediate"])) {
        return true;
    }
    // `exec ('select …')`; a method of that name has no space before its parenthesis.
    let mut inside = tokens;
    if first == Some(Sign('('))
        && tokens.rest.starts_with([' ', '\t'])
        && inside.next().is_some()
        && inside.next() == Some(Text)
    {
        return true;
    }
    tokens.name()
        && tokens.next().is_some_and(|token| {
            matches!(token, Sign('(' | '@') | Text | Number) || token.is(&["using", "as"])
        })
}

/// A name and a comparison; a `value` must follow if the preceding word is common in sentences.
fn compares(tokens: Tokens<'_>, value: bool) -> bool {
    let mut tokens = tokens.without(&["not"]);
    while { tokens }.next() == Some(Sign('(')) {
        tokens.next();
    }
    let first = { tokens }.next();
    let words = ["exists", "case", "date", "timestamp", "interval", "cast"];
    let begins = matches!(first, Some(Text | Number | Comment | Sign('@' | '$' | '?')))
        || first.is_some_and(|token| token.is(&words));
    if begins && !value {
        return true;
    }
    if first == Some(Sign('@')) {
        tokens.next();
    }
    if !tokens.name() {
        return false;
    }
    if !value {
        tokens.group();
    }
    let mut compared = false;
    for token in tokens {
        match token {
            Sign('=' | '<' | '>' | '!' | '~' | ':') => compared = true,
            Word(_) if token.is(&COMPARES) || value && token.is(&["to"]) => compared = true,
            token if compared => return !value || token.is_value(),
            Comment => return true,
            Sign(_) => return !value,
            Word(_) | Name | Text | Number | Flag | Stop => return false,
        }
        if compared && !value {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
