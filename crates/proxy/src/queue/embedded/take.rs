//! What comes out of the embedded queue: received, and settled.
//!
//! What is dealt with and cannot be settled (no room to write) is remembered, and settled before anything else is taken:
//! so it is not delivered again, and at most a batch waits like that. A row that is damaged is a dead letter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use rusqlite::{Connection, Row, params};
use tracing::warn;

use super::{Embedded, unavailable};
use crate::queue::{Record, Settlement, Unavailable, now};

/// How often to look without being told: another process may have put dead letters back.
const LOOK: Duration = Duration::from_secs(1);

/// Settlements that are still to be written.
pub(super) type Unsettled = Arc<Mutex<Vec<Settling>>>;

/// A record, and what is to become of it.
#[derive(Debug, Clone)]
pub(super) struct Settling {
    seq: String,
    id: String,
    receives: u32,
    to: Settlement,
}

impl Embedded {
    pub(in crate::queue) async fn receive(
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
            connection.query_row(sql, [limit, now], |row| {
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
        let settled = unsettled.len();
        let claim = move |connection: &Connection| {
            for settling in &unsettled {
                settle_one(connection, settling, now)?;
            }
            take(connection, now, until, limit)
        };
        let records = self.journal.write(claim).await.map_err(unavailable)?;
        self.settled(settled);
        Ok(records)
    }

    /// Settles records, and those before them that could not be.
    pub(in crate::queue) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let settling = |(record, to): &(&Record, Settlement)| Settling {
            seq: record.receipt.clone(),
            id: record.id.clone(),
            receives: record.receives,
            to: to.clone(),
        };
        let mut settlements = self.unsettled();
        let before = settlements.len();
        settlements.extend(records.iter().map(settling));
        // What is to be tried again or given up comes again by itself, and is told of then.
        let done = settlements.iter().skip(before);
        let done = done.filter(|it| it.to == Settlement::Done);
        let done: Vec<Settling> = done.cloned().collect();
        let clock = self.clock;
        let settle = move |connection: &Connection| {
            let now = clock.now();
            (settlements.iter()).try_for_each(|settling| settle_one(connection, settling, now))
        };
        let result = self.journal.write(settle).await.map_err(unavailable);
        match &result {
            Ok(()) => self.settled(before),
            Err(_) => self.lock_unsettled().extend(done),
        }
        vec![result; records.len()]
    }

    fn unsettled(&self) -> Vec<Settling> {
        self.lock_unsettled().clone()
    }

    fn settled(&self, count: usize) {
        let mut unsettled = self.lock_unsettled();
        let count = count.min(unsettled.len());
        unsettled.drain(..count);
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
        "UPDATE messages SET visible_at = ?1, receives = receives + 1
         WHERE seq IN (SELECT seq FROM messages WHERE visible_at <= ?2 ORDER BY visible_at, seq LIMIT ?3)
         RETURNING seq, id, body, received_at, receives",
    )?;
    let rows = claim.query_map([until, now, limit], |row| {
        Ok((row.get::<_, i64>(0)?, record(row)))
    })?;
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|(seq, _)| *seq); // RETURNING promises no order
    let mut records = Vec::new();
    for (seq, record) in rows {
        match record {
            Ok(record) => records.push(record),
            Err(why) => bury(connection, seq, &why)?,
        }
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        receipt: row.get::<_, i64>("seq")?.to_string(),
        queue_id: row.get::<_, i64>("seq")?.to_string(),
        id: row.get("id")?,
        body: row.get_ref("body")?.as_str()?.into(),
        received_at: Some(row.get("received_at")?),
        receives: row.get("receives")?,
        stored: None,
        group: None,
    })
}

/// Makes a dead letter of a row that cannot be read: it would stand in the way of all others. Its bytes are kept.
fn bury(connection: &Connection, seq: i64, why: &rusqlite::Error) -> rusqlite::Result<()> {
    let class = "damaged";
    let reason = format!("{class}: its row in the queue cannot be read: {why}");
    let bury = "INSERT INTO dead_letters (id, body, received_at, dead_at, receives, reason)
                SELECT id, body, CAST(received_at AS INTEGER), ?2, CAST(receives AS INTEGER), ?3 FROM messages WHERE seq = ?1";
    connection.execute(bury, params![seq, now(), reason])?;
    connection.execute("DELETE FROM messages WHERE seq = ?1", [seq])?;
    counter!("lineage_proxy_dead_lettered_total", "class" => class).increment(1);
    warn!(
        outcome = "dead_lettered",
        class,
        reason,
        queue.seq = seq,
        "event"
    );
    Ok(())
}

/// Settles a record if it is still this receiver's: one that came back and was received again has a higher count, and
/// a number that is free again may be another's.
fn settle_one(connection: &Connection, of: &Settling, clock: i64) -> rusqlite::Result<()> {
    let Settling {
        seq,
        id,
        receives,
        to,
    } = of;
    let delete = |connection: &Connection| {
        let delete = "DELETE FROM messages WHERE seq = ?1 AND receives = ?2 AND id = ?3";
        let mut delete = connection.prepare_cached(delete)?;
        delete.execute(params![seq, receives, id]).map(drop)
    };
    match to {
        Settlement::Done => delete(connection),
        Settlement::Retry(after) => {
            let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
            let mut back = connection.prepare_cached(
                "UPDATE messages SET visible_at = ?4 WHERE seq = ?1 AND receives = ?2 AND id = ?3",
            )?;
            let visible_at = clock.saturating_add(after);
            back.execute(params![seq, receives, id, visible_at])
                .map(drop)
        }
        Settlement::DeadLetter(reason) => {
            let mut bury = connection.prepare_cached(
                "INSERT INTO dead_letters (id, body, received_at, dead_at, receives, reason)
                 SELECT id, body, received_at, ?4, receives, ?5 FROM messages WHERE seq = ?1 AND receives = ?2 AND id = ?3",
            )?;
            bury.execute(params![seq, receives, id, now(), reason])?;
            delete(connection)
        }
    }
}
