//! Rejections: problem documents as in RFC 9457, with statuses that every client understands.
//!
//! Only `200` is success: `202` and `204` break two clients. `503` with a small `Retry-After` is the one transient
//! status that all clients retry. `429` is sent only to a key with a limit of its own; other `5xx` are never sent.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openlineage::{Finding, Severity};
use serde_json::json;

use super::rejection_log::{RejectionEntry, Rejections};
use crate::config::{KeyRole, RateLimit};
use crate::intake::{self, BudgetError, EventSummary, Interruption, RejectionReason};
use crate::telemetry::metric::Metric;

/// Why a request is rejected. Displays what is logged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// The request carries no key.
    #[error("send Authorization: Bearer KEY")]
    MissingKey,
    /// The request carries keys, and none is known.
    #[error("the key is not known")]
    UnknownKey(KeyRole),
    /// The key does not have the role.
    #[error("the key {key} does not have the role {}", .role.name())]
    MissingRole { key: Arc<str>, role: KeyRole },
    /// There are no keys, so that only requests that come directly may change something, and a reverse proxy sent this one.
    #[error(
        "a request through a reverse proxy needs a key with the role operate, and none is configured"
    )]
    Forwarded,
    /// The key has a limit of requests, which is used up for now.
    #[error("the key {key} may send {limit} requests a second")]
    RateLimited { key: Arc<str>, limit: RateLimit },
    /// The body, as sent or decompressed, is too large, or has too many events.
    #[error("{0}")]
    TooLarge(String),
    /// The media type or encoding of the body is not supported.
    #[error("{0}")]
    Unsupported(String),
    /// The body is incomplete, or does not match its headers.
    #[error("{0}")]
    Unreadable(String),
    /// The head is ambiguous.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The body is not an OpenLineage event.
    #[error("{summary}")]
    InvalidEvent {
        rule: &'static str,
        summary: String,
        findings: Vec<Finding>,
        event: Box<EventSummary>,
    },
    /// No route has the path; the nearest one, if any.
    #[error("{0}")]
    NotFound(String),
    /// The route does not have the method.
    #[error("")]
    MethodNotAllowed,
    /// The query has an unknown or invalid parameter.
    #[error("{0}")]
    InvalidQuery(String),
    /// The host is not a name of the proxy.
    #[error("{0}")]
    Misdirected(String),
    /// The request is valid but cannot be served now. The client may send it again.
    #[error("{0}")]
    Unavailable(String),
    /// Somebody asked for what happened to events, and the history is not open.
    #[error("the history is not open: see the log")]
    NoHistory,
    /// Somebody asked whether events could be queued, and they could not. No event was sent.
    #[error("{0}")]
    NotReady(String),
}

/// Records the share of the events of a request that were rejected. An alarm watches the average. Records one value for
/// each request, because embedded metrics hold a hundred values an invocation.
pub(crate) fn record_ratio(rejected: usize, events: usize) {
    if events > 0 {
        Metric::HttpRejectedRatio.record([], rejected as f64 / events as f64);
    }
}

impl Rejection {
    /// Returns the status and the title of the problem. The title is also the reason in the log.
    fn status_and_title(&self) -> (StatusCode, &'static str) {
        match self {
            Rejection::MissingKey => (StatusCode::UNAUTHORIZED, "missing API key"),
            Rejection::UnknownKey(_) => (StatusCode::FORBIDDEN, "invalid API key"),
            Rejection::MissingRole { .. } => (StatusCode::FORBIDDEN, "API key lacks role"),
            Rejection::Forwarded => (StatusCode::FORBIDDEN, "forwarded request"),
            Rejection::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Rejection::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "content too large"),
            Rejection::Unsupported(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported media type")
            }
            Rejection::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable body"),
            Rejection::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad request"),
            Rejection::InvalidEvent { .. } => {
                (StatusCode::BAD_REQUEST, "invalid OpenLineage event")
            }
            Rejection::NotFound(_) => (StatusCode::NOT_FOUND, "not found"),
            Rejection::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
            Rejection::InvalidQuery(_) => (StatusCode::BAD_REQUEST, "invalid query"),
            Rejection::Misdirected(_) => (StatusCode::MISDIRECTED_REQUEST, "misdirected request"),
            Rejection::Unavailable(_) | Rejection::NoHistory => {
                (StatusCode::SERVICE_UNAVAILABLE, "service unavailable")
            }
            Rejection::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        }
    }

    /// Returns the `detail` of the problem document.
    fn detail(&self) -> Option<String> {
        match self {
            Rejection::MethodNotAllowed => None,
            Rejection::InvalidEvent { findings, .. } => count_severities(findings),
            // The reason is only logged: it may name systems behind the proxy.
            Rejection::Unavailable(_) => Some("send it again".to_owned()),
            Rejection::NotReady(_) => Some("events cannot be queued now".to_owned()),
            Rejection::MissingKey
            | Rejection::UnknownKey(_)
            | Rejection::MissingRole { .. }
            | Rejection::Forwarded
            | Rejection::RateLimited { .. }
            | Rejection::TooLarge(_)
            | Rejection::Unsupported(_)
            | Rejection::Unreadable(_)
            | Rejection::BadRequest(_)
            | Rejection::NotFound(_)
            | Rejection::InvalidQuery(_)
            | Rejection::Misdirected(_)
            | Rejection::NoHistory => Some(self.to_string()),
        }
    }

    /// Whether it loses an event of a client. A wrong path carries no event, a request without a known key may be a
    /// stranger's, who must not raise an alarm, and an event that is sent again is not lost.
    fn is_loss(&self) -> bool {
        match self {
            Rejection::MissingRole { role, .. } => *role == KeyRole::Send,
            // Few clients send again after 429.
            Rejection::RateLimited { .. }
            | Rejection::TooLarge(_)
            | Rejection::Unsupported(_)
            | Rejection::Unreadable(_)
            | Rejection::InvalidEvent { .. } => true,
            Rejection::MissingKey
            | Rejection::UnknownKey(_)
            | Rejection::Forwarded
            | Rejection::BadRequest(_)
            | Rejection::NotFound(_)
            | Rejection::MethodNotAllowed
            | Rejection::InvalidQuery(_)
            | Rejection::Misdirected(_)
            | Rejection::Unavailable(_)
            | Rejection::NoHistory
            | Rejection::NotReady(_) => false,
        }
    }

    /// Returns what is logged of the rejection.
    pub(crate) fn entry(&self) -> RejectionEntry {
        let (status, reason) = self.status_and_title();
        let status = status.as_u16();
        match self {
            Rejection::InvalidEvent {
                rule,
                summary,
                event,
                ..
            } => RejectionEntry::new(status, reason, rule, summary, (**event).clone()),
            // The path is logged in another field; the query is not logged.
            Rejection::NotFound(_) | Rejection::MethodNotAllowed | Rejection::InvalidQuery(_) => {
                RejectionEntry::new(status, reason, "", "", EventSummary::default())
            }
            Rejection::NotReady(why) => {
                RejectionEntry::new(status, reason, "", why, EventSummary::default()).uncounted()
            }
            Rejection::MissingKey
            | Rejection::UnknownKey(_)
            | Rejection::MissingRole { .. }
            | Rejection::Forwarded
            | Rejection::RateLimited { .. }
            | Rejection::TooLarge(_)
            | Rejection::Unsupported(_)
            | Rejection::Unreadable(_)
            | Rejection::BadRequest(_)
            | Rejection::Misdirected(_)
            | Rejection::Unavailable(_)
            | Rejection::NoHistory => {
                let detail = self.to_string();
                RejectionEntry::new(status, reason, "", &detail, EventSummary::default())
            }
        }
    }
}

/// Builds the response to a rejected request, with what is counted and logged of it.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (status, title) = self.status_and_title();
        let mut problem = json!({"type": "about:blank", "title": title, "status": status.as_u16()});
        if let Some(members) = problem.as_object_mut() {
            if let Some(detail) = self.detail() {
                members.insert("detail".to_owned(), detail.into());
            }
            if let Rejection::InvalidEvent { findings, .. } = &self {
                members.insert("findings".to_owned(), json!(findings));
            }
        }
        let mut response = (status, Json(problem)).into_response();
        let rejected = Rejections::from(self.entry());
        response.extensions_mut().insert(rejected);
        if self.is_loss() {
            record_ratio(1, 1);
        }
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        match self {
            Rejection::Unavailable(_)
            | Rejection::NoHistory
            | Rejection::NotReady(_)
            | Rejection::RateLimited { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Rejection::UnknownKey(_) => Metric::UnknownKeys.add([], 1),
            Rejection::MissingKey => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Rejection::MissingRole { .. }
            | Rejection::Forwarded
            | Rejection::TooLarge(_)
            | Rejection::Unsupported(_)
            | Rejection::Unreadable(_)
            | Rejection::BadRequest(_)
            | Rejection::InvalidEvent { .. }
            | Rejection::NotFound(_)
            | Rejection::MethodNotAllowed
            | Rejection::InvalidQuery(_)
            | Rejection::Misdirected(_) => {}
        }
        response
    }
}

impl From<intake::RejectedEvent> for Rejection {
    fn from(rejected: intake::RejectedEvent) -> Rejection {
        match rejected.reason {
            RejectionReason::Invalid {
                rule,
                summary,
                findings,
            } => Rejection::InvalidEvent {
                rule,
                summary,
                findings,
                event: rejected.event,
            },
            RejectionReason::TooLarge(why) => Rejection::TooLarge(why),
            RejectionReason::Unavailable(why) => Rejection::Unavailable(why),
            RejectionReason::Bug => Rejection::Unavailable(RejectionReason::Bug.to_string()),
        }
    }
}

impl From<BudgetError> for Rejection {
    fn from(error: BudgetError) -> Rejection {
        Rejection::Unavailable(error.to_string())
    }
}

impl From<Interruption> for Rejection {
    fn from(error: Interruption) -> Rejection {
        Rejection::Unavailable(error.to_string())
    }
}

/// Returns how many of the findings are errors.
fn count_severities(findings: &[Finding]) -> Option<String> {
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let errors = findings.iter().filter(is_error).count();
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
