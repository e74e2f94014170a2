//! What the HTTP routers share: keys, rejections and their log, paths, queries.
//!
//! `ingest` has the routes that accept events, `admin` those that operate and read. `app` makes a service of such
//! routes: of both for `serve`, of those that it needs for the ingest function.

pub mod auth;
mod caller;
mod discard;
pub(crate) mod guard;
mod paths;
mod query;
mod rejection;
mod rejection_log;
mod sender_log;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use targets::escaped;
use tower::ServiceExt;

use crate::telemetry::metric::Metric;

pub use auth::Keys;
pub use caller::Peer;
pub use guard::Guard;
pub use rejection_log::RejectionLog;

pub(crate) use auth::Denial;
pub(crate) use caller::{Sender, trace};
pub(crate) use discard::{discard_body, drain};
pub(crate) use paths::cleaned;
pub(crate) use query::Query;
pub(crate) use rejection::{Rejection, record_ratio};
pub(crate) use rejection_log::Rejections;

use caller::Caller;
use sender_log::SenderLog;

/// The paths of the routes, without the prefix, to which a request to another path is compared.
pub(crate) struct Paths {
    pub(crate) get: &'static [&'static str],
    pub(crate) post: &'static [&'static str],
}

/// Marks the response to a request with events.
#[derive(Clone)]
pub(crate) struct EventRequest;

/// Makes a service of these routes, whose paths begin with `prefix`. Rejections are counted, and logged in `log`.
pub(crate) fn app(routes: Router, paths: Paths, prefix: &str, log: RejectionLog) -> Router {
    let context = Arc::new((prefix.to_owned(), paths));
    let not_found = move |request| {
        let context = context.clone();
        async move { not_found(&context.0, &context.1, request).await }
    };
    let routes = routes.method_not_allowed_fallback(method_not_allowed);
    let strict = routes.clone().fallback(not_found);
    routes
        .fallback(move |request| retry_with_clean_path(strict.clone(), request))
        .layer(middleware::from_fn_with_state(
            (log, SenderLog::new()),
            observe,
        ))
        .layer(DefaultBodyLimit::disable()) // `ingest/body.rs` has its own, which answers as the contract says
}

/// Accepts an event whose path has extra slashes. Requests that read are not treated like this: a reverse proxy that
/// denies a path must deny all its spellings.
async fn retry_with_clean_path(strict: Router, mut request: Request) -> Response {
    if request.method() == Method::POST
        && let Some(path) = paths::cleaned(request.uri().path())
        && let Some(uri) = with_path(request.uri(), &path)
    {
        *request.uri_mut() = uri;
    }
    let Ok(response) = strict.oneshot(request).await;
    response
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|query| format!("?{query}"));
    let path_and_query = format!("{path}{}", query.unwrap_or_default());
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

async fn not_found(prefix: &str, paths: &Paths, request: Request) -> Response {
    const SHOWN: usize = 200;
    let (method, path) = (request.method().as_str(), request.uri().path());
    let shown: String = path.chars().take(SHOWN).collect();
    let nearest = paths::nearest(paths, prefix, method, path).unwrap_or_else(|| {
        let routes = paths.post.iter().filter(|path| path.starts_with("/api/"));
        let routes: Vec<String> = routes.map(|path| format!("{prefix}{path}")).collect();
        format!("POST {}", routes.join(", "))
    });
    let detail = format!("{}: the nearest is {nearest}", escaped(&shown));
    discard_body(request).await;
    Rejection::NotFound(detail).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    discard_body(request).await;
    Rejection::MethodNotAllowed.into_response()
}

/// Measures requests with events, logs who sends, and counts and logs rejections.
async fn observe(
    State((log, senders)): State<(RejectionLog, SenderLog)>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let caller = Caller::of(&request);
    let mut response = next.run(request).await;
    let extensions = response.extensions_mut();
    if extensions.remove::<EventRequest>().is_some() {
        Metric::IngestDuration.record([], started.elapsed().as_secs_f64());
    }
    let sender = extensions.remove::<Sender>();
    if let Some(sender) = &sender {
        senders.record(sender, &caller);
    }
    if let Some(rejected) = extensions.remove::<Rejections>() {
        log.record(&rejected, &caller, sender.as_ref());
    }
    response
}
