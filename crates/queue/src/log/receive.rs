//! Receives records of a consumer: pending events that are visible, and events that it has never received.
//!
//! A damaged row is received like any other: it must not hold up the rows beside it. Settlements that could not be written
//! before are written first (`settle.rs`). Which events are received is decided in `receive/candidates.rs`.

mod candidates;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::consumers::{Consumer, ConsumerState};
use super::cursor::{self, Cursor};
use super::pace::Outlook;
use super::recent::{RecentEvent, RecentEvents};
use super::settle::settle_all;
use super::unavailable;
use crate::{BatchSize, LogReceipt, QueueError, Receipt, Record, SharedEvent};
use candidates::{APPENDED_AT, Candidate, chosen, never_received, pending};

/// How often to look without a notification: another process may have redriven dead letters.
const POLL: Duration = Duration::from_secs(1);

impl Consumer {
    /// Receives records once enough are visible, or the first has waited for `window`. Returns none after a second. Where more than
    /// enough are received at once, waits some milliseconds for them (`pace.rs`).
    pub async fn receive(
        &self,
        size: impl Into<BatchSize>,
        window: Duration,
    ) -> Result<Vec<Record>, QueueError> {
        let BatchSize { enough, most } = size.into();
        // Before looking: what is appended meanwhile counts as new, at worst a second time.
        let mut appended = self.log.appended.subscribe();
        let before = *appended.borrow_and_update();
        let limit = i64::try_from(enough).unwrap_or(i64::MAX);
        let most = i64::try_from(most).unwrap_or(i64::MAX).max(limit);
        let now = self.log.clock.now();
        if self.state.claims.has_ended(now) || self.behind(&self.state) >= limit.max(1) {
            let pause = self.state.pace.pause(self.outlook(limit, most, window));
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            return self.receive_visible(limit, most).await;
        }
        let number = self.state.number;
        let visible = move |connection: &Connection| visible(connection, number, now, limit);
        let visible = self.log.journal.read(visible).await.map_err(unavailable)?;
        let waited = visible.first.map(|first| {
            Duration::from_millis(u64::try_from(now.saturating_sub(first)).unwrap_or(0))
        });
        let rest = waited.map(|waited| window.saturating_sub(waited));
        if visible.count >= limit || rest == Some(Duration::ZERO) {
            return self.receive_visible(limit, most).await;
        }
        // The first event starts the window; after that only a full batch is a reason to look again. Looking for each event that
        // is appended would take more time than the events do.
        let missing = match rest {
            Some(_) => limit.saturating_sub(visible.count).unsigned_abs(),
            None => 1,
        };
        let enough = appended.wait_for(|appended| appended.saturating_sub(before) >= missing);
        // Either way, the caller looks again.
        let _ = tokio::time::timeout(rest.unwrap_or(POLL).min(POLL), enough).await;
        Ok(Vec::new())
    }

    /// Receives records that are visible now: `enough`, or up to `most` if all of them are on their first attempt.
    pub(super) async fn receive_visible(
        &self,
        enough: i64,
        most: i64,
    ) -> Result<Vec<Record>, QueueError> {
        let (now, until) = (
            self.log.clock.now(),
            self.log.clock.after(self.log.options.visibility_timeout),
        );
        let unwritten = self.state.unwritten.all();
        let (state, settlements) = (self.state.clone(), unwritten.clone());
        let (recent, last) = (self.log.recent.clone(), self.log.last.clone());
        let receive = move |connection: &Connection| {
            settle_all(connection, &state, &settlements, now)?;
            let cursor = end_claims(connection, &state, now)?;
            let received = claim_and_read(
                connection,
                &state,
                cursor,
                now,
                until,
                (enough, most),
                (&recent, last.load(Ordering::Acquire)),
            )?;
            Ok((cursor.settled, received))
        };
        let received = self.log.journal.write(receive).await.map_err(unavailable)?;
        let (settled, received) = received;
        // Here, and not by the thread that all targets share: it would have to make what another thread gives back.
        let first = received.from_memory.into_iter();
        let first = first.map(|(seq, event)| event.received_first(seq));
        let records: Vec<Record> = received.records.into_iter().chain(first).collect();
        self.state.unwritten.remove(&unwritten);
        self.state.claims.forget(settled);
        self.state.received.store(received.up_to, Ordering::Release);
        let known = self.log.known();
        let consumers: Vec<i64> = known.values().map(|state| state.number).collect();
        drop(known);
        let recent = &self.log.recent;
        recent.advance(self.state.number, received.up_to, &consumers);
        recent.add(received.read); // for those that are behind
        let has_retries = records.iter().any(|record| record.attempts > 1);
        let pace = &self.state.pace;
        pace.received(records.len(), has_retries, most > enough);
        Ok(records)
    }

    /// What it could receive now.
    pub(super) fn outlook(&self, enough: i64, most: i64, window: Duration) -> Outlook {
        let known = self.log.known();
        let others = known.values().filter(|state| {
            state.number != self.state.number && state.pace.takes_more() && self.behind(state) > 0
        });
        let others = u32::try_from(others.count()).unwrap_or(u32::MAX);
        Outlook {
            enough,
            most,
            window,
            behind: self.behind(&self.state),
            clients_wait: self.log.appends.are_under_way(),
            consumers: others.saturating_add(1),
        }
    }

    /// Returns how many events of this process a consumer has not received, as far as is known without looking.
    fn behind(&self, state: &ConsumerState) -> i64 {
        // First, so that what is received meanwhile does not make it negative.
        let received = state.received.load(Ordering::Acquire);
        let last = self.log.last.load(Ordering::Acquire);
        last.saturating_sub(received)
    }
}

/// What was received.
struct ReceivedBatch {
    records: Vec<Record>,
    /// Those after them, on their first attempt.
    from_memory: Vec<(i64, RecentEvent)>,
    /// Those that were received for the first time, and had to be read.
    read: Vec<(i64, RecentEvent)>,
    /// Where the cursor is.
    up_to: i64,
}

/// What a consumer could receive.
struct Visible {
    /// How many events, if fewer than were asked for.
    count: i64,
    /// Since when the first of them has been visible.
    first: Option<i64>,
}

fn visible(
    connection: &Connection,
    consumer: i64,
    now: i64,
    limit: i64,
) -> rusqlite::Result<Visible> {
    let sql = "SELECT count(*), min(visible_at) FROM (
                   SELECT visible_at FROM pending WHERE consumer = ?1 AND visible_at <= ?2
                   ORDER BY visible_at LIMIT ?3)";
    let (pending, visible_at): (i64, Option<i64>) = connection
        .prepare_cached(sql)?
        .query_row([consumer, now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let received = Cursor::read(connection, consumer)?.received;
    let new = cursor::last(connection)?.saturating_sub(received).max(0);
    let sql = format!("SELECT {APPENDED_AT} FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1");
    let appended_at: Option<i64> = connection
        .prepare_cached(&sql)?
        .query_row([received], |row| row.get(0))
        .optional()?;
    Ok(Visible {
        count: pending.saturating_add(new),
        first: visible_at.into_iter().chain(appended_at).min(),
    })
}

/// Makes the events visible again whose first attempt has ended by timeout.
fn end_claims(
    connection: &Connection,
    state: &ConsumerState,
    now: i64,
) -> rusqlite::Result<Cursor> {
    let mut cursor = Cursor::read(connection, state.number)?;
    let ended = state.claims.ended(cursor.received, now);
    if let Some(last) = ended.filter(|last| *last > cursor.settled) {
        let none = BTreeSet::new();
        let ends_at = |seq| state.claims.ends_at(seq);
        cursor.advance(connection, state.number, last, &none, ends_at)?;
        cursor.write(connection, state.number)?;
    }
    Ok(cursor)
}

/// Receives a pending event. Another writer may have written anything as a count, which must not stop the others.
const CLAIM: &str = "
    UPDATE pending SET visible_at = ?3,
        attempts = iif(typeof(attempts) = 'integer' AND attempts BETWEEN 0 AND 1000000, attempts + 1, 1),
        receipt = iif(typeof(receipt) = 'integer' AND receipt BETWEEN 0 AND 1000000000000, receipt + 1, 1)
    WHERE consumer = ?1 AND seq = ?2 RETURNING attempts, receipt";

/// Reads the records that have been visible for longest, and makes them invisible until `until`.
fn claim_and_read(
    connection: &Connection,
    state: &ConsumerState,
    cursor: Cursor,
    now: i64,
    until: i64,
    (enough, most): (i64, i64),
    (recent, last): (&RecentEvents, i64),
) -> rusqlite::Result<ReceivedBatch> {
    let pending = pending(connection, state.number, now, enough)?;
    // Beside pending events it matters since when a new one has been visible, which only its row says.
    let remembered = match pending.is_empty() {
        true => recent.following(cursor.received, most, last),
        false => None,
    };
    let (seqs, from_memory) = match remembered {
        Some(mut events) => {
            let new = events.iter().map(Candidate::from).collect();
            let seqs = chosen(pending, new, enough, most);
            events.truncate(seqs.len()); // a cursor leaves nothing out
            (seqs, events)
        }
        None => {
            let new = never_received(connection, cursor.received, most)?;
            let mut seqs = chosen(pending, new, enough, most);
            seqs.sort_unstable();
            (seqs, Vec::new())
        }
    };
    let (mut records, mut missed) = (Vec::new(), Vec::new());
    let mut read =
        connection.prepare_cached("SELECT id, body, received_at FROM events WHERE seq = ?1")?;
    let mut claim = connection.prepare_cached(CLAIM)?;
    for seq in seqs.iter().copied().skip(from_memory.len()) {
        if seq <= cursor.received {
            let (attempts, number) = claim.query_row(params![state.number, seq, until], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let receipt = LogReceipt { seq, number };
            records.push(read.query_row([seq], |row| record(row, attempts, receipt))?);
        } else if let Some(event) = recent.get(seq) {
            records.push(event.received_first(seq));
        } else {
            let record = read.query_row([seq], |row| record(row, 1, LogReceipt::first(seq)))?;
            missed.extend(RecentEvent::of(&record).map(|event| (seq, event)));
            records.push(record);
        }
    }
    let mut up_to = cursor.received;
    if let Some(last) = seqs.last().filter(|last| **last > cursor.received) {
        let received = Cursor {
            received: *last,
            ..cursor
        };
        received.write(connection, state.number)?;
        state.claims.add(cursor.received, *last, until);
        up_to = *last;
    }
    Ok(ReceivedBatch {
        records,
        from_memory,
        read: missed,
        up_to,
    })
}

/// Reads a row, whatever another writer or a bad disk put there.
fn record(row: &Row<'_>, attempts: u32, receipt: LogReceipt) -> rusqlite::Result<Record> {
    let seq = receipt.seq.to_string();
    let id = row.get_ref("id")?.as_str().ok();
    let id = id.filter(|id| !id.is_empty()).unwrap_or(&seq).into();
    let body = match row.get_ref("body")? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => str::from_utf8(bytes).map(Arc::from),
        // The column converts numbers to text and refuses NULL.
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Ok(Arc::from("")),
    };
    let unreadable = body
        .as_ref()
        .err()
        .map(|error| format!("the body is not UTF-8: {error}"));
    Ok(Record {
        receipt: Receipt::Log(receipt),
        queue_id: seq.into(),
        id,
        body: body.unwrap_or_default(),
        unreadable,
        received_at: row.get_ref("received_at")?.as_i64().ok(),
        attempts,
        stored: None,
        group: None,
        trace: None, // the log has no place for it; the id of the event links the lines
        token_salt: None, // a replay sends to SQS alone
        event: SharedEvent::default(),
    })
}

impl RecentEvent {
    /// What can stand in for the row of a record: nothing if that was damaged.
    fn of(record: &Record) -> Option<RecentEvent> {
        let is_whole = record.unreadable.is_none();
        let received_at = record.received_at.filter(|_| is_whole)?;
        Some(RecentEvent {
            id: record.id.clone(),
            body: record.body.clone(),
            received_at,
            event: record.event.clone(),
        })
    }

    /// The record of its first attempt.
    fn received_first(self, seq: i64) -> Record {
        Record {
            body: self.body,
            received_at: Some(self.received_at),
            receipt: Receipt::Log(LogReceipt::first(seq)),
            queue_id: seq.to_string().into(),
            event: self.event,
            ..Record::unqueued(self.id)
        }
    }
}
