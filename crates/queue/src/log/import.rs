//! Imports the queue of an older version: `queue.db`, from which this version makes the log.
//!
//! All rows are copied in one transaction, which also notes what was copied. Then the old file is removed, and then the
//! note. So whatever happens in between, the next start neither loses an event nor imports it twice. A damaged old file is
//! repaired first, as its own version did.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{Claim, Journal, Schema};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, Row, params};
use tracing::info;

/// The file of the older versions.
const FILE: &str = "queue.db";

/// What may be there when that version, or a repair of its file, was interrupted.
const LEFT: [&str; 3] = ["queue.db", "queue.db.repaired", "queue.db.rescued"];

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
};

/// Returns why there is no log in a folder.
pub(super) fn missing(folder: &Path) -> &'static str {
    match folder.join(FILE).is_file() {
        true => {
            "the queue in this folder is of an older version; stop serve, and start this version of it once to upgrade"
        }
        false => "there is no queue in this folder",
    }
}

/// Imports the old queue in the folder of the log, if there is one.
pub(super) async fn import(log: &Journal, claim: &Arc<Claim>) -> Result<(), journal::Error> {
    let folder = claim.folder().to_owned();
    if LEFT.iter().any(|name| folder.join(name).exists()) {
        // Repairs it, and brings it to its last version.
        let old = Journal::own(&folder.join(FILE), SCHEMA, claim)?;
        let closed = old.closed();
        drop(old);
        closed.await;
        let path = folder.join(FILE);
        let copied = log.write(move |connection| copy(&path, connection)).await?;
        if let Some(copied) = copied {
            info!(
                events = copied.events,
                dead_letters = copied.dead_letters,
                "imported the queue of an older version"
            );
        }
    }
    let finish = move |connection: &Connection| {
        if noted(connection)?.is_empty() {
            return Ok(());
        }
        remove(&folder)?;
        let forget = "UPDATE owner SET imported = ''";
        connection.execute(forget, []).map(drop)
    };
    log.write(finish).await
}

/// Returns what was copied, if the old file may still be there.
fn noted(log: &Connection) -> rusqlite::Result<String> {
    log.query_row("SELECT imported FROM owner", [], |row| row.get(0))
}

/// How much was imported.
struct Copied {
    events: usize,
    dead_letters: usize,
}

/// Copies all rows in front of the events that are in the log. Returns `None` if they are there already.
fn copy(path: &Path, log: &Connection) -> rusqlite::Result<Option<Copied>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let old = Connection::open_with_flags(path, flags)?;
    // Ids are unique: another file has others.
    let fingerprint = "SELECT (SELECT count(*) || ' ' || hex(coalesce(max(id), '')) FROM messages) || ' '
                           || (SELECT count(*) || ' ' || hex(coalesce(max(id), '')) FROM dead_letters)";
    let fingerprint: String = old.query_row(fingerprint, [], |row| row.get(0))?;
    if noted(log)? == fingerprint {
        return Ok(None);
    }
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
    copy_dead_letters(&old, log, first, consumers.first().copied())?;
    copy_events(&old, log, first.saturating_add(letters), &consumers)?;
    let end = first.saturating_add(letters).saturating_add(events) - 1;
    // Only a new consumer stands before them.
    let pass = "UPDATE cursors SET settled = max(settled, ?1), received = max(received, ?1)";
    log.execute(pass, [end])?;
    log.execute("UPDATE owner SET imported = ?1", [fingerprint])?;
    Ok(Some(Copied {
        events: usize::try_from(events).unwrap_or(0),
        dead_letters: usize::try_from(letters).unwrap_or(0),
    }))
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

/// Copies the events that wait: pending with their attempts, and visible at once.
fn copy_events(
    old: &Connection,
    log: &Connection,
    first: i64,
    consumers: &[i64],
) -> rusqlite::Result<()> {
    let mut event =
        log.prepare("INSERT INTO events (seq, id, body, received_at) VALUES (?1, ?2, ?3, ?4)")?;
    let mut pending = log.prepare(
        "INSERT INTO pending (consumer, seq, attempts, visible_at) VALUES (?1, ?2, ?3, 0)",
    )?;
    let mut select =
        old.prepare("SELECT id, body, received_at, attempts FROM messages ORDER BY seq")?;
    let mut rows = select.query([])?;
    let mut seq = first;
    while let Some(row) = rows.next()? {
        event.execute(params![seq, value(row, 0)?, value(row, 1)?, value(row, 2)?])?;
        for consumer in consumers {
            pending.execute(params![consumer, seq, value(row, 3)?])?;
        }
        seq += 1;
    }
    Ok(())
}

/// Copies the dead letters, to the first consumer.
fn copy_dead_letters(
    old: &Connection,
    log: &Connection,
    first: i64,
    consumer: Option<i64>,
) -> rusqlite::Result<()> {
    let mut event =
        log.prepare("INSERT INTO events (seq, id, body, received_at) VALUES (?1, ?2, ?3, ?4)")?;
    let mut letter = log.prepare(
        "INSERT INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut select = old.prepare(
        "SELECT id, body, received_at, dead_at, attempts, reason FROM dead_letters ORDER BY seq",
    )?;
    let mut rows = select.query([])?;
    let mut seq = first;
    while let Some(row) = rows.next()? {
        let (id, received_at) = (value(row, 0)?, value(row, 2)?);
        event.execute(params![seq, id, value(row, 1)?, received_at])?;
        let (dead_at, attempts, reason) = (value(row, 3)?, value(row, 4)?, value(row, 5)?);
        letter.execute(params![
            consumer,
            seq,
            id,
            received_at,
            dead_at,
            attempts,
            reason
        ])?;
        seq += 1;
    }
    Ok(())
}

/// Returns a value as it is, also one that is not of the right type: the reader of a row decides what becomes of it.
fn value<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<ToSqlOutput<'a>> {
    row.get_ref(at).map(ToSqlOutput::Borrowed)
}

/// Removes the old file and what SQLite keeps beside it. The database goes first: without it, nobody looks at the rest.
fn remove(folder: &Path) -> rusqlite::Result<()> {
    let failed = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let parts = ["", "-wal", "-shm"].map(|part| folder.join(format!("{FILE}{part}")));
    for path in parts {
        remove_file(path).map_err(failed)?;
    }
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn remove_file(path: PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
