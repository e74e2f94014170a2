//! How much is in the embedded queue, and whether it accepts events. Cheap with a million of them.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::{Embedded, SEND, unavailable};
use crate::free_space::FreeSpace;
use crate::{Depth, Status, Unavailable, now};

/// How long a probe counts: each costs a commit, and anyone may ask.
const FRESH: Duration = Duration::from_secs(1);

/// When the queue was probed, and the result.
pub(super) type Probe = (Instant, Result<(), Unavailable>);

impl Embedded {
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        let mut last = self.readiness.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
        {
            return result.clone();
        }
        let result = self.probe().await;
        self.log(&result);
        let result = result.map_err(Unavailable);
        *last = Some((Instant::now(), result.clone()));
        result
    }

    /// Writes something, since only that shows whether it works.
    async fn probe(&self) -> Result<(), String> {
        let folder = self.folder.clone();
        let probe = move |connection: &Connection| {
            connection.execute("UPDATE owner SET probes = probes + 1", [])?;
            FreeSpace::of(&folder).suffices(connection)
        };
        match tokio::time::timeout(SEND, self.journal.write(probe)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(self.no_space()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the disk is too slow".to_owned()),
        }
    }

    /// Counts what is in the queue, by its indexes. A caller that asks regularly asks the less often the longer it takes.
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

    /// Returns how much is in the queue.
    pub async fn status(&self) -> Result<Status, Unavailable> {
        let clock = self.clock.now();
        let status = move |connection: &Connection| {
            let count = |sql: &str| {
                let count = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
                count.map(i64::unsigned_abs)
            };
            // An event that was never received is visible, whatever a clock says that is not the owner's.
            let out = "SELECT count(*) FROM messages WHERE visible_at > ?1 AND attempts > 0";
            let out = connection.query_row(out, [clock], |row| row.get::<_, i64>(0))?;
            let not_visible = out.unsigned_abs();
            let oldest = "SELECT CAST(received_at AS INTEGER) FROM messages ORDER BY seq LIMIT 1";
            let oldest = connection.query_row(oldest, [], |row| row.get::<_, i64>(0));
            let oldest = oldest.optional()?;
            Ok(Status {
                waiting: count("SELECT count(*) FROM messages")?.saturating_sub(not_visible),
                not_visible,
                dead_letters: count("SELECT count(*) FROM dead_letters")?,
                oldest_seconds: oldest
                    .map(|oldest| now().saturating_sub(oldest).max(0).unsigned_abs() / 1_000),
            })
        };
        self.journal.read(status).await.map_err(unavailable)
    }
}
