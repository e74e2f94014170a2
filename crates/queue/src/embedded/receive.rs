//! Receives records from the embedded queue.
//!
//! A damaged row is a record all the same: it must not hold up those beside it. Before anything is received, settlements
//! that could not be written are (`settle.rs`).

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::settle::settle_one;
use super::{Embedded, unavailable};
use crate::{Record, Unavailable};

/// How often to look without a notification: another process may have redriven dead letters.
const POLL: Duration = Duration::from_secs(1);

/// Bytes of the events that are received at once, unless the first alone is larger. A batch takes a multiple of that in
/// memory.
const MAX_BYTES: i64 = 32_000_000;

impl Embedded {
    /// Receives up to `size` records once as many are visible, or the first has waited for `window`. Returns none after a
    /// second.
    pub(crate) async fn receive(
        &self,
        size: usize,
        window: Duration,
    ) -> Result<Vec<Record>, Unavailable> {
        let arrived = self.arrived.notified();
        let limit = i64::try_from(size).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let visible = move |connection: &Connection| {
            let sql = "SELECT count(*), min(visible_at) FROM (SELECT visible_at FROM messages ORDER BY visible_at LIMIT ?1)
                       WHERE visible_at <= ?2";
            let mut visible = connection.prepare_cached(sql)?;
            visible.query_row([limit, now], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
        };
        let (count, first) = self.journal.read(visible).await.map_err(unavailable)?;
        let waited = first.map(|first| {
            Duration::from_millis(u64::try_from(now.saturating_sub(first)).unwrap_or(0))
        });
        let rest = waited.map(|waited| window.saturating_sub(waited));
        if count >= limit || rest == Some(Duration::ZERO) {
            return self.receive_visible(limit).await;
        }
        // Either way, the caller looks again.
        let _ = tokio::time::timeout(rest.unwrap_or(POLL).min(POLL), arrived).await;
        Ok(Vec::new())
    }

    async fn receive_visible(&self, limit: i64) -> Result<Vec<Record>, Unavailable> {
        let (now, until) = (self.clock.now(), self.clock.after(self.visibility));
        let pending = self.pending.all();
        let settled = pending.clone();
        let receive = move |connection: &Connection| {
            for pending in &pending {
                settle_one(connection, pending, now)?;
            }
            hide_and_read(connection, now, until, limit)
        };
        let records = self.journal.write(receive).await.map_err(unavailable)?;
        self.pending.remove(&settled);
        Ok(records)
    }
}

/// Reads the records that have been visible for longest, and makes them invisible until `until`.
fn hide_and_read(
    connection: &Connection,
    now: i64,
    until: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Record>> {
    let mut update = connection.prepare_cached(
        // Another writer may have written anything as a count, which must not stop the others.
        "UPDATE messages SET visible_at = ?1,
             attempts = iif(typeof(attempts) = 'integer' AND attempts BETWEEN 0 AND 1000000, attempts + 1, 1)
         WHERE seq IN (
             SELECT seq FROM (
                 SELECT seq, row_number() OVER earlier AS position, sum(size) OVER earlier AS bytes FROM (
                     SELECT seq, visible_at, octet_length(body) AS size FROM messages
                     WHERE visible_at <= ?2 ORDER BY visible_at, seq LIMIT ?3)
                 WINDOW earlier AS (ORDER BY visible_at, seq ROWS UNBOUNDED PRECEDING))
             WHERE position = 1 OR bytes <= ?4)
         RETURNING seq, id, body, received_at, attempts",
    )?;
    let rows = update.query_map([until, now, limit, MAX_BYTES], |row| {
        Ok((row.get::<_, i64>(0)?, record(row)?))
    })?;
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|(seq, _)| *seq); // RETURNING promises no order
    Ok(rows.into_iter().map(|(_, record)| record).collect())
}

/// Reads a row, whatever another writer or a bad disk put there.
fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let seq = row.get::<_, i64>("seq")?.to_string();
    let id = row.get_ref("id")?.as_str().ok();
    let id = id.filter(|id| !id.is_empty()).unwrap_or(&seq).to_owned();
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
        receipt: seq.clone(),
        queue_id: seq,
        id,
        body: body.unwrap_or_default(),
        unreadable,
        received_at: row.get_ref("received_at")?.as_i64().ok(),
        attempts: row.get("attempts")?,
        stored: None,
        group: None,
    })
}
