//! The ledger of a `serve`: one small database in the data folder, beside the log or without one.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use journal::{Claim, Journal, Schema};
use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;
use uuid::Uuid;

use crate::{QueueError, identities, now};

/// The file in the data folder.
const FILE: &str = "sources.db";

const SCHEMA: Schema = Schema {
    tables: "
        CREATE TABLE IF NOT EXISTS positions (
            row INTEGER PRIMARY KEY,
            source TEXT NOT NULL UNIQUE,
            -- In the source's own form.
            position TEXT NOT NULL,
            written_at INTEGER NOT NULL
        );
        -- See `identities.rs`, whose table this is.
        CREATE TABLE IF NOT EXISTS identities (
            row INTEGER PRIMARY KEY,
            identity BLOB NOT NULL UNIQUE,
            seen_at INTEGER NOT NULL
        );
    ",
    migrations: &[],
    can_shrink: true,
    page_size: journal::PAGE,
};

/// The ledger of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    journal: Journal,
    /// Held as long as it is used: two processes would read everything twice.
    _claim: Arc<Claim>,
}

impl Folder {
    /// Opens or creates the ledger in the folder that this process has claimed. A damaged one is repaired first; what is lost
    /// is said.
    pub(super) async fn own(claim: Arc<Claim>) -> Result<Folder, journal::Error> {
        let path = claim.folder().join(FILE);
        let journal = Journal::own(&path, SCHEMA, &claim)?;
        journal.write(report_losses).await?;
        Ok(Folder {
            journal,
            _claim: claim,
        })
    }

    /// The file of the ledger in a data folder.
    pub(super) fn path(folder: &Path) -> std::path::PathBuf {
        folder.join(FILE)
    }

    /// Returns the position of a source, as it was written. `None`: the source has none yet.
    pub(super) async fn position(&self, source: &str) -> Result<Option<String>, QueueError> {
        let source = source.to_owned();
        let read = move |connection: &Connection| {
            let select = "SELECT position FROM positions WHERE source = ?1";
            let position = connection.query_row(select, [source], |row| row.get(0));
            position.optional()
        };
        self.journal.read(read).await.map_err(unavailable)
    }

    /// Writes the position of a source. It is durable when this returns.
    pub(super) async fn advance(&self, source: &str, position: String) -> Result<(), QueueError> {
        let source = source.to_owned();
        let write = move |connection: &Connection| {
            let upsert = "
                INSERT INTO positions (source, position, written_at) VALUES (?1, ?2, ?3)
                ON CONFLICT (source) DO UPDATE SET position = ?2, written_at = ?3";
            let mut upsert = connection.prepare_cached(upsert)?;
            upsert.execute(params![source, position, now()]).map(drop)
        };
        self.journal.write(write).await.map_err(unavailable)
    }

    /// Returns those of the identities that were remembered.
    pub(super) async fn known(&self, identities: Vec<Uuid>) -> Result<HashSet<Uuid>, QueueError> {
        let read = move |connection: &Connection| {
            let mut known = HashSet::new();
            for identity in identities {
                if identities::is_taken(connection, identity)? {
                    known.insert(identity);
                }
            }
            Ok(known)
        };
        self.journal.read(read).await.map_err(unavailable)
    }

    /// Remembers identities, and forgets some old ones. They are durable when this returns.
    pub(super) async fn remember(&self, identities: Vec<Uuid>) -> Result<(), QueueError> {
        let write = move |connection: &Connection| {
            let now = now();
            for identity in identities {
                identities::take(connection, identity, now)?;
            }
            identities::forget(connection, now).map(drop)
        };
        self.journal.write(write).await.map_err(unavailable)
    }

    /// See [`Journal::closed`].
    pub(super) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.journal.closed()
    }

    /// See [`Journal::failed`].
    pub(super) async fn failed(&self) -> journal::Failure {
        self.journal.failed().await
    }
}

/// Says what a repair may have lost. Nothing else is to be put right: a source without a position begins again, and finds
/// events that are known.
fn report_losses(connection: &Connection) -> rusqlite::Result<()> {
    let incomplete = journal::incomplete_tables(connection)?;
    for (table, lost) in [
        (
            "positions",
            "positions of sources; a source without one begins again",
        ),
        (
            "identities",
            "events that sources have found; some may be accepted again",
        ),
    ] {
        if incomplete.iter().any(|it| it == table) {
            warn!(lost, "the damaged ledger of sources was repaired");
            journal::forget_incomplete(connection, table)?;
        }
    }
    Ok(())
}

fn unavailable(error: journal::Error) -> QueueError {
    QueueError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ledger(folder: &Path) -> Folder {
        let claim = Arc::new(Claim::take(folder).unwrap());
        Folder::own(claim).await.unwrap()
    }

    #[tokio::test]
    async fn a_position_is_that_which_was_written_last_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = ledger(folder.path()).await;
        assert_eq!(first.position("a").await.unwrap(), None);
        for (source, position) in [("a", "1"), ("b", "2"), ("a", "3")] {
            first.advance(source, position.to_owned()).await.unwrap();
        }
        let closed = first.closed();
        drop(first);
        closed.await;
        let second = ledger(folder.path()).await;
        assert_eq!(second.position("a").await.unwrap().as_deref(), Some("3"));
        assert_eq!(second.position("b").await.unwrap().as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn what_was_remembered_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path()).await;
        let [one, two] = [1, 2].map(Uuid::from_u128);
        ledger.remember(vec![one, one]).await.unwrap();
        let known = ledger.known(vec![two, one]).await.unwrap();
        assert_eq!(known, HashSet::from([one]));
    }

    #[tokio::test]
    async fn a_damaged_ledger_is_repaired_and_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(Folder::path(folder.path()), "no database").unwrap();
        let ledger = ledger(folder.path()).await;
        assert_eq!(ledger.position("a").await.unwrap(), None);
        ledger.advance("a", "1".to_owned()).await.unwrap();
    }
}
