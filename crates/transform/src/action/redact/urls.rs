//! Removes users and passwords from the URLs in a text. Called by `secrets.rs`.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::secrets::replace;
use crate::action::pattern;

/// `jdbc:oracle:thin:user/password@`.
static ORACLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i)(?P<driver>jdbc:oracle:[a-z0-9]+:)[^\s"'@/]+/(?:\\*"[^"\n]{0,200}"|[^\s"']*)@"#)
});

pub(super) fn without_urls(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut text = ORACLE.replace_all(text, "${driver}@");
    replace(&mut text, without_users);
    text
}

fn without_users(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut before: Option<&str> = None;
    for piece in text.split("://") {
        match before {
            None => out.push_str(piece),
            Some(before) => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`');
                let (url, rest) = piece.split_at(piece.find(ends).unwrap_or(piece.len()));
                out.push_str("://");
                out.push_str(without_user(takes_tokens(before), url));
                out.push_str(rest);
            }
        }
        before = Some(piece);
    }
    match out == text {
        true => Cow::Borrowed(text),
        false => Cow::Owned(out),
    }
}

fn takes_tokens(before: &str) -> bool {
    let before = before.as_bytes();
    let ends = |scheme: &&str| {
        let from = before.len().checked_sub(scheme.len());
        from.and_then(|from| before.get(from..))
            .is_some_and(|end| end.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    ["http", "https", "snowflake", "databricks"]
        .iter()
        .any(ends)
}

/// Returns what follows `://`, without user and password. A user alone is a name (`abfss://container@account`), but in
/// a web address it can be a token.
fn without_user(web: bool, url: &str) -> &str {
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user, host)) = authority.rsplit_once('@') {
        let from = authority.len() - host.len();
        return match web || user.contains(':') {
            true => url.get(from..).map_or("", |url| with_slash(web, url)),
            false => url,
        };
    }
    with_slash(web, url)
}

/// `user:pa/ss@host`: the part before the slash is not a host with a port, so it is a user and half a password.
/// (A password that starts with digits and a slash cannot be distinguished from a port.)
fn with_slash(web: bool, url: &str) -> &str {
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    match url.rsplit_once('@') {
        Some((_, host)) if !authority.split(',').all(is_host) => without_user(web, host),
        Some(_) | None => url,
    }
}

/// `name`, `name:1234`, `[::1]:1234`, or a drive letter.
pub(super) fn is_host(host: &str) -> bool {
    let name_and_port = match host.strip_prefix('[') {
        Some(address) => address.split_once(']').map_or("", |(_, port)| port),
        None => host,
    };
    match name_and_port.split_once(':') {
        None => true,
        Some((name, "")) => name.len() == 1,
        Some((_, port)) => port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
