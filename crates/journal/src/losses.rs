//! Which tables a repair copied incompletely, until the user of the database has put the others right.
//!
//! It is written into the new file with the rows, so that a crash after the repair does not lose it: in SQLite's
//! `application_id`, which nothing else uses, one bit for each table in the order of their creation. The user reads and
//! forgets it in its own transaction.

use rusqlite::Connection;

use crate::rows;

/// Tables beyond that share a bit: more than there will ever be.
const BITS: usize = 30;

/// Returns the tables of which a repair may have lost rows.
pub fn incomplete_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let found = read(connection)?;
    let tables = rows::tables(connection)?.into_iter().enumerate();
    let incomplete = tables.filter(|(at, _)| found & bit(*at) != 0);
    Ok(incomplete.map(|(_, table)| table).collect())
}

/// Forgets that a repair may have lost rows of `table`. Part of the write that has dealt with it.
pub fn forget_incomplete(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    let tables = rows::tables(connection)?;
    match tables.iter().position(|it| it == table) {
        Some(at) => write(connection, read(connection)? & !bit(at)),
        None => Ok(()),
    }
}

/// Marks tables in a new file, and those that are marked in the `old` one: its user may not have known yet.
pub(crate) fn mark(
    new: &Connection,
    old: &Connection,
    is_incomplete: impl Fn(&str) -> bool,
) -> rusqlite::Result<()> {
    let mut marks = read(old).unwrap_or(0); // as readable as the rest of it
    for (at, table) in rows::tables(new)?.iter().enumerate() {
        if is_incomplete(table) {
            marks |= bit(at);
        }
    }
    write(new, marks)
}

fn bit(at: usize) -> i32 {
    1 << at.min(BITS)
}

fn read(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

fn write(connection: &Connection, marks: i32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", marks)
}
