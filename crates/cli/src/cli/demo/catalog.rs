//! The catalog of the demo: an OpenLineage endpoint that rejects the events of a namespace until it is registered.
//!
//! So there is a dead letter to look at, with its reason, and a redrive succeeds. Called by `demo.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The namespace of jobs that the catalog does not know at first.
pub(super) const UNREGISTERED: &str = "marketing";

/// When that is registered, after its first event: time to look at the dead letters.
pub(super) const REGISTERED_AFTER: Duration = Duration::from_secs(20);

/// A catalog that listens and does not respond yet.
pub(super) struct Catalog {
    listener: TcpListener,
    address: SocketAddr,
}

impl Catalog {
    /// Listens on a free port of this machine.
    pub(super) async fn listen() -> anyhow::Result<Catalog> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("the catalog of the demo cannot listen")?;
        let address = listener.local_addr()?;
        Ok(Catalog { listener, address })
    }

    /// The URL of its endpoint.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Responds to requests, for ever.
    pub(super) async fn run(self) {
        let routes = Router::new()
            .route("/api/v1/lineage", post(accept))
            .with_state(Arc::new(OnceLock::new()));
        if let Err(error) = axum::serve(self.listener, routes).await {
            tracing::error!(%error, "the catalog of the demo has stopped");
        }
    }
}

async fn accept(State(first): State<Arc<OnceLock<Instant>>>, Json(event): Json<Value>) -> Response {
    let namespace = event.pointer("/job/namespace").and_then(Value::as_str);
    if namespace != Some(UNREGISTERED)
        || first.get_or_init(Instant::now).elapsed() > REGISTERED_AFTER
    {
        return StatusCode::CREATED.into_response();
    }
    let why = "the namespace of the job is not registered";
    let body = json!({"code": 422, "message": why});
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}
