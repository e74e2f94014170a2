//! A new database file that replaces the one at a path: filled, synced, installed.
//!
//! It is filled under a name that nobody reads, then renamed to the name of a complete file, and then moved to the
//! path. A crash at any moment leaves a complete file or none, and the next start continues from there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use time::OffsetDateTime;

use crate::files::beside;
use crate::rows::{self, CopiedRows, OldState};
use crate::{Schema, create_file, durable, losses};

/// A file that is being filled. Worthless if its writer was interrupted.
const PARTIAL: &str = ".partial";

/// The origin of a complete file, which decides its name and that of the file that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// From a damaged file, by the process that opens it.
    Repaired,
    /// From the open files of a process whose path no longer named them, when it ended.
    Rescued,
}

impl Replacement {
    /// The origins in the order of installation: if there are both, a rescued file is newer.
    pub(crate) const ALL: [Replacement; 2] = [Replacement::Repaired, Replacement::Rescued];

    fn suffix(self) -> &'static str {
        match self {
            Replacement::Repaired => ".repaired",
            Replacement::Rescued => ".rescued",
        }
    }

    /// Why the file at the path is set aside.
    fn reason(self) -> &'static str {
        match self {
            Replacement::Repaired => "damaged",
            Replacement::Rescued => "replaced",
        }
    }
}

/// Returns the name of a complete file that waits to be installed.
pub(crate) fn name(path: &Path, origin: Replacement) -> PathBuf {
    beside(path, origin.suffix())
}

/// Fills a new file with all rows of `old` that can be read, and syncs it. An error leaves no file.
pub(crate) fn fill(
    path: &Path,
    schema: &Schema,
    origin: Replacement,
    old: &Connection,
    state: OldState,
) -> rusqlite::Result<CopiedRows> {
    remove_partial(path)?;
    let partial = beside(path, PARTIAL);
    let filled = create(&partial, schema).and_then(|new| {
        let copied = rows::copy(old, &new, state)?;
        new.execute_batch(schema.tables)?; // the rows that every database has, if they were lost
        losses::mark(&new, old, |table| copied.is_incomplete(table))?;
        new.close().map_err(|(_, error)| error)?;
        fs::File::open(&partial)
            .and_then(|file| file.sync_all())
            .map_err(io_error)?;
        rename(&partial, &name(path, origin))?;
        Ok(copied)
    });
    if filled.is_err() {
        let _ = remove_partial(path); // it may be the disk that is full
    }
    filled
}

/// Removes a file that an interrupted process was filling.
pub(crate) fn remove_partial(path: &Path) -> rusqlite::Result<()> {
    remove(&beside(path, PARTIAL))
}

/// Creates an empty database with the tables of `schema`, for reading its first page or for filling it. It is not
/// synced.
pub(crate) fn create(path: &Path, schema: &Schema) -> rusqlite::Result<Connection> {
    create_file(path).map_err(io_error)?;
    let new = Connection::open(path)?;
    schema.lay_out(&new)?;
    // It has no value before it is complete: no journal, and one sync.
    new.pragma_update(None, "journal_mode", "off")?;
    new.pragma_update(None, "synchronous", "off")?;
    schema.apply(&new)?;
    Ok(new)
}

/// Moves a complete file to the path. Returns the new name of the file that was there, if there was one.
pub(crate) fn install(path: &Path, origin: Replacement) -> rusqlite::Result<Option<PathBuf>> {
    let aside = set_aside(path, origin.reason())?;
    rename(&name(path, origin), path)?;
    Ok(aside)
}

/// Renames the database at the path with its log and its index, if any of them exists. The database is renamed first:
/// without it, nobody reads the log that belongs to it.
fn set_aside(path: &Path, reason: &str) -> rusqlite::Result<Option<PathBuf>> {
    let parts = ["", "-wal", "-shm"].map(|part| (beside(path, part), part));
    let parts: Vec<_> = parts.into_iter().filter(|(it, _)| it.exists()).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let aside = free_name(path, reason);
    for (from, part) in parts {
        rename(&from, &beside(&aside, part))?;
    }
    Ok(Some(aside))
}

/// Returns an unused name that contains the reason and the time.
fn free_name(path: &Path, reason: &str) -> PathBuf {
    let now = OffsetDateTime::now_utc();
    let (date, (hour, minute, second)) = (now.date(), now.to_hms());
    let day = date.to_string().replace('-', "");
    let stamp = format!(".{reason}-{day}T{hour:02}{minute:02}{second:02}Z");
    let numbered = (2u32..).map(|n| beside(path, &format!("{stamp}-{n}")));
    let mut names = std::iter::once(beside(path, &stamp)).chain(numbered);
    names
        .find(|name| !name.exists())
        .unwrap_or_else(|| beside(path, &stamp))
}

/// Renames a file, and syncs its folder.
fn rename(from: &Path, to: &Path) -> rusqlite::Result<()> {
    durable::rename(from, to).map_err(io_error)
}

/// Removes a file that was left behind, and the files that SQLite keeps next to it.
pub(crate) fn remove(path: &Path) -> rusqlite::Result<()> {
    for part in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Wraps an error of the file system as one of SQLite.
pub(crate) fn io_error(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
