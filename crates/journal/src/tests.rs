//! One writer and its groups.

use rusqlite::StatementStatus;

use super::*;

const SCHEMA: Schema = Schema {
    tables: "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)",
    migrations: &[],
    can_shrink: false,
    page_size: crate::PAGE,
};

/// The journal of a process that owns the folder until the file is open.
fn own(folder: &Path, schema: Schema) -> Journal {
    let claim = Arc::new(Claim::take(folder).unwrap());
    Journal::own(&folder.join("a.db"), schema, &claim).unwrap()
}

fn insert(n: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send {
    move |connection| connection.execute("INSERT INTO t VALUES (?1)", [n])
}

async fn count(journal: &Journal) -> i64 {
    journal
        .read(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_failed_write_does_not_disturb_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let journal = own(folder.path(), SCHEMA);

    let mut good = 0;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let journal = journal.clone();
        tasks.spawn(async move { journal.write(insert(n / 2)).await });
    }

    while let Some(done) = tasks.join_next().await {
        good += usize::from(done.unwrap().is_ok());
    }
    assert_eq!((good, count(&journal).await), (100, 100));
}

#[tokio::test]
async fn a_statement_of_a_connection_that_writes_is_planned_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = own(folder.path(), SCHEMA);
    let planned_again = |connection: &Connection| {
        let mut select = connection.prepare("SELECT n FROM t ORDER BY n LIMIT ?1")?;
        for limit in [1, 20, 300] {
            select.query([limit])?.next()?;
        }
        Ok(select.get_status(StatementStatus::RePrepare))
    };
    journal.write(insert(1)).await.unwrap();
    assert_eq!(journal.write(planned_again).await.unwrap(), 0);
    let beside = Journal::open(&folder.path().join("a.db"), SCHEMA).unwrap();
    assert_eq!(beside.write(planned_again).await.unwrap(), 0);
}

#[tokio::test]
async fn a_write_that_panics_leaves_no_trace_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let journal = own(folder.path(), SCHEMA);
    for n in 0..3 {
        let panics = move |connection: &Connection| {
            let mut rows = connection.prepare_cached("INSERT INTO t VALUES (?1), (?1 + 1)")?;
            rows.execute([n * 100])?;
            Ok([0u8; 0][std::hint::black_box(1)])
        };
        let (panicked, good) =
            tokio::join!(journal.write(panics), journal.write(insert(n * 100 + 1)));
        assert!(matches!(panicked, Err(Error::Panicked(_))), "{panicked:?}");
        good.unwrap();
    }
    assert_eq!(count(&journal).await, 3);
}

#[tokio::test]
async fn a_committed_write_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    own(folder.path(), SCHEMA).write(insert(7)).await.unwrap();
    assert_eq!(count(&Journal::open(&path, SCHEMA).unwrap()).await, 1);
}

#[tokio::test]
async fn only_the_owner_creates_or_migrates_tables() {
    const NEXT: Schema = Schema {
        tables: "CREATE TABLE IF NOT EXISTS t (number INTEGER PRIMARY KEY)",
        migrations: &["ALTER TABLE t RENAME COLUMN n TO number"],
        can_shrink: false,
        page_size: crate::PAGE,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    assert!(Journal::open(&path, SCHEMA).is_err());
    assert!(!path.exists());

    // A command of the next version, beside an owner of this one.
    let owner = own(folder.path(), SCHEMA);
    let error = Journal::open(&path, NEXT).unwrap_err().to_string();
    assert!(error.contains("older lineage-proxy"), "{error}");
    owner.write(insert(1)).await.unwrap();
    drop(owner);

    // The next version has served once, and a command of this one comes beside it.
    let _owner = own(folder.path(), NEXT);
    Journal::open(&path, NEXT).unwrap();
    let error = Journal::open(&path, SCHEMA).unwrap_err().to_string();
    assert!(error.contains("newer lineage-proxy"), "{error}");
}

#[tokio::test]
async fn the_error_for_a_file_that_is_not_a_database_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::write(
        &path,
        "not a database, but long enough to have a header of its own",
    )
    .unwrap();
    let error = Journal::open(&path, SCHEMA).unwrap_err();
    assert!(error.to_string().contains("a.db"), "{error}");
}

#[tokio::test]
async fn a_full_disk_fails_the_group_and_writing_works_again_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema {
        tables: "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body BLOB)",
        migrations: &[],
        can_shrink: false,
        page_size: crate::PAGE,
    };
    let journal = own(folder.path(), schema);
    let pages = |most: i64| {
        move |c: &Connection| {
            c.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| {
                row.get::<_, i64>(0)
            })
        }
    };
    journal.write(pages(40)).await.unwrap();
    let write = |n: i64| {
        let journal = journal.clone();
        let insert = "INSERT INTO t VALUES (?1, zeroblob(40000))";
        async move { journal.write(move |c| c.execute(insert, [n])).await }
    };
    let (mut full, mut done) = (Vec::new(), 0);
    let mut tasks: tokio::task::JoinSet<_> = (0..20).map(write).collect();
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            Ok(_) => done += 1,
            Err(error) => full.push(error.to_string()),
        }
    }
    assert!(
        !full.is_empty() && full.iter().all(|it| it.contains("full")),
        "{full:?}"
    );
    assert_eq!(count(&journal).await, done);
    journal.write(pages(4_000)).await.unwrap();
    write(99).await.unwrap();
    assert_eq!(count(&journal).await, done + 1);
}

#[test]
fn only_a_locked_file_or_a_full_disk_may_pass() {
    let error = |source| database(Path::new("a.db"), source);
    let sqlite = |code| {
        error(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(code),
            None,
        ))
    };
    let file = |kind: io::ErrorKind| error(io_error(kind.into()));
    use rusqlite::ffi::{
        SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_READONLY,
    };
    assert!(sqlite(SQLITE_BUSY).may_pass() && sqlite(SQLITE_FULL).may_pass());
    assert!(file(io::ErrorKind::StorageFull).may_pass());
    for code in [SQLITE_CANTOPEN, SQLITE_CORRUPT, SQLITE_READONLY] {
        assert!(!sqlite(code).may_pass(), "{code}");
    }
    assert!(!file(io::ErrorKind::PermissionDenied).may_pass());
}

#[tokio::test]
async fn a_command_leaves_a_file_alone_that_its_owner_is_creating() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::write(&path, "").unwrap();
    Journal::open(&path, SCHEMA).unwrap_err();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[tokio::test]
async fn a_command_writes_to_the_log_alone_however_much_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let owner = own(folder.path(), SCHEMA);
    owner.write(insert(0)).await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    let beside = Journal::open(&path, SCHEMA).unwrap();
    for round in 0..2 {
        let many = move |c: &Connection| {
            (1..200_000).try_for_each(|n| {
                let mut insert = c.prepare_cached("INSERT INTO t VALUES (?1)")?;
                insert.execute([round * 200_000 + n]).map(drop)
            })
        };
        beside.write(many).await.unwrap();
    }
    let closed = beside.closed();
    drop(beside);
    closed.await;
    assert_eq!(size(), before);
    owner.verify().await.unwrap();
}

/// Makes a folder one in which SQLite can create no index, whoever runs the test: permissions do not hold for root.
fn without_index(folder: &Path) {
    std::os::unix::fs::symlink("nowhere/at-all", folder.join("a.db-shm")).unwrap();
}

#[tokio::test]
async fn what_was_closed_is_read_where_nothing_can_be_created() {
    let folder = tempfile::tempdir().unwrap();
    let journal = own(folder.path(), SCHEMA);
    journal.write(insert(1)).await.unwrap();
    let closed = journal.closed();
    drop(journal);
    closed.await;
    let path = folder.path().join("a.db");
    without_index(folder.path());
    assert!(Journal::open(&path, SCHEMA).is_err());
    let journal = Journal::open_to_read(&path, SCHEMA).unwrap();
    assert_eq!(count(&journal).await, 1);
    assert!(journal.write(insert(2)).await.is_err());
    assert!(!journal.has_failed());
    std::fs::write(folder.path().join("a.db-wal"), "somebody writes").unwrap();
    assert!(journal.has_failed());
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let journal = own(folder.path(), SCHEMA);
    journal.write(insert(1)).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    for name in ["a.db", "a.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    without_index(copy.path());
    let opened = Journal::open_to_read(&copy.path().join("a.db"), SCHEMA);
    assert!(opened.is_err(), "the write is in the log");
}

#[test]
fn the_uri_of_a_file_is_its_path() {
    let uri = connections::immutable(Path::new("/a b/%?#.db"));
    assert_eq!(uri, Path::new("file:/a b/%25%3f%23.db?immutable=1"));
}
