//! SQL in other strings: error messages, stack traces, printed dictionaries, commands, source code.
//!
//! A statement is recognised by its first words. In quotes it ends at the closing quote,
//! otherwise at the next line of a stack trace or at the end. It is redacted as in the facet itself, in the same
//! dialects. Called by the walk over an event's strings.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::sql::{Dialect, Redaction, places, sql_literals_in};
use crate::action::pattern;

mod starts;
mod tokens;

/// Words of which every statement contains one, and the messages of [`VALUES`]. Matched in the text of an event,
/// so without regard to context, and in lower case, in which many words are matched at once.
static HINTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?-u:duplicate|failing row|numeric value|char value|incorrect |invalid input|case when|select|insert|upsert|update|delete|merge|values|where|create|alter|drop|rename|copy|unload|exec|call|attach|replace|grant|revoke|load|export|import|declare|comment|raise|prepare|backup|restore|pragma|notify|signal|having|qualify|show|set[ \\]|print |do \$)",
    )
});

/// Values in database messages without a statement: PostgreSQL's details, and the messages of MySQL, SQL Server,
/// Snowflake and Oracle about a value that does not fit.
static VALUES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(?P<open>\bkey \([^()\n]{1,400}\)=\(|failing row contains \(|duplicate key value is \()(?P<value>[^\n]+?)(?P<close>\)(?:$|[\s.]))",
        r"|(?P<before>duplicate entry|(?:numeric|n?varchar|date|timestamp|boolean|string) value|incorrect \w+ value:?|invalid input (?:syntax|value) for (?:type |enum )?[\w ]{1,40}:)(?P<space>\s*)(?:'[^'\n]*'|\x22[^\x22\n]*\x22)",
    ))
});

/// Where a message continues after the statement that it quotes.
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"\r?\n(?:\s+at\s+[\w$.<>/]+\(|Caused by:|Traceback \(|\s+File \x22|\s*\.\.\. \d+ (?:more|common)|\s*\^+\s*(?:\n|$)",
        r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:|(?:java|javax|org|com|net|scala|sqlalchemy|psycopg2?)\.[\w.$]+(?:Exception|Error))",
    ))
});

/// Words after which a statement does not end, so that a quote there begins a value.
const OPEN: [&str; 16] = [
    "like", "in", "and", "or", "where", "values", "set", "by", "then", "when", "else", "between",
    "select", "ilike", "from", "on",
];

/// The positions, in bytes of an event's text, at which a string may contain SQL, unordered.
pub(super) fn candidates(text: &str) -> Vec<usize> {
    // Escaped letters are examined where they are.
    let escaped = text.match_indices("\\u00").map(|(at, _)| at);
    let escaped = escaped.filter(|at| {
        let digit = text.as_bytes().get(at + 4);
        digit.is_some_and(|digit| matches!(digit, b'4'..=b'7'))
    });
    let small = text.to_ascii_lowercase();
    let found = HINTS.find_iter(&small).map(|found| found.start());
    found.chain(escaped).collect()
}

/// Redacts the literals of SQL in `text`, and the values that a database reports as invalid; borrowed if
/// nothing changes.
pub(super) fn hidden<'t>(text: &'t str, dialects: &[Dialect]) -> Cow<'t, str> {
    let hidden = statements(text, dialects);
    let new = VALUES.replace_all(&hidden, |found: &Captures<'_>| {
        let group = |name| found.name(name).map_or("", |group| group.as_str());
        format!(
            "{}{}{}?{}",
            group("open"),
            group("before"),
            group("space"),
            group("close")
        )
    });
    match new {
        Cow::Owned(new) if new != *hidden => Cow::Owned(new),
        Cow::Owned(_) | Cow::Borrowed(_) => hidden,
    }
}

fn statements<'t>(text: &'t str, dialects: &[Dialect]) -> Cow<'t, str> {
    let mut out = String::new();
    let (mut done, mut from) = (0, 0);
    // How often no quote was found up to the end of the text: it is not scanned again for each statement.
    let mut unclosed = 0;
    while let Some(found) = starts::find(text, from) {
        let start = with_comment(text, done.max(from), found);
        let rest = text.get(start..).unwrap_or_default();
        let opening = opening(text.get(..start).unwrap_or_default());
        let quote = opening.as_deref().filter(|_| unclosed < UNCLOSED);
        let end = match quote.map_or(Closing::None, |quote| closing(rest, quote)) {
            Closing::After(length) => {
                let quote = opening.as_deref().unwrap_or_default();
                let inside = rest.get(..length).unwrap_or_default();
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(&in_quotes(inside, quote, dialects));
                done = start + length;
                done
            }
            none @ (Closing::None | Closing::Unclosed) => {
                unclosed += usize::from(matches!(none, Closing::Unclosed));
                let (found, length) = open(rest, dialects);
                for place in found {
                    out.push_str(
                        text.get(done..start + place.range.start)
                            .unwrap_or_default(),
                    );
                    out.push_str(place.text());
                    done = start + place.range.end;
                }
                start + length
            }
        };
        from = end.max(found + 1);
        while !text.is_char_boundary(from) {
            from += 1;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    match out == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(out),
    }
}

/// The start of the comments before the statement at `start`, which may be nested; not before `from`.
fn with_comment(text: &str, from: usize, start: usize) -> usize {
    let before = text.get(from..start).unwrap_or_default().trim_end();
    if before.ends_with("#}") {
        return before.rfind("{#").map_or(start, |at| from + at);
    }
    if !before.ends_with("*/") {
        return start;
    }
    let mut depth = 0_usize;
    for (at, mark) in before
        .rmatch_indices(['*', '/'])
        .filter_map(|(at, _)| before.get(at..at + 2).map(|mark| (at, mark)))
    {
        match mark {
            "*/" => depth += 1,
            "/*" if depth == 1 => return from + at,
            "/*" => depth -= 1,
            _ => {}
        }
    }
    start
}

/// The quote around a statement, as it is written: with backslashes before it, or tripled.
fn opening(before: &str) -> Option<String> {
    let mut before = before.trim_end();
    while let Some(blank) = ["\\n", "\\r", "\\t"]
        .iter()
        .find_map(|blank| before.strip_suffix(blank))
    {
        before = blank.trim_end_matches('\\').trim_end();
    }
    let quote = before
        .chars()
        .next_back()
        .filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let three = quote.to_string().repeat(3);
    if before.ends_with(&three) {
        return Some(three);
    }
    let inner = before.get(..before.len() - 1)?;
    let slashes = inner.len() - inner.trim_end_matches('\\').len();
    before.get(before.len() - 1 - slashes..).map(str::to_owned)
}

/// The most searches for the end of a text that fail: each reads all of it.
const UNCLOSED: usize = 16;

/// Whether quotes close a statement.
enum Closing {
    /// After this many bytes.
    After(usize),
    /// Nowhere: the text begins without a quote, or its first closing quote ends no statement.
    None,
    /// Not up to the end of the text.
    Unclosed,
}

/// The length of the statement at the start of `rest` in these quotes. A quote that begins a value closes nothing:
/// messages quote statements without escaping the quotes in them.
fn closing(rest: &str, quote: &str) -> Closing {
    first_closing(rest, quote).unwrap_or(Closing::Unclosed)
}

/// `None` if the text ends before.
fn first_closing(rest: &str, quote: &str) -> Option<Closing> {
    let mark = quote.chars().next_back()?;
    let slashes = quote.chars().take_while(|c| *c == '\\').count();
    let mut from = 0;
    loop {
        let at = from + rest.get(from..)?.find(mark)?;
        let before = rest.get(..at)?;
        let run = before.len() - before.trim_end_matches('\\').len();
        from = at + 1;
        let after = rest.get(from..)?;
        let closes = match quote.len() - slashes {
            3 => run.is_multiple_of(2) && rest.get(at..)?.starts_with(quote),
            // In a text without quotes a doubled one is part of the text.
            _ if slashes == 0 && (!run.is_multiple_of(2) || after.starts_with(mark)) => {
                from += usize::from(run.is_multiple_of(2));
                false
            }
            _ => run <= slashes,
        };
        if !closes {
            continue;
        }
        let begins = before.trim_end_matches('\\').trim_end();
        let word = begins
            .rsplit(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default();
        let begins = begins.ends_with(['=', '(', ',', '<', '>', '|', '+'])
            || OPEN.iter().any(|known| word.eq_ignore_ascii_case(known));
        let ends = after
            .trim_start_matches(mark)
            .chars()
            .next()
            .is_none_or(|c| {
                c.is_whitespace()
                    || matches!(
                        c,
                        ')' | ']'
                            | '}'
                            | ','
                            | ';'
                            | ':'
                            | '.'
                            | '+'
                            | '%'
                            | '\\'
                            | '<'
                            | '"'
                            | '\''
                    )
            });
        return Some(match ends && !begins {
            true => Closing::After(at - run.min(slashes)),
            false => Closing::None,
        });
    }
}

/// A quoted statement, whose own quotes and line ends are escaped once or more.
fn in_quotes(inside: &str, quote: &str, dialects: &[Dialect]) -> String {
    let escaped = inside.contains("\\n")
        || inside.contains("\\'")
        || inside.contains("\\\"")
        || inside.contains("\\t")
        || inside.contains("\\\\");
    if !escaped || quote.len() >= 3 && !quote.starts_with('\\') {
        return sql_literals_in(inside, dialects);
    }
    // In a quote that is escaped twice.
    let levels = if quote.starts_with('\\') { 2 } else { 1 };
    let plain = (0..levels).fold(inside.to_owned(), |text, _| unescaped(&text));
    let hidden = sql_literals_in(&plain, dialects);
    if hidden == plain {
        // In the other reading, in which a backslash is an escape.
        return sql_literals_in(inside, dialects);
    }
    let mark = quote.chars().next_back().unwrap_or('"');
    (0..levels).fold(hidden, |text, _| escaped_for(mark, &text))
}

fn escaped_for(mark: char, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

/// The redacted spans of a statement without a closing quote, and its length.
fn open(rest: &str, dialects: &[Dialect]) -> (Vec<Redaction>, usize) {
    let mut from = 0;
    loop {
        let after = AFTER.find_at(rest, from).map(|after| after.start());
        let length = after.unwrap_or(rest.len());
        let found = places(rest.get(..length).unwrap_or_default(), dialects);
        // A value that is open there continues, and the apparent end was part of it.
        let goes_on =
            (found.last()).is_some_and(|last| last.is_doubtful() && last.range.end == length);
        if after.is_none() || !goes_on {
            return (found, length);
        }
        // Doubling each time, so that a long text is not read over and over.
        from = (length * 2 + 1).min(rest.len());
        while !rest.is_char_boundary(from) {
            from += 1;
        }
    }
}
