//! That the layer bites: who syncs keeps all through every cut, who does not loses, and a disk that lies takes from all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use power_cut::{Disk, SyncBehaviour, mount};
use rusqlite::Connection;

const CUTS: u64 = 30;

/// Rows that SQLite reported as committed to a plain connection, and that are gone after a cut; or a database that is
/// damaged, which counts as all of them.
fn lost(syncs: SyncBehaviour, synchronous: &str) -> i64 {
    let mut lost = 0;
    for seed in 0..CUTS {
        let mut random = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mounted = mount(Disk::new(syncs), folder.path()).unwrap();
        let connection = open(&path, synchronous).unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
            .unwrap();
        let committed = random.i64(1..60);
        for n in 0..committed {
            let text = "x".repeat(random.usize(0..3_000));
            let insert = "INSERT INTO t VALUES (?1, ?2)";
            connection.execute(insert, (n, text)).unwrap();
        }
        let (disk, _) = mounted.cut(&mut random);
        drop(connection);
        drop(mounted);

        let _mounted = mount(disk, folder.path()).unwrap();
        let there = open(&path, synchronous).and_then(|connection| {
            let count = "SELECT count(*) FROM t WHERE length(text) >= 0";
            connection.query_row(count, [], |row| row.get::<_, i64>(0))
        });
        lost += committed - there.unwrap_or(0);
    }
    lost
}

fn can_mount(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mounted = mount(Disk::new(SyncBehaviour::Kept), folder.path());
    if mounted.is_err() {
        testing::needs::skip(test, "FUSE (/dev/fuse, and root or fusermount3)");
    }
    mounted.is_ok()
}

/// In WAL mode as the journal has it, but without the map of shared memory: a cut would take it from this process.
fn open(path: &std::path::Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 20)?;
    Ok(connection)
}

#[test]
fn who_syncs_each_commit_loses_none() {
    if !can_mount("who_syncs_each_commit_loses_none") {
        return;
    }
    assert_eq!(lost(SyncBehaviour::Kept, "full"), 0);
}

#[test]
fn who_does_not_sync_loses() {
    if !can_mount("who_does_not_sync_loses") {
        return;
    }
    assert!(lost(SyncBehaviour::Kept, "off") > 0);
}

#[test]
fn a_disk_that_lies_takes_from_who_syncs() {
    if !can_mount("a_disk_that_lies_takes_from_who_syncs") {
        return;
    }
    assert!(lost(SyncBehaviour::Ignored, "full") > 0);
}
