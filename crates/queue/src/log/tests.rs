//! The log as its owner and its consumers see it. What is imported is in `tests/import.rs`, consumers that come and go in
//! `tests/consumers.rs`, other targets than before in `tests/owner.rs`, what is deleted in `tests/sweep.rs`, what is damaged in
//! `tests/damage.rs`, dead letters by reason in `tests/groups.rs`, what a person looks at in `tests/seen.rs`, several events by their
//! ids in `tests/by_id.rs`.

mod bodies;
mod by_id;
mod consumers;
mod damage;
mod groups;
mod import;
mod memory;
mod old_store;
mod owner;
mod read;
mod search;
mod seen;
mod sweep;

use std::path::PathBuf;

use super::*;
use crate::{Record, Settlement};

const NOW: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn message(id: &str) -> Message {
    Message::new(id, format!("body of {id}"), now())
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
    records.iter().map(|record| &*record.id).collect()
}

fn attempts(records: &[Record]) -> Vec<(&str, u32)> {
    let attempts = records.iter().map(|it| (&*it.id, it.attempts));
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
