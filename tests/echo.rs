//! Targets that return what they were sent, in every part of a response: nothing of an event's SQL and none of our
//! credentials reaches a log, a dead letter, a metric or the output of a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "echo/target.rs"]
mod target;

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use testing::{FaultyTarget, Serve, run};

use target::{datazone, echoing};

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

/// An event whose SQL has literals, and whose job names the response of the target.
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

/// Sends an event for each status and place, and checks everything that is written about them.
async fn nothing_comes_back(
    statuses: &[u16],
    places: &[&str],
    target: &FaultyTarget,
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
        .filter(|outcome| outcome["outcome"] == "dead_lettered")
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
    // The reasons still name the status.
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
        target.figures().endless_bytes < 100_000_000,
        "the endless answer was read on"
    );
}

fn url_with_secrets(target: &FaultyTarget) -> String {
    format!(
        "http://{USER}:{PASSWORD}@{}/api/v1/lineage?token={TOKEN}",
        target.url.trim_start_matches("http://")
    )
}

fn url_with_token(target: &FaultyTarget) -> String {
    format!("{}/api/v1/lineage?token={TOKEN}", target.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_echoes_puts_nothing_into_logs_and_dead_letters() {
    let target = echoing().await;
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
async fn nor_does_it_where_the_text_of_responses_is_kept() {
    let target = echoing().await;
    let common = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_RESPONSE", "redacted"),
    ];
    // A user in the URL and a key exclude each other: both would be the header Authorization.
    let (with_user, with_token) = (url_with_secrets(&target), url_with_token(&target));
    let user = [&common[..], &[("OPENLINEAGE_URL", &with_user)]].concat();
    let key = [
        ("OPENLINEAGE_URL", with_token.as_str()),
        ("OPENLINEAGE_API_KEY", KEY),
    ];
    let key = [&common[..], &key].concat();
    let statuses = [400, 401, 422, 500, 502];
    tokio::join!(
        nothing_comes_back(&statuses, &PLACES, &target, &user, &[]),
        nothing_comes_back(&statuses, &PLACES, &target, &key, &[]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_that_is_overloaded() {
    let target = echoing().await;
    let url = url_with_secrets(&target);
    let settings = [("TARGET", "openlineage"), ("OPENLINEAGE_URL", url.as_str())];
    nothing_comes_back(&[503], &["json"], &target, &settings, &[]).await;
    nothing_comes_back(&[429], &["headers"], &target, &settings, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_send_prints_of_a_response_has_no_key_and_no_control_characters() {
    let target = echoing().await;
    let folder = tempfile::tempdir().unwrap();
    let places = ["json", "html", "text", "base64", "headers"];
    let events: Vec<String> = places
        .iter()
        .enumerate()
        .map(|(n, place)| event(n, 422, place).replace("urn:schema", "urn:\\u001b[2J"))
        .collect();
    let file = testing::write(folder.path(), "events.jsonl", &events.join("\n"));
    let arguments = ["send", "--url", &target.url, file.to_str().unwrap()].map(str::to_owned);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(testing::binary())
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

#[tokio::test(flavor = "multi_thread")]
async fn what_datazone_quotes_of_a_request_is_not_kept() {
    for response in ["structure", "redacted"] {
        let target = datazone().await;
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
            ("AWS_ENDPOINT_URL", target.url.as_str()),
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
