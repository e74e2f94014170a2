//! Settings in a text whose name shows that the value is secret: `name=value`, `"name": "value"`, `--name value`, and SQL
//! clauses (`PASSWORD N'x'`, `IDENTIFIED BY x`).
//!
//! Scans names, because values can contain settings of their own (`url=jdbc:x://h?password=p`). Which names are those of
//! secrets is in `key.rs`, and what to redact in `settings/setting.rs`. In doubt the value is redacted. Called by
//! `secrets.rs` for every string of an event.

mod setting;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::LazyLock;

use regex::Regex;

use super::key::{NameHint, hints, name_hint};
use crate::action::pattern;

/// A name and its separator; `IDENTIFIED BY` is a name of several words.
static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?P<name>(?i:identified\s+(?:(?:with|via)\s+\S+\s+(?:by|as|using)|by)(?:\s+(?:values|password))?)|(?i:password\s+for\s+\S+)|[A-Za-z0-9_.%-]+)(?P<close>\\*["'`]?\]?)(?P<sign>\s*:?\s*(?i:str|string|&str|varchar|secretstr|optional\[str\])\s*=\s*|\s*(?:==?>?|:=?)\s*|\s+(?i:to|is)\s+|\s+|\()"#,
    )
});

/// Statements whose `IDENTIFIED BY` is followed by a password as a bare word.
static USERS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:create|alter|set)\s+(?:user|role)\b|\bset\s+keystore\b|\bgrant\s|\bdatabase\s+link\b",
    )
});

/// The names of columns and functions in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prose {
    Any,
    /// In a column's lineage: the text after `=` is an expression, unless it is a literal.
    Expressions,
}

/// Replaces the values of secret settings in `text` by `***`; borrowed if there are none.
pub(super) fn hidden(text: &str, prose: Prose) -> Cow<'_, str> {
    if !hints(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let (mut done, mut from) = (0, 0);
    let mut brackets = Brackets::default();
    let users = OnceCell::new();
    while let Some(found) = NAMES.captures_at(text, from) {
        let (Some(whole), Some(name), Some(sign)) =
            (found.get(0), found.name("name"), found.name("sign"))
        else {
            break;
        };
        from = name.end();
        let hint = hint_of_setting(name.as_str());
        if hint == NameHint::Harmless {
            continue;
        }
        brackets.read(text, name.start());
        let close = found.name("close").map_or("", |close| close.as_str());
        let setting = Setting {
            text,
            hint,
            name: name.as_str(),
            close,
            sign: sign.as_str(),
            before: text.get(..name.start()).unwrap_or_default(),
            in_brackets: brackets.open > 0,
            prose,
            users: &users,
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

fn hint_of_setting(name: &str) -> NameHint {
    match name.contains(char::is_whitespace) {
        true => NameHint::Password,
        false => name_hint(name),
    }
}

/// How many parentheses are open at a position.
#[derive(Default)]
struct Brackets {
    read: usize,
    open: usize,
}

impl Brackets {
    fn read(&mut self, text: &str, to: usize) {
        for byte in text.as_bytes().get(self.read..to).unwrap_or_default() {
            match byte {
                b'(' => self.open += 1,
                b')' => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
        self.read = self.read.max(to);
    }
}

struct Setting<'t> {
    text: &'t str,
    hint: NameHint,
    name: &'t str,
    close: &'t str,
    sign: &'t str,
    before: &'t str,
    in_brackets: bool,
    prose: Prose,
    users: &'t OnceCell<bool>,
}
