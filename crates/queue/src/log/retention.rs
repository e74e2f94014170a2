//! How long settled events are kept, and how the rest is deleted: in small steps, beside the traffic.
//!
//! An event may be deleted once every consumer has settled it and no dead letter needs it. It is deleted when it is older
//! than the retention allows, when the file uses more than the retention allows (the oldest first), or when the disk is
//! nearly full. Events that are not settled are never deleted, however old and however many.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Log, unavailable};
use crate::free_space::{FreeSpace, RESERVE};
use crate::{FailureLog, Unavailable};

/// Most events that one step looks at, and deletes.
const STEP: i64 = 256;

/// Most bytes of events that one step deletes, beyond the first: each page of an event is read for that.
const STEP_BYTES: u64 = 8 << 20;

/// How often to look for events to delete.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often the sweep starts again at the oldest event: what it has passed may have been settled since.
const ROUND: Duration = Duration::from_secs(30);

/// Free pages that stay in the file, to be used again: about 8 MB, and a quarter of the file. Giving a page back moves
/// another one.
const SPARE_PAGES: u64 = 2_048;
const SPARE_SHARE: u64 = 4;

/// Most pages that one step gives back.
const RECLAIM_PAGES: u32 = 256;

/// How long settled events are kept. Whichever bound is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For so long after they were appended.
    pub age: Duration,
    /// As long as all events together, settled or not, use up to so many bytes of the disk.
    pub bytes: u64,
}

impl Retention {
    /// Keeps no settled event.
    pub const NONE: Retention = Retention {
        age: Duration::ZERO,
        bytes: 0,
    };
}

/// A week, and 1 GB: what a look back at last week's runs needs, on a small disk.
impl Default for Retention {
    fn default() -> Retention {
        Retention {
            age: Duration::from_secs(7 * 24 * 3_600),
            bytes: 1 << 30,
        }
    }
}

/// How far the sweep has come in its round.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    position: i64,
    began: Option<Instant>,
}

/// What one step did.
struct Step {
    deleted: usize,
    /// The last event that was looked at and is done with.
    position: i64,
    has_more: bool,
}

impl Log {
    /// Deletes what the retention does not keep, until `stop`. The owner runs it beside the traffic.
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        let Retention { age, bytes } = self.options.retention;
        let age_seconds = age.as_secs();
        info!(age_seconds, bytes, "retention of settled events");
        let mut failures = FailureLog::new("settled events cannot be deleted");
        while !stop.is_cancelled() {
            match self.sweep().await {
                Ok(_) => failures.record_recovery(),
                Err(error) => failures.record_failure(&error),
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Deletes what the retention does not keep now. Returns how many events that were.
    pub async fn sweep(&self) -> Result<usize, Unavailable> {
        let mut all = 0;
        loop {
            let is_short = FreeSpace::of(&self.folder).is_below(RESERVE.saturating_mul(2));
            let from = self.next_position(is_short && all == 0);
            let Retention { age, bytes } = self.options.retention;
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let until = self.clock.now().saturating_sub(age);
            let allowed = if is_short { 0 } else { bytes };
            let step = move |connection: &Connection| step(connection, from, until, allowed);
            let step = self.journal.write(step).await.map_err(unavailable)?;
            all += step.deleted;
            self.lock_sweep().position = step.position;
            if !step.has_more {
                return Ok(all);
            }
        }
    }

    /// Returns the event after which the sweep continues; the first position if it starts over.
    fn next_position(&self, starts_over: bool) -> i64 {
        let mut sweep = self.lock_sweep();
        if starts_over || sweep.began.is_none_or(|began| began.elapsed() >= ROUND) {
            *sweep = Sweep {
                position: i64::MIN,
                began: Some(Instant::now()),
            };
        }
        sweep.position
    }

    fn lock_sweep(&self) -> MutexGuard<'_, Sweep> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes some of the events after `from` that were appended at `until` or before, or that make the file use more than
/// `allowed` bytes; then gives some pages back.
fn step(connection: &Connection, from: i64, until: i64, allowed: u64) -> rusqlite::Result<Step> {
    let mut excess = Pages::read(connection)?
        .used_bytes()
        .saturating_sub(allowed);
    let mut step = Step {
        deleted: 0,
        position: from,
        has_more: false,
    };
    let mut select = connection.prepare_cached(
        // The last event stays, so that its number is not given out again.
        "SELECT seq, octet_length(body), iif(typeof(appended_at) = 'integer', appended_at, 0) FROM events
         WHERE seq > ?1 AND seq <= (SELECT min(settled) FROM cursors) AND seq < (SELECT max(seq) FROM events)
         ORDER BY seq LIMIT ?2",
    )?;
    let rows = select.query_map([from, STEP], |row| {
        let size: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, size.unwrap_or(0).unsigned_abs(), row.get(2)?))
    })?;
    let rows: Vec<(i64, u64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    step.has_more = i64::try_from(rows.len()).is_ok_and(|count| count == STEP);
    let mut delete = connection.prepare_cached(
        "DELETE FROM events WHERE seq = ?1
         AND NOT EXISTS (SELECT 1 FROM cursors JOIN pending USING (consumer) WHERE pending.seq = ?1)
         AND NOT EXISTS (SELECT 1 FROM cursors JOIN dead_letters USING (consumer) WHERE dead_letters.seq = ?1)",
    )?;
    let mut bytes = 0;
    for (seq, size, appended_at) in rows {
        if appended_at > until && excess == 0 {
            step.has_more = false; // later ones are younger
            break;
        }
        if bytes > STEP_BYTES {
            step.has_more = true;
            break;
        }
        if delete.execute([seq])? > 0 {
            step.deleted += 1;
            excess = excess.saturating_sub(size);
            bytes += size;
        }
        step.position = seq;
    }
    let pages = Pages::read(connection)?;
    if pages.have_spare() {
        let free = journal::reclaim(connection, RECLAIM_PAGES)?;
        step.has_more |= free < pages.free && Pages::read(connection)?.have_spare();
    }
    Ok(step)
}

/// The pages of the file, with what is only in its log.
struct Pages {
    count: u64,
    free: u64,
    size: u64,
}

impl Pages {
    fn read(connection: &Connection) -> rusqlite::Result<Pages> {
        let sql = "SELECT page_count, freelist_count, page_size
                   FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()";
        connection.prepare_cached(sql)?.query_row([], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            Ok(Pages {
                count: number(0)?,
                free: number(1)?,
                size: number(2)?,
            })
        })
    }

    fn used_bytes(&self) -> u64 {
        self.count
            .saturating_sub(self.free)
            .saturating_mul(self.size)
    }

    /// Whether more pages are free than are kept to be used again.
    fn have_spare(&self) -> bool {
        self.free > SPARE_PAGES && self.free > self.count / SPARE_SHARE
    }
}
