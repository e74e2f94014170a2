//! How much disk space is left for new events.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

/// What has to be free for new events, on the disk or in the file, in bytes. The rest is kept for settling the events that
/// are there, which frees space.
pub(crate) const RESERVE: u64 = 16 << 20;

/// Free space of a disk, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FreeSpace(u64);

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
