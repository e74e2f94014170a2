//! Reads a table, merges an event into it, and writes it back, if it is still the one that was read.
//!
//! Two processes that write one table do not overwrite each other: UpdateTable names the version that was read, and the
//! service answers `ConcurrentModificationException` if there is a newer one. Then the table is read again. Within the
//! process `glue.rs` lets one event after the other write a table. Decides nothing: see `merge.rs`.

use std::time::{Duration, SystemTime};

use aws::glue::{CreateDatabase, CreateTable, GetTable, Table, UpdateTable};
use aws::{Client, Error};
use openlineage::Identity;
use tokio::time::sleep;

use super::fact::Fact;
use super::merge::{MergeResult, created, is_of, merge};
use super::name::{TableName, TableRef};
use super::seen::TableMemory;

/// How often a table is read and written for one event. Each time somebody else wrote it in between; after that the event is
/// left to the queue.
const ATTEMPTS: u32 = 5;

/// The wait before the table is read again, doubled each time. A commit of Iceberg takes some 100 ms.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The catalog, as it is written to.
#[derive(Debug, Clone)]
pub(super) struct Catalog {
    pub(super) client: Client,
    /// The most bytes of a parameter.
    pub(super) max_bytes: usize,
}

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableOutcome {
    /// It says what the event says, or something newer.
    Done,
    /// It was not written: why.
    LeftAlone(&'static str),
}

/// Why a table does not say what the event says.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error(transparent)]
    Service(#[from] Error),
    /// Others write it all the time.
    #[error("the table was changed by others at the same time, {ATTEMPTS} times")]
    Contended,
    /// Both names that it could have are those of other tables.
    #[error("both names for the table of the dataset are taken")]
    NameTaken,
}

impl Catalog {
    /// Makes the table say what the event says.
    pub(super) async fn apply(
        &self,
        place: &TableRef,
        fact: &Fact,
        seen: &TableMemory,
    ) -> Result<TableOutcome, TableError> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(wait(attempt)).await;
            }
            match self.attempt(place, fact, seen).await {
                Err(TableError::Service(error)) if is_conflict(&error) => {}
                applied => return applied,
            }
        }
        Err(TableError::Contended)
    }

    async fn attempt(
        &self,
        place: &TableRef,
        fact: &Fact,
        seen: &TableMemory,
    ) -> Result<TableOutcome, TableError> {
        match place {
            TableRef::Named(name) => match self.read(name).await? {
                Some(table) => self.write(name, &table, fact, seen).await,
                None => Ok(TableOutcome::LeftAlone("it does not exist")),
            },
            TableRef::Created { table, dataset } => {
                for name in [table.clone(), table.apart(dataset)] {
                    match self.read(&name).await? {
                        None => return self.create(&name, dataset, fact).await,
                        Some(table) if is_of(&table.members, dataset) => {
                            return self.write(&name, &table, fact, seen).await;
                        }
                        Some(_) => {}
                    }
                }
                Err(TableError::NameTaken)
            }
        }
    }

    async fn read(&self, name: &TableName) -> Result<Option<Table>, Error> {
        let get = GetTable {
            catalog_id: name.account.clone(),
            database_name: name.database.clone(),
            name: name.table.clone(),
        };
        match self.client.send(&get).await {
            Ok(table) => Ok(Some(table)),
            // The table, or its database.
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        name: &TableName,
        table: &Table,
        fact: &Fact,
        seen: &TableMemory,
    ) -> Result<TableOutcome, TableError> {
        let table_input = match merge(&table.to_input(), fact, seen, self.max_bytes) {
            MergeResult::Unchanged => return Ok(TableOutcome::Done),
            MergeResult::LeftAlone(why) => return Ok(TableOutcome::LeftAlone(why)),
            MergeResult::Changed(input) => input,
        };
        let update = UpdateTable {
            catalog_id: name.account.clone(),
            database_name: name.database.clone(),
            table_input,
            version_id: table.version_id.clone(),
        };
        self.client.send(&update).await?;
        Ok(TableOutcome::Done)
    }

    async fn create(
        &self,
        name: &TableName,
        dataset: &Identity,
        fact: &Fact,
    ) -> Result<TableOutcome, TableError> {
        let create = CreateTable {
            catalog_id: name.account.clone(),
            database_name: name.database.clone(),
            table_input: created(name, dataset, fact, self.max_bytes),
        };
        match self.client.send(&create).await {
            Err(error) if error.is(NOT_FOUND) => self.create_database(name).await?,
            created => return Ok(created.map(|()| TableOutcome::Done)?),
        }
        self.client.send(&create).await?;
        Ok(TableOutcome::Done)
    }

    async fn create_database(&self, name: &TableName) -> Result<(), Error> {
        let create = CreateDatabase {
            catalog_id: name.account.clone(),
            name: name.database.clone(),
            description: Some("Datasets of lineage events, by lineage-proxy".to_owned()),
        };
        match self.client.send(&create).await {
            Err(error) if !error.is(EXISTS) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

const NOT_FOUND: &str = "EntityNotFoundException";
const EXISTS: &str = "AlreadyExistsException";

/// Whether the table is another one than was read: changed, created or deleted meanwhile.
fn is_conflict(error: &Error) -> bool {
    ["ConcurrentModificationException", EXISTS, NOT_FOUND]
        .iter()
        .any(|code| error.is(code))
}

/// Processes that conflict wait for different times: their clocks differ in the nanoseconds.
fn wait(attempt: u32) -> Duration {
    let base = FIRST_WAIT * 2_u32.pow(attempt - 1);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let part = since.unwrap_or_default().subsec_nanos() % 1_000;
    base + base * part / 1_000
}
