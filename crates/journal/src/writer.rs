//! The writer: collects the waiting writes, does them in one transaction, commits, and answers them.
//!
//! It has its own thread, which is the only one that writes. Before a group, and before answering it, it checks that
//! the open files are in place. If a file is damaged or displaced, it stops working: see `rescue.rs`.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::failure::{Failure, State};
use crate::files::{DatabaseFiles, DisplacedFile};
use crate::repair::{damage, is_damage};
use crate::request::{Reason, Request, Write, WriteError, WriteResult};
use crate::{Claim, Schema};

/// The most requests that share a commit. Larger groups are no faster above some hundred (SQLite WAL, 2–4 KB rows).
const GROUP: usize = 256;

pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    pub(crate) schema: Schema,
    pub(crate) connection: Connection,
    files: DatabaseFiles,
    /// The claim on the folder, if this process owns it. It ends with its owner, not with this thread.
    claim: Option<Weak<Claim>>,
    pub(crate) state: watch::Sender<State>,
}

impl Writer {
    pub(crate) fn new(
        path: PathBuf,
        schema: Schema,
        connection: Connection,
        claim: Option<Weak<Claim>>,
        state: watch::Sender<State>,
    ) -> io::Result<Writer> {
        let files = DatabaseFiles::of(&path)?;
        Ok(Writer {
            path,
            schema,
            connection,
            files,
            claim,
            state,
        })
    }

    /// Works until all callers are gone, or the database fails.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            if let Err(failure) = self.handle(collect(first, &mut requests)) {
                return self.fail(failure, requests);
            }
        }
        // SQLite deletes the log by its name when it closes: not if another file has that name. The log is written into the
        // database before the last check, because that takes as long as the disk does: meanwhile the folder may be taken away,
        // and the log of a new owner have the name.
        let verified = self.verify().and_then(|()| {
            self.write_log_back();
            self.verify()
        });
        if let Err(failure) = verified {
            self.fail(failure, requests);
        }
    }

    /// Writes the log into the database as far as no reader needs it. What is left, if anything, the next open finds in it.
    fn write_log_back(&self) {
        let passive = "PRAGMA wal_checkpoint(PASSIVE)";
        // Connections beside the owner leave that to it.
        if self.claim.is_some() {
            let _ = self.connection.query_row(passive, [], |_| Ok(()));
        }
    }

    /// Checks that the paths of the folder and of all files name what is open.
    pub(crate) fn verify(&mut self) -> Result<(), Failure> {
        if let Some(claim) = self.claim() {
            claim.verify().map_err(|how| Failure::Displacement {
                file: claim.folder().to_owned(),
                how,
            })?;
        }
        self.verify_files()
    }

    pub(crate) fn verify_files(&mut self) -> Result<(), Failure> {
        let displaced = |DisplacedFile { file, how }| Failure::Displacement { file, how };
        let size = || crate::size(&self.connection).ok();
        self.files.verify(&self.path, size).map_err(displaced)
    }

    pub(crate) fn claim(&self) -> Option<Arc<Claim>> {
        self.claim.as_ref().and_then(Weak::upgrade)
    }

    /// Does a group of requests and answers them. An error means that the database has failed.
    fn handle(&mut self, group: Group) -> Result<(), Failure> {
        let before = match group.damage.clone() {
            Some(damage) => Err(self.damaged(damage)),
            None => self.verify(),
        };
        if let Err(failure) = before {
            group.refuse(&failure);
            return Err(failure);
        }
        let (written, result) = transaction(&self.connection, group.writes);
        let after = match &result {
            Ok(()) => self.verify(), // it may have been committed to a file that nobody finds
            Err(error) => damage(error).map_or(Ok(()), |damage| Err(self.damaged(damage))),
        };
        let error = match (&after, result) {
            (Err(failure), _) => Some(WriteError::Failed(failure.clone())),
            (Ok(()), Err(reason)) => Some(WriteError::Database(reason)),
            (Ok(()), Ok(())) => None,
        };
        for written in written {
            written.answer(error.clone());
        }
        for verified in group.verifications {
            let answer = after.clone().map_err(WriteError::Failed);
            let _ = verified.send(answer); // the caller may have gone
        }
        after
    }

    fn damaged(&self, damage: String) -> Failure {
        Failure::Damaged {
            file: self.path.clone(),
            damage,
        }
    }
}

/// Requests that are handled together.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    verifications: Vec<oneshot::Sender<Result<(), WriteError>>>,
    /// What a reader found damaged.
    damage: Option<String>,
}

impl Group {
    fn add(&mut self, request: Request) {
        match request {
            Request::Write(write) => self.writes.push(write),
            Request::Verify(answer) => self.verifications.push(answer),
            Request::ReportDamage(damage) => self.damage = Some(damage),
        }
    }

    /// Answers all with the failure.
    fn refuse(self, failure: &Failure) {
        for write in self.writes {
            refuse(Request::Write(write), failure);
        }
        for verification in self.verifications {
            refuse(Request::Verify(verification), failure);
        }
    }
}

/// Answers a request with the failure.
pub(crate) fn refuse(request: Request, failure: &Failure) {
    let error = WriteError::Failed(failure.clone());
    match request {
        Request::Write(write) => write(Err(error)).answer(None),
        Request::Verify(answer) => drop(answer.send(Err(error))),
        Request::ReportDamage(_) => {}
    }
}

/// Takes all requests that are waiting, up to the size of a group.
fn collect(first: Request, requests: &mut mpsc::Receiver<Request>) -> Group {
    let mut group = Group::default();
    group.add(first);
    for _ in 1..GROUP {
        match requests.try_recv() {
            Ok(request) => group.add(request),
            Err(_) => break,
        }
    }
    group
}

/// Does the writes in one transaction. A write that fails leaves no trace and does not affect the others, unless the
/// file is damaged: then nothing is committed, because it may not be readable again.
fn transaction(
    connection: &Connection,
    writes: Vec<Write>,
) -> (Vec<WriteResult>, Result<(), Reason>) {
    if writes.is_empty() {
        return (Vec::new(), Ok(()));
    }
    let mut result = execute(connection, "BEGIN IMMEDIATE");
    let mut done: Vec<WriteResult> = Vec::with_capacity(writes.len());
    for write in writes {
        let begun = result.as_ref().map(|()| connection);
        let written = write(begun.map_err(|reason| WriteError::Database(reason.clone())));
        if result.is_ok() && connection.is_autocommit() {
            // SQLite has rolled back the whole transaction with all writes: the disk is full.
            let unknown = || Arc::new(rusqlite::Error::InvalidQuery);
            result = Err(written.error.clone().unwrap_or_else(unknown));
        }
        done.push(written);
    }
    let mut errors = done.iter().filter_map(|written| written.error.clone());
    if let (Ok(()), Some(damage)) = (&result, errors.find(|error| is_damage(error))) {
        result = Err(damage);
    }
    if result.is_ok() {
        result = execute(connection, "COMMIT");
    }
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK"); // the first error is on its way to the callers
    }
    (done, result)
}

/// Executes a statement that is prepared once.
fn execute(connection: &Connection, sql: &str) -> Result<(), Reason> {
    let statement = connection.prepare_cached(sql);
    let executed = statement.and_then(|mut statement| statement.execute([]));
    executed.map(drop).map_err(Arc::new)
}
