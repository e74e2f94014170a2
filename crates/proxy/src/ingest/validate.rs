//! `POST /api/v1/lineage/validate`: checks events and queues nothing.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use openlineage::{Level, split_array_up_to};
use serde_json::{Value, json};

use super::{Ingest, Inner, MAX_EVENTS, body};
use crate::http::{Query, Rejection, discard_body};
use crate::intake::{MAX_FINDINGS, verdict};

const LEVELS: [(&str, Level); 2] = [("strict", Level::Strict), ("repair", Level::Repair)];

pub(super) async fn handle(State(ingest): State<Ingest>, request: Request) -> Response {
    match validate(&ingest.inner, request).await {
        Ok(verdicts) => Json(verdicts).into_response(),
        Err(rejection) => rejection.into_response(),
    }
}

async fn validate(inner: &Inner, request: Request) -> Result<Value, Rejection> {
    let query = Query::read(request.uri().query(), &["level"]);
    let level = match query.and_then(|query| query.word("level", &LEVELS)) {
        Ok(level) => level.unwrap_or(inner.level),
        Err(why) => {
            discard_body(request).await;
            return Err(Rejection::InvalidQuery(why));
        }
    };
    let (bytes, memory) = body::read(request, &inner.limits).await?;
    // The reservation moves along, because the work may outlive the request.
    let size = bytes.len();
    let work = move || (verdicts(&bytes, level), memory);
    let (verdicts, _memory) = inner.pool.run(size, work).await?;
    verdicts
}

/// Returns the verdict on an event, or an array of verdicts for an array.
fn verdicts(bytes: &[u8], level: Level) -> Result<Value, Rejection> {
    let is_array = bytes.trim_ascii_start().starts_with(b"[");
    match split_array_up_to(bytes, MAX_EVENTS) {
        Ok(texts) => {
            let mut left = MAX_FINDINGS;
            let verdict = |text: &str| limited(verdict(text.as_bytes(), level), &mut left);
            Ok(texts.into_iter().map(verdict).collect())
        }
        Err(finding) if finding.rule == "maxItems" => Err(Rejection::TooLarge(finding.message)),
        Err(finding) if is_array => Ok(json!({"valid": false, "findings": [finding]})),
        Err(_) => Ok(verdict(bytes, level)),
    }
}

/// Returns the verdict with as many findings as the response has left.
fn limited(mut verdict: Value, left: &mut usize) -> Value {
    if let Some(findings) = verdict.get_mut("findings").and_then(Value::as_array_mut) {
        findings.truncate(*left);
        *left -= findings.len();
    }
    verdict
}
