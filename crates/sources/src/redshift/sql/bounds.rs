//! How much is given to the parser. It builds chains of operators as trees as deep as they are long, and dropping such a
//! tree takes stack for each level; it also nests joins that have no condition. Both are unlimited there, so they are
//! counted before it starts. Brackets and sub-queries it limits itself, by [`MAX_DEPTH`].

use super::Refusal;
use super::words::Words;

/// The most lexemes that the parser gets: about 30 MB of tokens and tree.
pub(super) const MAX_PARSED: usize = 200_000;

/// How deep brackets, functions and sub-queries may be nested, together; a sub-query counts twice. The default of the
/// parser is 50, which generated `replace(replace(…))` goes beyond.
pub(super) const MAX_DEPTH: usize = 100;

/// How deep what is parsed on the stack of the caller may be nested: that takes at most 1 MB of it without optimisation.
pub(super) const SHALLOW: usize = 10;

/// The stack for what is nested deeper: twice of what was measured for [`MAX_DEPTH`] without optimisation. Only what is
/// used of it takes memory.
pub(super) const STACK: usize = 32 << 20;

/// How many operators may follow one another between brackets and commas: `a or b or c`. Real statements have hundreds.
const MAX_CHAIN: usize = 2_000;

/// How many joins may wait for their condition at a time, all brackets together: `a join b join c on … on …`. Each takes
/// stack as a level of nesting does.
const MAX_WAITING_JOINS: usize = 40;

/// How many of them may wait where the stack of the caller is used.
const SHALLOW_WAITING_JOINS: usize = 2;

/// Words that make a tree deeper by one, wherever they stand.
const OPERATORS: &[&str] = &[
    "and",
    "or",
    "is",
    "isnull",
    "notnull",
    "like",
    "ilike",
    "similar",
    "in",
    "between",
    "collate",
    "at",
    "overlaps",
    "union",
    "except",
    "intersect",
    "minus",
    "pivot",
    "unpivot",
];

/// On which stack lexemes are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// On that of the caller, if [`SHALLOW`] suffices.
    Callers,
    /// On one of its own.
    Own,
}

/// Whether the parser may get these lexemes, and on which stack.
pub(super) fn check(words: Words<'_>) -> Result<Stack, Refusal> {
    if words.len() > MAX_PARSED {
        return Err(Refusal::TooLarge);
    }
    // Of each open bracket: operators since the last comma, and joins that wait.
    let mut open = vec![(0_usize, 0_usize)];
    let mut all_waiting = 0;
    let mut most_waiting = 0;
    for at in 0..words.len() {
        let Some((chain, waiting)) = open.last_mut() else {
            open.push((0, 0));
            continue;
        };
        match words.written(at) {
            "(" => open.push((0, 0)),
            ")" => {
                all_waiting -= *waiting;
                open.pop();
            }
            "," => *chain = 0,
            "." | ";" => {}
            _ if words.is_sign(at) || words.is_one_of(at, OPERATORS) => *chain += 1,
            _ if is_plain_join(words, at) => {
                *waiting += 1;
                all_waiting += 1;
            }
            _ if *waiting > 0 && is_condition(words, at) => {
                *waiting -= 1;
                all_waiting -= 1;
            }
            _ => {}
        }
        most_waiting = most_waiting.max(all_waiting);
        let longest = open.last().map_or(0, |(chain, _)| *chain);
        if longest > MAX_CHAIN || all_waiting > MAX_WAITING_JOINS {
            return Err(Refusal::TooLarge);
        }
    }
    Ok(if most_waiting > SHALLOW_WAITING_JOINS {
        Stack::Own
    } else {
        Stack::Callers
    })
}

/// Whether a join begins there that needs a condition.
fn is_plain_join(words: Words<'_>, at: usize) -> bool {
    let before =
        |n: usize, keyword: &str| at.checked_sub(n).is_some_and(|at| words.is(at, keyword));
    words.is(at, "join") && !before(1, "cross") && !(1..=3).any(|n| before(n, "natural"))
}

/// Whether the condition of a join begins there, and it is no name.
fn is_condition(words: Words<'_>, at: usize) -> bool {
    let is_name = at
        .checked_sub(1)
        .is_some_and(|before| words.sign(before, ".") || words.is(before, "as"));
    words.is_one_of(at, &["on", "using"]) && !is_name
}
