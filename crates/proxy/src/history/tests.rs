use openlineage::{Event, Level};
use targets::{Reason, TargetName};

use super::*;
use crate::pipeline::{Outcome, TransformLog};

const EVENT: &str = r#"{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","producer":"https://example.com/p",
    "schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    "run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"},"job":{"namespace":"postgres://u:secret@db","name":"load"},
    "inputs":[{"namespace":"pg","name":"raw"}],"outputs":[]}"#;

/// More than a slow machine needs.
const LONG: Duration = Duration::from_secs(60);

fn event(text: &str) -> Event {
    Event::read(text.as_bytes(), Level::Repair).unwrap().event
}

fn record(n: usize, outcome: Outcome) -> OutcomeRecord {
    OutcomeRecord {
        id: format!("id-{n}").into(),
        key: None,
        event: Some(event(EVENT)),
        delivered: Some(event(&EVENT.replace("raw", "clean"))),
        target: TargetName::new("catalog").unwrap(),
        outcome,
        attempts: 2,
        duration: Duration::from_millis(7),
        age: Some(Duration::from_secs(5)),
        size_bytes: EVENT.len(),
        transform: TransformLog {
            changed_by: vec!["one-host".into()],
            ..TransformLog::default()
        },
        merged: None,
        trace_id: None,
        new_token: false,
    }
}

fn delivered() -> Outcome {
    Outcome::Delivered {
        id: None,
        already_there: false,
    }
}

fn recorder(folder: &tempfile::TempDir) -> (Recorder, HistoryObserver) {
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    Recorder::new(claim, Retention::default(), "catalog")
}

/// What is recorded in a folder, newest first.
async fn found(folder: &tempfile::TempDir) -> Vec<::history::FoundEvent> {
    let history = History::open(folder.path()).unwrap();
    let all = ::history::Page::Before(None);
    let found = history.find(Default::default(), all, 10_000, now()).await;
    found.unwrap().events
}

#[test]
fn an_entry_has_the_names_that_the_target_got_and_no_secret() {
    let dead = Outcome::DeadLettered {
        reason: Reason::Invalid,
        error: "invalid: 400 at https://u:secret@catalog/x?token=secret".to_owned(),
    };
    let waiting = Waiting {
        record: record(1, dead),
        at: 10_000,
        size: 0,
    };
    let entry = entry(waiting, "catalog");
    assert_eq!((entry.accepted_at, entry.at), (5_000, 10_000));
    assert_eq!(entry.datasets[0].name, "clean");
    assert_eq!(entry.job.as_ref().unwrap().namespace, "postgres://***@db");
    assert_eq!(entry.rules, ["one-host"]);
    assert_eq!(entry.reason, Some("invalid"));
    assert!(!format!("{entry:?}").contains("secret"), "{entry:?}");
}

#[test]
fn lineage_is_what_a_target_has_and_nothing_else() {
    let text = |outcome, delivered: bool| {
        let mut record = record(1, outcome);
        record.delivered = record.delivered.filter(|_| delivered);
        let waiting = Waiting {
            record,
            at: 0,
            size: 0,
        };
        let entry = entry(waiting, "catalog");
        (entry.delivered).map(|it| {
            (
                it.event.text().contains("clean"),
                (it.shown)("//u:p@h").into_owned(),
            )
        })
    };
    let reason = String::new;
    let after_the_rules = Some((true, "//***@h".to_owned()));
    assert_eq!(text(delivered(), true), after_the_rules);
    let unchanged = Outcome::Unchanged { reason: reason() };
    assert_eq!(text(unchanged, true), after_the_rules);
    // It is in the merged event.
    assert_eq!(text(delivered(), false), None);
    let dropped = Outcome::Dropped {
        rule: "tests".into(),
    };
    assert_eq!(text(dropped, true), None);
    let dead = Outcome::DeadLettered {
        reason: Reason::Invalid,
        error: reason(),
    };
    assert_eq!(text(dead, true), None);
}

#[test]
fn the_rule_that_drops_an_event_is_its_last_one() {
    let rule = "tests".into();
    let waiting = Waiting {
        record: record(1, Outcome::Dropped { rule }),
        at: 0,
        size: 0,
    };
    assert_eq!(entry(waiting, "catalog").rules, ["one-host", "tests"]);
}

#[tokio::test]
async fn all_that_was_observed_before_a_stop_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, observer) = recorder(&folder);
    let running = recorder.start();
    let outcomes: Vec<_> = (0..1_000).map(|n| record(n, delivered())).collect();
    outcomes.chunks(20).for_each(|some| observer.observe(some));
    running.finish(LONG).await;
    assert_eq!(found(&folder).await.len(), 1_000);
}

#[tokio::test]
async fn the_lineage_that_waits_for_the_first_target_is_recorded_at_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, observer) = recorder(&folder);
    let running = recorder.start();
    observer.observe(&[waits_for_the_first_target()]);
    running.finish(LONG).await;
    assert_eq!(jobs_and_datasets(&folder).await, (1, 1));
}

#[tokio::test]
async fn the_lineage_that_waits_for_the_first_target_outlives_a_file_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, observer) = recorder(&folder);
    recorder.open().await;
    observer.observe(&[waits_for_the_first_target()]);
    let mut group = Vec::new();
    recorder.waiting.recv_many(&mut group, GROUP).await;
    recorder.write(group).await;
    assert_eq!(jobs_and_datasets(&folder).await, (0, 0));
    let closed = recorder.current.get().unwrap().closed();
    recorder.current.set(None);
    closed.await;
    std::fs::remove_file(History::path(folder.path())).unwrap();
    recorder.open_at = Instant::now();
    recorder.start().finish(LONG).await;
    assert_eq!(jobs_and_datasets(&folder).await, (1, 1));
}

/// The outcome of another target: its lineage waits until the first one has the event.
fn waits_for_the_first_target() -> OutcomeRecord {
    OutcomeRecord {
        target: TargetName::new("lake").unwrap(),
        ..record(1, delivered())
    }
}

async fn jobs_and_datasets(folder: &tempfile::TempDir) -> (u64, u64) {
    let history = History::open(folder.path()).unwrap();
    let overview = history.overview(1).await.unwrap();
    (overview.jobs, overview.datasets)
}

#[tokio::test]
async fn lineage_that_is_too_much_at_once_is_counted_and_its_outcomes_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, observer) = recorder(&folder);
    recorder.open().await;
    let named = |n: usize| {
        let names = (0..1_000).map(|at| format!(r#"{{"namespace":"pg","name":"t{n}.{at}"}}"#));
        let names = names.collect::<Vec<_>>().join(",");
        let many = EVENT.replace(r#""outputs":["#, &format!(r#""outputs":[{names}"#));
        OutcomeRecord {
            delivered: Some(event(&many)),
            ..record(n, delivered())
        }
    };
    observer.observe(&(0..14).map(named).collect::<Vec<_>>());
    let mut group = Vec::new();
    recorder.waiting.recv_many(&mut group, GROUP).await;
    recorder.write(group).await;
    assert_eq!(
        (
            recorder.untold_lineages,
            recorder.backlog.skipped.load(Ordering::Relaxed)
        ),
        (4, 0)
    );
    recorder.tell();
    assert_eq!(recorder.untold_lineages, 0, "a log line has told them");
    let history = recorder.current.get().unwrap();
    let tally = history.tally(0).await.unwrap();
    assert_eq!((tally.not_recorded, tally.lineage_not_recorded), (0, 4));
    assert_eq!(found(&folder).await.len(), 14);
}

#[tokio::test]
async fn full_groups_never_leave_more_events_than_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, observer) = recorder(&folder);
    recorder.retention.events = 300;
    let outcomes: Vec<_> = (0..2_000).map(|n| record(n, delivered())).collect();
    observer.observe(&outcomes);
    recorder.start().finish(LONG).await;
    assert_eq!(found(&folder).await.len(), 300);
}

#[test]
fn the_pause_after_a_write_is_in_proportion_but_bounded() {
    let after = |write| pause_after(Duration::from_millis(write), Duration::ZERO, 0).as_millis();
    assert_eq!((after(20), after(1_000)), (140, 5_000));
}

#[test]
fn a_flood_is_recorded_more_slowly_until_it_ends() {
    // A group takes 30 ms, and what comes at this rate beyond a group found no room.
    let write = Duration::from_millis(30);
    let next = |since: Duration, rate: f64| {
        let came = (since.as_secs_f64() * rate) as u64;
        write + pause_after(write, since, came.saturating_sub(GROUP as u64))
    };
    let (normal, slow) = (write * (SHARE + 1), write * (SHARE_OF_FLOOD + 1));
    assert_eq!(next(normal, 12_000.0), slow);
    assert_eq!(next(slow, 12_000.0), slow);
    assert_eq!(next(slow, 2_000.0), slow);
    // Slower than what an eighth of the time is enough for, although there was no room for it.
    assert_eq!(next(slow, 1_000.0), normal);
    assert_eq!(next(normal, 1_000.0), normal);
}

#[test]
fn so_many_datasets_of_an_event_are_recorded() {
    let inputs: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"namespace":"pg","name":"t{n}"}}"#))
        .collect();
    let many = EVENT.replace(
        r#""outputs":["#,
        &format!(r#""outputs":[{}"#, inputs.join(",")),
    );
    let record = OutcomeRecord {
        delivered: Some(event(&many)),
        ..record(1, delivered())
    };
    let waiting = Waiting {
        record,
        at: 0,
        size: 0,
    };
    let entry = entry(waiting, "catalog");
    assert_eq!(entry.datasets.len(), ::history::MAX_DATASETS);
    assert!(entry.dataset_count > entry.datasets.len());
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_delays_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, observer) = recorder(&folder);
    let (backlog, one) = (recorder.backlog.clone(), [record(1, delivered())]);
    // Nothing is read: this ends all the same.
    for _ in 0..WAITING + 3 {
        observer.observe(&one);
    }
    assert_eq!(backlog.skipped.load(Ordering::Relaxed), 3);
    recorder.start().finish(LONG).await;
    assert_eq!(backlog.bytes.load(Ordering::Relaxed), 0);
    let file = rusqlite::Connection::open(History::path(folder.path())).unwrap();
    let gaps = file.query_row("SELECT sum(count) FROM gaps", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(gaps, Ok(3));
}

#[tokio::test]
async fn large_events_that_wait_take_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, observer) = recorder(&folder);
    let large = EVENT.replace("load", &"x".repeat(10_000_000));
    let large = OutcomeRecord {
        delivered: None,
        event: Some(event(&large)),
        ..record(1, delivered())
    };
    for _ in 0..10 {
        observer.observe(std::slice::from_ref(&large));
    }
    assert_eq!(recorder.backlog.skipped.load(Ordering::Relaxed), 4);
    assert!(recorder.backlog.bytes.load(Ordering::Relaxed) <= WAITING_BYTES);
}

#[tokio::test]
async fn a_history_that_cannot_be_opened_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(History::path(folder.path())).unwrap();
    let (recorder, observer) = recorder(&folder);
    let (backlog, running) = (recorder.backlog.clone(), recorder.start());
    observer.observe(&[record(1, delivered())]);
    running.finish(LONG).await;
    assert_eq!(backlog.skipped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_space_that_the_log_needs_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut recorder, observer) = recorder(&folder);
    recorder.has_space = |_| false;
    let (backlog, running) = (recorder.backlog.clone(), recorder.start());
    observer.observe(&[record(1, delivered())]);
    running.finish(LONG).await;
    assert_eq!(backlog.skipped.load(Ordering::Relaxed), 1);
    assert!(found(&folder).await.is_empty());
}
