//! What an operator sees: the log lines and the metrics of `serve`. Each is a promise of the README, "See what happens".

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Serve, Target, event, eventually};

const KEY: &str = "a-key-of-some-length";

fn serve(settings: &[(&str, &str)]) -> (tempfile::TempDir, Serve) {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), settings);
    (folder, serve)
}

/// The fields of all lines with that message so far.
fn lines(serve: &Serve, message: &str) -> Vec<Value> {
    let log = serve.log.lock().unwrap();
    let fields = log.iter().map(|line| line["fields"].clone());
    fields
        .filter(|fields| fields["message"] == message)
        .collect()
}

/// The lines, once there is one that is `wanted`.
fn lines_when(serve: &Serve, message: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually(|| {
        let lines = lines(serve, message);
        lines.iter().any(&wanted).then_some(lines)
    })
}

async fn send(serve: &Serve, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let mut post = serve.http.post(format!("{}{path}", serve.url));
    for (name, value) in headers {
        post = post.header(*name, *value);
    }
    let answer = post.body(body.to_owned()).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn a_refused_line_says_who_sent_what_and_holds_no_secret() {
    let (_folder, serve) = serve(&[]);
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
    let line = serve.logged("refused");
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
async fn a_client_with_a_bad_key_hides_nobody_elses_reason() {
    let (_folder, serve) = serve(&[("AUTH_KEYS", KEY)]);
    let (good, bad) = (format!("Bearer {KEY}"), "Bearer a-key-that-was-withdrawn");
    let lineage = "/api/v1/lineage";
    for n in 0..50 {
        assert_eq!(
            send(
                &serve,
                lineage,
                &[("authorization", bad)],
                &event(n, "START")
            )
            .await,
            403
        );
    }
    let wrong = event(1, "START").replace("eventTime", "eventtime");
    let unnamed = event(2, "START").replace(r#""name":"job 2""#, r#""name":7"#);
    assert_eq!(
        send(&serve, lineage, &[("authorization", &good)], &wrong).await,
        400
    );
    assert_eq!(
        send(&serve, lineage, &[("authorization", &good)], &unnamed).await,
        400
    );
    assert_eq!(
        send(&serve, "/api/v2/lineage", &[("authorization", &good)], "{}").await,
        404
    );
    let other = [("authorization", bad), ("x-forwarded-for", "198.51.100.8")];
    assert_eq!(send(&serve, lineage, &other, "{}").await, 403);
    let of = |status: u64| {
        lines(&serve, "refused")
            .into_iter()
            .filter(move |line| line["status"] == status)
            .count()
    };
    lines_when(&serve, "refused", |line| {
        line["forwarded_for"] == "198.51.100.8"
    });
    assert_eq!(
        (of(403), of(400), of(404)),
        (2, 2, 1),
        "{:#?}",
        lines(&serve, "refused")
    );
    let told = lines_when(&serve, "refused, and not logged one by one", |line| {
        line["status"] == 403
    });
    assert_eq!(
        (&told[0]["suppressed"], &told[0]["peer"]),
        (&49.into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn an_event_that_is_refused_in_an_array_is_a_line_too() {
    let (_folder, serve) = serve(&[]);
    let wrong = |n: u32| event(n, "START").replace("runId", "runid");
    let body = format!("[{},{},{}]", event(1, "START"), wrong(2), wrong(3));
    assert_eq!(send(&serve, "/api/v1/lineage/batch", &[], &body).await, 200);
    let line = serve.logged("refused");
    let told = (
        &line["job.name"],
        &line["index"],
        &line["suppressed"],
        &line["path"],
    );
    assert_eq!(
        told,
        (
            &"job 2".into(),
            &1.into(),
            &1.into(),
            &"/api/v1/lineage/batch".into()
        )
    );
    assert_eq!(
        serve
            .counter(r#"lineage_proxy_refused_total{status="400"}"#)
            .await,
        2
    );
}

#[tokio::test]
async fn the_duration_of_ingest_is_that_of_events_and_of_nothing_else() {
    let keys = format!(r#"{{"etl": {{"key": "{KEY}", "roles": ["send", "read"]}}}}"#);
    let (_folder, serve) = serve(&[("AUTH_KEYS", &keys)]);
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
async fn an_event_says_how_many_names_its_rules_rewrote() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "version: 1\nrules:\n  - name: by-rule\n    rename: {of: job, only: {namespace: test}, namespace: production}\n  - name: by-script\n    when: {kind: run}\n    script: \"event.job.name = `x`; event.inputs[0].name = `y`;\"\n";
    let rules = support::write(folder.path(), "transforms.yaml", rules);
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    let inputs = r#""inputs":[{"namespace":"n","name":"a"},{"namespace":"n","name":"b"}]"#;
    serve.post(&support::moving(1, "START", inputs)).await;
    let line = serve.logged("event");
    assert_eq!(
        (&line["rules"], &line["rewritten"]),
        (&"by-rule, by-script".into(), &2.into()),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_is_a_line_when_it_goes_and_one_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start().await;
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", &target.url),
        ("OPENLINEAGE_COMPRESSION", "none"),
    ];
    let serve = Serve::start(folder.path(), &settings);
    serve.post(&event(0, "START")).await;
    target.taken_when(1).await;
    *target.default.lock().unwrap() = 503;
    const DOWN: &str = "target down: events wait in the queue";
    let mut sent = 1;
    while lines(&serve, DOWN).is_empty() || sent < 60 {
        assert!(sent < 1_000, "{:#?}", serve.log.lock().unwrap());
        serve.post(&event(sent, "START")).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    *target.default.lock().unwrap() = 201;
    target.taken_when(sent as usize).await;
    lines_when(&serve, "target back: what waits is delivered", |line| {
        line["failures"].as_u64() > Some(0)
    });
    let down = lines(&serve, DOWN);
    assert_eq!(
        (down.len(), &down[0]["class"], &down[0]["target"]),
        (1, &"unavailable".into(), &"openlineage".into())
    );
    assert!(
        down[0]["since"].as_str().unwrap().ends_with('Z'),
        "{down:#?}"
    );
    let retries = lines(&serve, "will be tried again");
    assert!((1..=6).contains(&retries.len()), "{retries:#?}");
    for field in [
        "run.id",
        "job.namespace",
        "job.name",
        "event.type",
        "class",
        "reason",
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
