//! Secrets recognised by their form, whatever precedes them: cloud keys, tokens of well-known services,
//! JSON web tokens, private keys. And secrets at a known position of a known structure: elements of XML, pairs of
//! `name` and `value`, arguments of ClickHouse's table functions.
//!
//! Called by `secrets.rs` for every string of an event.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::key::{NameHint, hints, name_hint};
use super::mask::STARS;
use crate::action::pattern;

/// The prefixes with which GitHub, GitLab, Slack, Stripe, Google, Databricks, npm, PyPI, Vault, Hugging Face, SendGrid,
/// DigitalOcean, dbt Cloud and AWS mark their secrets for scanners
/// (<https://docs.github.com/code-security/secret-scanning/introduction/supported-secret-scanning-patterns>).
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)(?:[\s:,/"']{1,4}[A-Za-z0-9/+=]{40})?"#,
        r"|(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3}",
        r"|(?-u:\b)gh[pousr]_[A-Za-z0-9]{20,}|(?-u:\b)github_pat_[A-Za-z0-9_]{20,}|(?-u:\b)glpat-[A-Za-z0-9_-]{16,}",
        r"|(?-u:\b)xox[abeprs]-[A-Za-z0-9-]{10,}|(?-u:\b)[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|(?-u:\b)AIza[A-Za-z0-9_-]{35}",
        r"|(?-u:\b)ya29\.[A-Za-z0-9_.-]{20,}|(?-u:\b)dapi[0-9a-f]{32}(?:-\d)?|(?-u:\b)npm_[A-Za-z0-9]{36}|(?-u:\b)pypi-AgE[A-Za-z0-9_-]{20,}",
        r"|(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{20,}|(?-u:\b)hf_[A-Za-z0-9]{30,}|(?-u:\b)SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        r"|(?-u:\b)dop_v1_[0-9a-f]{32,}|(?-u:\b)dbt[cu]_[A-Za-z0-9_-]{20,}|(?-u:\b)sk-[A-Za-z0-9_-]{20,}",
        r"|(?-u:\b)xapp-[A-Za-z0-9-]{16,}|(?-u:\b)AGE-SECRET-KEY-1[A-Za-z0-9]{20,}|(?i:PuTTY-User-Key-File-\d:)(?s:.*)",
        r"|discord(?:app)?\.com/api/webhooks/[A-Za-z0-9_/-]{16,}|webhook\.office\.com/webhookb2/[^\s\x22'<>]{16,}",
        r"|hooks\.slack\.com/services/[A-Za-z0-9/]{16,}",
        r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ))
});

/// `Bearer x`, `Basic eDp5`: not prose, by length or digits.
static SCHEMES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(?-u:\b)(?P<scheme>bearer|basic)(?P<space>\s+)(?P<value>[A-Za-z0-9._~+/-]{6,}=*)")
});

/// The shortest text with one of these: `basic`, a space and six characters.
const SHORTEST: usize = 12;

static ELEMENTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?P<open><(?P<name>[A-Za-z0-9_.:-]{1,200})(?:\s[^<>]{0,300})?>)(?P<value>[^<]+)(?P<end></)",
    )
});

/// `<name>fs.s3a.secret.key</name><value>x</value>`, `{"name": "DB_PASSWORD", "value": "x"}`, `- name: X\n  value: y`.
static PAIRS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<open>\b(?:name|key|parameterkey|parametername)(?:>|\\*["']?\s{0,4}[:=]\s{0,4}\\*["']?)(?P<name>[A-Za-z0-9_.-]{1,200})(?:</(?:name|key)>\s{0,80}<value>|\\*["']?,?\s{0,80}\\*["']?(?:parameter)?value\\*["']?\s{0,4}[:=]\s{0,4}\\*["']?))(?P<value>[^"'\\\s,}<]+)"#,
    )
});

/// The same with the value first: `{"value": "x", "name": "DB_PASSWORD"}`.
static TURNED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<open>\\*["']value\\*["']\s{0,4}:\s{0,4}\\*["'])(?P<value>[^"'\\\s,}<]+)(?P<end>\\*["'],\s{0,80}\\*["'](?:name|key)\\*["']\s{0,4}:\s{0,4}\\*["'](?P<name>[A-Za-z0-9_.-]{1,200}))"#,
    )
});

/// Code that sets a value by name: `conf.set("fs.s3a.secret.key", "x")`, `.option('password', 'x')`,
/// `os.environ.get("DB_PASSWORD", "x")`. Not `df.select("token", "user")`.
static CALLS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?P<open>\b(?i:set|option|config|conf|property|setproperty|setconf|set_config|put|putenv|setenv|setdefault|define|header|addheader|setheader|set_header|add_header|getenv|get|getordefault|getproperty|withproperty|with_config|add_config|putextra|update)\(\s{0,20}[rbuf]?\\*["'](?P<name>[A-Za-z0-9_.-]{1,200})\\*["'],\s{0,20}(?:[a-z_]{1,20}\s?=\s?)?[rbuf]{0,2}\\*["'])(?P<value>[^"'\\\n]+)(?P<end>\\*["'])"#,
    )
});

/// Settings in a URL inside another: `odbc_connect=UID%3Du%3BPWD%3Dx%3B`.
static ENCODED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?P<open>(?:%26|%3B|%3F|%22|\b)(?P<name>[A-Za-z0-9_.-]{1,100})%3D)(?P<value>(?:[^%&\s"'<>;\\]|%(?:[0-14-9A-F][0-9A-F]|2[0-57-9A-F]|3[0-9AC-F]))+)"#,
    )
});

/// A map in Go's format: `map[password:x user:y]`.
static GO_MAPS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?P<open>[\[ ](?P<name>[A-Za-z0-9_.-]{1,100}):)(?P<value>[^\s\]"']+)"#)
});

/// ClickHouse's functions and engines that take keys and passwords by position
/// (<https://clickhouse.com/docs/sql-reference/table-functions>), up to the first argument.
static FUNCTIONS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(?P<store>s3|s3cluster|s3queue|gcs|oss|cosn|hudi|deltalake|deltalakecluster|iceberg|icebergs3|azureblobstorage|azureblobstoragecluster|azurequeue)|(?P<server>mysql|postgresql|mongodb|remote|remotesecure|redis))\s{0,4}\(\s{0,4}'",
    )
});

/// Redacts `text`; borrowed if nothing changes.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if text.len() >= SHORTEST {
        step(&mut text, |text| TOKENS.replace_all(text, STARS));
        let blank = |byte: &u8| *byte <= b' ' || !byte.is_ascii();
        if text.as_bytes().iter().any(blank) {
            step(&mut text, |text| SCHEMES.replace_all(text, scheme));
        }
    }
    if hints(&text) {
        if text.contains("</") {
            step(&mut text, |text| ELEMENTS.replace_all(text, named));
        }
        if text.contains("alue") || text.contains("ALUE") {
            step(&mut text, |text| PAIRS.replace_all(text, named));
            step(&mut text, |text| TURNED.replace_all(text, named));
        }
        if text.contains('(') {
            step(&mut text, |text| CALLS.replace_all(text, named));
        }
        if text.contains("%3D") || text.contains("%3d") {
            step(&mut text, |text| ENCODED.replace_all(text, named));
        }
        if text.contains("map[") {
            step(&mut text, |text| GO_MAPS.replace_all(text, named));
        }
    }
    if text.contains("('") || text.contains("( '") {
        step(&mut text, arguments);
    }
    text
}

fn step<'t>(text: &mut Cow<'t, str>, by: impl Fn(&str) -> Cow<'_, str>) {
    let new = match by(text) {
        Cow::Owned(new) if new != **text => new,
        Cow::Owned(_) | Cow::Borrowed(_) => return,
    };
    *text = Cow::Owned(new);
}

fn group<'t>(found: &Captures<'t>, name: &str) -> &'t str {
    found.name(name).map_or("", |group| group.as_str())
}

fn scheme(found: &Captures<'_>) -> String {
    let value = group(found, "value");
    let digit = value.contains(|c: char| c.is_ascii_digit());
    let basic = group(found, "scheme").eq_ignore_ascii_case("basic");
    let secret = match basic {
        // Base64 of `user:password` has padding or a length divisible by four, and is not a word.
        true => {
            value.len().is_multiple_of(4) && (digit || value.ends_with('=')) && value.len() >= 8
        }
        false => digit || value.len() >= 20,
    };
    match secret {
        true => format!("{}{}{STARS}", group(found, "scheme"), group(found, "space")),
        false => group_all(found),
    }
}

fn group_all(found: &Captures<'_>) -> String {
    found
        .get(0)
        .map_or(String::new(), |all| all.as_str().to_owned())
}

fn named(found: &Captures<'_>) -> String {
    let name = group(found, "name");
    match name_hint(name) == NameHint::Harmless || group(found, "value").trim().is_empty() {
        true => group_all(found),
        false => format!("{}{STARS}{}", group(found, "open"), group(found, "end")),
    }
}

/// The single-quoted arguments except the first, or the first three.
fn arguments(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = FUNCTIONS.captures_at(text, from) {
        let Some(whole) = found.get(0) else { break };
        let harmless = if found.name("store").is_some() { 1 } else { 3 };
        let (mut at, mut argument, mut depth) = (whole.end() - 1, 0, 1_usize);
        from = whole.end();
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth == 1 => argument += 1,
                '\'' => {
                    let Some(literal) = text.get(at..).and_then(super::value::literal) else {
                        break;
                    };
                    if argument >= harmless {
                        out.push_str(text.get(done..=at).unwrap_or_default());
                        out.push_str(STARS);
                        out.push('\'');
                        done = at + literal.length;
                    }
                    at += literal.length;
                    from = at;
                    continue;
                }
                _ => {}
            }
            at += c.len_utf8();
            from = at;
            if depth == 0 {
                break;
            }
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}
