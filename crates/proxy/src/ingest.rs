//! Ingest: the HTTP routes that accept events.
//!
//! A request is authorised, read within limits, decompressed, and passed to [`Intake`], whose answers become the
//! response. `200` means that the event is durably in the queue. Ingest never delivers. The contract is in
//! docs/http.md.

mod batch;
mod body;
mod gzip;
mod idempotency;
mod one;
mod route_hints;
mod validate;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware;
use axum::response::Response;
use axum::routing::post;
use openlineage::Level;

use crate::admin;
use crate::config::{self, KeyRole};
use crate::http::guard::{Guard, authorise};
use crate::http::{EventRequest, Paths, RejectionLog, Sender, app, cleaned, trace};
use crate::intake::{CpuPool, Intake, Origin};
use crate::queue::Queue;

/// The most events of one request: they are one write to the queue, and others wait for it.
const MAX_EVENTS: usize = 10_000;

/// The paths of the routes, without the prefix.
pub(crate) const PATHS: [&str; 5] = [
    "/api/v1/lineage",
    "/api/v1/lineage/batch",
    "/api/v1/lineage/validate",
    // The path of the AWS sample, and the one that the Java client makes of a URL that ends with a slash.
    "/post-lineage-event",
    "/",
];

/// The state of the routes. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    intake: Intake,
    guard: Guard,
    level: Level,
    limits: body::Limits,
    pool: CpuPool,
}

impl Ingest {
    /// Creates the routes' state: events go to `queue`, from the senders that `guard` admits.
    pub fn new(config: &config::Ingest, queue: Queue, guard: Guard) -> Ingest {
        let pool = CpuPool::new();
        Ingest {
            inner: Arc::new(Inner {
                intake: Intake::new(queue, config.level, pool.clone()),
                guard,
                level: config.level,
                limits: body::Limits::new(config, pool.clone()),
                pool,
            }),
        }
    }
}

/// Returns the service of the ingest function: the routes of ingest, liveness and readiness.
pub fn router(ingest: Ingest, queue: Queue, prefix: &str) -> Router {
    let routes = routes(ingest, prefix).merge(admin::health(queue, prefix));
    let paths = Paths {
        get: &admin::HEALTH_PATHS,
        post: &PATHS,
    };
    app(routes, paths, prefix, RejectionLog::new())
}

/// Whether the path is a route of [`router`] without its prefix, also with extra slashes.
pub fn is_route(path: &str) -> bool {
    let clean = cleaned(path);
    let path = clean.as_deref().unwrap_or(path);
    PATHS.contains(&path) || admin::HEALTH_PATHS.contains(&path)
}

/// Returns the routes of ingest, under `prefix`.
pub(crate) fn routes(ingest: Ingest, prefix: &str) -> Router {
    let guard = (ingest.inner.guard.clone(), KeyRole::Send);
    let [one, batch, validate, sample, root] = PATHS.map(|path| format!("{prefix}{path}"));
    let mut routes = Router::new()
        .route(&one, post(one::handle))
        .route(&sample, post(one::handle))
        .route(&root, post(one::handle))
        .route(&batch, post(batch::handle))
        .route(&validate, post(validate::handle));
    if !prefix.is_empty() {
        routes = routes.route(prefix, post(one::handle));
    }
    routes
        .route_layer(middleware::from_fn_with_state(guard, authorise))
        .with_state(ingest)
}

fn origin(request: &Request) -> Origin {
    let sender = request.extensions().get::<Sender>();
    Origin::Http {
        sender: sender.map(|sender| sender.0.clone()),
        trace: trace(request.headers()),
    }
}

/// Marks a response to a request with events.
fn carrying_events(mut response: Response) -> Response {
    response.extensions_mut().insert(EventRequest);
    response
}

/// Whether the request has `Prefer: return=minimal` (RFC 7240), the only way to get a `204`.
fn prefers_minimal(headers: &HeaderMap) -> bool {
    let prefer = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok());
    prefer
        .flat_map(|value| value.split(','))
        .any(|preference| preference.trim() == "return=minimal")
}
