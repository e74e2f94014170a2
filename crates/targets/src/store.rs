//! The store in the data folder: where events go when no target is named, and can be read again.
//!
//! An event that is delivered twice is there once: its id in the queue is the key.

use std::path::Path;
use std::sync::Arc;

use journal::{Claim, Journal};
use openlineage::Event;

use crate::{Delivery, Failure, Reason, Scope};

const SCHEMA: &str = "
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
";

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

/// Where an event stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
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

    /// Looks now whether the open file is still the one that the path names, and puts it back where not.
    pub async fn verify(&self) -> Result<(), journal::Error> {
        self.journal.verify().await
    }

    /// Where `limit` events after the first `offset` stand, and how many there are in all. Their texts are read by
    /// [`texts`](Self::texts), a few at a time: together they may be larger than memory.
    pub async fn page(
        &self,
        order: Order,
        limit: u32,
        offset: u32,
    ) -> Result<(Vec<Place>, u64), journal::Error> {
        let direction = match order {
            Order::Asc => "ASC",
            Order::Desc => "DESC",
        };
        let page = move |connection: &rusqlite::Connection| {
            let sql = format!(
                "SELECT seq, octet_length(event) FROM events ORDER BY seq {direction} LIMIT ?1 OFFSET ?2"
            );
            let mut statement = connection.prepare(&sql)?;
            let places = statement
                .query_map([limit, offset], |row| {
                    let size: i64 = row.get(1)?;
                    Ok(Place {
                        seq: row.get(0)?,
                        size: usize::try_from(size).unwrap_or(usize::MAX),
                    })
                })?
                .collect::<Result<Vec<Place>, _>>()?;
            let total: i64 =
                connection.query_row("SELECT events FROM total", [], |row| row.get(0))?;
            Ok((places, total.unsigned_abs()))
        };
        self.journal.read(page).await
    }

    /// The events at `places`, as they were delivered.
    pub async fn texts(&self, places: Vec<Place>) -> Result<Vec<String>, journal::Error> {
        let texts = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare("SELECT event FROM events WHERE seq = ?1")?;
            places
                .iter()
                .map(|place| statement.query_row([place.seq], |row| row.get(0)))
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
            // A full or failing disk: the event waits in the queue until there is room.
            Err(error) => Delivery::Transient(Failure::new(
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
    async fn an_event_is_there_once_and_as_it_came() {
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
        let (places, total) = store.page(Order::Desc, 1, 1).await.unwrap();
        assert_eq!((places[0].size, total), (text.len(), 2));
        assert_eq!(store.texts(places).await.unwrap(), [text]);
    }
}
