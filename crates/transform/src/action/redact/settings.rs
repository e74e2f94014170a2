//! Settings in a text whose name shows that the value is secret: `name=value`, `"name": "value"`, `--name value`, and SQL
//! clauses (`PASSWORD N'x'`, `IDENTIFIED BY x`).
//!
//! A scanner over names, because values can hold settings of their own (`url=jdbc:x://h?password=p`). What is a secret's
//! in `key.rs`, the end of a value in `value.rs`; in doubt the value is redacted. Called by `secrets.rs` for every
//! string of an event.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::LazyLock;

use regex::Regex;

use super::below;
use super::key::{Says, hints, is_file, is_folder, is_method, is_one, says};
use super::mask::STARS;
use super::value::{self, Literal};
use crate::action::pattern;

/// Weak names (`token`) with white space before the value are prose (`unexpected token: x`) unless the value is this long.
const LONG: usize = 16;

/// A number of at most this many digits after a weak name is an amount (`PASS=10 WARN=0`), not a secret.
const AMOUNT: usize = 5;

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
        let says = name_says(name.as_str());
        if says == Says::Nothing {
            continue;
        }
        brackets.read(text, name.start());
        let close = found.name("close").map_or("", |close| close.as_str());
        let setting = Setting {
            text,
            says,
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

fn name_says(name: &str) -> Says {
    match name.contains(char::is_whitespace) {
        true => Says::Password,
        false => says(name),
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
    says: Says,
    name: &'t str,
    close: &'t str,
    sign: &'t str,
    before: &'t str,
    in_brackets: bool,
    prose: Prose,
    users: &'t OnceCell<bool>,
}

impl Setting<'_> {
    /// How much of `rest` is the secret, and its replacement.
    fn value(&self, rest: &str) -> Option<(usize, String)> {
        if rest.is_empty() {
            return None;
        }
        if let Some(literal) = value::literal(rest) {
            return self.literal(rest, &literal);
        }
        // A call, not a setting; only `PASSWORD('x')` contains a secret.
        if self.sign == "(" {
            return None;
        }
        self.bracketed(rest).or_else(|| self.bare(rest))
    }

    fn literal(&self, rest: &str, literal: &Literal) -> Option<(usize, String)> {
        let inside = rest.get(literal.inside.clone()).unwrap_or_default();
        let fits = match self.sign {
            // `password('x')`, but `get_secret('name')`.
            "(" => self.says == Says::Password,
            // `PASSWORD 'x'`, but not `unexpected token 'x'`.
            _ if self.is_spaced() => {
                let shape = inside.len() >= LONG
                    && inside.contains(|c: char| c.is_ascii_digit())
                    && !inside.contains([' ', '(', '.']);
                self.says != Says::Perhaps || self.is_option() || shape || !self.is_prose()
            }
            _ => true,
        };
        let harmless = is_folder(self.name, inside)
            || self.is_auth() && is_method(inside)
            || is_file(inside)
            || self.says == Says::Perhaps
                && (is_amount(inside) || !inside.contains(char::is_alphanumeric));
        if !fits || harmless {
            return None;
        }
        let mut masked = rest.get(..literal.inside.start)?.to_owned();
        masked.push_str(STARS);
        // A value that is not closed goes to the end, and is closed, so that reading it again has the same result.
        masked.push_str(match literal.closed {
            true => rest.get(literal.inside.end..literal.length)?,
            false => literal.close.as_str(),
        });
        Some((literal.length, masked))
    }

    /// `password=(abc)`, `CREDENTIALS=(A='x' B='y')`, `"tokens": ["x"]`.
    fn bracketed(&self, rest: &str) -> Option<(usize, String)> {
        let list =
            self.sign.contains('=') || self.is_json() || self.is_spaced() && self.is_clause();
        if !list || self.prose == Prose::Expressions {
            return None;
        }
        let (length, closed) = value::bracketed(rest)?;
        let inside = rest.get(1..length - usize::from(closed))?;
        if closed && inside.trim().is_empty() {
            return None;
        }
        let stars = match self.is_json() {
            true => format!("{0}{STARS}{0}", self.close),
            false => STARS.to_owned(),
        };
        let masked = match rest.starts_with('(') {
            true => format!("({stars})"),
            false => format!("[{stars}]"),
        };
        Some((length, masked))
    }

    fn bare(&self, rest: &str) -> Option<(usize, String)> {
        let fits = if self.is_spaced() {
            let sets = self.is_option() || self.is_identified() || self.is_set();
            // `--token <<< x` reads it from standard input.
            sets && !rest.starts_with(['-', '<'])
        } else if self.sign.contains('\n') {
            let fits = self.sign.trim() == ":" && self.says != Says::Perhaps;
            return (fits && self.prose == Prose::Any)
                .then(|| below::lines(self.sign, self.before, rest))?;
        } else if self.sign.contains(':') && !self.sign.contains('=') {
            // Not a URL, an ARN, or a JSON object, which the scan examines itself.
            let blank = self.sign.ends_with([' ', '\t']) || self.is_json() || self.is_switch();
            if blank && rest.starts_with(['|', '>', '!']) && self.close.is_empty() {
                return below::block(self.before, rest);
            }
            blank && !rest.starts_with(['{', '['])
        } else {
            self.prose != Prose::Expressions
        };
        if !fits {
            return None;
        }
        let length = self.length(rest);
        let value = rest.get(..length).unwrap_or_default();
        if length == 0 || self.is_harmless(value) {
            return None;
        }
        // A JSON number becomes a string.
        let quote = match self.is_json() && !value.starts_with('*') {
            true => self.close.trim_end_matches(']'),
            false => "",
        };
        Some((length, format!("{quote}{STARS}{quote}")))
    }

    fn is_harmless(&self, value: &str) -> bool {
        let open = self.is_spaced() || self.sign.contains([' ', '\t', ':']);
        let word = value.trim_end_matches([',', '}', ')', ']']);
        let nothing = is_one("null none true false yes no", word);
        // `password_expired=false`, `h.password_hash = t.password_hash`, `password_hash = sha256(pw)`.
        let plain = is_one("null true false", word) || is_file(value);
        let part = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
        let plain_name = value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.,;".contains(&byte));
        let column =
            plain_name && value.contains('.') && part(word).eq_ignore_ascii_case(&part(self.name));
        let call = self.sign.contains([' ', '\t']) && value.ends_with(')') && is_call(value);
        let clause = self.is_identified() && is_one("random externally globally", word);
        // `UID=me;PWD=/x` is an ODBC setting.
        let folder = is_folder(self.name, value) && !self.before.ends_with(';');
        let weak = self.says == Says::Perhaps
            && !self.is_option()
            && (is_amount(word) || open && !self.is_secret(word));
        open && nothing
            || plain
            || column
            || call
            || clause
            || folder
            || weak
            || self.is_auth() && is_method(word)
    }

    /// `/TargetPassword:x`, `X-Api-Key:x`.
    fn is_switch(&self) -> bool {
        let switch = self.before.strip_suffix('/');
        let switch = switch
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t', '"', '\'']));
        self.sign == ":" && (switch || self.name.starts_with("X-") || self.name.starts_with("x-"))
    }

    /// Whether the value of a weak name looks like a secret on its own.
    fn is_secret(&self, value: &str) -> bool {
        if value.len() >= LONG {
            return true;
        }
        let plain = !value.contains(['(', '[', '<', '{']);
        let mixed = value.contains(|c: char| c.is_ascii_digit())
            && value.contains(|c: char| c.is_alphabetic());
        plain && (mixed && !self.is_prose() || value.starts_with('*') || self.is_long_name())
    }

    /// `X-Auth-Token`, `access_token`: not a word of prose.
    fn is_long_name(&self) -> bool {
        self.name.contains(['_', '-'])
    }

    /// Whether the words before the name make it part of a sentence.
    fn is_prose(&self) -> bool {
        const BEFORE: &str = "unexpected unrecognized invalid near at of the a an this for expected illegal missing \
             extraneous unknown input next character mismatched";
        if self.is_long_name() || self.name.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        let before = self.before.trim_end();
        let word = before.rsplit(|c: char| !c.is_alphanumeric()).next();
        let word = word.unwrap_or_default();
        is_one(BEFORE, word) || self.is_spaced() && !before.ends_with(['(', ',', '{', ';'])
    }

    fn is_spaced(&self) -> bool {
        let sign = self.sign.trim();
        self.sign != "(" && (sign.is_empty() || sign.bytes().all(|byte| byte.is_ascii_alphabetic()))
    }

    fn is_json(&self) -> bool {
        !self.close.is_empty() && self.sign.contains(':')
    }

    fn is_option(&self) -> bool {
        self.name.starts_with("--") || self.name.starts_with('-') && self.name.len() > 2
    }

    fn is_auth(&self) -> bool {
        self.name.to_ascii_lowercase().ends_with("auth")
    }

    /// `CREDENTIAL ('fs.azure.account.key' = 'x')`.
    fn is_clause(&self) -> bool {
        is_one("credential credentials", self.name)
    }

    fn is_identified(&self) -> bool {
        self.name.contains(char::is_whitespace)
            && *self.users.get_or_init(|| USERS.is_match(self.text))
    }

    /// `aws configure set aws_secret_access_key x`, `ENV DB_PASSWORD x`, `login u password x`.
    fn is_set(&self) -> bool {
        // `//registry/:_authToken x`: what the name is written together with is part of it.
        let attached = usize::from(!self.before.ends_with(char::is_whitespace));
        let words = self.before.rsplit(char::is_whitespace).skip(attached);
        let mut words = words.filter(|word| !word.is_empty());
        let (last, earlier) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let last = last.trim_start_matches(['"', '\'', '\\']);
        let named = self.name.contains(['_', '.', '-']);
        named && ["set", "setenv", "ENV", "setx"].contains(&last)
            || self.says == Says::Password && earlier == "login"
    }

    /// The length of a value without quotes.
    fn length(&self, rest: &str) -> usize {
        if self.sign.contains('=')
            && let Some(length) = value::braces(rest)
        {
            return length;
        }
        // A path segment (`/token=x/day=1`), whose value ends with the segment.
        let in_path = self.before.ends_with('/');
        let ends = |c: char| {
            c.is_whitespace()
                || matches!(c, ';' | '&' | '"' | '\'')
                || in_path && c == '/'
                || self.is_json() && matches!(c, ',' | '}' | ']')
        };
        let word = |text: &str| {
            let mut word = text.split(ends).next().unwrap_or_default();
            // The backslashes before a quote belong to it.
            if text
                .get(word.len()..)
                .is_some_and(|rest| rest.starts_with(['"', '\'']))
            {
                word = word.trim_end_matches('\\');
            }
            value::ended(word, self.in_brackets).len()
        };
        let first = word(rest);
        // `PASSWORD('x')`: a call that contains the value.
        if let Some(open) = rest.get(..first).and_then(|word| word.find('('))
            && rest
                .get(first..)
                .is_some_and(|rest| rest.trim_start_matches('\\').starts_with(['\'', '"']))
            && let Some((length, _)) = rest.get(open..).and_then(value::bracketed)
        {
            return open + length;
        }
        // `Authorization: Bearer x`.
        let scheme = rest.get(..first).unwrap_or_default();
        if let Some(after) = rest.get(first..)
            && let value = after.trim_start_matches([' ', '\t'])
            && value.len() < after.len()
            && !value.starts_with('-')
            && let length = word(value)
            && length > 0
            && self.is_scheme(scheme, value.get(..length).unwrap_or_default())
        {
            return rest.len() - value.len() + length;
        }
        first
    }

    fn is_scheme(&self, scheme: &str, value: &str) -> bool {
        const SCHEMES: &str = "bearer basic digest token negotiate apikey key splunk ssws geniekey";
        let known = is_one(SCHEMES, scheme);
        let header = self.name.to_ascii_lowercase().ends_with("authorization");
        let letters = scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        known || header && letters && value.contains(|c: char| c.is_ascii_digit())
    }
}

/// A function of columns, as in SQL and its descriptions.
fn is_call(value: &str) -> bool {
    const FUNCTIONS: &str = "sha sha1 sha2 sha224 sha256 sha384 sha512 md5 hash farm_fingerprint xxhash64 hashbytes lower \
         upper trim concat coalesce nvl ifnull cast try_cast mask substr substring left right encrypt decrypt \
         aes_encrypt hex to_hex encode regexp_replace length count max min any_value";
    value.split_once('(').is_some_and(|(name, arguments)| {
        is_one(FUNCTIONS, name) && !arguments.contains(['"', '\''])
    })
}

fn is_amount(value: &str) -> bool {
    value.len() <= AMOUNT && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}
