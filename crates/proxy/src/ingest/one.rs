//! `POST /api/v1/lineage`: accepts one event, with `200` once it is in the queue.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, json};

use super::{Ingest, Inner, body, carrying_events, idempotency, origin, route_hints};
use crate::http::{Rejection, discard_body, record_ratio};
use crate::intake::{AcceptedEvent, RawEvent};

pub(super) async fn handle(State(ingest): State<Ingest>, request: Request) -> Response {
    let response = match accept(&ingest.inner, request).await {
        Ok(accepted) => respond(accepted),
        Err(rejection) => rejection.into_response(),
    };
    carrying_events(response)
}

async fn accept(inner: &Inner, request: Request) -> Result<AcceptedEvent, Rejection> {
    let origin = origin(&request);
    let identity = match idempotency::identity(&request) {
        Ok(identity) => identity,
        Err(rejection) => {
            discard_body(request).await;
            return Err(rejection);
        }
    };
    let (bytes, memory) = body::read(request, &inner.limits).await?;
    let events = vec![RawEvent { bytes, identity }];
    let answers = inner.intake.accept(events, &origin, memory).await;
    let answer = answers.into_iter().next();
    let unanswered = || Rejection::Unavailable("intake did not answer".to_owned());
    let accepted = answer.ok_or_else(unanswered)?;
    accepted.map_err(|rejected| route_hints::for_one(rejected).into())
}

fn respond(accepted: AcceptedEvent) -> Response {
    record_ratio(0, 1);
    let mut body = Map::from_iter([("id".to_owned(), json!(accepted.id))]);
    if !accepted.repairs.is_empty() {
        body.insert("repaired".to_owned(), json!(accepted.repairs));
    }
    if accepted.is_known {
        body.insert("duplicate".to_owned(), json!(true));
    }
    Json(body).into_response()
}
