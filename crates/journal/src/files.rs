//! Checks that the path of an open database still names its files.
//!
//! SQLite opens a database, its write-ahead log and its index once, and does not notice when their names change: it
//! would commit to files that nobody finds again (<https://www.sqlite.org/howtocorrupt.html>, 2.5 and 4.4). So the
//! writer checks before a group of writes, and again before it answers them.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Displacement, Identity, LOG_LIMIT};

/// The three files of a database, as they were last seen.
#[derive(Debug)]
pub(crate) struct DatabaseFiles {
    database: Identity,
    log: Identity,
    /// Open, so that its header can be read. SQLite's locks, which closing any handle of a file would release, are on the
    /// database and the index only.
    log_file: fs::File,
    index: Identity,
}

/// A file whose path no longer names the file that is open.
#[derive(Debug, Clone)]
pub(crate) struct DisplacedFile {
    pub(crate) file: PathBuf,
    pub(crate) how: Displacement,
}

impl DatabaseFiles {
    /// Records the files of a database that was just opened.
    pub(crate) fn of(path: &Path) -> io::Result<DatabaseFiles> {
        let log_file = fs::File::open(beside(path, "-wal"))?;
        Ok(DatabaseFiles {
            database: Identity::at(path)?,
            log: Identity::of(&log_file)?,
            log_file,
            index: Identity::at(&beside(path, "-shm"))?,
        })
    }

    /// Checks that all of them are in place, with four system calls. `size` returns the size of the database according
    /// to SQLite.
    pub(crate) fn verify(
        &mut self,
        path: &Path,
        size: impl FnOnce() -> Option<u64>,
    ) -> Result<(), DisplacedFile> {
        let log = beside(path, "-wal");
        let index = beside(path, "-shm");
        self.database = match verify_one(self.database, path, u64::MAX) {
            Err(DisplacedFile {
                how: Displacement::Truncated { to, .. },
                ..
            }) if size().is_some_and(|size| size <= to) => {
                // A checkpoint removes only the pages that `reclaim` has freed.
                self.database.size = to;
                verify_one(self.database, path, u64::MAX)?
            }
            found => found?,
        };
        // It becomes shorter only to its limit, when it is reset.
        self.log = verify_one(self.log, &log, LOG_LIMIT.into())?;
        self.index = verify_one(self.index, &index, 0)?;
        let was_cut = self.log.size > 0 && !has_header(&self.log_file).unwrap_or(true);
        if was_cut {
            // It was truncated, and written to since.
            let from = self.log.size;
            let how = Displacement::Truncated { from, to: 0 };
            return Err(DisplacedFile { file: log, how });
        }
        Ok(())
    }
}

/// Returns the present state of the file, if it is the same file. It must not be shorter than before, or than `limit`.
fn verify_one(open: Identity, path: &Path, limit: u64) -> Result<Identity, DisplacedFile> {
    let found = open.compare_at(path);
    let mut found = found.map_err(|how| DisplacedFile {
        file: path.to_owned(),
        how,
    })?;
    found.size = found.size.min(limit);
    Ok(found)
}

/// Whether a log begins with a header.
fn has_header(log: &fs::File) -> io::Result<bool> {
    let mut head = [0; 4];
    log.read_exact_at(&mut head, 0)?;
    Ok(head != [0; 4])
}

/// Returns the path with `suffix` at its end.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
