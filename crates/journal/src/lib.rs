//! SQLite behind one writer thread that commits in groups.
//!
//! Writes that arrive during a commit share the next one, so that 32 clients do not wait for 32 fsyncs. A write is
//! answered after its commit is on disk (WAL, `synchronous = FULL`), and after the path was seen to name the file.
//!
//! The database is crash-only. A damaged file is repaired when it is opened, before anything else runs (`repair.rs`).
//! If damage is found while it is open, or the path no longer names the file, the database fails: all requests fail,
//! what only the open file contains is saved (`rescue.rs`), and [`Journal::failed`] completes, so that the process ends
//! and its next start recovers everything. A full or read-only disk does not make it fail: the writes return errors and
//! can be repeated.
//!
//! Does not know about events: the embedded queue and the store bring their tables.

mod claim;
mod connections;
mod durable;
mod failure;
mod files;
mod identity;
mod lock;
mod losses;
mod page_size;
mod private;
mod repair;
mod replacement;
mod request;
mod rescue;
mod rows;
mod schema;
mod wal;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use connections::{connect, connect_beside, has_log, reader, reader_by};
use failure::State;
use replacement::io_error;
use request::{Request, WriteError};
use writer::Writer;

pub use claim::{Claim, ClaimError};
pub use durable::{replace_file, sync_folder_of};
pub use failure::Failure;
pub use identity::{Displacement, Identity};
pub use lock::{FileLock, LockError};
pub use losses::{forget_incomplete, incomplete_tables};
pub use private::{check_creatable, check_writable, create_file, create_folder, exposed};
pub use schema::Schema;

/// SQLite's own size of a page, in bytes.
pub const PAGE: usize = 4_096;

/// The most requests that wait for the writer. When there are more, callers wait to send theirs, which is how a slow
/// disk slows them down.
const WAITING: usize = 1_024;

/// How long another process (the CLI on a running proxy's data) may lock the file before a write fails.
const BUSY: Duration = Duration::from_secs(3);

/// How many prepared statements a connection keeps: more than its users have. With rusqlite's 16, those of one round of appending,
/// receiving and settling would displace each other, and be compiled each time.
const STATEMENTS: usize = 128;

/// How many connections for reading are kept: about as many as read at the same time, each with a cache of some pages.
const IDLE: usize = 4;

/// Size of the write-ahead log that stays on disk after a burst, in bytes.
const LOG_LIMIT: u32 = 64 << 20;

/// A database with one writer. Cheap to clone; the writer ends, all writes done, with the last clone.
#[derive(Clone, Debug)]
pub struct Journal {
    path: Arc<Path>,
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<State>,
    /// Idle connections for reading, at most [`IDLE`]: opening one costs more than most reads.
    idle: Arc<Mutex<Vec<Connection>>>,
    access: Access,
}

/// How connections for reading are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// With the write-ahead log, which another connection writes.
    Logged,
    /// Without, for as long as there is none.
    Unlogged,
}

/// Why a write or read failed. It had no effect on the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// SQLite's error: disk full, read-only, damaged, locked by another process.
    #[error("{path}: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// The error.
        source: Arc<rusqlite::Error>,
    },
    /// The work panicked, which is a bug in it. The database continues to work.
    #[error("{0}: a write or read panicked")]
    Panicked(PathBuf),
    /// The database has failed for good: see [`Journal::failed`].
    #[error("{0}")]
    Failed(Failure),
}

impl Error {
    /// Whether files cannot be written or created.
    fn cannot_write(&self) -> bool {
        let Error::Database { source, .. } = self else {
            return false;
        };
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
        )
    }

    /// Whether a later attempt may succeed without an intervention: another process locks the file, or the disk is
    /// full.
    pub fn may_pass(&self) -> bool {
        let Error::Database { source, .. } = self else {
            return false;
        };
        // An error outside SQLite, such as that of creating the file.
        if let rusqlite::Error::ToSqlConversionFailure(why) = &**source {
            let kind = why.downcast_ref::<io::Error>().map(io::Error::kind);
            return matches!(
                kind,
                Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            );
        }
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
        )
    }
}

impl Journal {
    /// Opens the database at `path` beside the process that owns it. One that does not exist, is damaged, or has not the
    /// tables of this version is an error: nothing is created or migrated under the owner's hands.
    pub fn open(path: &Path, schema: Schema) -> Result<Journal, Error> {
        let connection = connect_beside(path, &schema).map_err(|source| database(path, source))?;
        Journal::start(path, schema, connection, None)
    }

    /// Like [`open`](Journal::open), for who only reads. SQLite needs the log and its index beside the database, and cannot create them in a
    /// folder that is read-only (<https://www.sqlite.org/wal.html#read_only_databases>). The owner deletes the log when it closes the
    /// database; while there is none, the database is read without it.
    pub fn open_to_read(path: &Path, schema: Schema) -> Result<Journal, Error> {
        let error = match Journal::open(path, schema) {
            Err(error) if error.cannot_write() && !has_log(path) => error,
            opened => return opened,
        };
        let connection = reader_by(path, Access::Unlogged);
        let connection = connection.and_then(|connection| {
            schema.check(&connection)?;
            Ok(connection)
        });
        // What has begun to write meanwhile is the reason.
        connection.map_err(|_| error)?;
        let (requests, _) = mpsc::channel(1);
        let (_, state) = watch::channel(State::Open);
        Ok(Journal {
            path: path.into(),
            requests,
            state,
            idle: Arc::default(),
            access: Access::Unlogged,
        })
    }

    /// Opens or creates the database at `path`, for the only process that owns it. The process owns the folder too, for as long
    /// as it holds `claim`.
    ///
    /// First, the database is recovered. A file that an earlier process saved replaces the one at `path`. A damaged file is
    /// renamed, and its readable rows are copied to a new file; that reads the whole file, and is logged. [`incomplete_tables`]
    /// lists the tables of which rows may be missing.
    pub fn own(path: &Path, schema: Schema, claim: &Arc<Claim>) -> Result<Journal, Error> {
        let connection = repair::open(path, &schema).map_err(|source| database(path, source))?;
        Journal::start(path, schema, connection, Some(Arc::downgrade(claim)))
    }

    fn start(
        path: &Path,
        schema: Schema,
        connection: Connection,
        claim: Option<Weak<Claim>>,
    ) -> Result<Journal, Error> {
        let failed = |error| database(path, io_error(error));
        let (requests, waiting) = mpsc::channel(WAITING);
        let (published, state) = watch::channel(State::Open);
        let writer = Writer::new(path.to_owned(), schema, connection, claim, published);
        let writer = writer.map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let thread = std::thread::Builder::new().name(name.into_owned());
        thread.spawn(move || writer.run(waiting)).map_err(failed)?;
        Ok(Journal {
            path: path.into(),
            requests,
            state,
            idle: Arc::default(),
            access: Access::Logged,
        })
    }

    /// Does `work` in a transaction, and returns when it is durable. Work that fails leaves no trace, and does not
    /// affect the other writes of its group.
    pub async fn write<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        self.request(|answer| Request::Write(request::write(work, answer)))
            .await
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub async fn verify(&self) -> Result<(), Error> {
        self.request(Request::Verify).await
    }

    /// Waits until the database has failed for good, and everything that was acknowledged is where the next open finds
    /// it. Then the process has to end, and be started again.
    pub async fn failed(&self) -> Failure {
        let mut state = self.state.clone();
        let saved = state.wait_for(|state| matches!(state, State::Saved(_)));
        match saved.await.as_deref() {
            Ok(State::Saved(failure)) => failure.clone(),
            // Without a failure, the writer ends while there are callers only if it panics.
            Ok(State::Open | State::Saving(_)) | Err(_) => self.writer_stopped(),
        }
    }

    /// Returns a future that completes when the last clone is dropped and the writer has closed the file. It does not keep
    /// the database open itself.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.state.clone();
        async move { while state.changed().await.is_ok() {} }
    }

    /// Whether the database has failed for good. Its rows may still be being saved: see [`Journal::failed`]. One that is read without
    /// its log has failed as soon as there is one.
    pub fn has_failed(&self) -> bool {
        let is_open = matches!(&*self.state.borrow(), State::Open);
        !is_open || self.access == Access::Unlogged && has_log(&self.path)
    }

    async fn request<R>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<R, WriteError>>) -> Request,
    ) -> Result<R, Error> {
        let stopped = || Error::Failed(self.writer_stopped());
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(request(answer)).await;
        sent.map_err(|_| stopped())?;
        let result = answered.await.map_err(|_| stopped())?;
        result.map_err(|error| match error {
            WriteError::Database(source) => Error::Database {
                path: self.path.to_path_buf(),
                source,
            },
            WriteError::Panicked => Error::Panicked(self.path.to_path_buf()),
            WriteError::Failed(failure) => Error::Failed(failure),
        })
    }

    /// Does `work` on another connection, which sees what is committed and does not wait for the writer.
    pub async fn read<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        if let State::Saving(failure) | State::Saved(failure) = &*self.state.borrow() {
            return Err(Error::Failed(failure.clone()));
        }
        let (path, idle, access) = (self.path.clone(), self.idle.clone(), self.access);
        let reading = tokio::task::spawn_blocking(move || {
            let waiting = lock(&idle).pop();
            let connection = waiting.map_or_else(|| reader_by(&path, access), Ok)?;
            let result = work(&connection)?;
            match access {
                Access::Logged => {
                    let mut idle = lock(&idle);
                    if idle.len() < IDLE {
                        idle.push(connection);
                    }
                }
                // SQLite takes it that nobody writes, and would give out the pages that it has read for ever.
                Access::Unlogged if has_log(&path) => return Err(written_meanwhile()),
                Access::Unlogged => {}
            }
            Ok(result)
        });
        let panicked = |_| Error::Panicked(self.path.to_path_buf());
        let result = reading.await.map_err(panicked)?;
        if let Err(error) = &result {
            self.report(error).await;
        }
        result.map_err(|source| database(&self.path, source))
    }

    /// Asks the writer to check whether the database has failed.
    async fn report(&self, error: &rusqlite::Error) {
        // A writer that has stopped has published its failure.
        if let Some(damage) = repair::damage(error) {
            let request = Request::ReportDamage(damage);
            let _ = self.requests.send(request).await;
        } else {
            let (answer, _) = oneshot::channel();
            let _ = self.requests.try_send(Request::Verify(answer));
        }
    }

    fn writer_stopped(&self) -> Failure {
        Failure::WriterStopped(self.path.to_path_buf())
    }
}

/// Gives up to `pages` free pages of a database that can shrink back to the disk: the file becomes shorter when the log is
/// written into it. Returns how many are free then. Part of a write; moves as many pages from the end of the file.
pub fn reclaim(connection: &Connection, pages: u32) -> rusqlite::Result<u64> {
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {} // each step frees a page
    let free = connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    free.map(i64::unsigned_abs)
}

/// Returns the size of the database, in bytes, with what is only in its log.
fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    let size = connection.query_row(size, [], |row| row.get::<_, i64>(0));
    size.map(i64::unsigned_abs)
}

/// Another process has begun to write a database that was read without its log.
fn written_meanwhile() -> rusqlite::Error {
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    rusqlite::Error::SqliteFailure(busy, Some("another process writes it".to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn database(path: &Path, source: rusqlite::Error) -> Error {
    Error::Database {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests;
