//! SQLite behind one writer thread that commits in groups.
//!
//! Writes that arrive while a commit is under way share the next one, so that 32 clients do not wait for 32 fsyncs.
//! A write is answered after its commit is on disk (WAL, `synchronous = FULL`) and not before. A file that turns out to
//! be damaged is set aside and what can be read of it moved over (`damage.rs`); one that is removed, moved or replaced
//! while it is open is put back (`held.rs`) before anything is answered. Knows no events: the embedded queue (`proxy`) and
//! the store (`targets`) bring their tables.

mod claim;
mod damage;
mod failure_log;
mod held;
mod identity;
mod private;
mod rows;
mod wal;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use damage::Checked;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{mpsc, oneshot};

pub use claim::{Claim, NotClaimed};
pub use failure_log::FailureLog;
pub use identity::{Displaced, Identity};
pub use private::{create_file, create_folder, exposed};
use writer::{Failed, Request, Writer};

/// Writes that may wait. Past it callers wait to be let in, which is how a slow disk slows them down.
const WAITING: usize = 1_024;

/// How long another process (the CLI on a running proxy's data) may hold the file before a write fails.
const BUSY: Duration = Duration::from_secs(3);

/// What the log may keep on disk after a burst, in bytes.
const LOG_LIMIT: u32 = 64 << 20;

/// How soon a check is tried again that was in the way of much that was written.
const CHECK_AGAIN: Duration = Duration::from_secs(60);

/// A database with one writer. Cheap to clone; the writer ends, all writes done, with the last clone.
#[derive(Clone, Debug)]
pub struct Journal {
    file: Arc<File>,
    requests: mpsc::Sender<Request>,
}

/// Where the database is, and which: a damaged one is replaced while others read.
#[derive(Debug)]
struct File {
    path: PathBuf,
    schema: String,
    /// Held to read, and alone to put another file there.
    swap: RwLock<()>,
    /// How often another file was put there.
    replaced: AtomicU64,
    /// A connection on which nobody reads now: to open one costs more than most reads. And of which file it is.
    idle: Mutex<Option<(u64, Connection)>>,
}

impl File {
    /// Does `work` on a connection that only reads. With it, which file that was.
    fn read<R>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> (rusqlite::Result<R>, u64) {
        let _swap = self.swap.read().unwrap_or_else(PoisonError::into_inner);
        let replaced = self.replaced.load(Ordering::Acquire);
        let idle = self.idle().take().filter(|(of, _)| *of == replaced);
        let connection = idle.map_or_else(|| reader(&self.path), |(_, idle)| Ok(idle));
        let result = connection.and_then(|connection| {
            let result = work(&connection)?;
            *self.idle() = Some((replaced, connection));
            Ok(result)
        });
        (result, replaced)
    }

    fn idle(&self) -> MutexGuard<'_, Option<(u64, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    /// The work panicked: a bug of ours. The writer goes on.
    #[error("{0}: a write or read ended in a panic")]
    Panicked(PathBuf),
    /// The writer is gone: it was stopped.
    #[error("{0}: the writer has stopped")]
    Stopped(PathBuf),
}

impl Error {
    /// Whether a later try may succeed though nobody changes anything: another process holds the file, the disk is full.
    pub fn may_pass(&self) -> bool {
        let Error::Database { source, .. } = self else {
            return false;
        };
        // What fails beside SQLite, such as creating its file.
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
    /// Opens or creates the database at `path` and runs `schema` (idempotent statements), beside the process that owns
    /// it. A damaged file is an error.
    pub fn open(path: &Path, schema: &str) -> Result<Journal, Error> {
        let connection = connect(path, schema).map_err(|source| database(path, source))?;
        Journal::start(path, schema, connection, None)
    }

    /// The same for the one process that owns the file, and its folder as long as `claim` lives. A file that is damaged, or turns out
    /// to be later, is set aside under another name, and what can be read of it is moved to a new one; the log says so.
    /// So is one that stands at the path when the open file does so no more.
    ///
    /// The whole file is checked beside the work that is done on it, since that takes seconds for gigabytes.
    pub fn own(path: &Path, schema: &str, claim: &Arc<Claim>) -> Result<Journal, Error> {
        let failed = |source| database(path, source);
        damage::finish(path).map_err(failed)?;
        if let Some(found) = damage::emptied(path).or_else(|| wal::damage(path)) {
            damage::set_aside(path, schema, &found).map_err(failed)?;
        }
        let connection = match connect(path, schema) {
            Err(error) if damage::is_damage(&error) => {
                damage::set_aside(path, schema, &error.to_string()).map_err(failed)?;
                connect(path, schema)
            }
            connection => connection,
        };
        let journal = Journal::start(
            path,
            schema,
            connection.map_err(failed)?,
            Some(Arc::downgrade(claim)),
        )?;
        let (file, requests) = (journal.file.clone(), journal.requests.downgrade());
        spawn(path, "check", move || {
            let check = || {
                let _swap = file.swap.read().unwrap_or_else(PoisonError::into_inner);
                (
                    damage::check(&file.path),
                    file.replaced.load(Ordering::Acquire),
                )
            };
            let (mut checked, mut replaced) = check();
            while checked == Checked::Disturbs && requests.strong_count() > 0 {
                std::thread::sleep(CHECK_AGAIN);
                (checked, replaced) = check();
            }
            if let (Checked::Damaged(found), Some(requests)) = (checked, requests.upgrade()) {
                let _ = requests.blocking_send(Request::Damaged { replaced, found });
            }
        })?;
        Ok(journal)
    }

    fn start(
        path: &Path,
        schema: &str,
        connection: Connection,
        claim: Option<Weak<Claim>>,
    ) -> Result<Journal, Error> {
        let file = Arc::new(File {
            path: path.to_owned(),
            schema: schema.to_owned(),
            swap: RwLock::default(),
            replaced: AtomicU64::new(0),
            idle: Mutex::default(),
        });
        let (requests, waiting) = mpsc::channel(WAITING);
        let writer = Writer::new(file.clone(), connection, claim)
            .map_err(|error| database(path, damage::io(error)))?;
        spawn(path, "", move || writer.run(waiting))?;
        Ok(Journal { file, requests })
    }

    /// Does `work` in a transaction and answers when that is durable. Work that fails leaves no trace, and does not
    /// disturb the others of its group.
    pub async fn write<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let stopped = || Error::Stopped(self.file.path.clone());
        let request = Request::Write(writer::write(work, answer));
        self.requests.send(request).await.map_err(|_| stopped())?;
        let result = answered.await.map_err(|_| stopped())?;
        result.map_err(|failed| self.error(failed))
    }

    /// Looks now whether the open file is still the one that the path names, and puts it back where not.
    pub async fn verify(&self) -> Result<(), Error> {
        self.write(|_| Ok(())).await
    }

    fn error(&self, failed: Failed) -> Error {
        match failed {
            Failed::Database(source) => Error::Database {
                path: self.file.path.clone(),
                source,
            },
            Failed::Panicked => Error::Panicked(self.file.path.clone()),
        }
    }

    /// Does `work` on another connection, which sees what is committed and does not wait for the writer.
    pub async fn read<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    {
        let file = self.file.clone();
        let reading = tokio::task::spawn_blocking(move || file.read(work));
        let panicked = |_| Error::Panicked(self.file.path.clone());
        let (result, replaced) = reading.await.map_err(panicked)?;
        let stopped = || Error::Stopped(self.file.path.clone());
        if let Err(error) = &result
            && damage::is_damage(error)
        {
            let found = error.to_string();
            let request = Request::Damaged { replaced, found };
            self.requests.send(request).await.map_err(|_| stopped())?;
        } else if result.is_err() {
            // It may be gone: the writer finds out.
            let _ = self.requests.try_send(Request::Look);
        }
        result.map_err(|source| database(&self.file.path, source))
    }
}

/// A connection that writes. Its file is for its owner alone, and so are the log and the index, which SQLite creates
/// with the mode of the database (`findCreateFileMode` in <https://sqlite.org/src/file/src/os_unix.c>).
fn connect(path: &Path, schema: &str) -> rusqlite::Result<Connection> {
    create_file(path).map_err(damage::io)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: the WAL is synced at each commit. NORMAL would lose the last ones with the power.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    connection.execute_batch(schema)?;
    Ok(connection)
}

/// A connection that only reads.
fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // Whoever closes last deletes the log by its name, which may be that of another by then. That is the writer's.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn database(path: &Path, source: rusqlite::Error) -> Error {
    Error::Database {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// A thread that bears the file's name.
fn spawn(path: &Path, what: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let thread = std::thread::Builder::new().name(format!("{name} {what}").trim().to_owned());
    thread.spawn(work).map(drop).map_err(|error| {
        database(
            path,
            rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
        )
    })
}

#[cfg(test)]
mod tests;
