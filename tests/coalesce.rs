//! The events of a run as one, through `serve`: over many batches, a kill, and a stop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use testing::events::{event, event_with};
use testing::{Fault, FaultyTarget, Serve, eventually, queued, run, write};

/// Long enough for a slow machine to receive four events. Windows themselves are tested in `pipeline/coalesce_buffer.rs`.
const COALESCE: &str = "coalesce: {window: 6s, keep_start: false}";

#[tokio::test]
async fn the_events_of_a_run_are_merged_also_across_batches() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", COALESCE);
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    let input = r#""inputs":[{"namespace":"s","name":"in"}]"#;
    let output = r#""outputs":[{"namespace":"s","name":"out"}]"#;
    for event in [
        event_with(1, "START", input),
        event_with(1, "RUNNING", output),
        event(2, "START"),
        event(1, "COMPLETE"),
    ] {
        serve.post(&event).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let stored = serve.stored_when(1).await;
    for part in ["COMPLETE", r#""name":"in""#, r#""name":"out""#] {
        assert!(stored[0].contains(part), "{part} in {}", stored[0]);
    }
    // The run that does not end is let go when its window is over.
    let stored = serve.stored_when(2).await;
    assert!(stored.contains(&event(2, "START")), "{stored:?}");
    let outcomes = serve.outcomes_when(4);
    let merged: Vec<&Value> = outcomes
        .iter()
        .filter(|line| !line["merged"].is_null())
        .collect();
    assert_eq!(merged.len(), 3, "{outcomes:#?}");
    assert!(
        merged
            .iter()
            .all(|line| line["outcome"] == "delivered" && line["merged"] == merged[0]["merged"])
    );
}

#[tokio::test]
async fn events_that_are_held_when_the_process_is_killed_are_received_again() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", "coalesce: {window: 10s}");
    let settings = [("RULES_FILE", rules.to_str().unwrap())];
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &settings);
    for n in 1..=20 {
        serve.post(&event(n, "START")).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(serve.stored().await.is_empty());
    serve.kill();
    let serve = Serve::start(&data, &settings);
    for n in 1..=10 {
        serve.post(&event(n, "COMPLETE")).await;
    }
    let stored = serve.stored_when(20).await;
    for n in 1..=10 {
        let of_run = |kind| {
            stored
                .iter()
                .filter(|text| **text == event(n, kind))
                .count()
        };
        assert_eq!((of_run("START"), of_run("COMPLETE")), (1, 1));
    }
    assert_eq!(serve.terminate(), Some(0));
    // A stop returns the held events to the queue: the next start receives them at once.
    let later = [
        ("RULES_FILE", rules.to_str().unwrap()),
        ("QUEUE_VISIBILITY_TIMEOUT", "50"),
    ];
    std::fs::write(&rules, "rules: []").unwrap();
    Serve::start(&data, &later).stored_when(30).await;
}

#[test]
fn a_window_longer_than_half_the_visibility_timeout_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", "coalesce: {window: 40s}");
    let data = folder.path().join("data");
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
        "--rules",
        rules.to_str().unwrap(),
    ];
    let (status, _, err) = run(&arguments, &[]);
    assert_eq!(
        (status, err.contains("half of queue.visibility_timeout")),
        (Some(64), true),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_target_rejects_harms_no_other_of_its_run() {
    for keep_start in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("coalesce: {{window: 2s, keep_start: {keep_start}}}");
        let rules = write(folder.path(), "transforms.yaml", &text);
        let target = FaultyTarget::start(Fault::None).await;
        let settings = [
            ("RULES_FILE", rules.to_str().unwrap()),
            ("TARGET", "openlineage"),
            ("OPENLINEAGE_URL", &target.url),
        ];
        let serve = Serve::start(&folder.path().join("data"), &settings);
        let poison = event_with(1, "RUNNING", r#""answer":400"#);
        for event in [&event(1, "START"), &poison, &event(1, "COMPLETE")] {
            serve.post(event).await;
        }
        let outcomes = serve.outcomes_when(3);
        let of = |outcome| {
            outcomes
                .iter()
                .filter(|line| line["outcome"] == outcome)
                .count()
        };
        assert_eq!(
            (of("delivered"), of("dead_lettered")),
            (2, 1),
            "{outcomes:#?}"
        );
        let taken = target.accepted_when(2).await;
        assert_eq!(taken, [event(1, "START"), event(1, "COMPLETE")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_event_that_is_received_again_has_one_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", "coalesce: {window: 4s}");
    let target = FaultyTarget::start(Fault::None).await;
    let settings = [
        ("RULES_FILE", rules.to_str().unwrap()),
        ("QUEUE_VISIBILITY_TIMEOUT", "10"),
        ("BATCH_SIZE", "1"),
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", &target.url),
    ];
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &settings);
    serve.post(&event(1, "START")).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(serve.outcomes().is_empty(), "it is held");
    // The worker waits for two slow deliveries, and the process is suspended until the event that is held is visible again:
    // the worker receives it a second time before it looks at what is held.
    target.delay(std::time::Duration::from_secs(60));
    serve.post(&event(2, "COMPLETE")).await;
    serve.post(&event(3, "COMPLETE")).await;
    eventually(|| (target.figures().posts == 2).then_some(()));
    serve.signal("STOP");
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    target.delay(std::time::Duration::ZERO);
    serve.signal("CONT");
    serve.outcomes_when(3);
    // The copy that was held leaves the queue too, without an outcome of its own.
    eventually(|| (queued(&data) == Some(0)).then_some(()));
    let outcomes = serve.outcomes();
    let of_run = |job: &str| {
        outcomes
            .iter()
            .filter(|line| line["job.name"] == job)
            .count()
    };
    let counts = ["job 1", "job 2", "job 3"].map(of_run);
    assert_eq!(counts, [1, 1, 1], "{outcomes:#?}");
}
