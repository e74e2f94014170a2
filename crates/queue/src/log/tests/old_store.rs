//! The store of an older version.

use testing::old_folder;
use tokio_util::sync::CancellationToken;

use super::*;

/// Of the log of that version: of 300 events that were delivered the last has no answer, and one waits.
const OLD_LOG: &str = "
    INSERT INTO events (seq, received_at, id, body) VALUES (299, 1, '299', 'old 299'), (300, 1, '300', 'old 300'), (301, 1, '301', 'old 301');
    INSERT INTO cursors (target, settled, received) VALUES ('store', 299, 300);";

/// Of the store of that version: 300 events of today.
const OLD_STORE: &str = "
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
    INSERT INTO events (id, event) SELECT n, 'old ' || n FROM n;";

/// Writes a data folder as that version left it.
fn write_old(folder: &Path) {
    old_folder::write_log(folder, |log| log.execute_batch(OLD_LOG).unwrap());
    old_folder::write_store(folder, |store| store.execute_batch(OLD_STORE).unwrap());
}

async fn open(folder: &Path, retention: Retention) -> (Log, Consumer) {
    let log = log_with(folder, retention).await;
    let mut consumers = log.owner_consumers(&["store"]).await.unwrap();
    log.set_store(Some("store")).await.unwrap();
    (log, consumers.pop().unwrap())
}

/// Returns what the store has, oldest first.
async fn stored(log: &Log) -> Vec<String> {
    let search = Search {
        form: Form::Stored,
        order: Order::Asc,
        accepted: AcceptedBetween::EVER,
        condition: None,
    };
    let (mut found, mut position) = (Vec::new(), None);
    loop {
        let step = log.search(search.clone(), position).await.unwrap();
        found.extend(step.found);
        match step.next {
            Some(next) => position = Some(next),
            None => break,
        }
    }
    let texts = log.texts(Form::Stored, found).await.unwrap();
    let count = log.count(Form::Stored).await.unwrap();
    assert_eq!(usize::try_from(count).unwrap(), texts.len());
    texts
}

fn old(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|n| format!("old {n}")).collect()
}

async fn store_all(consumer: &Consumer) {
    let records = receive(consumer, 99).await;
    let form = Settlement::Store(crate::StoredForm::Accepted);
    let records: Vec<_> = records.iter().map(|it| (it, form.clone())).collect();
    assert!(consumer.settle(&records).await.iter().all(Result::is_ok));
}

/// Takes over as much as a process that is killed after its first step.
async fn take_over_one_step(log: &Log) {
    let old = crate::log::old_store::open(log.claim.clone().unwrap());
    let old = old.await.unwrap();
    let (closed, stop) = (old.closed(), CancellationToken::new());
    stop.cancel();
    let progress = log.take_over_from(old, &stop).await.unwrap();
    assert!(progress.is_none(), "not all of it");
    closed.await;
    assert_eq!(rows(log, "old_store").await, 1);
}

#[tokio::test]
async fn each_event_is_taken_over_once_although_the_process_is_killed_in_between() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    for start in 0..3 {
        let (log, consumer) = open(folder.path(), Retention::default()).await;
        if start < 2 {
            take_over_one_step(&log).await;
        } else {
            log.take_over_store(&CancellationToken::new()).await;
        }
        assert_eq!(folder.path().join("store.db").exists(), start < 2);
        if start == 1 {
            store_all(&consumer).await;
            append(&log, &["new"]).await;
        }
        drop(consumer);
        end(log).await;
    }
    let (log, consumer) = open(folder.path(), Retention::default()).await;
    store_all(&consumer).await;
    let mut expected = old(1..=301);
    expected.push("body of new".to_owned());
    assert_eq!(stored(&log).await, expected);
    assert!(
        receive(&consumer, 9).await.is_empty(),
        "nobody receives what is taken over"
    );
    assert_eq!(rows(&log, "old_store").await, 0);
}

#[tokio::test]
async fn a_kill_between_the_last_step_and_the_end_leaves_nothing_to_do_again() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let copy = std::fs::read(folder.path().join("store.db")).unwrap();
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    let note = |c: &Connection| c.execute("INSERT INTO old_store VALUES (1, ?1)", [i64::MIN]);
    log.journal.write(note).await.unwrap();
    std::fs::write(folder.path().join("store.db"), copy).unwrap();
    log.take_over_store(&CancellationToken::new()).await;
    assert_eq!(stored(&log).await, old(1..=299));
    assert!(!folder.path().join("store.db").exists());
}

#[tokio::test]
async fn what_the_retention_does_not_keep_is_not_taken_over() {
    let day = Duration::from_secs(86_400);
    // One is in the log still.
    for (age, bytes, kept) in [(day, 1 << 30, 200), (NOW, 1 << 30, 1), (day, 0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        write_old(folder.path());
        let store = Connection::open(folder.path().join("store.db")).unwrap();
        let aged = "UPDATE events SET delivered_at = delivered_at - 90000 WHERE seq <= 99";
        store.execute_batch(aged).unwrap();
        drop(store);
        let (log, _consumer) = open(folder.path(), Retention { age, bytes }).await;
        log.take_over_store(&CancellationToken::new()).await;
        assert_eq!(stored(&log).await, old(300 - kept..=299));
        assert!(!folder.path().join("store.db").exists());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_kept_beside_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let text = "not a database, but as long as one. ".repeat(1_000);
    std::fs::write(folder.path().join("store.db"), text).unwrap();
    let (log, consumer) = open(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    append(&log, &["a"]).await;
    store_all(&consumer).await;
    assert_eq!(stored(&log).await, ["body of a"]);
    let files = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = files
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    let is_kept = |name: &String| name.starts_with("store.db.");
    assert!(
        !names.contains(&"store.db".to_owned()) && names.iter().any(is_kept),
        "{names:?}"
    );
}

/// Lets a second target have nothing yet, and the store have one event in another form than it was accepted.
fn add_target_that_is_down(folder: &Path) {
    let log = Connection::open(folder.join("events.db")).unwrap();
    log.execute_batch("INSERT INTO cursors (target, settled, received) VALUES ('other', 0, 0)")
        .unwrap();
    let store = Connection::open(folder.join("store.db")).unwrap();
    store
        .execute_batch("UPDATE events SET event = 'rewritten' WHERE id = '299'")
        .unwrap();
}

async fn open_both(folder: &Path, retention: Retention) -> (Log, Consumer) {
    let log = log_with(folder, retention).await;
    let mut consumers = log.owner_consumers(&["store", "other"]).await.unwrap();
    log.set_store(Some("store")).await.unwrap();
    (log, consumers.remove(0))
}

#[tokio::test]
async fn what_another_target_still_needs_is_shown_as_it_was_delivered_and_is_in_the_log_once() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    add_target_that_is_down(folder.path());
    let (log, consumer) = open_both(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    let mut expected = old(1..=298);
    expected.push("rewritten".to_owned());
    assert_eq!(stored(&log).await, expected);
    store_all(&consumer).await;
    expected.extend(old(300..=301));
    assert_eq!(stored(&log).await, expected);
    assert_eq!(log.count(Form::Accepted).await.unwrap(), 301);
    let distinct = |c: &Connection| {
        let sql = "SELECT count(*), count(DISTINCT id) FROM events";
        c.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    assert_eq!(log.journal.read(distinct).await.unwrap(), (301, 301));
}

#[tokio::test]
async fn an_event_that_the_old_store_did_not_get_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    add_target_that_is_down(folder.path());
    let store = Connection::open(folder.path().join("store.db")).unwrap();
    store
        .execute_batch("DELETE FROM events WHERE id IN ('299', '300')")
        .unwrap();
    drop(store);
    let (log, _consumer) = open_both(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    assert_eq!(stored(&log).await, old(1..=298));
}

#[tokio::test]
async fn without_a_store_what_the_old_one_had_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    add_target_that_is_down(folder.path());
    let log = log_with(folder.path(), Retention::default()).await;
    let _consumers = log.owner_consumers(&["other"]).await.unwrap();
    log.set_store(None).await.unwrap();
    log.take_over_store(&CancellationToken::new()).await;
    let mut expected = old(1..=298);
    expected.extend(["rewritten".to_owned(), "old 300".to_owned()]);
    assert_eq!(stored(&log).await, expected);
    assert_eq!(log.count(Form::Accepted).await.unwrap(), 301);
}

#[tokio::test]
async fn a_file_that_the_log_has_no_room_for_is_kept_and_can_be_taken_over_later() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let full = Retention {
        bytes: 1, // the events that wait take more
        ..Retention::default()
    };
    let (log, consumer) = open(folder.path(), full).await;
    log.take_over_store(&CancellationToken::new()).await;
    assert_eq!(stored(&log).await, old(299..=299));
    drop(consumer);
    end(log).await;
    let (file, rest) = ("store.db", "store.db.not-taken-over");
    assert!(!folder.path().join(file).exists());
    std::fs::rename(folder.path().join(rest), folder.path().join(file)).unwrap();
    for _ in 0..2 {
        let copy = std::fs::read(folder.path().join(file)).unwrap();
        let (log, consumer) = open(folder.path(), Retention::default()).await;
        log.take_over_store(&CancellationToken::new()).await;
        assert_eq!(stored(&log).await, old(1..=299));
        drop(consumer);
        end(log).await;
        assert!(!folder.path().join(file).exists());
        std::fs::write(folder.path().join(file), copy).unwrap();
    }
}

#[tokio::test]
async fn a_file_that_the_older_version_saved_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let file = folder.path().join("store.db");
    std::fs::rename(file, folder.path().join("store.db.rescued")).unwrap();
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    assert_eq!(stored(&log).await, old(1..=299));
}

#[tokio::test]
async fn a_note_without_a_file_does_not_concern_another_file() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let (file, away) = (folder.path().join("store.db"), folder.path().join("away"));
    std::fs::rename(&file, &away).unwrap();
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    let note = |c: &Connection| c.execute("INSERT INTO old_store VALUES (1, ?1)", [i64::MIN]);
    log.journal.write(note).await.unwrap();
    log.take_over_store(&CancellationToken::new()).await;
    std::fs::rename(&away, &file).unwrap();
    log.take_over_store(&CancellationToken::new()).await;
    assert_eq!(stored(&log).await, old(1..=299));
}

#[tokio::test]
async fn a_damaged_id_in_the_log_does_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let log = Connection::open(folder.path().join("events.db")).unwrap();
    log.execute_batch("UPDATE events SET id = x'ff' WHERE seq = 300")
        .unwrap();
    drop(log);
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    assert!(!folder.path().join("store.db").exists());
}

#[tokio::test]
async fn a_stop_does_not_wait_until_the_file_is_open() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    let store = Connection::open(folder.path().join("store.db")).unwrap();
    // Whoever opens the file waits for seconds.
    store
        .pragma_update(None, "locking_mode", "exclusive")
        .unwrap();
    store.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let stop = CancellationToken::new();
    let began = Instant::now();
    tokio::join!(log.take_over_store(&stop), async { stop.cancel() });
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn what_was_taken_over_is_counted_behind_gaps_too() {
    let folder = tempfile::tempdir().unwrap();
    write_old(folder.path());
    let log = Connection::open(folder.path().join("events.db")).unwrap();
    log.execute_batch("DELETE FROM events WHERE seq = 300")
        .unwrap();
    drop(log);
    let (log, _consumer) = open(folder.path(), Retention::default()).await;
    log.take_over_store(&CancellationToken::new()).await;
    // `stored` compares the count. What the older version had deleted from its log is taken over.
    let mut expected = old(1..=298);
    expected.extend(["old 300".to_owned(), "old 299".to_owned()]);
    assert_eq!(stored(&log).await, expected);
    let delete = |c: &Connection| c.execute("DELETE FROM events WHERE seq < 100", []);
    log.journal.write(delete).await.unwrap();
    assert_eq!(stored(&log).await, expected.split_off(100));
}
