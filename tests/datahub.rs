//! From HTTP to DataHub: `serve` with a metadata service behind it that is strict about the protocol.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use testing::events::{event, event_with};
use testing::{FakeGms, Serve, run, until, write};

const JOB: &str = "urn:li:dataJob:(urn:li:dataFlow:(openlineage,job 1,test),job 1)";

/// A proxy in front of a metadata service, with these settings of the target.
fn start(folder: &Path, gms: &FakeGms, settings: &str) -> Serve {
    let config = format!(
        "target: datahub\ndatahub: {{url: '{}'{settings}}}\n",
        gms.url
    );
    Serve::start_configured(&folder.join("data"), &write(folder, "proxy.yaml", &config))
}

/// The edges of the job of run 1, once there are `count` or more.
async fn edges(gms: &FakeGms, count: usize) -> BTreeSet<String> {
    until(async || {
        let patched = gms.aspect(JOB, "dataJobInputOutput").patched;
        let edges: BTreeSet<String> = patched.into_keys().collect();
        (edges.len() >= count).then_some(edges)
    })
    .await
}

/// The states of runs, once there are `count`.
async fn states(gms: &FakeGms, count: usize) -> Vec<String> {
    until(async || {
        let events = gms.run_events();
        let state =
            |event: &Value| format!("{} {}", event["messageId"], event["status"]).replace('"', "");
        (events.len() >= count).then(|| events.iter().map(state).collect())
    })
    .await
}

#[tokio::test]
async fn a_run_is_an_instance_of_its_job_and_no_event_wipes_its_lineage() {
    let (folder, gms) = (tempfile::tempdir().unwrap(), FakeGms::start().await);
    let serve = start(folder.path(), &gms, "");
    let datasets = r#""inputs":[{"namespace":"s3://b","name":"in (1)"}],"outputs":[{"namespace":"postgres://h","name":"d.s.☃"}]"#;
    serve.post(&event(1, "START")).await;
    serve.post(&event_with(1, "COMPLETE", datasets)).await;
    let expected = BTreeSet::from([
        "/inputDatasetEdges/urn:li:dataset:(urn:li:dataPlatform:s3,b~1in %281%29,PROD)".to_owned(),
        "/outputDatasetEdges/urn:li:dataset:(urn:li:dataPlatform:postgres,d.s.☃,PROD)".to_owned(),
    ]);
    assert_eq!(edges(&gms, 2).await, expected);
    // The next run of the job begins without datasets.
    let next = event(1, "START").replace("2026-11-20", "2026-11-21");
    serve.post(&next).await;
    let states = states(&gms, 3).await;
    assert_eq!(
        states,
        ["COMPLETE COMPLETE", "START STARTED", "START STARTED"]
    );
    assert_eq!(edges(&gms, 2).await, expected);
    assert_eq!(gms.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_event_that_datahub_refuses_is_a_dead_letter_and_harms_no_other() {
    let (folder, gms) = (tempfile::tempdir().unwrap(), FakeGms::start().await);
    gms.answer(|body| body.contains("job 3").then_some(422));
    let serve = start(folder.path(), &gms, "");
    for n in 0..8 {
        serve.post(&event(n, "COMPLETE")).await;
    }
    let unnamed = event_with(
        8,
        "COMPLETE",
        r#""inputs":[{"namespace":"postgres://h","name":""}]"#,
    );
    serve.post(&unnamed).await;
    assert_eq!(states(&gms, 7).await.len(), 7);
    let data = folder.path().join("data");
    let letters = until(async || {
        let arguments = [
            "dead-letters",
            "list",
            "--output",
            "json",
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let (_, out, _) = run(&arguments, &[]);
        let letters: Vec<Value> = serde_json::from_str(&out).unwrap();
        (letters.len() >= 2).then_some(letters)
    })
    .await;
    let mut reasons: Vec<String> = (letters.iter())
        .map(|letter| {
            letter["reason"]
                .as_str()
                .unwrap()
                .chars()
                .take(30)
                .collect()
        })
        .collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "invalid: /inputs/0: its name i",
            "invalid: 422 Unprocessable Ent"
        ]
    );
}

#[tokio::test]
async fn events_wait_for_a_service_that_is_down_and_the_token_is_never_shown() {
    let (folder, gms) = (tempfile::tempdir().unwrap(), FakeGms::start().await);
    let token = write(folder.path(), "token", "t0ken-of-mine\n");
    gms.require("t0ken-of-mine");
    let answered = AtomicU32::new(0);
    gms.answer(move |_| (answered.fetch_add(1, Relaxed) == 0).then_some(500));
    let settings = format!(", api_key_file: '{}', response: redacted", token.display());
    let serve = start(folder.path(), &gms, &settings);
    serve.post(&event(1, "START")).await;
    assert_eq!(states(&gms, 1).await, ["START STARTED"]);
    let log = format!("{:?}", serve.lines_after(0));
    assert!(!log.contains("t0ken-of-mine"), "{log}");
}
