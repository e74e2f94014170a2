//! The embedded queue as its callers see it.

use rusqlite::Connection;

use super::*;
use crate::now;

const NOW: Duration = Duration::ZERO;

fn message(id: &str) -> Message {
    Message::new(id, format!("body of {id}"), now())
}

/// Opens the queue when the wall clock shows `now`.
async fn owned_at(folder: &Path, now: i64) -> Embedded {
    let options = LogOptions {
        visibility_timeout: Duration::ZERO,
        retention: Retention::NONE,
    };
    let claim = Arc::new(Claim::take(folder).unwrap());
    let log = Log::claimed_at(claim, options, now).await.unwrap();
    let consumer = log.owner_consumers(&["target"]).await.unwrap().remove(0);
    Embedded { log, consumer }
}

async fn queue(folder: &Path) -> Embedded {
    Embedded::own(folder, Duration::from_secs(60))
        .await
        .unwrap()
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| &*record.id).collect()
}

#[tokio::test]
async fn a_received_event_is_invisible_until_it_is_retried() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    queue
        .send(vec![message("a"), message("b"), message("c")])
        .await;
    let records = queue.receive(2, NOW).await.unwrap();
    assert_eq!(ids(&records), ["a", "b"]);
    queue
        .settle(&[
            (&records[0], Settlement::Acknowledge),
            (&records[1], Settlement::Retry(NOW)),
        ])
        .await;
    let again = queue.receive(9, NOW).await.unwrap();
    assert_eq!(ids(&again), ["b", "c"]);
    assert_eq!(again[0].attempts, 2);
    // The first receiver's receipt is worth nothing now.
    queue
        .settle(&[(&records[1], Settlement::Acknowledge)])
        .await;
    assert_eq!(queue.status().await.unwrap().in_flight, 2);
}

#[tokio::test]
async fn a_batch_waits_for_more_events_but_not_longer_than_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    queue.send(vec![message("a")]).await;
    assert!(
        queue
            .receive(2, Duration::from_millis(80))
            .await
            .unwrap()
            .is_empty()
    );
    let more = {
        let queue = queue.clone();
        tokio::spawn(async move { queue.send(vec![message("b")]).await })
    };
    let mut records = Vec::new();
    while records.is_empty() {
        records = queue.receive(2, Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(ids(&records), ["a", "b"]);
    more.await.unwrap();
}

#[tokio::test]
async fn dead_letters_keep_their_reason_and_can_be_redriven() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    queue.send(vec![message("a"), message("b")]).await;
    let records = queue.receive(2, NOW).await.unwrap();
    let dead = |reason: &str| Settlement::DeadLetter(reason.to_owned());
    queue
        .settle(&[
            (&records[0], dead("too_large: 310000 bytes")),
            (&records[1], dead("invalid: no run")),
        ])
        .await;
    let letters = queue.dead_letters("too_large", 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].id.as_str()), (1, "a"));
    assert_eq!(
        queue.dead_letter_body("a").await.unwrap().unwrap(),
        "body of a"
    );
    assert!(queue.redrive("a").await.unwrap());
    assert!(queue.delete_dead_letter("b").await.unwrap());
    assert!(!queue.redrive("b").await.unwrap());
    assert_eq!(queue.receive(2, NOW).await.unwrap()[0].attempts, 1);
}

#[tokio::test]
async fn a_new_owner_finds_what_the_last_one_had_received_and_there_is_only_one() {
    let folder = tempfile::tempdir().unwrap();
    let first = queue(folder.path()).await;
    first.send(vec![message("a")]).await;
    first.receive(1, NOW).await.unwrap();
    let second = Embedded::own(folder.path(), NOW).await.unwrap_err();
    assert!(
        second.to_string().contains("another lineage-proxy"),
        "{second}"
    );
    drop(first);
    assert_eq!(
        ids(&queue(folder.path()).await.receive(1, NOW).await.unwrap()),
        ["a"]
    );
}

#[tokio::test]
async fn a_wall_clock_that_was_set_back_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    const DAY: i64 = 86_400_000;
    let tomorrow = owned_at(folder.path(), now() + DAY).await;
    tomorrow.send(vec![message("a"), message("b")]).await;
    let records = tomorrow.receive(1, NOW).await.unwrap();
    let later = Settlement::Retry(Duration::from_secs(900));
    tomorrow.settle(&[(&records[0], later)]).await;
    drop((tomorrow, records));
    let today = queue(folder.path()).await;
    let beside = Embedded::open(folder.path()).await.unwrap().remove(0);
    // One that was attempted is no less one that is retried.
    let status = beside.status().await.unwrap();
    assert_eq!((status.waiting, status.retrying), (1, Some(1)));
    let mut records = today.receive(9, NOW).await.unwrap();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(ids(&records), ["a", "b"]);
    // And what is in hand stays there.
    assert_eq!(beside.status().await.unwrap().in_flight, 2);
    assert!(today.receive(9, NOW).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_event_that_another_process_redrives_is_visible_whatever_its_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let yesterday = owned_at(folder.path(), now() - 86_400_000).await;
    yesterday.send(vec![message("a")]).await;
    let records = yesterday.receive(1, NOW).await.unwrap();
    let dead = Settlement::DeadLetter("invalid".to_owned());
    yesterday.settle(&[(&records[0], dead)]).await;
    let beside = Embedded::open(folder.path()).await.unwrap().remove(0);
    assert!(beside.redrive("a").await.unwrap());
    assert_eq!(ids(&yesterday.receive(1, NOW).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn a_receipt_that_was_used_settles_no_later_event() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    queue.send(vec![message("a")]).await;
    let old = queue.receive(1, NOW).await.unwrap();
    queue.settle(&[(&old[0], Settlement::Acknowledge)]).await;
    queue.send(vec![message("b")]).await;
    let new = queue.receive(1, NOW).await.unwrap();
    let again = queue.settle(&[(&old[0], Settlement::Acknowledge)]).await;
    assert!(again[0].is_err() && *new[0].id == *"b");
    assert_eq!(queue.status().await.unwrap().in_flight, 1);
}

#[tokio::test]
async fn a_delivered_event_that_cannot_be_acknowledged_is_not_received_again() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Embedded::own(folder.path(), NOW).await.unwrap();
    queue.send(vec![message("a"), message("b")]).await;
    let records = queue.receive(1, NOW).await.unwrap();
    let refuse = "CREATE TRIGGER full BEFORE UPDATE ON cursors WHEN NEW.settled > OLD.settled
                  BEGIN SELECT RAISE(ABORT, 'full'); END";
    queue
        .log
        .journal()
        .write(|c| c.execute_batch(refuse))
        .await
        .unwrap();
    let answers = queue
        .settle(&[(&records[0], Settlement::Acknowledge)])
        .await;
    assert!(answers[0].is_err());
    assert!(
        queue.receive(9, NOW).await.is_err(),
        "nothing more is taken"
    );
    let room = "DROP TRIGGER full";
    queue
        .log
        .journal()
        .write(|c| c.execute_batch(room))
        .await
        .unwrap();
    assert_eq!(ids(&queue.receive(9, NOW).await.unwrap()), ["b"]);
    assert_eq!(queue.receive(9, NOW).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_row_is_a_record_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    queue
        .send(vec![message("a"), message("b"), message("c")])
        .await;
    let records = queue.receive(2, NOW).await.unwrap();
    let retry = Settlement::Retry(Duration::from_secs(60));
    queue.settle(&[(&records[1], retry)]).await;
    let damage = "UPDATE events SET body = CAST(x'7bff7d' AS TEXT) WHERE id = 'a';
                  UPDATE pending SET attempts = 'often', visible_at = 'then' WHERE seq = 2";
    queue
        .log
        .journal()
        .write(|c| c.execute_batch(damage))
        .await
        .unwrap();
    drop(queue);
    let queue = self::queue(folder.path()).await;
    let records = queue.receive(9, NOW).await.unwrap();
    assert_eq!(ids(&records), ["a", "b", "c"]);
    let unreadable = records.iter().map(|record| record.unreadable.is_some());
    assert_eq!(unreadable.collect::<Vec<_>>(), [true, false, false]);
    let dead = Settlement::DeadLetter("invalid".to_owned());
    queue.settle(&[(&records[0], dead)]).await;
    let letters = queue.dead_letters("invalid", 9).await.unwrap();
    assert_eq!((letters.len(), letters[0].id.as_str()), (1, "a"));
}

#[tokio::test]
async fn a_message_that_waits_for_a_slow_disk_keeps_its_memory_permit_and_is_not_written_late() {
    let folder = tempfile::tempdir().unwrap();
    let queue = queue(folder.path()).await;
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let slow = queue.log.journal().clone();
    let slow = tokio::spawn(async move {
        let work = move |_: &Connection| {
            begin.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        };
        slow.write(work).await.unwrap();
    });
    begun.await.unwrap();
    let memory = Arc::new(tokio::sync::Semaphore::new(1));
    let large = Message {
        memory_permit: memory.clone().acquire_owned().await.ok().map(Arc::new),
        ..message("large")
    };
    let sent = queue.send(vec![large]).await;
    assert!(matches!(&sent[..], [Err(SendError::Unavailable(why))] if why.contains("too slow")));
    assert_eq!(memory.available_permits(), 0);
    go_on.send(()).unwrap();
    slow.await.unwrap();
    let _given_back = memory.acquire().await.unwrap();
    assert_eq!(queue.status().await.unwrap().waiting, 0);
}
