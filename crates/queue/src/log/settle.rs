//! Settles records of a consumer: acknowledges, retries, dead-letters.
//!
//! An acknowledgement that cannot be written (a full disk) is remembered, and written before anything else is received: so
//! its event is not delivered again, and no more wait like that than were received.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};

use super::consumers::{Consumer, ConsumerState};
use super::cursor::Cursor;
use super::store::Ranges;
use super::unavailable;
use crate::{LogReceipt, QueueError, Record, Settlement, StoredForm, now};

/// A record, and how it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSettlement {
    /// `None` if the record was never received from a log.
    receipt: Option<LogReceipt>,
    settlement: LogSettlement,
}

/// What the log does with a record: a [`Settlement`], with what is kept of a dead letter. Of other records it takes nothing that
/// the threads of several targets share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LogSettlement {
    Acknowledge,
    Store(StoredForm),
    Retry(Duration),
    DeadLetter(NewDeadLetter),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NewDeadLetter {
    id: Arc<str>,
    received_at: Option<i64>,
    attempts: u32,
    reason: String,
}

/// Acknowledgements that are still to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct UnwrittenSettlements(Arc<Mutex<Vec<RecordSettlement>>>);

impl UnwrittenSettlements {
    pub(super) fn all(&self) -> Vec<RecordSettlement> {
        self.lock().clone()
    }

    /// Removes what was written. Batches overlap: another may have written some of them meanwhile.
    pub(super) fn remove(&self, written: &[RecordSettlement]) {
        if !written.is_empty() {
            self.lock().retain(|it| !written.contains(it));
        }
    }

    fn add(&self, settlements: impl IntoIterator<Item = RecordSettlement>) {
        self.lock().extend(settlements);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RecordSettlement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumer {
    /// Settles records, and those before them that are still to be written; one result each, in order. What is answered
    /// with `Ok` is durable.
    pub async fn settle(&self, records: &[(&Record, Settlement)]) -> Vec<Result<(), QueueError>> {
        let settlements = records.iter().map(RecordSettlement::of);
        let earlier = self.state.unwritten.all();
        let (clock, state, count) = (self.log.clock, self.state.clone(), earlier.len());
        let all: Arc<[_]> = earlier.iter().cloned().chain(settlements).collect();
        let these = all.clone();
        let settle = move |connection: &Connection| {
            let settled = settle_all(connection, &state, &these, clock.now())?;
            Ok((settled, Cursor::read(connection, state.number)?.settled))
        };
        match self.log.journal.write(settle).await {
            Ok((settled, cursor)) => {
                self.state.unwritten.remove(&earlier);
                self.state.claims.forget(cursor);
                let expired =
                    || QueueError("receipt expired (visibility timeout exceeded)".to_owned());
                let answer = |settled: bool| settled.then_some(()).ok_or_else(expired);
                settled.into_iter().skip(count).map(answer).collect()
            }
            Err(error) => {
                // A record that is to be retried or dead-lettered comes again by itself.
                let these = all.iter().skip(count).zip(records);
                let acknowledged = these.filter(|(_, (_, it))| it.acknowledges());
                self.state
                    .unwritten
                    .add(acknowledged.map(|(it, _)| it.clone()));
                vec![Err(unavailable(error)); records.len()]
            }
        }
    }
}

impl RecordSettlement {
    fn of((record, settlement): &(&Record, Settlement)) -> RecordSettlement {
        let settlement = match settlement {
            Settlement::Acknowledge => LogSettlement::Acknowledge,
            Settlement::Store(form) => LogSettlement::Store(form.clone()),
            Settlement::Retry(after) => LogSettlement::Retry(*after),
            Settlement::DeadLetter(reason) => LogSettlement::DeadLetter(NewDeadLetter {
                id: record.id.clone(),
                received_at: record.received_at,
                attempts: record.attempts,
                reason: reason.clone(),
            }),
        };
        RecordSettlement {
            receipt: record.receipt.log(),
            settlement,
        }
    }
}

/// Settles records whose receipt is still valid. Returns for each whether it was. `clock` is the time of the log's clock.
///
/// A record is settled only by the receiver that has it: one that was received again has a higher receipt.
pub(super) fn settle_all(
    connection: &Connection,
    state: &ConsumerState,
    records: &[RecordSettlement],
    clock: i64,
) -> rusqlite::Result<Vec<bool>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let mut cursor = Cursor::read(connection, state.number)?;
    let mut ranges = Ranges::read(connection, state.number)?;
    // Of the records that were received for the first time.
    let mut first = BTreeSet::new();
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let settled = match record.receipt {
            None => false,
            Some(receipt @ LogReceipt { seq, .. }) if seq > cursor.settled => {
                let is_first = seq <= cursor.received && receipt.is_first();
                let is_owned = is_first && first.insert(seq);
                if is_owned {
                    settle_first(connection, state.number, seq, record, clock)?;
                }
                is_owned
            }
            Some(receipt) => settle_pending(connection, state.number, receipt, record, clock)?,
        };
        if let (true, Some(LogReceipt { seq, .. })) = (settled, record.receipt) {
            match &record.settlement {
                LogSettlement::Acknowledge => ranges.settle(connection, seq, None)?,
                LogSettlement::Store(form) => ranges.settle(connection, seq, Some(form))?,
                LogSettlement::Retry(_) | LogSettlement::DeadLetter(_) => {}
            }
        }
        results.push(settled);
    }
    if let Some(last) = first.last().copied() {
        let ends_at = |seq| state.claims.ends_at(seq);
        cursor.advance(connection, state.number, last, &first, ends_at)?;
        cursor.write(connection, state.number)?;
    }
    Ok(results)
}

/// Settles an event that was received for the first time. The cursor passes over it afterwards.
fn settle_first(
    connection: &Connection,
    consumer: i64,
    seq: i64,
    record: &RecordSettlement,
    clock: i64,
) -> rusqlite::Result<()> {
    match &record.settlement {
        LogSettlement::Acknowledge | LogSettlement::Store(_) => Ok(()),
        LogSettlement::Retry(after) => {
            let mut add = connection.prepare_cached(
                "INSERT OR REPLACE INTO pending (consumer, seq, attempts, receipt, visible_at)
                 VALUES (?1, ?2, 1, 1, ?3)",
            )?;
            add.execute([consumer, seq, later(clock, *after)]).map(drop)
        }
        LogSettlement::DeadLetter(letter) => {
            add_dead_letter(connection, consumer, LogReceipt::first(seq), letter)
        }
    }
}

/// Settles an event that has a row of its own, if the receipt is still valid. Returns whether it was.
fn settle_pending(
    connection: &Connection,
    consumer: i64,
    receipt: LogReceipt,
    record: &RecordSettlement,
    clock: i64,
) -> rusqlite::Result<bool> {
    const OWNED_ROW: &str = "WHERE consumer = ?1 AND seq = ?2 AND receipt = ?3";
    let is_one = |rows: usize| rows == 1;
    let LogReceipt { seq, number } = receipt;
    let owned = [consumer, seq, number];
    match &record.settlement {
        LogSettlement::Acknowledge | LogSettlement::Store(_) => {
            let delete = format!("DELETE FROM pending {OWNED_ROW}");
            connection.prepare_cached(&delete)?.execute(owned)
        }
        LogSettlement::Retry(after) => {
            let update = format!("UPDATE pending SET visible_at = ?4 {OWNED_ROW}");
            let visible_at = later(clock, *after);
            let mut update = connection.prepare_cached(&update)?;
            update.execute([consumer, seq, number, visible_at])
        }
        LogSettlement::DeadLetter(letter) => {
            let delete = format!("DELETE FROM pending {OWNED_ROW}");
            let deleted = connection.prepare_cached(&delete)?.execute(owned)?;
            if is_one(deleted) {
                add_dead_letter(connection, consumer, receipt, letter)?;
            }
            Ok(deleted)
        }
    }
    .map(is_one)
}

fn add_dead_letter(
    connection: &Connection,
    consumer: i64,
    receipt: LogReceipt,
    letter: &NewDeadLetter,
) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT OR REPLACE INTO dead_letters (consumer, seq, id, received_at, dead_at, attempts, receipt, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    add.execute(params![
        consumer,
        receipt.seq,
        letter.id,
        letter.received_at.unwrap_or_else(now),
        now(),
        letter.attempts,
        receipt.number,
        letter.reason
    ])
    .map(drop)
}

fn later(clock: i64, after: Duration) -> i64 {
    clock.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
}
