//! Who may do what over HTTP: roles of keys, host names, queries, and paths that are nearly right.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::{Value, json};
use testing::events::event;
use testing::serve::aws;
use testing::{Serve, binary, outcome_with, run, start_serve};

const SEND: &str = "a-key-that-may-send";
const READ: &str = "a-key-that-may-read";
const METRICS: &str = "a-key-for-metrics";
const OPERATE: &str = "a-key-that-operates";

/// Sends a raw request. Returns the status of the response, and its body.
fn raw(serve: &Serve, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(serve.url.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

async fn asked(serve: &Serve, method: &str, path: &str, key: Option<&str>) -> (u16, Value) {
    let method = method.parse().unwrap();
    let mut request = serve
        .http
        .request(method, format!("{}{path}", serve.url))
        .body(event(1, "START"));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let is_problem = answer
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind == "application/problem+json");
    let text = answer.text().await.unwrap();
    assert_eq!(is_problem, status >= 400, "{path}: {text}");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test]
async fn a_key_that_may_send_may_not_read() {
    let keys = json!({
        "airflow": {"key": SEND},
        "auditor": {"key": READ, "roles": ["read"]},
        "grafana": {"key": METRICS, "roles": ["metrics"]},
        "ops": {"key": OPERATE, "roles": "operate"},
    });
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys.to_string())]);
    let routes = [
        ("POST", "/api/v1/lineage", "send", &[SEND][..]),
        ("POST", "/api/v1/lineage/batch", "send", &[SEND]),
        ("POST", "/api/v1/lineage/validate", "send", &[SEND]),
        ("POST", "/api/v1/lineage/", "send", &[SEND]),
        ("POST", "/", "send", &[SEND]),
        ("GET", "/api/v1/events/lineage", "read", &[READ]),
        ("GET", "/api/v1/events", "read", &[READ]),
        ("GET", "/metrics", "metrics", &[READ, METRICS]),
    ];
    for (method, path, role, may) in routes {
        assert_eq!(asked(&serve, method, path, None).await.0, 401, "{path}");
        for key in [SEND, READ, METRICS, OPERATE] {
            let (status, problem) = asked(&serve, method, path, Some(key)).await;
            if may.contains(&key) {
                assert!(
                    status == 200 || path.ends_with("batch") && status == 400,
                    "{path} {key}: {status}"
                );
            } else {
                assert_eq!(status, 403, "{path} {key}");
                let detail = problem["detail"].as_str().unwrap();
                assert!(
                    detail.ends_with(&format!("does not have the role {role}")),
                    "{detail}"
                );
            }
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(
            serve
                .http
                .get(format!("{}{path}", serve.url))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
    let metrics = serve
        .http
        .get(format!("{}/metrics", serve.url))
        .bearer_auth(METRICS)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains(r#"lineage_proxy_sender_requests_total{sender="airflow",status="200"}"#),
        "{metrics}"
    );
    let log = format!("{:?}", serve.log.lock().unwrap());
    for key in [SEND, READ, METRICS, OPERATE] {
        assert!(!log.contains(key), "a key was logged");
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_does_not_cause_a_further_read_of_the_secret() {
    // Secrets Manager, which takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start_with(
        folder.path(),
        &[("AUTH_SECRET_ID", "keys"), ("MAX_CONNECTIONS", "1")],
        &aws(&url),
    );
    let mut stream = TcpStream::connect(serve.url.trim_start_matches("http://")).unwrap();
    let request = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SEND}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let _first = silent.accept().unwrap();
    // The next connection evicts the first, whose request is cancelled. Its own request waits for the read of the first, and
    // is answered by what that found.
    assert_eq!(
        asked(&serve, "POST", "/api/v1/lineage", Some(SEND)).await.0,
        503
    );
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest); // a reset is as good as an end
    assert_eq!(rest, "", "the first request was answered");
    silent.set_nonblocking(true).unwrap();
    let again = silent.accept().map_err(|error| error.kind());
    assert_eq!(again.err(), Some(std::io::ErrorKind::WouldBlock));
}

#[tokio::test]
async fn a_key_of_a_list_may_send_and_nothing_else() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", SEND)]);
    assert_eq!(
        asked(&serve, "POST", "/api/v1/lineage", Some(SEND)).await.0,
        200
    );
    assert_eq!(
        asked(&serve, "GET", "/api/v1/events/lineage", Some(SEND))
            .await
            .0,
        403
    );
    assert_eq!(asked(&serve, "GET", "/metrics", Some(SEND)).await.0, 403);
}

#[test]
fn a_key_is_hashed_from_standard_input_and_the_hash_lets_it_in() {
    let hash = |input: &str| {
        let mut command = Command::new(binary());
        outcome_with(command.args(["keys", "hash"]), input.as_bytes())
    };
    let (status, hashed, _) = hash(&format!("{READ}\n"));
    assert_eq!(status, Some(0));
    assert!(
        hashed.starts_with("sha256:") && hashed.trim().len() == 71,
        "{hashed}"
    );
    let (status, _, error) = hash("short-secret");
    assert_eq!(status, Some(2));
    assert!(
        error.contains("shorter than 16") && !error.contains("short-secret"),
        "{error}"
    );
    // Not as an argument: every user of the machine can see those.
    assert_eq!(run(&["keys", "hash", READ], &[]).0, Some(2));
    let (_, made, _) = run(&["keys", "generate", "--output", "json"], &[]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let (key, hashed) = (
        made["key"].as_str().unwrap(),
        made["hash"].as_str().unwrap(),
    );
    let keys = json!({"etl": {"hash": hashed, "roles": ["read"]}}).to_string();
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", &keys)]);
    let get = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(raw(&serve, &get).0, 200);
}

#[test]
fn a_site_whose_name_was_rebound_to_the_proxy_reads_nothing() {
    let (_folder, serve) = start_serve(&[("ALLOWED_HOSTS", "proxy.example.com")]);
    let get = |target: &str, hosts: &[&str]| {
        let hosts: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        raw(
            &serve,
            &format!(
                "GET {target} HTTP/1.1\r\n{hosts}X-Forwarded-Host: localhost\r\nConnection: close\r\n\r\n"
            ),
        )
    };
    let port = serve.url.rsplit_once(':').unwrap().1.to_owned();
    for path in ["/api/v1/events/lineage", "/api/v1/events", "/metrics"] {
        for host in [
            "127.0.0.1",
            "localhost",
            "LOCALHOST.:80",
            "[::1]",
            &format!("127.0.0.1:{port}"),
            "proxy.example.com:443",
        ] {
            assert_eq!(get(path, &[host]).0, 200, "{path} {host}");
        }
        for host in [
            "evil.example",
            "evil.example:5000",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "10.0.0.1",
        ] {
            let (status, answer) = get(path, &[host]);
            assert_eq!(status, 421, "{path} {host}");
            assert!(
                answer.contains("application/problem+json")
                    && answer.contains("setting allowed_hosts"),
                "{answer}"
            );
        }
        assert_eq!(get(path, &[]).0, 400, "{path}");
        assert_eq!(get(path, &["localhost", "localhost"]).0, 400, "{path}");
        assert_eq!(
            get(&format!("http://evil.example{path}"), &["localhost"]).0,
            421,
            "{path}"
        );
    }
    // Load balancers ask for health under any name, and events are accepted under any name.
    assert_eq!(get("/healthz", &["evil.example"]).0, 200);
    assert_eq!(get("/readyz", &["evil.example"]).0, 200);
    let event = event(1, "START");
    let length = event.len();
    let post = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{event}"
    );
    assert_eq!(raw(&serve, &post).0, 200);
}

#[tokio::test]
async fn an_unknown_or_invalid_parameter_is_a_problem_that_names_it() {
    let (_folder, serve) = start_serve(&[]);
    for n in 0..5 {
        serve.post(&event(n, "START")).await;
    }
    serve.stored_when(5).await;
    let page = async |query: &str| {
        asked(
            &serve,
            "GET",
            &format!("/api/v1/events/lineage{query}"),
            None,
        )
        .await
    };
    let wrong = [
        (
            "?limt=1",
            "unknown parameter \"limt\": known are limit, offset, sortDirection, before, after, job, run, namespace, dataset, form, position",
        ),
        (
            "?limit=abc",
            "limit: expected a whole number from 0 to 1000, found \"abc\"",
        ),
        (
            "?limit=1001",
            "limit: expected a whole number from 0 to 1000, found \"1001\"",
        ),
        (
            "?offset=-1",
            "offset: expected a whole number from 0 to 4294967295, found \"-1\"",
        ),
        (
            "?sortDirection=up",
            "sortDirection: expected asc or desc, found \"up\"",
        ),
        ("?limit=1&limit=2", "limit: given twice"),
    ];
    for (query, detail) in wrong {
        let (status, problem) = page(query).await;
        assert_eq!((status, problem["detail"].as_str().unwrap()), (400, detail));
    }
    let (_, problem) = asked(&serve, "POST", "/api/v1/lineage/validate?level=lax", None).await;
    assert_eq!(
        problem["detail"],
        "level: expected strict or repair, found \"lax\""
    );
    let (status, _) = asked(
        &serve,
        "POST",
        "/api/v1/lineage/validate?level=strict&level=strict",
        None,
    )
    .await;
    assert_eq!(status, 400);
    // Pages: one after the other, each event once.
    let mut found = Vec::new();
    for offset in [0, 2, 4, 6] {
        let (status, page) = page(&format!("?limit=2&offset={offset}&sortDirection=ASC")).await;
        assert_eq!((status, &page["totalCount"]), (200, &json!(5)));
        found.extend(page["events"].as_array().unwrap().clone());
    }
    let names: Vec<&str> = found
        .iter()
        .map(|event| event["job"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["job 0", "job 1", "job 2", "job 3", "job 4"]);
}

#[tokio::test]
async fn an_event_is_accepted_whatever_slashes_its_path_has() {
    for prefix in ["", "/prod"] {
        let (_folder, serve) = start_serve(&[("PATH_PREFIX", prefix)]);
        let paths = [
            "/api/v1/lineage/",
            "//api/v1/lineage",
            "/api//v1/lineage///",
            "//post-lineage-event/",
            "//",
            "/api/v1/lineage/?x=1",
        ];
        for path in paths {
            for path in [format!("{prefix}{path}"), format!("/{prefix}{path}")] {
                let (status, answer) = asked(&serve, "POST", &path, None).await;
                assert_eq!(status, 200, "{path}: {answer}");
                assert!(answer["id"].is_string(), "{path}: {answer}");
            }
        }
        let array = format!("[{}]", event(7, "START"));
        for path in ["/api/v1/lineage/batch/", "//api//v1/lineage/batch"] {
            let answer = serve.post_to(&format!("{prefix}{path}"), &array).await;
            assert_eq!(answer.status(), 200, "{path}");
        }
        let answer = serve
            .post_to(
                &format!("{prefix}//api/v1/lineage/validate/?level=strict"),
                &event(1, "START"),
            )
            .await;
        assert!(answer.text().await.unwrap().contains("\"valid\""));
        // What is read has one path, so that a proxy in front can guard all of it.
        for path in [
            "//metrics",
            "/metrics/",
            "/api/v1/events/lineage/",
            "/api/v1//events/lineage",
        ] {
            assert_eq!(
                asked(&serve, "GET", &format!("{prefix}{path}"), None)
                    .await
                    .0,
                404,
                "{path}"
            );
        }
        let (status, problem) = asked(&serve, "POST", "/api/v2/lineage", None).await;
        let right = format!("/api/v2/lineage: the nearest is POST {prefix}/api/v1/lineage");
        assert_eq!(
            (status, problem["detail"].as_str().unwrap()),
            (404, right.as_str())
        );
    }
}
