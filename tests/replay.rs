//! `lineage-proxy replay`: what it sends from a log, an archive and files, and how it goes on after it was interrupted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "replay/log.rs"]
mod log;
#[path = "replay/resume.rs"]
mod resume;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testing::events::{event, event_with, numbered};
use testing::{Fault, FaultyTarget, Serve, binary, run, until, write};

/// A folder for the files of a replay.
struct Setup(TempDir);

impl Setup {
    fn new() -> Setup {
        Setup(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes events into a file, one a line.
    fn file(&self, events: &[String]) -> String {
        let path = write(self.0.path(), "events.jsonl", &(events.join("\n") + "\n"));
        text(&path)
    }

    /// The state files that are there.
    fn states(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.ends_with(".replay.json"))
            .collect()
    }

    /// Writes a configuration with a target `catalog` at this URL.
    fn config(&self, url: &str, more: &str) -> String {
        let targets = format!("targets:\n  catalog: {{type: openlineage, url: '{url}'{more}}}\n");
        text(&write(self.0.path(), "proxy.yaml", &targets))
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Runs a replay to its end. Returns its exit status, its report and what it said.
fn replay(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["replay", "--output", "json"], arguments].concat();
    let (status, out, err) = run(&arguments, &[]);
    let report = serde_json::from_str(&out).unwrap_or(Value::Null);
    (status, report, err)
}

/// Starts a replay.
fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.arg("replay").args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// Events of `runs` runs, each with a START and a COMPLETE.
fn runs(runs: u32) -> Vec<String> {
    let of_run = |n| [event(n, "START"), event(n, "COMPLETE")];
    (0..runs).flat_map(of_run).collect()
}

fn set(events: &[String]) -> BTreeSet<&str> {
    events.iter().map(String::as_str).collect()
}

/// Whether the START of each run came before its end.
fn is_in_order(events: &[String]) -> bool {
    let place = |n: u32, event_type| events.iter().position(|it| *it == event(n, event_type));
    (0..)
        .map_while(|n| Some(place(n, "START")? < place(n, "COMPLETE")?))
        .all(|it| it)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_run_are_coalesced_as_serve_does_it() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    write(
        folder.0.path(),
        "rules.yaml",
        "coalesce: {window: 2s, keep_start: false}",
    );
    let config = folder.config(&target.url, ", rules: {file: rules.yaml}");
    // The runs 0 to 2 end, and 3 does not within the window.
    let start = |n| event_with(n, "START", r#""inputs":[{"namespace":"s","name":"in"}]"#);
    let end = |n| {
        event_with(
            n,
            "COMPLETE",
            r#""outputs":[{"namespace":"s","name":"out"}]"#,
        )
    };
    let mut events: Vec<String> = (0..3).flat_map(|n| [start(n), end(n)]).collect();
    events.push(start(3));
    let file = folder.file(&events);
    let arguments = [&*file, "--to", "catalog", "--config", &config];
    let (status, report, err) = replay(&arguments);
    assert_eq!((status, &report["sent"]), (Some(0), &json!(7)), "{err}");
    assert_eq!(target.accepted().len(), 4, "one request a run");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_serve_has_written_is_replayed_through_the_rules_of_a_target() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let archive = text(&folder.path("archive"));
    let settings = [
        ("TARGET", "archive"),
        ("ARCHIVE_LOCATION", &*archive),
        ("BATCH_WINDOW", "0s"),
    ];
    let serve = Serve::start(&folder.path("data"), &settings);
    let events = runs(20);
    for event in &events {
        assert_eq!(serve.post(event).await.status(), 200);
    }
    serve.outcomes_when(40);
    drop(serve);

    let rules = "rules: [{name: few, when: {job: {name: job 1}}, drop: true}]";
    write(folder.0.path(), "rules.yaml", rules);
    let more = ", rules: {file: rules.yaml}, when: {not: {job: {name: job 2}}}";
    let config = folder.config(&target.url, more);
    let to = ["--to", "catalog", "--config", &config];
    let (status, report, err) = replay(&[&[&*archive], &to[..]].concat());
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(
        report["dropped"],
        json!({"few": 2, "builtin/when": 2}),
        "{report}"
    );
    assert_eq!(target.accepted_when(36).await.len(), 36);
    let (_, report, _) = replay(&[&[&*archive, "--no-rules"], &to[..]].concat());
    assert_eq!(
        (&report["sent"], &report["dropped"]),
        (&json!(38), &json!({"builtin/when": 2}))
    );
    // The folders of other hours are not read.
    let (_, report, _) = replay(&[&[&*archive, "--until", "3h"], &to[..]].concat());
    assert_eq!(
        (&report["read"], &report["filtered"]),
        (&json!(0), &json!(0)),
        "{report}"
    );
    let (_, report, _) = replay(&[&[&*archive, "--since", "1h"], &to[..]].concat());
    assert_eq!(report["sent"], 36, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_sends_nothing() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    write(
        folder.0.path(),
        "rules.yaml",
        "rules: [{name: few, when: {job: {name: job 1}}, drop: true}]",
    );
    let config = folder.config(&target.url, ", rules: {file: rules.yaml}");
    let file = folder.file(&runs(3));
    let arguments = [&*file, "--to", "catalog", "--config", &config, "--dry-run"];
    let (status, report, err) = replay(&arguments);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(
        report["kinds"],
        json!({"RunEvent START": 3, "RunEvent COMPLETE": 3}),
        "{report}"
    );
    assert_eq!(report["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&report["rules"]["dropped"], &report["rules"]["delivered"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(report["rules"]["rules"][0]["rule"], "few");
    let (_, out, _) = run(&[&["replay"], &arguments[..]].concat(), &[]);
    assert!(
        out.contains("6 read, 0 filtered, 0 not events; nothing was sent"),
        "{out}"
    );
    assert!(target.accepted().is_empty());
    assert!(folder.states().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_rejects_is_reported_and_kept_and_stops_nothing() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let poison = event(7, "START").replace(r#""x":1.0"#, r#""answer":422"#);
    let mut events = runs(5);
    events.insert(3, poison.clone());
    events.insert(5, "{\"not\": \"an event\"}".to_owned());
    let file = folder.file(&events);
    let rejected = text(&folder.path("rejected.jsonl"));
    let arguments = [&*file, "--url", &target.url, "--rejected", &rejected];
    let (status, report, err) = replay(&arguments);
    assert_eq!(status, Some(1), "{err}");
    assert_eq!(report["sent"], 10, "{report}");
    assert_eq!(
        (&report["rejected"], &report["invalid"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert!(err.contains("events.jsonl:4: invalid: 422"), "{err}");
    assert!(err.contains("events.jsonl:6: "), "{err}");
    assert_eq!(
        fs::read_to_string(&rejected).unwrap(),
        format!("{poison}\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_for_and_no_more_is_sent_in_a_second_than_asked() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::status(503)).await);
    let events = runs(15);
    let file = folder.file(&events);
    let mut child = start(&[&file, "--url", &target.url, "--rate", "20"]);
    until(async || (target.figures().posts > 3).then_some(())).await;
    target.set(Fault::None);
    let started = Instant::now();
    let accepted = target.accepted_when(30).await;
    assert!(
        started.elapsed() > Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    assert!(is_in_order(&accepted));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_wrong_with_the_command_is_said_before_anything_is_sent() {
    let folder = Setup::new();
    let file = folder.file(&runs(1));
    let config = folder.config("http://127.0.0.1:1", "");
    let read = folder.0.path().join("read");
    fs::create_dir(&read).unwrap();
    write(&read, "a.jsonl", &event(1, "START"));
    fs::hard_link(&file, folder.path("link.jsonl")).unwrap();
    let (inside, link) = (text(&read.join("new")), text(&folder.path("link.jsonl")));
    let read = text(&read);
    let old = folder.path("old");
    fs::create_dir(&old).unwrap();
    write(&old, "queue.db", "");
    let old = text(&old);
    let url = ["--url", "http://127.0.0.1:1"];
    for (arguments, status, message) in [
        (vec![&*file], 2, "--to"),
        (vec![&file, "--to", "catalog", url[0], url[1]], 2, "--url"),
        (vec!["no-such-file", url[0], url[1]], 2, "no-such-file"),
        (
            vec!["s3://my bucket/x", url[0], url[1]],
            64,
            "s3://BUCKET/PREFIX",
        ),
        (
            vec![&file, "--to", "lake", "--config", &config],
            64,
            "expected one of catalog",
        ),
        (
            vec![&file, "--to", "store"],
            64,
            "a store shows what its serve has accepted",
        ),
        (
            vec![&file, url[0], url[1], "--since", "yesterday"],
            2,
            "expected a time such as",
        ),
        (
            vec![&file, url[0], url[1], "--where", "{kind: runs}"],
            64,
            "--where: 1:8: expected one of run, job, dataset, found \"runs\"",
        ),
        (
            vec![&file, url[0], url[1], "--rejected", &link],
            64,
            "is a part of FROM",
        ),
        (
            vec![&read, url[0], url[1], "--rejected", &inside],
            64,
            "is a part of FROM",
        ),
        (
            vec![&read, url[0], url[1], "--state", &inside],
            64,
            "is a part of FROM",
        ),
        (
            vec![&file, url[0], url[1], "--state", "/no/such/folder/state"],
            64,
            "with --state",
        ),
        (vec![&old, url[0], url[1]], 64, "start serve on it once"),
    ] {
        let (found, _, err) = replay(&arguments);
        assert_eq!(found, Some(status), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
}
