//! ListLineageEvents and GetLineageEvent, after the service model of 2018-05-10.
//!
//! Times are date-times in a query, epoch seconds in JSON, HTTP dates in headers. An event is REQUESTED, PROCESSING
//! and then SUCCESS, or FAILED where the settings say so. ListLineageEvents has no ResourceNotFoundException.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use openlineage::{Event, Level, Subject};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::faults::error;
use crate::{Account, Post, Settings, Shared};

/// `MaxResults` of the model: 1 to 50; 50 when it is not said.
const MOST: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Filter {
    max_results: Option<String>,
    timestamp_after: Option<String>,
    timestamp_before: Option<String>,
    processing_status: Option<String>,
    sort_order: Option<String>,
    next_token: Option<String>,
}

pub(crate) async fn list(
    State(shared): State<Shared>,
    Path(domain): Path<String>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Response {
    let response = {
        let inside = shared.lock();
        refused(&inside, &domain, &headers)
            .unwrap_or_else(|| listed(&inside, &filter).unwrap_or_else(invalid))
    };
    shared.count("ListLineageEvents", response.status().as_u16());
    response
}

pub(crate) async fn get(
    State(shared): State<Shared>,
    Path((domain, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let response = {
        let inside = shared.lock();
        refused(&inside, &domain, &headers).unwrap_or_else(|| found(&inside, &domain, &id))
    };
    shared.count("GetLineageEvent", response.status().as_u16());
    response
}

fn refused(inside: &Account, domain: &str, headers: &HeaderMap) -> Option<Response> {
    let signature = headers.get("authorization").map(|value| value.as_bytes());
    if !signature.is_some_and(|value| value.starts_with(b"AWS4-HMAC-SHA256 ")) {
        let message = "Missing Authentication Token";
        return Some(error(403, "MissingAuthenticationToken", message));
    }
    if inside.settings.reads_denied || domain != inside.settings.domain {
        let message = "User is not permitted to perform operation";
        return Some(error(403, "AccessDeniedException", message));
    }
    None
}

fn listed(inside: &Account, filter: &Filter) -> Result<Response, String> {
    let most = match filter.max_results.as_deref().map(str::parse::<usize>) {
        None => MOST,
        Some(Ok(most)) if (1..=MOST).contains(&most) => most,
        Some(_) => return Err("maxResults must be between 1 and 50".to_owned()),
    };
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => OffsetDateTime::parse(text, &Rfc3339)
            .map(Some)
            .map_err(|error| format!("{text}: {error}")),
    };
    let (after, before) = (
        time(&filter.timestamp_after)?,
        time(&filter.timestamp_before)?,
    );
    let from: usize = match &filter.next_token {
        None => 0,
        Some(token) => token.parse().map_err(|_| "nextToken is not valid")?,
    };
    let mut events: Vec<Listed> = inside
        .posts
        .iter()
        .filter(|post| !post.repeat)
        .filter_map(|post| Listed::read(post, &inside.settings))
        .filter(|event| after.is_none_or(|after| event.time > after))
        .filter(|event| before.is_none_or(|before| event.time < before))
        .filter(|event| {
            let wanted = filter.processing_status.as_deref();
            wanted.is_none_or(|status| status == event.status)
        })
        .collect();
    events.sort_by_key(|event| event.time);
    if filter.sort_order.as_deref() != Some("ASCENDING") {
        events.reverse();
    }
    let next = (from + most < events.len()).then(|| (from + most).to_string());
    let items: Vec<Value> = events
        .iter()
        .skip(from)
        .take(most)
        .map(Listed::to_json)
        .collect();
    Ok(Json(json!({"items": items, "nextToken": next})).into_response())
}

fn found(inside: &Account, domain: &str, id: &str) -> Response {
    let post = inside
        .posts
        .iter()
        .find(|post| post.id == id && !post.repeat);
    let Some(event) = post.and_then(|post| Listed::read(post, &inside.settings)) else {
        return error(404, "ResourceNotFoundException", "Lineage event not found");
    };
    let event_time = httpdate::fmt_http_date(event.time.into());
    let created_at = httpdate::fmt_http_date(event.created_at());
    let headers = [
        ("Domain-Id", domain),
        ("Id", id),
        ("Created-By", "stand-in"),
        ("Processing-Status", event.status),
        ("Event-Time", &event_time),
        ("Created-At", &created_at),
    ];
    (headers, event.post.body.clone()).into_response()
}

fn invalid(message: String) -> Response {
    error(400, "ValidationException", &message)
}

/// A post as it is listed.
struct Listed<'a> {
    post: &'a Post,
    event: Event,
    time: OffsetDateTime,
    status: &'static str,
    created_at_ms: u64,
}

impl Listed<'_> {
    fn read<'a>(post: &'a Post, settings: &Settings) -> Option<Listed<'a>> {
        let event = Event::read(post.body.as_bytes(), Level::Strict).ok()?.event;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let age = u64::try_from(since.as_millis()).ok()?;
        let age = age.saturating_sub(post.received_at_ms);
        let fails = settings.processing_fails.as_deref();
        let status = match () {
            () if age < settings.processing_ms / 2 => "REQUESTED",
            () if age < settings.processing_ms => "PROCESSING",
            () if fails.is_some_and(|text| post.body.contains(text)) => "FAILED",
            () => "SUCCESS",
        };
        Some(Listed {
            post,
            time: event.time(),
            event,
            status,
            created_at_ms: post.received_at_ms.saturating_sub(settings.age_ms),
        })
    }

    fn created_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.created_at_ms)
    }

    fn to_json(&self) -> Value {
        let Subject::Run { id, event_type, .. } = self.event.subject() else {
            return Value::Null; // only runs are taken
        };
        let job = self.event.job();
        let datasets = |side: &str| -> Value {
            let event: Value = serde_json::from_str(&self.post.body).unwrap_or_default();
            let all = event.get(side).and_then(Value::as_array);
            let named =
                |set: &Value| json!({"namespace": set.get("namespace"), "name": set.get("name")});
            all.into_iter().flatten().map(named).collect()
        };
        let summary = json!({
            "eventType": event_type.map(|event_type| format!("{event_type:?}").to_uppercase()),
            "runId": id.to_string(),
            "job": job.map(|job| json!({"namespace": job.namespace, "name": job.name})),
            "inputs": datasets("inputs"),
            "outputs": datasets("outputs"),
        });
        json!({
            "id": self.post.id,
            "domainId": self.post.domain,
            "processingStatus": self.status,
            "eventTime": self.time.unix_timestamp(),
            "eventSummary": {"openLineageRunEventSummary": summary},
            "createdBy": "stand-in",
            "createdAt": self.created_at_ms as f64 / 1_000.0,
        })
    }
}
