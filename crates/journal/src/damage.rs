//! A damaged file: found, set aside under another name, and what can be read of it moved to a new one.
//!
//! How tables are read around the damage is in `rows.rs`. The damaged file is only ever read and renamed. Called by the one process that owns the file, which waits
//! meanwhile. What is found here of a write-ahead log is looked at in `wal.rs`.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use time::OffsetDateTime;
use tracing::error;

use crate::rows::{Copied, move_over, told};
use crate::{create_file, reader, wal};

/// The new file, while it is filled.
pub(crate) const SALVAGED: &str = ".salvaged";

/// The damaged file with a mended head, to be read from.
const COPY: &str = ".mended";

/// How the name of a file that is set aside says why.
const DAMAGED: &str = "damaged";

/// How long the log may grow while the file is checked.
const LONG_LOG: u64 = 256 << 20;

/// Whether the file is damaged, or no database at all.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Fine,
    Damaged(String),
    /// It was broken off.
    Disturbs,
}

/// Reads the whole file, indexes against their tables too: 1.5 s for 2 GB in memory. While somebody reads, the log is not
/// begun anew: where it grows too long, the check is broken off.
pub(crate) fn check(path: &Path) -> Checked {
    let log = beside(path, "-wal");
    let is_long = || fs::metadata(&log).is_ok_and(|log| log.len() > LONG_LOG);
    let found = reader(path).and_then(|connection| {
        let interrupt = connection.get_interrupt_handle();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    if is_long() {
                        interrupt.interrupt();
                    }
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            });
            let found = connection.query_row("PRAGMA integrity_check(1)", [], |row| {
                row.get::<_, String>(0)
            });
            done.store(true, Ordering::Release);
            watch.thread().unpark();
            found
        })
    });
    match found {
        Ok(found) if found == "ok" => Checked::Fine,
        Ok(found) => Checked::Damaged(found),
        Err(error) if is_damage(&error) => Checked::Damaged(error.to_string()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Checked::Disturbs
        }
        // Who writes finds out the same.
        Err(_) => Checked::Fine,
    }
}

/// An empty file is none that we have left: SQLite would make a new one of it, without a word, and throw away its log.
pub(crate) fn emptied(path: &Path) -> Option<String> {
    let is_empty = fs::metadata(path).is_ok_and(|file| file.len() == 0);
    is_empty.then(|| "the file is empty".to_owned())
}

/// Ends what a crash has interrupted: a new file that was filled and not yet in its place.
pub(crate) fn finish(path: &Path) -> rusqlite::Result<()> {
    let salvaged = beside(path, SALVAGED);
    if !path.exists() && salvaged.exists() {
        // A log that is still there is that of the file that was set aside: over the new one it would be damage.
        move_aside(path, &["-wal", "-shm"], DAMAGED)?;
        fs::rename(&salvaged, path).map_err(io)?;
    }
    Ok(())
}

/// Renames the file at `path` with what belongs to it, and puts a new one there with all that can be read of it. An error
/// leaves it where it is.
pub(crate) fn set_aside(path: &Path, schema: &str, found: &str) -> rusqlite::Result<()> {
    let (salvaged, copy) = (beside(path, SALVAGED), beside(path, COPY));
    let filled = remove(&salvaged)
        .and_then(|()| remove(&copy))
        .and_then(|()| salvage(path, schema, &salvaged, &copy));
    let _ = remove(&copy); // in the way of nobody
    let copied = match filled {
        Ok(copied) => copied,
        Err(error) => {
            let _ = remove(&salvaged);
            return Err(error);
        }
    };
    // The database first: without it, nobody looks at the log that belongs to it.
    let aside = move_aside(path, &["", "-wal", "-shm"], DAMAGED)?;
    install(&salvaged, path)?;
    error!(
        file = %path.display(),
        damage = found,
        set_aside = %aside.display(),
        moved_over = told(&copied),
        "the file was damaged: it is set aside, and what could be read of it moved to a new one. Look at the disk; \
         `sqlite3 FILE .recover` may find more in the file that was set aside, which is no longer used"
    );
    Ok(())
}

/// Puts a file that was filled in its place.
pub(crate) fn install(salvaged: &Path, path: &Path) -> rusqlite::Result<()> {
    fs::rename(salvaged, path).map_err(io)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(io)
}

/// Fills a new file at `salvaged`, and brings it to the disk.
fn salvage(
    path: &Path,
    schema: &str,
    salvaged: &Path,
    copy: &Path,
) -> rusqlite::Result<Vec<Copied>> {
    let (new, tables) = create(salvaged, schema)?;
    let old = match wal::damage(path) {
        None => reader(path).and_then(|old| has_tables(&old, &tables).map(|()| old)),
        Some(_) => Err(rusqlite::Error::InvalidQuery),
    };
    let old = match old {
        Ok(old) => old,
        Err(_) => {
            mend_head(path, salvaged, copy)?;
            reader(copy)?
        }
    };
    fill(new, tables, &old, salvaged)
}

/// A new file with its tables, which are empty.
pub(crate) fn create(salvaged: &Path, schema: &str) -> rusqlite::Result<(Connection, Vec<String>)> {
    create_file(salvaged).map_err(io)?;
    let new = Connection::open(salvaged)?;
    // It is nothing before it is whole: no journal, and synced once.
    new.pragma_update(None, "journal_mode", "off")?;
    new.pragma_update(None, "synchronous", "off")?;
    new.execute_batch(schema)?;
    let mut tables = Vec::new();
    new.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?
    .query_map([], |row| row.get(0))?
    .try_for_each(|name| name.map(|name: String| tables.push(name)))?;
    Ok((new, tables))
}

/// Moves all that can be read of `old` over, and brings it to the disk.
pub(crate) fn fill(
    new: Connection,
    tables: Vec<String>,
    old: &Connection,
    salvaged: &Path,
) -> rusqlite::Result<Vec<Copied>> {
    new.execute_batch("BEGIN")?;
    let copied = tables.into_iter().map(|table| move_over(old, &new, table));
    let copied = copied.collect::<rusqlite::Result<Vec<_>>>()?;
    new.execute_batch("COMMIT")?;
    new.close().map_err(|(_, error)| error)?;
    let file = fs::File::open(salvaged).map_err(io)?;
    file.sync_all().map_err(io)?;
    Ok(copied)
}

fn has_tables(old: &Connection, tables: &[String]) -> rusqlite::Result<()> {
    let has = |table: &String| {
        old.prepare(&format!("SELECT 1 FROM {table}"))
            .map(|_| ())
            .or_else(|error| match is_damage(&error) {
                true => Err(error),
                // A table that came with a later version of the schema is not missed, unless all are.
                false => Ok(()),
            })
    };
    tables.iter().try_for_each(has)?;
    let any = old.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    })?;
    match any {
        0 => Err(rusqlite::Error::QueryReturnedNoRows),
        _ => Ok(()),
    }
}

/// Makes a copy to be read from, with a log whose bad frames are left out. Where the first page is damaged (it says what
/// tables there are), it gets that of the new file: the same schema in the same order puts tables in the same places.
fn mend_head(path: &Path, salvaged: &Path, copy: &Path) -> rusqlite::Result<()> {
    create_file(copy).map_err(io)?;
    fs::copy(path, copy).map_err(io)?;
    let has_log = wal::mend(path, &beside(copy, "-wal")).map_err(io)?;
    let is_good = reader(copy).and_then(|copy| {
        copy.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    if matches!(is_good, Ok(1..)) {
        return Ok(());
    }
    let mut page = vec![0; wal::PAGE];
    let mut file = fs::File::open(salvaged).map_err(io)?;
    file.read_exact(&mut page).map_err(io)?;
    let pages = fs::metadata(copy).map_err(io)?.len() / wal::PAGE as u64;
    let pages = u32::try_from(pages).unwrap_or(u32::MAX).to_be_bytes();
    // By the file format: whether there is a log, how many pages there are, and no list of free ones.
    let mode = if has_log { 2 } else { 1 };
    for (at, bytes) in [(18, &[mode, mode][..]), (28, &pages), (32, &[0; 8])] {
        if let Some(place) = page.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    let mut file = fs::OpenOptions::new().write(true).open(copy).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    file.write_all(&page).map_err(io)
}

/// Renames what there is of these parts of a file, in that order. Gives the new name of the file.
pub(crate) fn move_aside(path: &Path, parts: &[&str], why: &str) -> rusqlite::Result<PathBuf> {
    let aside = free_name(path, why);
    for part in parts {
        let from = beside(path, part);
        if from.exists() {
            fs::rename(&from, beside(&aside, part)).map_err(io)?;
        }
    }
    Ok(aside)
}

/// A name that says why and when, and is not taken.
fn free_name(path: &Path, why: &str) -> PathBuf {
    let now = OffsetDateTime::now_utc();
    let (date, (hour, minute, second)) = (now.date(), now.to_hms());
    let day = date.to_string().replace('-', "");
    let stamp = format!(".{why}-{day}T{hour:02}{minute:02}{second:02}Z");
    let numbered = (2u32..).map(|n| beside(path, &format!("{stamp}-{n}")));
    let mut names = std::iter::once(beside(path, &stamp)).chain(numbered);
    names
        .find(|name| !name.exists())
        .unwrap_or_else(|| beside(path, &stamp))
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file of ours that was left behind, with what belongs to it.
pub(crate) fn remove(path: &Path) -> rusqlite::Result<()> {
    for part in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, part)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

pub(crate) fn io(error: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}
