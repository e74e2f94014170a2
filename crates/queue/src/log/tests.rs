//! The log as its owner and its consumers see it. What is imported is in `tests/import.rs`, other targets than before in
//! `tests/owner.rs`, what is deleted in `tests/sweep.rs`, what is damaged in `tests/damage.rs`.

mod damage;
mod import;
mod old_store;
mod owner;
mod read;
mod search;
mod sweep;

use std::path::PathBuf;

use super::*;
use crate::{Record, Settlement};

const NOW: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        body: format!("body of {id}").into(),
        received_at: now(),
        group: String::new(),
        identity: None,
        memory_permit: None,
        trace: None,
        event: Default::default(),
    }
}

fn claim(folder: &Path) -> Arc<Claim> {
    Arc::new(Claim::take(folder).unwrap())
}

async fn log_with(folder: &Path, retention: Retention) -> Log {
    let options = LogOptions {
        visibility_timeout: MINUTE,
        retention,
    };
    Log::claimed(claim(folder), options).await.unwrap()
}

pub(super) async fn log(folder: &Path) -> Log {
    log_with(folder, Retention::NONE).await
}

/// Closes the log as the end of its process does.
async fn end(log: Log) {
    let closed = log.closed();
    drop(log);
    closed.await;
}

async fn append(log: &Log, ids: &[&str]) {
    let sent = log.append(ids.iter().map(|id| message(id)).collect()).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
}

async fn receive(consumer: &Consumer, limit: i64) -> Vec<Record> {
    consumer.receive_visible(limit, limit).await.unwrap()
}

async fn acknowledge(consumer: &Consumer, records: &[Record]) {
    let records: Vec<_> = records
        .iter()
        .map(|it| (it, Settlement::Acknowledge))
        .collect();
    let answers = consumer.settle(&records).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.id.as_str()).collect()
}

fn attempts(records: &[Record]) -> Vec<(&str, u32)> {
    let attempts = records.iter().map(|it| (it.id.as_str(), it.attempts));
    attempts.collect()
}

async fn rows(log: &Log, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    let count = move |c: &Connection| c.query_row(&count, [], |row| row.get(0));
    log.journal.read(count).await.unwrap()
}

#[tokio::test]
async fn what_one_consumer_does_is_nothing_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let first = log.consumer("first", Start::Oldest).await.unwrap();
    let second = log.consumer("second", Start::Oldest).await.unwrap();
    append(&log, &["a", "b"]).await;
    let records = receive(&first, 9).await;
    acknowledge(&first, &records[..1]).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    first.settle(&[(&records[1], dead)]).await;
    assert_eq!(attempts(&receive(&second, 9).await), [("a", 1), ("b", 1)]);
    assert_eq!(second.depth().await.unwrap().dead_letters, Some(0));
    assert_eq!(rows(&log, "events").await, 2);
}

#[tokio::test]
async fn nothing_acknowledged_is_received_again_by_the_next_owner_however_out_of_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["a", "b", "c", "d", "e"]).await;
    let records = receive(&consumer, 4).await;
    acknowledge(&consumer, &[records[3].clone(), records[1].clone()]).await;
    drop(consumer);
    end(log).await;
    let log = self::log(folder.path()).await;
    let consumer = log.consumer("target", Start::Next).await.unwrap();
    let records = receive(&consumer, 9).await;
    assert_eq!(attempts(&records), [("a", 2), ("c", 2), ("e", 1)]);
}

#[tokio::test]
async fn each_attempt_counts_although_the_process_ends_before_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    for attempt in 1..4 {
        let log = log(folder.path()).await;
        let consumer = log.consumer("target", Start::Oldest).await.unwrap();
        if attempt == 1 {
            append(&log, &["poison"]).await;
        }
        assert_eq!(
            attempts(&receive(&consumer, 1).await),
            [("poison", attempt)]
        );
        drop(consumer);
        end(log).await;
    }
}

#[tokio::test]
async fn a_new_consumer_starts_where_it_was_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let at = |id: &str, received_at| Message {
        received_at,
        ..message(id)
    };
    log.append(vec![at("a", 10), at("b", 20), at("c", 30)])
        .await;
    let starts = [
        (Start::Oldest, vec!["a", "b", "c", "d"]),
        (Start::Since(15), vec!["b", "c", "d"]),
        (Start::Since(31), vec!["d"]),
        (Start::Next, vec!["d"]),
    ];
    let mut consumers = Vec::new();
    for (start, expected) in starts {
        let consumer = log.consumer(&format!("{start:?}"), start).await.unwrap();
        consumers.push((consumer, expected));
    }
    append(&log, &["d"]).await;
    for (consumer, expected) in consumers {
        assert_eq!(ids(&receive(&consumer, 9).await), expected);
    }
}

#[tokio::test]
async fn a_removed_consumer_reports_what_it_had_not_settled_and_is_waited_for_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let keeps = log.consumer("keeps", Start::Oldest).await.unwrap();
    let removed = log.consumer("removed", Start::Oldest).await.unwrap();
    append(&log, &["a", "b", "c", "d"]).await;
    acknowledge(&keeps, &receive(&keeps, 9).await).await;
    let records = receive(&removed, 2).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    removed
        .settle(&[(&records[0], dead), (&records[1], Settlement::Retry(NOW))])
        .await;
    let status = log.remove_consumer("removed").await.unwrap().unwrap();
    assert_eq!((status.pending, status.dead_letters), (3, 1));
    assert_eq!(log.sweep().await.unwrap(), 3);
    let left: Vec<_> = log.consumers().await.unwrap();
    let left: Vec<_> = left.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(left, ["keeps"]);
    assert_eq!(log.remove_consumer("removed").await.unwrap(), None);
}

#[tokio::test]
async fn a_stopped_consumer_keeps_what_it_had_not_settled_and_gets_no_more_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = log(folder.path()).await;
        let keeps = log.consumer("keeps", Start::Oldest).await.unwrap();
        let stops = log.consumer("stops", Start::Oldest).await.unwrap();
        append(&log, &["a", "b", "c"]).await;
        acknowledge(&keeps, &receive(&keeps, 9).await).await;
        acknowledge(&stops, &receive(&stops, 1).await).await;
        drop((keeps, stops));
        end(log).await;
    }
    {
        let log = log(folder.path()).await;
        let keeps = log.consumer("keeps", Start::Next).await.unwrap();
        let left = log.stop_others(&["keeps"]).await.unwrap();
        let left: Vec<_> = left.iter().map(|it| (&*it.target, it.pending)).collect();
        assert_eq!(left, [("stops", 2)]);
        append(&log, &["d", "e"]).await;
        acknowledge(&keeps, &receive(&keeps, 9).await).await;
        let statuses = log.consumers().await.unwrap();
        let pending: Vec<u64> = statuses.iter().map(|it| it.pending).collect();
        assert_eq!(pending, [0, 2], "later events pass it by");
        // `a` is settled by both, `d` by the one that gets it, and `e` is the last.
        assert_eq!(log.sweep().await.unwrap(), 2);
        drop(keeps);
        end(log).await;
    }
    let log = log(folder.path()).await;
    let stops = log.consumer("stops", Start::Next).await.unwrap();
    append(&log, &["f"]).await;
    let records = receive(&stops, 9).await;
    let mut received = attempts(&records);
    received.sort_unstable();
    assert_eq!(received, [("b", 1), ("c", 1), ("f", 1)]);
}

#[tokio::test]
async fn a_consumer_that_has_nothing_left_is_removed_when_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    log.consumer("stops", Start::Oldest).await.unwrap();
    assert_eq!(log.stop_others(&["keeps"]).await.unwrap(), []);
    assert_eq!(log.consumers().await.unwrap(), []);
}

#[tokio::test]
async fn a_renamed_consumer_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let old = log.consumer("old", Start::Oldest).await.unwrap();
    log.consumer("other", Start::Oldest).await.unwrap();
    append(&log, &["a", "b"]).await;
    acknowledge(&old, &receive(&old, 1).await).await;
    assert!(!log.rename_consumer("old", "other").await.unwrap());
    assert!(log.rename_consumer("old", "new").await.unwrap());
    let new = log.consumer("new", Start::Oldest).await.unwrap();
    assert_eq!(ids(&receive(&new, 9).await), ["b"]);
}

#[tokio::test]
async fn settled_events_are_deleted_but_not_the_last_one_and_no_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let first = log.consumer("first", Start::Oldest).await.unwrap();
    let second = log.consumer("second", Start::Oldest).await.unwrap();
    append(&log, &["dead", "retried", "a", "b", "c"]).await;
    acknowledge(&second, &receive(&second, 9).await).await;
    assert_eq!(
        log.sweep().await.unwrap(),
        0,
        "the first has not settled anything"
    );
    let records = receive(&first, 9).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    first
        .settle(&[
            (&records[0], dead),
            (&records[1], Settlement::Retry(MINUTE)),
        ])
        .await;
    acknowledge(&first, &records[2..]).await;
    assert_eq!(log.sweep().await.unwrap(), 2, "a and b");
    assert_eq!(rows(&log, "events").await, 3);
    assert!(first.dead_letter_body("dead").await.unwrap().is_some());
    // The number of the last event is not given out again.
    append(&log, &["d"]).await;
    assert_eq!(ids(&receive(&second, 9).await), ["d"]);
}

#[tokio::test]
async fn settled_events_are_kept_for_the_age_and_the_bytes_of_the_retention() {
    let large = "x".repeat(100_000);
    let day = Duration::from_secs(24 * 3_600);
    let plenty = 1 << 30;
    let cases = [
        ("neither is reached", day, plenty, 0),
        ("old", NOW, plenty, 9),
        ("too many", day, 600_000, 6),
    ];
    for (what, age, bytes, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let log = log_with(folder.path(), Retention { age, bytes }).await;
        let consumer = log.consumer("target", Start::Oldest).await.unwrap();
        for n in 0..10 {
            let body = large.as_str().into();
            let message = Message {
                body,
                ..message(&n.to_string())
            };
            log.append(vec![message]).await;
        }
        assert_eq!(log.sweep().await.unwrap(), 0, "{what}: not settled");
        acknowledge(&consumer, &receive(&consumer, 99).await).await;
        assert_eq!(log.sweep().await.unwrap(), expected, "{what}");
    }
}

#[tokio::test]
async fn space_of_deleted_events_is_given_back_to_the_disk_while_the_log_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    for _ in 0..40 {
        let body: Arc<str> = "x".repeat(1 << 20).into();
        let sent = log
            .append(vec![Message {
                body,
                ..message("large")
            }])
            .await;
        assert!(sent[0].is_ok());
    }
    let file = folder.path().join(FILE);
    let size = |file: &PathBuf| std::fs::metadata(file).unwrap().len() >> 20;
    checkpoint(&log).await;
    let full = size(&file);
    drain(&consumer).await;
    log.sweep().await.unwrap();
    checkpoint(&log).await;
    log.verify().await.unwrap();
    append(&log, &["next"]).await;
    assert!(
        full >= 40 && size(&file) <= 12,
        "{full} MB, {} MB",
        size(&file)
    );
}

/// Writes the log of SQLite into the file, as SQLite does from time to time.
async fn checkpoint(log: &Log) {
    let path = log.folder.join(FILE);
    let connection = Connection::open(path).unwrap();
    let all = "PRAGMA wal_checkpoint(FULL)";
    connection.query_row(all, [], |_| Ok(())).unwrap();
}

async fn drain(consumer: &Consumer) {
    while consumer.depth().await.unwrap().events > 0 {
        acknowledge(consumer, &receive(consumer, 99).await).await;
    }
}

#[tokio::test]
async fn positions_beyond_what_a_repair_could_read_are_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["a", "b", "c"]).await;
    let records = receive(&consumer, 9).await;
    acknowledge(&consumer, &records[..1]).await;
    consumer
        .settle(&[(&records[2], Settlement::Retry(MINUTE))])
        .await;
    let damage = "DELETE FROM events WHERE id <> 'a'";
    log.journal
        .write(|c| c.execute_batch(damage))
        .await
        .unwrap();
    drop(consumer);
    end(log).await;
    let log = self::log(folder.path()).await;
    let consumer = log.consumer("target", Start::Next).await.unwrap();
    append(&log, &["d", "e"]).await;
    assert_eq!(attempts(&receive(&consumer, 9).await), [("d", 1), ("e", 1)]);
}

#[tokio::test]
async fn who_had_a_dead_letter_before_it_was_redriven_settles_nothing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["a", "b"]).await;
    let old = receive(&consumer, 1).await;
    let dead = || Settlement::DeadLetter("rejected".to_owned());
    consumer.settle(&[(&old[0], dead())]).await;
    assert!(consumer.redrive("a").await.unwrap());
    for is_received_again in [false, true] {
        if is_received_again {
            assert_eq!(attempts(&receive(&consumer, 1).await), [("a", 1)]);
        }
        for late in [Settlement::Acknowledge, Settlement::Retry(NOW), dead()] {
            let answers = consumer.settle(&[(&old[0], late)]).await;
            assert!(answers[0].is_err(), "{is_received_again}");
        }
    }
}

#[tokio::test]
async fn the_number_of_a_removed_consumer_is_not_given_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let removed = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["a"]).await;
    let records = receive(&removed, 1).await;
    log.remove_consumer("target").await.unwrap();
    let again = log.consumer("target", Start::Oldest).await.unwrap();
    assert_eq!(ids(&receive(&again, 1).await), ["a"]);
    let late = [(&records[0], Settlement::Acknowledge)];
    assert!(removed.settle(&late).await[0].is_err());
    assert_eq!(again.depth().await.unwrap().events, 1);
}
