//! The HTTP contract of ingest, as a client sees it. Each row is a promise of docs/http.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "contract/bodies.rs"]
mod bodies;

use serde_json::Value;
use testing::events::event;
use testing::{Serve, start_serve};

const KEY: &str = "a-key-of-some-length";

async fn json(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_path_that_clients_use_accepts_an_event() {
    let (_folder, serve) = start_serve(&[("PATH_PREFIX", "/prod")]);
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
        .get(format!("{}/prod/post-lineage-event", serve.url))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn all_findings_come_at_once_as_a_problem() {
    let (_folder, serve) = start_serve(&[]);
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
async fn repairs_are_reported_and_counted() {
    let (_folder, serve) = start_serve(&[]);
    let naive = event(1, "START").replace("10:00:01.1Z", "10:00:01.1");
    let answer = json(serve.post(&naive).await).await;
    assert_eq!(answer["repaired"][0]["pointer"], "/eventTime");
    assert_eq!(serve.stored_when(1).await, [event(1, "START").trim()]);
    let metrics = serve.get("/metrics").await;
    assert!(
        metrics.contains(r#"lineage_proxy_repairs_total{rule="date-time"} 1"#),
        "{metrics}"
    );
    let (_folder, strict) = start_serve(&[("VALIDATION", "strict")]);
    assert_eq!(strict.post(&naive).await.status(), 400);
}

#[tokio::test]
async fn only_a_client_with_a_key_may_send() {
    let hashed = format!(
        "sha256:{}",
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(
            "another-key-of-some-length"
        ))
    );
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &format!("{KEY},{hashed}"))]);
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
async fn a_bad_event_in_an_array_does_not_reject_the_others() {
    let (_folder, serve) = start_serve(&[]);
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
async fn a_finding_is_an_error_or_repairable() {
    let (_folder, serve) = start_serve(&[]);
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
async fn strict_delivers_as_received_and_repair_gives_every_run_an_id() {
    let parent = r#""parent":{"_producer":"urn:p","_schemaURL":"urn:s","run":{"runId":"manual 1"},"job":{"namespace":"n","name":"j"},"root":null}"#;
    let child = event(1, "START").replace(
        r#"000000000001"}"#,
        &format!(r#"000000000001","facets":{{{parent}}}}}"#),
    );
    let (_folder, strict) = start_serve(&[("VALIDATION", "strict")]);
    assert_eq!(
        strict.post_to("/api/v1/lineage", &child).await.status(),
        200
    );
    let kept = &strict.stored_when(1).await[0];
    assert!(kept.contains(parent), "{kept}");

    let (_folder, repair) = start_serve(&[]);
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
    let (_folder, serve) = start_serve(&[]);
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
async fn a_queue_that_cannot_accept_is_503_which_every_client_retries() {
    // SQS at an address where nothing listens.
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
