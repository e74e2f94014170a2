//! How many fields and edges between columns there are: a query that counts a million of them reads megabytes.
//!
//! Whoever adds or deletes such rows says so. After a repair that lost rows the count is too high, and what is oldest leaves earlier.

use rusqlite::{Connection, OptionalExtension, params};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counted {
    ColumnEdges,
    Fields,
}

impl Counted {
    fn table(self) -> &'static str {
        match self {
            Counted::ColumnEdges => "column_edges",
            Counted::Fields => "fields",
        }
    }
}

/// Returns how many rows there are.
pub(crate) fn count(connection: &Connection, counted: Counted) -> rusqlite::Result<i64> {
    let table = counted.table();
    let select = "SELECT count FROM counts WHERE name = ?1";
    let known: Option<i64> = (connection.prepare_cached(select)?)
        .query_row([table], |row| row.get(0))
        .optional()?;
    if let Some(count) = known {
        return Ok(count);
    }
    let count = format!("SELECT count(*) FROM {table}");
    let count: i64 = connection.query_row(&count, [], |row| row.get(0))?;
    let insert = "INSERT INTO counts (name, count) VALUES (?1, ?2)";
    (connection.prepare_cached(insert)?).execute(params![table, count])?;
    Ok(count)
}

/// Counts rows that were added. Returns how many.
pub(crate) fn added(
    connection: &Connection,
    counted: Counted,
    rows: usize,
) -> rusqlite::Result<i64> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    change(connection, counted, rows)?;
    Ok(rows)
}

/// Counts rows that were deleted. Returns how many.
pub(crate) fn removed(
    connection: &Connection,
    counted: Counted,
    rows: usize,
) -> rusqlite::Result<i64> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    change(connection, counted, -rows)?;
    Ok(rows)
}

/// Without a count there is nothing to change: all are counted when it is asked for.
fn change(connection: &Connection, counted: Counted, by: i64) -> rusqlite::Result<()> {
    if by == 0 {
        return Ok(());
    }
    let update = "UPDATE counts SET count = count + ?2 WHERE name = ?1";
    (connection.prepare_cached(update)?).execute(params![counted.table(), by])?;
    Ok(())
}
