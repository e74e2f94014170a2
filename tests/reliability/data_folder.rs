//! What is left in a data folder: an empty queue, whole databases, and the events of the store or of a file.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use testing::ledger::Ledger;

/// Opens a database of the data folder, to read it.
pub(crate) fn database(data_dir: &Path, name: &str) -> rusqlite::Connection {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(data_dir.join(name), flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
}

/// Waits until the queue is empty, for every target. There must not be a dead letter.
pub(crate) async fn drained(data_dir: &Path) {
    let queue = database(data_dir, "events.db");
    let count = |sql: &str| -> i64 { queue.query_row(sql, [], |row| row.get(0)).unwrap() };
    let unsettled = "SELECT coalesce(sum((SELECT coalesce(max(seq), 0) FROM events) - settled), 0)
                         + (SELECT count(*) FROM pending) FROM cursors";
    let (mut left, mut idle) = (i64::MAX, 0);
    loop {
        let now = count(unsettled);
        if now == 0 {
            break;
        }
        idle = if now < left { 0 } else { idle + 1 };
        left = now;
        assert!(idle < 1_200, "{now} events do not leave the queue");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count("SELECT count(*) FROM dead_letters"), 0);
}

/// Enters all events of the store into the ledger. No target but the store has a cursor.
pub(crate) fn read_store(data_dir: &Path, ledger: &mut Ledger) {
    let log = database(data_dir, "events.db");
    let mut events = log.prepare(STORED).unwrap();
    let mut rows = events.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        ledger.deliver(row.get_ref(0).unwrap().as_str().unwrap());
    }
}

/// Counts the events of the store.
pub(crate) fn count_store(data_dir: &Path) -> u32 {
    let count = format!("SELECT count(*) FROM ({STORED})");
    let log = database(data_dir, "events.db");
    log.query_row(&count, [], |row| row.get(0)).unwrap()
}

/// What is settled for the store, and was neither dropped nor merged.
const STORED: &str = "
    SELECT coalesce((SELECT text FROM stored_texts WHERE stored_texts.seq = events.seq), body) FROM events
    WHERE seq <= (SELECT settled FROM cursors) AND seq NOT IN (SELECT seq FROM unstored)
        AND seq NOT IN (SELECT seq FROM pending) AND seq NOT IN (SELECT seq FROM dead_letters)";

/// Checks that each database of the data folder is whole.
pub(crate) fn are_whole(data_dir: &Path, names: &[&str]) {
    for name in names {
        let check = database(data_dir, name)
            .query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(check.unwrap(), "ok", "{name}");
    }
}

/// Enters all lines of a file, and of those that were rotated away, into the ledger.
pub(crate) fn read_file(path: &Path, ledger: &mut Ledger) {
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let found = entry.unwrap().path();
        if found.to_str().unwrap().starts_with(path.to_str().unwrap()) {
            let bytes = std::fs::read(found).unwrap();
            assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "half a line");
            for line in bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                match serde_json::from_slice::<Value>(line) {
                    Ok(_) => ledger.deliver(std::str::from_utf8(line).unwrap()),
                    Err(_) => ledger.torn += 1,
                }
            }
        }
    }
}
