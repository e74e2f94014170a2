//! Opens a database that may be damaged: the damaged file is set aside, and its readable rows are moved to a new one.
//!
//! All of this happens before anything else runs, so there is no concurrency. The damaged file is only read and
//! renamed. Reading rows around the damage is in `rows.rs`; reading a write-ahead log is in `wal.rs`. Called by the one
//! process that owns the file.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::{Connection, ErrorCode, ffi};
use tracing::{error, info, warn};

use crate::files::beside;
use crate::page_size::page_size;
use crate::replacement::{self, Replacement, io_error};
use crate::rows::OldState;
use crate::{Schema, connect, create_file, reader, rows, wal};

/// A copy of the damaged file with a new first page, to be read from.
const COPY: &str = ".mended";

/// An empty database, for its first page.
const EMPTY: &str = ".empty";

/// The size, in bytes, above which it is logged that a database is checked: that delays the start by about a second in
/// memory, and by as long as reading it takes from a disk.
const LARGE: u64 = 1 << 30;

/// Opens a database, or creates it; repairs it first if it is damaged.
pub(crate) fn open(path: &Path, schema: &Schema) -> rusqlite::Result<Connection> {
    install_leftovers(path)?;
    let damage = match is_empty_file(path).or_else(|| wal::damage(path, page_size(path, schema))) {
        Some(damage) => damage,
        None => match connect(path, schema) {
            Ok(connection) => match check(path, &connection) {
                None => return Ok(connection),
                Some(damage) => {
                    crate::connections::keep_log(&connection); // it may be what damages the file
                    damage
                }
            },
            Err(error) => damage(&error).ok_or(error)?,
        },
    };
    repair(path, schema, &damage)?;
    connect(path, schema)
}

/// Whether the file is damaged, or not a database at all.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    damage(error).is_some()
}

/// Returns how the file is damaged, if that is the error.
pub(crate) fn damage(error: &rusqlite::Error) -> Option<String> {
    let found = error.sqlite_error()?;
    // SQLite counts that among errors of the disk, which may pass: <https://www.sqlite.org/rescode.html#ioerr_short_read>.
    if found.extended_code == ffi::SQLITE_IOERR_SHORT_READ {
        return Some("the file ends before one of its pages".to_owned());
    }
    let is_damage = matches!(
        found.code,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
    );
    is_damage.then(|| error.to_string())
}

/// Installs a complete file that an earlier process left: from its open files, or from a repair that was interrupted.
fn install_leftovers(path: &Path) -> rusqlite::Result<()> {
    replacement::remove_partial(path)?;
    for origin in Replacement::ALL {
        let name = replacement::name(path, origin);
        if !name.exists() {
            continue;
        }
        let rows = reader(&name).map_or_else(|error| error.to_string(), |it| rows::counts(&it));
        let aside = replacement::install(path, origin)?;
        warn!(
            file = %path.display(),
            rows,
            set_aside = aside.map(|aside| aside.display().to_string()),
            "recovered the rows that an earlier process saved"
        );
    }
    Ok(())
}

/// We do not leave empty files: SQLite would silently make a new database of one, and discard its log.
fn is_empty_file(path: &Path) -> Option<String> {
    let is_empty = fs::metadata(path).is_ok_and(|file| file.len() == 0);
    is_empty.then(|| "the file is empty".to_owned())
}

/// Reads the whole file, and compares indexes with their tables. Returns what is damaged.
fn check(path: &Path, connection: &Connection) -> Option<String> {
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if size > LARGE {
        info!(file = %path.display(), size_bytes = size, "checking the database");
    }
    let check = "PRAGMA integrity_check(1)";
    match connection.query_row(check, [], |row| row.get::<_, String>(0)) {
        Ok(found) if found == "ok" => None,
        Ok(found) => Some(found),
        Err(error) => damage(&error), // if it is none, the next read or write gets the same error
    }
}

/// Moves the readable rows to a new file at the path, and sets the damaged one aside. After an error the damaged file
/// is still at the path.
fn repair(path: &Path, schema: &Schema, damage: &str) -> rusqlite::Result<()> {
    error!(file = %path.display(), damage, "database is damaged; recovering its readable rows");
    let (copy, empty) = (beside(path, COPY), beside(path, EMPTY));
    let remove = || replacement::remove(&copy).and_then(|()| replacement::remove(&empty));
    let filled = remove().and_then(|()| fill(path, schema, &copy, &empty));
    let _ = remove(); // left-overs are removed by the next repair
    let copied = filled?;
    let aside = replacement::install(path, Replacement::Repaired)?;
    error!(
        file = %path.display(),
        damage,
        rows = %copied,
        set_aside = aside.map(|aside| aside.display().to_string()),
        "recovered the readable rows of a damaged database, and set the damaged file aside. Check the disk; \
         `sqlite3 FILE .recover` may find more in the file that was set aside"
    );
    Ok(())
}

fn fill(
    path: &Path,
    schema: &Schema,
    copy: &Path,
    empty: &Path,
) -> rusqlite::Result<rows::CopiedRows> {
    let page = page_size(path, schema);
    let as_before = Schema {
        page_size: page,
        ..*schema
    };
    let new = replacement::create(empty, &as_before)?;
    let tables = rows::tables(&new)?;
    new.close().map_err(|(_, error)| error)?;
    let log_damage = wal::damage(path, page);
    let state = match log_damage {
        None => OldState::Damaged,
        Some(_) => OldState::WithoutSomeWrites,
    };
    let old = match log_damage {
        None => reader(path).and_then(|old| has_tables(&old, &tables).map(|()| old)),
        Some(_) => Err(rusqlite::Error::InvalidQuery),
    };
    let old = match old {
        Ok(old) => old,
        Err(_) => {
            write_copy(path, page, empty, copy)?;
            reader(copy)?
        }
    };
    replacement::fill(path, schema, Replacement::Repaired, &old, state)
}

fn has_tables(old: &Connection, tables: &[String]) -> rusqlite::Result<()> {
    let has = |table: &String| {
        old.prepare(&format!("SELECT 1 FROM {table}"))
            .map(|_| ())
            .or_else(|error| match is_damage(&error) {
                true => Err(error),
                // A table of a later version of the schema may be missing, but not all of them.
                false => Ok(()),
            })
    };
    tables.iter().try_for_each(has)?;
    match count_objects(old)? {
        0 => Err(rusqlite::Error::QueryReturnedNoRows),
        _ => Ok(()),
    }
}

fn count_objects(connection: &Connection) -> rusqlite::Result<i64> {
    let count = "SELECT count(*) FROM sqlite_schema";
    connection.query_row(count, [], |row| row.get(0))
}

/// Makes a copy to be read from, with a log whose bad frames are left out. Where the first page is damaged (it names the
/// tables), the copy gets that of an empty database: the same schema in the same order puts tables in the same places.
fn write_copy(path: &Path, page_size: usize, empty: &Path, copy: &Path) -> rusqlite::Result<()> {
    create_file(copy).map_err(io_error)?;
    fs::copy(path, copy).map_err(io_error)?;
    let has_log = wal::mend(path, page_size, &beside(copy, "-wal")).map_err(io_error)?;
    if matches!(reader(copy).and_then(|it| count_objects(&it)), Ok(1..)) {
        return Ok(());
    }
    let mut page = vec![0; page_size];
    let mut file = fs::File::open(empty).map_err(io_error)?;
    file.read_exact(&mut page).map_err(io_error)?;
    let pages = fs::metadata(copy).map_err(io_error)?.len() / page_size.max(1) as u64;
    let pages = u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes();
    // By the file format: whether there is a log, how many pages there are, and an empty list of free ones
    // (<https://www.sqlite.org/fileformat2.html#the_database_header>).
    let mode = if has_log { 2 } else { 1 };
    for (at, bytes) in [(18, &[mode, mode][..]), (28, &pages), (32, &[0; 8])] {
        if let Some(field) = page.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(copy)
        .map_err(io_error)?;
    file.seek(SeekFrom::Start(0)).map_err(io_error)?;
    file.write_all(&page).map_err(io_error)
}
