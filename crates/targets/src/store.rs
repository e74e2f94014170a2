//! The store in the data folder: the default target, from which events can be read back.
//!
//! An event that is delivered twice is stored once: its id in the queue is the key. The database itself is that of
//! `journal`. Called by `lib.rs`, and by the routes that read back.

use std::path::Path;
use std::sync::Arc;

use journal::{Claim, Failure, Journal, Schema};
use openlineage::Event;

use crate::{Delivery, Reason, Scope};

const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS events (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            delivered_at INTEGER NOT NULL DEFAULT (unixepoch()),
            event TEXT NOT NULL
        );
        -- How many there are, without counting a million of them.
        CREATE TABLE IF NOT EXISTS total (one INTEGER PRIMARY KEY CHECK (one = 1), events INTEGER NOT NULL);
        INSERT OR IGNORE INTO total SELECT 1, count(*) FROM events;
        CREATE TRIGGER IF NOT EXISTS counted AFTER INSERT ON events BEGIN UPDATE total SET events = events + 1; END;
    ",
    migrations: &[],
    can_shrink: false,
};

/// Delivered events, in order of delivery.
#[derive(Debug, Clone)]
pub struct Store {
    journal: Journal,
    _claim: Arc<Claim>,
}

/// In which order events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest delivery first.
    Asc,
    /// The newest first.
    Desc,
}

/// The row of an event in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent {
    seq: i64,
    /// Bytes of its text.
    pub size: usize,
}

impl Store {
    /// Opens or creates the store at `path`, in the folder that this process has claimed.
    pub fn open(path: &Path, claim: Arc<Claim>) -> Result<Store, journal::Error> {
        Ok(Store {
            journal: Journal::own(path, SCHEMA, &claim)?,
            _claim: claim,
        })
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub async fn verify(&self) -> Result<(), journal::Error> {
        self.journal.verify().await
    }

    /// Waits until the store has failed for good: the process has to end then, and be started again.
    pub async fn failed(&self) -> Failure {
        self.journal.failed().await
    }

    /// Returns a future that completes when the last clone is dropped and the file is closed.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.journal.closed()
    }

    /// Whether the store has failed for good. What only its open files hold may still be being saved.
    pub fn has_failed(&self) -> bool {
        self.journal.has_failed()
    }

    /// Returns `limit` events after the first `offset`, and how many there are in all. Their texts are read with
    /// [`texts`](Self::texts), a few at a time: together they may be larger than memory.
    pub async fn page(
        &self,
        order: Order,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<StoredEvent>, u64), journal::Error> {
        let direction = match order {
            Order::Asc => "ASC",
            Order::Desc => "DESC",
        };
        let page = move |connection: &rusqlite::Connection| {
            let sql = format!(
                "SELECT seq, octet_length(event) FROM events ORDER BY seq {direction} LIMIT ?1 OFFSET ?2"
            );
            let mut statement = connection.prepare(&sql)?;
            let events = statement
                .query_map([limit, offset], |row| {
                    let size: i64 = row.get(1)?;
                    Ok(StoredEvent {
                        seq: row.get(0)?,
                        size: usize::try_from(size).unwrap_or(usize::MAX),
                    })
                })?
                .collect::<Result<Vec<StoredEvent>, _>>()?;
            let total: i64 =
                connection.query_row("SELECT events FROM total", [], |row| row.get(0))?;
            Ok((events, total.unsigned_abs()))
        };
        self.journal.read(page).await
    }

    /// Returns the texts of events, as they were delivered.
    pub async fn texts(&self, events: Vec<StoredEvent>) -> Result<Vec<String>, journal::Error> {
        let texts = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare("SELECT event FROM events WHERE seq = ?1")?;
            events
                .iter()
                .map(|event| statement.query_row([event.seq], |row| row.get(0)))
                .collect()
        };
        self.journal.read(texts).await
    }

    pub(crate) async fn deliver(&self, id: &str, event: &Event) -> Delivery {
        let (id, text) = (id.to_owned(), event.text().to_owned());
        let insert = move |connection: &rusqlite::Connection| {
            let mut insert = connection
                .prepare_cached("INSERT OR IGNORE INTO events (id, event) VALUES (?1, ?2)")?;
            insert.execute([&id, &text])
        };
        match self.journal.write(insert).await {
            Ok(_) => Delivery::Delivered { id: None },
            // A full disk, for example: the event waits in the queue.
            Err(error) => Delivery::Transient(crate::Failure::new(
                Reason::Unavailable,
                Scope::Target,
                &error.to_string(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::Level;

    #[tokio::test]
    async fn an_event_is_stored_once_and_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let claim = Claim::take(folder.path()).unwrap();
        let store = Store::open(&folder.path().join("store.db"), Arc::new(claim)).unwrap();
        let text = r#"{ "eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{"namespace":"n","name":"d"},"x":1.0}"#;
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        for id in ["a", "a", "b"] {
            assert_eq!(
                store.deliver(id, &event).await,
                Delivery::Delivered { id: None }
            );
        }
        let (events, total) = store.page(Order::Desc, 1, 1).await.unwrap();
        assert_eq!((events[0].size, total), (text.len(), 2));
        assert_eq!(store.texts(events).await.unwrap(), [text]);
    }
}
