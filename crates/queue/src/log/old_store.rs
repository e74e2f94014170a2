//! Takes over the store of an older version: `store.db`, which had a copy of every event that the store got.
//!
//! Its events get numbers in front of all others, so they are older than those in the log, and no consumer receives them. One
//! that the log has already gets no second copy: see `old_store/known.rs`. The newest come first, in small steps beside the
//! traffic, as far as the retention keeps them; each step notes how far it came in its own transaction. Then the file is
//! removed, and after that the note. If there was no room for all, it gets another name instead. So whatever happens in
//! between, each event is taken over once. A damaged or saved file is repaired first, as its own version did; what cannot be
//! read is kept beside it.

mod file;
mod known;

use std::sync::Arc;
use std::time::Duration;

use journal::Journal;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::marks::Marks;
use super::read::{DISORDER, text};
use super::retention::Pages;
use super::store::{OLD_STORE, Ranges};
use super::{Log, Retention};
use crate::StoredForm;
use crate::free_space::{FreeSpace, RESERVE};
use crate::now;

pub(super) use file::open;
use known::{IdIndex, Presence};

/// Most events, and most bytes beyond the first event, of one step.
const STEP: i64 = 64;
const STEP_BYTES: usize = 1 << 20;

/// How much space has to be free, and how often to look again if it is not.
const FREE: u64 = 4 * RESERVE;
const PAUSE: Duration = Duration::from_secs(30);

/// How far it came, as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Note {
    /// The number of the last row of the old file that was looked at; `None` if that was the last of all.
    position: Option<i64>,
    /// Whether there was no room for some.
    is_short: bool,
}

/// A row of the old file.
struct OldEvent {
    seq: i64,
    id: String,
    delivered_at: i64,
    event: Value,
    size: usize,
}

/// What was done since this start.
#[derive(Debug, Default)]
pub(super) struct Progress {
    taken: u64,
    not_kept: u64,
}

impl Log {
    /// Takes over the store of an older version in the folder, if there is one, until `stop`.
    pub(super) async fn take_over_store(&self, stop: &CancellationToken) {
        match self.take_over(stop).await {
            Ok(Some(Progress { taken, not_kept })) => info!(
                events = taken,
                not_kept, "took over the store of an older version"
            ),
            Ok(None) => {}
            Err(error) => error!(
                folder = %self.folder.display(),
                %error,
                "cannot take over the store of an older version; the file stays, and the next start tries again"
            ),
        }
    }

    /// Returns what was done since this start, or `None` if that has not ended, or there was nothing to do.
    async fn take_over(
        &self,
        stop: &CancellationToken,
    ) -> Result<Option<Progress>, journal::Error> {
        let Some(claim) = &self.claim else {
            return Ok(None);
        };
        if !file::is_in(&self.folder) {
            return self.forget_note().await.map(|()| None);
        }
        let opened = open(claim.clone());
        let old = tokio::select! {
            opened = opened => opened?,
            () = stop.cancelled() => return Ok(None),
        };
        self.take_over_from(old, stop).await
    }

    /// Takes over what is in the old file, which is open, in steps until `stop`: at least one.
    pub(super) async fn take_over_from(
        &self,
        old: Journal,
        stop: &CancellationToken,
    ) -> Result<Option<Progress>, journal::Error> {
        let known = Arc::new(IdIndex::read(&self.journal).await?);
        let mut progress = Progress::default();
        let mut note = self.journal.write(start).await?;
        let mut has_paused = false;
        while let Some(position) = note.position {
            if FreeSpace::of(&self.folder).is_below(FREE) {
                if !has_paused {
                    warn!(
                        "too little disk space to take over the store of an older version; waits for more"
                    );
                }
                has_paused = true;
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => continue,
                    () = stop.cancelled() => return Ok(None),
                }
            }
            let began = tokio::time::Instant::now();
            let before = Note {
                position: Some(position),
                ..note
            };
            note = self.step(&old, &known, before, &mut progress).await?;
            tokio::select! {
                () = tokio::time::sleep(began.elapsed().max(Duration::from_millis(1))) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
        let closed = old.closed();
        drop(old);
        closed.await;
        self.put_away(note.is_short).await?;
        Ok(Some(progress))
    }

    /// Takes over the next events. Returns how far it is then.
    async fn step(
        &self,
        old: &Journal,
        known: &Arc<IdIndex>,
        note: Note,
        progress: &mut Progress,
    ) -> Result<Note, journal::Error> {
        let position = note.position.unwrap_or(i64::MIN);
        let events = old.read(move |old| read(old, position)).await?;
        let last = events.last().map(|event| event.seq);
        let (known, retention) = (known.clone(), self.options.retention);
        let add = move |connection: &Connection| {
            let added = add(connection, &known, events, retention, note.is_short)?;
            let note = Note {
                position: last.filter(|_| added.end.is_none()),
                is_short: added.is_short,
            };
            note.write(connection)?;
            Ok((added, note))
        };
        let (added, note) = self.journal.write(add).await?;
        progress.taken += added.taken;
        progress.not_kept += added.not_kept;
        if let Some(end) = added.end {
            // `+` makes SQLite count in the index of the ids, which is smaller.
            let sql = "SELECT count(*) FROM events WHERE +seq <= ?1";
            let rest =
                move |old: &Connection| old.query_row(sql, [end], |row| row.get::<_, i64>(0));
            progress.not_kept += old.read(rest).await?.unsigned_abs();
        }
        Ok(note)
    }

    /// Removes the old file, which was looked at to the end, and then the note; if there was no room for all, renames it.
    async fn put_away(&self, is_short: bool) -> Result<(), journal::Error> {
        let folder = self.folder.clone();
        let put_away = move |connection: &Connection| {
            file::put_away(&folder, is_short)?;
            forget_note(connection)
        };
        self.journal.write(put_away).await
    }

    /// Forgets a note of a file that is not there any more: the process was killed after it had put that away.
    async fn forget_note(&self) -> Result<(), journal::Error> {
        if self.journal.read(Note::read).await?.is_some() {
            self.journal.write(forget_note).await?;
        }
        Ok(())
    }
}

impl Note {
    /// The numbers of rows are positive: it is negative if there was no room for some.
    fn read(connection: &Connection) -> rusqlite::Result<Option<Note>> {
        let sql = "SELECT position FROM old_store";
        let noted = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(noted.optional()?.map(|noted| match noted {
            Note::DONE => Note {
                position: None,
                is_short: false,
            },
            Note::DONE_SHORT => Note {
                position: None,
                is_short: true,
            },
            noted => Note {
                position: Some(noted.saturating_abs()),
                is_short: noted < 0,
            },
        }))
    }

    fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let noted = match (self.position, self.is_short) {
            (None, false) => Note::DONE,
            (None, true) => Note::DONE_SHORT,
            (Some(position), false) => position,
            (Some(position), true) => position.saturating_neg(),
        };
        let note = "INSERT OR REPLACE INTO old_store (one, position) VALUES (1, ?1)";
        connection.execute(note, [noted]).map(drop)
    }

    const DONE: i64 = i64::MIN;
    const DONE_SHORT: i64 = i64::MIN + 1;
}

/// Returns how far an earlier start came. At first, makes room in the range of the store.
fn start(connection: &Connection) -> rusqlite::Result<Note> {
    if let Some(note) = Note::read(connection)? {
        return Ok(note);
    }
    known::extend_range(connection)?;
    let note = Note {
        position: Some(i64::MAX),
        is_short: false,
    };
    note.write(connection)?;
    Ok(note)
}

fn forget_note(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM old_store", []).map(drop)
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
            id: text(row, 1)?,
            delivered_at: row.get_ref(2)?.as_i64().unwrap_or(0),
            event,
            size,
        });
    }
    Ok(events)
}

/// What a step did.
#[derive(Debug, Default)]
struct StepCounts {
    taken: u64,
    not_kept: u64,
    /// Whether there was no room for some that are young enough.
    is_short: bool,
    /// The number of the row from which on no older one is of use either, if there is one.
    end: Option<i64>,
}

/// Adds events in front of all others, each as the store had it, unless the log has it already.
fn add(
    log: &Connection,
    known: &IdIndex,
    events: Vec<OldEvent>,
    retention: Retention,
    is_short: bool,
) -> rusqlite::Result<StepCounts> {
    let age = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
    let oldest = now().saturating_sub(age);
    let mut room = retention
        .bytes
        .saturating_sub(Pages::read(log)?.used_bytes());
    let first = "SELECT min(seq) FROM events";
    let first: Option<i64> = log.query_row(first, [], |row| row.get(0))?;
    let mut next = first.map_or(0, |first| first - 1);
    let (mut ranges, mut marks) = (Ranges::read(log, OLD_STORE)?, Marks::read(log)?);
    let mut insert = log.prepare_cached(
        "INSERT INTO events (seq, received_at, appended_at, id, body) VALUES (?1, ?2, 0, ?3, ?4)",
    )?;
    let mut added = StepCounts {
        is_short,
        ..StepCounts::default()
    };
    for event in events {
        match known.find(log, &event.id)? {
            Presence::InHand => continue,
            Presence::Settled { seq, body } => {
                known::settle(log, seq, &body, shown(event.event))?;
                added.taken += 1;
                continue;
            }
            Presence::Absent => {}
        }
        let received_at = event.delivered_at.saturating_mul(1_000);
        let size = u64::try_from(event.size).unwrap_or(u64::MAX);
        let is_young = received_at > oldest && retention.keeps_any();
        let is_kept = is_young && room > size && !added.is_short;
        added.is_short |= is_young && !is_kept;
        if !is_kept && !known.may_have(received_at, DISORDER) {
            added.end = Some(event.seq);
            break;
        }
        if !is_kept {
            added.not_kept += 1;
            continue;
        }
        insert.execute(params![next, received_at, event.id, event.event])?;
        ranges.settle(log, next, Some(&StoredForm::Accepted))?;
        marks.add_first(next);
        room -= size;
        next -= 1;
        added.taken += 1;
    }
    marks.write(log)?;
    Ok(added)
}

/// Returns an event as a text; a damaged row may hold anything.
fn shown(event: Value) -> String {
    match event {
        Value::Text(text) => text,
        Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Null | Value::Integer(_) | Value::Real(_) => String::new(),
    }
}
