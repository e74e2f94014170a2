//! How the embedded queue stands, and whether it takes events. Cheap with a million of them.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::{Embedded, Room, SEND, unavailable};
use crate::{Depth, Unavailable, now};

/// How long an answer is good: each costs a commit, and anyone may ask.
const FRESH: Duration = Duration::from_secs(1);

/// When it was looked, and what was found.
pub(super) type Looked = (Instant, Result<(), Unavailable>);

/// How the queue stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Waiting, in sight.
    pub waiting: u64,
    /// Received and not settled, or waiting for another try.
    pub out_of_sight: u64,
    /// Given up.
    pub dead_letters: u64,
    /// Age of the event that is in the queue for longest, in seconds.
    pub oldest_seconds: Option<u64>,
}

impl Embedded {
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        let mut looked = self.ready.lock().await;
        if let Some((at, found)) = &*looked
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let found = self.probe().await;
        *looked = Some((Instant::now(), found.clone()));
        found
    }

    /// Writes something, for only that shows whether it can be done.
    async fn probe(&self) -> Result<(), Unavailable> {
        let folder = self.folder.clone();
        let probe = move |connection: &Connection| {
            connection.execute("UPDATE owner SET probes = probes + 1", [])?;
            Room::on(&folder).is_enough_with(connection)
        };
        match tokio::time::timeout(SEND, self.journal.write(probe)).await {
            Ok(probed) => self
                .had_room(probed.map_err(unavailable)?)
                .map_err(Unavailable),
            Err(_) => Err(Unavailable("the disk is too slow".to_owned())),
        }
    }

    /// How much is in the queue. Counts by the indexes; who asks often asks the less often the longer that takes.
    pub(crate) async fn depth(&self) -> Result<Depth, Unavailable> {
        let depth = |connection: &Connection| {
            let one = |sql: &str| {
                let mut query = connection.prepare_cached(sql)?;
                query.query_row([], |row| row.get::<_, i64>(0)).optional()
            };
            let count =
                |sql: &str| Ok::<u64, rusqlite::Error>(one(sql)?.map_or(0, i64::unsigned_abs));
            let oldest =
                one("SELECT CAST(received_at AS INTEGER) FROM messages ORDER BY seq LIMIT 1")?;
            let age = |oldest| now().saturating_sub(oldest).max(0).unsigned_abs() / 1_000;
            Ok(Depth {
                events: count("SELECT count(*) FROM messages")?,
                dead_letters: Some(count("SELECT count(*) FROM dead_letters")?),
                oldest_seconds: Some(oldest.map_or(0, age)),
            })
        };
        self.journal.read(depth).await.map_err(unavailable)
    }

    /// How the queue stands.
    pub async fn status(&self) -> Result<Status, Unavailable> {
        let clock = self.clock.now();
        let status = move |connection: &Connection| {
            let count = |sql: &str| {
                let count = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
                count.map(i64::unsigned_abs)
            };
            // What was never received is in sight, whatever a clock says that is not the owner's.
            let out = "SELECT count(*) FROM messages WHERE visible_at > ?1 AND receives > 0";
            let out = connection.query_row(out, [clock], |row| row.get::<_, i64>(0))?;
            let out_of_sight = out.unsigned_abs();
            let oldest = "SELECT CAST(received_at AS INTEGER) FROM messages ORDER BY seq LIMIT 1";
            let oldest = connection.query_row(oldest, [], |row| row.get::<_, i64>(0));
            let oldest = oldest.optional()?;
            Ok(Status {
                waiting: count("SELECT count(*) FROM messages")?.saturating_sub(out_of_sight),
                out_of_sight,
                dead_letters: count("SELECT count(*) FROM dead_letters")?,
                oldest_seconds: oldest
                    .map(|oldest| now().saturating_sub(oldest).max(0).unsigned_abs() / 1_000),
            })
        };
        self.journal.read(status).await.map_err(unavailable)
    }
}
