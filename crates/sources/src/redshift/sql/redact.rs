//! The text of a statement without its values: what may be shown. Comments are left out, because they hold anything:
//! values that were tried, names of people, keys.

use super::lexeme::{Backslash, Kind, Lexeme, lexemes};
use super::words::Words;

/// What stands for a value.
const VALUE: char = '?';

/// What stands for the rest of a text that is longer than [`LONGEST`], or that does not end.
const CUT: &str = " …";

/// The longest text that is shown: as long as the query text of SYS_QUERY_HISTORY, sixteen times.
const LONGEST: usize = 64 << 10;

/// How deep texts within texts are read: `UNLOAD` has one.
const MAX_DEPTH: usize = 1;

/// The statement with `?` in place of strings, numbers and lists of them.
pub(super) fn redacted(words: Words<'_>) -> String {
    let mut out = String::with_capacity(words.text.len().min(LONGEST));
    write(words, 0, &mut out);
    out
}

fn write(words: Words<'_>, depth: usize, out: &mut String) {
    let mut end_before = None;
    let mut at = 0;
    while at < words.len() {
        let Some(lexeme) = words.get(at) else { break };
        if out.len() > LONGEST {
            out.push_str(CUT);
            return;
        }
        space(words.text, end_before, lexeme, out);
        end_before = Some(lexeme.end());
        match lexeme.kind() {
            Kind::String | Kind::Dollars
                if depth < MAX_DEPTH && at == 2 && words.is(0, "unload") =>
            {
                inner(words, at, depth, out);
            }
            Kind::String | Kind::Dollars | Kind::Number | Kind::Parameter => {
                out.push(VALUE);
                let end = end_of_list(words, at);
                if end > at {
                    at = end;
                    end_before = words.get(at).map(Lexeme::end);
                }
            }
            Kind::Open => {
                out.push(VALUE);
                out.push_str(CUT);
                return;
            }
            Kind::Word if words.is(at, "values") && words.sign(at + 1, "(") => {
                out.push_str(lexeme.of(words.text));
                out.push_str(" (?)");
                at = end_of_rows(words, at + 1);
                end_before = words.get(at).map(Lexeme::end);
            }
            Kind::Word | Kind::Quoted | Kind::Sign | Kind::Comment => {
                out.push_str(lexeme.of(words.text))
            }
        }
        at += 1;
    }
}

/// What stands between two lexemes: a line feed if the text has one, else a blank if there is anything.
fn space(text: &str, before: Option<usize>, lexeme: Lexeme, out: &mut String) {
    let Some(between) = before.and_then(|before| text.get(before..lexeme.start())) else {
        return;
    };
    if between.contains('\n') {
        out.push('\n');
    } else if !between.is_empty() {
        out.push(' ');
    }
}

/// The last lexeme of a list of constants that begins there: it is shown as one value.
fn end_of_list(words: Words<'_>, at: usize) -> usize {
    let mut end = at;
    while words.sign(end + 1, ",") && words.is_constant(end + 2) {
        end += 2;
    }
    end
}

/// The last lexeme of the rows of `VALUES`.
fn end_of_rows(words: Words<'_>, at: usize) -> usize {
    let mut end = words.after_bracket(at);
    while words.sign(end, ",") && words.sign(end + 1, "(") {
        end = words.after_bracket(end + 1);
    }
    end.saturating_sub(1)
}

/// The query of an `UNLOAD`, in quotes again.
fn inner(words: Words<'_>, at: usize, depth: usize, out: &mut String) {
    let text = words.string(at).unwrap_or_default();
    let all: Vec<Lexeme> = lexemes(&text, Backslash::Escapes).all;
    let all: Vec<Lexeme> = all
        .into_iter()
        .filter(|lexeme| lexeme.kind() != Kind::Comment)
        .collect();
    let mut shown = String::new();
    write(
        Words {
            text: &text,
            all: &all,
            options: words.options,
        },
        depth + 1,
        &mut shown,
    );
    out.push('\'');
    out.push_str(&shown);
    out.push('\'');
}
