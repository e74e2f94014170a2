//! What an operator sees: the log lines and the metrics of `serve`. Each is a promise of docs/operate.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "observe/history.rs"]
mod history;
#[path = "observe/metrics.rs"]
mod metrics;
#[path = "observe/senders.rs"]
mod senders;

use std::time::Duration;

use serde_json::Value;
use testing::events::{event, event_with};
use testing::{Fault, FaultyTarget, Serve, eventually, start_serve, until, write};

const KEY: &str = "a-key-of-some-length";

async fn send(serve: &Serve, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let mut post = serve.http.post(format!("{}{path}", serve.url));
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    let answer = post.body(body.to_owned()).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn the_line_of_a_rejected_event_names_its_sender_and_has_no_secret() {
    let (_folder, serve) = start_serve(&[]);
    let body = r#"{"eventType":"START","producer":"https://user:hunter2@example.com/etl?token=hunter3","run":{"runId":"01a1faa6-e194-708b-a993-000000000001"},
        "job":{"namespace":"etl\u202e\n{\"forged\":1}","name":"daily"},"note":"hunter4"}"#;
    let headers = [
        ("user-agent", "OpenLineageSparkListener/1.9"),
        ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
    ];
    assert_eq!(
        send(&serve, "/api/v1/lineage?key=hunter5", &headers, body).await,
        400
    );
    let line = serve.logged("request rejected");
    for (field, value) in [
        ("status", Value::from(400)),
        ("rule", "required".into()),
        ("peer", "127.0.0.1".into()),
        ("forwarded_for", "203.0.113.9, 198.51.100.7".into()),
        ("method", "POST".into()),
        ("path", "/api/v1/lineage".into()),
        ("user_agent", "OpenLineageSparkListener/1.9".into()),
        ("producer", "https://***@example.com/etl?***".into()),
        ("run.id", "01a1faa6-e194-708b-a993-000000000001".into()),
        ("job.namespace", r#"etl\u{202e}\u{a}{"forged":1}"#.into()),
        ("job.name", "daily".into()),
        ("event.type", "START".into()),
        ("suppressed", 0.into()),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert!(
        line["detail"].as_str().unwrap().contains("required at '"),
        "{line}"
    );
    assert!(
        !format!("{:?}", serve.log.lock().unwrap()).contains("hunter"),
        "a secret was logged"
    );
}

#[tokio::test]
async fn a_rejected_request_is_logged_with_its_trace() {
    let (_folder, serve) = start_serve(&[]);
    let traceparent = "00-4efaaf4d1e8720b39541901950019ee5-53995c3f42cd8ad8-01";
    let headers = [("traceparent", traceparent)];
    assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 400);
    let line = serve.logged("request rejected");
    assert_eq!(line["trace_id"], "1-4efaaf4d-1e8720b39541901950019ee5");
}

#[tokio::test]
async fn an_event_that_is_rejected_in_an_array_is_logged_too() {
    let (_folder, serve) = start_serve(&[]);
    let wrong = |n: u32| event(n, "START").replace("runId", "runid");
    let body = format!("[{},{},{}]", event(1, "START"), wrong(2), wrong(3));
    assert_eq!(send(&serve, "/api/v1/lineage/batch", &[], &body).await, 200);
    let line = serve.logged("request rejected");
    let logged = (
        &line["job.name"],
        &line["index"],
        &line["suppressed"],
        &line["path"],
    );
    assert_eq!(
        logged,
        (
            &"job 2".into(),
            &1.into(),
            &1.into(),
            &"/api/v1/lineage/batch".into()
        )
    );
    assert_eq!(
        serve
            .counter(r#"lineage_proxy_http_rejected_total{status="400"}"#)
            .await,
        2
    );
}

#[tokio::test]
async fn the_duration_of_ingest_is_that_of_events_and_of_nothing_else() {
    let keys = format!(r#"{{"etl": {{"key": "{KEY}", "roles": ["send", "read"]}}}}"#);
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys)]);
    let key = format!("Bearer {KEY}");
    let headers = [("authorization", &*key)];
    for _ in 0..5 {
        for path in ["/healthz", "/metrics", "/api/v1/events/lineage", "/nothing"] {
            serve
                .http
                .get(format!("{}{path}", serve.url))
                .header("authorization", &key)
                .send()
                .await
                .unwrap();
        }
        send(&serve, "/api/v1/lineage/validate", &headers, "{}").await;
        send(&serve, "/api/v1/lineage", &[], "{}").await;
    }
    assert_eq!(
        send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await,
        200
    );
    assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 400);
    let array = format!("[{}]", event(2, "START"));
    assert_eq!(
        send(&serve, "/api/v1/lineage/batch", &headers, &array).await,
        200
    );
    let metrics = serve
        .http
        .get(format!("{}/metrics", serve.url))
        .header("authorization", &key)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("lineage_proxy_ingest_duration_seconds_count 3\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_line_of_an_event_has_the_number_of_names_that_rules_rewrote() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "version: 1\nrules:\n  - name: by-rule\n    rename: {of: job, only: {namespace: test}, namespace: production}\n  - name: by-script\n    when: {kind: run}\n    script: \"event.job.name = `x`; event.inputs[0].name = `y`;\"\n";
    let rules = write(folder.path(), "transforms.yaml", rules);
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    let failed = "lineage_proxy_rule_failures_total{target=\"store\",rule=\"by-script\"} 0\n";
    until(async || (serve.get("/metrics").await.contains(failed)).then_some(())).await;
    let inputs = r#""inputs":[{"namespace":"n","name":"a"},{"namespace":"n","name":"b"}]"#;
    serve.post(&event_with(1, "START", inputs)).await;
    let line = serve.logged("event delivered");
    assert_eq!(
        (&line["rules"], &line["rewritten"]),
        (&"by-rule, by-script".into(), &2.into()),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_goes_down_is_logged_once_and_once_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::None).await;
    let serve = Serve::start(folder.path(), &target.settings());
    serve.post(&event(0, "START")).await;
    target.accepted_when(1).await;
    target.set(Fault::status(503));
    const DOWN: &str = "target down: events wait in the queue";
    let mut sent = 1;
    while serve.lines(DOWN).is_empty() || sent < 60 {
        assert!(sent < 1_000, "{:#?}", serve.log.lock().unwrap());
        serve.post(&event(sent, "START")).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    target.set(Fault::None);
    target.accepted_when(sent as usize).await;
    serve.lines_when(
        "target recovered: delivering the events that wait",
        |line| line["failures"].as_u64() > Some(0),
    );
    let down = serve.lines(DOWN);
    assert_eq!(
        (down.len(), &down[0]["reason"], &down[0]["target"]),
        (1, &"unavailable".into(), &"openlineage".into())
    );
    assert!(
        down[0]["since"].as_str().unwrap().ends_with('Z'),
        "{down:#?}"
    );
    let retries = serve.lines("delivery failed, will retry");
    assert!((1..=6).contains(&retries.len()), "{retries:#?}");
    for field in [
        "run.id",
        "job.namespace",
        "job.name",
        "event.type",
        "reason",
        "error",
        "events",
        "suppressed",
    ] {
        assert!(!retries[0][field].is_null(), "no {field}: {}", retries[0]);
    }
    let mut delivered: Vec<_> = eventually(|| {
        let outcomes = serve.outcomes();
        (outcomes.len() >= sent as usize).then_some(outcomes)
    });
    delivered.sort_by_key(|line| line["id"].to_string());
    delivered.dedup_by_key(|line| line["id"].to_string());
    assert_eq!(
        (delivered.len(), serve.outcomes().len()),
        (sent as usize, sent as usize)
    );
}
