//! Finds the end of a value that follows the name of a secret. Pure; reads forward and no further than needed.
//!
//! Called by `settings.rs` and `command.rs`; `sql/lexer.rs` shares how a string in `q'[…]'` ends.

use std::ops::Range;

/// The longest value in braces, in characters: each opening brace searches for its end.
const BRACES: usize = 1024;

/// The longest prefix of a string, such as `_utf8mb4`.
const PREFIX: usize = 12;

/// A value in quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) length: usize,
    /// The text between the quotes.
    pub(super) inside: Range<usize>,
    pub(super) closed: bool,
    /// The closing quote.
    pub(super) close: String,
}

/// Reads the literal at the start of `text`, with the prefixes and quotes of SQL, Python and JSON; one that is not closed goes to
/// the end. In a string inside a string the quote is escaped itself.
pub(super) fn literal(text: &str) -> Option<Literal> {
    let letters = text
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'&');
    let mut prefix = letters.take(PREFIX + 1).count();
    let word = text.get(..prefix)?;
    let known = [
        "e", "n", "b", "x", "r", "f", "u", "u&", "rb", "br", "fr", "rf", "q", "nq",
    ];
    if word.starts_with('_') {
        // `_utf8 'x'`.
        let after = text.get(prefix..)?;
        prefix += after.len() - after.trim_start_matches(' ').len();
    } else if prefix > 0 && !known.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return None;
    }
    let rest = text.get(prefix..)?;
    let is_q = word.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'q')) && rest.starts_with('\'');
    let mut literal = match rest.chars().next()? {
        _ if is_q => q_quoted(rest)?,
        '$' => dollars(rest)?,
        '"' | '\'' | '`' | '\\' => quoted(rest)?,
        '‘' | '’' | '“' | '”' | '„' | '‚' | '«' => curly(rest)?,
        _ => return None,
    };
    literal.length += prefix;
    literal.inside = literal.inside.start + prefix..literal.inside.end + prefix;
    Some(literal)
}

fn q_quoted(text: &str) -> Option<Literal> {
    let open = text.chars().nth(1)?;
    between(text, 1 + open.len_utf8(), &end_of_q(open))
}

/// The end of a string of Oracle that begins with `q'` and this character: its pair, or itself, and a quote.
pub(super) fn end_of_q(open: char) -> String {
    let close = match open {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    format!("{close}'")
}

fn dollars(text: &str) -> Option<Literal> {
    let after = text.get(1..)?;
    let end = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let tag = after
        .get(..end)
        .filter(|tag| !tag.starts_with(char::is_numeric))?;
    let mark = format!("${tag}$");
    text.starts_with(&mark)
        .then(|| between(text, mark.len(), &mark))?
}

fn curly(text: &str) -> Option<Literal> {
    let from = text.chars().next()?.len_utf8();
    let rest = text.get(from..)?;
    let closes = |c: char| matches!(c, '‘' | '’' | '“' | '”' | '»');
    let end = rest.find(closes);
    let close = end.and_then(|at| rest.get(at..)?.chars().next());
    between(text, from, &close.unwrap_or('’').to_string())
}

/// Returns the text between the first `from` bytes and `close`.
fn between(text: &str, from: usize, close: &str) -> Option<Literal> {
    let found = text.get(from..)?.find(close);
    let end = found.map_or(text.len(), |at| from + at);
    Some(Literal {
        length: end + if found.is_some() { close.len() } else { 0 },
        inside: from..end,
        closed: found.is_some(),
        close: close.to_owned(),
    })
}

fn quoted(text: &str) -> Option<Literal> {
    let slashes = text.len() - text.trim_start_matches('\\').len();
    let quote = text.get(slashes..)?.chars().next()?;
    if !matches!(quote, '"' | '\'' | '`') {
        return None;
    }
    let opening = text.get(..=slashes)?;
    // Three of them quote in Python and BigQuery; two are an empty string.
    let three = opening.repeat(3);
    if let Some(rest) = text.strip_prefix(&three)
        && rest.contains(&three)
    {
        return between(text, three.len(), &three);
    }
    let mut run = 0_usize;
    let mut chars = text.char_indices().skip(slashes + 1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let doubled =
                quote == '\'' && run == 0 && chars.peek().is_some_and(|(_, next)| *next == quote);
            if doubled {
                chars.next();
            } else if closes(slashes, run) {
                return Some(Literal {
                    length: at + 1,
                    inside: opening.len()..(at - run.min(slashes)).max(opening.len()),
                    closed: true,
                    close: opening.to_owned(),
                });
            }
        }
        run = if c == '\\' { run + 1 } else { 0 };
    }
    Some(Literal {
        length: text.len(),
        inside: opening.len()..text.len(),
        closed: false,
        close: opening.to_owned(),
    })
}

/// Whether a quote after `run` backslashes closes one after `opened` backslashes.
fn closes(opened: usize, run: usize) -> bool {
    match opened {
        0 => run.is_multiple_of(2),
        1 => run == 0 || run % 4 == 1,
        _ => run <= opened,
    }
}

/// Returns the length of the brackets at the start of `text`, and whether they are closed; to the end if not. Quoted
/// text is skipped.
pub(super) fn bracketed(text: &str) -> Option<(usize, bool)> {
    if !text.starts_with(['(', '[']) {
        return None;
    }
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('(' | '[', None) => depth += 1,
            (')' | ']', None) => {
                depth -= 1;
                if depth == 0 {
                    return Some((at + 1, true));
                }
            }
            _ => {}
        }
    }
    Some((text.len(), false))
}

/// `word` without closing brackets that were opened before it: `f(token=x)`. A bracket inside a word is part
/// of a password.
pub(super) fn ended(word: &str, in_brackets: bool) -> &str {
    let mut kept = word.strip_suffix(',').unwrap_or(word);
    let count = |c: char| kept.matches(c).count();
    let mut more = [('(', ')'), ('[', ']'), ('{', '}')]
        .map(|(open, close)| (close, count(close).saturating_sub(count(open))));
    // As many as are closed at the end and not opened inside.
    while let Some(last) = kept.chars().next_back() {
        let Some((_, left)) = more
            .iter_mut()
            .find(|(close, left)| *close == last && *left > 0)
        else {
            break;
        };
        if last == ')' && !in_brackets {
            break;
        }
        *left -= 1;
        kept = kept.get(..kept.len() - last.len_utf8()).unwrap_or_default();
    }
    kept
}

/// The value in braces at the start of `rest`: of ODBC, where `}}` is a brace, or of a template.
pub(super) fn braces(rest: &str) -> Option<usize> {
    let rest = match rest.char_indices().nth(BRACES) {
        Some((at, _)) => rest.get(..at)?,
        None => rest,
    };
    if rest.starts_with("{{") {
        return rest.find("}}").map(|at| at + 2);
    }
    let inside = rest.strip_prefix('{')?;
    let mut at = 0;
    loop {
        at += inside.get(at..)?.find('}')? + 1;
        if !inside.get(at..)?.starts_with('}') {
            return Some(at + 1);
        }
        at += 1;
    }
}
