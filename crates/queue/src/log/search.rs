//! Finds events of the log, to be shown: those that were accepted, or those that the store has, in either order.
//!
//! A search takes steps. Each looks at a limited number of events on a connection that only reads, so it delays no writer.
//! Without a condition it reads no text. Texts are read afterwards, a few at a time ([`Log::texts`]): together they may be
//! larger than memory. The log goes on meanwhile: an event that is deleted in between is left out.
//!
//! Numbers and times of acceptance grow together, but for a clock that is wrong for some events. So times decide where a
//! search begins and ends, and never by a single event. What was taken over from an older version is a part of its own: it has
//! lower numbers, and times up to that of the upgrade.

mod by_id;
mod part;

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::marks::Marks;
use super::read::{AcceptedBetween, DISORDER, RECEIVED_AT, text};
use super::store::{OLD_STORE, end_of_old};
use super::{Log, unavailable};
use crate::QueueError;

use part::{Part, begin, end};

pub use by_id::{KeptEvent, SoughtText};

/// Most events that one step looks at, and most bytes of texts that it reads beyond the first.
const STEP: i64 = 1_024;
const STEP_BYTES: usize = 4 << 20;

/// Which form of the events is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Every event, as it was accepted.
    Accepted,
    /// Every event that the store has, as it was delivered to it.
    Stored,
}

/// In which order events are found: the order in which they were appended, or the opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Asc,
    /// The newest first.
    Desc,
}

/// What an event has to be to be found.
pub type Condition = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What is searched.
#[derive(Clone)]
pub struct Search {
    /// In which form.
    pub form: Form,
    /// In which order.
    pub order: Order,
    /// When they were accepted.
    pub accepted: AcceptedBetween,
    /// What their texts have to be, if anything.
    pub condition: Option<Condition>,
}

/// An event that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchHit {
    seq: i64,
    /// Bytes of its text.
    pub size: usize,
}

impl SearchHit {
    /// What to pass to [`Log::search`] to go on after it.
    pub fn position(self) -> i64 {
        self.seq
    }
}

/// What a step has found, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchStep {
    /// The events, in order.
    pub found: Vec<SearchHit>,
    /// What to pass to [`Log::search`] next; `None` at the end.
    pub next: Option<i64>,
    /// When the last event was accepted that was looked at, in milliseconds since 1970.
    pub looked_to: Option<i64>,
}

impl Log {
    /// Searches the next events after `position`, which is that of an earlier step, or `None` at first.
    pub async fn search(
        &self,
        search: Search,
        position: Option<i64>,
    ) -> Result<SearchStep, QueueError> {
        let step = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            step(&snapshot, &search, position)
        };
        self.journal.read(step).await.map_err(unavailable)
    }

    /// Returns the texts of events that were found, in their order. Those that are deleted meanwhile are left out.
    pub async fn texts(
        &self,
        form: Form,
        found: Vec<SearchHit>,
    ) -> Result<Vec<String>, QueueError> {
        let texts = move |connection: &Connection| {
            let texts = found.iter().map(|it| event_text(connection, form, it.seq));
            let texts: rusqlite::Result<Vec<_>> = texts.collect();
            Ok(texts?.into_iter().flatten().collect())
        };
        self.journal.read(texts).await.map_err(unavailable)
    }

    /// Counts the events, without looking at each.
    pub async fn count(&self, form: Form) -> Result<u64, QueueError> {
        let count = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let marks = Marks::read(&snapshot)?;
            let count = match form {
                Form::Accepted => marks.all(&snapshot)?,
                Form::Stored => count_stored(&snapshot, marks)?,
            };
            Ok(count.max(0).unsigned_abs())
        };
        self.journal.read(count).await.map_err(unavailable)
    }
}

/// A range of the store, up to what its consumer has settled.
#[derive(Debug, Clone, Copy)]
struct StoreRange {
    consumer: i64,
    first: i64,
    last: i64,
}

/// An event that a step looks at.
struct Candidate {
    seq: i64,
    received_at: i64,
    size: usize,
}

fn step(
    connection: &Connection,
    search: &Search,
    position: Option<i64>,
) -> rusqlite::Result<SearchStep> {
    let end_of_old = end_of_old(connection)?;
    let part = Part::at(search.order, position, end_of_old);
    let candidates = candidates(connection, search, part, position)?;
    let is_last = i64::try_from(candidates.len()).is_ok_and(|count| count < STEP);
    let are_beyond = candidates.iter().all(|it| match search.order {
        Order::Asc => it.received_at >= search.accepted.until.saturating_add(DISORDER),
        Order::Desc => it.received_at < search.accepted.since.saturating_sub(DISORDER),
    });
    let mut looked_to = candidates.last().map(|edge| edge.received_at);
    let mut next = match is_last || are_beyond {
        true => part.next(search.order, end_of_old),
        false => candidates.last().map(|edge| edge.seq),
    };
    let view = match search.form {
        Form::Accepted => None,
        Form::Stored => Some(View::read(connection, &candidates)?),
    };
    let (mut found, mut bytes) = (Vec::new(), 0);
    for candidate in candidates {
        let Candidate {
            seq,
            received_at,
            size,
        } = candidate;
        let is_shown = view.as_ref().is_none_or(|view| view.shows(seq));
        if !search.accepted.contains(received_at) || !is_shown {
            continue;
        }
        let size = match &search.condition {
            None => view.as_ref().map_or(size, |view| view.size(seq, size)),
            Some(condition) => {
                let text = event_text(connection, search.form, seq)?.unwrap_or_default();
                bytes += text.len();
                match condition(&text) {
                    true => text.len(),
                    false if bytes <= STEP_BYTES => continue,
                    false => {
                        (next, looked_to) = (Some(seq), Some(received_at));
                        break;
                    }
                }
            }
        };
        found.push(SearchHit { seq, size });
        if bytes > STEP_BYTES {
            (next, looked_to) = (Some(seq), Some(received_at));
            break;
        }
    }
    Ok(SearchStep {
        found,
        next,
        looked_to,
    })
}

/// Returns the next events of a part by their numbers. Times narrow that down where the search begins.
fn candidates(
    connection: &Connection,
    search: &Search,
    part: Part,
    position: Option<i64>,
) -> rusqlite::Result<Vec<Candidate>> {
    let columns = format!("SELECT seq, {RECEIVED_AT}, octet_length(body) FROM events");
    let AcceptedBetween { since, until } = search.accepted;
    let (sql, from, to) = match search.order {
        Order::Asc => {
            let begin = begin(connection, part, since)?.saturating_sub(1);
            let sql = format!("{columns} WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3");
            (sql, position.unwrap_or(i64::MIN).max(begin), part.last)
        }
        Order::Desc => {
            let end = end(connection, part, until)?.saturating_add(1);
            let sql = format!("{columns} WHERE seq < ?1 AND seq >= ?2 ORDER BY seq DESC LIMIT ?3");
            (sql, position.unwrap_or(i64::MAX).min(end), part.first)
        }
    };
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![from, to, STEP], |row| {
        let size: Option<i64> = row.get(2)?;
        Ok(Candidate {
            seq: row.get(0)?,
            received_at: row.get(1)?,
            size: usize::try_from(size.unwrap_or(0)).unwrap_or(0),
        })
    })?;
    rows.collect()
}

/// What the store has of the events from one number to another.
struct View {
    ranges: Vec<(StoreRange, HashSet<i64>)>,
    unstored: HashSet<i64>,
    /// The sizes of the texts that differ from the accepted ones.
    sizes: std::collections::HashMap<i64, usize>,
}

impl View {
    fn read(connection: &Connection, candidates: &[Candidate]) -> rusqlite::Result<View> {
        let ends = candidates.first().zip(candidates.last());
        let ends = ends.map(|(one, other)| (one.seq.min(other.seq), one.seq.max(other.seq)));
        let (low, high) = ends.unwrap_or((0, 0));
        let seqs = |sql: &str, consumer: i64| -> rusqlite::Result<HashSet<i64>> {
            let mut select = connection.prepare_cached(sql)?;
            let seqs = select.query_map([low, high, consumer], |row| row.get(0))?;
            seqs.collect()
        };
        let mut ranges = Vec::new();
        for range in stored(connection)? {
            if range.last >= low && range.first <= high {
                let mut unsettled = HashSet::new();
                for table in ["pending", "dead_letters"] {
                    let sql = format!(
                        "SELECT seq FROM {table} WHERE seq BETWEEN ?1 AND ?2 AND consumer = ?3"
                    );
                    unsettled.extend(seqs(&sql, range.consumer)?);
                }
                ranges.push((range, unsettled));
            }
        }
        let texts = "SELECT seq, octet_length(text) FROM stored_texts WHERE seq BETWEEN ?1 AND ?2";
        let mut texts = connection.prepare_cached(texts)?;
        let sizes = texts.query_map([low, high], |row| {
            let size: Option<i64> = row.get(1)?;
            Ok((row.get(0)?, usize::try_from(size.unwrap_or(0)).unwrap_or(0)))
        })?;
        let unstored = "SELECT seq FROM unstored WHERE seq BETWEEN ?1 AND ?2 AND ?3 = 0";
        Ok(View {
            ranges,
            unstored: seqs(unstored, 0)?,
            sizes: sizes.collect::<rusqlite::Result<_>>()?,
        })
    }

    fn shows(&self, seq: i64) -> bool {
        let has = |(range, unsettled): &(StoreRange, HashSet<i64>)| {
            (range.first..=range.last).contains(&seq) && !unsettled.contains(&seq)
        };
        !self.unstored.contains(&seq) && self.ranges.iter().any(has)
    }

    fn size(&self, seq: i64, accepted: usize) -> usize {
        self.sizes.get(&seq).copied().unwrap_or(accepted)
    }
}

/// Returns the ranges of the store, up to what their consumers have settled. One that was removed has settled its range.
fn stored(connection: &Connection) -> rusqlite::Result<Vec<StoreRange>> {
    let sql = "SELECT consumer, first,
                   min(coalesce(last, ?1), coalesce((SELECT settled FROM cursors WHERE cursors.consumer = stored_ranges.consumer), ?1))
               FROM stored_ranges ORDER BY first";
    let mut select = connection.prepare_cached(sql)?;
    let ranges = select.query_map([i64::MAX], |row| {
        Ok(StoreRange {
            consumer: row.get(0)?,
            first: row.get(1)?,
            last: row.get(2)?,
        })
    })?;
    ranges.collect()
}

/// Counts what the store has: what there is in its ranges, each number once, without what it does not have.
fn count_stored(connection: &Connection, marks: Marks) -> rusqlite::Result<i64> {
    let (mut count, mut after) = (0, i64::MIN);
    for StoreRange {
        consumer,
        first,
        last,
    } in stored(connection)?
    {
        let first = first.max(after);
        if first > last {
            continue;
        }
        // Nobody waits for what was taken over: it is deleted one after the other, so no number is missing.
        if consumer == OLD_STORE {
            let lowest = first.max(lowest(connection)?);
            count += last.saturating_sub(lowest).saturating_add(1).max(0);
            after = last.saturating_add(1);
            continue;
        }
        count += marks.between(connection, first, last)?;
        for table in ["pending", "dead_letters"] {
            let sql = format!(
                "SELECT count(*) FROM {table} JOIN events USING (seq)
                 WHERE consumer = ?1 AND seq BETWEEN ?2 AND ?3 AND seq NOT IN (SELECT seq FROM unstored)"
            );
            let mut unsettled = connection.prepare_cached(&sql)?;
            count -= unsettled.query_row([consumer, first, last], |row| row.get::<_, i64>(0))?;
        }
        let unstored = "SELECT count(*) FROM unstored WHERE seq BETWEEN ?1 AND ?2";
        let mut unstored = connection.prepare_cached(unstored)?;
        count -= unstored.query_row([first, last], |row| row.get::<_, i64>(0))?;
        after = last.saturating_add(1);
    }
    Ok(count)
}

/// Returns the number of the first event.
fn lowest(connection: &Connection) -> rusqlite::Result<i64> {
    let lowest = "SELECT coalesce(min(seq), 1) FROM events";
    connection.query_row(lowest, [], |row| row.get(0))
}

fn event_text(connection: &Connection, form: Form, seq: i64) -> rusqlite::Result<Option<String>> {
    let sql = match form {
        Form::Accepted => "SELECT body FROM events WHERE seq = ?1",
        Form::Stored => {
            "SELECT coalesce((SELECT text FROM stored_texts WHERE stored_texts.seq = events.seq), body)
             FROM events WHERE seq = ?1"
        }
    };
    let mut select = connection.prepare_cached(sql)?;
    select.query_row([seq], |row| text(row, 0)).optional()
}
