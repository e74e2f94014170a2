//! Ingest: HTTP in, queue out. One router for `serve` and for the Lambda.
//!
//! A request goes: authorised, read within limits, unpacked, judged, queued, answered. `200` means that the event is
//! in the queue, durably. Ingest never delivers. The contract is in docs/http.md.

mod answer;
pub mod auth;
mod body;
mod caller;
mod hosts;
mod misdirected;
mod paths;
mod query;
mod read_back;
mod report;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use openlineage::Level;
use targets::{Store, escaped};
use tower::ServiceExt;

use crate::config::{self, KeyRole};
use crate::queue::Queue;
use crate::telemetry::Prometheus;
use crate::telemetry::metric::Metric;

pub use auth::Keys;
pub use caller::Peer;
pub use hosts::Hosts;
pub use report::tell_suppressed;
pub use routes::verdict;

use answer::Refusal;
use auth::Denied;
use caller::Sender;
use hosts::Stranger;

/// What the routes need, set up once.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Queue,
    keys: Keys,
    level: Level,
    limits: body::Limits,
    prometheus: Option<Prometheus>,
    store: Option<Store>,
    /// The names that we are known by, where anything can be read.
    hosts: Option<Hosts>,
}

impl Ingest {
    /// Takes events for `queue` from whoever has one of `keys`.
    pub fn new(config: &config::Ingest, queue: Queue, keys: Keys) -> Ingest {
        let inner = Inner {
            queue,
            keys,
            level: config.level,
            limits: body::Limits::new(config),
            prometheus: None,
            store: None,
            hosts: None,
        };
        Ingest {
            inner: Arc::new(inner),
        }
    }

    /// Adds what only `serve` has: its metrics, and the store to be read back, for those who call it by one of its names.
    #[must_use]
    pub fn with_local(self, prometheus: Prometheus, store: Option<Store>, hosts: Hosts) -> Ingest {
        let Inner {
            queue,
            keys,
            level,
            limits,
            ..
        } = &*self.inner;
        let (queue, keys, limits) = (queue.clone(), keys.clone(), limits.clone());
        let inner = Inner {
            queue,
            keys,
            level: *level,
            limits,
            prometheus: Some(prometheus),
            store,
            hosts: Some(hosts),
        };
        Ingest {
            inner: Arc::new(inner),
        }
    }
}

/// All routes, under the configured prefix.
pub fn router(ingest: Ingest, prefix: &str) -> Router {
    let routes = routes(&ingest, prefix);
    let prefix: Arc<str> = prefix.into();
    let lost = move |request| {
        let prefix = prefix.clone();
        async move { routes::not_found(&prefix, request).await }
    };
    let strict = routes.clone().fallback(lost).with_state(ingest.clone());
    routes
        .fallback(move |request| again(strict.clone(), request))
        .layer(middleware::from_fn(report::observe))
        .layer(DefaultBodyLimit::disable()) // `body` has its own, which answers as the contract says
        .with_state(ingest)
}

/// What no route takes: an event whose path has slashes too many is taken all the same. Nothing is read that way, so that
/// whoever keeps others from a path in front of us keeps them from all of it.
async fn again(strict: Router, mut request: Request) -> Response {
    if request.method() == Method::POST
        && let Some(path) = paths::cleaned(request.uri().path())
        && let Some(uri) = with_path(request.uri(), &path)
    {
        *request.uri_mut() = uri;
    }
    let Ok(answer) = strict.oneshot(request).await;
    answer
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    let query = uri.query().map(|query| format!("?{query}"));
    parts.path_and_query = Some(
        format!("{path}{}", query.unwrap_or_default())
            .parse()
            .ok()?,
    );
    Uri::from_parts(parts).ok()
}

fn routes(ingest: &Ingest, prefix: &str) -> Router<Ingest> {
    let at = |path: &str| format!("{prefix}{path}");
    let guard = |role| middleware::from_fn_with_state((ingest.clone(), role), authorise);
    let open = Router::new()
        .route(&at("/healthz"), get(routes::healthz))
        .route(&at("/readyz"), get(routes::readyz));
    let mut takes = Router::new()
        .route(&at("/api/v1/lineage"), post(routes::one))
        // The path of the AWS sample, and what the Java client makes of a URL with nothing but a slash.
        .route(&at("/post-lineage-event"), post(routes::one))
        .route(&at("/"), post(routes::one))
        .route(&at("/api/v1/lineage/batch"), post(routes::many))
        .route(&at("/api/v1/lineage/validate"), post(routes::validate));
    if !prefix.is_empty() {
        takes = takes.route(prefix, post(routes::one));
    }
    let reads = Router::new()
        .route(&at("/api/v1/events/lineage"), get(read_back::events))
        .route_layer(guard(KeyRole::Read));
    let metrics = Router::new()
        .route(&at("/metrics"), get(routes::metrics))
        .route_layer(guard(KeyRole::Metrics));
    let named = middleware::from_fn_with_state(ingest.clone(), for_us);
    open.merge(takes.route_layer(guard(KeyRole::Send)))
        .merge(reads.merge(metrics).route_layer(named))
        .method_not_allowed_fallback(routes::method_not_allowed)
}

/// Before anything of the body is read.
async fn authorise(
    State((ingest, role)): State<(Ingest, KeyRole)>,
    mut request: Request,
    next: Next,
) -> Response {
    match ingest.inner.keys.admit(request.headers(), role).await {
        Ok(sender) => {
            if let Some(sender) = &sender {
                request.extensions_mut().insert(sender.clone());
            }
            let answer = next.run(request).await;
            of_sender(&ingest, sender, answer)
        }
        Err(Denied { refusal, sender }) => {
            body::spare(request).await;
            of_sender(&ingest, sender, answer::refused(&refusal))
        }
    }
}

/// The answer to whoever has that key, counted and marked as theirs.
fn of_sender(ingest: &Ingest, sender: Option<Sender>, mut answer: Response) -> Response {
    if let Some(sender) = sender {
        // As many as there are keys. Not of a function: each would be a metric that costs.
        if ingest.inner.prometheus.is_some() {
            let name = sender.0.to_string();
            let status = answer.status().as_str().to_owned();
            Metric::SenderRequests.add([name.into(), status.into()], 1);
        }
        answer.extensions_mut().insert(sender);
    }
    answer
}

/// What can be read is not for a site whose name was made to stand for our address.
async fn for_us(State(ingest): State<Ingest>, request: Request, next: Next) -> Response {
    let Some(hosts) = &ingest.inner.hosts else {
        return next.run(request).await;
    };
    let refusal = match hosts.admit(request.uri(), request.headers()) {
        Ok(()) => return next.run(request).await,
        Err(Stranger::Unclear) => {
            Refusal::Unreadable("exactly one Host is needed to read".to_owned())
        }
        Err(Stranger::Named(host)) => {
            let host: String = host.chars().take(100).collect();
            let host = escaped(&host);
            Refusal::Misdirected(format!(
                "{host:?} is no name of this proxy: call it by its address, or add the name to the setting hosts"
            ))
        }
    };
    body::spare(request).await;
    answer::refused(&refusal)
}
