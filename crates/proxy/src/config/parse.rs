//! How the values of settings are read: each from its text, with an error that says what was expected.
//!
//! Pure leaves of `config.rs`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use openlineage::Level;
use sha2::{Digest, Sha256};
use transform::Style;

use super::Part;

/// The SHA-256 of a key that is given plain, or as `sha256:` and 64 hex digits.
pub fn hash(key: &str) -> Result<[u8; 32], String> {
    // Keys that can be guessed are none; 16 characters of base 62 have 95 bits.
    const SHORTEST: usize = 16;
    match key.strip_prefix("sha256:") {
        Some(digits) => {
            let bytes = hex::decode(digits)
                .ok()
                .and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| "expected 64 hex digits after sha256:".to_owned())
        }
        None if key.len() < SHORTEST => Err(format!("shorter than {SHORTEST} characters")),
        None => Ok(Sha256::digest(key).into()),
    }
}

pub(super) fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: T::Err| format!("{error}, found {text:?}"))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("expected ADDRESS:PORT such as 127.0.0.1:5000, found {text:?}"))
}

pub(super) fn between<T: FromStr + PartialOrd + Display>(
    text: &str,
    least: T,
    most: T,
) -> Result<T, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (&least..=&most).contains(&number));
    number.ok_or_else(|| format!("expected a whole number from {least} to {most}, found {text:?}"))
}

/// Seconds, or a number with a unit (`500ms`, `5s`, `2m`).
pub(super) fn duration(text: &str, least: u64, most: u64) -> Result<Duration, String> {
    let parsed = text
        .parse()
        .ok()
        .map(Duration::from_secs)
        .or_else(|| humantime::parse_duration(text).ok());
    let fits = |duration: &Duration| {
        (Duration::from_secs(least)..=Duration::from_secs(most)).contains(duration)
    };
    parsed.filter(fits).ok_or_else(|| {
        format!("expected {least} to {most} seconds (`5`, `500ms`, `2m`), found {text:?}")
    })
}

/// Bytes, or a number with a unit (`10 MB`, `1 MiB`).
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let size = text
        .parse::<bytesize::ByteSize>()
        .ok()
        .and_then(|size| usize::try_from(size.as_u64()).ok());
    size.filter(|size| *size > 0)
        .ok_or_else(|| format!("expected a size such as 10 MB, found {text:?}"))
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        other => Err(format!("true or false, not {other:?}")),
    }
}

pub(super) fn level(text: &str) -> Result<Level, String> {
    match text {
        "strict" => Ok(Level::Strict),
        "repair" => Ok(Level::Repair),
        other => Err(format!("strict or repair, not {other:?}")),
    }
}

pub(super) fn style(text: &str) -> Result<Style, String> {
    match text {
        "endpoint" => Ok(Style::Endpoint),
        "account_host" => Ok(Style::AccountHost),
        "arn" => Ok(Style::Arn),
        "openlineage" => Ok(Style::OpenLineage),
        "none" => Ok(Style::None),
        other => Err(format!(
            "one of endpoint, account_host, arn, openlineage, none, not {other:?}"
        )),
    }
}

pub(super) fn account(text: &str) -> Result<String, String> {
    let ok = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if ok {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected the 12 digits of an AWS account, found {text:?}"
        ))
    }
}

/// `DomainId` of the DataZone service model: `dzd[-_][a-zA-Z0-9_-]{1,36}`.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("dzd_")
        .or_else(|| text.strip_prefix("dzd-"));
    let ok = rest.is_some_and(|rest| {
        (1..=36).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    });
    if ok {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "expected a domain id such as dzd_a1b2c3, found {text:?}"
        ))
    }
}

/// `arn:aws:iam::123456789012:role/name`, in any partition.
pub(super) fn role_arn(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", id, name] if account(id).is_ok() && name.starts_with("role/") => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "expected a role such as arn:aws:iam::123456789012:role/name, found {text:?}"
        )),
    }
}

pub(super) fn prefix(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.~$".contains(&byte);
    let ok = path.is_empty() || path.starts_with('/') && path.bytes().all(plain);
    if ok {
        Ok(path.to_owned())
    } else {
        Err(format!("expected a path such as /prod, found {text:?}"))
    }
}

pub(super) fn url_text(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if url.has_host() => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(format!("expected a URL, found {text:?}")),
    }
}

pub(super) fn only(text: &str) -> Result<Part, String> {
    match text {
        "ingest" => Ok(Part::Ingest),
        "batch" => Ok(Part::Batch),
        other => Err(format!("ingest or batch, not {other:?}")),
    }
}
