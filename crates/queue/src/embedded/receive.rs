//! What comes out of the embedded queue: received, and settled.
//!
//! What is dealt with and cannot be settled (no room to write) is remembered, and settled before anything else is taken:
//! so it is not delivered again, and no more wait like that than are in hand. A row that is damaged is a record all the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::{Embedded, unavailable};
use crate::{Record, Settlement, Unavailable, now};

/// How often to look without being told: another process may have put dead letters back.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes of the events that are received at once, unless the first alone is more: what a batch has in memory is some
/// times that.
const BYTES: i64 = 32_000_000;

/// Settlements that are still to be written.
pub(super) type Unsettled = Arc<Mutex<Vec<Settling>>>;

/// A record, and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settling {
    seq: String,
    id: String,
    received_at: Option<i64>,
    attempts: u32,
    to: Settlement,
}

impl Embedded {
    pub(crate) async fn receive(
        &self,
        size: usize,
        window: Duration,
    ) -> Result<Vec<Record>, Unavailable> {
        let arrived = self.arrived.notified();
        let limit = i64::try_from(size).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let in_sight = move |connection: &Connection| {
            let sql = "SELECT count(*), min(visible_at) FROM (SELECT visible_at FROM messages ORDER BY visible_at LIMIT ?1)
                       WHERE visible_at <= ?2";
            let mut in_sight = connection.prepare_cached(sql)?;
            in_sight.query_row([limit, now], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
        };
        let (count, first) = self.journal.read(in_sight).await.map_err(unavailable)?;
        let waited = first.map(|first| {
            Duration::from_millis(u64::try_from(now.saturating_sub(first)).unwrap_or(0))
        });
        let rest = waited.map(|waited| window.saturating_sub(waited));
        if count >= limit || rest == Some(Duration::ZERO) {
            return self.claim(limit).await;
        }
        let _ = tokio::time::timeout(rest.unwrap_or(LOOK).min(LOOK), arrived).await; // either way: look again
        Ok(Vec::new())
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Record>, Unavailable> {
        let (now, until) = (self.clock.now(), self.clock.after(self.visibility));
        let unsettled = self.unsettled();
        let settled = unsettled.clone();
        let claim = move |connection: &Connection| {
            for settling in &unsettled {
                settle_one(connection, settling, now)?;
            }
            take(connection, now, until, limit)
        };
        let records = self.journal.write(claim).await.map_err(unavailable)?;
        self.settled(&settled);
        Ok(records)
    }

    /// Settles records, and those before them that could not be.
    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let settling = |(record, to): &(&Record, Settlement)| Settling {
            seq: record.receipt.clone(),
            id: record.id.clone(),
            received_at: record.received_at,
            attempts: record.attempts,
            to: to.clone(),
        };
        let before = self.unsettled();
        let settlements: Vec<Settling> = records.iter().map(settling).collect();
        // What is to be tried again or given up comes again by itself, and is told of then.
        let done = settlements
            .iter()
            .filter(|it| it.to == Settlement::Acknowledge);
        let done: Vec<Settling> = done.cloned().collect();
        let (clock, earlier) = (self.clock, before.clone());
        let settle = move |connection: &Connection| {
            let now = clock.now();
            for settling in &earlier {
                settle_one(connection, settling, now)?;
            }
            let settled = settlements.iter();
            settled
                .map(|settling| settle_one(connection, settling, now))
                .collect()
        };
        let result: Result<Vec<bool>, _> = self.journal.write(settle).await;
        match result {
            Ok(settled) => {
                self.settled(&before);
                let late =
                    || Unavailable("receipt expired (visibility timeout exceeded)".to_owned());
                let answer = |settled: bool| settled.then_some(()).ok_or_else(late);
                settled.into_iter().map(answer).collect()
            }
            Err(error) => {
                self.lock_unsettled().extend(done);
                vec![Err(unavailable(error)); records.len()]
            }
        }
    }

    fn unsettled(&self) -> Vec<Settling> {
        self.lock_unsettled().clone()
    }

    /// Batches overlap: another may have settled some of them meanwhile.
    fn settled(&self, settled: &[Settling]) {
        if !settled.is_empty() {
            self.lock_unsettled().retain(|it| !settled.contains(it));
        }
    }

    fn lock_unsettled(&self) -> MutexGuard<'_, Vec<Settling>> {
        (self.unsettled.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the records that are in sight for longest, out of sight `until` then.
fn take(
    connection: &Connection,
    now: i64,
    until: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Record>> {
    let mut claim = connection.prepare_cached(
        // What another writer put there as a count may be anything, and must not stop the others.
        "UPDATE messages SET visible_at = ?1,
             receives = iif(typeof(receives) = 'integer' AND receives BETWEEN 0 AND 1000000, receives + 1, 1)
         WHERE seq IN (
             SELECT seq FROM (
                 SELECT seq, row_number() OVER taken AS place, sum(size) OVER taken AS bytes FROM (
                     SELECT seq, visible_at, octet_length(body) AS size FROM messages
                     WHERE visible_at <= ?2 ORDER BY visible_at, seq LIMIT ?3)
                 WINDOW taken AS (ORDER BY visible_at, seq ROWS UNBOUNDED PRECEDING))
             WHERE place = 1 OR bytes <= ?4)
         RETURNING seq, id, body, received_at, receives",
    )?;
    let rows = claim.query_map([until, now, limit, BYTES], |row| {
        Ok((row.get::<_, i64>(0)?, record(row)?))
    })?;
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|(seq, _)| *seq); // RETURNING promises no order
    Ok(rows.into_iter().map(|(_, record)| record).collect())
}

/// Whatever another writer or a bad disk put there is a record: one that cannot be read must not hold up those beside it.
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let seq = row.get::<_, i64>("seq")?.to_string();
    let id = row.get_ref("id")?.as_str().ok();
    let id = id.filter(|id| !id.is_empty()).unwrap_or(&seq).to_owned();
    let body = match row.get_ref("body")? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => str::from_utf8(bytes).map(Arc::from),
        // Numbers are kept as text in this column, so only NULL is left, which it does not take.
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Ok(Arc::from("")),
    };
    let unreadable = body
        .as_ref()
        .err()
        .map(|error| format!("the body is no UTF-8: {error}"));
    Ok(Record {
        receipt: seq.clone(),
        queue_id: seq,
        id,
        body: body.unwrap_or_default(),
        unreadable,
        received_at: row.get_ref("received_at")?.as_i64().ok(),
        attempts: row.get("receives")?,
        stored: None,
        group: None,
    })
}

/// Settles a record if it is still this receiver's: one that came back and was received again has a higher count, and
/// a number that is free again may be another's. Gives whether it was.
fn settle_one(connection: &Connection, of: &Settling, clock: i64) -> rusqlite::Result<bool> {
    let Settling {
        seq,
        id,
        received_at,
        attempts,
        to,
    } = of;
    let is_one = |rows: usize| rows == 1;
    let delete = |connection: &Connection| {
        let delete = "DELETE FROM messages WHERE seq = ?1 AND receives = ?2 AND (id = ?3 OR typeof(id) <> 'text' OR id = '')";
        let mut delete = connection.prepare_cached(delete)?;
        delete.execute(params![seq, attempts, id]).map(is_one)
    };
    match to {
        Settlement::Acknowledge => delete(connection),
        Settlement::Retry(after) => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            let mut back = connection.prepare_cached(
                "UPDATE messages SET visible_at = ?4 WHERE seq = ?1 AND receives = ?2 AND (id = ?3 OR typeof(id) <> 'text' OR id = '')",
            )?;
            let visible_at = clock.saturating_add(after);
            back.execute(params![seq, attempts, id, visible_at])
                .map(is_one)
        }
        Settlement::DeadLetter(reason) => {
            let mut bury = connection.prepare_cached(
                "INSERT INTO dead_letters (id, body, received_at, dead_at, receives, reason)
                 SELECT ?3, body, ?6, ?4, receives, ?5 FROM messages WHERE seq = ?1 AND receives = ?2 AND (id = ?3 OR typeof(id) <> 'text' OR id = '')",
            )?;
            let (dead_at, received_at) = (now(), received_at.unwrap_or_else(now));
            bury.execute(params![seq, attempts, id, dead_at, reason, received_at])?;
            delete(connection)
        }
    }
}
