//! The caller of a request, for log lines.
//!
//! The peer is the other end of the connection (for functions, the address that API Gateway reports). `X-Forwarded-For`
//! is only a claim, and is logged as one. Its last entry, which the nearest proxy wrote if there is one, distinguishes
//! the callers behind that proxy.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};

use crate::queue::Trace;
use crate::telemetry::text::shown;

/// The address of the other end of the connection; an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The name of the API key that a request carries; an extension of the request and of its response.
#[derive(Debug, Clone)]
pub(crate) struct Sender(pub(crate) Arc<str>);

/// The most characters of a header that are logged.
const MAX_HEADER: usize = 200;

/// The caller of a request, from its headers. Borrows their text: for most requests nothing is logged.
pub(super) struct Caller {
    peer: Option<IpAddr>,
    method: Method,
    uri: Uri,
    agent: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
    trace: Option<Trace>,
}

/// The callers that share one limit in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum CallerGroup {
    /// The holder of the key with this name.
    Sender(Arc<str>),
    /// An address, and the last address that it forwards for.
    Address(Option<IpAddr>, Option<IpAddr>),
}

impl Caller {
    pub(super) fn of(request: &Request) -> Caller {
        let header = |name: &str| last(request.headers(), name);
        Caller {
            peer: request
                .extensions()
                .get::<Peer>()
                .map(|peer| peer.0.to_canonical()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            agent: header("user-agent"),
            forwarded: header("x-forwarded-for"),
            trace: trace(request.headers()),
        }
    }

    pub(super) fn peer(&self) -> Option<String> {
        self.peer.map(|peer| peer.to_string())
    }

    pub(super) fn method(&self) -> String {
        shown(self.method.as_str(), MAX_HEADER).into_owned()
    }

    /// Returns the path without the query, which may contain a key for another service.
    pub(super) fn path(&self) -> String {
        shown(self.uri.path(), MAX_HEADER).into_owned()
    }

    pub(super) fn user_agent(&self) -> Option<String> {
        self.agent.as_ref().map(text)
    }

    pub(super) fn forwarded_for(&self) -> Option<String> {
        self.forwarded.as_ref().map(text)
    }

    /// Returns the id of the trace that the request belongs to.
    pub(super) fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref().map(Trace::id)
    }

    pub(super) fn source(&self, sender: Option<&Sender>) -> CallerGroup {
        if let Some(Sender(name)) = sender {
            return CallerGroup::Sender(name.clone());
        }
        let forwarded = self
            .forwarded
            .as_ref()
            .and_then(|value| value.to_str().ok());
        let nearest = forwarded.and_then(|value| value.rsplit(',').next()?.trim().parse().ok());
        CallerGroup::Address(self.peer.map(network), nearest.map(network))
    }
}

/// Returns the trace that a request belongs to: that of X-Ray, which is that of the invocation in a function, or else that of
/// W3C. Like the forwarded address, it is what the caller says.
pub(crate) fn trace(headers: &HeaderMap) -> Option<Trace> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let xray = text("x-amzn-trace-id").and_then(Trace::from_xray);
    xray.or_else(|| text("traceparent").and_then(Trace::from_traceparent))
}

/// Returns the last header of that name: the nearest proxy appends its own.
fn last(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    headers.get_all(name).iter().next_back().cloned()
}

fn text(value: &HeaderValue) -> String {
    shown(&String::from_utf8_lossy(value.as_bytes()), MAX_HEADER).into_owned()
}

/// Returns the network of an address: an IPv6 host may use any address of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn caller(peer: &str, forwarded: Option<&str>) -> Caller {
        let mut request = Request::builder().uri("/api/v1/lineage?api_key=secret");
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        let mut request = request
            .header("user-agent", "a\u{e9}\tb")
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        Caller::of(&request)
    }

    #[test]
    fn a_line_has_no_query_and_no_control_character() {
        let caller = caller("::ffff:10.0.0.7", None);
        assert_eq!(caller.path(), "/api/v1/lineage");
        assert_eq!(caller.peer().as_deref(), Some("10.0.0.7"));
        assert_eq!(caller.user_agent().as_deref(), Some("aé\\u{9}b"));
    }

    #[test]
    fn callers_behind_a_proxy_are_distinguished_by_the_address_that_it_wrote() {
        let of = |peer, forwarded| caller(peer, forwarded).source(None);
        assert_ne!(
            of("10.0.0.1", Some("1.1.1.1")),
            of("10.0.0.1", Some("1.1.1.2"))
        );
        assert_eq!(
            of("10.0.0.1", Some("9.9.9.9, 1.1.1.1")),
            of("10.0.0.1", Some("1.1.1.1"))
        );
        assert_eq!(of("2001:db8::1", None), of("2001:db8::2", None));
        assert_ne!(of("2001:db8::1", None), of("2001:db8:0:1::1", None));
        let sender = Sender("etl".into());
        assert_eq!(
            caller("10.0.0.1", None).source(Some(&sender)),
            CallerGroup::Sender("etl".into())
        );
    }
}
