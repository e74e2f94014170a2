//! The administrative routes: liveness, readiness, metrics, reading events and what happened to them.
//!
//! `serve` has all of them; the ingest function has only `health`. Routes that read respond only to requests that
//! name the proxy by one of its own names ([`Hosts`]), also with a key.

mod events;
mod hosts;
mod marquez;
mod read_back;

use ::page::in_turn;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use targets::escaped;
use tokio::sync::Semaphore;

use crate::config::KeyRole;
use crate::history::CurrentHistory;
use crate::http::guard::{Guard, authorise};
use crate::http::{Rejection, discard_body};
use crate::page::ProxyEvents;
use crate::queue::{Form, Queue};
use crate::telemetry::Prometheus;

pub use hosts::Hosts;
pub(crate) use hosts::names_this_machine;

#[cfg(test)]
pub(crate) use marquez::PATHS as MARQUEZ_PATHS;

use events::Searcher;
use hosts::HostError;
use marquez::Marquez;
use read_back::ReadBack;

/// The paths of [`health`], without the prefix.
pub(crate) const HEALTH_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The paths of [`Admin::routes`], without the prefix.
pub(crate) const PATHS: [&str; 5] = [
    "/api/v1/events/lineage",
    "/api/v1/events",
    "/metrics",
    "/healthz",
    "/readyz",
];

/// The most concurrent searches of the history: each may take a core.
const MAX_SEARCHES: usize = 2;

/// The state of the routes of `serve`.
pub struct Admin {
    /// The queue whose readiness is checked.
    pub queue: Queue,
    /// The metrics that are rendered.
    pub prometheus: Prometheus,
    /// The form of events that is read back if a query names none.
    pub form: Form,
    /// What happened to events, if that is recorded.
    pub history: Option<CurrentHistory>,
    /// The events that wait.
    pub(crate) events: Arc<ProxyEvents>,
    /// The names by which readers may address the proxy.
    pub hosts: Hosts,
    /// Who may read.
    pub guard: Guard,
}

impl Admin {
    /// Returns all administrative routes, under `prefix`.
    pub(crate) fn routes(self, prefix: &str) -> Router {
        let guard = |role| middleware::from_fn_with_state((self.guard.clone(), role), authorise);
        let [lineage, events, metrics, ..] = PATHS.map(|path| format!("{prefix}{path}"));
        let read_back = match &self.queue {
            Queue::Embedded(queue) => Some(ReadBack::new(queue.log().clone(), self.form)),
            Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => None, // it keeps no event
        };
        let turns = Arc::new(Semaphore::new(MAX_SEARCHES));
        let marquez = Marquez::new(self.history.clone(), turns.clone(), read_back.clone());
        let marquez = marquez.routes(prefix).route_layer(guard(KeyRole::Read));
        let lineage = Router::new()
            .route(&lineage, get(read_back::events))
            .route_layer(guard(KeyRole::Read))
            .with_state(read_back);
        let events = Router::new()
            .route(&events, get(events::events))
            .route_layer(guard(KeyRole::Read))
            .with_state(self.history.map(|it| Searcher::new(it, self.events, turns)));
        let metrics = Router::new()
            .route(&metrics, get(render_metrics))
            .route_layer(guard(KeyRole::Metrics))
            .with_state(self.prometheus);
        let named = middleware::from_fn_with_state(self.hosts, check_host);
        let reading = lineage.merge(events).merge(marquez).merge(metrics);
        health(self.queue, prefix).merge(reading.route_layer(named))
    }
}

/// Returns the routes for liveness and readiness, under `prefix`. They need no key.
pub(crate) fn health(queue: Queue, prefix: &str) -> Router {
    let [healthz, readyz] = HEALTH_PATHS.map(|path| format!("{prefix}{path}"));
    Router::new()
        .route(&healthz, get(async || "ok\n"))
        .route(&readyz, get(ready))
        .with_state(queue)
}

async fn ready(State(queue): State<Queue>) -> Response {
    match queue.ready().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => Rejection::NotReady(error.to_string()).into_response(),
    }
}

async fn render_metrics(State(prometheus): State<Prometheus>) -> String {
    prometheus.render()
}

/// Rejects requests that name another host, as after DNS rebinding.
pub(crate) async fn check_host(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    let rejection = match hosts.admit(request.uri(), request.headers()) {
        Ok(()) => return next.run(request).await,
        Err(HostError::Ambiguous) => Rejection::BadRequest("send exactly one Host header"),
        Err(HostError::Unknown(host)) => {
            let host: String = host.chars().take(100).collect();
            Rejection::Misdirected(format!(
                "{:?} is not a name of this proxy: call it by its address, or add the name to the setting allowed_hosts",
                escaped(&host)
            ))
        }
    };
    discard_body(request).await;
    rejection.into_response()
}
