//! The ledger of sources: how far each has read, and, where events go to SQS, which events it found.
//!
//! A position is written after the queue has the events before it. So a crash in between finds some events again: the embedded
//! queue knows them by itself (`identities.rs`). SQS does not, so there the order is: look up here, send, remember here. What
//! was sent and not remembered when the process was killed is sent again. A `serve` keeps its ledger in the data folder
//! (`ledger/folder.rs`), and functions keep theirs in a table (`ledger/table.rs`).

mod folder;
mod table;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use journal::Claim;
use uuid::Uuid;

use crate::QueueError;
use folder::Folder;
use table::Table;

pub use table::MOVED_MEANWHILE;

/// A ledger. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger(Store);

#[derive(Debug, Clone)]
enum Store {
    Folder(Folder),
    Table(Table),
}

impl Ledger {
    /// Opens or creates the ledger in the folder that this process has claimed. A damaged one is repaired first; what is lost
    /// is said.
    pub async fn own(claim: Arc<Claim>) -> Result<Ledger, journal::Error> {
        Ok(Ledger(Store::Folder(Folder::own(claim).await?)))
    }

    /// The ledger in a table of DynamoDB, whose key is the text `id`, and which forgets by `expires`. Nothing is called yet.
    pub fn table(aws: &aws::Aws, name: String) -> Ledger {
        Ledger(Store::Table(Table::new(aws, name)))
    }

    /// The file of the ledger in a data folder.
    pub fn path(folder: &Path) -> std::path::PathBuf {
        Folder::path(folder)
    }

    /// Returns the position of a source, as it was written. `None`: the source has none yet.
    pub async fn position(&self, source: &str) -> Result<Option<String>, QueueError> {
        match &self.0 {
            Store::Folder(folder) => folder.position(source).await,
            Store::Table(table) => table.position(source).await,
        }
    }

    /// Writes the position of a source. It is durable when this returns.
    pub async fn advance(&self, source: &str, position: String) -> Result<(), QueueError> {
        match &self.0 {
            Store::Folder(folder) => folder.advance(source, position).await,
            Store::Table(table) => table.advance(source, position).await,
        }
    }

    /// Returns those of the identities that were remembered.
    pub async fn known(&self, identities: Vec<Uuid>) -> Result<HashSet<Uuid>, QueueError> {
        match &self.0 {
            Store::Folder(folder) => folder.known(identities).await,
            Store::Table(table) => table.known(identities).await,
        }
    }

    /// Remembers identities, and forgets some old ones. They are durable when this returns.
    pub async fn remember(&self, identities: Vec<Uuid>) -> Result<(), QueueError> {
        match &self.0 {
            Store::Folder(folder) => folder.remember(identities).await,
            Store::Table(table) => table.remember(identities).await,
        }
    }

    /// See [`journal::Journal::closed`]. A table has nothing to close.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let closed = match &self.0 {
            Store::Folder(folder) => Some(folder.closed()),
            Store::Table(_) => None,
        };
        async move {
            if let Some(closed) = closed {
                closed.await;
            }
        }
    }

    /// See [`journal::Journal::failed`]. A table never fails for good.
    pub async fn failed(&self) -> journal::Failure {
        match &self.0 {
            Store::Folder(folder) => folder.failed().await,
            Store::Table(_) => std::future::pending().await,
        }
    }
}
