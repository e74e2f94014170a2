//! The events of the old store that are in the log, too: no second copy of them is added.
//!
//! The log still has what another target has not settled, and what was settled shortly before the upgrade. The range of the
//! store begins behind them, since nothing said then what the older version had delivered to its store. Now the old store
//! says it: the range is moved in front of them, with all of them *unstored* at first, and each one that is found in the old
//! store becomes a part of it, in the form in which it was delivered.

use std::hash::{DefaultHasher, Hash, Hasher};

use journal::Journal;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::read::{RECEIVED_AT, text};
use super::super::store::{Ranges, end_of_old};
use crate::StoredForm;

/// The consumer of the range in front of the store's, if no target is the store any more: none has this number.
const FORMER_STORE: i64 = -1;

/// Most events that are known, of 16 bytes each: 64 MB. Of more, the oldest get a second copy.
const MOST: usize = 4_000_000;

/// How many are read at once.
const STEP: i64 = 16_384;

/// Where in the log an id may be.
#[derive(Debug, Default)]
pub(super) struct IdIndex {
    /// The hashes of the ids, each with the event's number; sorted.
    hashes: Vec<(u64, i64)>,
    /// When the first of the events that were not taken over was accepted.
    oldest: Option<i64>,
}

/// What the log has of an event.
pub(super) enum Presence {
    /// Nothing.
    Absent,
    /// It is there, and the store receives it again.
    InHand,
    /// It is there, settled as far as the store is concerned.
    Settled { seq: i64, body: String },
}

impl IdIndex {
    /// Reads the ids of the log, in steps beside the traffic.
    pub(super) async fn read(log: &Journal) -> Result<IdIndex, journal::Error> {
        let (mut known, mut from) = (IdIndex::default(), i64::MAX);
        let end = log.read(end_of_old).await?;
        loop {
            let rows = log.read(move |connection| ids(connection, from)).await?;
            let Some((last, ..)) = rows.last().copied() else {
                break;
            };
            from = last;
            for (seq, hash, received_at) in rows {
                known.hashes.push((hash, seq));
                if seq > end {
                    known.oldest = Some(known.oldest.unwrap_or(received_at).min(received_at));
                }
            }
            if known.hashes.len() >= MOST {
                break;
            }
        }
        known.hashes.sort_unstable();
        Ok(known)
    }

    /// Whether the log may have an event that was delivered at this time: none was delivered before it was accepted.
    pub(super) fn may_have(&self, delivered_at: i64, disorder: i64) -> bool {
        let oldest = self.oldest;
        oldest.is_some_and(|oldest| delivered_at >= oldest.saturating_sub(disorder))
    }

    /// Finds an event in the log. It may have been deleted since.
    pub(super) fn find(&self, log: &Connection, id: &str) -> rusqlite::Result<Presence> {
        let hash = hash(id);
        let first = self.hashes.partition_point(|(it, _)| *it < hash);
        let same = self.hashes.iter().skip(first);
        for (_, seq) in same.take_while(|(it, _)| *it == hash) {
            let mut select = log.prepare_cached("SELECT id, body FROM events WHERE seq = ?1")?;
            let row = select.query_row([seq], |row| Ok((text(row, 0)?, text(row, 1)?)));
            match row.optional()? {
                Some((found, body)) if found == id => return place(log, *seq, body),
                Some(_) | None => {}
            }
        }
        Ok(Presence::Absent)
    }
}

/// Moves the range of the store in front of the events that the older version had delivered, and makes these unstored.
pub(super) fn extend_range(log: &Connection) -> rusqlite::Result<()> {
    let store = store(log)?;
    let others = "SELECT max((SELECT coalesce(min(seq), 1) FROM events),
                             (SELECT coalesce(max(last) + 1, ?2) FROM stored_ranges WHERE consumer IS NOT ?1))";
    let low: i64 = log.query_row(others, params![store, i64::MIN], |row| row.get(0))?;
    let first = "SELECT coalesce(min(first), 1 + (SELECT coalesce(max(seq), 0) FROM events))
                 FROM stored_ranges WHERE last IS NULL";
    let first: i64 = log.query_row(first, [], |row| row.get(0))?;
    if low >= first {
        return Ok(());
    }
    // What the store has settled in the meantime has a range already.
    let add = "INSERT OR IGNORE INTO unstored SELECT seq FROM events WHERE seq >= ?1 AND seq < ?2
                   AND NOT EXISTS (SELECT 1 FROM stored_ranges WHERE seq BETWEEN first AND coalesce(last, seq))";
    log.execute(add, [low, first])?;
    let inner = "DELETE FROM stored_ranges WHERE consumer IS ?1 AND last < ?3 AND first >= ?2";
    log.execute(inner, params![store, low, first])?;
    let extend = "UPDATE stored_ranges SET first = ?1 WHERE last IS NULL";
    if log.execute(extend, [low])? == 0 {
        let former = "INSERT INTO stored_ranges (consumer, first, last) VALUES (?1, ?2, ?3)";
        log.execute(former, [FORMER_STORE, low, first - 1])?;
    }
    Ok(())
}

/// Notes that the old store had an event of the log.
pub(super) fn settle(
    log: &Connection,
    seq: i64,
    body: &str,
    stored: String,
) -> rusqlite::Result<()> {
    let form = match stored == body {
        true => StoredForm::Accepted,
        false => StoredForm::Changed(stored.into()),
    };
    let mut ranges = Ranges::read(log, range_owner(log, seq)?)?;
    ranges.settle(log, seq, Some(&form))
}

/// Returns the consumer whose range has an event, or is to have it.
fn range_owner(log: &Connection, seq: i64) -> rusqlite::Result<i64> {
    let owner =
        "SELECT consumer FROM stored_ranges WHERE ?1 BETWEEN first AND coalesce(last, ?1) LIMIT 1";
    let owner = log
        .prepare_cached(owner)?
        .query_row([seq], |row| row.get(0));
    Ok(owner.optional()?.unwrap_or(FORMER_STORE))
}

/// Returns the consumer that is the store now.
fn store(log: &Connection) -> rusqlite::Result<Option<i64>> {
    let store = "SELECT consumer FROM stored_ranges WHERE last IS NULL LIMIT 1";
    let mut store = log.prepare_cached(store)?;
    store.query_row([], |row| row.get(0)).optional()
}

fn place(log: &Connection, seq: i64, body: String) -> rusqlite::Result<Presence> {
    let settled = Presence::Settled { seq, body };
    let Some(store) = store(log)? else {
        return Ok(settled);
    };
    // Whoever redrives a dead letter has it delivered again; until then, a copy shows what was delivered.
    let sql = "SELECT ?2 > settled OR EXISTS (SELECT 1 FROM pending WHERE pending.consumer = ?1 AND pending.seq = ?2),
                   EXISTS (SELECT 1 FROM dead_letters WHERE dead_letters.consumer = ?1 AND dead_letters.seq = ?2)
               FROM cursors WHERE consumer = ?1";
    let mut select = log.prepare_cached(sql)?;
    let state = select.query_row([store, seq], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(match state.optional()? {
        Some((true, _)) => Presence::InHand,
        Some((false, true)) => Presence::Absent,
        Some((false, false)) | None => settled,
    })
}

/// Reads the numbers of events before `from`, newest first, with the hashes of their ids, and when they were accepted.
fn ids(connection: &Connection, from: i64) -> rusqlite::Result<Vec<(i64, u64, i64)>> {
    let sql = format!(
        "SELECT seq, id, {RECEIVED_AT} FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map([from, STEP], |row| {
        Ok((row.get(0)?, hash(&text(row, 1)?), row.get(2)?))
    })?;
    rows.collect()
}

/// The hash is never written: another version of it would find nothing.
fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
