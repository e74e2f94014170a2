//! Imports the queue of an older version: `queue.db`, from which this version makes the log.
//!
//! The old file is renamed first, to a name that no version serves from. An empty database takes its place, whose version
//! tells an older proxy that a newer one has the events. All rows are copied in one transaction, which also notes that. Then
//! the renamed file is removed, and then the note. So whatever happens in between, and whichever version starts next, no
//! event is lost or imported twice. A damaged old file is repaired first, as its own version did.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use journal::{Claim, Journal, Schema};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use tracing::info;

use super::floors;
use super::marks::Marks;

/// The file of the older versions.
const FILE: &str = "queue.db";

/// What may be there when that version, or a repair of its file, was interrupted.
const LEFT: [&str; 2] = ["queue.db.repaired", "queue.db.rescued"];

/// The file while it is copied.
const IMPORTING: &str = "queue.db.importing";

/// The version of the empty database that takes the place of the old one: above all that older proxies know.
const BARRIER: i64 = 2;
const NEW_BARRIER: &str = "queue.db.new";

/// The name of the consumer that has what was imported, until a target takes its place.
pub(super) const IMPORTED: &str = "";

/// The tables of the older versions, which are never changed again.
const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS messages (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            body TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            visible_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX IF NOT EXISTS messages_in_sight ON messages (visible_at, seq);
        CREATE TABLE IF NOT EXISTS dead_letters (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            body TEXT NOT NULL,
            received_at INTEGER NOT NULL,
            dead_at INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            reason TEXT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
        CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL);
        INSERT OR IGNORE INTO owner VALUES (1, 0, 0);
    ",
    migrations: &[
        // 1: attempts were called receives.
        "ALTER TABLE messages RENAME COLUMN receives TO attempts;
         ALTER TABLE dead_letters RENAME COLUMN receives TO attempts;",
    ],
    can_shrink: false,
    page_size: journal::PAGE,
};

/// Returns why there is no log in a folder.
pub(super) fn missing(folder: &Path) -> &'static str {
    match [FILE, IMPORTING]
        .iter()
        .any(|name| folder.join(name).is_file())
    {
        true => {
            "the queue in this folder is of an older version; stop serve, and start this version of it once to upgrade"
        }
        false => "there is no queue in this folder",
    }
}

/// Imports the old queue in the folder of the log, if there is one.
pub(super) async fn import(log: &Journal, claim: &Arc<Claim>) -> Result<(), journal::Error> {
    let folder = claim.folder().to_owned();
    // What an earlier start did not finish comes first: an older version may have made another queue since.
    finish(log, &folder).await?;
    if folder.join(IMPORTING).exists() {
        copy_and_finish(log, &folder).await?;
    }
    if !holds_old_queue(&folder) {
        return Ok(());
    }
    // Repairs it, and brings it to its last version.
    let old = Journal::own(&folder.join(FILE), SCHEMA, claim)?;
    let closed = old.closed();
    drop(old);
    closed.await;
    let failed = |source| journal::Error::Database {
        path: folder.join(FILE),
        source: Arc::new(source),
    };
    take_away(&folder).map_err(failed)?;
    copy_and_finish(log, &folder).await
}

/// Whether a queue of an older version is in the folder, or a damaged file that may be one.
fn holds_old_queue(folder: &Path) -> bool {
    if LEFT.iter().any(|name| folder.join(name).exists()) {
        return true;
    }
    let version = || -> rusqlite::Result<i64> {
        let file = read_only(&folder.join(FILE))?;
        file.query_row("PRAGMA user_version", [], |row| row.get(0))
    };
    folder.join(FILE).exists() && !version().is_ok_and(|version| version == BARRIER)
}

/// Renames the closed old queue to a name that no version serves from, and puts a barrier in its place.
fn take_away(folder: &Path) -> rusqlite::Result<()> {
    let (old, new) = (folder.join(FILE), folder.join(NEW_BARRIER));
    // One file without a log, so that one rename takes all of it.
    let whole = Connection::open(&old)?;
    whole.pragma_update(None, "journal_mode", "delete")?;
    whole.close().map_err(|(_, error)| error)?;
    rename(folder, &old, &folder.join(IMPORTING))?;
    remove_file(&new).map_err(io_error)?;
    journal::create_file(&new).map_err(io_error)?;
    let barrier = Connection::open(&new)?;
    barrier.pragma_update(None, "user_version", BARRIER)?;
    barrier.close().map_err(|(_, error)| error)?;
    rename(folder, &new, &old)
}

async fn copy_and_finish(log: &Journal, folder: &Path) -> Result<(), journal::Error> {
    let path = folder.join(IMPORTING);
    let copied = log.write(move |connection| copy(&path, connection)).await?;
    info!(
        events = copied.events,
        dead_letters = copied.dead_letters,
        "imported the queue of an older version"
    );
    finish(log, folder).await
}

/// Removes the old file, if all of it was copied, and then the note of that.
async fn finish(log: &Journal, folder: &Path) -> Result<(), journal::Error> {
    let folder = folder.to_owned();
    let finish = move |connection: &Connection| {
        let sql = "SELECT is_imported IS 1 FROM owner";
        let is_imported = connection.query_row(sql, [], |row| row.get::<_, bool>(0));
        if is_imported.optional()? != Some(true) {
            return Ok(());
        }
        remove_file(&folder.join(IMPORTING)).map_err(io_error)?;
        sync(&folder)?;
        let forget = "UPDATE owner SET is_imported = 0";
        connection.execute(forget, []).map(drop)
    };
    log.write(finish).await
}

/// How much was imported.
struct ImportCounts {
    events: usize,
    dead_letters: usize,
}

/// Copies all rows in front of the events that are in the log, and notes that.
fn copy(path: &Path, log: &Connection) -> rusqlite::Result<ImportCounts> {
    let old = read_only(path)?;
    let consumers = consumers(log)?;
    let count = |table: &str| -> rusqlite::Result<i64> {
        old.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
    };
    let (events, letters) = (count("messages")?, count("dead_letters")?);
    let first = log.query_row("SELECT min(seq) FROM events", [], |row| row.get(0));
    let first: i64 = first.map(|first: Option<i64>| {
        let before = first.unwrap_or(events.saturating_add(letters).saturating_add(1));
        before.saturating_sub(events).saturating_sub(letters)
    })?;
    copy_dead_letters(&old, log, first, &consumers)?;
    copy_events(&old, log, first.saturating_add(letters), &consumers)?;
    let end = first.saturating_add(letters).saturating_add(events) - 1;
    // Only a new consumer stands before them.
    let pass = "UPDATE cursors SET settled = max(settled, ?1), received = max(received, ?1)";
    log.execute(pass, [end])?;
    Marks::recount(log)?;
    floors::update(log)?;
    log.execute("UPDATE owner SET is_imported = 1", [])?;
    Ok(ImportCounts {
        events: usize::try_from(events).unwrap_or(0),
        dead_letters: usize::try_from(letters).unwrap_or(0),
    })
}

/// Returns the consumers of the log; a new log gets one.
fn consumers(log: &Connection) -> rusqlite::Result<Vec<i64>> {
    let list = || -> rusqlite::Result<Vec<i64>> {
        log.prepare("SELECT consumer FROM cursors ORDER BY consumer")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    let found = list()?;
    if !found.is_empty() {
        return Ok(found);
    }
    let before = "SELECT coalesce(min(seq) - 1, 0) FROM events";
    let before: i64 = log.query_row(before, [], |row| row.get(0))?;
    let add = "INSERT INTO cursors (target, settled, received) VALUES (?1, ?2, ?2)";
    log.execute(add, params![IMPORTED, before])?;
    list()
}

/// Copies the events that wait: pending with their attempts, and visible at once. A row that is there already is that of an
/// event that was lost.
fn copy_events(
    old: &Connection,
    log: &Connection,
    first: i64,
    consumers: &[i64],
) -> rusqlite::Result<()> {
    let select = "SELECT id, received_at, body, attempts FROM messages ORDER BY seq";
    let mut pending = log.prepare(
        "INSERT OR REPLACE INTO pending (consumer, seq, attempts, receipt, visible_at) VALUES (?1, ?2, ?3, 0, 0)",
    )?;
    copy_each(old, log, select, first, |seq, row| {
        for consumer in consumers {
            pending.execute(params![consumer, seq, value(row, 3)?])?;
        }
        Ok(())
    })
}

/// Copies the dead letters, to every consumer: which of them is the target of the older version is not known.
fn copy_dead_letters(
    old: &Connection,
    log: &Connection,
    first: i64,
    consumers: &[i64],
) -> rusqlite::Result<()> {
    let select =
        "SELECT id, received_at, body, dead_at, attempts, reason FROM dead_letters ORDER BY seq";
    let mut letter = log.prepare(
        "INSERT OR REPLACE INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
    )?;
    copy_each(old, log, select, first, |seq, row| {
        let (id, received_at) = (value(row, 0)?, value(row, 1)?);
        let (dead_at, attempts, reason) = (value(row, 3)?, value(row, 4)?, value(row, 5)?);
        for consumer in consumers {
            let letter_of = params![consumer, seq, id, received_at, dead_at, attempts, reason];
            letter.execute(letter_of)?;
        }
        Ok(())
    })
}

/// Copies the events that `select` gives (their id, time and body come first) to numbers from `first` on, and lets `add_state`
/// add what else is known of each.
fn copy_each(
    old: &Connection,
    log: &Connection,
    select: &str,
    first: i64,
    mut add_state: impl FnMut(i64, &Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut event =
        log.prepare("INSERT INTO events (seq, id, received_at, body) VALUES (?1, ?2, ?3, ?4)")?;
    let mut select = old.prepare(select)?;
    let mut rows = select.query([])?;
    let mut seq = first;
    while let Some(row) = rows.next()? {
        event.execute(params![seq, value(row, 0)?, value(row, 1)?, value(row, 2)?])?;
        add_state(seq, row)?;
        seq += 1;
    }
    Ok(())
}

/// Returns a value as it is, also one that is not of the right type: the reader of a row decides what becomes of it.
fn value<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<ToSqlOutput<'a>> {
    row.get_ref(at).map(ToSqlOutput::Borrowed)
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

fn rename(folder: &Path, from: &Path, to: &Path) -> rusqlite::Result<()> {
    fs::rename(from, to).map_err(io_error)?;
    sync(folder)
}

fn sync(folder: &Path) -> rusqlite::Result<()> {
    let folder = fs::File::open(folder).and_then(|folder| folder.sync_all());
    folder.map_err(io_error)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_error(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
