//! Logs that are made from the queue of an older version.

use super::*;

/// A queue as the versions before the log left it: version 0 called attempts receives.
fn old_queue(folder: &Path, version: u8) {
    let attempts = if version == 0 { "receives" } else { "attempts" };
    let old = Connection::open(folder.join("queue.db")).unwrap();
    let tables = format!("
        PRAGMA journal_mode = wal;
        CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL, received_at INTEGER NOT NULL,
            visible_at INTEGER NOT NULL, {attempts} INTEGER NOT NULL DEFAULT 0);
        CREATE INDEX messages_in_sight ON messages (visible_at, seq);
        CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL,
            received_at INTEGER NOT NULL, dead_at INTEGER NOT NULL, {attempts} INTEGER NOT NULL, reason TEXT NOT NULL);
        CREATE INDEX dead_letters_by_id ON dead_letters (id);
        CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL);
        INSERT INTO owner VALUES (1, 0, 0);
        INSERT INTO messages (id, body, received_at, visible_at, {attempts})
            VALUES ('a', 'body of a', 1, 9000000000000, 4), ('b', 'body of b', 2, 0, 0);
        INSERT INTO dead_letters (id, body, received_at, dead_at, {attempts}, reason) VALUES ('c', 'body of c', 3, 4, 7, 'invalid');
        PRAGMA user_version = {version};");
    old.execute_batch(&tables).unwrap();
}

async fn assert_imported(log: &Log) {
    let consumer = log.consumer("target", Start::Next).await.unwrap();
    let records = receive(&consumer, 9).await;
    assert_eq!(attempts(&records), [("a", 5), ("b", 1)]);
    assert_eq!(&*records[0].body, "body of a");
    let letters = consumer.dead_letters("", 9).await.unwrap();
    let found: Vec<_> = letters
        .iter()
        .map(|it| (it.id.as_str(), it.attempts, it.dead_at))
        .collect();
    assert_eq!(found, [("c", 7, 4)]);
    let body = consumer.dead_letter_body("c").await.unwrap();
    assert_eq!(body.as_deref(), Some("body of c"));
}

#[tokio::test]
async fn the_queue_of_an_older_version_is_imported_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    old_queue(folder.path(), 1);
    let beside = Log::open(folder.path()).await.unwrap_err();
    assert!(beside.0.contains("older version"), "{beside}");
    let log = log(folder.path()).await;
    assert_imported(&log).await;
    assert_eq!(files(folder.path()), ["queue.db"], "the barrier");
}

/// The files of older versions.
fn files(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("queue.db")).collect()
}

#[tokio::test]
async fn an_older_version_does_not_serve_from_a_folder_whose_queue_was_imported() {
    const OLD: journal::Schema = journal::Schema {
        tables: "CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY)",
        migrations: &["SELECT 1"],
        can_shrink: false,
        page_size: journal::PAGE,
    };
    let folder = tempfile::tempdir().unwrap();
    old_queue(folder.path(), 1);
    end(log(folder.path()).await).await;
    let old = Journal::own(&folder.path().join("queue.db"), OLD, &claim(folder.path()));
    let error = old.unwrap_err().to_string();
    assert!(
        error.contains("written by a newer lineage-proxy"),
        "{error}"
    );
    assert_imported(&log(folder.path()).await).await;
}

#[tokio::test]
async fn a_queue_that_an_older_version_made_during_an_import_is_imported_after_it() {
    let folder = tempfile::tempdir().unwrap();
    old_queue(folder.path(), 1);
    // The import ended before there was a barrier.
    let old = folder.path().join("queue.db");
    Connection::open(&old)
        .unwrap()
        .pragma_update(None, "journal_mode", "delete")
        .unwrap();
    std::fs::rename(&old, folder.path().join("queue.db.importing")).unwrap();
    old_queue(folder.path(), 0);
    let log = log(folder.path()).await;
    assert_eq!(rows(&log, "events").await, 6);
    assert_eq!(files(folder.path()), ["queue.db"], "the barrier");
}

#[tokio::test]
async fn rows_of_events_that_were_lost_do_not_stop_an_import() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["v", "w", "x", "y"]).await;
    let records = receive(&consumer, 4).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    let settlements = [(&records[0], dead), (&records[1], Settlement::Retry(NOW))];
    consumer.settle(&settlements).await;
    let damage = "DELETE FROM events WHERE id IN ('v', 'w', 'x')";
    log.journal
        .write(|c| c.execute_batch(damage))
        .await
        .unwrap();
    drop(consumer);
    end(log).await;
    old_queue(folder.path(), 1);
    let log = self::log(folder.path()).await;
    assert_eq!(rows(&log, "events").await, 4);
}

#[tokio::test]
async fn an_import_that_was_interrupted_before_the_old_file_was_removed_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    old_queue(folder.path(), 1);
    let log = log(folder.path()).await;
    // As it was between the two: the note is there, and the file.
    let note = "UPDATE owner SET is_imported = 1";
    log.journal.write(|c| c.execute_batch(note)).await.unwrap();
    end(log).await;
    std::fs::write(folder.path().join("queue.db.importing"), "copied").unwrap();
    let log = self::log(folder.path()).await;
    assert_eq!(files(folder.path()), ["queue.db"]);
    assert_imported(&log).await;
    assert_eq!(rows(&log, "events").await, 3);
}

#[tokio::test]
async fn a_queue_that_an_older_version_wrote_meanwhile_is_imported_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["x", "y"]).await;
    acknowledge(&consumer, &receive(&consumer, 1).await).await;
    drop(consumer);
    end(log).await;
    old_queue(folder.path(), 1);
    let log = self::log(folder.path()).await;
    let consumer = log.consumer("target", Start::Next).await.unwrap();
    let mut records = receive(&consumer, 9).await;
    records.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(attempts(&records), [("a", 5), ("b", 1), ("y", 1)]);
    assert_eq!(consumer.dead_letters("", 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_queue_of_any_older_version_is_imported_also_when_it_is_damaged() {
    use std::os::unix::fs::FileExt;
    for (version, is_damaged) in [(0, false), (0, true), (1, true)] {
        let folder = tempfile::tempdir().unwrap();
        old_queue(folder.path(), version);
        if is_damaged {
            let path = folder.path().join("queue.db");
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.write_all_at(&[0; 4_096], 0).unwrap();
        }
        assert_imported(&log(folder.path()).await).await;
    }
}

#[tokio::test]
async fn every_target_of_the_first_start_gets_all_that_was_imported() {
    let folder = tempfile::tempdir().unwrap();
    old_queue(folder.path(), 1);
    let log = log(folder.path()).await;
    let consumers = log.owner_consumers(&["lake", "catalog"]).await.unwrap();
    for consumer in consumers {
        let records = receive(&consumer, 9).await;
        assert_eq!(attempts(&records), [("a", 5), ("b", 1)]);
        acknowledge(&consumer, &records).await;
        let letters = consumer.dead_letters("", 9).await.unwrap();
        assert_eq!((letters.len(), &*letters[0].id), (1, "c"));
    }
    let statuses = log.consumers().await.unwrap().into_iter();
    let statuses: Vec<_> = statuses.map(|it| (it.target, it.pending)).collect();
    let expected = [("lake".to_owned(), 0), ("catalog".to_owned(), 0)];
    assert_eq!(statuses, expected);
    // None of them is served again as the one that was imported.
    let later = log.consumer("later", Start::Next).await.unwrap();
    assert!(receive(&later, 9).await.is_empty());
}
