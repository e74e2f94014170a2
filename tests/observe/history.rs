//! `GET /api/v1/events` and `lineage-proxy events`: what happened to each event, as its target and the rules had it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testing::events::event;
use testing::{Serve, binary, run, until, write};

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
