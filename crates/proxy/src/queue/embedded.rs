//! The embedded queue: a table in the data folder, with the meaning of an SQS queue.
//!
//! Visibility time-out, receive count, dead letters with their reason. Writes share commits (`journal`). One `serve`
//! owns it; commands on the same folder may look and redrive while it runs.

mod dead_letters;

use std::fs::{self, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::Journal;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use tokio::sync::Notify;

use super::{Message, Record, SendError, Settlement, Unavailable, now};

pub use dead_letters::DeadLetter;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS messages_in_sight ON messages (visible_at, seq);
    CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        dead_at INTEGER NOT NULL,
        receives INTEGER NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
";

/// How long a client may wait for its commit: below the clients' own time-out of 5 s, so that they see our 503.
const SEND: Duration = Duration::from_secs(4);

/// How often to look without being told: another process may have put dead letters back.
const LOOK: Duration = Duration::from_secs(1);

/// The queue file in a data folder.
const FILE: &str = "queue.db";

/// A queue on disk.
#[derive(Debug, Clone)]
pub struct Embedded {
    journal: Journal,
    visibility: Duration,
    arrived: Arc<Notify>,
    /// Held as long as the queue is used: two `serve` on one folder would deliver everything twice.
    _lock: Option<Arc<fs::File>>,
}

/// How the queue stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Waiting, in sight.
    pub waiting: u64,
    /// Received and not settled, or waiting for another try.
    pub out_of_sight: u64,
    /// Given up.
    pub dead_letters: u64,
    /// Age of the oldest event that is not delivered, in seconds.
    pub oldest_seconds: Option<u64>,
}

impl Embedded {
    /// Opens or creates the queue in `folder` for the one process that serves it. What an earlier one had received
    /// and not settled is in sight again.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let named =
            |error: &dyn std::fmt::Display| Unavailable(format!("{}: {error}", folder.display()));
        fs::create_dir_all(folder).map_err(|error| named(&error))?;
        let lock = fs::File::create(folder.join("lock")).map_err(|error| named(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(named(&"another lineage-proxy serves from this folder"));
            }
            Err(TryLockError::Error(error)) => return Err(named(&error)),
        }
        let queue = Embedded {
            _lock: Some(Arc::new(lock)),
            ..Embedded::open(folder, visibility)?
        };
        let free = |connection: &Connection| {
            // What waits for another try after a failure is tried at once too: a restart is often the cure.
            connection.execute(
                "UPDATE messages SET visible_at = ?1 WHERE visible_at > ?1 AND receives > 0",
                [now()],
            )
        };
        queue.journal.write(free).await.map_err(unavailable)?;
        Ok(queue)
    }

    /// Opens the queue in `folder` beside the process that serves it.
    pub fn open(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let journal = Journal::open(&folder.join(FILE), SCHEMA).map_err(unavailable)?;
        Ok(Embedded {
            journal,
            visibility,
            arrived: Arc::default(),
            _lock: None,
        })
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let count = messages.len();
        let insert = move |connection: &Connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO messages (id, body, received_at, visible_at) VALUES (?1, ?2, ?3, ?3)",
            )?;
            messages.iter().try_for_each(|m| {
                insert
                    .execute(params![m.id, m.body, m.received_at])
                    .map(drop)
            })
        };
        let result = match tokio::time::timeout(SEND, self.journal.write(insert)).await {
            Ok(written) => written.map_err(|error| SendError::Unavailable(error.to_string())),
            Err(_) => Err(SendError::Unavailable("the disk is too slow".to_owned())),
        };
        if result.is_ok() {
            self.arrived.notify_one();
        }
        vec![result; count]
    }

    pub(super) async fn receive(
        &self,
        size: usize,
        window: Duration,
    ) -> Result<Vec<Record>, Unavailable> {
        let arrived = self.arrived.notified();
        let limit = i64::try_from(size).unwrap_or(i64::MAX);
        let in_sight = move |connection: &Connection| {
            let sql = "SELECT count(*), min(visible_at) FROM (SELECT visible_at FROM messages ORDER BY visible_at LIMIT ?1)
                       WHERE visible_at <= ?2";
            connection.query_row(sql, [limit, now()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
            })
        };
        let (count, first) = self.journal.read(in_sight).await.map_err(unavailable)?;
        let waited =
            first.map(|first| Duration::from_millis(u64::try_from(now() - first).unwrap_or(0)));
        let rest = waited.map(|waited| window.saturating_sub(waited));
        if count >= limit || rest == Some(Duration::ZERO) {
            return self.claim(limit).await;
        }
        let _ = tokio::time::timeout(rest.unwrap_or(LOOK).min(LOOK), arrived).await; // either way: look again
        Ok(Vec::new())
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Record>, Unavailable> {
        let until = now() + i64::try_from(self.visibility.as_millis()).unwrap_or(i64::MAX / 2);
        let claim = move |connection: &Connection| {
            let mut claim = connection.prepare_cached(
                "UPDATE messages SET visible_at = ?1, receives = receives + 1
                 WHERE seq IN (SELECT seq FROM messages WHERE visible_at <= ?2 ORDER BY visible_at, seq LIMIT ?3)
                 RETURNING seq, id, body, received_at, receives",
            )?;
            let mut records = claim
                .query_map([until, now(), limit], |row| {
                    Ok((row.get::<_, i64>(0)?, record(row)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            records.sort_by_key(|(seq, _)| *seq); // RETURNING promises no order
            Ok(records.into_iter().map(|(_, record)| record).collect())
        };
        self.journal.write(claim).await.map_err(unavailable)
    }

    pub(super) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        let settlements: Vec<(String, u32, Settlement)> = records
            .iter()
            .map(|(record, to)| (record.receipt.clone(), record.receives, to.clone()))
            .collect();
        let settle = move |connection: &Connection| {
            for (seq, receives, settlement) in &settlements {
                settle_one(connection, seq, *receives, settlement)?;
            }
            Ok(())
        };
        let result = self.journal.write(settle).await.map_err(unavailable);
        vec![result; records.len()]
    }

    pub(super) async fn ready(&self) -> Result<(), Unavailable> {
        let write = self
            .journal
            .write(|connection| connection.execute("DELETE FROM messages WHERE seq < 0", []));
        match tokio::time::timeout(SEND, write).await {
            Ok(written) => written.map(drop).map_err(unavailable),
            Err(_) => Err(Unavailable("the disk is too slow".to_owned())),
        }
    }

    /// How the queue stands.
    pub async fn status(&self) -> Result<Status, Unavailable> {
        let status = |connection: &Connection| {
            let now = now();
            let count = |sql: &str| {
                connection
                    .query_row(sql, [now], |row| row.get::<_, i64>(0))
                    .map(i64::unsigned_abs)
            };
            let oldest: Option<i64> =
                connection.query_row("SELECT min(received_at) FROM messages", [], |row| {
                    row.get(0)
                })?;
            Ok(Status {
                waiting: count("SELECT count(*) FROM messages WHERE visible_at <= ?1")?,
                out_of_sight: count("SELECT count(*) FROM messages WHERE visible_at > ?1")?,
                dead_letters: count("SELECT count(*) FROM dead_letters WHERE ?1 > 0")?,
                oldest_seconds: oldest.map(|oldest| (now - oldest).max(0).unsigned_abs() / 1_000),
            })
        };
        self.journal.read(status).await.map_err(unavailable)
    }
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

/// Settles a record if it is still this receiver's: one that came back and was received again has a higher count.
fn settle_one(
    connection: &Connection,
    seq: &str,
    receives: u32,
    settlement: &Settlement,
) -> rusqlite::Result<()> {
    let delete = |connection: &Connection| {
        let mut delete =
            connection.prepare_cached("DELETE FROM messages WHERE seq = ?1 AND receives = ?2")?;
        delete.execute(params![seq, receives]).map(drop)
    };
    match settlement {
        Settlement::Done => delete(connection),
        Settlement::Retry(after) => {
            let visible_at = now() + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2);
            let mut back = connection.prepare_cached(
                "UPDATE messages SET visible_at = ?3 WHERE seq = ?1 AND receives = ?2",
            )?;
            back.execute(params![seq, receives, visible_at]).map(drop)
        }
        Settlement::DeadLetter(reason) => {
            let mut bury = connection.prepare_cached(
                "INSERT INTO dead_letters (id, body, received_at, dead_at, receives, reason)
                 SELECT id, body, received_at, ?3, receives, ?4 FROM messages WHERE seq = ?1 AND receives = ?2",
            )?;
            bury.execute(params![seq, receives, now(), reason])?;
            delete(connection)
        }
    }
}

fn unavailable(error: journal::Error) -> Unavailable {
    Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            body: format!("body of {id}").into(),
            received_at: now(),
            group: String::new(),
        }
    }

    async fn queue(folder: &Path) -> Embedded {
        Embedded::own(folder, Duration::from_secs(60))
            .await
            .unwrap()
    }

    fn ids(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.id.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_received_is_out_of_sight_until_it_is_settled_or_handed_back() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue
            .send(vec![message("a"), message("b"), message("c")])
            .await;
        let records = queue.receive(2, NOW).await.unwrap();
        assert_eq!(ids(&records), ["a", "b"]);
        queue
            .settle(&[
                (&records[0], Settlement::Done),
                (&records[1], Settlement::Retry(NOW)),
            ])
            .await;
        let again = queue.receive(9, NOW).await.unwrap();
        assert_eq!(ids(&again), ["b", "c"]);
        assert_eq!(again[0].receives, 2);
        // The first receiver's receipt is worth nothing now.
        queue.settle(&[(&records[1], Settlement::Done)]).await;
        assert_eq!(queue.status().await.unwrap().out_of_sight, 2);
    }

    #[tokio::test]
    async fn a_batch_waits_for_company_but_not_longer_than_the_window() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue.send(vec![message("a")]).await;
        assert!(
            queue
                .receive(2, Duration::from_millis(80))
                .await
                .unwrap()
                .is_empty()
        );
        let more = {
            let queue = queue.clone();
            tokio::spawn(async move { queue.send(vec![message("b")]).await })
        };
        let mut records = Vec::new();
        while records.is_empty() {
            records = queue.receive(2, Duration::from_secs(60)).await.unwrap();
        }
        assert_eq!(ids(&records), ["a", "b"]);
        more.await.unwrap();
    }

    #[tokio::test]
    async fn dead_letters_keep_their_reason_and_can_be_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue.send(vec![message("a"), message("b")]).await;
        let records = queue.receive(2, NOW).await.unwrap();
        let dead = |reason: &str| Settlement::DeadLetter(reason.to_owned());
        queue
            .settle(&[
                (&records[0], dead("too_large: 310000 bytes")),
                (&records[1], dead("invalid: no run")),
            ])
            .await;
        let letters = queue.dead_letters("too_large", 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].id.as_str()), (1, "a"));
        assert_eq!(
            queue.dead_letter_body("a").await.unwrap().unwrap(),
            "body of a"
        );
        assert!(queue.redrive("a").await.unwrap());
        assert!(queue.delete_dead_letter("b").await.unwrap());
        assert!(!queue.redrive("b").await.unwrap());
        assert_eq!(queue.receive(2, NOW).await.unwrap()[0].receives, 1);
    }

    #[tokio::test]
    async fn a_new_owner_finds_what_the_last_one_had_in_hand_and_there_is_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = queue(folder.path()).await;
        first.send(vec![message("a")]).await;
        first.receive(1, NOW).await.unwrap();
        let second = Embedded::own(folder.path(), NOW).await.unwrap_err();
        assert!(
            second.to_string().contains("another lineage-proxy"),
            "{second}"
        );
        drop(first);
        assert_eq!(
            ids(&queue(folder.path()).await.receive(1, NOW).await.unwrap()),
            ["a"]
        );
    }
}
