//! Takes over the store of an older version: `store.db`, which had a copy of every event that the store got.
//!
//! Its events get numbers in front of all others, so they are older than those in the log, and no consumer receives them. The
//! newest come first, in small steps beside the traffic, as far as the retention keeps them; each step notes how far it came
//! in its own transaction. Then the file is removed, and after that the note. So whatever happens in between, each event is
//! taken over once. A damaged file is repaired first, as its own version did; what cannot be read is kept beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::{Journal, Schema};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::marks::Marks;
use super::retention::Pages;
use super::store::Ranges;
use super::{Log, Retention};
use crate::StoredForm;
use crate::free_space::{FreeSpace, RESERVE};
use crate::now;

/// The file of the older versions, with the log and the index of SQLite.
const FILE: &str = "store.db";
const FILES: [&str; 3] = ["store.db-wal", "store.db-shm", FILE];

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

/// Most events, and most bytes beyond the first event, of one step.
const STEP: i64 = 64;
const STEP_BYTES: usize = 1 << 20;

/// The consumer of the range of these events: none has this number.
const NOBODY: i64 = 0;

/// How many events may have been in hand when the older version ended: it had delivered some of them, and the log still has
/// them to be delivered.
const IN_HAND: i64 = 5_000;

/// How far it came: the number of the last row of the old file that was taken over.
const DONE: i64 = i64::MIN;

/// A row of the old file.
struct OldEvent {
    seq: i64,
    id: String,
    delivered_at: i64,
    event: Value,
    size: usize,
}

impl Log {
    /// Takes over the store of an older version in the folder, if there is one, until `stop`.
    pub(super) async fn take_over_store(&self, stop: &CancellationToken) {
        let file = self.folder.join(FILE);
        if !file.exists() {
            return;
        }
        match self.take_over(&file, stop).await {
            Ok(Some(events)) => info!(events, "took over the store of an older version"),
            Ok(None) => {}
            Err(error) => error!(
                file = %file.display(),
                %error,
                "cannot take over the store of an older version; the file stays, and the next start tries again"
            ),
        }
    }

    /// Returns how many events were taken over since this start, or `None` if that has not ended.
    async fn take_over(
        &self,
        file: &Path,
        stop: &CancellationToken,
    ) -> Result<Option<u64>, journal::Error> {
        let Some(claim) = &self._claim else {
            return Ok(None);
        };
        let old = Journal::own(file, SCHEMA, claim)?;
        let known = self.journal.read(known_ids).await?;
        let retention = self.options.retention;
        let mut taken = 0;
        while self.position().await? != DONE {
            if FreeSpace::of(&self.folder).is_below(RESERVE.saturating_mul(4)) {
                warn!(
                    "too little disk space to take over the store of an older version; the next start goes on"
                );
                return Ok(None);
            }
            let began = tokio::time::Instant::now();
            taken += self.step(&old, &known, retention).await?;
            tokio::select! {
                () = tokio::time::sleep(began.elapsed().max(Duration::from_millis(1))) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
        let closed = old.closed();
        drop(old);
        closed.await;
        let folder = self.folder.clone();
        let finish = move |connection: &Connection| {
            for name in FILES {
                remove(folder.join(name))?;
            }
            let synced = std::fs::File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(io_error)?;
            connection.execute("DELETE FROM old_store", []).map(drop)
        };
        self.journal.write(finish).await?;
        Ok(Some(taken))
    }

    async fn position(&self) -> Result<i64, journal::Error> {
        let position = |connection: &Connection| {
            let sql = "SELECT position FROM old_store";
            let position = connection.query_row(sql, [], |row| row.get(0));
            Ok(position.optional()?.unwrap_or(i64::MAX))
        };
        self.journal.read(position).await
    }

    /// Takes over the next events. Returns how many.
    async fn step(
        &self,
        old: &Journal,
        known: &HashSet<String>,
        retention: Retention,
    ) -> Result<u64, journal::Error> {
        let position = self.position().await?;
        let events = old.read(move |old| read(old, position)).await?;
        let last = events.last().map_or(DONE, |event| event.seq);
        let new: Vec<OldEvent> = (events.into_iter())
            .filter(|event| !known.contains(&event.id))
            .collect();
        let add = move |connection: &Connection| {
            let (taken, is_full) = add(connection, &new, retention)?;
            let position = if is_full { DONE } else { last };
            let note = "INSERT OR REPLACE INTO old_store (one, position) VALUES (1, ?1)";
            connection.execute(note, [position])?;
            Ok(taken)
        };
        self.journal.write(add).await
    }
}

/// Returns the ids of events that are in the log and may be in the old store, too: those that had no answer when the older
/// version ended.
fn known_ids(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let sql = "SELECT * FROM (
                   SELECT id FROM events JOIN stored_ranges
                       ON consumer <> ?2 AND seq BETWEEN first AND coalesce(last, seq) ORDER BY seq LIMIT ?1)
               UNION SELECT * FROM (SELECT id FROM pending JOIN events USING (seq) LIMIT ?1)";
    let mut select = connection.prepare(sql)?;
    let ids = select.query_map([IN_HAND, NOBODY], |row| row.get(0))?;
    ids.collect()
}

/// Reads rows of the old file before `position`, newest first.
fn read(old: &Connection, position: i64) -> rusqlite::Result<Vec<OldEvent>> {
    let sql =
        "SELECT seq, id, delivered_at, event FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    let mut select = old.prepare_cached(sql)?;
    let mut rows = select.query([position, STEP])?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()?
        && bytes <= STEP_BYTES
    {
        let seq = row.get(0)?;
        let event: Value = row.get(3)?;
        let size = match &event {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        };
        bytes += size;
        events.push(OldEvent {
            seq,
            // Another writer may have written anything.
            id: row
                .get_ref(1)?
                .as_str()
                .map_or_else(|_| String::new(), str::to_owned),
            delivered_at: row.get_ref(2)?.as_i64().unwrap_or(0),
            event,
            size,
        });
    }
    Ok(events)
}

/// Adds events in front of all others, each as the store had it. Returns how many, and whether the retention keeps no more.
fn add(
    log: &Connection,
    events: &[OldEvent],
    retention: Retention,
) -> rusqlite::Result<(u64, bool)> {
    let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
    let oldest = now().saturating_sub(age);
    let mut room = retention
        .bytes
        .saturating_sub(Pages::read(log)?.used_bytes());
    let first = "SELECT min(seq) FROM events";
    let first: Option<i64> = log.query_row(first, [], |row| row.get(0))?;
    let (mut next, mut taken) = (first.map_or(0, |first| first - 1), 0);
    let (mut ranges, mut marks) = (Ranges::read(log, NOBODY)?, Marks::read(log)?);
    let mut insert = log.prepare_cached(
        "INSERT INTO events (seq, received_at, appended_at, id, body) VALUES (?1, ?2, 0, ?3, ?4)",
    )?;
    for event in events {
        let received_at = event.delivered_at.saturating_mul(1_000);
        let size = u64::try_from(event.size).unwrap_or(u64::MAX);
        let is_kept = received_at > oldest && room > size && retention.keeps_any();
        if !is_kept {
            marks.write(log)?;
            return Ok((taken, true));
        }
        insert.execute(params![next, received_at, event.id, event.event])?;
        ranges.settle(log, next, Some(&StoredForm::Accepted))?;
        marks.add_first(next);
        room -= size;
        next -= 1;
        taken += 1;
    }
    marks.write(log)?;
    Ok((taken, false))
}

fn remove(path: PathBuf) -> rusqlite::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn io_error(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
