//! The writer: takes what is waiting, writes it in one transaction, commits, answers.
//!
//! A thread of its own, the only one that writes, and the one that puts a new file in the place of a damaged one, and of
//! one that was taken away. Before a group and before it is answered it looks whether the open file is in place.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::held::{self, Held};
use crate::{Claim, FailureLog, File, Identity, connect, damage};

/// Writes that share one commit at most: past some hundred, larger groups do not get faster (SQLite WAL, 2–4 KB rows).
const GROUP: usize = 256;

/// How soon a file may be set aside again: on a disk that damages everything, copies would fill what is left of it.
const ASIDE_AGAIN: Duration = Duration::from_secs(60);

/// How soon a file is put back again after that has failed, in times of how long it took, since each reads all of it; and at
/// the soonest.
const PUT_BACK_AGAIN: u32 = 10;
const PUT_BACK_SOONEST: Duration = Duration::from_millis(10);

/// What the writer is asked.
pub(crate) enum Request {
    Write(Write),
    /// Nothing but what comes before each group: whether the file is in place.
    Look,
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
    /// The files of the connection.
    held: Option<Held>,
    /// The folder, where this process owns it, and as long as its owner lives.
    claim: Option<Weak<Claim>>,
    aside: Option<Instant>,
    /// Until when it is not tried again to put the file back, and why that failed.
    not_put_back: Option<(Instant, String)>,
    trouble: FailureLog,
}

impl Writer {
    pub(crate) fn new(
        file: Arc<File>,
        connection: Connection,
        claim: Option<Weak<Claim>>,
    ) -> io::Result<Writer> {
        let held = Held::of(&file.path)?;
        Ok(Writer {
            file,
            connection: Some(connection),
            held: Some(held),
            claim,
            aside: None,
            not_put_back: None,
            trouble: FailureLog::new("cannot write to the database"),
        })
    }

    pub(crate) fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        while let Some(first) = waiting.blocking_recv() {
            if let Some(found) = self.group(first, &mut waiting) {
                self.replace(&found);
            }
        }
        self.close();
    }

    /// Closes the connection. SQLite then deletes the log by its name: not where that is somebody else's.
    fn close(&mut self) {
        if self.in_place().is_err() {
            // In vain, it has said what is lost.
            let _ = self.in_place();
            if let Some(connection) = &self.connection {
                leave_log(connection);
            }
        }
    }

    /// Looks whether all that is open is what its path names. What is not is put back.
    fn in_place(&mut self) -> rusqlite::Result<()> {
        if let Some(claim) = self.claim.as_ref().and_then(Weak::upgrade) {
            claim.keep().map_err(|error| moved(error.to_string()))?;
        }
        let (Some(connection), Some(held)) = (self.connection.take(), &mut self.held) else {
            return Ok(());
        };
        match held.check(&self.file.path) {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err((file, displaced)) => {
                let why = format!("{}: {displaced}", file.display());
                self.put_back(connection, &why)
            }
        }
    }

    /// Moves what the open file holds to a new one at its path. Where that fails the file stays open: it is the only
    /// place where all of it is.
    fn put_back(&mut self, held: Connection, why: &str) -> rusqlite::Result<()> {
        if self.claim.as_ref().and_then(Weak::upgrade).is_none() {
            self.connection = Some(held);
            return Err(moved(why.to_owned()));
        }
        let started = Instant::now();
        if let Some((until, failed)) = &self.not_put_back
            && started < *until
        {
            self.connection = Some(held);
            return Err(moved(failed.clone()));
        }
        let file = self.file.clone();
        let _swap = (file.swap.write()).unwrap_or_else(PoisonError::into_inner);
        *file.idle() = None;
        match held::put_back(&file.path, &file.schema, &held) {
            Ok(put_back) => {
                file.replaced.fetch_add(1, Ordering::AcqRel);
                self.not_put_back = None;
                leave_log(&held);
                self.connection = Some(put_back.connection);
                self.held = Some(put_back.files);
                error!(
                    file = %file.path.display(),
                    reason = why,
                    moved_over = put_back.moved_over,
                    set_aside = put_back.aside.map(|aside| aside.display().to_string()),
                    "the file was taken away while it was in use: what it held is in a new one at its path. Stop the \
                     proxy before its files are moved, deleted or restored"
                );
                Ok(())
            }
            Err(error) => {
                let failed = format!(
                    "{why}; it cannot be put back: {error}; at stake: {}",
                    held::rows(&held)
                );
                let pause = (started.elapsed() * PUT_BACK_AGAIN).max(PUT_BACK_SOONEST);
                self.not_put_back = Some((Instant::now() + pause, failed.clone()));
                self.connection = Some(held);
                Err(moved(failed))
            }
        }
    }

    /// A transaction in a file that is in place.
    fn begin(&mut self) -> rusqlite::Result<Connection> {
        self.in_place()?;
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                if self.claim.is_some() {
                    damage::finish(&self.file.path)?;
                }
                let path = &self.file.path;
                let before = self.held.take();
                let connection = connect(path, &self.file.schema)?;
                self.held = Some(Held::of(path).map_err(damage::io)?);
                let now = Identity::at(path).map_err(damage::io)?;
                if before.is_some_and(|before| !before.is_same(now)) {
                    let file = path.display();
                    error!(%file, "the file was closed after an error, and another is at its path now");
                }
                connection
            }
        };
        match connection.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => Ok(connection),
            Err(error) => {
                // After any other error the next group opens it anew.
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) {
                    self.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    /// Writes a group. Gives what damage was found, if that is to be mended now: then nothing of the group is written,
    /// for it might be among what cannot be read again.
    fn group(&mut self, first: Request, waiting: &mut mpsc::Receiver<Request>) -> Option<String> {
        let (mut connection, mut failed) = (None, None);
        match self.begin() {
            Ok(begun) => connection = Some(begun),
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
                Request::Look => {}
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
        if connection.is_some() {
            self.connection = connection;
        }
        // What was committed to a file that was taken away meanwhile is put back with it, or not answered for.
        let committed = failed.is_none();
        if let (true, Err(error)) = (committed, self.in_place()) {
            failed = Some(Arc::new(error));
        }
        match failed.as_ref().or(refused.as_ref()) {
            Some(error) => self
                .trouble
                .record_failure(&format!("{}: {error}", self.file.path.display())),
            None => self.trouble.record_recovery(),
        }
        let of_all = failed.as_ref().filter(|error| damage::is_damage(error));
        damaged = damaged.or(of_all.map(ToString::to_string));
        for answer in answers {
            answer(failed.clone());
        }
        damaged.filter(|_| self.may_replace())
    }

    fn may_replace(&self) -> bool {
        self.claim.is_some() && self.aside.is_none_or(|at| at.elapsed() >= ASIDE_AGAIN)
    }

    /// Puts another file in the place of this one, with what can be read of it.
    fn replace(&mut self, found: &str) {
        self.aside = Some(Instant::now());
        self.held = None;
        if let Some(connection) = self.connection.take() {
            // The log is not to be written into a file that is damaged, perhaps by the log.
            leave_log(&connection);
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

/// Lets a connection, when it closes, neither write the log into the file nor delete what bears its name.
fn leave_log(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true); // fails for no open one
}

/// What SQLite says where it notices by itself, which it does not with a write-ahead log.
fn moved(why: String) -> rusqlite::Error {
    let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
    rusqlite::Error::SqliteFailure(code, Some(why))
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
