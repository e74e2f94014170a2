//! What an operator sees: the log lines and the metrics of `serve`. Each is a promise of docs/operate.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
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
        lines(&serve, "request rejected")
            .into_iter()
            .filter(move |line| line["status"] == status)
            .count()
    };
    lines_when(&serve, "request rejected", |line| {
        line["forwarded_for"] == "198.51.100.8"
    });
    assert_eq!(
        (of(403), of(400), of(404)),
        (2, 2, 1),
        "{:#?}",
        lines(&serve, "request rejected")
    );
    let told = lines_when(&serve, "requests rejected, log lines suppressed", |line| {
        line["status"] == 403
    });
    assert_eq!(
        (&told[0]["suppressed"], &told[0]["peer"]),
        (&49.into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn a_sender_is_named_and_hides_no_other_that_comes_from_the_same_address() {
    let keys = r#"{"airflow": {"key": "a-key-of-airflow-alone"}, "dbt": {"key": "a-key-of-dbt-and-none"}}"#;
    let (_folder, serve) = serve(&[("AUTH_KEYS", keys)]);
    for key in ["a-key-of-airflow-alone", "a-key-of-dbt-and-none"] {
        let bearer = format!("Bearer {key}");
        for _ in 0..3 {
            let headers = [("authorization", &*bearer)];
            assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 400);
        }
    }
    let refused = lines_when(&serve, "request rejected", |line| line["sender"] == "dbt");
    let senders: Vec<_> = refused.iter().map(|line| &line["sender"]).collect();
    assert_eq!(senders, ["airflow", "dbt"], "{refused:#?}");
}

#[tokio::test]
async fn a_key_without_the_role_is_told_by_its_name_beside_others_that_are_not_known() {
    let keys = r#"{"grafana": {"key": "a-key-of-grafana-alone", "roles": ["metrics"]}, "auditor": {"key": "a-key-of-the-auditor", "roles": ["read"]}}"#;
    let (_folder, serve) = serve(&[("AUTH_KEYS", keys)]);
    for key in [
        "a-key-of-nobody",
        "a-key-of-grafana-alone",
        "a-key-of-the-auditor",
    ] {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer)];
        assert_eq!(send(&serve, "/api/v1/lineage", &headers, "{}").await, 403);
    }
    let refused = lines_when(&serve, "request rejected", |line| {
        line["sender"] == "auditor"
    });
    let told: Vec<_> = (refused.iter())
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
    assert_eq!(told, expected, "{refused:#?}");
}

#[tokio::test]
async fn an_event_that_is_refused_in_an_array_is_a_line_too() {
    let (_folder, serve) = serve(&[]);
    let wrong = |n: u32| event(n, "START").replace("runId", "runid");
    let body = format!("[{},{},{}]", event(1, "START"), wrong(2), wrong(3));
    assert_eq!(send(&serve, "/api/v1/lineage/batch", &[], &body).await, 200);
    let line = serve.logged("request rejected");
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
            .counter(r#"lineage_proxy_http_rejected_total{status="400"}"#)
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
    let failed = "lineage_proxy_rule_failures_total{target=\"store\",rule=\"by-script\"} 0\n";
    eventually_async(async || serve.get("/metrics").await.contains(failed)).await;
    let inputs = r#""inputs":[{"namespace":"n","name":"a"},{"namespace":"n","name":"b"}]"#;
    serve.post(&support::moving(1, "START", inputs)).await;
    let line = serve.logged("event delivered");
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
        (down.len(), &down[0]["reason"], &down[0]["target"]),
        (1, &"unavailable".into(), &"openlineage".into())
    );
    assert!(
        down[0]["since"].as_str().unwrap().ends_with('Z'),
        "{down:#?}"
    );
    let retries = lines(&serve, "delivery failed, will retry");
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

/// The text format 0.0.4 as its specification has it, and no more: families in one piece, HELP and TYPE before their
/// samples, every sample once, buckets that add up.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
fn parsed(text: &str) -> BTreeMap<String, (String, BTreeMap<String, f64>)> {
    let mut families: BTreeMap<String, (String, BTreeMap<String, f64>)> = BTreeMap::new();
    let (mut helped, mut family) = (String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty());
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped, name, "no HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family = name.to_owned();
            assert!(
                families
                    .insert(family.clone(), (kind.to_owned(), BTreeMap::new()))
                    .is_none(),
                "{name} twice"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let (kind, samples) = families.get_mut(&family).unwrap();
            let ending = name.strip_prefix(family.as_str()).unwrap();
            let endings: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(endings.contains(&ending), "{line} in {family}");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{line}"
            );
            assert!(
                samples
                    .insert(sample.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{line} twice"
            );
        }
    }
    for (name, (kind, samples)) in &families {
        if kind == "histogram" {
            let count = format!("{name}_count");
            let counts = samples.iter().filter_map(|(sample, count_of)| {
                let labels = sample.strip_prefix(&count)?;
                Some((labels.trim_matches(['{', '}']), count_of))
            });
            let counts: Vec<_> = counts.collect();
            assert!(!counts.is_empty(), "{name}");
            for (labels, count) in counts {
                let comma = if labels.is_empty() { "" } else { "," };
                let last = format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}}");
                assert_eq!(samples[&last], *count, "{last}");
            }
            assert!(samples.values().all(|value| *value >= 0.0));
        }
    }
    families
}

#[tokio::test]
async fn every_documented_metric_is_there_from_the_start_and_parses() {
    let (_folder, serve) = serve(&[]);
    let families = async || parsed(&serve.get("/metrics").await);
    eventually_async(async || families().await.contains_key("lineage_proxy_queue_events")).await;
    let begin = families().await;
    let documentation = include_str!("../docs/operate.md");
    let mut documented = 0;
    for row in documentation
        .lines()
        .filter(|line| line.starts_with("| `lineage_proxy_"))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        if name == "lineage_proxy_datazone_processing_failures_total" {
            continue; // the check function's
        }
        // The values of these labels are the rules of a file and the names of keys, and there are none.
        let unknown = [
            "lineage_proxy_rule_failures_total",
            "lineage_proxy_sender_requests_total",
        ];
        if unknown.contains(&name) {
            continue;
        }
        let (kind, samples) = begin.get(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(kind, cells[2], "{name}");
        assert!(!samples.is_empty(), "{name}");
        documented += 1;
    }
    assert_eq!(documented, begin.len(), "{:?}", begin.keys());
    for zero in [
        r#"lineage_proxy_dead_lettered_total{target="store",reason="unavailable"}"#,
        r#"lineage_proxy_delivered_total{target="store"}"#,
        r#"lineage_proxy_http_rejected_total{status="403"}"#,
        "lineage_proxy_accepted_total",
    ] {
        let family = &begin[zero.split('{').next().unwrap()].1;
        assert_eq!(family[zero], 0.0, "{zero}");
    }
    let version = format!(
        "lineage_proxy_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(begin["lineage_proxy_build_info"].1[&version], 1.0);
    // What a stranger sends is no label.
    serve.post(&event(1, "START")).await;
    for n in 0..20 {
        let path = format!("/{n}\"}} 1\n");
        send(
            &serve,
            &path,
            &[("user-agent", &format!("agent-{n}"))],
            "{}",
        )
        .await;
    }
    let end = families().await;
    let count = |families: &BTreeMap<String, (String, BTreeMap<String, f64>)>| {
        families
            .values()
            .map(|(_, samples)| samples.len())
            .sum::<usize>()
    };
    assert!(count(&end) <= count(&begin) + 3, "{end:#?}");
    assert_eq!(
        end["lineage_proxy_accepted_total"].1["lineage_proxy_accepted_total"],
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_say_how_much_is_queued_how_old_it_is_and_that_the_target_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::start().await;
    *target.default.lock().unwrap() = 503;
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", &target.url),
        ("OPENLINEAGE_COMPRESSION", "none"),
    ];
    let serve = Serve::start(folder.path(), &settings);
    for n in 0..3 {
        serve.post(&event(n, "START")).await;
    }
    let refused = event(9, "START").replace("urn:test", r#"urn:test","answer":400,"x2":""#);
    let value = async |name: &str| {
        let text = serve.get("/metrics").await;
        let families = parsed(&text);
        let family = families.get(name.split('{').next().unwrap());
        family.and_then(|(_, samples)| samples.get(name).copied())
    };
    let up = r#"lineage_proxy_target_up{target="openlineage"}"#;
    eventually_async(async || value(up).await == Some(0.0)).await;
    eventually_async(async || value("lineage_proxy_queue_events").await == Some(3.0)).await;
    eventually_async(async || value("lineage_proxy_queue_oldest_age_seconds").await > Some(0.0))
        .await;
    assert_eq!(value("lineage_proxy_dead_letters").await, Some(0.0));
    *target.default.lock().unwrap() = 201;
    assert_eq!(serve.post(&refused).await.status(), 200);
    target.taken_when(3).await;
    eventually_async(async || value(up).await == Some(1.0)).await;
    eventually_async(async || value("lineage_proxy_queue_events").await == Some(0.0)).await;
    eventually_async(async || value("lineage_proxy_dead_letters").await == Some(1.0)).await;
    assert_eq!(
        value("lineage_proxy_queue_oldest_age_seconds").await,
        Some(0.0)
    );
}

async fn eventually_async(ready: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(40);
    while !ready().await {
        assert!(std::time::Instant::now() < deadline, "in vain");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
