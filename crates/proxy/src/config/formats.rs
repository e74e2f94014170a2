//! The formats of settings that are specific to the proxy.
//!
//! General formats (sizes, durations, lists) are in the crate `settings`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};

use openlineage::Level;
use settings::{Choice, Format, List, TextCheck};
use transform::Style;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListenAddress {
    /// An IP address and a port.
    Address(SocketAddr),
    /// A host name to resolve, and a port.
    Name(String, u16),
}

impl ListenAddress {
    /// The default: only this machine can connect.
    pub(super) const LOCAL: ListenAddress =
        ListenAddress::Address(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000)));

    /// Returns the address, after resolving a name. Prefers IPv4, which every client can reach.
    pub(super) fn resolve(&self) -> Result<SocketAddr, String> {
        let (host, port) = match self {
            ListenAddress::Address(address) => return Ok(*address),
            ListenAddress::Name(host, port) => (host.as_str(), *port),
        };
        let found = (host, port).to_socket_addrs();
        let found = found
            .map_err(|error| not_an_address(&format!("{host}:{port}"), &format!("; {error}")))?;
        let found: Vec<SocketAddr> = found.collect();
        let first = found
            .iter()
            .find(|address| address.is_ipv4())
            .or(found.first());
        first
            .copied()
            .ok_or_else(|| not_an_address(&format!("{host}:{port}"), "; the name has no address"))
    }
}

fn not_an_address(found: &str, hint: &str) -> String {
    format!(
        "expected {}, found {found:?}{hint}",
        ListenAddress::expected()
    )
}

impl Format for ListenAddress {
    type Value = ListenAddress;

    fn expected() -> String {
        "ADDRESS:PORT such as 127.0.0.1:5000, localhost:5000 or [::1]:5000".to_owned()
    }

    fn values() -> String {
        "address:port".to_owned()
    }

    fn parse(text: &str) -> Result<ListenAddress, String> {
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress::Address(address));
        }
        let wrong = |hint: &str| not_an_address(text, hint);
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong(""))?;
        let port: u16 = port.parse().map_err(|_| wrong(""))?;
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if inner.is_none() && host.contains(':') {
            let is_ipv6 = host.parse::<Ipv6Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok();
            return Err(match is_ipv6 {
                true => wrong(&format!(
                    "; an IPv6 address needs brackets: [{host}]:{port}"
                )),
                false => wrong(""),
            });
        }
        if matches!(host, "" | "*") {
            // The two addresses differ in who can reach them.
            return Err(wrong(&format!(
                "; name the address: 0.0.0.0:{port} for all, 127.0.0.1:{port} for this machine alone"
            )));
        }
        let host = inner.unwrap_or(host);
        if let Ok(address) = host.parse() {
            return Ok(ListenAddress::Address(SocketAddr::new(address, port)));
        }
        // Not resolved, because it is always this machine (RFC 6761, section 6.3). Clients that try ::1 first continue
        // with 127.0.0.1.
        if host.eq_ignore_ascii_case("localhost") {
            let local = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
            return Ok(ListenAddress::Address(local.into()));
        }
        Ok(ListenAddress::Name(host.to_owned(), port))
    }

    fn show(value: &ListenAddress) -> String {
        match value {
            ListenAddress::Address(address) => address.to_string(),
            ListenAddress::Name(host, port) => format!("{host}:{port}"),
        }
    }
}

/// A half of `serve`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Accepts events over HTTP and queues them.
    Ingest,
    /// Takes events from the queue and delivers them.
    Batch,
}

impl Choice for Part {
    const CHOICES: &'static [(&'static str, Part)] =
        &[("ingest", Part::Ingest), ("batch", Part::Batch)];
}

/// How events are validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Validation(pub(super) Level);

impl Choice for Validation {
    const CHOICES: &'static [(&'static str, Validation)] = &[
        ("strict", Validation(Level::Strict)),
        ("repair", Validation(Level::Repair)),
    ];
}

/// How the names of Redshift datasets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamespaceStyle(pub(super) Style);

impl Choice for NamespaceStyle {
    const CHOICES: &'static [(&'static str, NamespaceStyle)] = &[
        ("endpoint", NamespaceStyle(Style::Endpoint)),
        ("account_host", NamespaceStyle(Style::AccountHost)),
        ("arn", NamespaceStyle(Style::Arn)),
        ("openlineage", NamespaceStyle(Style::OpenLineage)),
        ("none", NamespaceStyle(Style::None)),
    ];
}

/// A prefix of the paths of the routes: empty, or `/prod`.
#[derive(Debug)]
pub(super) enum PathPrefix {}

impl Format for PathPrefix {
    type Value = String;

    fn expected() -> String {
        "a path such as /prod".to_owned()
    }

    fn values() -> String {
        "path".to_owned()
    }

    fn parse(text: &str) -> Result<String, String> {
        let path = text.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.~$".contains(&byte);
        match path.is_empty() || path.starts_with('/') && path.bytes().all(plain) {
            true => Ok(path.to_owned()),
            false => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// The URL of an SQS queue.
pub(super) enum QueueUrl {}

impl TextCheck for QueueUrl {
    const EXPECTED: &'static str = "a URL";

    fn is_valid(text: &str) -> bool {
        reqwest::Url::parse(text).is_ok_and(|url| url.has_host())
    }
}

/// The ARN of an SNS topic.
pub(super) enum TopicArn {}

impl TextCheck for TopicArn {
    const EXPECTED: &'static str = "the ARN of a topic (arn:aws:sns:REGION:ACCOUNT:NAME)";

    fn is_valid(text: &str) -> bool {
        aws::sns::is_topic_arn(text)
    }
}

/// An S3 bucket.
pub(super) enum Bucket {}

impl TextCheck for Bucket {
    const EXPECTED: &'static str = "the name of a general-purpose bucket, or the alias of an access point (…-s3alias) in place of its ARN";

    fn is_valid(text: &str) -> bool {
        aws::s3::is_bucket(text)
    }
}

/// Host names of requests.
pub(super) enum HostNames {}

impl Format for HostNames {
    type Value = Vec<String>;

    fn expected() -> String {
        "a list of names such as proxy.example.com or *.example.com".to_owned()
    }

    fn values() -> String {
        "list".to_owned()
    }

    fn parse(text: &str) -> Result<Vec<String>, String> {
        HostNames::read(text.into())
    }

    fn read(value: serde_json::Value) -> Result<Vec<String>, String> {
        let names = List::read(value)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]*".contains(c);
        match names.iter().find(|name| !name.chars().all(plain)) {
            Some(wrong) => Err(format!("expected {}, found {wrong:?}", Self::expected())),
            None => Ok(names),
        }
    }

    fn show(value: &Vec<String>) -> String {
        List::show(value)
    }
}
