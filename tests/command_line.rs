//! The commands at their edges: wrong configuration, bad files, exit statuses that a script can use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "command_line/check.rs"]
mod check;
#[path = "command_line/config.rs"]
mod config;
#[path = "command_line/inputs.rs"]
mod inputs;
#[path = "command_line/terminal.rs"]
mod terminal;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use testing::events::event;
use testing::serve::aws;
use testing::{Serve, binary, run};

/// Each command fails, which it says on standard error: a disk that is full.
#[test]
fn what_cannot_be_told_changes_no_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let invalid = testing::write(folder.path(), "invalid.json", r#"{"eventType": "START"}"#);
    let rules = testing::write(folder.path(), "rules.yaml", "version: 1\nrules: 7\n");
    let (invalid, rules) = (invalid.to_str().unwrap(), rules.to_str().unwrap());
    let missing = folder.path().join("missing");
    let missing = missing.to_str().unwrap();
    let commands: [&[&str]; 14] = [
        &["serve", "--listen", "nowhere"],
        &["config", "check", "--config", missing],
        &["validate", missing],
        &["validate", invalid],
        &["transform", "--rules", rules, invalid],
        &["transform", "check", rules],
        &["send", "--url", "http://127.0.0.1:1", invalid],
        &["extract", "logs", "--to", missing, missing],
        &["replay", missing, "--url", "http://127.0.0.1:1"],
        &["dead-letters", "list", "--data-dir", missing],
        &["events", missing],
        &["events", "http://127.0.0.1:1"],
        &["queue", "status", "--data-dir", missing],
        &["healthcheck", "--url", "http://127.0.0.1:1"],
    ];
    for arguments in commands {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let told = run(arguments, &[]).0;
        let untold = Command::new(binary())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(full.unwrap())
            .status()
            .unwrap();
        assert_eq!(untold.code(), told, "{arguments:?}");
        assert!(matches!(told, Some(1..=75)), "{arguments:?}: {told:?}");
    }
}

#[test]
fn every_configuration_error_is_shown_before_the_process_ends_with_64() {
    let (status, _, err) = run(
        &["serve", "--listen", "0.0.0.0:0"],
        &[("BATCH_SIZE", "many"), ("TARGTE", "store")],
    );
    assert_eq!(status, Some(64));
    for part in [
        "LINEAGE_PROXY_BATCH_SIZE",
        "LINEAGE_PROXY_TARGTE: unknown setting",
        "--allow-anonymous",
    ] {
        assert!(err.contains(part), "{part} in {err}");
    }
    assert_eq!(
        run(&["serve", "--config", "no-such-file.yaml"], &[]).0,
        Some(64)
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (address, data_dir) = (
        taken.local_addr().unwrap().to_string(),
        folder.path().to_str().unwrap(),
    );
    let (status, _, err) = run(
        &["serve", "--listen", &address, "--data-dir", data_dir],
        &[],
    );
    assert_eq!(
        (status, err.contains("listen: 127.0.0.1:")),
        (Some(75), true),
        "{err}"
    );
    assert_eq!(run(&["serve", "--no-such-flag"], &[]).0, Some(2));
}

#[test]
fn a_start_without_a_network_goes_on_and_one_without_its_rules_fails() {
    let start = |status: &'static [u8], is_missing: bool| {
        let s3 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", s3.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in s3.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 9_000]).unwrap();
                let _ = connection.write_all(status); // without one, the connection ends
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let settings = [("RULES_FILE", "s3://rules/transforms.yaml")];
        let serve = Serve::spawn(folder.path(), &settings, &aws(&url));
        let log = serve.log.clone();
        let status = match is_missing {
            true => serve.ended(),
            // The events for the target wait until it can be opened.
            false => {
                serve.logged("target cannot be opened; its events are kept");
                serve.terminate()
            }
        };
        (status, format!("{:?}", log.lock().unwrap()))
    };
    let cases = [
        (&b""[..], 0),
        (
            b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            0,
        ),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            64,
        ),
    ];
    for (response, expected) in cases {
        let (status, log) = start(response, expected != 0);
        assert_eq!(status, Some(expected), "{log}");
    }
}

#[test]
fn validate_names_file_line_pointer_and_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let bad = event(2, "START").replace("START", "BEGIN");
    std::fs::write(&file, format!("{}\n{bad}\n", event(1, "START"))).unwrap();
    let file = file.to_str().unwrap();
    let (status, out, _) = run(&["validate", file], &[]);
    assert_eq!(status, Some(1));
    assert!(
        out.contains(&format!("{file}:2: error at '/eventType' (enum): ")),
        "{out}"
    );
    assert!(out.ends_with("1 valid, 1 invalid\n"), "{out}");
    let (_, out, _) = run(&["validate", "--output", "json", file], &[]);
    let second: Value = serde_json::from_str(out.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&second["line"], &second["index"], &second["valid"]),
        (&2.into(), &1.into(), &false.into())
    );
    let (status, _, err) = run(&["validate", "no-such-file"], &[]);
    assert_eq!(
        (status, err.contains("no-such-file: No such file")),
        (Some(2), true),
        "{err}"
    );
}

#[test]
fn the_demo_tells_what_became_of_each_event_at_each_target() {
    let arguments = [
        "demo",
        "--once",
        "--listen",
        "127.0.0.1:0",
        "--output",
        "json",
    ];
    let (status, out, err) = run(&arguments, &[]);
    assert_eq!(status, Some(0), "{err}");
    let traces: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(traces.len(), 12);
    let is_dead = |trace: &&Value| trace["outcomes"]["catalog"] == "dead letter";
    let dead: Vec<&Value> = traces
        .iter()
        .filter(is_dead)
        .map(|it| &it["event"])
        .collect();
    assert_eq!(
        dead,
        ["START campaigns.load_spend", "FAIL campaigns.load_spend"]
    );
    assert!(
        traces
            .iter()
            .all(|it| it["outcomes"]["lineage"] == "delivered")
    );
    let trace = |event: &str| traces.iter().find(|it| it["event"] == event).unwrap();
    let rewritten = |event: &str| trace(event)["rewritten"].as_array().unwrap().len();
    assert_eq!(
        rewritten("COMPLETE sales.load_orders"),
        3,
        "inputs, outputs, column lineage"
    );
    assert_eq!(rewritten("COMPLETE import_customers.append"), 1, "the rule");
    assert_eq!(
        trace("complete export_revenue")["repaired"]
            .as_array()
            .unwrap()
            .len(),
        3,
        "time, type, run id"
    );
}

#[tokio::test]
async fn send_posts_a_file_and_reports_what_was_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let file = folder.path().join("events.json");
    std::fs::write(
        &file,
        format!("[{}, {{}}, {}]", event(1, "START"), event(1, "COMPLETE")),
    )
    .unwrap();
    let (status, out, _) = run(&["send", "--url", &serve.url, file.to_str().unwrap()], &[]);
    assert_eq!(status, Some(1));
    assert!(
        out.contains(":1: 400 Bad Request") && out.ends_with("2 sent, 1 failed\n"),
        "{out}"
    );
    assert_eq!(serve.stored_when(2).await.len(), 2);
    let (status, out, _) = run(
        &[
            "queue",
            "status",
            "--data-dir",
            folder.path().to_str().unwrap(),
            "--output",
            "json",
        ],
        &[],
    );
    let queue: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &queue["dead_letters"]), (Some(0), &0.into()));
}
