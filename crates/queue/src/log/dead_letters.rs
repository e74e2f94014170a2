//! The dead letters of a consumer: listed, redriven, deleted, while `serve` runs or not. Their bodies stay in the log.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use tracing::warn;

use super::consumers::Consumer;
use super::{cursor, store, unavailable};
use crate::QueueError;

/// An event that could not be delivered.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// The event's id.
    pub id: String,
    /// The target that it could not be delivered to. A queue in SQS has one target, and does not know its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why it could not be delivered: a code, and what the target responded.
    pub reason: String,
    /// When it was accepted, in milliseconds since 1970.
    pub received_at: i64,
    /// When it became a dead letter, in milliseconds since 1970.
    pub dead_at: i64,
    /// How often its delivery was attempted.
    pub attempts: u32,
    /// Its size in bytes.
    pub size: u64,
}

impl Consumer {
    /// Lists up to `limit` dead letters whose reason contains `reason`, oldest first.
    pub async fn dead_letters(
        &self,
        reason: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let (number, reason) = (self.state.number, reason.to_owned());
        let target = self.target.clone();
        let list = move |connection: &Connection| {
            let sql = "SELECT dead_letters.id, reason, dead_letters.received_at, dead_at, attempts, octet_length(body)
                       FROM dead_letters LEFT JOIN events USING (seq)
                       WHERE consumer = ?1 AND instr(reason, ?2) ORDER BY row LIMIT ?3";
            let letter = |row: &Row<'_>| {
                Ok(DeadLetter {
                    id: text(row, 0)?,
                    target: Some(target.to_string()),
                    reason: text(row, 1)?,
                    received_at: integer(row, 2)?,
                    dead_at: integer(row, 3)?,
                    attempts: u32::try_from(integer(row, 4)?).unwrap_or(0),
                    size: row.get::<_, Option<i64>>(5)?.unwrap_or(0).unsigned_abs(),
                })
            };
            connection
                .prepare(sql)?
                .query_map(params![number, reason, limit], letter)?
                .collect()
        };
        self.log.journal.read(list).await.map_err(unavailable)
    }

    /// Returns the body of a dead letter. Bytes that are not UTF-8 are replaced.
    pub async fn dead_letter_body(&self, id: &str) -> Result<Option<String>, QueueError> {
        let (number, id) = (self.state.number, id.to_owned());
        let body = move |connection: &Connection| {
            let mut query = connection.prepare(
                "SELECT body FROM dead_letters JOIN events USING (seq)
                 WHERE consumer = ?1 AND dead_letters.id = ?2",
            )?;
            query
                .query_map(params![number, id], |row| text(row, 0))?
                .next()
                .transpose()
        };
        self.log.journal.read(body).await.map_err(unavailable)
    }

    /// Makes a dead letter visible again, as an event that was never received. Returns whether it was done: one
    /// whose body was lost stays.
    pub async fn redrive(&self, id: &str) -> Result<bool, QueueError> {
        let for_log = id;
        let (number, id) = (self.state.number, id.to_owned());
        let redrive = move |connection: &Connection| {
            let back = "INSERT OR REPLACE INTO pending (consumer, seq, attempts, receipt, visible_at)
                        SELECT consumer, seq, 0, receipt + 1, 0 FROM dead_letters WHERE consumer = ?1 AND id = ?2
                            AND EXISTS (SELECT 1 FROM events WHERE events.seq = dead_letters.seq)";
            let moved = connection.execute(back, params![number, id])?;
            let found = match moved {
                0 => "SELECT count(*) FROM dead_letters WHERE consumer = ?1 AND id = ?2",
                _ => return delete(connection, number, &id).map(|_| Redriven::Yes),
            };
            let found: i64 = connection.query_row(found, params![number, id], |row| row.get(0))?;
            Ok(match found {
                0 => Redriven::NotFound,
                _ => Redriven::BodyLost,
            })
        };
        match self.log.journal.write(redrive).await.map_err(unavailable)? {
            Redriven::Yes => Ok(true),
            Redriven::NotFound => Ok(false),
            Redriven::BodyLost => {
                warn!(
                    id = for_log,
                    "the body of this dead letter was lost when the queue was damaged; it can only be deleted"
                );
                Ok(false)
            }
        }
    }

    /// Whether nobody reads for this consumer, because its target was not configured when the last owner started. What is
    /// redriven then waits until an owner asks for the consumer again.
    pub async fn is_stopped(&self) -> Result<bool, QueueError> {
        let number = self.state.number;
        let is_stopped = move |connection: &Connection| cursor::is_stopped(connection, number);
        (self.log.journal.read(is_stopped))
            .await
            .map_err(unavailable)
    }

    /// Deletes a dead letter for good. Returns whether it was there.
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool, QueueError> {
        let (number, id) = (self.state.number, id.to_owned());
        let delete = move |connection: &Connection| {
            store::forget_dead_letters(connection, number, &id)?;
            delete(connection, number, &id)
        };
        let deleted = self.log.journal.write(delete).await.map_err(unavailable)?;
        Ok(deleted > 0)
    }
}

/// What became of a dead letter that was to be redriven.
enum Redriven {
    Yes,
    NotFound,
    /// A repair could not read its event.
    BodyLost,
}

fn delete(connection: &Connection, consumer: i64, id: &str) -> rusqlite::Result<usize> {
    let delete = "DELETE FROM dead_letters WHERE consumer = ?1 AND id = ?2";
    connection.execute(delete, params![consumer, id])
}

/// Reads a number; a damaged row may hold anything.
pub(super) fn integer(row: &Row<'_>, at: usize) -> rusqlite::Result<i64> {
    Ok(row.get_ref(at)?.as_i64().unwrap_or(0))
}

/// Reads a text; a damaged row may hold other bytes.
pub(super) fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
    })
}
