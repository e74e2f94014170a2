//! The embedded queue: a table in the data folder, with the meaning of an SQS queue.
//!
//! Visibility time-out, receive count, dead letters with their reason. Writes share commits (`journal`). One `serve`
//! owns it; commands on the same folder may look and redrive while it runs. Here is what goes in; what comes out and is
//! settled is in `embedded/take.rs`.

mod clock;
mod dead_letters;
mod status;
mod take;

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::{Journal, Trouble};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Notify;

use super::{Message, SendError, Unavailable, now};
use clock::Clock;
use take::Unsettled;

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
    folder: PathBuf,
    visibility: Duration,
    clock: Clock,
    arrived: Arc<Notify>,
    /// What is dealt with, and could not be settled.
    unsettled: Unsettled,
    room: Arc<Mutex<Trouble>>,
    ready: Arc<tokio::sync::Mutex<Option<status::Looked>>>,
    /// Held as long as the queue is used: two `serve` on one folder would deliver everything twice.
    _lock: Option<Arc<fs::File>>,
}

impl Embedded {
    /// Opens or creates the queue in `folder` for the one process that serves it. Everything in it is in sight: what an
    /// earlier one had received and not settled, and what waited for another try, since a restart is often the cure.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        Embedded::own_at(folder, visibility, now()).await
    }

    /// The same at a time that a test chooses.
    async fn own_at(
        folder: &Path,
        visibility: Duration,
        now: i64,
    ) -> Result<Embedded, Unavailable> {
        let named =
            |error: &dyn std::fmt::Display| Unavailable(format!("{}: {error}", folder.display()));
        journal::create_folder(folder).map_err(|error| named(&error))?;
        let lock = fs::File::create(folder.join("lock")).map_err(|error| named(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(named(&"another lineage-proxy serves from this folder"));
            }
            Err(TryLockError::Error(error)) => return Err(named(&error)),
        }
        let journal = Journal::own(&folder.join(FILE), SCHEMA).map_err(unavailable)?;
        let start = move |connection: &Connection| clock::start(connection, now);
        let clock = match journal.write(start).await {
            // It may have been damaged: then another file is there now.
            Err(_) => journal.write(start).await,
            clock => clock,
        };
        let clock = clock.map_err(unavailable)?;
        Ok(Embedded {
            _lock: Some(Arc::new(lock)),
            ..Embedded::with(folder, journal, visibility, clock)
        })
    }

    /// Opens the queue in `folder` beside the process that serves it.
    pub async fn open(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let journal = Journal::open(&folder.join(FILE), SCHEMA).map_err(unavailable)?;
        let clock = journal.read(|connection| clock::beside(connection, now()));
        let clock = clock.await.map_err(unavailable)?;
        Ok(Embedded::with(folder, journal, visibility, clock))
    }

    fn with(folder: &Path, journal: Journal, visibility: Duration, clock: Clock) -> Embedded {
        Embedded {
            journal,
            folder: folder.to_owned(),
            visibility,
            clock,
            arrived: Arc::default(),
            unsettled: Unsettled::default(),
            room: Arc::new(Mutex::new(Trouble::new("no room for new events"))),
            ready: Arc::default(),
            _lock: None,
        }
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        let count = messages.len();
        let (room, visible_at) = (self.room_on_disk(), self.clock.now());
        let insert = move |connection: &Connection| {
            if !room.is_enough_with(connection)? {
                return Ok(false);
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO messages (id, body, received_at, visible_at) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for m in &messages {
                insert.execute(params![m.id, m.body, m.received_at, visible_at])?;
            }
            Ok(true)
        };
        let written = tokio::time::timeout(SEND, self.journal.write(insert)).await;
        let result = written.map_err(|_| SendError::Unavailable("the disk is too slow".to_owned()));
        let result = result.and_then(|written| {
            let written = written.map_err(|error| SendError::Unavailable(error.to_string()))?;
            self.had_room(written).map_err(SendError::Unavailable)
        });
        if result.is_ok() {
            self.arrived.notify_one();
        }
        vec![result; count]
    }

    /// Tells of a disk that has no room, and of one that has again.
    fn had_room(&self, had: bool) -> Result<(), String> {
        let mut trouble = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        if had {
            trouble.fine();
            return Ok(());
        }
        let why = format!(
            "{}: less than {} MB are free on the disk",
            self.folder.display(),
            RESERVE >> 20
        );
        trouble.failed(&why);
        Err(why)
    }

    fn room_on_disk(&self) -> Room {
        // Where the disk does not say (some that are no disks have no blocks at all), its errors will.
        let disk = rustix::fs::statvfs(&self.folder).ok();
        let disk = disk.filter(|disk| disk.f_blocks > 0);
        Room(disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }
}

/// Bytes that are free on the disk.
#[derive(Debug, Clone, Copy)]
struct Room(u64);

impl Room {
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
mod tests {
    use super::super::{Record, Settlement};
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            body: format!("body of {id}").into(),
            received_at: now(),
            group: String::new(),
        }
    }

    async fn queue(folder: &Path) -> Embedded {
        Embedded::own(folder, Duration::from_secs(60))
            .await
            .unwrap()
    }

    fn ids(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.id.as_str()).collect()
    }

    #[tokio::test]
    async fn what_is_received_is_out_of_sight_until_it_is_settled_or_handed_back() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue
            .send(vec![message("a"), message("b"), message("c")])
            .await;
        let records = queue.receive(2, NOW).await.unwrap();
        assert_eq!(ids(&records), ["a", "b"]);
        queue
            .settle(&[
                (&records[0], Settlement::Done),
                (&records[1], Settlement::Retry(NOW)),
            ])
            .await;
        let again = queue.receive(9, NOW).await.unwrap();
        assert_eq!(ids(&again), ["b", "c"]);
        assert_eq!(again[0].receives, 2);
        // The first receiver's receipt is worth nothing now.
        queue.settle(&[(&records[1], Settlement::Done)]).await;
        assert_eq!(queue.status().await.unwrap().out_of_sight, 2);
    }

    #[tokio::test]
    async fn a_batch_waits_for_company_but_not_longer_than_the_window() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue.send(vec![message("a")]).await;
        assert!(
            queue
                .receive(2, Duration::from_millis(80))
                .await
                .unwrap()
                .is_empty()
        );
        let more = {
            let queue = queue.clone();
            tokio::spawn(async move { queue.send(vec![message("b")]).await })
        };
        let mut records = Vec::new();
        while records.is_empty() {
            records = queue.receive(2, Duration::from_secs(60)).await.unwrap();
        }
        assert_eq!(ids(&records), ["a", "b"]);
        more.await.unwrap();
    }

    #[tokio::test]
    async fn dead_letters_keep_their_reason_and_can_be_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue.send(vec![message("a"), message("b")]).await;
        let records = queue.receive(2, NOW).await.unwrap();
        let dead = |reason: &str| Settlement::DeadLetter(reason.to_owned());
        queue
            .settle(&[
                (&records[0], dead("too_large: 310000 bytes")),
                (&records[1], dead("invalid: no run")),
            ])
            .await;
        let letters = queue.dead_letters("too_large", 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].id.as_str()), (1, "a"));
        assert_eq!(
            queue.dead_letter_body("a").await.unwrap().unwrap(),
            "body of a"
        );
        assert!(queue.redrive("a").await.unwrap());
        assert!(queue.delete_dead_letter("b").await.unwrap());
        assert!(!queue.redrive("b").await.unwrap());
        assert_eq!(queue.receive(2, NOW).await.unwrap()[0].receives, 1);
    }

    #[tokio::test]
    async fn a_new_owner_finds_what_the_last_one_had_in_hand_and_there_is_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = queue(folder.path()).await;
        first.send(vec![message("a")]).await;
        first.receive(1, NOW).await.unwrap();
        let second = Embedded::own(folder.path(), NOW).await.unwrap_err();
        assert!(
            second.to_string().contains("another lineage-proxy"),
            "{second}"
        );
        drop(first);
        assert_eq!(
            ids(&queue(folder.path()).await.receive(1, NOW).await.unwrap()),
            ["a"]
        );
    }

    #[tokio::test]
    async fn a_wall_clock_that_was_set_back_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        const DAY: i64 = 86_400_000;
        let tomorrow = Embedded::own_at(folder.path(), NOW, now() + DAY).await;
        let tomorrow = tomorrow.unwrap();
        tomorrow.send(vec![message("a"), message("b")]).await;
        let records = tomorrow.receive(1, NOW).await.unwrap();
        let later = Settlement::Retry(Duration::from_secs(900));
        tomorrow.settle(&[(&records[0], later)]).await;
        drop((tomorrow, records));
        let today = queue(folder.path()).await;
        let beside = Embedded::open(folder.path(), NOW).await.unwrap();
        assert_eq!(beside.status().await.unwrap().waiting, 2);
        let mut records = today.receive(9, NOW).await.unwrap();
        records.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(ids(&records), ["a", "b"]);
        // And what is in hand stays there.
        assert_eq!(beside.status().await.unwrap().out_of_sight, 2);
        assert!(today.receive(9, NOW).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_another_process_puts_back_is_in_sight_whatever_its_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let yesterday = Embedded::own_at(folder.path(), NOW, now() - 86_400_000).await;
        let yesterday = yesterday.unwrap();
        yesterday.send(vec![message("a")]).await;
        let records = yesterday.receive(1, NOW).await.unwrap();
        let dead = Settlement::DeadLetter("invalid".to_owned());
        yesterday.settle(&[(&records[0], dead)]).await;
        let beside = Embedded::open(folder.path(), NOW).await.unwrap();
        assert!(beside.redrive("a").await.unwrap());
        assert_eq!(ids(&yesterday.receive(1, NOW).await.unwrap()), ["a"]);
    }

    #[tokio::test]
    async fn a_number_that_is_free_again_is_not_settled_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue.send(vec![message("a")]).await;
        let old = queue.receive(1, NOW).await.unwrap();
        queue.settle(&[(&old[0], Settlement::Done)]).await;
        queue.send(vec![message("b")]).await;
        let new = queue.receive(1, NOW).await.unwrap();
        assert_eq!(new[0].receipt, old[0].receipt);
        queue.settle(&[(&old[0], Settlement::Done)]).await;
        assert_eq!(queue.status().await.unwrap().out_of_sight, 1);
    }

    #[tokio::test]
    async fn what_is_dealt_with_and_cannot_be_settled_is_not_given_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::own(folder.path(), NOW).await.unwrap();
        queue.send(vec![message("a"), message("b")]).await;
        let records = queue.receive(1, NOW).await.unwrap();
        let refuse =
            "CREATE TRIGGER full BEFORE DELETE ON messages BEGIN SELECT RAISE(ABORT, 'full'); END";
        queue
            .journal
            .write(|c| c.execute_batch(refuse))
            .await
            .unwrap();
        let answers = queue.settle(&[(&records[0], Settlement::Done)]).await;
        assert!(answers[0].is_err());
        assert!(
            queue.receive(9, NOW).await.is_err(),
            "nothing more is taken"
        );
        let room = "DROP TRIGGER full";
        queue
            .journal
            .write(|c| c.execute_batch(room))
            .await
            .unwrap();
        assert_eq!(ids(&queue.receive(9, NOW).await.unwrap()), ["b"]);
        assert_eq!(queue.receive(9, NOW).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_row_is_a_record_and_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path()).await;
        queue
            .send(vec![message("a"), message("b"), message("c")])
            .await;
        let damage = "UPDATE messages SET body = CAST(x'7bff7d' AS TEXT) WHERE id = 'a';
                      UPDATE messages SET receives = 'often', visible_at = 'then' WHERE id = 'b'";
        queue
            .journal
            .write(|c| c.execute_batch(damage))
            .await
            .unwrap();
        drop(queue);
        let queue = self::queue(folder.path()).await;
        let records = queue.receive(9, NOW).await.unwrap();
        assert_eq!(ids(&records), ["a", "b", "c"]);
        let unreadable = records.iter().map(|record| record.unreadable.is_some());
        assert_eq!(unreadable.collect::<Vec<_>>(), [true, false, false]);
        let dead = Settlement::DeadLetter("invalid".to_owned());
        queue.settle(&[(&records[0], dead)]).await;
        let letters = queue.dead_letters("invalid", 9).await.unwrap();
        assert_eq!((letters.len(), letters[0].id.as_str()), (1, "a"));
    }
}
