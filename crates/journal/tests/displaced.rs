//! A database whose files are removed, moved, replaced or cut while it is open: what was answered for is in the files that
//! its path names, with all that was there before.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use journal::{Claim, Journal};
use rusqlite::Connection;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS t_body ON t (body)";

/// Rows of the case in which the folder is moved away again and again.
const ROWS: i64 = 60;

fn own(path: &Path) -> (Journal, Arc<Claim>) {
    let claim = Arc::new(Claim::take(path.parent().unwrap()).unwrap());
    (Journal::own(path, SCHEMA, &claim).unwrap(), claim)
}

async fn insert(journal: &Journal, n: i64) -> Result<(), journal::Error> {
    let body = format!("{n} {}", "x".repeat(500));
    let insert = move |c: &Connection| {
        c.execute(
            "INSERT OR IGNORE INTO t VALUES (?1, ?2)",
            rusqlite::params![n, body],
        )
        .map(drop)
    };
    journal.write(insert).await
}

/// What somebody else finds at the path: a copy, since one that looks must not change what is looked at.
fn found(path: &Path) -> Vec<i64> {
    let copy = tempfile::tempdir().unwrap();
    for part in ["", "-wal"] {
        let name = format!("a.db{part}");
        fs::copy(path.with_file_name(&name), copy.path().join(&name)).unwrap();
    }
    let connection = Connection::open(copy.path().join("a.db")).unwrap();
    let mut rows = connection
        .prepare("SELECT n FROM t NOT INDEXED ORDER BY n")
        .unwrap();
    let rows = rows.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn beside(path: &Path, part: &str) -> PathBuf {
    path.with_file_name(format!("a.db{part}"))
}

#[tokio::test]
async fn however_its_files_are_taken_away_what_is_answered_for_is_at_the_path_with_all_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("above/data/a.db");
    let up = path.parent().unwrap();
    let above = up.parent().unwrap();
    let moved = folder.path().join("moved");
    let backup = folder.path().join("backup.db");
    let database = Connection::open(&backup).unwrap();
    database.execute_batch(SCHEMA).unwrap();
    database
        .execute("INSERT INTO t VALUES (1000, 'of a backup')", [])
        .unwrap();
    drop(database);
    let remove = |part: &str| fs::remove_file(beside(&path, part)).unwrap();
    let copied = folder.path().join("backup-copy.db");
    let ways: [(&str, &dyn Fn()); 17] = [
        ("rm of the folder", &|| fs::remove_dir_all(up).unwrap()),
        ("mv of the folder", &|| fs::rename(up, &moved).unwrap()),
        ("mv above it", &|| fs::rename(above, &moved).unwrap()),
        ("rm of all above", &|| fs::remove_dir_all(above).unwrap()),
        ("an empty folder in its place", &|| {
            fs::rename(up, &moved).unwrap();
            fs::create_dir(up).unwrap();
        }),
        ("a folder with another database in its place", &|| {
            fs::rename(up, &moved).unwrap();
            fs::create_dir(up).unwrap();
            fs::copy(&backup, &path).unwrap();
        }),
        ("a link to an empty folder", &|| {
            fs::rename(up, &moved).unwrap();
            fs::create_dir_all(folder.path().join("elsewhere")).unwrap();
            symlink(folder.path().join("elsewhere"), up).unwrap();
        }),
        ("rm of the database", &|| remove("")),
        ("rm of the log", &|| remove("-wal")),
        ("rm of the index", &|| remove("-shm")),
        ("rm of all three", &|| {
            ["", "-wal", "-shm"].map(remove).into_iter().collect()
        }),
        ("mv of the database", &|| fs::rename(&path, &moved).unwrap()),
        ("a backup moved over it", &|| {
            fs::rename(&copied, &path).unwrap()
        }),
        ("a hard link to a backup", &|| {
            remove("");
            fs::hard_link(&copied, &path).unwrap();
        }),
        ("a link to a backup", &|| {
            remove("");
            symlink(&copied, &path).unwrap();
        }),
        ("a folder", &|| {
            remove("");
            fs::create_dir(&path).unwrap();
        }),
        ("the log of another", &|| {
            remove("-wal");
            fs::write(beside(&path, "-wal"), "no log").unwrap();
        }),
    ];
    for (what, way) in ways {
        let _ = fs::remove_file(&moved).or_else(|_| fs::remove_dir_all(&moved));
        let _ = fs::remove_dir_all(above);
        let _ = fs::remove_dir_all(folder.path().join("elsewhere"));
        let _ = fs::remove_file(&copied);
        fs::copy(&backup, &copied).unwrap();
        let (journal, _claim) = own(&path);
        for n in 0..20 {
            insert(&journal, n).await.unwrap();
        }
        way();
        insert(&journal, 20)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found(&path), (0..=20).collect::<Vec<_>>(), "{what}");
        for part in ["", "-wal", "-shm"] {
            let mode = fs::metadata(beside(&path, part)).unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{what}: {part}");
        }
        insert(&journal, 21).await.unwrap();
        assert_eq!(found(&path).len(), 22, "{what}");
        // What stood there is no longer used, and still there.
        let names = fs::read_dir(up)
            .unwrap()
            .map(|file| file.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        let aside = names.iter().any(|name| name.starts_with("a.db.replaced-"));
        let all_gone = [
            "rm of the folder",
            "mv of the folder",
            "mv above it",
            "rm of all above",
            "an empty folder in its place",
            "a link to an empty folder",
            "rm of all three",
        ];
        assert_eq!(aside, !all_gone.contains(&what), "{what}: {names:?}");
    }
}

#[tokio::test]
async fn what_is_cut_off_a_file_is_noticed_before_anything_is_answered() {
    for (part, to) in [
        ("", 0),
        ("", 1_000),
        ("-wal", 0),
        ("-wal", 40),
        ("-wal", 20_000),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/a.db");
        let (journal, _claim) = own(&path);
        for n in 0..20 {
            insert(&journal, n).await.unwrap();
        }
        let cut = fs::File::options()
            .write(true)
            .open(beside(&path, part))
            .unwrap();
        let size = cut.metadata().unwrap().len();
        cut.set_len(to).unwrap();
        drop(cut);
        assert!(size > to, "{part} had {size}");
        insert(&journal, 20).await.unwrap();
        let rows = found(&path);
        assert!(rows.contains(&20), "{part} to {to}: {rows:?}");
        drop(journal);
    }
}

#[tokio::test]
async fn where_it_cannot_be_put_back_nothing_is_answered_for_and_nothing_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("above");
    let path = above.join("data/a.db");
    let (journal, _claim) = own(&path);
    for n in 0..20 {
        insert(&journal, n).await.unwrap();
    }
    fs::remove_dir_all(&above).unwrap();
    fs::write(&above, "a file in the way").unwrap();
    for n in 20..30 {
        let error = insert(&journal, n).await.unwrap_err().to_string();
        assert!(error.contains("data"), "{error}");
    }
    fs::remove_file(&above).unwrap();
    journal.verify().await.unwrap();
    assert_eq!(found(&path), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_owner_of_a_new_folder_at_the_path_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/a.db");
    let (first, first_claim) = own(&path);
    insert(&first, 1).await.unwrap();
    fs::rename(path.parent().unwrap(), folder.path().join("moved")).unwrap();
    let (second, second_claim) = own(&path);
    insert(&second, 2).await.unwrap();
    let error = insert(&first, 3).await.unwrap_err().to_string();
    assert!(error.contains("another lineage-proxy"), "{error}");
    drop((first, first_claim));
    tokio::time::sleep(Duration::from_millis(200)).await; // whatever it does at its end
    insert(&second, 4).await.unwrap();
    assert_eq!(found(&path), [2, 4]);
    drop((second, second_claim));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_for_while_the_folder_is_moved_away_again_and_again_is_at_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/a.db");
    let (journal, _claim) = own(&path);
    let answered = Arc::new(AtomicI64::new(0));
    let moving = {
        let data = folder.path().join("data");
        let moved = folder.path().join("moved");
        let answered = answered.clone();
        std::thread::spawn(move || {
            let mut rounds = 0;
            while answered.load(Ordering::Acquire) < ROWS {
                // Something new is at stake each time, and each time it is another moment.
                let before = answered.load(Ordering::Acquire);
                while answered.load(Ordering::Acquire) == before {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(Duration::from_micros(rounds * 337 % 5_000));
                if fs::rename(&data, &moved).is_ok() {
                    fs::remove_dir_all(&moved).unwrap();
                    rounds += 1;
                }
            }
            rounds
        })
    };
    for n in 0..ROWS {
        while insert(&journal, n).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        answered.fetch_add(1, Ordering::Release);
    }
    let rounds = moving.join().unwrap();
    // It may have been moved after the last answer.
    while journal.verify().await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(found(&path), (0..ROWS).collect::<Vec<_>>());
    assert!(rounds > 5, "{rounds} rounds");
}
