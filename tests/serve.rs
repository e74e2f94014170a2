//! `serve` as its users run it: events in over HTTP, and out at the target, also one that is down. Stops, kills and power cuts
//! are cases of the reliability suite (`tests/reliability`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "serve/kept.rs"]
mod kept;
#[path = "serve/start.rs"]
mod start;
#[path = "serve/stop.rs"]
mod stop;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;
use testing::events::event;
use testing::{Fault, FaultyTarget, Serve, binary, eventually, run};

#[tokio::test]
async fn every_event_is_delivered_once_and_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let mut sent = Vec::new();
    for n in 0..50 {
        for event_type in ["START", "COMPLETE"] {
            let event = event(n, event_type);
            let answer = serve.post(&event).await;
            assert_eq!(answer.status(), 200);
            let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert!(answer["id"].as_str().is_some_and(|id| id.len() == 36));
            sent.push(event.trim().to_owned());
        }
    }
    let mut stored = serve.stored_when(100).await;
    sent.sort();
    stored.sort();
    assert_eq!(stored, sent);
    // An outcome is logged after its batch is settled, which is after the store has the event.
    assert_eq!(serve.outcomes_when(100).len(), 100);
}

#[tokio::test]
async fn events_are_found_by_their_names_and_times_in_either_form() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    let text = "rules:\n  - {name: idle, when: {job: {name: 'job 2'}}, drop: true}\n  \
                - {name: rename, when: {job: {name: 'job 1'}}, rename: {of: job, namespace: renamed}}\n";
    fs::write(&rules, text).unwrap();
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    let event = |n: u32| {
        event(n, "START").replace(
            r#""job":{"#,
            r#""inputs":[{"namespace":"pg","name":"t"}],"job":{"#,
        )
    };
    for n in 0..4 {
        assert_eq!(serve.post(&event(n)).await.status(), 200);
    }
    serve.outcomes_when(4);
    let page = async |query: &str| {
        let page = serve.get(&format!("/api/v1/events/lineage?{query}")).await;
        let page: Value = serde_json::from_str(&page).unwrap();
        let events = page["events"].as_array().unwrap().iter();
        let names = events.map(|it| it["job"]["name"].as_str().unwrap().to_owned());
        (
            names.collect::<Vec<_>>().join(", "),
            page["totalCount"].as_u64().unwrap(),
        )
    };
    let accepted = event(1);
    let accepted: Value = serde_json::from_str(&accepted).unwrap();
    let (job, run) = (&accepted["job"], accepted["run"]["runId"].as_str().unwrap());
    assert_eq!(job["name"], "job 1", "as the rules expect");
    let namespace = job["namespace"].as_str().unwrap();
    let (all, kept) = ("job 0, job 1, job 2, job 3", "job 0, job 1, job 3");
    for (query, found, total) in [
        ("sortDirection=asc".to_owned(), kept, 3),
        ("sortDirection=asc&form=accepted".to_owned(), all, 4),
        (
            "limit=1&offset=1&dataset=t&namespace=pg".to_owned(),
            "job 1",
            3,
        ),
        ("dataset=t&namespace=s3".to_owned(), "", 0),
        (format!("run={run}"), "job 1", 1),
        ("job=job+1&namespace=renamed".to_owned(), "job 1", 1),
        (format!("job=job+1&namespace={namespace}"), "", 0),
        (
            format!("form=accepted&job=job+1&namespace={namespace}"),
            "job 1",
            1,
        ),
        ("job=job".to_owned(), "", 0),
        ("before=2026-01-01T00:00:00Z".to_owned(), "", 0),
        (
            "after=2026-01-01T00:00:00Z&before=&sortDirection=asc".to_owned(),
            kept,
            3,
        ),
    ] {
        assert_eq!(page(&query).await, (found.to_owned(), total), "{query}");
    }
    let unknown = serve.get("/api/v1/events/lineage?jobs=1").await;
    assert!(unknown.contains("jobs"), "{unknown}");
}

#[tokio::test]
async fn a_target_that_was_down_receives_everything() {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::status(503)).await;
    let serve = Serve::start(folder.path(), &target.settings());
    for n in 0..5 {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
    }
    serve.logged("delivery failed, will retry");
    target.set(Fault::None);
    assert_eq!(target.accepted_when(5).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")] // the target answers while the test waits for a command
async fn a_rejected_event_becomes_a_dead_letter_and_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::None).await;
    let settings = target.settings();
    let serve = Serve::start(folder.path(), &settings);
    let poison = event(7, "START").replace(r#""x":1.0"#, r#""answer":422"#);
    for n in 0..6 {
        serve.post(&event(n, "COMPLETE")).await;
    }
    serve.post(&poison).await;
    assert_eq!(target.accepted_when(6).await.len(), 6);

    let data_dir = folder.path().to_str().unwrap();
    let list = || {
        let (status, out, _) = run(
            &[
                "dead-letters",
                "list",
                "--data-dir",
                data_dir,
                "--output",
                "json",
            ],
            &[],
        );
        assert_eq!(status, Some(0));
        let letters: Vec<Value> = serde_json::from_str(&out).unwrap();
        (!letters.is_empty()).then_some(letters)
    };
    let letters = eventually(list);
    assert!(
        letters[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("invalid: 422"),
        "{letters:?}"
    );
    assert_eq!(letters[0]["attempts"], 1, "one attempt, not five");
    let id = letters[0]["id"].as_str().unwrap();
    let (_, shown, _) = run(&["dead-letters", "show", "--data-dir", data_dir, id], &[]);
    assert_eq!(shown.trim(), poison.trim());

    let (status, out, _) = run(
        &[
            "dead-letters",
            "redrive",
            "--data-dir",
            data_dir,
            "--all",
            "--reason",
            "422",
        ],
        &[],
    );
    assert_eq!((status, out.trim()), (Some(0), "1 redriven"));
    let again = eventually(list);
    let (status, ..) = run(
        &[
            "dead-letters",
            "delete",
            "--data-dir",
            data_dir,
            again[0]["id"].as_str().unwrap(),
        ],
        &[],
    );
    assert_eq!(status, Some(0));
    let (status, _, err) = run(
        &["dead-letters", "delete", "--data-dir", data_dir, "nothing"],
        &[],
    );
    assert_eq!(
        (status, err.trim()),
        (Some(1), "lineage-proxy: no dead letter has the id nothing")
    );
}

#[tokio::test]
async fn the_events_of_a_run_arrive_in_order_whatever_the_order_in_which_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::None).await;
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", target.url.as_str()),
        // A batch that is full is not waited for; one that is not would come too late.
        ("BATCH_SIZE", "3"),
        ("BATCH_WINDOW", "300s"),
    ];
    let serve = Serve::start(folder.path(), &settings);
    for event_type in ["COMPLETE", "RUNNING", "START"] {
        serve.post(&event(1, event_type)).await;
    }
    let taken = target.accepted_when(3).await;
    let place = |event_type: &str| {
        taken
            .iter()
            .position(|event| event.contains(event_type))
            .unwrap()
    };
    assert!(place("START") < place("RUNNING") && place("RUNNING") < place("COMPLETE"));
}

/// The lines of all objects below a folder.
fn archived(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(archived(&path));
            continue;
        }
        let mut text = String::new();
        let file = fs::File::open(&path).unwrap();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[tokio::test]
async fn an_archive_holds_every_event_as_it_was_accepted_or_as_the_rules_leave_it() {
    let rules = "rules:\n  - name: no-start\n    when: {event_type: START}\n    drop: true\n";
    for (apply_rules, expected) in [("false", 40), ("true", 20)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("rules.yaml"), rules).unwrap();
        let (location, file) = (at("archive"), at("rules.yaml"));
        let settings = [
            ("TARGET", "archive"),
            ("ARCHIVE_LOCATION", location.as_str()),
            ("ARCHIVE_APPLY_RULES", apply_rules),
            ("RULES_FILE", file.as_str()),
        ];
        let serve = Serve::start(&folder.path().join("data"), &settings);
        let mut sent = Vec::new();
        for n in 0..20 {
            for event_type in ["START", "COMPLETE"] {
                let event = event(n, event_type);
                assert_eq!(serve.post(&event).await.status(), 200);
                sent.push((event_type, event.trim().to_owned()));
            }
        }
        assert_eq!(serve.outcomes_when(40).len(), 40);
        // What is reported as delivered is there, whatever happens now.
        serve.kill();
        let mut sent: Vec<String> = sent
            .into_iter()
            .filter(|(event_type, _)| apply_rules == "false" || *event_type != "START")
            .map(|(_, event)| event)
            .collect();
        let mut archived = archived(Path::new(&location));
        sent.sort();
        archived.sort();
        assert_eq!(archived, sent);
        assert_eq!(archived.len(), expected, "apply_rules: {apply_rules}");
    }
}
