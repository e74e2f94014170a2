//! `GET /api/v1/events` and `lineage-proxy events`: what happened to each event, as its target and the rules had it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use testing::events::event;
use testing::fan_out::NAMES;
use testing::{FanOut, Fault, FaultKind, Serve, binary, run, until, write};

const RULES: &str = "
version: 1
rules:
  - name: no-others
    when: {event_type: OTHER}
    drop: true
";

/// The events of a search, once there are `count`.
async fn found(serve: &Serve, query: &str, count: usize) -> Vec<Value> {
    let found = until(async || {
        let found: Value =
            serde_json::from_str(&serve.get(&format!("/api/v1/events{query}")).await).unwrap();
        let events = found["events"].as_array().unwrap().clone();
        (events.len() >= count).then_some(events)
    });
    let found = found.await;
    assert_eq!(found.len(), count, "{query}: {found:#?}");
    found
}

#[tokio::test]
async fn what_happened_to_each_event_is_found_over_http_in_the_folder_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "rules.yaml", RULES);
    let settings = [("RULES_FILE", rules.to_str().unwrap())];
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &settings);
    for (n, kind) in [(1, "START"), (2, "OTHER"), (3, "COMPLETE")] {
        let answer = serve.post(&event(n, kind)).await;
        assert_eq!(answer.status(), 200);
    }
    found(&serve, "", 3).await;
    let dropped = found(&serve, "?q=outcome:dropped+kind:other+rule:no-*", 1).await;
    let outcome = &dropped[0]["outcomes"][0];
    assert_eq!(
        (&outcome["target"], &outcome["rules"]),
        (&json!("store"), &json!(["no-others"]))
    );
    assert_eq!(dropped[0]["kind"], "RunEvent OTHER");
    let wrong = serve.get("/api/v1/events?q=jbo:x").await;
    assert!(wrong.contains("did you mean job?"), "{wrong}");
    // The command gives the same from the URL, and from the folder beside it.
    let id = dropped[0]["id"].as_str().unwrap();
    for from in [serve.url.as_str(), data.to_str().unwrap()] {
        let (status, out, err) = run(
            &["events", from, "outcome:dropped", "--output", "json"],
            &[],
        );
        assert_eq!(status, Some(0), "{err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&told["id"], &told["outcomes"]),
            (&json!(id), &json!(["dropped"]))
        );
        let (status, out, _) = run(&["events", from, "outcome:delivered"], &[]);
        assert_eq!(status, Some(0));
        assert_eq!(out.matches("event delivered").count(), 2, "{out}");
        assert_eq!(run(&["events", from, "outcome:dead"], &[]).0, Some(1));
        let (status, _, err) = run(&["events", from, "jbo:x"], &[]);
        assert_eq!(status, Some(2), "{err}");
    }
    assert_eq!(serve.terminate(), Some(0));
    let (status, out, _) = run(&["events", data.to_str().unwrap(), "kind:run"], &[]);
    assert_eq!(
        (status, out.matches("accepted").count()),
        (Some(0), 3),
        "{out}"
    );
    let serve = Serve::start(&data, &settings);
    found(&serve, "?q=kind:run", 3).await;
}

#[tokio::test]
async fn a_folder_in_which_nothing_can_be_created_is_searched_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let serve = Serve::start(data, &[]);
    serve.post(&event(1, "START")).await;
    found(&serve, "", 1).await;
    assert_eq!(serve.terminate(), Some(0));
    assert!(!data.join("history.db-wal").exists());
    // What SQLite wants to create beside the file: permissions do not hold for root.
    std::os::unix::fs::symlink("nowhere/at-all", data.join("history.db-shm")).unwrap();
    let search = ["events", data.to_str().unwrap(), "kind:start"];
    let (status, out, err) = run(&search, &[]);
    assert_eq!(
        (status, out.contains("event delivered")),
        (Some(0), true),
        "{err}"
    );
    // What is in a log cannot be passed over.
    std::fs::write(data.join("history.db-wal"), "of somebody who writes").unwrap();
    let (status, _, err) = run(&search, &[]);
    assert_eq!(
        (status, err.contains("history.db")),
        (Some(75), true),
        "{err}"
    );
}

#[test]
fn an_address_at_which_nothing_answers_is_wrong() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let url = format!("http://user:hunter2@{address}");
    for more in [&["--follow"][..], &[]] {
        let arguments = [&["events", &url][..], more].concat();
        let (status, _, err) = run(&arguments, &[]);
        assert_eq!(status, Some(64), "{err}");
        let start = format!("lineage-proxy: {address}: no connection");
        assert!(err.starts_with(&start) && !err.contains("hunter2"), "{err}");
        assert!(err.contains("Connection refused"), "{err}");
    }
}

#[tokio::test]
async fn new_events_are_followed_as_they_end() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let mut child = Command::new(binary())
        .args([
            "events",
            &serve.url,
            "kind:start",
            "--follow",
            "--output",
            "json",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 1..=3 {
        serve.post(&event(n, "START")).await;
        serve.post(&event(n, "COMPLETE")).await;
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(
            (&line["event.type"], &line["outcome"]),
            (&json!("RunEvent START"), &json!("delivered"))
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn without_a_history_nothing_is_kept_and_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[("HISTORY_AGE", "0")]);
    serve.post(&event(1, "START")).await;
    serve.outcomes_when(1);
    assert_eq!(serve.status("/api/v1/events").await, 404);
    assert!(!folder.path().join("history.db").exists());
    let (status, _, err) = run(&["events", folder.path().to_str().unwrap()], &[]);
    assert_eq!(
        (status, err.contains("no history")),
        (Some(64), true),
        "{err}"
    );
    let (status, _, err) = run(&["events", &serve.url], &[]);
    assert_eq!(
        (status, err.contains("history.age is 0")),
        (Some(2), true),
        "{err}"
    );
}

#[tokio::test]
async fn a_history_that_is_switched_off_is_kept_and_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    serve.post(&event(1, "START")).await;
    found(&serve, "", 1).await;
    assert_eq!(serve.terminate(), Some(0));
    let serve = Serve::start(folder.path(), &[("HISTORY_AGE", "0")]);
    let line = serve.logged("the history is switched off; an old one is kept");
    let path = folder.path().join("history.db");
    assert_eq!(line["path"], json!(path.to_str().unwrap()));
    let (status, out, err) = run(&["events", folder.path().to_str().unwrap()], &[]);
    assert_eq!(
        (status, out.contains("event delivered")),
        (Some(0), true),
        "{err}"
    );
}

/// `events --follow`, whose lines come in time or not at all.
struct Following {
    child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Following {
    fn start(arguments: &[&str]) -> Following {
        let mut child = Command::new(binary())
            .arg("events")
            .args(arguments)
            .args(["--follow", "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Following { child, lines }
    }

    fn next(&self) -> Option<Value> {
        self.lines.recv_timeout(Duration::from_secs(20)).ok()
    }

    /// Ends it as Ctrl-C does. Returns its exit status and what it wrote to stderr.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
        let mut err = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), err)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_of_two_targets_that_interleave_are_all_followed() {
    let fan_out = FanOut::start([true, true, false], &[]).await;
    let [quick, slow, _] = fan_out.targets.all();
    quick.set(Fault::None);
    slow.set(Fault::Always(FaultKind::Hold));
    let data = fan_out.data();
    let data = data.to_str().unwrap();
    fan_out.send(&[event(1, "START")]).await;
    until(async || (run(&["events", data], &[]).0 == Some(0)).then_some(())).await;
    let following = Following::start(&[data, "--interval", "3s"]);
    // Between two polls: one after the other at the quick target, and then all at the slow one.
    for n in 2..=4 {
        fan_out.send(&[event(n, "START")]).await;
        fan_out.outcomes(NAMES[0], n as usize).await;
    }
    let mut told = BTreeSet::new();
    slow.set(Fault::None);
    while told.len() < 8 {
        let line = following.next();
        let line = line.unwrap_or_else(|| panic!("a line is missing after {told:?}"));
        if line["outcome"] == "delivered" {
            told.insert((line["id"].to_string(), line["function"].to_string()));
        }
    }
    assert_eq!(following.interrupt(), (Some(130), String::new()));
}

/// Answers the next request with a status and a body.
fn answer(listener: &TcpListener, status: &str, body: &str) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
}

#[test]
fn a_history_that_cannot_be_read_for_a_while_is_followed_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://user:hunter2@{address}");
    let following = Following::start(&[&url]);
    answer(
        &listener,
        "200 OK",
        r#"{"events": [], "more": false, "newest": 4}"#,
    );
    answer(&listener, "503 Service Unavailable", "{}");
    drop(listener);
    // Longer than the pause: now, the connection is refused.
    std::thread::sleep(Duration::from_millis(2_500));
    let listener = TcpListener::bind(address).unwrap();
    let page = json!({"more": false, "newest": 5, "events": [{
        "position": 5, "id": "0191f3a0", "accepted_at": "2026-11-20T10:00:00.000Z", "changed_at": "2026-11-20T10:00:01.000Z",
        "kind": "DatasetEvent", "datasets": [{"namespace": "pg", "name": "orders"}], "size_bytes": 7,
        "outcomes": [{"position": 5, "target": "one", "outcome": "delivered", "at": "2026-11-20T10:00:01.000Z",
                      "attempts": 1, "duration_ms": 3}],
    }]});
    answer(&listener, "200 OK", &page.to_string());
    let line = following.next().unwrap();
    assert_eq!(
        (&line["id"], &line["datasets"][0]["name"]),
        (&json!("0191f3a0"), &json!("orders"))
    );
    drop(listener);
    let (status, err) = following.interrupt();
    assert_eq!(status, Some(130), "{err}");
    assert_eq!(err.matches("503 Service Unavailable").count(), 1, "{err}");
    assert_eq!(err.matches("can be read again").count(), 1, "{err}");
    assert!(!err.contains("hunter2"), "{err}");
}

#[test]
fn a_history_that_was_replaced_is_followed_in_its_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let serve = Serve::start(&data, &[]);
    runtime.block_on(async {
        for n in 1..=3 {
            assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        }
        found(&serve, "", 3).await;
    });
    let following = Following::start(&[data.to_str().unwrap()]);
    for _ in 1..=3 {
        assert!(following.next().is_some());
    }
    assert_eq!(serve.terminate(), Some(0));
    for file in ["history.db", "history.db-wal", "history.db-shm"] {
        let _ = std::fs::remove_file(data.join(file)); // the last two may be gone
    }
    let serve = Serve::start(&data, &[]);
    let posted = runtime.block_on(serve.post(&event(4, "COMPLETE")));
    assert_eq!(posted.status(), 200);
    let line = following.next().unwrap();
    assert_eq!(line["event.type"], "RunEvent COMPLETE");
    assert_eq!(following.interrupt().0, Some(130));
}

#[tokio::test]
async fn a_dataset_event_is_told_with_its_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let event = r#"{"eventTime":"2026-11-20T10:00:00Z","producer":"urn:test","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent","dataset":{"namespace":"pg","name":"shop.orders"}}"#;
    assert_eq!(serve.post(event).await.status(), 200);
    found(&serve, "", 1).await;
    let (_, out, err) = run(&["events", &serve.url], &[]);
    assert!(out.contains("DatasetEvent of pg/shop.orders"), "{out}{err}");
    let (_, out, _) = run(&["events", &serve.url, "--output", "json"], &[]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let expected = json!([{"namespace": "pg", "name": "shop.orders"}]);
    assert_eq!(told["datasets"], expected);
}

#[test]
fn an_option_for_a_stack_and_a_forgotten_place_get_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let id = "01a1faa6-e194-708b-a993-000000000001";
    for (option, value) in [
        ("job", "a"),
        ("outcome", "dead_lettered"),
        ("since", "2h"),
        ("until", "2h"),
        ("run", id),
        ("id", id),
    ] {
        let flag = format!("--{option}");
        let (status, _, err) = run(&["events", data, &flag, value], &[]);
        assert_eq!(status, Some(2), "{err}");
        let hint = format!("{flag} needs --stack; write {option}:");
        assert!(err.contains(&hint), "{err}");
    }
    for arguments in [&["events"][..], &["events", "--job", "a"]] {
        let (status, _, err) = run(arguments, &[]);
        assert_eq!(status, Some(2), "{err}");
        assert!(!err.contains("--stack <NAME>"), "{err}");
    }
    for (from, hint) in [
        ("job:dbt.*", "its URL, stands before it"),
        ("127.0.0.1:6100", "did you mean http://127.0.0.1:6100?"),
    ] {
        let (status, _, err) = run(&["events", from], &[]);
        assert_eq!((status, err.contains(hint)), (Some(64), true), "{err}");
    }
}
