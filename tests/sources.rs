//! Sources through the real binary: `serve` that reads log groups of a stand-in, and `extract` that reads files. What is found is
//! queued once, whatever happens in between, and a source that fails harms nobody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "sources/command.rs"]
mod command;
#[path = "sources/comparison.rs"]
mod comparison;
#[path = "sources/extraction.rs"]
mod extraction;
#[path = "sources/kills.rs"]
mod kills;
#[path = "sources/saved.rs"]
mod saved;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_stand_in::{GlueFault, LogEvent, LogGroup, Settings, StandIn};
use serde_json::Value;
use tempfile::TempDir;
use testing::events::event;
use testing::{Serve, binary, outcome, outcome_with, queued, start_serve, until, write};

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// An event as clients print it: the address of the schema is what a filter of a log group looks for.
fn printed(n: u32) -> String {
    let schema = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
    event(n, "COMPLETE").replace("urn:schema", schema)
}

/// A line as Spark's console transport writes it.
fn line(n: u32) -> String {
    let event = printed(n);
    format!("26/11/20 10:00:00 INFO ConsoleTransport: {event}")
}

/// A log group with an event of each run, one of them printed twice.
fn group(runs: std::ops::Range<u32>) -> LogGroup {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let first = runs.start;
    let event = |n: u32, at: &str| LogEvent {
        stream: "jr_1".to_owned(),
        id: format!("{n}{at}"),
        timestamp: now - 5 * MINUTE + i64::from(n),
        message: line(n),
    };
    let mut events: Vec<LogEvent> = runs.map(|n| event(n, "a")).collect();
    events.push(event(first, "b"));
    LogGroup {
        events,
        page: Some(7),
        ..LogGroup::default()
    }
}

async fn stand_in(groups: &[(&str, LogGroup)]) -> StandIn {
    let groups = groups
        .iter()
        .map(|(name, group)| ((*name).to_owned(), group.clone()));
    let settings = Settings {
        log_groups: groups.collect::<BTreeMap<_, _>>(),
        ..Settings::default()
    };
    StandIn::start("127.0.0.1:0".parse().unwrap(), settings)
        .await
        .unwrap()
}

/// A configuration with a source for each log group.
fn configuration(folder: &Path, groups: &[&str]) -> PathBuf {
    let mut text = "sources:\n".to_owned();
    for group in groups {
        text +=
            &format!("  {group}: {{type: logs, groups: [{group}], interval: 1s, settle: 0s}}\n");
    }
    write(folder, "proxy.yaml", &text)
}

fn serve(folder: &TempDir, service: &StandIn, groups: &[&str]) -> Serve {
    let config = configuration(folder.path(), groups);
    let url = service.url();
    let aws = testing::serve::aws(&url);
    Serve::start_configured_with(&folder.path().join("data"), &config, &[], &aws)
}

/// The numbers of the runs in the store, sorted: one that is there twice is listed twice.
async fn runs(serve: &Serve) -> Vec<u32> {
    let mut runs: Vec<u32> = (serve.stored().await.iter())
        .map(|text| {
            let event: Value = serde_json::from_str(text).unwrap();
            let run = event["run"]["runId"].as_str().unwrap();
            u32::from_str_radix(run.rsplit('-').next().unwrap(), 16).unwrap()
        })
        .collect();
    runs.sort_unstable();
    runs
}

/// Waits until these runs are in the store, each once.
async fn runs_are(serve: &Serve, expected: impl IntoIterator<Item = u32>) {
    let expected: Vec<u32> = expected.into_iter().collect();
    let enough = async || {
        let found = runs(serve).await;
        (found.len() >= expected.len()).then_some(found)
    };
    assert_eq!(until(enough).await, expected);
}

/// Waits until a poll of this source has succeeded that began after now.
async fn polls(serve: &Serve, source: &str) {
    let metric =
        format!("lineage_proxy_source_last_success_timestamp_seconds{{source=\"{source}\"}}");
    let read = async || {
        let metrics = serve.get("/metrics").await;
        metrics
            .lines()
            .find_map(|line| Some(line.strip_prefix(&metric)?.trim().to_owned()))
    };
    let first = until(async || read().await).await;
    until(async || read().await.filter(|later| *later != first)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_log_group_holds_is_queued_once_also_after_a_restart() {
    let service = stand_in(&[("etl", group(0..20))]).await;
    let folder = tempfile::tempdir().unwrap();
    let first = serve(&folder, &service, &["etl"]);
    runs_are(&first, 0..20).await;
    polls(&first, "etl").await;
    let accepted = "lineage_proxy_source_events_total{source=\"etl\",result=\"accepted\"}";
    assert_eq!(first.counter(accepted).await, 20);
    assert_eq!(first.terminate(), Some(0));
    service.set(|settings| {
        settings.log_groups.insert("etl".to_owned(), group(0..25));
    });
    let second = serve(&folder, &service, &["etl"]);
    runs_are(&second, 0..25).await;
    polls(&second, "etl").await;
    runs_are(&second, 0..25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_before_its_position_is_written_queues_nothing_twice() {
    let service = stand_in(&[("etl", group(0..40))]).await;
    let folder = tempfile::tempdir().unwrap();
    let first = serve(&folder, &service, &["etl"]);
    until(async || (!first.stored().await.is_empty()).then_some(())).await;
    first.kill();
    // As if it had been killed between the queue and the position: no position, and all events.
    let positions = folder.path().join("data/sources.db");
    let database = rusqlite::Connection::open(&positions).unwrap();
    database.execute("DELETE FROM positions", []).unwrap();
    database.close().unwrap();
    let second = serve(&folder, &service, &["etl"]);
    polls(&second, "etl").await;
    runs_are(&second, 0..40).await;
    let known = "lineage_proxy_source_events_total{source=\"etl\",result=\"known\"}";
    assert!(second.counter(known).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_time_lose_nothing_and_bring_nothing_twice() {
    let service = stand_in(&[("etl", group(0..200))]).await;
    let folder = tempfile::tempdir().unwrap();
    for least in [1, 30, 80, 130] {
        let serve = serve(&folder, &service, &["etl"]);
        until(async || (serve.stored().await.len() >= least).then_some(())).await;
        serve.kill();
    }
    let last = serve(&folder, &service, &["etl"]);
    runs_are(&last, 0..200).await;
    polls(&last, "etl").await;
    runs_are(&last, 0..200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_refused_or_down_harms_no_other_and_works_when_it_may() {
    let service = stand_in(&[("good", group(0..5)), ("bad", group(100..105))]).await;
    service.set(|settings| {
        settings.glue_faults = ["FilterLogEvents", "DescribeLogGroups"]
            .map(|operation| GlueFault {
                operation: operation.to_owned(),
                matches: "bad".to_owned(),
                code: "ThrottlingException".to_owned(),
                times: 1_000,
            })
            .into();
    });
    let folder = tempfile::tempdir().unwrap();
    let serve = serve(&folder, &service, &["good", "bad"]);
    runs_are(&serve, 0..5).await;
    let failure = serve.lines_when("source poll failed, will retry", |line| {
        line["source"] == "bad"
    });
    assert_eq!(failure[0]["reason"], "unavailable");
    assert_eq!(serve.status("/readyz").await, 200);
    assert_eq!(serve.post(&event(500, "START")).await.status(), 200);
    service.set(|settings| settings.glue_faults.clear());
    let expected: Vec<u32> = (0..5).chain(100..105).chain([500]).collect();
    runs_are(&serve, expected).await;
    serve.logged("source recovered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_position_is_said_and_the_source_does_not_begin_again() {
    let service = stand_in(&[("etl", group(0..5))]).await;
    let folder = tempfile::tempdir().unwrap();
    let first = serve(&folder, &service, &["etl"]);
    runs_are(&first, 0..5).await;
    polls(&first, "etl").await;
    assert_eq!(first.terminate(), Some(0));
    for damaged in ["{", "{\"foreign\":1}"] {
        let positions = folder.path().join("data/sources.db");
        let database = rusqlite::Connection::open(&positions).unwrap();
        database
            .execute("UPDATE positions SET position = ?1", [damaged])
            .unwrap();
        database.close().unwrap();
        let second = serve(&folder, &service, &["etl"]);
        second
            .logged("source poll refused, will retry; a setting or a permission has to be changed");
        assert_eq!(second.post(&event(9, "START")).await.status(), 200);
        second.kill();
        let database = rusqlite::Connection::open(&positions).unwrap();
        let kept: String = database
            .query_row("SELECT position FROM positions", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, damaged);
    }
}

/// Runs `extract` with this text piped into it. Returns its exit status, output and errors.
fn extract(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    outcome_with(command.arg("extract").args(arguments), input.as_bytes())
}

/// A log with these runs, and lines of others between them.
fn log(runs: std::ops::Range<u32>) -> String {
    runs.map(|n| format!("starting {n}\n{}\n", line(n)))
        .collect()
}
