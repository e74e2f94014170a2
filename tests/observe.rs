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
async fn a_client_with_a_bad_key_does_not_suppress_the_lines_of_others() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", KEY)]);
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
        serve
            .lines("request rejected")
            .into_iter()
            .filter(move |line| line["status"] == status)
            .count()
    };
    serve.lines_when("request rejected", |line| {
        line["forwarded_for"] == "198.51.100.8"
    });
    assert_eq!(
        (of(403), of(400), of(404)),
        (2, 2, 1),
        "{:#?}",
        serve.lines("request rejected")
    );
    let suppressed = serve.lines_when("requests rejected, log lines suppressed", |line| {
        line["status"] == 403
    });
    assert_eq!(
        (&suppressed[0]["suppressed"], &suppressed[0]["peer"]),
        (&49.into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn a_sender_is_named_and_hides_no_other_that_comes_from_the_same_address() {
    let keys = r#"{"airflow": {"key": "a-key-of-airflow-alone"}, "dbt": {"key": "a-key-of-dbt-and-none"}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in ["a-key-of-airflow-alone", "a-key-of-dbt-and-none"] {
        let bearer = format!("Bearer {key}");
        for _ in 0..3 {
            let headers = [("authorization", &*bearer)];
            assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 400);
        }
    }
    let refused = serve.lines_when("request rejected", |line| line["sender"] == "dbt");
    let senders: Vec<_> = refused.iter().map(|line| &line["sender"]).collect();
    assert_eq!(senders, ["airflow", "dbt"], "{refused:#?}");
}

#[tokio::test]
async fn strangers_are_counted_and_are_no_part_of_the_share_of_rejected_events() {
    let keys = r#"{"airflow": {"key": "a-key-of-airflow-alone"}, "grafana": {"key": "a-key-of-grafana-alone", "roles": ["metrics"]}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    let post = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await
    };
    for _ in 0..5 {
        assert_eq!(post("a-key-of-a-stranger").await, 403);
    }
    assert_eq!(post("a-key-of-airflow-alone").await, 200);
    let metrics = serve.http.get(format!("{}/metrics", serve.url));
    let metrics = metrics.bearer_auth("a-key-of-grafana-alone");
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    for line in [
        "lineage_proxy_unknown_keys_total 5",
        r#"lineage_proxy_http_rejected_total{status="403"} 5"#,
        "lineage_proxy_http_rejected_ratio_count 1",
        "lineage_proxy_http_rejected_ratio_sum 0",
    ] {
        let is_there = metrics.lines().any(|found| found == line);
        assert!(is_there, "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn a_key_with_a_limit_is_rejected_above_it_and_the_line_names_it() {
    let keys = r#"{"etl": {"key": "a-key-of-etl-and-none", "requests_per_second": 1}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    let headers = [("authorization", "Bearer a-key-of-etl-and-none")];
    let mut statuses = Vec::new();
    // A slow machine may take a second for each of some.
    while statuses.len() < 50 && !statuses.contains(&429) {
        let status = send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await;
        statuses.push(status);
    }
    assert_eq!(
        (statuses[0], statuses.last()),
        (200, Some(&429)),
        "{statuses:?}"
    );
    let line = serve.logged("request rejected");
    assert_eq!(
        (&line["status"], &line["sender"], &line["detail"]),
        (
            &429.into(),
            &"etl".into(),
            &"the key etl may send 1 requests a second".into()
        )
    );
}

#[tokio::test]
async fn the_use_of_a_key_is_one_line_that_says_from_where_and_never_the_key() {
    let keys = r#"{"current": {"key": "a-key-of-this-month"}, "previous": {"key": "a-key-of-last-month"}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in ["a-key-of-this-month", "a-key-of-last-month"] {
        let bearer = format!("Bearer {key}");
        for _ in 0..3 {
            let headers = [("authorization", &*bearer), ("user-agent", "an-old-client")];
            let status = send(&serve, "/api/v1/lineage", &headers, &event(1, "START")).await;
            assert_eq!(status, 200);
        }
    }
    let used = serve.lines_when("API key used", |line| line["sender"] == "previous");
    let senders: Vec<_> = used.iter().map(|line| &line["sender"]).collect();
    assert_eq!(senders, ["current", "previous"], "{used:#?}");
    assert_eq!(
        (&used[1]["peer"], &used[1]["user_agent"]),
        (&"127.0.0.1".into(), &"an-old-client".into())
    );
    let log = format!("{:?}", serve.log.lock().unwrap());
    assert!(!log.contains("-month"), "a key was logged");
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
async fn a_key_without_the_role_is_logged_by_its_name_and_an_unknown_key_without() {
    let keys = r#"{"grafana": {"key": "a-key-of-grafana-alone", "roles": ["metrics"]}, "auditor": {"key": "a-key-of-the-auditor", "roles": ["read"]}}"#;
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", keys)]);
    for key in [
        "a-key-of-nobody",
        "a-key-of-grafana-alone",
        "a-key-of-the-auditor",
    ] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 403);
    }
    let refused = serve.lines_when("request rejected", |line| line["sender"] == "auditor");
    let logged: Vec<_> = (refused.iter())
        .map(|line| (&line["sender"], line["detail"].as_str().unwrap_or_default()))
        .collect();
    let expected = [
        (&serde_json::Value::Null, "the key is not known"),
        (
            &"grafana".into(),
            "the key grafana does not have the role send",
        ),
        (
            &"auditor".into(),
            "the key auditor does not have the role send",
        ),
    ];
    assert_eq!(logged, expected, "{refused:#?}");
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
