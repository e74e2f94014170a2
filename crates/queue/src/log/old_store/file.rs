//! The file of the old store: how it is found, opened, and put away.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{Claim, Journal, Schema};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::warn;

use crate::now;

/// The file of the older versions, with the log and the index of SQLite.
const FILE: &str = "store.db";
const LOGS: [&str; 2] = ["store.db-wal", "store.db-shm"];

/// What may be there when that version, or a repair of its file, was interrupted.
const LEFT: [&str; 2] = ["store.db.repaired", "store.db.rescued"];

/// The name that the file gets if there was no room for all of its events.
const REST: &str = "store.db.not-taken-over";

/// Its tables, which are never changed again.
const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS events (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            delivered_at INTEGER NOT NULL DEFAULT (unixepoch()),
            event TEXT NOT NULL
        );
        CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL);
        INSERT OR IGNORE INTO total SELECT 1, count(*) FROM events;
        CREATE TRIGGER IF NOT EXISTS counted AFTER INSERT ON events BEGIN UPDATE total SET events = events + 1; END;
    ",
    migrations: &[],
    can_shrink: false,
    page_size: journal::PAGE,
};

/// Whether a store of an older version is in the folder.
pub(super) fn is_in(folder: &Path) -> bool {
    let mut names = [FILE].into_iter().chain(LEFT);
    names.any(|name| folder.join(name).exists())
}

/// Opens the old file on a thread of its own, which may end after the process wants to: checking all of a large file takes
/// minutes.
pub(in crate::log) async fn open(claim: Arc<Claim>) -> Result<Journal, journal::Error> {
    let file = claim.folder().join(FILE);
    let (answer, opened) = oneshot::channel();
    let path = file.clone();
    let thread = std::thread::Builder::new().name("open store.db".to_owned());
    let started = thread.spawn(move || {
        let opened = Journal::own(&path, SCHEMA, &claim);
        drop(claim); // first: whoever has the answer may release the folder
        let _ = answer.send(opened); // nobody waits if it is to stop
    });
    started.map_err(|error| journal::Error::Database {
        path: file.clone(),
        source: Arc::new(io_error(error)),
    })?;
    opened.await.map_err(|_| journal::Error::Panicked(file))?
}

/// Removes the file, which is closed; renames it if there was no room for all of its events.
pub(super) fn put_away(folder: &Path, is_short: bool) -> rusqlite::Result<()> {
    let file = folder.join(FILE);
    if is_short && file.exists() {
        let rest = free_name(folder);
        // One file without a log, so that one rename takes all of it.
        let whole = Connection::open(&file)?;
        whole.pragma_update(None, "journal_mode", "delete")?;
        whole.close().map_err(|(_, error)| error)?;
        fs::rename(&file, &rest).map_err(io_error)?;
        warn!(
            file = %rest.display(),
            "the retention had no room for all events of the store of an older version; the file has them and may be deleted"
        );
    }
    for name in LOGS.iter().chain(&[FILE]) {
        remove(folder.join(name))?;
    }
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io_error)
}

/// Returns a name that no file has.
fn free_name(folder: &Path) -> PathBuf {
    let name = folder.join(REST);
    match name.exists() {
        true => folder.join(format!("{REST}-{}", now())),
        false => name,
    }
}

fn remove(path: PathBuf) -> rusqlite::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_error(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
