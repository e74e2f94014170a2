//! Ingest: HTTP in, queue out. One router for `serve` and for the Lambda.
//!
//! A request goes: authorised, read within limits, unpacked, judged, queued, answered. `200` means that the event is
//! in the queue, durably. Ingest never delivers. The contract is in the README, "HTTP".

mod answer;
pub mod auth;
mod body;
mod caller;
pub mod gateway;
mod misdirected;
mod read_back;
mod report;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use openlineage::Level;
use targets::Store;

use crate::config;
use crate::queue::Queue;
use crate::telemetry::Prometheus;

pub use auth::Keys;
pub use caller::Peer;
pub use report::tell_suppressed;
pub use routes::verdict;

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
        };
        Ingest {
            inner: Arc::new(inner),
        }
    }

    /// Adds what only `serve` has: its metrics, and the store to be read back.
    #[must_use]
    pub fn with_local(self, prometheus: Prometheus, store: Option<Store>) -> Ingest {
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
        };
        Ingest {
            inner: Arc::new(inner),
        }
    }
}

/// All routes, under the configured prefix.
pub fn router(ingest: Ingest, prefix: &str) -> Router {
    let at = |path: &str| format!("{prefix}{path}");
    let open = Router::new()
        .route(&at("/healthz"), get(routes::healthz))
        .route(&at("/readyz"), get(routes::readyz));
    let mut closed = Router::new()
        .route(&at("/api/v1/lineage"), post(routes::one))
        // The path of the AWS sample, and what the Java client makes of a URL with nothing but a slash.
        .route(&at("/post-lineage-event"), post(routes::one))
        .route(&at("/"), post(routes::one))
        .route(&at("/api/v1/lineage/batch"), post(routes::many))
        .route(&at("/api/v1/lineage/validate"), post(routes::validate))
        .route(&at("/api/v1/events/lineage"), get(read_back::events))
        .route(&at("/metrics"), get(routes::metrics));
    if !prefix.is_empty() {
        closed = closed.route(prefix, post(routes::one));
    }
    let guard = middleware::from_fn_with_state(ingest.clone(), authorise);
    open.merge(closed.route_layer(guard))
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(middleware::from_fn(report::observe))
        .layer(DefaultBodyLimit::disable()) // `body` has its own, which answers as the contract says
        .with_state(ingest)
}

/// Before anything of the body is read.
async fn authorise(State(ingest): State<Ingest>, request: Request, next: Next) -> Response {
    match ingest.inner.keys.admit(request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            body::drain(request.into_body()).await;
            answer::refused(&refusal)
        }
    }
}
