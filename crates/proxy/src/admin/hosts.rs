//! The host names of `serve`: protection against DNS rebinding.
//!
//! A browser identifies a site by its name, so a site that makes its name resolve to 127.0.0.1 can read the responses
//! of a proxy on the reader's machine. But its name is in `Host`, and is not one of ours. The attack needs a name: if
//! the proxy listens on all addresses, any address is accepted. Only routes that read check the host; an event is
//! accepted under any name. Headers such as `X-Forwarded-Host` are claims, and ignored.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// The names and addresses of the proxy.
#[derive(Debug, Clone)]
pub struct Hosts {
    listen: IpAddr,
    configured: Arc<[String]>,
}

/// Why a request is rejected for its host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostError {
    /// `Host` is missing, repeated, or not text (RFC 9112, section 3.2).
    Ambiguous,
    /// The host is not a name of the proxy.
    Unknown(String),
}

impl Hosts {
    /// Returns the names of a `serve` that listens on `listen`, and the `configured` ones: a name, `*.example.com`, or
    /// `*` for all.
    pub fn new(listen: IpAddr, configured: &[String]) -> Hosts {
        Hosts {
            listen,
            configured: configured
                .iter()
                .map(|name| normalized(without_port(name).unwrap_or(name)))
                .collect(),
        }
    }

    /// Checks that a request names the proxy, in `Host` and in an absolute request target, which takes precedence (RFC
    /// 9112, section 3.2.2).
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostError> {
        if self.configured.iter().any(|name| name == "*") {
            return Ok(());
        }
        let mut named = headers.get_all(HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().map_err(|_| HostError::Ambiguous)?,
            _ => return Err(HostError::Ambiguous),
        };
        let target = uri.authority().map(Authority::as_str);
        for host in [Some(host), target].into_iter().flatten() {
            if !self.knows(host) {
                return Err(HostError::Unknown(host.to_owned()));
            }
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        // `user@host` is part of a URL, not a Host.
        if host.contains('@') {
            return false;
        }
        let Some(name) = without_port(host).map(normalized) else {
            return false;
        };
        let address: Option<IpAddr> = name.parse().ok();
        if let Some(address) = address.map(|address| address.to_canonical()) {
            let ours = [
                IpAddr::from([127, 0, 0, 1]),
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
                self.listen.to_canonical(),
            ];
            if self.listen.is_unspecified() || ours.contains(&address) {
                return true;
            }
        }
        name == "localhost"
            || self
                .configured
                .iter()
                .any(|known| matches_pattern(known, &name))
    }
}

/// Whether a request names the machine that it is sent from, as no address of another site does.
pub(crate) fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.and_then(without_port).map(normalized);
    name.is_some_and(|name| {
        let address = name.parse::<IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
    })
}

fn matches_pattern(known: &str, name: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(domain) => name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => known == name,
    }
}

/// Returns the name in lower case, without the final dot of a full name and the brackets of an address.
fn normalized(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let inner = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(name).to_owned()
}

/// Returns the host of `host:port`. Any port is accepted: it may be that of a port forward.
fn without_port(host: &str) -> Option<&str> {
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        Some(_) | None => (host, ""),
    };
    let is_port =
        port.is_empty() || port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
    (is_port && !host.is_empty() && (host.starts_with('[') || !host.contains(':'))).then_some(host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(listen: &str, configured: &[&str], target: &str, hosts: &[&str]) -> bool {
        let configured: Vec<String> = configured.iter().map(|name| (*name).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        headers.insert("x-forwarded-host", "localhost".parse().unwrap());
        let known = Hosts::new(listen.parse().unwrap(), &configured);
        known.admit(&target.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn own_names_are_admitted_with_any_port_and_in_any_case() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:5000",
            "localhost:80",
            "LocalHost.",
            "[::1]",
            "[::1]:8080",
            "[::FFFF:127.0.0.1]:1",
            "localhost:",
        ] {
            assert!(admits("127.0.0.1", &[], "/metrics", &[host]), "{host}");
        }
        assert!(admits("10.1.2.3", &[], "/metrics", &["10.1.2.3:5000"]));
        for host in [
            "proxy.example.com",
            "PROXY.example.com.:5000",
            "a.svc.cluster.local",
        ] {
            assert!(
                admits(
                    "127.0.0.1",
                    &["proxy.Example.com", "*.svc.cluster.local"],
                    "/",
                    &[host]
                ),
                "{host}"
            );
        }
        assert!(admits("127.0.0.1", &["*"], "/", &["anything"]));
        assert!(admits(
            "127.0.0.1",
            &["a.example:5000", "[fd00::1]:5000"],
            "/",
            &["A.example"]
        ));
        assert!(admits(
            "127.0.0.1",
            &["[fd00::1]:5000"],
            "/",
            &["[fd00::1]"]
        ));
    }

    #[test]
    fn another_name_is_rejected_however_it_is_written() {
        let strangers = [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example:5000",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "127.0.0.1:x",
            "127.0.0.1:+5",
            "127.0.0.1:99999",
            "10.1.2.3",
            "0.0.0.0",
            "[::2]",
            "::1",
            "localhost..",
            "xlocalhost",
            "",
            ":5000",
            "[::1",
            "localhost,evil.example",
            "svc.cluster.local",
        ];
        for host in strangers {
            assert!(
                !admits("127.0.0.1", &["*.svc.cluster.local"], "/metrics", &[host]),
                "{host}"
            );
        }
        assert!(!admits("127.0.0.1", &[], "/metrics", &[]));
        assert!(!admits(
            "127.0.0.1",
            &[],
            "/metrics",
            &["localhost", "localhost"]
        ));
        assert!(!admits(
            "127.0.0.1",
            &[],
            "/metrics",
            &["localhost", "evil.example"]
        ));
        assert!(!admits(
            "127.0.0.1",
            &[],
            "http://evil.example/metrics",
            &["localhost"]
        ));
        assert!(!admits(
            "127.0.0.1",
            &[],
            "http://localhost/metrics",
            &["evil.example"]
        ));
        assert!(admits(
            "127.0.0.1",
            &[],
            "http://localhost:5000/metrics",
            &["localhost"]
        ));
    }

    #[test]
    fn on_all_addresses_any_address_is_admitted_and_no_foreign_name() {
        for host in ["10.244.0.17:5000", "[fd00::17]:5000", "192.168.1.2"] {
            assert!(admits("0.0.0.0", &[], "/metrics", &[host]), "{host}");
            assert!(admits("::", &[], "/metrics", &[host]), "{host}");
        }
        assert!(!admits("0.0.0.0", &[], "/metrics", &["evil.example"]));
    }

    proptest! {
        #[test]
        fn a_name_that_is_not_ours_is_never_admitted(host in "[a-z0-9.:\\[\\]@-]{0,30}") {
            let name = host.split(':').next().unwrap_or_default().trim_end_matches('.');
            let ours = ["127.0.0.1", "localhost"].contains(&name) || host.starts_with('[');
            prop_assume!(!ours);
            prop_assert!(!admits("127.0.0.1", &[], "/metrics", &[&host]), "{}", host);
        }
    }
}
