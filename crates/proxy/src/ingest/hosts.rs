//! The names that `serve` is known by: a page of another site may not read from it.
//!
//! A browser takes a site for the same as long as its name is, so a site whose name is made to stand for 127.0.0.1 reads
//! what a proxy on the reader's own machine answers (DNS rebinding). Its name stands in `Host`, and is none of ours. A name
//! is needed for it: where we listen on all addresses, any address is good. Only routes that read ask here; an
//! event is taken whatever the client calls us. Headers such as `X-Forwarded-Host` are claims, and not looked at.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Names and addresses that we answer to.
#[derive(Debug, Clone)]
pub struct Hosts {
    listen: IpAddr,
    configured: Arc<[String]>,
}

/// Why a request is not for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// It does not say whom it is for, or says two (RFC 9112, section 3.2).
    Unclear,
    /// It is for somebody else.
    Named(String),
}

impl Hosts {
    /// Those of a `serve` that listens on that address, and `configured` ones: a name, `*.example.com`, or `*` for all.
    pub fn new(listen: IpAddr, configured: &[String]) -> Hosts {
        Hosts {
            listen,
            configured: configured
                .iter()
                .map(|name| plain(without_port(name).unwrap_or(name)))
                .collect(),
        }
    }

    /// Whether a request names us. What its target says counts besides `Host`: a server has to go by it
    /// (RFC 9112, section 3.2.2).
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Stranger> {
        if self.configured.iter().any(|name| name == "*") {
            return Ok(());
        }
        let mut named = headers.get_all(HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().map_err(|_| Stranger::Unclear)?,
            _ => return Err(Stranger::Unclear),
        };
        let target = uri.authority().map(Authority::as_str);
        for host in [Some(host), target].into_iter().flatten() {
            if !self.knows(host) {
                return Err(Stranger::Named(host.to_owned()));
            }
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        // `user@host` is a URL's, and no Host.
        if host.contains('@') {
            return false;
        }
        let Some(name) = without_port(host).map(plain) else {
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
        name == "localhost" || self.configured.iter().any(|known| is_like(known, &name))
    }
}

fn is_like(known: &str, name: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(domain) => name
            .strip_suffix(domain)
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => known == name,
    }
}

/// In lower case, without the dot of a full name and the brackets of an address.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let inner = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(name).to_owned()
}

/// The host of `host:port`, whatever the port is: it may be that of a forward.
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
    fn our_own_names_are_known_with_any_port_and_in_any_case() {
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
    fn another_name_is_not_however_it_is_written() {
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
    fn who_listens_everywhere_answers_to_every_address_and_to_no_foreign_name() {
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
