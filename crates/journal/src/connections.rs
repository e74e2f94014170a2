//! The connections to a database: the owner's, those beside it that write, and those that only read.
//!
//! `lib.rs` decides which one is needed.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::private::create_file;
use crate::replacement::io_error;
use crate::schema::Schema;
use crate::{Access, BUSY, LOG_LIMIT, STATEMENTS, files};

/// Opens the owner's connection, and creates or migrates the tables. The file is for its owner alone, and so are the log and
/// the index, which SQLite creates with the mode of the database (`findCreateFileMode` in
/// <https://sqlite.org/src/file/src/os_unix.c>).
pub(crate) fn connect(path: &Path, schema: &Schema) -> rusqlite::Result<Connection> {
    create_file(path).map_err(io_error)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    schema.lay_out(&connection)?;
    prepare(&connection)?;
    schema.apply(&connection)?;
    Ok(connection)
}

/// Opens a connection that writes beside the owner's, to tables that the owner has created.
pub(crate) fn connect_beside(path: &Path, schema: &Schema) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // First: the mode of a file that its owner is creating is the owner's to choose.
    schema.check(&connection)?;
    prepare(&connection)?;
    // A checkpoint can cut the file, which the owner would take for damage if the next commit made the database larger again
    // before it looked.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    keep_log(&connection);
    Ok(connection)
}

/// Sets what every connection that writes needs.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it, a statement is planned again each time that a value is bound on which the plan may depend, as that of `LIMIT ?`
    // (<https://www.sqlite.org/qpsg.html>). Planning takes longer than most statements. None of these connections needs a plan for a
    // value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL syncs the WAL at each commit. NORMAL would lose the last commits in a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    reader_by(path, Access::Logged)
}

pub(crate) fn reader_by(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        Access::Logged => Connection::open_with_flags(path, flags)?,
        Access::Unlogged => {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable(path), flags)?
        }
    };
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    keep_log(&connection); // the log is the writer's
    Ok(connection)
}

/// Returns the URI of a file that nobody writes (<https://www.sqlite.org/uri.html>).
pub(crate) fn immutable(path: &Path) -> PathBuf {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => uri.extend(format!("%{byte:02x}").bytes()),
            byte => uri.push(*byte),
        }
    }
    uri.extend(b"?immutable=1");
    OsString::from_vec(uri).into()
}

/// Whether there is a write-ahead log with something in it, as far as that can be seen.
pub(crate) fn has_log(path: &Path) -> bool {
    match std::fs::metadata(files::beside(path, "-wal")) {
        Ok(log) => log.is_file() && log.len() > 0,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Lets a connection, when it closes, neither write the log into the database nor delete the file that has the log's
/// name.
pub(crate) fn keep_log(connection: &Connection) {
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true); // works on any open connection
}
