//! The tables of a database, and the migrations from older versions.
//!
//! The version is SQLite's `user_version`. Called whenever a database is opened to write. Only its owner creates and migrates
//! tables.

use rusqlite::{Connection, ErrorCode, ffi};

/// The tables of a database.
///
/// All files with one name have the same layout, which a repair relies on when the first page is damaged: so `can_shrink`
/// never changes for a name, and tables that are laid out anew get a new one. Files of a name may differ in the size of their
/// pages (`page_size.rs`).
///
/// A repair copies the rows of a damaged file into new tables column by column, in the order in which they stand, whatever
/// their names. So a migration may rename columns and create tables; one that adds, drops or moves columns of an existing
/// table has to teach `rows.rs` first.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Statements that create what is missing in the present version. They are idempotent.
    pub tables: &'static str,
    /// The statements that migrate from version 0 to 1, from 1 to 2, and so on. Their number is the present version.
    pub migrations: &'static [&'static str],
    /// Whether a new file can become smaller: [`reclaim`](crate::reclaim). A file keeps what it was
    /// created with.
    pub can_shrink: bool,
    /// The size of the pages of a new file in bytes, [`PAGE`](crate::PAGE) or another power of two from 512 to 65,536. A row that is larger
    /// than half a page has a page of its own, which is written with the row.
    pub page_size: usize,
}

impl Schema {
    /// Decides how a new file is laid out. Without effect on a file that has tables, or is in WAL mode
    /// (<https://www.sqlite.org/pragma.html#pragma_auto_vacuum>).
    pub(crate) fn lay_out(&self, connection: &Connection) -> rusqlite::Result<()> {
        let page_size = i64::try_from(self.page_size).unwrap_or(0); // SQLite keeps its default then
        connection.pragma_update(None, "page_size", page_size)?;
        match self.can_shrink {
            true => connection.pragma_update(None, "auto_vacuum", "incremental"),
            false => Ok(()),
        }
    }

    /// Creates or migrates the tables, in one transaction.
    pub(crate) fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let applied = self.migrate(connection);
        match applied {
            Ok(()) => connection.execute_batch("COMMIT"),
            Err(error) => {
                let _ = connection.execute_batch("ROLLBACK"); // the first error says more
                Err(error)
            }
        }
    }

    /// Checks that the tables are of the present version, and changes nothing: the process that owns the database may be
    /// of another version, and at work.
    pub(crate) fn check(&self, connection: &Connection) -> rusqlite::Result<()> {
        let found = self.found(connection)?;
        let present = self.present();
        match found {
            None => Err(other_version(
                "it has no tables yet: start serve once".to_owned(),
            )),
            Some(found) if found < present => Err(other_version(format!(
                "written by an older lineage-proxy: it has version {found}, this one needs {present}; stop serve, and \
                 start this version of it once to upgrade"
            ))),
            Some(_) => Ok(()),
        }
    }

    fn migrate(&self, connection: &Connection) -> rusqlite::Result<()> {
        let found = self.found(connection)?;
        if let Some(found) = found {
            let applied = usize::try_from(found).unwrap_or(0);
            let missing = self.migrations.iter().skip(applied);
            // The tables are not those of the version in the header.
            let failed = |error: rusqlite::Error| {
                let is_statement = matches!(error, rusqlite::Error::SqlInputError { .. });
                match is_statement || error.sqlite_error_code() == Some(ErrorCode::Unknown) {
                    true => corrupt(error.to_string()),
                    false => error,
                }
            };
            missing
                .into_iter()
                .try_for_each(|it| connection.execute_batch(it).map_err(failed))?;
        }
        connection.execute_batch(self.tables)?;
        if found != Some(self.present()) {
            connection.pragma_update(None, "user_version", self.present())?;
        }
        Ok(())
    }

    /// The version of the tables, at most the present one; `None` if there are no tables.
    fn found(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let is_new = number("SELECT count(*) FROM sqlite_schema")? == 0;
        let (found, present) = (number("PRAGMA user_version")?, self.present());
        // We never write such a version: the header is damaged.
        if !(0..=MAX_VERSION).contains(&found) {
            return Err(corrupt(format!("the schema has version {found}")));
        }
        if found > present {
            return Err(other_version(format!(
                "written by a newer lineage-proxy: it has version {found}, this one knows {present}"
            )));
        }
        Ok((!is_new).then_some(found))
    }

    fn present(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }
}

/// More versions than there will ever be. A header with a higher one is damaged.
const MAX_VERSION: i64 = 1_000;

/// The error for tables that this process cannot use and that are not damaged.
fn other_version(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_SCHEMA), Some(why))
}

/// The error that causes a repair: rows are copied by the order of their columns, regardless of the version.
fn corrupt(why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Schema = Schema {
        tables: "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, old TEXT)",
        migrations: &[],
        can_shrink: false,
        page_size: crate::PAGE,
    };
    const SECOND: Schema = Schema {
        tables: "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, new TEXT);
                 CREATE TABLE IF NOT EXISTS u (n INTEGER PRIMARY KEY)",
        migrations: &["ALTER TABLE t RENAME COLUMN old TO new"],
        can_shrink: false,
        page_size: crate::PAGE,
    };

    #[test]
    fn an_older_database_is_migrated_once_and_a_new_one_is_created_as_it_is_now() {
        let old = Connection::open_in_memory().unwrap();
        FIRST.apply(&old).unwrap();
        old.execute("INSERT INTO t VALUES (1, 'kept')", []).unwrap();
        let new = Connection::open_in_memory().unwrap();
        for database in [&old, &new] {
            SECOND.apply(database).unwrap();
            SECOND.apply(database).unwrap();
            database.execute("INSERT INTO u VALUES (1)", []).unwrap();
        }
        let kept: String = old
            .query_row("SELECT new FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn a_version_that_cannot_be_is_damage() {
        for version in [-1, 0, 1 << 24] {
            let database = Connection::open_in_memory().unwrap();
            SECOND.apply(&database).unwrap();
            database
                .pragma_update(None, "user_version", version)
                .unwrap();
            let error = SECOND.apply(&database).unwrap_err();
            assert!(crate::repair::is_damage(&error), "{version}: {error}");
        }
    }

    #[test]
    fn a_database_of_a_newer_version_is_left_alone() {
        let database = Connection::open_in_memory().unwrap();
        SECOND.apply(&database).unwrap();
        let error = FIRST.apply(&database).unwrap_err();
        assert!(error.to_string().contains("newer"), "{error}");
    }
}
