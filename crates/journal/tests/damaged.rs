//! A damaged file is set aside when it is opened, and its readable rows are in the new one. Damage that is found while it
//! is used ends its use, and is repaired by the next open.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use journal::{Claim, Failure, Journal, Schema};
use rusqlite::params;

const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL);
        CREATE INDEX IF NOT EXISTS t_at ON t (at, n);
        CREATE TABLE IF NOT EXISTS u (n INTEGER PRIMARY KEY, body TEXT NOT NULL)",
    migrations: &[],
    can_shrink: false,
    page_size: PAGE as usize,
};
const ROWS: i64 = 5_000;
/// As the log has them; SQLite's own size is that of the other tests.
const PAGE: u64 = 8_192;

fn own(path: &Path) -> Result<Journal, journal::Error> {
    own_as(path, SCHEMA)
}

fn own_as(path: &Path, schema: Schema) -> Result<Journal, journal::Error> {
    let claim = Claim::take(path.parent().unwrap()).unwrap();
    Journal::own(path, schema, &Arc::new(claim))
}

async fn filled(path: &Path) {
    filled_in_pages_of(path, SCHEMA.page_size).await;
}

async fn filled_in_pages_of(path: &Path, page_size: usize) {
    let schema = Schema {
        page_size,
        ..SCHEMA
    };
    let journal = own_as(path, schema).unwrap();
    fill(&journal, 1..=ROWS).await;
    drop(journal);
    while wal(path).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await; // the writer ends by itself
    }
}

async fn fill(journal: &Journal, rows: impl IntoIterator<Item = i64> + Send + 'static) {
    let insert = move |c: &rusqlite::Connection| {
        let mut insert = c.prepare("INSERT INTO t VALUES (?1, ?2, ?1)")?;
        (rows.into_iter()).try_for_each(|n| insert.execute(params![n, "x".repeat(1_500)]).map(drop))
    };
    journal.write(insert).await.unwrap();
}

async fn rows(journal: &Journal) -> Vec<i64> {
    let read = |c: &rusqlite::Connection| {
        c.prepare("SELECT n FROM t NOT INDEXED ORDER BY n")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    journal.read(read).await.unwrap()
}

fn wal(path: &Path) -> PathBuf {
    path.with_file_name("a.db-wal")
}

/// The files that were set aside.
fn aside(path: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path());
    names
        .filter(|name| {
            name.to_str().unwrap().contains("a.db.damaged-")
                && !name.to_str().unwrap().ends_with("-wal")
                && !name.to_str().unwrap().ends_with("-shm")
        })
        .collect()
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

/// The rows after the file was damaged like this and opened again.
async fn rows_after(damage: impl FnOnce(&Path)) -> Vec<i64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path).await;
    damage(&path);
    let before = fs::read(&path).unwrap();
    let journal = own(&path).unwrap();
    assert_eq!(
        fs::read(&aside(&path)[0]).unwrap(),
        before,
        "the damaged file is kept as it was"
    );
    fill(&journal, [ROWS + 1]).await;
    let rows = rows(&journal).await;
    assert_eq!(rows.last(), Some(&(ROWS + 1)));
    rows
}

#[tokio::test]
async fn a_file_that_is_not_a_database_makes_way() {
    let text = b"not a database, but long enough to have a header of its own. ".repeat(200);
    let rows = rows_after(|path| fs::write(path, text).unwrap()).await;
    assert_eq!(rows, [ROWS + 1]);
}

#[tokio::test]
async fn an_empty_file_makes_way() {
    assert_eq!(
        rows_after(|path| fs::write(path, "").unwrap()).await,
        [ROWS + 1]
    );
}

#[tokio::test]
async fn the_rest_of_a_truncated_file_is_recovered() {
    let rows = rows_after(|path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() * 2 / 3 / PAGE * PAGE)
            .unwrap();
    })
    .await;
    assert!(rows.len() > 3_000, "{}", rows.len());
}

#[tokio::test]
async fn all_rows_around_bad_pages_are_recovered() {
    let rows = rows_after(|path| {
        let pages = fs::metadata(path).unwrap().len() / PAGE;
        for page in [pages / 5, pages / 2, pages / 2 + 1, pages - 9] {
            overwrite(path, page * PAGE, &[0xa5; 64]);
        }
    })
    .await;
    assert!(rows.len() > ROWS as usize - 20, "{}", rows.len());
}

#[tokio::test]
async fn all_rows_are_recovered_without_the_first_page() {
    let rows = rows_after(|path| overwrite(path, 0, &[0; PAGE as usize])).await;
    assert_eq!(rows.len(), ROWS as usize + 1);
}

#[tokio::test]
async fn all_rows_of_a_file_with_smaller_pages_are_recovered_without_the_first_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled_in_pages_of(&path, journal::PAGE).await;
    overwrite(&path, 0, &[0; journal::PAGE]);
    assert_eq!(rows(&own(&path).unwrap()).await.len(), ROWS as usize);
}

#[tokio::test]
async fn an_index_that_disagrees_with_its_table_is_rebuilt() {
    let rows = rows_after(|path| {
        // The entry of row 4,321 in the index: its `at`, and its number after it.
        let bytes = fs::read(path).unwrap();
        let entry = [&4_321u16.to_be_bytes()[..], &4_321u16.to_be_bytes()].concat();
        let at = bytes.windows(4).position(|window| window == entry).unwrap();
        overwrite(path, at as u64, &9_999u16.to_be_bytes());
    })
    .await;
    assert_eq!(rows.len(), ROWS as usize + 1);
}

#[tokio::test]
async fn damage_that_is_found_in_use_ends_it_and_is_repaired_by_the_next_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path).await;
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    let journal = Journal::own(&path, SCHEMA, &claim).unwrap();
    assert_eq!(rows(&journal).await.len(), ROWS as usize);
    fill(&journal, [ROWS + 1]).await;
    overwrite(
        &path,
        fs::metadata(&path).unwrap().len() / PAGE / 2 * PAGE,
        &[0xa5; 64],
    );
    let sum = |c: &rusqlite::Connection| {
        c.query_row("SELECT sum(length(body)) FROM t NOT INDEXED", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    let error = journal.read(sum).await.unwrap_err();
    assert!(error.to_string().contains("malformed"), "{error}");
    assert!(matches!(journal.failed().await, Failure::Damaged { .. }));
    let refused = journal.write(|_| Ok(())).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    drop((journal, claim));
    let journal = own(&path).unwrap();
    let rows = rows(&journal).await;
    assert!(
        rows.len() > ROWS as usize - 10 && rows.contains(&(ROWS + 1)),
        "{}",
        rows.len()
    );
    assert_eq!(aside(&path).len(), 1);
}

#[tokio::test]
async fn transactions_behind_a_bad_frame_of_the_log_are_recovered() {
    for page_size in [SCHEMA.page_size, journal::PAGE] {
        transactions_behind_a_bad_frame_of(page_size).await;
    }
}

async fn transactions_behind_a_bad_frame_of(page_size: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled_in_pages_of(&path, page_size).await;
    let journal = own(&path).unwrap();
    for n in 1..=100 {
        fill(&journal, [ROWS + n]).await;
    }
    // As a killed process leaves it, in a folder of its own.
    let killed = folder.path().join("killed").join("a.db");
    fs::create_dir(killed.parent().unwrap()).unwrap();
    fs::copy(&path, &killed).unwrap();
    fs::copy(wal(&path), wal(&killed)).unwrap();
    let frames = (fs::metadata(wal(&killed)).unwrap().len() - 32) / (page_size as u64 + 24);
    overwrite(
        &wal(&killed),
        32 + frames / 2 * (page_size as u64 + 24) + 1_000,
        &[0xa5; 8],
    );
    let journal = own(&killed).unwrap();
    let kept = rows(&journal).await;
    assert!(kept.len() > ROWS as usize + 90, "{}", kept.len());
    assert_eq!(aside(&killed).len(), 1);
}

#[tokio::test]
async fn a_log_that_a_power_cut_left_half_written_is_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path).await;
    let journal = own(&path).unwrap();
    for n in 1..=20 {
        fill(&journal, [ROWS + n]).await;
    }
    let killed = folder.path().join("killed").join("a.db");
    fs::create_dir(killed.parent().unwrap()).unwrap();
    fs::copy(&path, &killed).unwrap();
    fs::copy(wal(&path), wal(&killed)).unwrap();
    let length = fs::metadata(wal(&killed)).unwrap().len();
    overwrite(&wal(&killed), length - 2_000, &[0xa5; 8]);
    let journal = own(&killed).unwrap();
    assert_eq!(rows(&journal).await.len(), ROWS as usize + 19);
    assert!(aside(&killed).is_empty());
}

#[tokio::test]
async fn a_log_that_a_crash_left_behind_while_its_file_was_set_aside_is_not_laid_over_the_new_one()
{
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old/a.db"), folder.path().join("a.db"));
    fs::create_dir(folder.path().join("old")).unwrap();
    let of_the_log = own(&old).unwrap();
    fill(&of_the_log, ROWS + 1..=ROWS + 500).await;
    filled(&new).await;
    // The database was renamed, its log was not, and the new file is not yet in its place.
    fs::rename(&new, folder.path().join("a.db.repaired")).unwrap();
    fs::copy(wal(&old), wal(&new)).unwrap();
    let journal = own(&new).unwrap();
    assert!(rows(&journal).await == (1..=ROWS).collect::<Vec<_>>());
    let is_kept = |file: &fs::DirEntry| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.contains(".damaged-") && name.ends_with("-wal")
    };
    let files = fs::read_dir(folder.path()).unwrap();
    assert_eq!(
        files.filter(|file| is_kept(file.as_ref().unwrap())).count(),
        1
    );
}

#[tokio::test]
async fn a_repair_or_rescue_that_was_interrupted_is_finished_by_the_next_open() {
    let folder = tempfile::tempdir().unwrap();
    let healthy = folder.path().join("a.db");
    filled(&healthy).await;
    // A file that is filled has no log.
    let filled = rusqlite::Connection::open(&healthy).unwrap();
    filled
        .pragma_update(None, "journal_mode", "delete")
        .unwrap();
    drop(filled);
    // What lies beside the path, what is at the path, and how the latter is set aside.
    type Case<'a> = (&'a str, Option<&'a str>, Option<&'a str>);
    let cases: [Case<'_>; 5] = [
        (
            "a.db.repaired",
            Some("a damaged file"),
            Some("a.db.damaged-"),
        ),
        ("a.db.repaired", None, None),
        ("a.db.rescued", Some("another file"), Some("a.db.replaced-")),
        ("a.db.rescued", None, None),
        ("a.db", None, None),
    ];
    for (complete, at_path, aside) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        fs::copy(&healthy, folder.path().join(complete)).unwrap();
        if let Some(text) = at_path {
            fs::write(&path, text).unwrap();
        }
        fs::write(folder.path().join("a.db.partial"), "half of a file").unwrap();
        let journal = own(&path).unwrap();
        assert_eq!(rows(&journal).await.len(), ROWS as usize, "{complete}");
        let names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let is_left = |name: &String| name.ends_with("partial") || name.ends_with("ed");
        assert!(!names.iter().any(is_left), "{names:?}");
        let kept = names.iter().find(|name| name.contains("ed-"));
        let kept = kept.map(|name| name.get(..name.find("ed-").unwrap() + 3).unwrap());
        assert_eq!(kept, aside, "{names:?}");
    }
}

#[tokio::test]
async fn a_repair_tells_which_table_is_incomplete_until_that_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    filled(&path).await;
    overwrite(&path, 300 * PAGE, &[0; PAGE as usize]);
    drop(own(&path).unwrap());
    // The process ended before it could do anything about it.
    let journal = own(&path).unwrap();
    let incomplete = |c: &rusqlite::Connection| journal::incomplete_tables(c);
    assert_eq!(journal.write(incomplete).await.unwrap(), ["t"]);
    let forget = |c: &rusqlite::Connection| journal::forget_incomplete(c, "t");
    journal.write(forget).await.unwrap();
    let none: [&str; 0] = [];
    assert_eq!(journal.write(incomplete).await.unwrap(), none);
}

#[tokio::test]
async fn a_row_that_every_new_database_has_is_the_old_one_after_a_repair() {
    const WITH_OWNER: Schema = Schema {
        tables: "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT NOT NULL, at INTEGER NOT NULL);
                 CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY, note TEXT NOT NULL);
                 INSERT OR IGNORE INTO owner VALUES (1, 'new')",
        ..SCHEMA
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let own = || {
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        Journal::own(&path, WITH_OWNER, &claim).unwrap()
    };
    let journal = own();
    fill(&journal, 1..=ROWS).await;
    let note = |c: &rusqlite::Connection| c.execute("UPDATE owner SET note = 'kept'", []);
    journal.write(note).await.unwrap();
    let closed = journal.closed();
    drop(journal);
    closed.await;
    overwrite(&path, 300 * PAGE, &[0; PAGE as usize]);
    let note = |c: &rusqlite::Connection| {
        c.query_row("SELECT note FROM owner", [], |row| row.get::<_, String>(0))
    };
    assert_eq!(own().write(note).await.unwrap(), "kept");
}
