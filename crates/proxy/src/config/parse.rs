//! How the values of settings are read: each from its text, with an error that says what was expected.
//!
//! Pure leaves of `config.rs`.

use std::fmt::Display;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use openlineage::Level;
use sha2::{Digest, Sha256};
use transform::{Style, nearest};

use super::{Part, Role};

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

/// One of these words.
pub(super) fn choice<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let near = nearest(text, names.iter().copied());
        let meant = near.map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        format!(
            "expected one of {}, found {text:?}{meant}",
            names.join(", ")
        )
    })
}

/// An address to listen on, or a name that stands for one. Names are looked up for whoever is going to listen.
pub(super) fn address(text: &str, role: Role) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let expected = |hint: String| {
        format!(
            "expected ADDRESS:PORT such as 127.0.0.1:5000, localhost:5000 or [::1]:5000, found {text:?}{hint}"
        )
    };
    let (host, port) = text
        .rsplit_once(':')
        .ok_or_else(|| expected(String::new()))?;
    let port: u16 = port.parse().map_err(|_| expected(String::new()))?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if inner.is_none() && host.contains(':') {
        let is_ipv6 = host.parse::<Ipv6Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok();
        return Err(expected(match is_ipv6 {
            true => format!("; an IPv6 address stands in brackets: [{host}]:{port}"),
            false => String::new(),
        }));
    }
    if matches!(host, "" | "*") {
        // Which of the two is meant decides who can reach it.
        let hint = format!(
            "; name the address: 0.0.0.0:{port} for all, 127.0.0.1:{port} for this machine alone"
        );
        return Err(expected(hint));
    }
    let host = inner.unwrap_or(host);
    // Not looked up: it is always this machine (RFC 6761, section 6.3). Clients that try ::1 first go on to 127.0.0.1.
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    match role {
        Role::Serve => {
            let found = (host, port).to_socket_addrs();
            let found: Vec<SocketAddr> = found
                .map_err(|error| expected(format!("; {error}")))?
                .collect();
            let first = found.iter().find(|address| address.is_ipv4());
            let first = first.or(found.first()).copied();
            first.ok_or_else(|| expected("; the name has no address".to_owned()))
        }
        Role::Ingest | Role::Batch | Role::Check | Role::Tool => {
            Ok(SocketAddr::from(([0, 0, 0, 0], port)))
        }
    }
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
        other => Err(format!("expected true or false, found {other:?}")),
    }
}

pub(super) fn level(text: &str) -> Result<Level, String> {
    choice(
        text,
        &[("strict", Level::Strict), ("repair", Level::Repair)],
    )
}

pub(super) fn style(text: &str) -> Result<Style, String> {
    let styles = [
        ("endpoint", Style::Endpoint),
        ("account_host", Style::AccountHost),
        ("arn", Style::Arn),
        ("openlineage", Style::OpenLineage),
        ("none", Style::None),
    ];
    choice(text, &styles)
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
    choice(text, &[("ingest", Part::Ingest), ("batch", Part::Batch)])
}
