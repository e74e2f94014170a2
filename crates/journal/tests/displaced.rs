//! A database whose files are removed, moved, replaced or truncated while it is open: nothing more is acknowledged, and
//! the next open finds at the path all that was.

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
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use journal::{Claim, Failure, Journal, Schema};
use rusqlite::Connection;

const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS t_body ON t (body)",
    migrations: &[],
    can_shrink: false,
    page_size: journal::PAGE,
};

/// Rows of the case in which the folder is moved away again and again, at least, and how often it is moved.
const ROWS: i64 = 60;
const ROUNDS: u64 = 6;

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

/// Opens the database as the next process does, and returns its rows.
async fn reopened(path: &Path) -> (Journal, Arc<Claim>, Vec<i64>) {
    let (journal, claim) = own(path);
    let rows = journal
        .read(|c| {
            c.prepare("SELECT n FROM t NOT INDEXED ORDER BY n")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .await
        .unwrap();
    (journal, claim, rows)
}

/// Closes the database, as the end of its process does. The file is closed by another thread.
async fn close(journal: Journal, claim: Arc<Claim>) {
    let closed = journal.closed();
    drop((journal, claim));
    closed.await;
}

fn beside(path: &Path, part: &str) -> PathBuf {
    path.with_file_name(format!("a.db{part}"))
}

#[tokio::test]
async fn however_its_files_are_taken_away_the_next_open_finds_every_acknowledged_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("above/data/a.db");
    let up = path.parent().unwrap();
    let above = up.parent().unwrap();
    let moved = folder.path().join("moved");
    let backup = folder.path().join("backup.db");
    let database = Connection::open(&backup).unwrap();
    database.execute_batch(SCHEMA.tables).unwrap();
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
        let (journal, claim) = own(&path);
        for n in 0..20 {
            insert(&journal, n).await.unwrap();
        }
        way();
        insert(&journal, 20).await.expect_err(what);
        let failure = journal.failed().await;
        assert!(matches!(failure, Failure::Displacement { .. }), "{failure}");
        insert(&journal, 20).await.expect_err(what);
        drop((journal, claim));
        let (journal, claim, rows) = reopened(&path).await;
        assert_eq!(rows, (0..20).collect::<Vec<_>>(), "{what}");
        for part in ["", "-wal", "-shm"] {
            let mode = fs::metadata(beside(&path, part)).unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{what}: {part}");
        }
        insert(&journal, 20).await.unwrap();
        close(journal, claim).await;
        let (journal, claim, rows) = reopened(&path).await;
        assert_eq!(rows.len(), 21, "{what}");
        close(journal, claim).await;
        // The file that had taken its place is no longer used, and still there.
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
async fn a_truncated_file_is_noticed_before_anything_is_acknowledged() {
    for (part, to) in [
        ("", 0),
        ("", 1_000),
        ("-wal", 0),
        ("-wal", 40),
        ("-wal", 20_000),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/a.db");
        let (journal, claim) = own(&path);
        for n in 0..20 {
            insert(&journal, n).await.unwrap();
        }
        let file = fs::File::options()
            .write(true)
            .open(beside(&path, part))
            .unwrap();
        let size = file.metadata().unwrap().len();
        file.set_len(to).unwrap();
        drop(file);
        assert!(size > to, "{part} had {size}");
        insert(&journal, 20).await.unwrap_err();
        journal.failed().await;
        drop((journal, claim));
        let (journal, _claim, _) = reopened(&path).await;
        insert(&journal, 20).await.unwrap();
    }
}

#[tokio::test]
async fn while_the_rows_cannot_be_saved_nothing_is_acknowledged_and_the_process_must_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let above = folder.path().join("above");
    let path = above.join("data/a.db");
    let (journal, claim) = own(&path);
    for n in 0..20 {
        insert(&journal, n).await.unwrap();
    }
    fs::remove_dir_all(&above).unwrap();
    fs::write(&above, "a file in the way").unwrap();
    for n in 20..30 {
        let error = insert(&journal, n).await.unwrap_err().to_string();
        assert!(error.contains("data"), "{error}");
    }
    let pause = Duration::from_millis(100);
    assert!(tokio::time::timeout(pause, journal.failed()).await.is_err());
    fs::remove_file(&above).unwrap();
    journal.failed().await;
    drop((journal, claim));
    assert_eq!(reopened(&path).await.2, (0..20).collect::<Vec<_>>());
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
    insert(&first, 3).await.unwrap_err();
    let pause = Duration::from_millis(100);
    assert!(tokio::time::timeout(pause, first.failed()).await.is_err());
    drop((first, first_claim));
    tokio::time::sleep(Duration::from_millis(200)).await; // whatever it does at its end
    insert(&second, 4).await.unwrap();
    drop((second, second_claim));
    assert_eq!(reopened(&path).await.2, [2, 4]);
    // The rows of the first one are in the folder that was moved.
    let moved = folder.path().join("moved/a.db");
    assert_eq!(reopened(&moved).await.2, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_row_outlasts_a_folder_that_is_taken_away_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/a.db");
    let acknowledged = Arc::new(AtomicI64::new(0));
    let is_open = Arc::new(AtomicBool::new(false));
    let (is_done, moves) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let moving = {
        let data = folder.path().join("data");
        let moved = folder.path().join("moved");
        let (acknowledged, is_open) = (acknowledged.clone(), is_open.clone());
        let (is_done, moves) = (is_done.clone(), moves.clone());
        std::thread::spawn(move || {
            while !is_done.load(Ordering::Acquire) {
                // Something new is at stake each time, and each time it is another moment.
                let before = acknowledged.load(Ordering::Acquire);
                while acknowledged.load(Ordering::Acquire) == before
                    && !is_done.load(Ordering::Acquire)
                {
                    std::thread::sleep(Duration::from_micros(200));
                }
                let rounds = moves.load(Ordering::Acquire);
                std::thread::sleep(Duration::from_micros(rounds * 337 % 5_000));
                // Only what is open, in this order: nobody can save files at rest.
                if data.join("a.db").exists() && is_open.load(Ordering::Acquire) {
                    fs::rename(&data, &moved).unwrap();
                    fs::remove_dir_all(&moved).unwrap();
                    moves.fetch_add(1, Ordering::Release);
                }
            }
        })
    };
    let mut opened = None;
    let mut rows = 0;
    // On a busy machine more rows are written before it has been moved often enough.
    while rows < ROWS || moves.load(Ordering::Acquire) < ROUNDS {
        loop {
            let (journal, _claim) = opened.get_or_insert_with(|| own(&path));
            is_open.store(true, Ordering::Release);
            if insert(journal, rows).await.is_ok() {
                break;
            }
            is_open.store(false, Ordering::Release);
            journal.failed().await;
            opened = None;
        }
        acknowledged.fetch_add(1, Ordering::Release);
        rows += 1;
    }
    is_done.store(true, Ordering::Release);
    moving.join().unwrap();
    // It may have been taken away after the last answer.
    if let Some((journal, _claim)) = &opened
        && journal.verify().await.is_err()
    {
        journal.failed().await;
    }
    drop(opened);
    assert_eq!(reopened(&path).await.2, (0..rows).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_gives_space_back_is_in_place_and_one_that_was_cut_is_not() {
    const SHRINKS: Schema = Schema {
        can_shrink: true,
        page_size: journal::PAGE,
        ..SCHEMA
    };
    for is_cut in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        let journal = Journal::own(&path, SHRINKS, &claim).unwrap();
        // As SQLite does from time to time, also that of a process beside the owner.
        let checkpoint = || {
            let all = "PRAGMA wal_checkpoint(FULL)";
            let beside = Connection::open(&path).unwrap();
            beside.query_row(all, [], |_| Ok(())).unwrap();
            fs::metadata(&path).unwrap().len()
        };
        for n in 0..1_000 {
            insert(&journal, n).await.unwrap();
        }
        let full = checkpoint();
        journal.verify().await.unwrap();
        let shrink = |c: &Connection| {
            c.execute("DELETE FROM t WHERE n > 99", [])?;
            journal::reclaim(c, 1_000)
        };
        assert_eq!(journal.write(shrink).await.unwrap(), 0);
        let shrunk = checkpoint();
        assert!(shrunk < full / 2, "{shrunk} of {full} bytes");
        if is_cut {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_len(shrunk / 2).unwrap();
        }
        assert_eq!(journal.verify().await.is_ok(), !is_cut);
        assert_eq!(insert(&journal, 5_000).await.is_ok(), !is_cut);
    }
}
