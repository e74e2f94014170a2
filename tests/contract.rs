//! The HTTP contract of ingest, as a client sees it. Each row is a promise of docs/http.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use support::{Serve, event};

const KEY: &str = "a-key-of-some-length";

fn serve(settings: &[(&str, &str)]) -> (tempfile::TempDir, Serve) {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), settings);
    (folder, serve)
}

async fn json(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_path_that_a_client_makes_takes_an_event() {
    let (_folder, serve) = serve(&[("PATH_PREFIX", "/prod")]);
    for path in [
        "/prod/api/v1/lineage",
        "/prod/post-lineage-event",
        "/prod/",
        "/prod",
    ] {
        assert_eq!(
            serve.post_to(path, &event(1, "START")).await.status(),
            200,
            "{path}"
        );
    }
    assert_eq!(
        serve
            .post_to("/api/v1/lineage", &event(1, "START"))
            .await
            .status(),
        404
    );
    let get = serve
        .http
        .get(format!("{}/prod/api/v1/lineage", serve.url))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn all_findings_come_at_once_as_a_problem() {
    let (_folder, serve) = serve(&[]);
    let bad = r#"{"eventTime":"yesterday","producer":"no uri","run":{"runId":7,"facets":{"x":{"v":NaN}}},"job":{"name":"\ud800"}}"#;
    let answer = serve.post(bad).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem = json(answer).await;
    let mut found: Vec<(String, String)> = problem["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            (
                f["pointer"].as_str().unwrap().to_owned(),
                f["rule"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    found.sort();
    let expected = [
        ("/eventTime", "date-time"),
        ("/job/name", "json"),
        ("/job/namespace", "required"),
        ("/producer", "uri"),
        ("/run/facets/x", "required"),
        ("/run/facets/x/v", "json"),
        ("/run/runId", "type"),
        ("/schemaURL", "required"),
    ];
    assert_eq!(
        found,
        expected.map(|(pointer, rule)| (pointer.to_owned(), rule.to_owned()))
    );
}

#[tokio::test]
async fn what_was_repaired_is_said_and_counted() {
    let (_folder, serve) = serve(&[]);
    let naive = event(1, "START").replace("10:00:01.1Z", "10:00:01.1");
    let answer = json(serve.post(&naive).await).await;
    assert_eq!(answer["repaired"][0]["pointer"], "/eventTime");
    assert_eq!(serve.stored_when(1).await, [event(1, "START").trim()]);
    let metrics = serve.get("/metrics").await;
    assert!(
        metrics.contains(r#"lineage_proxy_repairs_total{rule="date-time"} 1"#),
        "{metrics}"
    );
    let (_folder, strict) = self::serve(&[("VALIDATION", "strict")]);
    assert_eq!(strict.post(&naive).await.status(), 400);
}

#[tokio::test]
async fn bodies_come_in_every_coding_that_clients_use() {
    let (_folder, serve) = serve(&[
        ("MAX_BODY_SIZE", "20 KB"),
        ("MAX_DECOMPRESSED_SIZE", "100 KB"),
    ]);
    let send = async |content_type: &'static str, coding: Option<&'static str>, body: Vec<u8>| {
        let mut post = serve
            .http
            .post(format!("{}/api/v1/lineage", serve.url))
            .header("content-type", content_type);
        if let Some(coding) = coding {
            post = post.header("content-encoding", coding);
        }
        post.body(body).send().await.unwrap().status().as_u16()
    };
    let plain = event(1, "START").into_bytes();
    let large = event(1, "START")
        .replace(r#""x":1.0"#, &format!(r#""x":"{}""#, "y".repeat(200_000)))
        .into_bytes();
    let json = "application/json";
    assert_eq!(send(json, None, plain.clone()).await, 200);
    assert_eq!(
        send(
            "application/json; charset=UTF-8",
            Some("identity"),
            plain.clone()
        )
        .await,
        200
    );
    assert_eq!(
        send(
            "application/vnd.openlineage+json",
            Some("gzip"),
            gzip(&plain)
        )
        .await,
        200
    );
    assert_eq!(
        send("application/json; charset=latin1", None, plain.clone()).await,
        415
    );
    assert_eq!(
        send("application/x-www-form-urlencoded", None, plain.clone()).await,
        415
    );
    assert_eq!(send("text/plain", None, plain.clone()).await, 415);
    assert_eq!(send(json, Some("br"), plain.clone()).await, 415);
    // A gateway that unpacks may leave the header where it was, or take it away.
    assert_eq!(send(json, Some("gzip"), plain.clone()).await, 200);
    assert_eq!(send(json, None, gzip(&plain)).await, 200);
    assert_eq!(send(json, Some("gzip"), b"neither".to_vec()).await, 400);
    assert_eq!(send(json, None, large.clone()).await, 413);
    assert_eq!(send(json, Some("gzip"), gzip(&large)).await, 413);
}

#[tokio::test]
async fn whoever_is_refused_early_sees_the_answer_and_not_a_reset() {
    let (_folder, serve) = serve(&[("AUTH_KEYS", KEY)]);
    let body = "x".repeat(4_000_000);
    for (path, status) in [("/api/v1/lineage", 401), ("/nowhere", 404)] {
        for _ in 0..5 {
            assert_eq!(serve.post_to(path, &body).await.status(), status);
        }
    }
}

#[tokio::test]
async fn a_chunked_body_without_a_length_is_taken() {
    let (_folder, serve) = serve(&[]);
    let event = event(1, "START");
    let (first, second) = event.split_at(100);
    let mut connection = TcpStream::connect(serve.url.strip_prefix("http://").unwrap()).unwrap();
    write!(
        connection,
        "POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn only_who_has_a_key_may_send() {
    let hashed = format!(
        "sha256:{}",
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(
            "another-key-of-some-length"
        ))
    );
    let (_folder, serve) = serve(&[("AUTH_KEYS", &format!("{KEY},{hashed}"))]);
    let send = async |keys: &[&str]| {
        let mut post = serve
            .http
            .post(format!("{}/api/v1/lineage", serve.url))
            .body(event(1, "START"));
        for key in keys {
            post = post.header("authorization", format!("Bearer {key}"));
        }
        post.send().await.unwrap()
    };
    let none = send(&[]).await;
    assert_eq!(
        (
            none.status().as_u16(),
            none.headers()["www-authenticate"].as_bytes()
        ),
        (401, &b"Bearer"[..])
    );
    assert_eq!(send(&["a-key-of-some-lengtH"]).await.status(), 403);
    assert_eq!(send(&[KEY]).await.status(), 200);
    assert_eq!(send(&["another-key-of-some-length"]).await.status(), 200);
    assert_eq!(send(&["wrong", KEY]).await.status(), 200);
    let open = serve
        .http
        .get(format!("{}/healthz", serve.url))
        .send()
        .await
        .unwrap();
    assert_eq!(open.status(), 200);
    assert!(
        !format!("{:?}", serve.log.lock().unwrap()).contains(KEY),
        "a key was logged"
    );
}

#[tokio::test]
async fn a_bad_event_in_an_array_never_refuses_the_others() {
    let (_folder, serve) = serve(&[]);
    let (good, bad) = (event(1, "START"), r#"{"v": NaN}"#);
    let answer = serve
        .post_to(
            "/api/v1/lineage/batch",
            &format!("[{good}, {bad}, 7, {}]", event(1, "COMPLETE")),
        )
        .await;
    assert_eq!(answer.status(), 200);
    let answer = json(answer).await;
    assert_eq!(answer["status"], "partial_success");
    let summary = serde_json::json!({"received": 4, "successful": 2, "failed": 2, "retriable": 0, "non_retriable": 2});
    assert_eq!(answer["summary"], summary);
    assert_eq!(
        (
            &answer["failed_events"][0]["index"],
            &answer["failed_events"][1]["index"]
        ),
        (&1.into(), &2.into())
    );
    assert_eq!(serve.stored_when(2).await.len(), 2);

    let all = json(
        serve
            .post_to("/api/v1/lineage/batch", &format!("[{good}]"))
            .await,
    )
    .await;
    assert_eq!(
        (&all["status"], &all["failed_events"]),
        (&"success".into(), &Value::Array(Vec::new()))
    );
    let url = format!("{}/api/v1/lineage/batch", serve.url);
    let quiet = serve
        .http
        .post(url)
        .header("prefer", "return=minimal")
        .body(format!("[{good}]"))
        .send()
        .await
        .unwrap();
    assert_eq!(quiet.status(), 204);
    assert_eq!(
        serve.post_to("/api/v1/lineage/batch", &good).await.status(),
        400
    );
}

#[tokio::test]
async fn what_is_fatal_is_told_from_what_would_be_repaired() {
    let (_folder, serve) = serve(&[]);
    let bad = event(1, "start")
        .replace(".1Z", ".1")
        .replace(r#""name""#, r#""nome""#);
    let alone = json(serve.post_to("/api/v1/lineage", &bad).await).await;
    let batch = format!("[{}, {bad}]", event(2, "START"));
    let batch = json(serve.post_to("/api/v1/lineage/batch", &batch).await).await;
    let judged = json(serve.post_to("/api/v1/lineage/validate", &bad).await).await;
    for findings in [
        &alone["findings"],
        &batch["failed_events"][0]["findings"],
        &judged["findings"],
    ] {
        let severities: Vec<&str> = (findings.as_array().unwrap().iter())
            .map(|finding| finding["severity"].as_str().unwrap())
            .collect();
        assert_eq!(findings[0]["pointer"], "/job/name");
        assert_eq!(severities, ["error", "repairable", "repairable"]);
    }
    assert!(alone["detail"].as_str().unwrap().starts_with("1 error;"));
    let reason = &batch["failed_events"][0]["reason"];
    assert_eq!(reason, "invalid OpenLineage event: required at '/job/name'");
}

#[tokio::test]
async fn what_strict_accepts_is_delivered_as_it_came_and_repair_names_every_run() {
    let parent = r#""parent":{"_producer":"urn:p","_schemaURL":"urn:s","run":{"runId":"manual 1"},"job":{"namespace":"n","name":"j"},"root":null}"#;
    let child = event(1, "START").replace(
        r#"000000000001"}"#,
        &format!(r#"000000000001","facets":{{{parent}}}}}"#),
    );
    let (_folder, strict) = serve(&[("VALIDATION", "strict")]);
    assert_eq!(
        strict.post_to("/api/v1/lineage", &child).await.status(),
        200
    );
    let kept = &strict.stored_when(1).await[0];
    assert!(kept.contains(parent), "{kept}");

    let (_folder, repair) = serve(&[]);
    let own = event(2, "START").replace("01a1faa6-e194-708b-a993-000000000002", "manual 1");
    let both = format!("[{own}, {child}]");
    assert_eq!(
        repair
            .post_to("/api/v1/lineage/batch", &both)
            .await
            .status(),
        200
    );
    let delivered: Vec<Value> = (repair.stored_when(2).await.iter())
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let of_parent = |event: &&Value| event["run"]["facets"].get("parent").is_some();
    let child = delivered.iter().find(of_parent).unwrap();
    let own = delivered.iter().find(|event| !of_parent(event)).unwrap();
    let parent = &child["run"]["facets"]["parent"];
    assert_eq!(parent["run"]["runId"], own["run"]["runId"]);
    assert!(parent.get("root").is_none());
}

#[tokio::test]
async fn validation_queues_nothing() {
    let (_folder, serve) = serve(&[]);
    let naive = event(1, "START").replace(".1Z", ".1");
    let repaired = json(serve.post_to("/api/v1/lineage/validate", &naive).await).await;
    assert_eq!(
        (&repaired["valid"], &repaired["findings"][0]["severity"]),
        (&true.into(), &"repaired".into())
    );
    let strict = json(
        serve
            .post_to(
                "/api/v1/lineage/validate?level=strict",
                &format!("[{naive}, {{}}]"),
            )
            .await,
    )
    .await;
    assert_eq!(
        strict
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["valid"] == true)
            .collect::<Vec<_>>(),
        [false, false]
    );
    assert_eq!(
        serve
            .post_to("/api/v1/lineage/validate?level=lax", &naive)
            .await
            .status(),
        400
    );
    assert!(serve.stored().await.is_empty());
}

#[tokio::test]
async fn a_queue_that_cannot_take_it_is_503_which_every_client_retries() {
    // SQS at an address where nobody listens.
    let url = "http://127.0.0.1:9/000000000000/events";
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("QUEUE_URL", url),
        ("QUEUE_DEAD_LETTER_URL", url),
        ("ONLY", "ingest"),
    ];
    let aws = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
    ];
    let serve = Serve::start_with(
        folder.path(),
        &settings,
        &[&aws[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]].concat(),
    );
    let answer = serve.post(&event(1, "START")).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].as_bytes()
        ),
        (503, &b"1"[..])
    );
    let many = serve
        .post_to("/api/v1/lineage/batch", &format!("[{}]", event(1, "START")))
        .await;
    assert_eq!(many.status(), 503);
    let ready = serve
        .http
        .get(format!("{}/readyz", serve.url))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 503);
}
