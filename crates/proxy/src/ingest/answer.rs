//! What a client is told: problems as RFC 9457, and the statuses that every client understands.
//!
//! Only `200` for success: `202` and `204` break two clients. Never `429`, never a bare `500`: the one transient answer
//! that all clients retry is `503` with a small `Retry-After`.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::{counter, histogram};
use openlineage::Finding;
use serde_json::json;
use tracing::warn;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing says who sends.
    Unauthorised(&'static str),
    /// Whoever sends may not.
    Forbidden(&'static str),
    /// The body, as sent or unpacked, is larger than that many bytes.
    TooLarge(String),
    /// The body is of a type or coding that is not taken.
    Unsupported(String),
    /// The request is broken off or no gzip.
    Unreadable(String),
    /// It is no event.
    Invalid(Vec<Finding>),
    /// There is nothing there.
    NotFound,
    /// There is, but not for that method.
    Method,
    /// Not now.
    Unavailable(String),
}

/// Refusals that are logged, one a second: enough to see what is wrong, and no lever for a stranger to fill the log. Each
/// line says how many there were since the one before.
static LOGGED: LazyLock<DefaultDirectRateLimiter> =
    LazyLock::new(|| RateLimiter::direct(Quota::per_second(NonZeroU32::MIN)));
static NOT_LOGGED: AtomicU64 = AtomicU64::new(0);

/// How much of a reason is logged, in characters: pointers hold the sender's keys.
const LOGGED_DETAIL: usize = 500;

/// Requests that cannot be queued: what is behind it (a full disk, a queue that is away) has a line of its own, and lasts.
static NOT_QUEUED: LazyLock<DefaultDirectRateLimiter> = LazyLock::new(|| {
    let every = Duration::from_secs(10);
    RateLimiter::direct(Quota::with_period(every).unwrap_or(Quota::per_minute(NonZeroU32::MIN)))
});

/// Says of a request how many of its events were lost to their sender. The average, in percent, is what an alarm looks
/// at; one value a request, since embedded metrics hold a hundred an invocation.
pub(super) fn count_judged(lost: usize, of: usize) {
    if of > 0 {
        histogram!("lineage_proxy_refused_percent").record(100.0 * lost as f64 / of as f64);
    }
}

/// The answer to a refused request. Counts it, and logs it within limits.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let (status, title, detail) = refusal.told();
    counter!("lineage_proxy_refused_total", "status" => status.as_str().to_owned()).increment(1);
    if refusal.is_loss() {
        count_judged(1, 1);
    }
    let limit = match refusal {
        Refusal::Unavailable(_) => &NOT_QUEUED,
        _ => &LOGGED,
    };
    if limit.check().is_ok() {
        // Pointers and rules; messages may quote the sender's values.
        let why = match refusal {
            Refusal::Invalid(findings) => pointers(findings),
            Refusal::Unavailable(why) => why.clone(),
            _ => String::new(),
        };
        let why: String = why.chars().take(LOGGED_DETAIL).collect();
        warn!(
            status = status.as_u16(),
            reason = title,
            detail = why,
            not_logged = NOT_LOGGED.swap(0, Ordering::Relaxed),
            "refused"
        );
    } else {
        NOT_LOGGED.fetch_add(1, Ordering::Relaxed);
    }
    let mut problem = json!({"type": "about:blank", "title": title, "status": status.as_u16()});
    if let (Some(problem), Some(detail)) = (problem.as_object_mut(), detail) {
        problem.insert("detail".to_owned(), detail.into());
    }
    if let (Some(problem), Refusal::Invalid(findings)) = (problem.as_object_mut(), refusal) {
        problem.insert("findings".to_owned(), json!(findings));
    }
    let mut response = (status, Json(problem)).into_response();
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
pub(super) fn pointers(findings: &[Finding]) -> String {
    let shown: Vec<String> = findings.iter().take(5).map(Finding::brief).collect();
    shown.join(", ")
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
            | Refusal::Invalid(_) => true,
            Refusal::Unauthorised(_)
            | Refusal::NotFound
            | Refusal::Method
            | Refusal::Unavailable(_) => false,
        }
    }

    fn told(&self) -> (StatusCode, &'static str, Option<String>) {
        match self {
            Refusal::Unauthorised(why) => (
                StatusCode::UNAUTHORIZED,
                "a key is needed",
                Some((*why).to_owned()),
            ),
            Refusal::Forbidden(why) => (
                StatusCode::FORBIDDEN,
                "not with that key",
                Some((*why).to_owned()),
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
            Refusal::Invalid(_) => (StatusCode::BAD_REQUEST, "no OpenLineage event", None),
            Refusal::NotFound => {
                let routes =
                    "POST /api/v1/lineage, /api/v1/lineage/batch or /api/v1/lineage/validate"
                        .to_owned();
                (StatusCode::NOT_FOUND, "nothing is here", Some(routes))
            }
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
