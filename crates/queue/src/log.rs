//! The log: every event once on disk, and for each target how far it is delivered.
//!
//! # Layout
//!
//! `events` is only appended to. A target is a *consumer* of the log, with a row in `cursors` that divides the events:
//!
//! ```text
//!  1 ........... settled ........... received ........... last
//!  settled, unless in `pending`   received once,     never received
//!  or in `dead_letters`           not settled yet
//! ```
//!
//! So the usual event costs a consumer no row at all. Receiving moves `received`, settling moves `settled`, and both are one
//! small row, whatever the size of the events. Only what is out of the ordinary has a row of its own in `pending`: an event
//! that is to be retried, one whose visibility timeout ended, one that was still in hand when a later one was settled.
//! Those rows count attempts and say when the event becomes visible again. A body is never rewritten.
//!
//! # What survives what
//!
//! - *An acknowledgement is durable when it is answered*, out of order too: `settled` moves to the highest settled event in
//!   the same transaction that adds the unsettled ones below it to `pending`. After `kill -9` nothing acknowledged is
//!   received again.
//! - *Attempts are counted when an event is received*, before anybody sees it: `received` moves, or the row in `pending` is
//!   updated, and that is committed first. So an event that kills the process counts. The next owner moves what was received
//!   and not settled to `pending`, with one attempt, and visible at once. That costs one small commit per batch; counting
//!   crashes instead would count events that nobody had received.
//! - *When a first attempt ends by timeout* is the only thing that is kept in memory alone (`claims.rs`): a restart ends all
//!   of them. All decisions are made from what is committed, inside of a transaction. So a transaction that is not committed leaves
//!   nothing to undo.
//! - *An event is deleted* when every consumer has settled it, no dead letter needs it, and the retention has passed
//!   (`retention.rs`).
//! - *A damaged file* loses the rows on its damaged pages (`journal`). The next start puts the others right, and delivers
//!   again what may not have been delivered (`reconcile.rs`): nothing below the floor of a consumer (`floors.rs`).
//!
//! One process owns the log ([`Log::claimed`]); commands beside it list and redrive ([`Log::open`]). Writes share commits.
//! This file opens the log and appends to it. Consumers are in `log/consumers.rs`, receiving in `log/receive.rs`, settling
//! in `log/settle.rs`, reading events as they were accepted in `log/read.rs`. A person looks at one by `log/search/by_id.rs`, and at those that wait by `log/waiting.rs`. What the target of kind
//! `store` has is a view of the log: `log/store.rs`, and `log/search.rs` to read it.

mod appends;
mod bodies;
mod claims;
mod clock;
mod consumers;
mod cursor;
mod dead_letter_groups;
mod dead_letters;
mod floors;
mod import;
mod marks;
mod old_store;
mod pace;
mod read;
mod receive;
mod recent;
mod reconcile;
mod retention;
mod schema;
mod search;
mod settle;
mod status;
mod store;
mod waiting;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use journal::{Claim, Failure, Journal};
use rusqlite::{Connection, params};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::free_space::{RESERVE, SpaceForEvents};
use crate::{FailureLog, Message, QueueError, SendError, SendOutcome, identities, now};
use appends::Appends;
use consumers::ConsumerState;
use recent::{RecentEvent, RecentEvents};
use retention::Sweep;
use schema::{FILE, SCHEMA};

pub use bodies::{BodyLimits, LoggedBody};
pub use consumers::{Consumer, ConsumerStart, ConsumerStatus, OwnerTarget, Start};
pub use dead_letter_groups::{FoundLetter, LetterStep, LettersUntil};
pub use dead_letters::DeadLetter;
pub use read::{AcceptedBetween, LoggedEvent, LoggedEvents};
pub use retention::Retention;
pub use search::{Condition, Form, KeptEvent, Order, Search, SearchHit, SearchStep, SoughtText};
pub use status::Status;
pub use waiting::WaitingEvent;

/// How long a client may wait for its commit: below the clients' own timeout of 5 s, so that they see our 503.
const SEND: Duration = Duration::from_secs(4);

/// How a log is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// How long a received event stays invisible to the next receive.
    pub visibility_timeout: Duration,
    /// How long settled events are kept.
    pub retention: Retention,
}

/// The events of a data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log {
    journal: Journal,
    folder: Arc<Path>,
    space: SpaceForEvents,
    options: LogOptions,
    clock: Clock,
    /// How many events this process has appended, for the consumers that wait for some.
    appended: Arc<watch::Sender<u64>>,
    /// The number of the last event that this process has appended; 0 if none.
    last: Arc<AtomicI64>,
    recent: Arc<RecentEvents>,
    appends: Appends,
    consumers: Arc<Mutex<HashMap<String, Arc<ConsumerState>>>>,
    sweep: Arc<Mutex<Sweep>>,
    write_log: Arc<Mutex<FailureLog>>,
    readiness: Arc<tokio::sync::Mutex<Option<status::Probe>>>,
    /// Held as long as the log is used: two `serve` on one folder would deliver everything twice.
    claim: Option<Arc<Claim>>,
}

impl Log {
    /// Opens or creates the log in the folder that this process has claimed.
    ///
    /// Every unsettled event becomes visible: those that an earlier process had received, and those that waited for another
    /// attempt, since a restart is often the cure. A damaged file is repaired first. The queue of an older version in the
    /// folder is imported.
    pub async fn claimed(claim: Arc<Claim>, options: LogOptions) -> Result<Log, journal::Error> {
        Log::claimed_at(claim, options, now()).await
    }

    /// Opens the log at a time that a test chooses.
    pub(crate) async fn claimed_at(
        claim: Arc<Claim>,
        options: LogOptions,
        now: i64,
    ) -> Result<Log, journal::Error> {
        let folder = claim.folder().to_owned();
        let journal = Journal::own(&folder.join(FILE), SCHEMA, &claim)?;
        // What is imported gets numbers that lost events had.
        journal.write(reconcile::reconcile).await?;
        import::import(&journal, &claim).await?;
        let start = move |connection: &Connection| clock::start(connection, now);
        let clock = journal.write(start).await?;
        Ok(Log {
            claim: Some(claim),
            ..Log::with(&folder, journal, options, clock)
        })
    }

    /// Opens the log in `folder` beside the process that serves it. Creates none: a wrong folder is to be noticed, and a
    /// file of another user would be in the way of the next start.
    pub async fn open(folder: &Path) -> Result<Log, QueueError> {
        if !folder.join(FILE).is_file() {
            return Err(QueueError(import::missing(folder).to_owned()));
        }
        let journal = Journal::open(&folder.join(FILE), SCHEMA).map_err(unavailable)?;
        let clock = journal.read(|connection| clock::beside(connection, now()));
        let clock = clock.await.map_err(unavailable)?;
        let options = LogOptions {
            visibility_timeout: Duration::ZERO,
            retention: Retention::default(),
        };
        Ok(Log::with(folder, journal, options, clock))
    }

    fn with(folder: &Path, journal: Journal, options: LogOptions, clock: Clock) -> Log {
        let folder: Arc<Path> = folder.into();
        Log {
            journal,
            space: SpaceForEvents::new(folder.clone()),
            folder,
            options,
            clock,
            appended: Arc::default(),
            last: Arc::default(),
            recent: Arc::default(),
            appends: Appends::default(),
            consumers: Arc::default(),
            sweep: Arc::default(),
            write_log: Arc::new(Mutex::new(FailureLog::new("cannot write to the queue"))),
            readiness: Arc::default(),
            claim: None,
        }
    }

    /// Appends messages in one transaction; all of them or none. `Ok` means durable for every consumer. One whose identity
    /// was appended before is known, and not appended again.
    pub async fn append(&self, messages: Vec<Message>) -> Vec<Result<SendOutcome, SendError>> {
        let count = messages.len();
        if count == 0 {
            return Vec::new();
        }
        let _under_way = self.appends.begin();
        let (space, clock) = (self.space.clone(), self.clock);
        let bytes = messages.iter().map(|message| message.body.len()).sum();
        let until = Instant::now() + SEND;
        let insert = move |connection: &Connection| {
            if until < Instant::now() {
                return Ok(Insertion::TooLate);
            }
            if !space.take(connection, bytes)? {
                return Ok(Insertion::NoSpace);
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO events (id, body, received_at, appended_at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let appended_at = clock.now();
            let (mut sent, mut inserted) = (Vec::with_capacity(messages.len()), Vec::new());
            for m in messages {
                if let Some(identity) = m.identity
                    && !identities::take(connection, identity, appended_at)?
                {
                    sent.push(SendOutcome::Known);
                    continue;
                }
                insert.execute(params![m.id, m.body, m.received_at, appended_at])?;
                let recent = RecentEvent {
                    id: m.id.into(),
                    body: m.body,
                    received_at: m.received_at,
                    event: m.event,
                };
                inserted.push((connection.last_insert_rowid(), recent));
                sent.push(SendOutcome::Queued);
            }
            Ok(Insertion::Done(sent, inserted))
        };
        let inserted = tokio::time::timeout_at(until.into(), self.journal.write(insert)).await;
        let result = match inserted {
            Ok(Ok(Insertion::Done(sent, events))) => {
                self.remember(events);
                Ok(sent)
            }
            Ok(Ok(Insertion::NoSpace)) => Err(self.no_space()),
            Ok(Ok(Insertion::TooLate)) | Err(_) => Err("the disk is too slow".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
        };
        self.log(&result);
        let sent = match result {
            Ok(sent) => sent,
            Err(why) => return vec![Err(SendError::Unavailable(why)); count],
        };
        let queued = sent
            .iter()
            .filter(|sent| **sent == SendOutcome::Queued)
            .count();
        if queued > 0 {
            self.appended
                .send_modify(|appended| *appended += queued as u64);
        }
        sent.into_iter().map(Ok).collect()
    }

    /// Keeps events that are committed, for those that receive them soon.
    fn remember(&self, events: Vec<(i64, RecentEvent)>) {
        if let Some((last, _)) = events.last() {
            self.last.fetch_max(*last, Ordering::AcqRel);
        }
        self.recent.add(events);
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub async fn verify(&self) -> Result<(), QueueError> {
        self.journal.verify().await.map_err(unavailable)
    }

    /// Waits until the log has failed for good, with every acknowledged event where the next start finds it.
    pub async fn failed(&self) -> Failure {
        self.journal.failed().await
    }

    /// See [`Journal::closed`].
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.journal.closed()
    }

    /// Whether the log has failed for good. What only its open files hold may still be being saved.
    pub fn has_failed(&self) -> bool {
        self.journal.has_failed()
    }

    /// The database, for a test to damage it.
    #[cfg(test)]
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    fn no_space(&self) -> String {
        let (folder, megabytes) = (self.folder.display(), RESERVE >> 20);
        format!("{folder}: less than {megabytes} MB are free on the disk")
    }

    /// Logs that writing fails, and that it works again.
    fn log<T>(&self, result: &Result<T, String>) {
        let mut log = self
            .write_log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) => log.record_recovery(),
            Err(reason) => log.record_failure(reason),
        }
    }
}

/// What became of messages that were to be inserted.
enum Insertion {
    /// With the events that were not known, each with its number.
    Done(Vec<SendOutcome>, Vec<(i64, RecentEvent)>),
    /// The free space on the disk is kept for settling.
    NoSpace,
    /// Their sender was answered that they are not in the log.
    TooLate,
}

fn unavailable(error: journal::Error) -> QueueError {
    QueueError(error.to_string())
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
