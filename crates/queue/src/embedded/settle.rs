//! Settles records of the embedded queue: acknowledges, retries, dead-letters.
//!
//! An acknowledgement that cannot be written (a full disk) is remembered, and written before anything else is received: so
//! its event is not delivered again, and no more wait like that than were received.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};

use super::{Embedded, unavailable};
use crate::{Record, Settlement, Unavailable, now};

/// A row is settled only by the receiver that has it: one that was received again has a higher count, and the number of a
/// deleted row may be another's by now. An id that is not text was written by somebody else, and names nothing.
const OWNED_ROW: &str =
    "WHERE seq = ?1 AND attempts = ?2 AND (id = ?3 OR typeof(id) <> 'text' OR id = '')";

/// A record, and how it is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSettlement {
    seq: String,
    id: String,
    received_at: Option<i64>,
    attempts: u32,
    settlement: Settlement,
}

/// Acknowledgements that are still to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingSettlements(Arc<Mutex<Vec<RecordSettlement>>>);

impl PendingSettlements {
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

impl Embedded {
    /// Settles records, and those before them that are pending; one result each, in order.
    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let settlements: Vec<_> = records.iter().map(RecordSettlement::of).collect();
        // A record that is to be retried or dead-lettered comes again by itself.
        let acknowledged = settlements.iter();
        let acknowledged = acknowledged.filter(|it| it.settlement == Settlement::Acknowledge);
        let acknowledged: Vec<_> = acknowledged.cloned().collect();
        let pending = self.pending.all();
        let (clock, earlier) = (self.clock, pending.clone());
        let settle = move |connection: &Connection| {
            let now = clock.now();
            for earlier in &earlier {
                settle_one(connection, earlier, now)?;
            }
            let settled = settlements.iter();
            settled
                .map(|it| settle_one(connection, it, now))
                .collect::<rusqlite::Result<Vec<bool>>>()
        };
        match self.journal.write(settle).await {
            Ok(settled) => {
                self.pending.remove(&pending);
                let expired =
                    || Unavailable("receipt expired (visibility timeout exceeded)".to_owned());
                let answer = |settled: bool| settled.then_some(()).ok_or_else(expired);
                settled.into_iter().map(answer).collect()
            }
            Err(error) => {
                self.pending.add(acknowledged);
                vec![Err(unavailable(error)); records.len()]
            }
        }
    }
}

impl RecordSettlement {
    fn of((record, settlement): &(&Record, Settlement)) -> RecordSettlement {
        RecordSettlement {
            seq: record.receipt.clone(),
            id: record.id.clone(),
            received_at: record.received_at,
            attempts: record.attempts,
            settlement: settlement.clone(),
        }
    }
}

/// Settles a record if its receipt is still valid. Returns whether it was. `clock` is the time of the queue's clock.
pub(super) fn settle_one(
    connection: &Connection,
    record: &RecordSettlement,
    clock: i64,
) -> rusqlite::Result<bool> {
    let RecordSettlement {
        seq,
        id,
        received_at,
        attempts,
        settlement,
    } = record;
    let is_one = |rows: usize| rows == 1;
    let delete = |connection: &Connection| {
        let mut delete = connection.prepare_cached(&format!("DELETE FROM messages {OWNED_ROW}"))?;
        delete.execute(params![seq, attempts, id]).map(is_one)
    };
    match settlement {
        Settlement::Acknowledge => delete(connection),
        Settlement::Retry(after) => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            let update = format!("UPDATE messages SET visible_at = ?4 {OWNED_ROW}");
            let mut update = connection.prepare_cached(&update)?;
            let visible_at = clock.saturating_add(after);
            update
                .execute(params![seq, attempts, id, visible_at])
                .map(is_one)
        }
        Settlement::DeadLetter(reason) => {
            let insert = format!(
                "INSERT INTO dead_letters (id, body, received_at, dead_at, attempts, reason)
                 SELECT ?3, body, ?6, ?4, attempts, ?5 FROM messages {OWNED_ROW}"
            );
            let mut insert = connection.prepare_cached(&insert)?;
            let (dead_at, received_at) = (now(), received_at.unwrap_or_else(now));
            insert.execute(params![seq, attempts, id, dead_at, reason, received_at])?;
            delete(connection)
        }
    }
}
