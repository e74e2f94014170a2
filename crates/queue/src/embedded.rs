//! The embedded queue: a table in the data folder, with the meaning of an SQS queue.
//!
//! Visibility time-out, receive count, dead letters with their reason. Writes share commits (`journal`). One `serve`
//! owns it; commands on the same folder may look and redrive while it runs. Here is what goes in; what comes out and is
//! settled is in `embedded/receive.rs`.

mod clock;
mod dead_letters;
mod receive;
mod status;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use journal::{Claim, FailureLog, Journal};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use super::{Message, SendError, Unavailable, now};
use clock::Clock;
use receive::Unsettled;

pub use dead_letters::DeadLetter;
pub use status::Status;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        -- By the clock of the owner, which nobody sets: see `clock.rs`. 0: at once.
        visible_at INTEGER NOT NULL,
        receives INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX IF NOT EXISTS messages_in_sight ON messages (visible_at, seq);
    CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        dead_at INTEGER NOT NULL,
        receives INTEGER NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS dead_letters_by_id ON dead_letters (id);
    -- How far the owner's clock is ahead of the wall's; and a place to write to, to see whether that works.
    CREATE TABLE IF NOT EXISTS owner (one INTEGER PRIMARY KEY CHECK (one = 1), ahead INTEGER NOT NULL, probes INTEGER NOT NULL);
    INSERT OR IGNORE INTO owner VALUES (1, 0, 0);
";

/// How long a client may wait for its commit: below the clients' own time-out of 5 s, so that they see our 503.
const SEND: Duration = Duration::from_secs(4);

/// What has to be free for new events, on the disk or in the file: the rest is kept for settling those that are there,
/// which makes room.
const RESERVE: u64 = 16 << 20;

/// The queue file in a data folder.
const FILE: &str = "queue.db";

/// A queue on disk.
#[derive(Debug, Clone)]
pub struct Embedded {
    journal: Journal,
    folder: Arc<Path>,
    visibility: Duration,
    clock: Clock,
    arrived: Arc<Notify>,
    /// What is dealt with, and could not be settled.
    unsettled: Unsettled,
    room: Arc<Mutex<FailureLog>>,
    ready: Arc<tokio::sync::Mutex<Option<status::Looked>>>,
    /// Held as long as the queue is used: two `serve` on one folder would deliver everything twice.
    _claim: Option<Arc<Claim>>,
}

impl Embedded {
    /// Opens or creates the queue in the folder that this process has claimed. Everything in it is in sight: what an
    /// earlier one had received and not settled, and what waited for another try, since a restart is often the cure.
    pub async fn claimed(
        claim: Arc<Claim>,
        visibility: Duration,
    ) -> Result<Embedded, journal::Error> {
        Embedded::own_at(claim, visibility, now()).await
    }

    /// The same with a claim of its own.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let claim = Claim::take(folder).map_err(|error| Unavailable(error.to_string()))?;
        let owned = Embedded::claimed(Arc::new(claim), visibility).await;
        owned.map_err(unavailable)
    }

    /// The same at a time that a test chooses.
    async fn own_at(
        claim: Arc<Claim>,
        visibility: Duration,
        now: i64,
    ) -> Result<Embedded, journal::Error> {
        let folder = claim.folder().to_owned();
        let journal = Journal::own(&folder.join(FILE), SCHEMA, &claim)?;
        let start = move |connection: &Connection| clock::start(connection, now);
        let clock = match journal.write(start).await {
            // It may have been damaged: then another file is there now.
            Err(_) => journal.write(start).await,
            clock => clock,
        }?;
        Ok(Embedded {
            _claim: Some(claim),
            ..Embedded::with(&folder, journal, visibility, clock)
        })
    }

    /// Opens the queue in `folder` beside the process that serves it. Creates none: who looks into the wrong folder is to
    /// see that, and a file of another user would be in the way of the next start.
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
            unsettled: Unsettled::default(),
            room: Arc::new(Mutex::new(FailureLog::new("no room for new events"))),
            ready: Arc::default(),
            _claim: None,
        }
    }

    /// Looks now whether the open file is still the one that the path names, and puts it back where not.
    pub(super) async fn verify(&self) -> Result<(), Unavailable> {
        self.journal.verify().await.map_err(unavailable)
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let count = messages.len();
        if count == 0 {
            return Vec::new();
        }
        let (folder, visible_at) = (self.folder.clone(), self.clock.now());
        let until = Instant::now() + SEND;
        let insert = move |connection: &Connection| {
            // The client has been told that it is not.
            if until < Instant::now() {
                return Ok(None);
            }
            if !Room::on(&folder).is_enough_with(connection)? {
                return Ok(Some(false));
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO messages (id, body, received_at, visible_at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for m in &messages {
                insert.execute(params![m.id, m.body, m.received_at, visible_at])?;
            }
            Ok(Some(true))
        };
        let written = tokio::time::timeout_at(until.into(), self.journal.write(insert)).await;
        let result = match written {
            Ok(Ok(Some(had_room))) => self.had_room(had_room),
            Ok(Ok(None)) | Err(_) => Err("the disk is too slow".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
        };
        let result = result.map_err(SendError::Unavailable);
        if result.is_ok() {
            self.arrived.notify_one();
        }
        vec![result; count]
    }

    /// Tells of a disk that has no room, and of one that has again.
    fn had_room(&self, had: bool) -> Result<(), String> {
        let mut trouble = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        if had {
            trouble.record_recovery();
            return Ok(());
        }
        let why = format!(
            "{}: less than {} MB are free on the disk",
            self.folder.display(),
            RESERVE >> 20
        );
        trouble.record_failure(&why);
        Err(why)
    }
}

/// Bytes that are free on the disk.
#[derive(Debug, Clone, Copy)]
struct Room(u64);

impl Room {
    /// On the disk of `folder`. Where it does not say (some that are no disks have no blocks at all), its errors will.
    fn on(folder: &Path) -> Room {
        let disk = rustix::fs::statvfs(folder).ok();
        let disk = disk.filter(|disk| disk.f_blocks > 0);
        Room(disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    /// Whether there is enough, with what delivered events have left free in the file.
    fn is_enough_with(self, connection: &Connection) -> rusqlite::Result<bool> {
        if self.0 >= RESERVE {
            return Ok(true);
        }
        let free =
            "SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()";
        let free = connection
            .prepare_cached(free)?
            .query_row([], |row| row.get::<_, i64>(0));
        let free = free.optional()?.map_or(0, i64::unsigned_abs);
        Ok(self.0.saturating_add(free) >= RESERVE)
    }
}

fn unavailable(error: journal::Error) -> Unavailable {
    Unavailable(error.to_string())
}

#[cfg(test)]
mod tests;
