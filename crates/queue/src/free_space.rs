//! How much disk space is left for new events.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

/// What has to be free for new events, on the disk or in the file, in bytes. The rest is kept for settling the events that
/// are there, which frees space.
pub(crate) const RESERVE: u64 = 16 << 20;

/// How long a measurement counts for new events. Asking the system for each would cost as much as a tenth of writing it.
const FRESH: Duration = Duration::from_millis(20);

/// How much more than its own bytes an event may take: it is written to the log and to the database, in whole pages.
const GROWTH: u64 = 4;

/// Free space of a disk, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreeSpace(u64);

/// The free space for new events, measured now and then. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SpaceForEvents {
    folder: Arc<Path>,
    /// When it was measured, and what is left of it.
    measured: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl SpaceForEvents {
    pub(crate) fn new(folder: Arc<Path>) -> SpaceForEvents {
        SpaceForEvents {
            folder,
            measured: Arc::default(),
        }
    }

    /// Whether so many bytes of new events may be written. They count as written then.
    pub(crate) fn take(&self, connection: &Connection, bytes: usize) -> rusqlite::Result<bool> {
        let now = Instant::now();
        let needed = u64::try_from(bytes)
            .unwrap_or(u64::MAX)
            .saturating_mul(GROWTH);
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = left(*measured, needed, now) {
            measured.replace(left);
            return Ok(true);
        }
        let free = FreeSpace::of(&self.folder);
        *measured = Some((now, free.0.saturating_sub(needed)));
        free.suffices(connection)
    }
}

/// Whether the disk with `folder` has more space than is kept for settling the events that are there.
pub fn has_space(folder: &Path) -> bool {
    !FreeSpace::of(folder).is_below(RESERVE)
}

/// Returns what is left of a measurement, if it is fresh and more is left than is kept.
fn left(measured: Option<(Instant, u64)>, needed: u64, now: Instant) -> Option<(Instant, u64)> {
    let (at, free) = measured?;
    let left = free.checked_sub(needed)?;
    let is_fresh = now.saturating_duration_since(at) < FRESH;
    (is_fresh && left >= RESERVE).then_some((at, left))
}

impl FreeSpace {
    /// Returns the free space of the disk with `folder`. A file system that does not tell (some have no blocks at all)
    /// counts as empty: writing to it shows.
    pub(crate) fn of(folder: &Path) -> FreeSpace {
        let disk = rustix::fs::statvfs(folder).ok();
        let disk = disk.filter(|disk| disk.f_blocks > 0);
        FreeSpace(disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    /// A full disk.
    #[cfg(test)]
    pub(crate) fn none() -> FreeSpace {
        FreeSpace(0)
    }

    /// Whether less than so many bytes are free.
    pub(crate) fn is_below(self, bytes: u64) -> bool {
        self.0 < bytes
    }

    /// Whether new events may be written, with what delivered events have left free in the file.
    pub(crate) fn suffices(self, connection: &Connection) -> rusqlite::Result<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_for_a_moment_and_for_as_much_as_it_found() {
        let at = Instant::now();
        let found = Some((at, RESERVE + 100));
        assert_eq!(left(found, 60, at), Some((at, RESERVE + 40)));
        assert_eq!(left(found, 100, at), Some((at, RESERVE)));
        assert_eq!(left(found, 101, at), None);
        assert_eq!(left(found, u64::MAX, at), None);
        assert_eq!(left(found, 60, at + FRESH), None);
        assert_eq!(left(None, 0, at), None);
    }

    #[test]
    fn what_is_taken_is_measured_again_once_it_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        let space = SpaceForEvents::new(folder.path().into());
        let connection = Connection::open_in_memory().unwrap();
        // As if all of it were used up.
        *space.measured.lock().unwrap() = Some((Instant::now(), RESERVE));
        assert!(space.take(&connection, 1).unwrap());
        let (_, left) = space.measured.lock().unwrap().unwrap();
        assert!(left > RESERVE, "{left}");
    }
}
