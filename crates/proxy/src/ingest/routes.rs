//! The routes: one event, many events, validation, and whether we are alive.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use openlineage::{Event, Finding, Level, OrderingKey, ValidEvent, split_array_up_to, warnings};
use serde_json::{Value, json};
use targets::escaped;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, info};

use super::answer::{Refusal, count_judged, pointers, refused};
use super::body::{Taken, spare, take};
use super::caller::Sender;
use super::paths::nearest;
use super::query::Query;
use super::report::{About, Entry, Reported, ingested};
use super::{Ingest, Inner, misdirected};
use crate::queue::{Message, SendError, now};
use crate::telemetry::metric::Metric;
use crate::telemetry::text::{NAME, shown};

/// Judging bodies up to here takes well under a millisecond; above, it moves to a thread that may block.
const QUICK: usize = 262_144;

/// Events of one request at most. They are one write to the queue, which others wait for.
const MAX_EVENTS: usize = 10_000;

/// Findings of one answer to an array at most; events beyond have their verdict, or reason, alone.
const MAX_TOLD: usize = 1_000;

/// One event in: `200` once it is in the queue.
pub(super) async fn one(State(ingest): State<Ingest>, request: Request) -> Response {
    let answer = one_event(&ingest.inner, request).await;
    ingested(answer.unwrap_or_else(|refusal| refused(&refusal)))
}

async fn one_event(inner: &Inner, request: Request<Body>) -> Result<Response, Refusal> {
    let sender = request.extensions().get::<Sender>().cloned();
    let taken = take(request, &inner.limits).await?;
    Metric::Received.add([], 1);
    let level = inner.level;
    let read = judged(inner, taken, move |bytes| {
        Event::read(bytes, level).map_err(|refused| {
            let findings = misdirected::one(bytes, refused.findings);
            Refusal::Invalid(findings, Box::new(About::of(bytes)))
        })
    });
    let (read, room) = read.await?;
    let ValidEvent { event, repairs } = read?;
    let message = message(&event, room);
    let id = message.id.clone();
    let sent = inner.queue.send(vec![message]).await;
    sent.into_iter()
        .collect::<Result<Vec<()>, _>>()
        .map_err(not_queued)?;
    accepted(&id, &event, &repairs, sender.as_ref());
    count_judged(0, 1);
    let mut answer = json!({"id": id});
    if let (Some(answer), false) = (answer.as_object_mut(), repairs.is_empty()) {
        answer.insert("repaired".to_owned(), json!(repairs));
    }
    Ok(Json(answer).into_response())
}

/// An array in, each event judged and queued for itself; answered as the OpenLineage OpenAPI says.
pub(super) async fn many(State(ingest): State<Ingest>, request: Request) -> Response {
    let answer = many_events(&ingest.inner, request).await;
    ingested(answer.unwrap_or_else(|refusal| refused(&refusal)))
}

async fn many_events(inner: &Inner, request: Request<Body>) -> Result<Response, Refusal> {
    let quiet = wants_nothing(request.headers());
    let sender = request.extensions().get::<Sender>().cloned();
    let taken = take(request, &inner.limits).await?;
    let level = inner.level;
    let read = judged(inner, taken, move |bytes| {
        let texts = split_array_up_to(bytes, MAX_EVENTS)?;
        let mut left = MAX_TOLD;
        let judge = |text: &str| {
            Event::read(text.as_bytes(), level).map_err(|refused| {
                let reason = refused.to_string();
                let entry = Box::new(Entry::event(&refused.findings, || {
                    About::of(text.as_bytes())
                }));
                (reason, told(refused.findings, &mut left), entry)
            })
        };
        Ok(texts.into_iter().map(judge).collect::<Vec<_>>())
    });
    let (read, room) = read.await?;
    let read = read.map_err(|finding: Finding| match finding.rule {
        "maxItems" => Refusal::TooLarge(finding.message),
        _ => Refusal::Invalid(vec![misdirected::many(finding)], Box::default()),
    })?;
    Metric::Received.add([], read.len() as u64);

    let received = read.len();
    let (mut good, mut messages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut reported = Reported::default();
    for (index, read) in read.into_iter().enumerate() {
        match read {
            Ok(read) => {
                messages.push(message(&read.event, room.clone()));
                good.push((index, read));
            }
            Err((reason, findings, entry)) => {
                reported.add(entry.at(index));
                failed.push(Failed {
                    index,
                    reason,
                    findings,
                    retriable: false,
                });
            }
        }
    }
    drop(room);
    let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    let sent = inner.queue.send(messages).await;
    for (((index, read), id), sent) in good.into_iter().zip(ids).zip(sent) {
        match sent {
            Ok(()) => accepted(&id, &read.event, &read.repairs, sender.as_ref()),
            Err(error) => {
                let retriable = matches!(error, SendError::Unavailable(_));
                let about = || About::of(read.event.text().as_bytes());
                reported.add(not_queued(error.clone()).entry(about).at(index));
                failed.push(Failed {
                    index,
                    reason: error.to_string(),
                    findings: Vec::new(),
                    retriable,
                });
            }
        }
    }
    failed.sort_by_key(|failed| failed.index);
    let retriable = failed.iter().filter(|failed| failed.retriable).count();
    count_judged(failed.len() - retriable, received);
    if let (true, Some(first)) = (retriable == received, failed.first()) {
        // Nothing of it is anywhere: the answer that every client retries.
        return Err(Refusal::Unavailable(first.reason.clone()));
    }
    if quiet && failed.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let reported = Extension(reported);
    let status = if failed.is_empty() {
        "success"
    } else {
        "partial_success"
    };
    let summary = json!({
        "received": received,
        "successful": received - failed.len(),
        "failed": failed.len(),
        "retriable": retriable,
        "non_retriable": failed.len() - retriable,
    });
    let failed: Vec<Value> = failed.iter().map(Failed::told).collect();
    let answer = json!({"status": status, "summary": summary, "failed_events": failed});
    Ok((reported, Json(answer)).into_response())
}

struct Failed {
    index: usize,
    reason: String,
    findings: Vec<Finding>,
    retriable: bool,
}

impl Failed {
    fn told(&self) -> Value {
        // What stands behind is no business of the sender's.
        let reason = match self.retriable {
            true => "the queue cannot take it now",
            false => &self.reason,
        };
        let mut told = json!({"index": self.index, "reason": reason, "retriable": self.retriable});
        if let (Some(told), false) = (told.as_object_mut(), self.findings.is_empty()) {
            told.insert("findings".to_owned(), json!(self.findings));
        }
        told
    }
}

/// Judges without queueing: for one event an object, for an array an array of those.
pub(super) async fn validate(State(ingest): State<Ingest>, request: Request) -> Response {
    validated(&ingest.inner, request)
        .await
        .unwrap_or_else(|refusal| refused(&refusal))
}

async fn validated(inner: &Inner, request: Request<Body>) -> Result<Response, Refusal> {
    let levels = [("strict", Level::Strict), ("repair", Level::Repair)];
    let query = Query::read(request.uri().query(), &["level"]);
    let level = match query.and_then(|query| query.word("level", &levels)) {
        Ok(level) => level.unwrap_or(inner.level),
        Err(why) => {
            spare(request).await;
            return Err(Refusal::Query(why));
        }
    };
    let taken = take(request, &inner.limits).await?;
    let verdict = judged(inner, taken, move |bytes| {
        let is_array = bytes.trim_ascii_start().starts_with(b"[");
        match split_array_up_to(bytes, MAX_EVENTS) {
            Ok(texts) => {
                let mut left = MAX_TOLD;
                let judge = |text: &str| {
                    let mut verdict = verdict(text.as_bytes(), level);
                    if let Some(findings) =
                        verdict.get_mut("findings").and_then(Value::as_array_mut)
                    {
                        *findings = told(std::mem::take(findings), &mut left);
                    }
                    verdict
                };
                Ok(Value::from(
                    texts.into_iter().map(judge).collect::<Vec<_>>(),
                ))
            }
            Err(finding) if finding.rule == "maxItems" => Err(Refusal::TooLarge(finding.message)),
            Err(finding) if is_array => Ok(json!({"valid": false, "findings": [finding]})),
            Err(_) => Ok(verdict(bytes, level)),
        }
    });
    let (verdict, _room) = verdict.await?;
    Ok(Json(verdict?).into_response())
}

/// `valid`, and findings: errors of a refused event, and what else would be repaired; repairs and facet warnings of an
/// accepted one.
pub fn verdict(bytes: &[u8], level: Level) -> Value {
    match Event::read(bytes, level) {
        Ok(ValidEvent { event, repairs }) => {
            let mut findings = repairs;
            findings.extend(event.json().map(warnings).unwrap_or_default());
            json!({"valid": true, "kind": event.label(), "findings": findings})
        }
        Err(refused) => json!({"valid": false, "findings": refused.findings}),
    }
}

/// Alive.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Able to queue.
pub(super) async fn readyz(State(ingest): State<Ingest>) -> Response {
    match ingest.inner.queue.ready().await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => refused(&Refusal::Unavailable(error.to_string())),
    }
}

/// Prometheus text, where there is a recorder for it.
pub(super) async fn metrics(State(ingest): State<Ingest>) -> Response {
    match &ingest.inner.prometheus {
        Some(prometheus) => prometheus.render().into_response(),
        None => {
            let only =
                "there are no metrics here: serve has them, the functions write to CloudWatch";
            refused(&Refusal::NotFound(only.to_owned()))
        }
    }
}

/// Any other path.
pub(super) async fn not_found(prefix: &str, request: Request) -> Response {
    const SHOWN: usize = 200;
    let (method, path) = (request.method().as_str(), request.uri().path());
    let shown: String = path.chars().take(SHOWN).collect();
    let right = nearest(prefix, method, path).unwrap_or_else(|| {
        let routes = [
            "/api/v1/lineage",
            "/api/v1/lineage/batch",
            "/api/v1/lineage/validate",
        ];
        format!(
            "POST {}",
            routes.map(|route| format!("{prefix}{route}")).join(", ")
        )
    });
    let detail = format!("{}: the nearest is {right}", escaped(&shown));
    spare(request).await;
    refused(&Refusal::NotFound(detail))
}

/// Any other method.
pub(super) async fn method_not_allowed(request: Request) -> Response {
    spare(request).await;
    refused(&Refusal::Method)
}

/// Memory that was taken from the common budget.
type Room = Option<Arc<OwnedSemaphorePermit>>;

/// Runs `judge` on the body, on a thread that may block when it is large. The body goes; its share of memory stays with
/// what was made of it.
async fn judged<T: Send + 'static>(
    inner: &Inner,
    taken: Taken,
    judge: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<(T, Room), Refusal> {
    let is_quick = taken.bytes.len() <= QUICK;
    let judge = move || (judge(&taken.bytes), taken.into_room());
    match is_quick {
        true => Ok(judge()),
        false => inner.limits.heavy(judge).await,
    }
}

/// As many findings as are left to be told.
fn told<T>(mut findings: Vec<T>, left: &mut usize) -> Vec<T> {
    findings.truncate(*left);
    *left -= findings.len();
    findings
}

fn message(event: &Event, room: Room) -> Message {
    Message {
        id: uuid::Uuid::now_v7().to_string(),
        body: event.shared_text(),
        received_at: now(),
        group: OrderingKey::from(event).to_string(),
        memory_permit: room,
    }
}

fn not_queued(error: SendError) -> Refusal {
    match error {
        SendError::TooLarge { .. } => Refusal::TooLarge(error.to_string()),
        SendError::Unavailable(why) => Refusal::Unavailable(why),
    }
}

/// Counts an accepted event; what was repaired is logged, and who sent it.
fn accepted(id: &str, event: &Event, repairs: &[Finding], sender: Option<&Sender>) {
    let sender = sender.map(|sender| &*sender.0);
    debug!(id, sender, "accepted");
    Metric::Accepted.add([], 1);
    for repair in repairs {
        Metric::Repairs.add([repair.rule.into()], 1);
    }
    if !repairs.is_empty() {
        let run_id = event.run_id().map(|run| run.to_string());
        let job = event.job();
        info!(
            id,
            sender,
            run.id = run_id,
            job.namespace = job.map(|job| shown(&job.namespace, NAME)).as_deref(),
            job.name = job.map(|job| shown(&job.name, NAME)).as_deref(),
            event.r#type = event.label(),
            repairs = pointers(repairs),
            "repaired"
        );
    }
}

/// `Prefer: return=minimal` (RFC 7240): the only way to be answered `204`.
fn wants_nothing(headers: &HeaderMap) -> bool {
    let prefer = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok());
    prefer
        .flat_map(|value| value.split(','))
        .any(|preference| preference.trim() == "return=minimal")
}
