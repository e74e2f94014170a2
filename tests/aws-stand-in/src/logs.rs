//! Log groups of CloudWatch Logs, after the service model of 2014-03-28: late events, pages that are empty and not the last,
//! tokens that repeat at the end of a stream. What is there is set.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Account;

/// A log group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogGroup {
    /// Its class, if not `STANDARD`.
    pub class: Option<String>,
    /// Its events, in the order in which they came.
    pub events: Vec<LogEvent>,
    /// The most events of a page. After each full page of a search comes one that is empty.
    pub page: Option<usize>,
}

/// An event of a log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// Its stream.
    pub stream: String,
    /// Its id.
    pub id: String,
    /// When it was logged, in milliseconds since 1970.
    pub timestamp: i64,
    /// What was logged.
    pub message: String,
}

/// An error: its name and message.
type Refusal = (&'static str, String);

pub(crate) fn call(account: &mut Account, operation: &str, body: &str) -> Response {
    let faults = &mut account.settings.glue_faults;
    let fault = faults.iter_mut().find(|fault| {
        fault.operation == operation && fault.times > 0 && body.contains(&fault.matches)
    });
    if let Some(fault) = fault {
        fault.times -= 1;
        return refuse(&fault.code, "on demand");
    }
    let request: Value = serde_json::from_str(body).unwrap_or_default();
    let groups = &account.settings.log_groups;
    let answer = match operation {
        "DescribeLogGroups" => Ok(describe(groups, &request)),
        "FilterLogEvents" => group(groups, &request).and_then(|group| filter(group, &request)),
        "GetLogEvents" => group(groups, &request).and_then(|group| stream(group, &request)),
        _ => Err(("InvalidOperationException", "no such operation".to_owned())),
    };
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err((code, message)) => refuse(code, &message),
    }
}

fn group<'a>(
    groups: &'a BTreeMap<String, LogGroup>,
    request: &Value,
) -> Result<&'a LogGroup, Refusal> {
    let name = text(request, "logGroupName").or(text(request, "logGroupIdentifier"));
    let group = groups.get(name.unwrap_or_default());
    group.ok_or_else(|| {
        (
            "ResourceNotFoundException",
            "The specified log group does not exist.".to_owned(),
        )
    })
}

fn describe(groups: &BTreeMap<String, LogGroup>, request: &Value) -> Value {
    let prefix = text(request, "logGroupNamePrefix").unwrap_or_default();
    let found = groups.iter().filter(|(name, _)| name.starts_with(prefix));
    let described: Vec<Value> = found
        .map(|(name, group)| {
            let class = group.class.as_deref().unwrap_or("STANDARD");
            json!({"logGroupName": name, "logGroupClass": class})
        })
        .collect();
    json!({"logGroups": described})
}

/// Events of all streams by time. A pattern is a quoted phrase; others are not known here.
fn filter(group: &LogGroup, request: &Value) -> Result<Value, Refusal> {
    let phrase = match text(request, "filterPattern") {
        None => "",
        Some(pattern) => {
            let phrase = pattern
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            phrase.ok_or_else(|| {
                (
                    "InvalidParameterException",
                    "Invalid filter pattern".to_owned(),
                )
            })?
        }
    };
    let from = number(request, "startTime").unwrap_or(0);
    let to = number(request, "endTime").unwrap_or(i64::MAX);
    let prefix = text(request, "logStreamNamePrefix").unwrap_or_default();
    let mut events: Vec<&LogEvent> = (group.events.iter())
        .filter(|event| (from..=to).contains(&event.timestamp))
        .filter(|event| event.stream.starts_with(prefix) && event.message.contains(phrase))
        .collect();
    events.sort_by_key(|event| event.timestamp);
    let page = group.page.unwrap_or(10_000);
    let position = match text(request, "nextToken") {
        None => 0,
        Some(token) => token.parse().map_err(|_| invalid_token())?,
    };
    // Each second page is empty.
    let (at, is_empty) = (position / 2 * page, position % 2 == 1);
    let found: Vec<Value> = events
        .iter()
        .skip(at)
        .take(if is_empty { 0 } else { page })
        .map(|event| json!({"logStreamName": event.stream, "timestamp": event.timestamp, "ingestionTime": event.timestamp, "message": event.message, "eventId": event.id}))
        .collect();
    let is_last = at + page >= events.len();
    let mut answer = json!({"events": found, "searchedLogStreams": []});
    if !is_last && let Some(answer) = answer.as_object_mut() {
        answer.insert("nextToken".to_owned(), json!((position + 1).to_string()));
    }
    Ok(answer)
}

/// Events of one stream by time, without ids.
fn stream(group: &LogGroup, request: &Value) -> Result<Value, Refusal> {
    let stream = text(request, "logStreamName").unwrap_or_default();
    let from = number(request, "startTime").unwrap_or(0);
    if request.get("startFromHead") != Some(&json!(true)) {
        return Err((
            "InvalidParameterException",
            "startFromHead is expected".to_owned(),
        ));
    }
    let mut events: Vec<&LogEvent> = (group.events.iter())
        .filter(|event| event.stream == stream && event.timestamp >= from)
        .collect();
    events.sort_by_key(|event| event.timestamp);
    let at: usize = match text(request, "nextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("f/")
            .and_then(|at| at.parse().ok())
            .ok_or_else(invalid_token)?,
    };
    let page = group.page.unwrap_or(10_000);
    let found: Vec<Value> = events
        .iter()
        .skip(at)
        .take(page)
        .map(|event| json!({"timestamp": event.timestamp, "ingestionTime": event.timestamp, "message": event.message}))
        .collect();
    let next = (at + page).min(events.len());
    Ok(
        json!({"events": found, "nextForwardToken": format!("f/{next}"), "nextBackwardToken": format!("b/{at}")}),
    )
}

fn invalid_token() -> Refusal {
    (
        "InvalidParameterException",
        "The specified nextToken is invalid.".to_owned(),
    )
}

fn text<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    request.get(name).and_then(Value::as_str)
}

fn number(request: &Value, name: &str) -> Option<i64> {
    request.get(name).and_then(Value::as_i64)
}

fn refuse(code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
