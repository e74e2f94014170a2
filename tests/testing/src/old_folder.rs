//! The databases of a data folder as the version left them that kept a store beside its log.
//!
//! Their tables are those of that version, and must not follow the code. Tests of the take-over fill them.

use std::path::Path;

use rusqlite::Connection;

/// The tables of the log.
const LOG: &str = "
    CREATE TABLE events (seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, appended_at INTEGER NOT NULL DEFAULT 0,
        id TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE cursors (consumer INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL UNIQUE,
        settled INTEGER NOT NULL, received INTEGER NOT NULL);
    CREATE TABLE pending (row INTEGER PRIMARY KEY, consumer INTEGER NOT NULL, seq INTEGER NOT NULL, attempts INTEGER NOT NULL,
        receipt INTEGER NOT NULL, visible_at INTEGER NOT NULL, UNIQUE (consumer, seq));
    CREATE INDEX pending_in_sight ON pending (consumer, visible_at, seq);
    CREATE TABLE dead_letters (row INTEGER PRIMARY KEY, consumer INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,
        received_at INTEGER NOT NULL, dead_at INTEGER NOT NULL, attempts INTEGER NOT NULL, receipt INTEGER NOT NULL,
        reason TEXT NOT NULL, UNIQUE (consumer, seq));
    CREATE INDEX dead_letters_by_id ON dead_letters (consumer, id);
    CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL,
        is_imported INTEGER NOT NULL);
    INSERT INTO owner VALUES (1, 0, 0, 0);";

/// The tables of the store.
const STORE: &str = "
    CREATE TABLE events (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        delivered_at INTEGER NOT NULL DEFAULT (unixepoch()), event TEXT NOT NULL);
    CREATE TABLE total (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL);
    INSERT INTO total VALUES (1, 0);
    CREATE TRIGGER counted AFTER INSERT ON events BEGIN UPDATE total SET events = events + 1; END;";

/// Writes the log of a data folder, with what `fill` adds.
pub fn write_log(folder: &Path, fill: impl FnOnce(&Connection)) {
    write(&folder.join("events.db"), LOG, fill);
}

/// Writes the store of a data folder, with what `fill` adds.
pub fn write_store(folder: &Path, fill: impl FnOnce(&Connection)) {
    write(&folder.join("store.db"), STORE, fill);
}

fn write(path: &Path, tables: &str, fill: impl FnOnce(&Connection)) {
    let mut database = Connection::open(path).unwrap();
    for (setting, value) in [("auto_vacuum", "incremental"), ("journal_mode", "wal")] {
        database.pragma_update(None, setting, value).unwrap();
    }
    database.execute_batch(tables).unwrap();
    let transaction = database.transaction().unwrap();
    fill(&transaction);
    transaction.commit().unwrap();
}
