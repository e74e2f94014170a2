//! The tables that the words of a statement name, where the parser refused it: what stands after `FROM`, `JOIN` and
//! `USING`. It knows no scopes, so it may take too much rather than too little.

use std::collections::HashSet;

use super::TableName;
use super::lexeme::Kind;
use super::words::Words;

/// Functions whose arguments have a `FROM` of their own.
const WITH_FROM: &[&str] = &["extract", "trim", "substring", "overlay", "position"];

/// Words that end a list of tables, and so are no aliases.
const NO_ALIAS: &[&str] = &[
    "where",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "on",
    "using",
    "group",
    "order",
    "having",
    "limit",
    "union",
    "except",
    "intersect",
    "minus",
    "qualify",
    "set",
    "when",
    "select",
    "pivot",
    "unpivot",
    "window",
    "connect",
    "start",
    "offset",
    "remove",
];

/// The tables, each once, in the order of the text.
pub(super) fn tables(words: Words<'_>) -> Vec<TableName> {
    let mut seen = HashSet::new();
    let mut tables = Vec::new();
    // Common table expressions, and aliases, which may be followed by an array.
    let mut names: HashSet<String> = expressions(words);
    // Whether each open bracket is one of a function with `FROM`.
    let mut open = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words.sign(at, "(") {
            open.push(at > 0 && words.is_one_of(at - 1, WITH_FROM));
        } else if words.sign(at, ")") {
            open.pop();
        }
        let of_function = open.last() == Some(&true);
        let follows = words.is_one_of(at, &["from", "join", "using"])
            && !of_function
            && !words.is(at.wrapping_sub(1), "distinct");
        at += 1;
        if !follows {
            continue;
        }
        while let Some((table, after)) = words.table(at) {
            let is_function = words.sign(after, "(");
            let is_known = table.database.is_none()
                && names.contains(table.schema.as_ref().unwrap_or(&table.table));
            at = after;
            if !is_function
                && !is_known
                && !words.is_one_of(after - 1, &["select", "lateral"])
                && seen.insert(table.clone())
            {
                tables.push(table);
            }
            if is_function {
                break;
            }
            at = words.skip(at, &["as"]);
            if let Some(alias) = words
                .identifier(at)
                .filter(|_| !words.is_one_of(at, NO_ALIAS))
            {
                names.insert(alias);
                at += 1;
            }
            if !words.sign(at, ",") {
                break;
            }
            at += 1;
        }
    }
    tables
}

/// The names of common table expressions: what stands before `AS (` and a query.
fn expressions(words: Words<'_>) -> HashSet<String> {
    let mut names = HashSet::new();
    if !(0..words.len()).any(|at| words.is(at, "with")) {
        return names;
    }
    for at in 1..words.len() {
        if words.is(at, "as") && words.sign(at + 1, "(") && words.is_query(at + 2) {
            let name = if words.sign(at - 1, ")") {
                // After a list of columns.
                (0..at)
                    .rev()
                    .find(|at| words.sign(*at, "("))
                    .and_then(|open| open.checked_sub(1))
            } else {
                Some(at - 1)
            };
            let name = name.filter(|at| matches!(words.kind(*at), Some(Kind::Word | Kind::Quoted)));
            names.extend(name.and_then(|at| words.identifier(at)));
        }
    }
    names
}
