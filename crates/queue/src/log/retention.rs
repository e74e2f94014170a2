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

use super::marks::Marks;
use super::{Log, floors, reconcile, store, unavailable};
use crate::free_space::{FreeSpace, RESERVE};
use crate::{FailureLog, QueueError, identities, now};

/// Most events that one step looks at, and deletes.
const STEP: i64 = 256;

/// Most bytes of events that one step deletes, beyond the first: each page of an event is read for that.
const STEP_BYTES: u64 = 8 << 20;

/// How often to look for events to delete.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often the sweep starts again at the oldest event: what it has passed may have been settled since. And no sooner than
/// after so many times what the last round took: after an outage, it reads a long queue that it cannot delete.
const ROUND: Duration = Duration::from_secs(30);
const ROUND_FACTOR: u32 = 20;

/// The same while the disk is nearly full.
const SHORT_ROUND: Duration = Duration::ZERO;
const SHORT_ROUND_FACTOR: u32 = 4;

/// Free pages that stay in the file, to be used again: about 8 MB, and a quarter of the file. Giving a page back moves
/// another one.
const SPARE_PAGES: u64 = 1_024;
const SPARE_SHARE: u64 = 4;

/// Most pages that one step gives back.
const RECLAIM_PAGES: u32 = 128;

/// How long settled events are kept. Whichever bound is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// For so long after they were accepted.
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

    /// Whether an event may be kept after it is settled.
    pub fn keeps_any(self) -> bool {
        !self.age.is_zero() && self.bytes > 0
    }
}

/// 30 days, so that a monthly run can be compared with the one before, and 1 GB, which a small disk has.
impl Default for Retention {
    fn default() -> Retention {
        Retention {
            age: Duration::from_secs(30 * 24 * 3_600),
            bytes: 1_000_000_000,
        }
    }
}

/// How far the sweep has come in its round.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    position: i64,
    began: Option<Instant>,
    /// How long the writer was busy until it first reached the end.
    busy: Duration,
    reached_end: bool,
}

/// What one step did.
struct Step {
    deleted: usize,
    /// The last event that was looked at and is done with.
    position: i64,
    has_more: bool,
}

impl Log {
    /// Deletes what the retention does not keep, until `stop`, and takes over the store of an older version. The owner runs it
    /// beside the traffic.
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        let Retention { age, bytes } = self.options.retention;
        match self.options.retention.keeps_any() {
            true => info!(
                age_seconds = age.as_secs(),
                bytes, "delivered events are retained"
            ),
            false => info!("delivered events are deleted at once"),
        }
        let mut failures = FailureLog::new("settled events cannot be deleted");
        // The owner has added all consumers it knows before it deletes anything.
        let forgotten = self.journal.write(reconcile::forget_lost_cursors).await;
        if let Err(error) = forgotten {
            failures.record_failure(&unavailable(error));
        }
        tokio::join!(
            self.sweep_regularly(stop, failures),
            self.take_over_store(stop)
        );
    }

    async fn sweep_regularly(&self, stop: &CancellationToken, mut failures: FailureLog) {
        while !stop.is_cancelled() {
            match self.sweep_until(stop, || FreeSpace::of(&self.folder)).await {
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
    pub async fn sweep(&self) -> Result<usize, QueueError> {
        let never = CancellationToken::new();
        self.sweep_until(&never, || FreeSpace::of(&self.folder))
            .await
    }

    /// Deletes in steps until nothing is left to delete, or `stop`. Leaves the writer to others in between, as long as a
    /// step takes.
    pub(super) async fn sweep_until(
        &self,
        stop: &CancellationToken,
        free: impl Fn() -> FreeSpace,
    ) -> Result<usize, QueueError> {
        let is_short = || free().is_below(RESERVE.saturating_mul(2));
        self.start_round(is_short());
        let mut all = 0;
        loop {
            let from = self.lock_sweep().position;
            let Retention { age, bytes } = self.options.retention;
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let until = now().saturating_sub(age);
            // Nothing is kept by its age: also not with a time that is still to come.
            let allowed = if is_short() || age == 0 { 0 } else { bytes };
            let began = Instant::now();
            let clock = self.clock;
            let step = move |connection: &Connection| {
                let mut step = step(connection, from, until, allowed)?;
                step.has_more |= identities::forget(connection, clock.now())?;
                Ok(step)
            };
            let step = self.journal.write(step).await.map_err(unavailable)?;
            all += step.deleted;
            self.record(&step, began.elapsed());
            if !step.has_more || stop.is_cancelled() {
                return Ok(all);
            }
            tokio::select! {
                () = tokio::time::sleep(began.elapsed()) => {}
                () = stop.cancelled() => return Ok(all),
            }
        }
    }

    /// Goes back to the oldest event if it is time.
    fn start_round(&self, is_short: bool) {
        let mut sweep = self.lock_sweep();
        let (interval, factor) = match is_short {
            true => (SHORT_ROUND, SHORT_ROUND_FACTOR),
            false => (ROUND, ROUND_FACTOR),
        };
        let interval = interval.max(sweep.busy.saturating_mul(factor));
        if sweep.began.is_none_or(|began| began.elapsed() >= interval) {
            *sweep = Sweep {
                position: i64::MIN,
                began: Some(Instant::now()),
                ..Sweep::default()
            };
        }
    }

    fn record(&self, step: &Step, took: Duration) {
        let mut sweep = self.lock_sweep();
        sweep.position = step.position;
        if !sweep.reached_end {
            sweep.busy = sweep.busy.saturating_add(took);
            sweep.reached_end = !step.has_more;
        }
    }

    fn lock_sweep(&self) -> MutexGuard<'_, Sweep> {
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Selects the events that a step looks at. The last event stays, so that its number is not given out again.
pub(super) const SELECT: &str = "
    SELECT seq, octet_length(body), iif(typeof(received_at) = 'integer', received_at, 0) FROM events
    WHERE seq > ?1 AND seq <= (SELECT min(settled) FROM cursors) AND seq < (SELECT max(seq) FROM events)
    ORDER BY seq LIMIT ?2";

/// Deletes an event that no consumer needs. There are few consumers and many other rows: a cross join, which SQLite does not
/// reorder (<https://www.sqlite.org/optoverview.html#crossjoin>), looks up one row for each consumer instead of reading all.
pub(super) const DELETE: &str = "
    DELETE FROM events WHERE seq = ?1
    AND NOT EXISTS (SELECT 1 FROM cursors CROSS JOIN pending USING (consumer) WHERE pending.seq = ?1)
    AND NOT EXISTS (SELECT 1 FROM cursors CROSS JOIN dead_letters USING (consumer) WHERE dead_letters.seq = ?1)";

/// Deletes some of the events after `from` that were accepted at `until` or before, or that make the file use more than
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
    let mut select = connection.prepare_cached(SELECT)?;
    let rows = select.query_map([from, STEP], |row| {
        let size: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, size.unwrap_or(0).unsigned_abs(), row.get(2)?))
    })?;
    let rows: Vec<(i64, u64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    step.has_more = i64::try_from(rows.len()).is_ok_and(|count| count == STEP);
    let mut delete = connection.prepare_cached(DELETE)?;
    let mut marks = Marks::read(connection)?;
    let (mut bytes, mut has_young) = (0, false);
    for (seq, size, received_at) in rows {
        // Later ones are younger, but for a clock that was wrong: the rest of these is looked at each time.
        if received_at > until && excess == 0 {
            has_young = true;
            continue;
        }
        if bytes > STEP_BYTES {
            step.has_more = true;
            break;
        }
        if delete.execute([seq])? > 0 {
            store::forget_event(connection, seq)?;
            marks.delete(seq);
            step.deleted += 1;
            excess = excess.saturating_sub(size);
            bytes += size;
        }
        if !has_young {
            step.position = seq;
        }
    }
    if has_young {
        step.has_more &= step.deleted > 0;
    }
    if step.deleted > 0 {
        marks.write(connection)?;
    }
    floors::update(connection)?;
    let pages = Pages::read(connection)?;
    if pages.have_spare() {
        let free = journal::reclaim(connection, RECLAIM_PAGES)?;
        step.has_more |= free < pages.free && Pages::read(connection)?.have_spare();
    }
    Ok(step)
}

/// The pages of the file, with what is only in its log.
pub(super) struct Pages {
    count: u64,
    free: u64,
    size: u64,
}

impl Pages {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Pages> {
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

    pub(super) fn used_bytes(&self) -> u64 {
        self.count
            .saturating_sub(self.free)
            .saturating_mul(self.size)
    }

    /// Whether more pages are free than are kept to be used again.
    fn have_spare(&self) -> bool {
        self.free > SPARE_PAGES && self.free > self.count / SPARE_SHARE
    }
}
