//! `POST /api/v1/lineage/batch`: an array whose events are accepted or rejected one by one. The response is that of the
//! OpenLineage OpenAPI.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use openlineage::{Finding, split_array_up_to};
use serde_json::{Value, json};

use super::{
    Ingest, Inner, MAX_EVENTS, body, carrying_events, origin, prefers_minimal, route_hints,
};
use crate::http::{Rejection, Rejections, record_ratio};
use crate::intake::{self, AcceptedEvent, RawEvent, RejectionReason};

pub(super) async fn handle(State(ingest): State<Ingest>, request: Request) -> Response {
    let minimal = prefers_minimal(request.headers());
    let response = match accept(&ingest.inner, request).await {
        Ok(answers) => respond(answers, minimal),
        Err(rejection) => rejection.into_response(),
    };
    carrying_events(response)
}

type Answers = Vec<Result<AcceptedEvent, intake::RejectedEvent>>;

async fn accept(inner: &Inner, request: Request) -> Result<Answers, Rejection> {
    let origin = origin(&request);
    let (bytes, memory) = body::read(request, &inner.limits).await?;
    // The reservation moves along, because the work may outlive the request.
    let split = (inner.pool).run(bytes.len(), move || (split(&bytes), memory));
    let (events, memory) = split.await?;
    let events = events.map_err(reject_array)?;
    Ok(inner.intake.accept(events, &origin, memory).await)
}

fn split(bytes: &Bytes) -> Result<Vec<RawEvent>, Finding> {
    let texts = split_array_up_to(bytes, MAX_EVENTS)?;
    // The texts share the bytes: nothing is copied.
    let event = |text: &str| RawEvent {
        bytes: bytes.slice_ref(text.as_bytes()),
        identity: None,
    };
    Ok(texts.into_iter().map(event).collect())
}

fn reject_array(finding: Finding) -> Rejection {
    if finding.rule == "maxItems" {
        return Rejection::TooLarge(finding.message);
    }
    let reason = RejectionReason::invalid(vec![route_hints::for_array(finding)]);
    let event = Box::default();
    intake::RejectedEvent { reason, event }.into()
}

/// Returns `200` with the result of each event, or `503` if none was queued and all may be sent again.
fn respond(answers: Answers, minimal: bool) -> Response {
    let received = answers.len();
    let (mut rejected, mut failed, mut retriable) = (Rejections::default(), Vec::new(), 0);
    let mut first = None;
    for (index, answer) in answers.into_iter().enumerate() {
        let Err(answer) = answer else { continue };
        retriable += usize::from(answer.reason.is_retriable());
        failed.push(describe(index, &answer.reason));
        let rejection = Rejection::from(answer);
        rejected.add(index, rejection.entry());
        first.get_or_insert(rejection);
    }
    record_ratio(failed.len() - retriable, received);
    match first {
        // Nothing was queued: use the status that every client retries.
        Some(rejection) if retriable == received => return rejection.into_response(),
        None if minimal => return StatusCode::NO_CONTENT.into_response(),
        Some(_) | None => {}
    }
    let status = match failed.is_empty() {
        true => "success",
        false => "partial_success",
    };
    let summary = json!({
        "received": received,
        "successful": received - failed.len(),
        "failed": failed.len(),
        "retriable": retriable,
        "non_retriable": failed.len() - retriable,
    });
    let body = json!({"status": status, "summary": summary, "failed_events": failed});
    (Extension(rejected), Json(body)).into_response()
}

/// An entry of `failed_events`.
fn describe(index: usize, reason: &RejectionReason) -> Value {
    let retriable = reason.is_retriable();
    let text = match reason {
        // The sender must not learn about systems behind the proxy.
        RejectionReason::Unavailable(_) | RejectionReason::Bug => {
            "the event cannot be queued now".to_owned()
        }
        RejectionReason::Invalid { .. } | RejectionReason::TooLarge(_) => reason.to_string(),
    };
    let mut entry = json!({"index": index, "reason": text, "retriable": retriable});
    if let (Some(entry), RejectionReason::Invalid { findings, .. }) =
        (entry.as_object_mut(), reason)
        && !findings.is_empty()
    {
        entry.insert("findings".to_owned(), json!(findings));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answers(kinds: &[u8]) -> Answers {
        let answer = |kind: &u8| {
            let reason = match kind {
                0 => {
                    return Ok(AcceptedEvent {
                        id: String::new(),
                        repairs: Vec::new(),
                        is_known: false,
                    });
                }
                1 => RejectionReason::invalid(Vec::new()),
                2 => RejectionReason::TooLarge("large".to_owned()),
                _ => RejectionReason::Unavailable("behind us".to_owned()),
            };
            let event = Box::default();
            Err(intake::RejectedEvent { reason, event })
        };
        kinds.iter().map(answer).collect()
    }

    async fn body(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn each_event_is_accepted_or_in_failed_events_once_and_in_order(
            kinds in proptest::collection::vec(0u8..4, 0..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let response = respond(answers(&kinds), false);
            let all_retriable = !kinds.is_empty() && kinds.iter().all(|kind| *kind == 3);
            if all_retriable {
                prop_assert_eq!(response.status(), 503);
                return Ok(());
            }
            prop_assert_eq!(response.status(), 200);
            let text = runtime.block_on(body(response));
            prop_assert!(!text.contains("behind us"));
            let body: Value = serde_json::from_str(&text).unwrap();
            let failed: Vec<u64> = body["failed_events"].as_array().unwrap().iter()
                .map(|entry| entry["index"].as_u64().unwrap())
                .collect();
            let expected: Vec<u64> = (0u64..).zip(&kinds)
                .filter(|(_, kind)| **kind != 0)
                .map(|(index, _)| index)
                .collect();
            prop_assert_eq!(body["summary"]["failed"].as_u64().unwrap(), expected.len() as u64);
            prop_assert_eq!(failed, expected);
        }
    }

    #[test]
    fn only_a_batch_without_failures_can_be_answered_with_204() {
        assert_eq!(respond(answers(&[0, 0]), true).status(), 204);
        assert_eq!(respond(answers(&[0, 1]), true).status(), 200);
        assert_eq!(respond(answers(&[3]), true).status(), 503);
    }
}
