//! Sends a marked event as clients do, and finds out what the way to ingest does to requests: gzip, and a header that is sent twice.
//! Called by `event.rs`, which follows the event.
//!
//! The job is `lineage-proxy` / `doctor`, without inputs and outputs, so that it appears in no graph.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use proxy::aws_error::summarize;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Step;
use super::event::Trace;
use super::parts::at;

/// What sending has found.
pub(super) struct SentEvent {
    /// The id of the event, if it was accepted.
    pub(super) id: Option<String>,
    pub(super) steps: Vec<Step>,
}

/// A response of ingest.
struct Answer {
    status: u16,
    body: Value,
}

/// Posts the event as a client would. Sends it to the queue instead where requests have to be signed, which OpenLineage
/// clients cannot do.
///
/// First with gzip, as Python and Java clients compress: what arrives whole is followed, and otherwise it is sent again without.
pub(super) async fn send(trace: &Trace<'_>, run: &str) -> anyhow::Result<SentEvent> {
    let event = marked_event(run)?;
    if trace.ingest.optional("Auth") == Some("iam") {
        return queue(trace, run, &event).await;
    }
    let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
    let post = |path: &str| -> anyhow::Result<RequestBuilder> {
        let post = client.post(at(trace.url, path)?);
        let post = post.header("content-type", "application/json");
        Ok(match trace.key {
            Some(key) => post.bearer_auth(key),
            None => post,
        })
    };
    let gzip = post("/api/v1/lineage")?.header("content-encoding", "gzip");
    let zipped = answer(gzip.body(compressed(&event)?)).await;
    // Followed only where the event is accepted in the end: otherwise it says nothing about gzip.
    let gzip = judged_gzip(&zipped);
    let accepted = match zipped {
        Ok(whole) if whole.id().is_some() => Ok(whole),
        Ok(_) | Err(_) => answer(post("/api/v1/lineage")?.body(event)).await,
    };
    let (id, step) = match &accepted {
        Ok(answer) => judged(answer, run, trace.key),
        Err(why) => {
            let advice = "the endpoint does not respond";
            (None, Step::bad("accepted", why.clone(), advice))
        }
    };
    let mut steps = vec![step];
    if id.is_some() {
        steps.push(gzip);
        if let Some(key) = trace.key {
            // An array without events, so that nothing is accepted.
            let twice = post("/api/v1/lineage/batch")?.bearer_auth(key).body("[]");
            steps.extend(
                answer(twice)
                    .await
                    .ok()
                    .map(|answer| judged_twice(answer.status)),
            );
        }
    }
    Ok(SentEvent { id, steps })
}

async fn answer(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await;
    let response =
        response.map_err(|error| format!("{:#}", anyhow::Error::from(error.without_url())))?;
    let status = response.status().as_u16();
    let body = response.text().await.unwrap_or_default();
    Ok(Answer {
        status,
        body: serde_json::from_str(&body).unwrap_or_default(),
    })
}

impl Answer {
    fn id(&self) -> Option<&str> {
        let id = self.body.get("id").and_then(Value::as_str);
        id.filter(|_| self.status == 200)
    }
}

fn judged(answer: &Answer, run: &str, key: Option<&str>) -> (Option<String>, Step) {
    let Answer { status, body } = answer;
    let step = match (status, answer.id()) {
        (_, Some(id)) => {
            let step = Step::good("accepted", format!("run {run}, id {id}"));
            return (Some(id.to_owned()), step);
        }
        (401 | 403, _) => Step::bad(
            "accepted",
            format!("{status}"),
            "the ingest function does not know this key: is it in the stack's secret?",
        ),
        (503, _) => Step::bad(
            "accepted",
            "503: the event cannot be queued",
            "the ingest function's log has the reason: sqs:SendMessage or sns:Publish, kms, or the secret",
        ),
        _ => Step::bad(
            "accepted",
            targets::shown(&format!("{status} {body}"), key),
            "the ingest function's log has the reason",
        ),
    };
    (None, step)
}

/// What became of the event with gzip, of which it is known that it is accepted without.
fn judged_gzip(zipped: &Result<Answer, String>) -> Step {
    let found = match zipped {
        Ok(answer) if answer.id().is_some() => {
            return Step::good(
                "gzip",
                "a gzip body that is sent as application/json arrives whole",
            );
        }
        Ok(Answer {
            status: status @ (400 | 415 | 422),
            ..
        }) => {
            format!("a gzip body that is sent as application/json is changed on its way: {status}")
        }
        Ok(Answer { status, .. }) => {
            format!("a gzip body that is sent as application/json gets {status}")
        }
        Err(why) => format!("a gzip body that is sent as application/json gets no answer: {why}"),
    };
    Step::unsure(
        "gzip",
        found,
        "send it as application/openlineage+json, or let clients not compress (Python: compression unset; Java: no compression)",
    )
}

/// What the header `Authorization` twice means: Java clients send it so, where both a key and headers are set, and behind a payload of
/// version 2.0 both are one header
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
fn judged_twice(status: u16) -> Step {
    match status {
        200 | 204 => Step::good("twice", "a request with the key in two headers is accepted"),
        _ => Step::unsure(
            "twice",
            format!("a request with the key in two headers gets {status}"),
            "let clients send Authorization once: either the API key or a header of their own",
        ),
    }
}

async fn queue(trace: &Trace<'_>, run: &str, event: &str) -> anyhow::Result<SentEvent> {
    let of = |id: Option<String>, step: Step| SentEvent {
        id,
        steps: vec![step],
    };
    let client = aws_sdk_sqs::Client::new(trace.aws.config().await);
    let Some(url) = trace.stack.optional("QueueUrl") else {
        let found = "clients sign their requests, and this stack has no queue";
        let advice = "run doctor with the stack of a target";
        return Ok(of(None, Step::unsure("accepted", found, advice)));
    };
    let mut send = client.send_message().queue_url(url).message_body(event);
    if url.ends_with(".fifo") {
        send = send.message_group_id(run).message_deduplication_id(run);
    }
    Ok(match send.send().await {
        Ok(answer) => {
            let id = answer.message_id.unwrap_or_default();
            let step = Step::good("accepted", format!("run {run}, id {id}"));
            of(Some(id), step)
        }
        Err(error) => of(
            None,
            Step::unsure(
                "accepted",
                summarize(&error),
                "you need sqs:SendMessage: clients sign their requests, so doctor sends its event to the queue",
            ),
        ),
    })
}

fn compressed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Returns an event without inputs and outputs.
fn marked_event(run: &str) -> anyhow::Result<String> {
    let event = json!({
        "eventTime": OffsetDateTime::now_utc().format(&Rfc3339)?,
        "eventType": "COMPLETE",
        "producer": concat!("urn:lineage-proxy:doctor:", env!("CARGO_PKG_VERSION")),
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run},
        "job": {"namespace": "lineage-proxy", "name": "doctor"},
        "inputs": [],
        "outputs": [],
    });
    Ok(event.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    fn answer(status: u16, body: Value) -> Answer {
        Answer { status, body }
    }

    #[test]
    fn gzip_is_good_only_where_the_event_arrives_with_it() {
        let whole = judged_gzip(&Ok(answer(200, json!({"id": "x"}))));
        assert_eq!(whole.verdict, Verdict::Good);
        for status in [200, 204, 400, 403, 413, 415, 502, 503] {
            let step = judged_gzip(&Ok(answer(status, json!({}))));
            assert_eq!(step.verdict, Verdict::Unsure, "{status}");
            assert!(step.found.contains(&status.to_string()), "{status}");
        }
        let broken = judged_gzip(&Err("connection closed".to_owned()));
        assert_eq!(broken.verdict, Verdict::Unsure);
        assert!(broken.found.contains("connection closed"));
    }

    #[test]
    fn a_key_in_two_headers_is_checked() {
        assert_eq!(judged_twice(200).verdict, Verdict::Good);
        assert_eq!(judged_twice(403).verdict, Verdict::Unsure);
    }

    #[test]
    fn only_an_event_with_an_id_is_accepted() {
        let id = |status, body| judged(&answer(status, body), "r", Some("k")).0;
        assert_eq!(id(200, json!({"id": "x"})).as_deref(), Some("x"));
        assert_eq!(id(200, json!({})), None);
        assert_eq!(id(403, json!({"id": "x"})), None);
    }
}
