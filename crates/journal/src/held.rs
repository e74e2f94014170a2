//! The files of a database that is open: whether they are still what its path names, and what becomes of it where not.
//!
//! SQLite opens a database, its log and its index once, and notices nothing of what becomes of their names: it commits to
//! files that nobody will find again (<https://www.sqlite.org/howtocorrupt.html>, 4.4 and 2.5). As long as they are open, all that was
//! committed can still be read: it is moved to a new file at the path, and what has taken its place is set aside.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::{Displaced, Identity, LOG_LIMIT, connect, damage, rows};

/// How the name of a file ends that stood in our place.
const REPLACED: &str = "replaced";

/// The files of a database, as they were last seen.
#[derive(Debug)]
pub(crate) struct Held {
    database: Identity,
    log: Identity,
    index: Identity,
}

impl Held {
    /// Those of a database that was just opened.
    pub(crate) fn of(path: &Path) -> io::Result<Held> {
        Ok(Held {
            database: Identity::at(path)?,
            log: Identity::at(&damage::beside(path, "-wal"))?,
            index: Identity::at(&damage::beside(path, "-shm"))?,
        })
    }

    /// Whether it is the same database.
    pub(crate) fn is_same(&self, other: Identity) -> bool {
        self.database.is_same(other)
    }

    /// Looks whether all are in place. Six system calls, and once for each group.
    pub(crate) fn check(&mut self, path: &Path) -> Result<(), (PathBuf, Displaced)> {
        let log = damage::beside(path, "-wal");
        let index = damage::beside(path, "-shm");
        // Never shorter: nobody vacuums it.
        self.database = look(self.database, path, u64::MAX)?;
        // Shorter only by its limit, when it begins anew.
        self.log = look(self.log, &log, LOG_LIMIT.into())?;
        self.index = look(self.index, &index, 0)?;
        let headless = self.log.size > 0 && !has_head(&log).unwrap_or(true);
        match headless {
            // It was cut, and written to since.
            true => Err((
                log,
                Displaced::Cut {
                    from: self.log.size,
                    to: 0,
                },
            )),
            false => Ok(()),
        }
    }
}

/// What is there now, if it is the same; it may not become shorter than it is, or than `limit`.
fn look(held: Identity, path: &Path, limit: u64) -> Result<Identity, (PathBuf, Displaced)> {
    let found = held.is_in_place(path);
    let mut found = found.map_err(|displaced| (path.to_owned(), displaced))?;
    found.size = found.size.min(limit);
    Ok(found)
}

/// Whether a log begins as one. Locks are on the database and the index alone, so it may be opened and closed.
fn has_head(log: &Path) -> io::Result<bool> {
    let mut head = [0; 4];
    fs::File::open(log)?.read_exact(&mut head)?;
    Ok(head != [0; 4])
}

/// Moves all that `held` can still read to a new file at `path`. What stands there is set aside. An error leaves
/// everything as it is.
pub(crate) fn put_back(path: &Path, schema: &str, held: &Connection) -> rusqlite::Result<PutBack> {
    let salvaged = damage::beside(path, damage::SALVAGED);
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        crate::create_folder(folder).map_err(damage::io)?;
    }
    damage::remove(&salvaged)?;
    let filled = damage::create(&salvaged, schema)
        .and_then(|(new, tables)| damage::fill(new, tables, held, &salvaged));
    let copied = match filled {
        Ok(copied) => copied,
        Err(error) => {
            let _ = damage::remove(&salvaged); // it may be the disk that is full
            return Err(error);
        }
    };
    let parts = ["", "-wal", "-shm"];
    let stands = parts.iter().any(|part| damage::beside(path, part).exists());
    let aside = match stands {
        true => Some(damage::move_aside(path, &parts, REPLACED)?),
        false => None,
    };
    let identity = Identity::at(&salvaged).map_err(damage::io)?;
    damage::install(&salvaged, path)?;
    let connection = connect(path, schema)?;
    let files = Held::of(path).map_err(damage::io)?;
    if !files.is_same(identity) {
        return Err(damage::io(io::Error::other("taken away again")));
    }
    Ok(PutBack {
        connection,
        files,
        moved_over: rows::told(&copied),
        aside,
    })
}

/// A database that is in its place again, and open: from now on it is held like the one before.
pub(crate) struct PutBack {
    pub(crate) connection: Connection,
    pub(crate) files: Held,
    pub(crate) moved_over: String,
    /// Where what stood there went.
    pub(crate) aside: Option<PathBuf>,
}

/// How many rows a database holds, by table: what is at stake where they cannot be moved.
pub(crate) fn rows(connection: &Connection) -> String {
    let tables = || {
        connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<String>>>()
    };
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM {table}");
        let count = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        match count {
            Ok(count) => format!("{table}: {count} rows"),
            Err(error) => format!("{table}: {error}"),
        }
    };
    match tables() {
        Ok(tables) => {
            let counts: Vec<String> = tables.into_iter().map(count).collect();
            counts.join(", ")
        }
        Err(error) => error.to_string(),
    }
}
