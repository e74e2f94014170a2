//! SQLite behind one writer thread that commits in groups.
//!
//! Writes that arrive while a commit is under way share the next one, so that 32 clients do not wait for 32 fsyncs.
//! A write is answered after its commit is on disk (WAL, `synchronous = FULL`) and not before. Knows no events:
//! the embedded queue (`proxy`) and the store (`targets`) bring their tables.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

/// Writes that share one commit at most: past some hundred, larger groups do not get faster (SQLite WAL, 2–4 KB rows).
const GROUP: usize = 256;

/// Writes that may wait. Past it callers wait to be let in, which is how a slow disk slows them down.
const WAITING: usize = 1_024;

/// How long another process (the CLI on a running proxy's data) may hold the file before a write fails.
const BUSY: Duration = Duration::from_secs(3);

/// A database with one writer. Cheap to clone; the writer ends, all writes done, with the last clone.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
    writes: mpsc::Sender<Write>,
}

/// Why a write or read was not done. Nothing of it is in the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// SQLite's reason: disk full, read-only, damaged, held by another process.
    #[error("{path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Arc<rusqlite::Error>,
    },
    /// The writer is gone: it was stopped.
    #[error("{0}: the writer has stopped")]
    Stopped(PathBuf),
}

/// One write: does its work in the open transaction, and gives what tells its caller once that is committed.
type Write = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Option<Arc<rusqlite::Error>>) + Send>;

impl Journal {
    /// Opens or creates the database at `path` and runs `schema` (idempotent statements).
    pub fn open(path: &Path, schema: &str) -> Result<Journal, Error> {
        let connection = connect(path, OpenFlags::default()).and_then(|connection| {
            connection.execute_batch(schema)?;
            Ok(connection)
        });
        let connection = connection.map_err(|source| database(path, Arc::new(source)))?;
        let (writes, waiting) = mpsc::channel(WAITING);
        let name = path.file_name().map_or_else(
            || "journal".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        std::thread::Builder::new()
            .name(name)
            .spawn(move || write_groups(&connection, waiting))
            .map_err(|error| {
                database(
                    path,
                    Arc::new(rusqlite::Error::ToSqlConversionFailure(Box::new(error))),
                )
            })?;
        Ok(Journal {
            path: path.to_owned(),
            writes,
        })
    }

    /// Does `work` in a transaction and answers when that is durable. Work that fails leaves no trace, and does not
    /// disturb the others of its group.
    pub async fn write<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let write: Write = Box::new(move |connection| {
            let result = in_savepoint(connection, work).map_err(Arc::new);
            Box::new(move |failed| {
                let result = match failed {
                    None => result,
                    Some(error) => Err(error),
                };
                let _ = answer.send(result); // the caller may have gone
            })
        });
        let stopped = || Error::Stopped(self.path.clone());
        self.writes.send(write).await.map_err(|_| stopped())?;
        let result = answered.await.map_err(|_| stopped())?;
        result.map_err(|source| database(&self.path, source))
    }

    /// Does `work` on a connection of its own, which sees what is committed and does not wait for the writer.
    pub async fn read<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let result = Connection::open_with_flags(&path, flags).and_then(|connection| {
                connection.busy_timeout(BUSY)?;
                work(&connection)
            });
            result.map_err(|source| database(&path, Arc::new(source)))
        });
        reading
            .await
            .map_err(|_| Error::Stopped(self.path.clone()))?
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: the WAL is synced at each commit. NORMAL would lose the last ones with the power.
    connection.pragma_update(None, "synchronous", "full")?;
    // What the WAL may keep on disk after a burst, in bytes.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn database(path: &Path, source: Arc<rusqlite::Error>) -> Error {
    Error::Database {
        path: path.to_owned(),
        source,
    }
}

/// The writer: takes what is waiting, writes it in one transaction, commits, answers.
fn write_groups(connection: &Connection, mut waiting: mpsc::Receiver<Write>) {
    while let Some(first) = waiting.blocking_recv() {
        let began = connection.execute_batch("BEGIN IMMEDIATE");
        let mut answers = vec![first(connection)];
        while answers.len() < GROUP
            && let Ok(next) = waiting.try_recv()
        {
            answers.push(next(connection));
        }
        let committed = began.and_then(|()| connection.execute_batch("COMMIT"));
        let failed = committed.err().map(Arc::new);
        if failed.is_some() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK"); // the failure is already on its way to the callers
        }
        for answer in answers {
            answer(failed.clone());
        }
    }
}

fn in_savepoint<R>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
) -> rusqlite::Result<R> {
    // Outside a transaction (BEGIN failed) a savepoint would commit by itself.
    if connection.is_autocommit() {
        return Err(rusqlite::Error::InvalidQuery);
    }
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = work(connection);
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)";

    fn insert(n: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send {
        move |connection| connection.execute("INSERT INTO t VALUES (?1)", [n])
    }

    async fn count(journal: &Journal) -> i64 {
        journal
            .read(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_failed_write_does_not_disturb_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("a.db"), SCHEMA).unwrap();

        let mut good = 0;
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..200 {
            let journal = journal.clone();
            tasks.spawn(async move { journal.write(insert(n / 2)).await });
        }

        while let Some(done) = tasks.join_next().await {
            good += usize::from(done.unwrap().is_ok());
        }
        assert_eq!((good, count(&journal).await), (100, 100));
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Journal::open(&path, SCHEMA)
            .unwrap()
            .write(insert(7))
            .await
            .unwrap();
        assert_eq!(count(&Journal::open(&path, SCHEMA).unwrap()).await, 1);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(
            &path,
            "not a database, but long enough to have a header of its own",
        )
        .unwrap();
        let error = Journal::open(&path, SCHEMA).unwrap_err();
        assert!(error.to_string().contains("a.db"), "{error}");
    }
}
