//! What a client is told: problems as RFC 9457, and the statuses that every client understands.
//!
//! Only `200` for success: `202` and `204` break two clients. Never `429`, never a bare `500`: the one transient answer
//! that all clients retry is `503` with a small `Retry-After`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openlineage::{Finding, Severity};
use serde_json::json;

use super::report::{About, Entry, Reported};
use crate::telemetry::metric::Metric;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing says who sends.
    Unauthorised(&'static str),
    /// Whoever sends may not.
    Forbidden(String),
    /// Whoever reads may not.
    NotForReading(String),
    /// The body, as sent or unpacked, is larger than that many bytes.
    TooLarge(String),
    /// The body is of a type or coding that is not taken.
    Unsupported(String),
    /// The request is broken off or no gzip.
    Unreadable(String),
    /// It is no event.
    Invalid(Vec<Finding>, Box<About>),
    /// There is nothing there; what there is.
    NotFound(String),
    /// There is, but not for that method.
    Method,
    /// A query that asks for what there is not.
    Query(String),
    /// It names a host that we are not.
    Misdirected(String),
    /// Not now.
    Unavailable(String),
}

/// Records the share of the events of a request that were rejected. An alarm looks at the average; one value a request,
/// since embedded metrics hold a hundred values an invocation.
pub(super) fn count_judged(lost: usize, of: usize) {
    if of > 0 {
        Metric::HttpRejectedRatio.record([], lost as f64 / of as f64);
    }
}

/// The answer to a refused request. It carries what `report.rs` counts and logs.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let (status, title, detail) = refusal.told();
    let mut problem = json!({"type": "about:blank", "title": title, "status": status.as_u16()});
    if let (Some(problem), Some(detail)) = (problem.as_object_mut(), detail) {
        problem.insert("detail".to_owned(), detail.into());
    }
    if let (Some(problem), Refusal::Invalid(findings, _)) = (problem.as_object_mut(), refusal) {
        problem.insert("findings".to_owned(), json!(findings));
    }
    let mut response = (status, Json(problem)).into_response();
    response
        .extensions_mut()
        .insert(Reported::of(refusal.entry(|| refusal.about())));
    if refusal.is_loss() {
        count_judged(1, 1);
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")))
        }
        StatusCode::UNAUTHORIZED => {
            drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
        }
        _ => {}
    }
    response
}

/// Pointer and rule of the first findings, for a log line.
pub(super) fn pointers<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> String {
    let shown: Vec<String> = findings.into_iter().take(5).map(Finding::brief).collect();
    shown.join(", ")
}

/// The findings that the event is refused for.
pub(super) fn errors(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    (findings.iter()).filter(|finding| finding.severity == Severity::Error)
}

/// How many errors there are, and what else is in the list.
fn counted(findings: &[Finding]) -> Option<String> {
    let errors = errors(findings).count();
    let others = findings.len() - errors;
    let s = |count: usize| if count == 1 { "" } else { "s" };
    (others > 0).then(|| {
        format!(
            "{errors} error{}; the other {others} finding{} would have been repaired",
            s(errors),
            s(others)
        )
    })
}

impl Refusal {
    /// Whether an event of a client is lost with it. A path that is not ours carried none; who has no key at all is a
    /// stranger, and would page somebody at night; what comes again is not lost.
    fn is_loss(&self) -> bool {
        match self {
            Refusal::Forbidden(_)
            | Refusal::TooLarge(_)
            | Refusal::Unsupported(_)
            | Refusal::Unreadable(_)
            | Refusal::Invalid(..) => true,
            Refusal::Unauthorised(_)
            | Refusal::NotForReading(_)
            | Refusal::NotFound(_)
            | Refusal::Method
            | Refusal::Query(_)
            | Refusal::Misdirected(_)
            | Refusal::Unavailable(_) => false,
        }
    }

    /// What is logged of it, and of the event it is about.
    pub(super) fn entry(&self, about: impl FnOnce() -> About) -> Entry {
        let (status, reason, _) = self.told();
        let entry = match self {
            Refusal::Invalid(findings, _) => Entry::event(findings, about),
            Refusal::Unauthorised(why) => Entry::request(why, about),
            Refusal::Forbidden(why)
            | Refusal::NotForReading(why)
            | Refusal::Misdirected(why)
            | Refusal::TooLarge(why)
            | Refusal::Unsupported(why)
            | Refusal::Unreadable(why)
            | Refusal::Unavailable(why) => Entry::request(why, about),
            // The path has a field of its own; a query is not logged.
            Refusal::NotFound(_) | Refusal::Method | Refusal::Query(_) => Entry::request("", about),
        };
        entry.answered_with(status, reason)
    }

    fn about(&self) -> About {
        match self {
            Refusal::Invalid(_, about) => (**about).clone(),
            _ => About::default(),
        }
    }

    fn told(&self) -> (StatusCode, &'static str, Option<String>) {
        match self {
            Refusal::Unauthorised(why) => (
                StatusCode::UNAUTHORIZED,
                "a key is needed",
                Some((*why).to_owned()),
            ),
            Refusal::Forbidden(why) | Refusal::NotForReading(why) => (
                StatusCode::FORBIDDEN,
                "not with that key",
                Some(why.clone()),
            ),
            Refusal::TooLarge(why) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too large",
                Some(why.clone()),
            ),
            Refusal::Unsupported(why) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported media type",
                Some(why.clone()),
            ),
            Refusal::Unreadable(why) => (
                StatusCode::BAD_REQUEST,
                "the body cannot be read",
                Some(why.clone()),
            ),
            Refusal::Invalid(findings, _) => (
                StatusCode::BAD_REQUEST,
                "no OpenLineage event",
                counted(findings),
            ),
            Refusal::NotFound(what) => {
                (StatusCode::NOT_FOUND, "nothing is here", Some(what.clone()))
            }
            Refusal::Query(why) => (StatusCode::BAD_REQUEST, "wrong query", Some(why.clone())),
            Refusal::Misdirected(why) => (
                StatusCode::MISDIRECTED_REQUEST,
                "not for this host",
                Some(why.clone()),
            ),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "not with that method", None),
            // Why is for the log: it may name what stands behind.
            Refusal::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "cannot be queued now",
                Some("send it again".to_owned()),
            ),
        }
    }
}
