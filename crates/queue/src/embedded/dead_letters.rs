//! The dead letters of the embedded queue: listed, redriven, deleted, while `serve` runs or not.

use rusqlite::{Connection, Row, params};

use super::{Embedded, unavailable};
use crate::{DeadLetter, Unavailable};

impl Embedded {
    /// Lists up to `limit` dead letters whose reason contains `reason`, oldest first.
    pub async fn dead_letters(
        &self,
        reason: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        let reason = reason.to_owned();
        let list = move |connection: &Connection| {
            let sql = "SELECT id, reason, received_at, dead_at, attempts, octet_length(body) FROM dead_letters
                       WHERE instr(reason, ?1) ORDER BY seq LIMIT ?2";
            let letter = |row: &Row<'_>| {
                Ok(DeadLetter {
                    id: text(row, 0)?,
                    reason: text(row, 1)?,
                    received_at: row.get(2)?,
                    dead_at: row.get(3)?,
                    attempts: row.get(4)?,
                    size: row.get::<_, i64>(5)?.unsigned_abs(),
                })
            };
            connection
                .prepare(sql)?
                .query_map(params![reason, limit], letter)?
                .collect()
        };
        self.journal.read(list).await.map_err(unavailable)
    }

    /// Returns the body of a dead letter. Bytes that are not UTF-8 are replaced.
    pub async fn dead_letter_body(&self, id: &str) -> Result<Option<String>, Unavailable> {
        let id = id.to_owned();
        let body = move |connection: &Connection| {
            let mut query = connection.prepare("SELECT body FROM dead_letters WHERE id = ?1")?;
            query
                .query_map([id], |row| text(row, 0))?
                .next()
                .transpose()
        };
        self.journal.read(body).await.map_err(unavailable)
    }

    /// Moves a dead letter back into the queue, as a new and visible event. Returns whether it was there.
    pub async fn redrive(&self, id: &str) -> Result<bool, Unavailable> {
        let id = id.to_owned();
        let redrive = move |connection: &Connection| {
            let back = "INSERT INTO messages (id, body, received_at, visible_at)
                        SELECT id, body, received_at, 0 FROM dead_letters WHERE id = ?1";
            let moved = connection.execute(back, [&id])?;
            connection.execute("DELETE FROM dead_letters WHERE id = ?1", [id])?;
            Ok(moved > 0)
        };
        self.journal.write(redrive).await.map_err(unavailable)
    }

    /// Deletes a dead letter for good. Returns whether it was there.
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool, Unavailable> {
        let id = id.to_owned();
        let delete = move |connection: &Connection| {
            connection.execute("DELETE FROM dead_letters WHERE id = ?1", [id])
        };
        self.journal
            .write(delete)
            .await
            .map(|deleted| deleted > 0)
            .map_err(unavailable)
    }
}

/// Reads a text; a damaged row may hold other bytes.
fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    let bytes = row.get_ref(at)?.as_bytes_or_null()?.unwrap_or_default();
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
