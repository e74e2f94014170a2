//! PostLineageEvent, after the service model of 2018-05-10.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use openlineage::{Event, Level, Subject};
use serde_json::json;

use crate::faults::{self, error};
use crate::{Account, Post, Shared};

/// `LineageEvent`: max 300000.
const MAX_BYTES: usize = 300_000;

pub(crate) async fn post_lineage_event(
    State(shared): State<Shared>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let latency = shared.lock().settings.latency_ms;
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let fault = match shared.lock().settings.posts_denied {
        true => Some(faults::Kind::AccessDenied),
        false => None,
    };
    let fault = fault.or_else(|| faults::next(&mut shared.lock(), &text));
    let response = match fault {
        Some(fault) => fault.answer().await,
        None => take(&mut shared.lock(), domain, &headers, text),
    };
    shared.count("PostLineageEvent", response.status().as_u16());
    response
}

fn take(inside: &mut Account, domain: String, headers: &HeaderMap, body: String) -> Response {
    let limiter = inside.limiter.as_ref();
    if limiter.is_some_and(|limiter| limiter.check().is_err()) {
        return error(429, "ThrottlingException", "Rate exceeded");
    }
    let signature = headers.get("authorization").map(|value| value.as_bytes());
    if !signature.is_some_and(|value| value.starts_with(b"AWS4-HMAC-SHA256 ")) {
        return error(
            403,
            "MissingAuthenticationToken",
            "Missing Authentication Token",
        );
    }
    let signature = signature.map(String::from_utf8_lossy).unwrap_or_default();
    let credential = signature.split("Credential=").nth(1).unwrap_or_default();
    let signed_by = credential.split(',').next().unwrap_or_default().to_owned();
    let invalid = |message: &str| error(400, "ValidationException", message);
    if !is_domain(&domain) {
        return invalid("domainIdentifier must match dzd[-_][a-zA-Z0-9_-]{1,36}");
    }
    if domain != inside.settings.domain {
        return error(404, "ResourceNotFoundException", "Domain not found");
    }
    let token = match headers.get("client-token").map(|value| value.to_str()) {
        None => None,
        Some(Ok(token)) if is_token(token) => Some(token.to_owned()),
        Some(_) => return invalid("clientToken must match [\\x21-\\x7E]{1,128}"),
    };
    if body.len() > MAX_BYTES {
        return invalid("event must have length less than or equal to 300000");
    }
    match Event::read(body.as_bytes(), Level::Strict) {
        Ok(read) if matches!(read.event.subject(), Subject::Run { .. }) => {}
        Ok(_) => return invalid("only open-lineage run events are supported"),
        Err(_) => return invalid("the event is not a valid open-lineage event"),
    }
    let before = token.as_ref().and_then(|token| inside.tokens.get(token));
    let (id, repeat) = match before.and_then(|index| inside.posts.get(*index)) {
        Some(before) if before.body != body => {
            let message = "the client token was used with another event";
            return error(409, "ConflictException", message);
        }
        Some(before) => (before.id.clone(), true),
        None => (format!("{:0>14}", inside.posts.len()), false),
    };
    if let (Some(token), false) = (&token, repeat) {
        inside.tokens.insert(token.clone(), inside.posts.len());
    }
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let received_at_ms = u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let answer = json!({"domainId": domain, "id": id});
    inside.posts.push(Post {
        id,
        domain,
        client_token: token,
        signed_by,
        body,
        repeat,
        received_at_ms,
    });
    Json(answer).into_response()
}

fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_domain(text: &str) -> bool {
    let rest = text
        .strip_prefix("dzd_")
        .or_else(|| text.strip_prefix("dzd-"));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    rest.is_some_and(|rest| (1..=36).contains(&rest.len()) && rest.bytes().all(allowed))
}
