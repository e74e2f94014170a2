//! The embedded queue: tables in the data folder that behave like an SQS queue.
//!
//! Visibility timeout, attempt count, dead letters with their reason. Writes share commits (`journal`). One `serve` owns
//! it; commands on the same folder can list and redrive while it runs. This file opens the queue and sends to it; receiving
//! is in `embedded/receive.rs`, settling in `embedded/settle.rs`.

mod clock;
mod dead_letters;
mod receive;
mod schema;
mod settle;
mod status;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use journal::{Claim, Failure, Journal};
use rusqlite::{Connection, params};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::free_space::{FreeSpace, RESERVE};
use crate::{FailureLog, Message, SendError, Unavailable, now};
use schema::{FILE, SCHEMA};
use settle::PendingSettlements;

/// How long a client may wait for its commit: below the clients' own timeout of 5 s, so that they see our 503.
const SEND: Duration = Duration::from_secs(4);

/// A queue on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Embedded {
    journal: Journal,
    folder: Arc<Path>,
    visibility: Duration,
    clock: Clock,
    arrived: Arc<Notify>,
    pending: PendingSettlements,
    write_log: Arc<Mutex<FailureLog>>,
    readiness: Arc<tokio::sync::Mutex<Option<status::Probe>>>,
    /// Held as long as the queue is used: two `serve` on one folder would deliver everything twice.
    _claim: Option<Arc<Claim>>,
}

impl Embedded {
    /// Opens or creates the queue in the folder that this process has claimed.
    ///
    /// Every event becomes visible: those that an earlier process had received and not settled, and those that waited for
    /// another attempt, since a restart is often the cure. A damaged file is repaired first.
    pub async fn claimed(
        claim: Arc<Claim>,
        visibility: Duration,
    ) -> Result<Embedded, journal::Error> {
        Embedded::claimed_at(claim, visibility, now()).await
    }

    /// Claims the folder and opens or creates the queue in it.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let claim = Claim::take(folder).map_err(|error| Unavailable(error.to_string()))?;
        let owned = Embedded::claimed(Arc::new(claim), visibility).await;
        owned.map_err(unavailable)
    }

    /// Opens the queue at a time that a test chooses.
    async fn claimed_at(
        claim: Arc<Claim>,
        visibility: Duration,
        now: i64,
    ) -> Result<Embedded, journal::Error> {
        let folder = claim.folder().to_owned();
        let journal = Journal::own(&folder.join(FILE), SCHEMA, &claim)?;
        let start = move |connection: &Connection| clock::start(connection, now);
        let clock = journal.write(start).await?;
        Ok(Embedded {
            _claim: Some(claim),
            ..Embedded::with(&folder, journal, visibility, clock)
        })
    }

    /// Opens the queue in `folder` beside the process that serves it. Creates none: a wrong folder is to be noticed, and a
    /// file of another user would be in the way of the next start.
    pub async fn open(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        if !folder.join(FILE).is_file() {
            return Err(Unavailable("there is no queue in this folder".to_owned()));
        }
        let journal = Journal::open(&folder.join(FILE), SCHEMA).map_err(unavailable)?;
        let clock = journal.read(|connection| clock::beside(connection, now()));
        let clock = clock.await.map_err(unavailable)?;
        Ok(Embedded::with(folder, journal, visibility, clock))
    }

    fn with(folder: &Path, journal: Journal, visibility: Duration, clock: Clock) -> Embedded {
        Embedded {
            journal,
            folder: folder.into(),
            visibility,
            clock,
            arrived: Arc::default(),
            pending: PendingSettlements::default(),
            write_log: Arc::new(Mutex::new(FailureLog::new("cannot write to the queue"))),
            readiness: Arc::default(),
            _claim: None,
        }
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub(super) async fn verify(&self) -> Result<(), Unavailable> {
        self.journal.verify().await.map_err(unavailable)
    }

    /// Waits until the queue has failed for good, with every acknowledged event where the next start finds it.
    pub(super) async fn failed(&self) -> Failure {
        self.journal.failed().await
    }

    /// See [`Journal::closed`].
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.journal.closed()
    }

    /// Whether the queue has failed for good.
    pub(super) fn has_failed(&self) -> bool {
        self.journal.has_failed()
    }

    /// Inserts messages in one transaction; all of them or none.
    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let count = messages.len();
        if count == 0 {
            return Vec::new();
        }
        let (folder, visible_at) = (self.folder.clone(), self.clock.now());
        let until = Instant::now() + SEND;
        let insert = move |connection: &Connection| {
            if until < Instant::now() {
                return Ok(Insertion::TooLate);
            }
            if !FreeSpace::of(&folder).suffices(connection)? {
                return Ok(Insertion::NoSpace);
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO messages (id, body, received_at, visible_at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for m in &messages {
                insert.execute(params![m.id, m.body, m.received_at, visible_at])?;
            }
            Ok(Insertion::Done)
        };
        let inserted = tokio::time::timeout_at(until.into(), self.journal.write(insert)).await;
        let result = match inserted {
            Ok(Ok(Insertion::Done)) => Ok(()),
            Ok(Ok(Insertion::NoSpace)) => Err(self.no_space()),
            Ok(Ok(Insertion::TooLate)) | Err(_) => Err("the disk is too slow".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
        };
        self.log(&result);
        let result = result.map_err(SendError::Unavailable);
        if result.is_ok() {
            self.arrived.notify_one();
        }
        vec![result; count]
    }

    fn no_space(&self) -> String {
        let (folder, megabytes) = (self.folder.display(), RESERVE >> 20);
        format!("{folder}: less than {megabytes} MB are free on the disk")
    }

    /// Logs that writing fails, and that it works again.
    fn log(&self, result: &Result<(), String>) {
        let mut log = self
            .write_log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => log.record_recovery(),
            Err(reason) => log.record_failure(reason),
        }
    }
}

/// What became of messages that were to be inserted.
enum Insertion {
    Done,
    /// The free space on the disk is kept for settling.
    NoSpace,
    /// Their sender was answered that they are not in the queue.
    TooLate,
}

fn unavailable(error: journal::Error) -> Unavailable {
    Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
