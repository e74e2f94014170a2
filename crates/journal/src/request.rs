//! The requests to the writer, and its answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::Failure;

/// A request to the writer.
pub(crate) enum Request {
    Write(Write),
    /// Checks that the open files are in place.
    Verify(oneshot::Sender<Result<(), WriteError>>),
    /// A reader found this damage.
    ReportDamage(String),
}

/// SQLite's error, shared by all writes of a group.
pub(crate) type Reason = Arc<rusqlite::Error>;

/// Why a write was not done.
#[derive(Debug, Clone)]
pub(crate) enum WriteError {
    Database(Reason),
    /// The work panicked, which is a bug in it. The writer continues, because nothing would be accepted without it.
    Panicked,
    /// The database has failed for good.
    Failed(Failure),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> WriteError {
        WriteError::Database(Arc::new(error))
    }
}

/// A write: does its work in the open transaction, or takes the reason why there is none.
pub(crate) type Write = Box<dyn FnOnce(Result<&Connection, WriteError>) -> WriteResult + Send>;

/// A write that was done or has failed. It is answered when its group is committed.
pub(crate) struct WriteResult {
    /// SQLite's error, if it failed by one.
    pub(crate) error: Option<Reason>,
    answer: Box<dyn FnOnce(Option<WriteError>) + Send>,
}

impl WriteResult {
    /// Answers with the result of the work, or with the error because of which its group was not committed.
    pub(crate) fn answer(self, not_committed: Option<WriteError>) {
        (self.answer)(not_committed);
    }
}

/// Returns a write that does `work` and sends the result to `answer`.
pub(crate) fn write<R, F>(work: F, answer: oneshot::Sender<Result<R, WriteError>>) -> Write
where
    R: Send + 'static,
    F: FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
{
    Box::new(move |connection| {
        let result = connection.and_then(|connection| in_savepoint(connection, work));
        let error = match &result {
            Err(WriteError::Database(reason)) => Some(reason.clone()),
            Err(WriteError::Panicked | WriteError::Failed(_)) | Ok(_) => None,
        };
        let answer = move |not_committed: Option<WriteError>| {
            let _ = answer.send(not_committed.map_or(result, Err)); // the caller may have gone
        };
        WriteResult {
            error,
            answer: Box::new(answer),
        }
    })
}

/// Does `work`, and undoes all of it if it fails.
fn in_savepoint<R>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
) -> Result<R, WriteError> {
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
        Ok(result) => result.map_err(WriteError::from),
        Err(_) => Err(WriteError::Panicked),
    };
    if connection.is_autocommit() {
        return result; // SQLite has rolled back the whole transaction, for the reason in `result`
    }
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}
