//! Decides for one name and what follows it how much is a secret, and what replaces it.
//!
//! The end of a value is in `value.rs`. Called by `settings.rs` for every name that may be that of a secret.

use super::super::below;
use super::super::key::{NameHint, is_file, is_folder, is_method, is_one};
use super::super::mask::STARS;
use super::super::value::{self, Literal};
use super::{Prose, Setting, USERS};

/// Weak names (`token`) with white space before the value are prose (`unexpected token: x`) unless the value is this long.
const LONG: usize = 16;

/// A number of at most this many digits after a weak name is an amount (`PASS=10 WARN=0`), not a secret.
const AMOUNT: usize = 5;

impl Setting<'_> {
    /// How much of `rest` is the secret, and its replacement.
    pub(super) fn value(&self, rest: &str) -> Option<(usize, String)> {
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
            "(" => self.hint == NameHint::Password,
            // `PASSWORD 'x'`, but not `unexpected token 'x'`.
            _ if self.is_spaced() => {
                let shape = inside.len() >= LONG
                    && inside.contains(|c: char| c.is_ascii_digit())
                    && !inside.contains([' ', '(', '.']);
                self.hint != NameHint::Possible || self.is_option() || shape || !self.is_prose()
            }
            _ => true,
        };
        let harmless = is_folder(self.name, inside)
            || self.is_auth() && is_method(inside)
            || is_file(inside)
            || self.hint == NameHint::Possible
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
            let fits = self.sign.trim() == ":" && self.hint != NameHint::Possible;
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
        let weak = self.hint == NameHint::Possible
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
            || self.hint == NameHint::Password && earlier == "login"
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
