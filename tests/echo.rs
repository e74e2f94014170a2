//! Targets that give back what they were sent, in every place where an answer has room for it: nothing of an event's SQL
//! and none of our credentials goes into a log, a dead letter, a metric or what a command prints.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{Serve, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Stand in the SQL of each event.
const LITERAL: &str = "Zq81kMarkedLiteral";
const SHORT: &str = "7731";

/// Our own credentials.
const KEY: &str = "sk/Live+Mkey9fT2xQw7";
const USER: &str = "usrMarkQ4x";
const PASSWORD: &str = "pwdMark8Zs";
const TOKEN: &str = "tokenMark77ab";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const ACCESS: &str = "AKIAMARKED7EXAMPLE99";
const SESSION: &str = "IQoJb3JpZ2luX2VjEJrWarkedSessionToken0123456789abcdefghij";

/// Where a target puts what it was sent.
const PLACES: [&str; 13] = [
    "status text",
    "headers",
    "json",
    "json in json",
    "json keys",
    "codes",
    "html",
    "text",
    "gzip",
    "base64",
    "percent",
    "broken off",
    "no http",
];

/// Answers with that status, and what was sent in that place; the event's job says both, as `STATUS PLACE`.
struct Echo {
    url: String,
    address: String,
    /// Bytes of the endless answer that went out.
    sent: Arc<AtomicU64>,
}

impl Echo {
    async fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sent = Arc::<AtomicU64>::default();
        let counted = sent.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, counted.clone()));
            }
        });
        Echo {
            url: format!("http://{address}"),
            address,
            sent,
        }
    }
}

async fn answer(mut stream: TcpStream, sent: Arc<AtomicU64>) {
    let Some((head, body)) = request(&mut stream).await else {
        return;
    };
    let event: Value = serde_json::from_str(&body).unwrap();
    let name = event["job"]["name"].as_str().unwrap();
    let (status, place) = name.split_once(' ').unwrap();
    if place == "endless" {
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 1000000000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(body.as_bytes()).await.is_ok() {
            sent.fetch_add(body.len() as u64, Ordering::Relaxed);
        }
        return;
    }
    let bytes = echo(status, place, &head, &body);
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// Head and body of the next request.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let (mut read, mut piece) = (Vec::new(), [0; 8_192]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0_usize) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn echo(status: &str, place: &str, head: &str, body: &str) -> Vec<u8> {
    let all = format!("{head}\n{body}");
    let line: String = all.replace(['\r', '\n'], " ");
    let mut more = String::new();
    let mut reason = "Refused".to_owned();
    let body = match place {
        "status text" => {
            reason.clone_from(&line);
            Vec::new()
        }
        "headers" => {
            for name in ["location", "www-authenticate", "retry-after", "x-amzn-errortype", "x-amzn-errormessage", "content-type", "server", "x-amzn-requestid"] {
                more += &format!("{name}: {line}\r\n");
            }
            Vec::new()
        }
        "json" => json!({"code": 400, "message": all, "error": all, "findings": [{"message": all}]}).to_string().into_bytes(),
        "json in json" => json!({"message": json!({"request": json!({"sent": all}).to_string()}).to_string()}).to_string().into_bytes(),
        "json keys" => json!({(LITERAL): 1, (KEY): 2, (SHORT): 3, (all.as_str()): {(PASSWORD): {(LITERAL): LITERAL}}}).to_string().into_bytes(),
        "codes" => json!({"__type": LITERAL, "code": 7731, "error": LITERAL, "errorCode": USER, "type": PASSWORD, "reason": TOKEN, "status": SHORT}).to_string().into_bytes(),
        "html" => format!("<html><h1>Refused</h1><pre>{}</pre></html>", all.replace('"', "&quot;")).into_bytes(),
        "text" => all.into_bytes(),
        "gzip" => {
            more += "content-encoding: gzip\r\n";
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&json!({"message": all, "error": LITERAL}).to_string().into_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        "base64" => format!("{} {}", STANDARD.encode(&all), STANDARD.encode(KEY)).into_bytes(),
        "percent" => all.bytes().map(|b| format!("%{b:02x}")).collect::<String>().into_bytes(),
        "broken off" => {
            let head = format!("HTTP/1.1 {status} {line}\r\ncontent-length: 100000000\r\n\r\n{all}");
            return head.into_bytes();
        }
        "no http" => return format!("{line} {status}\r\n{all}\r\n\r\n").into_bytes(),
        other => unreachable!("{other}"),
    };
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

/// An event whose SQL has literals, and whose job says what the target is to answer.
fn event(n: usize, status: u16, place: &str) -> String {
    json!({
        "eventTime": "2026-11-20T10:00:00.1Z",
        "producer": "urn:test",
        "schemaURL": "urn:schema",
        "eventType": "COMPLETE",
        "run": {"runId": format!("01a1faa6-e194-708b-a993-{n:012x}")},
        "job": {"namespace": "test", "name": format!("{status} {place}"), "facets": {"sql": {
            "_producer": "urn:test", "_schemaURL": "urn:schema",
            "query": format!("select * from t where a = '{LITERAL}' and pin = {SHORT}"),
        }}},
    })
    .to_string()
}

/// No form of any of them stands in a text.
fn clean(what: &str, text: &str) {
    let lower = text.to_lowercase();
    let basic = format!("{USER}:{PASSWORD}");
    for mark in [LITERAL, KEY, USER, PASSWORD, TOKEN, SECRET, ACCESS, SESSION] {
        let encoded = STANDARD.encode(mark);
        // What is around a text changes the ends of its base64.
        let inner = encoded.trim_end_matches('=');
        let percent = mark.replace('/', "%2f").replace('+', "%2b");
        for form in [
            mark,
            &inner[..inner.len() - 1],
            &percent,
            &mark.replace('/', "\\/"),
        ] {
            assert!(
                !lower.contains(&form.to_lowercase()),
                "{what} has {form}:\n{text}"
            );
        }
    }
    let basic = STANDARD.encode(basic);
    assert!(!text.contains(&basic), "{what} has {basic}:\n{text}");
}

/// Sends an event for each status and place, and looks at everything that tells of what became of them.
async fn nothing_comes_back(
    statuses: &[u16],
    places: &[&str],
    target: &Echo,
    settings: &[(&str, &str)],
    variables: &[(&str, &str)],
) {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        &[
            ("QUEUE_MAX_ATTEMPTS", "1"),
            ("BATCH_SIZE", "1"),
            ("BATCH_WINDOW", "0"),
            ("BATCH_DEDUPLICATION_WINDOW", "0"),
            ("LOG", "trace"),
        ][..],
        settings,
    ]
    .concat();
    let serve = Serve::start_with(folder.path(), &settings, variables);
    let mut count = 0;
    for status in statuses {
        for place in places {
            count += 1;
            assert_eq!(
                serve.post(&event(count, *status, place)).await.status(),
                200
            );
        }
    }
    let deadline = Instant::now() + Duration::from_secs(90);
    while serve.outcomes().len() < count {
        let done = serve.outcomes().len();
        assert!(
            Instant::now() < deadline,
            "{done} of {count}: {:#?}",
            serve.log.lock().unwrap()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let dead: Vec<Value> = serve
        .outcomes()
        .into_iter()
        .filter(|told| told["outcome"] == "dead_lettered")
        .collect();
    assert!(
        dead.len() > count / 2,
        "{} of {count} were refused",
        dead.len()
    );
    for line in serve.log.lock().unwrap().iter() {
        clean("the log", &line.to_string());
    }
    clean("the metrics", &serve.get("/metrics").await);
    clean("readyz", &serve.get("/readyz").await);
    let place = ["--data-dir", folder.path().to_str().unwrap()];
    let (_, text, _) = run(&[&["dead-letters", "list"], &place[..]].concat(), &[]);
    clean("dead-letters list", &text);
    let (_, text, _) = run(
        &[&["dead-letters", "list", "--output", "json"], &place[..]].concat(),
        &[],
    );
    clean("dead-letters list", &text);
    let letters: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(letters.len(), dead.len());
    // Something is said all the same.
    let says_status = |letter: &&Value| {
        statuses.iter().any(|status| {
            letter["reason"]
                .as_str()
                .unwrap()
                .contains(&status.to_string())
        })
    };
    assert!(
        letters.iter().filter(says_status).count() > letters.len() / 2,
        "{letters:#?}"
    );
    assert!(
        target.sent.load(Ordering::Relaxed) < 100_000_000,
        "the endless answer was read on"
    );
}

fn url_with_secrets(target: &Echo) -> String {
    format!(
        "http://{USER}:{PASSWORD}@{}/api/v1/lineage?token={TOKEN}",
        target.address
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_echoes_puts_nothing_into_logs_and_dead_letters() {
    let target = Echo::start().await;
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", &target.url),
        ("OPENLINEAGE_API_KEY", KEY),
    ];
    let places = [&PLACES[..], &["endless"]].concat();
    let statuses = [400, 401, 404, 413, 422, 500, 502, 301, 307, 207];
    nothing_comes_back(&statuses, &places, &target, &settings, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_where_the_text_of_answers_is_asked_for() {
    let target = Echo::start().await;
    let url = url_with_secrets(&target);
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", url.as_str()),
        ("OPENLINEAGE_API_KEY", KEY),
        ("OPENLINEAGE_RESPONSE", "redacted"),
    ];
    nothing_comes_back(&[400, 401, 422, 500, 502], &PLACES, &target, &settings, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_overloaded_and_echoes_does_not_either() {
    let target = Echo::start().await;
    let url = url_with_secrets(&target);
    let settings = [("TARGET", "openlineage"), ("OPENLINEAGE_URL", url.as_str())];
    nothing_comes_back(&[503], &["json"], &target, &settings, &[]).await;
    nothing_comes_back(&[429], &["headers"], &target, &settings, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_send_prints_of_an_answer_has_no_key_and_nothing_that_moves_a_terminal() {
    let target = Echo::start().await;
    let folder = tempfile::tempdir().unwrap();
    let places = ["json", "html", "text", "base64", "headers"];
    let events: Vec<String> = places
        .iter()
        .enumerate()
        .map(|(n, place)| event(n, 422, place).replace("urn:schema", "urn:\\u001b[2J"))
        .collect();
    let file = support::write(folder.path(), "events.jsonl", &events.join("\n"));
    let arguments = ["send", "--url", &target.url, file.to_str().unwrap()].map(str::to_owned);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(support::BINARY)
            .args(arguments)
            .env("OPENLINEAGE_API_KEY", KEY)
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let text =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("422") && text.contains("authorization"),
        "{text}"
    );
    let encoded = STANDARD.encode(KEY);
    for form in [KEY, &encoded[..encoded.len() - 3]] {
        assert!(!text.contains(form), "{form} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

/// Answers like DataZone, with words of the request in every place that the client reads.
async fn datazone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let shapes = [
            "ValidationException",
            "InvalidSignatureException",
            "AccessDeniedException",
            LITERAL,
            "untyped",
            "html",
            "broken off",
        ];
        for shape in shapes.into_iter().cycle() {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Some((head, body)) = request(&mut stream).await else {
                    return;
                };
                let event: Value = serde_json::from_str(&body).unwrap_or_default();
                let sent =
                    format!("{head}\n{event}\n{body} {LITERAL} x-amz-security-token:{SESSION}");
                let text = match shape {
                    "html" => format!("<h1>{sent}</h1>"),
                    "untyped" => json!({"message": sent, "code": LITERAL, "__type": LITERAL}).to_string(),
                    "AccessDeniedException" => json!({"message": format!("User: arn:aws:sts::1:assumed-role/x is not authorized to perform: datazone:PostLineageEvent on {sent}")}).to_string(),
                    _ => json!({"message": format!("The Canonical String for this request should have been '{sent}'")}).to_string(),
                };
                let length = if shape == "broken off" {
                    9_999_999
                } else {
                    text.len()
                };
                let answer = format!(
                    "HTTP/1.1 400 {LITERAL}\r\nx-amzn-errortype: {shape}\r\nx-echo: {LITERAL}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_datazone_quotes_of_a_request_is_not_kept() {
    for response in ["structure", "redacted"] {
        let url = datazone().await;
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("TARGET", "datazone"),
            ("DATAZONE_DOMAIN_ID", "dzd_standin"),
            ("DATAZONE_RESPONSE", response),
            ("REDSHIFT_LOOKUP", "false"),
            ("QUEUE_MAX_ATTEMPTS", "1"),
            ("BATCH_SIZE", "1"),
            ("BATCH_WINDOW", "0"),
            ("LOG", "trace"),
        ];
        let aws = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", ACCESS),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_SESSION_TOKEN", SESSION),
        ];
        let serve = Serve::start_with(folder.path(), &settings, &aws);
        let count = 21;
        for n in 0..count {
            assert_eq!(serve.post(&event(n, 400, "datazone")).await.status(), 200);
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while serve.outcomes().len() < count {
            assert!(
                Instant::now() < deadline,
                "{:#?}",
                serve.log.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for line in serve.log.lock().unwrap().iter() {
            clean("the log", &line.to_string());
        }
        clean("the metrics", &serve.get("/metrics").await);
        let data_dir = folder.path().to_str().unwrap();
        let (_, text, _) = run(
            &[
                "dead-letters",
                "list",
                "--output",
                "json",
                "--data-dir",
                data_dir,
            ],
            &[],
        );
        clean("dead-letters list", &text);
        for word in [
            "ValidationException",
            "not authorized to perform: datazone:PostLineageEvent",
        ] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
}
