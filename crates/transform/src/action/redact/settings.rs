//! Settings in a text whose name says that the value is a secret: `name=value`, `"name": "value"`, `--name value`.
//!
//! A scanner over names, because values can hold settings of their own (`url=jdbc:x://h?password=p`). What is a secret's
//! name is in `key.rs`; when in doubt the value goes. Called by `secrets.rs` for any string of an event.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::key::{Says, says};
use super::mask::STARS;
use crate::action::pattern;

/// Weak names (`token`) with white space before the value are prose (`unexpected token: x`) unless it is this long.
const LONG: usize = 16;

/// The longest value in braces, in characters: each brace looks for its end.
const BRACES: usize = 1024;

/// A name and what sets it; `IDENTIFIED BY` is a name of two words.
static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?P<name>(?i:identified[ \t]+by)|[A-Za-z0-9_.%-]+)(?P<close>\\*["'`]?)(?P<sign>\s*(?:==?>?|:=?)\s*|\s+)"#,
    )
});

/// `text` with `***` for the values of secret settings; borrowed when there are none.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = NAMES.captures_at(text, from) {
        let (Some(whole), Some(name), Some(sign)) =
            (found.get(0), found.name("name"), found.name("sign"))
        else {
            break;
        };
        from = name.end();
        let setting = Setting {
            name: name.as_str(),
            quoted_name: found.name("close").is_some_and(|close| !close.is_empty()),
            sign: sign.as_str(),
            in_path: text
                .get(..name.start())
                .is_some_and(|before| before.ends_with('/')),
        };
        let rest = text.get(whole.end()..).unwrap_or_default();
        if let Some((length, masked)) = setting.value(rest) {
            out.push_str(text.get(done..whole.end()).unwrap_or_default());
            out.push_str(&masked);
            done = whole.end() + length;
            from = done;
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    match out == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(out),
    }
}

struct Setting<'t> {
    name: &'t str,
    quoted_name: bool,
    sign: &'t str,
    /// A segment of a path (`/token=x/day=1`), whose value ends with the segment.
    in_path: bool,
}

impl Setting<'_> {
    /// How much of `rest` is the secret, and what is written instead.
    fn value(&self, rest: &str) -> Option<(usize, String)> {
        let says = self.says();
        let spaced = self.sign.trim().is_empty();
        if says == Says::Nothing || rest.is_empty() {
            return None;
        }
        if let Some((quote, length)) = quoted(rest) {
            // `PASSWORD 'x'`, but not `unexpected token 'x'`.
            let fits = !spaced || says != Says::Perhaps || self.is_option();
            return fits.then(|| (length, format!("{quote}{STARS}{quote}")));
        }
        let fits = if spaced {
            self.is_option() && !rest.starts_with('-')
        } else if self.sign.contains('\n') {
            false
        } else if self.sign.contains(':') && !self.sign.contains('=') {
            // No URL, no ARN, and no object of JSON, into which the scan goes on.
            (self.sign.ends_with([' ', '\t']) || self.quoted_name) && !rest.starts_with(['{', '['])
        } else {
            true
        };
        // Looked at only now: a text of nothing but names would be read again for each.
        if !fits {
            return None;
        }
        let length = self.plain(rest);
        let value = rest.get(..length).unwrap_or_default();
        let open = spaced || self.sign.contains([' ', '\t', ':']);
        let prose = open && says == Says::Perhaps && !self.is_option() && length < LONG;
        let nothing = ["null", "none", "true", "false"];
        let nothing = nothing.iter().any(|word| {
            value
                .trim_end_matches([',', '}', ')', ']'])
                .eq_ignore_ascii_case(word)
        });
        (!prose && length > 0 && !(open && nothing)).then(|| (length, STARS.to_owned()))
    }

    fn says(&self) -> Says {
        match self.name.to_ascii_lowercase().starts_with("identified")
            && self.name.contains([' ', '\t'])
        {
            true => Says::Password,
            false => says(self.name),
        }
    }

    fn is_option(&self) -> bool {
        self.name.starts_with("--")
    }

    /// The length of a value without quotes.
    fn plain(&self, rest: &str) -> usize {
        if self.sign.contains('=')
            && let Some(length) = braces(rest)
        {
            return length;
        }
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, ';' | '&' | '"' | '\'') || self.in_path && c == '/'
        };
        let word = |text: &str| text.find(ends).unwrap_or(text.len());
        let first = word(rest);
        // `Authorization: Bearer x`.
        let scheme = rest.get(..first).unwrap_or_default();
        let schemes = ["bearer", "basic", "digest", "token", "negotiate"];
        if schemes
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
            && let Some(after) = rest.get(first..)
            && let value = after.trim_start_matches([' ', '\t'])
            && value.len() < after.len()
            && word(value) > 0
        {
            return rest.len() - value.len() + word(value);
        }
        first
    }
}

/// The value in braces that `rest` starts with: of ODBC, where `}}` is a brace, or of a template.
fn braces(rest: &str) -> Option<usize> {
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

/// The quote that `rest` starts with, and how long the quoted value is with its quotes; what is not closed goes to the
/// end. In a string of a string the quote has a backslash itself.
fn quoted(rest: &str) -> Option<(&str, usize)> {
    let slashes = rest.len() - rest.trim_start_matches('\\').len();
    let quote = rest.get(slashes..)?.chars().next()?;
    let quote = if matches!(quote, '"' | '\'') {
        quote
    } else {
        return None;
    };
    let opening = rest.get(..=slashes)?;
    let mut run = 0_usize;
    let mut chars = rest.char_indices().skip(slashes + 1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let doubled =
                quote == '\'' && run == 0 && chars.peek().is_some_and(|(_, next)| *next == quote);
            if doubled {
                chars.next();
            } else if closes(slashes, run) {
                return Some((opening, at + 1));
            }
        }
        run = if c == '\\' { run + 1 } else { 0 };
    }
    Some((opening, rest.len()))
}

/// Whether a quote after `run` backslashes ends what one after `opened` began.
fn closes(opened: usize, run: usize) -> bool {
    match opened {
        0 => run.is_multiple_of(2),
        1 => run == 0 || run % 4 == 1,
        _ => run <= opened,
    }
}
