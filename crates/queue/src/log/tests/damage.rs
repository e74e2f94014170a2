//! Logs of which a bad disk has lost rows.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use super::*;

const EVENTS: i64 = 3_000;

/// Keeps events of 1970, too.
const KEEP: Retention = Retention {
    age: Duration::MAX,
    bytes: u64::MAX,
};

/// A log of which every third event is dead, every third pending, and every third settled.
async fn filled(folder: &Path) {
    let log = log_with(folder, Retention::default()).await;
    log.consumer("first", Start::Oldest).await.unwrap();
    log.consumer("second", Start::Oldest).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {EVENTS})
         INSERT INTO events (received_at, id, body) SELECT 1, 'event ' || n, 'body' FROM n;
         INSERT INTO pending (consumer, seq, attempts, receipt, visible_at)
             SELECT 1, seq, 3, 3, 0 FROM events WHERE seq % 3 = 1;
         INSERT INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
             SELECT 1, seq, id, 1, 1, 1, 1, 'rejected' FROM events WHERE seq % 3 = 2;
         UPDATE cursors SET settled = {EVENTS}, received = {EVENTS};"
    );
    log.journal
        .write(move |c| c.execute_batch(&fill))
        .await
        .unwrap();
    end(log).await;
}

/// Overwrites the root page of a table, or one of its leaves.
fn overwrite(folder: &Path, table: &str, is_root: bool) {
    let file = folder.join(FILE);
    let connection = Connection::open(&file).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u64 = connection
        .query_row(root, [table], |row| row.get::<_, i64>(0))
        .unwrap()
        .unsigned_abs();
    drop(connection);
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut page = vec![0; 8_192];
    file.read_exact_at(&mut page, (root - 1) * 8_192).unwrap();
    let mut at = root;
    if !is_root {
        // An interior page: its first cells point to leaves
        // (<https://www.sqlite.org/fileformat2.html#b_tree_pages>).
        assert_eq!(page[0], 5, "{table} has leaves");
        let cell = usize::from(u16::from_be_bytes([page[14], page[15]]));
        at = u64::from(u32::from_be_bytes(page[cell..cell + 4].try_into().unwrap()));
    }
    file.write_all_at(&[0; 8_192], (at - 1) * 8_192).unwrap();
}

/// Returns the ids of the events that a consumer receives, or has as dead letters.
async fn unsettled(consumer: &Consumer) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    loop {
        let records = receive(consumer, 500).await;
        if records.is_empty() {
            break;
        }
        found.extend(records.iter().map(|it| it.id.to_string()));
        acknowledge(consumer, &records).await;
    }
    let letters = consumer.dead_letters("", 9_999).await.unwrap();
    found.extend(letters.into_iter().map(|it| it.id));
    found
}

/// Returns the ids of the events that a consumer has not settled and does not get.
async fn missing(log: &Log, consumer: &Consumer) -> Vec<String> {
    log.sweep().await.unwrap();
    let found = unsettled(consumer).await;
    let all = (1..=EVENTS).filter(|n| n % 3 != 0);
    all.map(|n| format!("event {n}"))
        .filter(|id| !found.contains(id))
        .collect()
}

/// Settles what is pending or dead up to an event, and lets the sweep note that.
async fn settle_up_to(folder: &Path, last: i64) {
    let log = log_with(folder, KEEP).await;
    let settle = format!(
        "DELETE FROM pending WHERE seq <= {last}; DELETE FROM dead_letters WHERE seq <= {last};"
    );
    let settled = log.journal.write(move |c| c.execute_batch(&settle));
    settled.await.unwrap();
    assert_eq!(log.sweep().await.unwrap(), 0, "all are retained");
    end(log).await;
}

#[tokio::test]
async fn damage_to_what_says_that_an_event_is_not_settled_loses_no_event() {
    for (table, is_root) in [
        ("pending", false),
        ("dead_letters", false),
        ("cursors", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).await;
        overwrite(folder.path(), table, is_root);
        // The first owner ends before it has done anything.
        end(log_with(folder.path(), KEEP).await).await;
        let log = log_with(folder.path(), Retention::NONE).await;
        let first = log.consumer("first", Start::Next).await.unwrap();
        assert_eq!(missing(&log, &first).await, Vec::<String>::new(), "{table}");
    }
}

#[tokio::test]
async fn what_a_consumer_had_settled_is_not_delivered_again_after_a_repair() {
    for table in ["pending", "dead_letters", "cursors"] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).await;
        // The next one is settled, too.
        settle_up_to(folder.path(), 2_000).await;
        overwrite(folder.path(), table, true);
        let log = log_with(folder.path(), KEEP).await;
        let first = log.consumer("first", Start::Next).await.unwrap();
        let found = unsettled(&first).await;
        let all = (2_002..=EVENTS).map(|n| format!("event {n}"));
        assert_eq!(found, all.collect(), "{table}");
        if table != "cursors" {
            let second = log.consumer("second", Start::Next).await.unwrap();
            assert_eq!(unsettled(&second).await, BTreeSet::new(), "{table}");
        }
    }
}

#[tokio::test]
async fn a_repair_gives_a_consumer_no_event_from_before_its_start() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), KEEP).await;
    log.consumer("new", Start::Next).await.unwrap();
    end(log).await;
    overwrite(folder.path(), "pending", true);
    let log = log_with(folder.path(), KEEP).await;
    let new = log.consumer("new", Start::Next).await.unwrap();
    assert_eq!(unsettled(&new).await, BTreeSet::new());
}

#[tokio::test]
async fn a_lost_consumer_gets_its_events_again_although_the_other_one_was_added_first() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    settle_up_to(folder.path(), 2_000).await;
    overwrite(folder.path(), "cursors", true);
    let log = log_with(folder.path(), KEEP).await;
    log.consumer("second", Start::Next).await.unwrap();
    log.sweep().await.unwrap();
    let first = log.consumer("first", Start::Next).await.unwrap();
    let expected = (2_002..=EVENTS).map(|n| format!("event {n}"));
    assert_eq!(unsettled(&first).await, expected.collect());
}

#[tokio::test]
async fn a_damaged_time_does_not_stop_a_new_consumer() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), KEEP).await;
    let damage = "UPDATE events SET received_at = 'then' WHERE seq = 1";
    let damaged = log.journal.write(|c| c.execute_batch(damage));
    damaged.await.unwrap();
    let target = OwnerTarget {
        name: "new",
        start: Some(Start::Oldest),
    };
    let new = log.owner_consumers(&[target]).await.unwrap();
    assert_eq!(new[0].started().unwrap().first, Some(0));
}

#[tokio::test]
async fn a_consumer_that_starts_with_the_oldest_event_gets_it_again_after_a_repair() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    settle_up_to(folder.path(), EVENTS).await;
    let log = log_with(folder.path(), KEEP).await;
    let new = log.consumer("new", Start::Oldest).await.unwrap();
    let records = receive(&new, 9).await;
    let retry = |record| (record, Settlement::Retry(NOW));
    let retried: Vec<_> = records.iter().map(retry).collect();
    assert!(new.settle(&retried).await.iter().all(Result::is_ok));
    drop(new);
    end(log).await;
    overwrite(folder.path(), "pending", true);
    let log = log_with(folder.path(), KEEP).await;
    let new = log.consumer("new", Start::Next).await.unwrap();
    assert_eq!(ids(&receive(&new, 9).await), ids(&records));
}

#[tokio::test]
async fn consumers_start_anew_while_cursors_are_lost_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    overwrite(folder.path(), "cursors", true);
    let log = log_with(folder.path(), Retention::default()).await;
    for lost in ["first", "second"] {
        let consumer = log.consumer(lost, Start::Next).await.unwrap();
        let status = consumer.status().await.unwrap();
        assert_eq!(status.dead_letters, 0, "{lost}: it is delivered instead");
        assert_eq!(&*receive(&consumer, 1).await[0].id, "event 1", "{lost}");
    }
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    log.enforce_retention(&stop).await;
    let new = log.consumer("new", Start::Next).await.unwrap();
    assert!(receive(&new, 1).await.is_empty());
}

#[tokio::test]
async fn a_dead_letter_whose_body_was_lost_is_not_redriven_into_nothing() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), Retention::default()).await;
    let consumer = log.consumer("first", Start::Next).await.unwrap();
    let damage = "DELETE FROM events WHERE id = 'event 5'";
    let damaged = log.journal.write(|c| c.execute_batch(damage));
    damaged.await.unwrap();
    assert!(!consumer.redrive("event 5").await.unwrap());
    let letters = consumer.dead_letters("", 9_999).await.unwrap();
    assert!(letters.iter().any(|it| it.id == "event 5"));
    assert!(consumer.delete_dead_letter("event 5").await.unwrap());
}

#[tokio::test]
async fn one_damaged_number_does_not_hide_the_other_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), Retention::default()).await;
    let consumer = log.consumer("first", Start::Next).await.unwrap();
    let damage = "UPDATE dead_letters SET dead_at = 'then', attempts = -1, received_at = x'00' WHERE seq = 5";
    let damaged = log.journal.write(|c| c.execute_batch(damage));
    damaged.await.unwrap();
    let letters = consumer.dead_letters("", 9_999).await.unwrap();
    assert_eq!(letters.len(), 1_000);
}

#[tokio::test]
async fn an_event_with_a_damaged_number_does_not_make_the_next_ones_random() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), Retention::default()).await;
    let damage = format!("UPDATE events SET seq = {} WHERE seq = {EVENTS}", i64::MAX);
    let damaged = log.journal.write(move |c| c.execute_batch(&damage));
    damaged.await.unwrap();
    end(log).await;
    let log = log_with(folder.path(), Retention::default()).await;
    let consumer = log.consumer("second", Start::Next).await.unwrap();
    append(&log, &["next"]).await;
    assert_eq!(ids(&receive(&consumer, 9).await), ["next"]);
}

#[tokio::test]
async fn a_repair_remembers_that_there_was_a_second_consumer() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), Retention::default()).await;
    log.remove_consumer("second").await.unwrap();
    end(log).await;
    overwrite(folder.path(), "pending", false);
    let log = log_with(folder.path(), Retention::default()).await;
    log.owner_consumers(&["third"]).await.unwrap();
    let consumers = log.consumers().await.unwrap().into_iter();
    let consumers: Vec<_> = consumers.map(|it| it.target).collect();
    assert_eq!(consumers, ["first", "third"], "the third replaces nobody");
}

/// A log of many events with identities, the last of which is returned.
async fn filled_with_identities(folder: &Path) -> Message {
    let log = log_with(folder, KEEP).await;
    log.consumer("first", Start::Oldest).await.unwrap();
    let once = |n: i64| Message {
        identity: Some(uuid::Uuid::from_u128(u128::try_from(n).unwrap())),
        ..message(&format!("event {n}"))
    };
    log.append((1..=EVENTS).map(once).collect()).await;
    end(log).await;
    once(EVENTS)
}

#[tokio::test]
async fn an_event_that_was_lost_may_be_appended_again_and_no_other_is_kept_out() {
    for (table, is_root) in [("events", false), ("identities", true)] {
        let folder = tempfile::tempdir().unwrap();
        let last = filled_with_identities(folder.path()).await;
        overwrite(folder.path(), table, is_root);
        let log = log_with(folder.path(), KEEP).await;
        let sent = log.append(vec![last.clone()]).await;
        assert_eq!(*sent[0].as_ref().unwrap(), SendOutcome::Queued, "{table}");
        end(log).await;
        let log = log_with(folder.path(), KEEP).await;
        let sent = log.append(vec![last]).await;
        assert_eq!(*sent[0].as_ref().unwrap(), SendOutcome::Known, "{table}");
    }
}

#[tokio::test]
async fn identities_survive_damage_to_other_tables() {
    let folder = tempfile::tempdir().unwrap();
    let last = filled_with_identities(folder.path()).await;
    overwrite(folder.path(), "cursors", true);
    let log = log_with(folder.path(), KEEP).await;
    let sent = log.append(vec![last]).await;
    assert_eq!(*sent[0].as_ref().unwrap(), SendOutcome::Known);
}

#[tokio::test]
async fn a_stopped_consumer_gets_what_it_had_not_settled_again_and_nothing_that_passed_it_by() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), KEEP).await;
    let second = log.owner_consumers(&["second"]).await.unwrap();
    log.stop_others(&["second"]).await.unwrap();
    append(&log, &["later"]).await;
    drop(second);
    end(log).await;
    overwrite(folder.path(), "pending", true);
    // The first owner after the damage does not ask for it.
    let log = log_with(folder.path(), KEEP).await;
    let second = log.owner_consumers(&["second"]).await.unwrap();
    let left = log.stop_others(&["second"]).await.unwrap();
    let unsettled = u64::try_from(EVENTS / 3).unwrap();
    assert_eq!(
        (left[0].pending, left[0].dead_letters),
        (2 * unsettled, unsettled)
    );
    drop(second);
    end(log).await;
    let log = log_with(folder.path(), KEEP).await;
    let first = log.consumer("first", Start::Next).await.unwrap();
    append(&log, &["new"]).await;
    let found = self::unsettled(&first).await;
    assert!(found.contains("event 1") && found.contains("new"));
    assert!(!found.contains("later"), "it was stopped then");
}

#[tokio::test]
async fn events_that_were_lost_are_not_counted_as_waiting() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let log = log_with(folder.path(), KEEP).await;
    let third = log.consumer("third", Start::Oldest).await.unwrap();
    let all = third.status().await.unwrap().waiting;
    assert_eq!(all, EVENTS.unsigned_abs());
    drop(third);
    end(log).await;
    overwrite(folder.path(), "events", false);
    let log = log_with(folder.path(), KEEP).await;
    let third = log.consumer("third", Start::Oldest).await.unwrap();
    let left = rows(&log, "events").await.unsigned_abs();
    assert!(left < all, "some are lost");
    assert_eq!(third.status().await.unwrap().waiting, left);
    assert_eq!(third.depth().await.unwrap().events, left);
    let statuses = log.consumers().await.unwrap();
    assert_eq!(statuses[2].pending, left);
}
