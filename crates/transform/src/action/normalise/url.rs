//! Splits a namespace as a driver URL: scheme, user, authority, path and settings. `drivers.rs` interprets the parts.

use super::Normalise;

/// A namespace with `://`.
#[derive(Debug)]
pub(super) struct Url<'n> {
    /// The original text, without `jdbc:` and other prefixes that only select the driver.
    pub(super) scheme: &'n str,
    /// The same text in lower case.
    pub(super) lower: String,
    pub(super) authority: &'n str,
    /// The text from the first slash or settings separator on.
    pub(super) tail: &'n str,
    /// The text after `://`.
    pub(super) rest: &'n str,
    /// Amazon's `redshift:iam`, whose port may be a region.
    pub(super) iam: bool,
}

impl<'n> Url<'n> {
    /// Returns `None` for a text without `://`, and for unknown sub-protocols.
    pub(super) fn read(namespace: &'n str, rule: &Normalise) -> Option<Url<'n>> {
        let (scheme, mut rest) = namespace.split_once("://")?;
        let (scheme, jdbc) = match scheme.split_once(':') {
            Some((first, last)) if rule.jdbc && first.eq_ignore_ascii_case("jdbc") => (last, true),
            _ => (scheme, false),
        };
        let (scheme, iam) = match scheme.split_once(':') {
            Some((first, last)) => (
                sub_protocol(first, last, rule)?,
                last.eq_ignore_ascii_case("iam"),
            ),
            None => (scheme, false),
        };
        let mut lower = scheme.to_ascii_lowercase();
        let mut scheme = scheme;
        // SQLAlchemy's `<dialect>+<driver>`.
        if let (true, Some((dialect, _))) =
            (rule.jdbc && lower != "mongodb+srv", scheme.split_once('+'))
        {
            scheme = dialect;
            lower = dialect.to_ascii_lowercase();
        }
        if jdbc && super::objects::is_one(&lower) {
            return None;
        }
        // `bigquery://https://…`, `jdbc:snowflake://https://…`: a second scheme for the protocol.
        if lower == "bigquery" {
            rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
        } else if let Some(inner) = within(rest).filter(|_| !super::objects::is_one(&lower)) {
            // As a host it would be the same for all of them.
            rest = rule.jdbc.then_some(inner)?;
        }
        let end = authority_end(rest, &lower, rule.jdbc);
        let (authority, tail) = rest.split_at_checked(end)?;
        Some(Url {
            scheme,
            lower,
            authority,
            tail,
            rest,
            iam,
        })
    }

    /// Returns the authority without user and password.
    pub(super) fn host(&self) -> &'n str {
        self.authority
            .rsplit_once('@')
            .filter(|(_, host)| !host.is_empty())
            .map_or(self.authority, |(_, host)| host)
    }
}

/// Returns the text after `http://` or `https://`.
fn within(rest: &str) -> Option<&str> {
    let (scheme, inner) = rest.split_once("://")?;
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    (is("https") || is("http")).then_some(inner)
}

/// Returns the store in `store:driver` or `driver:store`, if it is known.
fn sub_protocol<'n>(first: &'n str, last: &'n str, rule: &Normalise) -> Option<&'n str> {
    let lower = (first.to_ascii_lowercase(), last.to_ascii_lowercase());
    match (lower.0.as_str(), lower.1.as_str()) {
        // Another way to reach the same warehouse.
        ("redshift", "iam") if rule.redshift || rule.jdbc => Some(first),
        ("mysql", "loadbalance" | "replication") if rule.jdbc => Some(first),
        (
            "mariadb",
            "sequential" | "loadbalance" | "load-balance-read" | "replication" | "aurora",
        ) if rule.jdbc => Some(first),
        ("clickhouse" | "ch", "http" | "https" | "grpc") if rule.jdbc => Some(first),
        ("jtds", "sqlserver") if rule.jdbc => Some(last),
        _ => None,
    }
}

/// The end of the authority: a slash or a setting. A password that was not encoded may contain either.
fn authority_end(rest: &str, lower: &str, open: bool) -> usize {
    let mut end = rest.find(['/', ';', '?']).unwrap_or(rest.len());
    if lower == "db2" && !rest.contains('@') {
        end = colon_of_settings(rest.get(..end).unwrap_or_default()).unwrap_or(end);
    }
    let first = rest.get(..end).unwrap_or_default();
    let secret = first.rsplit_once(':').is_some_and(|(user, port)| {
        !user.is_empty()
            && !port.bytes().all(|byte| byte.is_ascii_digit())
            && !user.contains(['[', ',', '('])
    });
    if !open || !secret || super::objects::is_one(lower) || first.contains('@') {
        return end;
    }
    let Some(at) = rest.rfind('@') else {
        return end;
    };
    let after = rest.get(at..).unwrap_or_default();
    at + after.find(['/', ';', '?']).unwrap_or(after.len())
}

/// The start of Db2's settings, which follow a colon: `host:port:key=value`.
fn colon_of_settings(authority: &str) -> Option<usize> {
    let colons = authority.match_indices(':').map(|(at, _)| at);
    let begins = |at: &usize| {
        let rest = authority.get(at + 1..).unwrap_or_default();
        rest.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    { colons }.find(begins)
}

/// Reads settings `key=value`, in order. A value in braces or quotes may contain separators.
pub(super) fn settings<'n>(text: &'n str, separators: &[char]) -> Vec<(&'n str, &'n str)> {
    let (mut found, mut start, mut closing) = (Vec::new(), 0, None);
    let mut previous = '\0';
    for (at, c) in text.char_indices() {
        match closing {
            Some(end) if c == end => closing = None,
            Some(_) => {}
            None if previous == '=' && matches!(c, '{' | '\'' | '"') => {
                closing = Some(if c == '{' { '}' } else { c });
            }
            None if separators.contains(&c) => {
                found.push(text.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            None => {}
        }
        previous = c;
    }
    found.push(text.get(start..).unwrap_or_default());
    let pairs = found
        .into_iter()
        .filter_map(|setting| setting.split_once('='));
    pairs
        .map(|(key, value)| (key.trim(), value.trim().trim_matches(['{', '}', '\'', '"'])))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// The value of the first of these keys, in any case, that is among settings.
pub(super) fn setting(settings: &[(&str, &str)], keys: &[&str]) -> Option<String> {
    let of_key = |key: &&str| {
        let mut settings = settings.iter();
        settings.find(|(name, _)| name.eq_ignore_ascii_case(key))
    };
    let (_, value) = keys.iter().find_map(of_key)?;
    Some((*value).to_owned())
}
