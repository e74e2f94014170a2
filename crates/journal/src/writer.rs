//! The writer: takes what is waiting, writes it in one transaction, commits, answers.
//!
//! A thread of its own, the only one that writes, and the one that puts a new file in the place of a damaged one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::{File, Trouble, connect, damage};

/// Writes that share one commit at most: past some hundred, larger groups do not get faster (SQLite WAL, 2–4 KB rows).
const GROUP: usize = 256;

/// How soon a file may be set aside again: on a disk that damages everything, copies would fill what is left of it.
const ASIDE_AGAIN: Duration = Duration::from_secs(60);

/// What the writer is asked.
pub(crate) enum Request {
    Write(Write),
    /// A reader found the file damaged that was there after so many had been replaced.
    Damaged {
        replaced: u64,
        found: String,
    },
}

/// SQLite's reason, shared by all who are told.
pub(crate) type Reason = Arc<rusqlite::Error>;

/// Why a write was not done.
pub(crate) enum Failed {
    Database(Reason),
    /// A bug in it. It ends alone: with the writer gone, nothing would be taken any more.
    Panicked,
}

/// One write: does its work in the open transaction, unless there is none for that reason.
pub(crate) type Write = Box<dyn FnOnce(Result<&Connection, Reason>) -> Written + Send>;

/// What was written, and who is to be told once that is committed or has failed.
pub(crate) struct Written {
    failed: Option<Reason>,
    answer: Box<dyn FnOnce(Option<Reason>) + Send>,
}

/// A write that does `work` and sends its result to `answer`.
pub(crate) fn write<R, F>(work: F, answer: oneshot::Sender<Result<R, Failed>>) -> Write
where
    R: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
{
    Box::new(move |connection| {
        let result = connection.map_err(Failed::Database);
        let result = result.and_then(|connection| in_savepoint(connection, work));
        let failed = match &result {
            Err(Failed::Database(reason)) => Some(reason.clone()),
            Err(Failed::Panicked) | Ok(_) => None,
        };
        let answer = move |not_committed: Option<Reason>| {
            let result = match not_committed {
                None => result,
                Some(error) => Err(Failed::Database(error)),
            };
            let _ = answer.send(result); // the caller may have gone
        };
        Written {
            failed,
            answer: Box::new(answer),
        }
    })
}

pub(crate) struct Writer {
    file: Arc<File>,
    /// None while the file cannot be opened.
    connection: Option<Connection>,
    owned: bool,
    aside: Option<Instant>,
    trouble: Trouble,
}

impl Writer {
    pub(crate) fn new(file: Arc<File>, connection: Connection, owned: bool) -> Writer {
        Writer {
            file,
            connection: Some(connection),
            owned,
            aside: None,
            trouble: Trouble::new("the file cannot be written"),
        }
    }

    pub(crate) fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        while let Some(first) = waiting.blocking_recv() {
            if let Some(found) = self.group(first, &mut waiting) {
                self.replace(&found);
            }
        }
    }

    /// Writes a group. Gives what damage was found, if that is to be mended now: then nothing of the group is written,
    /// for it might be among what cannot be read again.
    fn group(&mut self, first: Request, waiting: &mut mpsc::Receiver<Request>) -> Option<String> {
        let opened = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                let finished = match self.owned {
                    true => damage::finish(&self.file.path),
                    false => Ok(()),
                };
                finished.and_then(|()| connect(&self.file.path, &self.file.schema))
            }
        };
        let (mut connection, mut failed) = (None, None);
        match opened.and_then(|it| it.execute_batch("BEGIN IMMEDIATE").map(|()| it)) {
            Ok(begun) => connection = Some(begun),
            // Without a connection: the next group opens one anew.
            Err(error) => failed = Some(Arc::new(error)),
        }
        let (mut answers, mut damaged, mut refused) = (Vec::new(), None, None);
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Damaged { replaced, found } => {
                    let is_still_there = replaced == self.file.replaced.load(Ordering::Acquire);
                    damaged = damaged.or(is_still_there.then_some(found));
                    break;
                }
                Request::Write(write) => {
                    let written = write(match (&connection, &failed) {
                        (Some(connection), None) => Ok(connection),
                        (_, Some(error)) => Err(error.clone()),
                        (None, None) => Err(Arc::new(rusqlite::Error::InvalidQuery)),
                    });
                    if connection.as_ref().is_some_and(Connection::is_autocommit) {
                        // SQLite has rolled back everything by itself, the others of the group too: the disk is full.
                        failed = failed.or(written.failed.clone());
                    }
                    refused = refused.or(written.failed.filter(|error| is_trouble(error)));
                    answers.push(written.answer);
                }
            }
            next = match answers.len() < GROUP {
                true => waiting.try_recv().ok(),
                false => None,
            };
        }
        let of_a_write = refused.as_ref().filter(|error| damage::is_damage(error));
        damaged = damaged.or(of_a_write.map(ToString::to_string));
        damaged = damaged.filter(|_| self.may_replace());
        if let Some(found) = &damaged {
            failed = failed.or(Some(Arc::new(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_CORRUPT),
                Some(found.clone()),
            ))));
        }
        if let (Some(connection), None) = (&connection, &failed) {
            failed = connection.execute_batch("COMMIT").err().map(Arc::new);
        }
        if let Some(connection) = connection.as_ref().filter(|it| !it.is_autocommit()) {
            let _ = connection.execute_batch("ROLLBACK"); // the failure is already on its way to the callers
        }
        match failed.as_ref().or(refused.as_ref()) {
            Some(error) => self
                .trouble
                .failed(&format!("{}: {error}", self.file.path.display())),
            None => self.trouble.fine(),
        }
        let of_all = failed.as_ref().filter(|error| damage::is_damage(error));
        damaged = damaged.or(of_all.map(ToString::to_string));
        self.connection = connection;
        for answer in answers {
            answer(failed.clone());
        }
        damaged.filter(|_| self.may_replace())
    }

    fn may_replace(&self) -> bool {
        self.owned && self.aside.is_none_or(|at| at.elapsed() >= ASIDE_AGAIN)
    }

    /// Puts another file in the place of this one, with what can be read of it.
    fn replace(&mut self, found: &str) {
        self.aside = Some(Instant::now());
        if let Some(connection) = self.connection.take() {
            // The log is not to be written into a file that is damaged, perhaps by the log.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        let _swap = (self.file.swap.write()).unwrap_or_else(PoisonError::into_inner);
        *self.file.idle() = None;
        let (path, schema) = (&self.file.path, &self.file.schema);
        error!(
            file = %path.display(), damage = found,
            "the file is damaged: what can be read of it is moved to a new one, and nothing is written meanwhile"
        );
        match damage::set_aside(path, schema, found) {
            Ok(()) => drop(self.file.replaced.fetch_add(1, Ordering::AcqRel)),
            Err(why) => error!(
                file = %path.display(), damage = found, error = %why,
                "the file is damaged and cannot be set aside; it is tried again each minute"
            ),
        }
    }
}

/// Whether it is the disk's, and no caller's.
fn is_trouble(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    )
}

/// Does `work` so that nothing of it is left where it fails.
fn in_savepoint<R>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
) -> Result<R, Failed> {
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
        Ok(result) => result.map_err(Failed::from),
        Err(_) => Err(Failed::Panicked),
    };
    if connection.is_autocommit() {
        return result; // all is rolled back, and why stands there
    }
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Failed {
        Failed::Database(Arc::new(error))
    }
}
