//! Copies the rows of a database that may be damaged to another.
//!
//! A table is read row by row: forwards up to the damage, backwards from the end, and in between wherever a row can be
//! reached. Columns are copied by position, not by name, so that a file of an older version keeps its rows
//! (`schema.rs`). Called to repair a database (`repair.rs`) or to rescue one (`rescue.rs`).

use std::fmt;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Statement, params};

/// How many rows of each table were copied.
#[derive(Debug)]
pub(crate) struct CopiedRows(Vec<CopiedTable>);

#[derive(Debug)]
struct CopiedTable {
    table: String,
    rows: u64,
    /// Whether all rows were copied.
    is_complete: bool,
}

/// What is known of a database before its rows are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldState {
    /// It was in use.
    Whole,
    /// Some page of it is damaged.
    Damaged,
    /// Some writes in its log are damaged: any table may lack rows, and look whole.
    WithoutSomeWrites,
}

impl CopiedRows {
    /// Whether rows of a table may be missing.
    pub(crate) fn is_incomplete(&self, table: &str) -> bool {
        let found = self.0.iter().find(|it| it.table == table);
        found.is_some_and(|it| !it.is_complete)
    }
}

impl fmt::Display for CopiedRows {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, copied) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let which = if copied.is_complete {
                "all"
            } else {
                "those readable"
            };
            write!(
                out,
                "{separator}{}: {} rows ({which})",
                copied.table, copied.rows
            )?;
        }
        Ok(())
    }
}

/// Copies the rows of all tables that can be read, in one transaction. Errors are those of the new database.
pub(crate) fn copy(
    old: &Connection,
    new: &Connection,
    state: OldState,
) -> rusqlite::Result<CopiedRows> {
    new.execute_batch("BEGIN")?;
    let copied = tables(new)?
        .into_iter()
        .map(|table| copy_table(old, new, table, state));
    let copied = copied.collect::<rusqlite::Result<_>>()?;
    copy_sequences(old, new)?;
    new.execute_batch("COMMIT")?;
    Ok(CopiedRows(copied))
}

/// The greatest number that is taken over: after the last one, SQLite adds no row any more
/// (<https://www.sqlite.org/autoinc.html>), and a damaged number may be any.
const MAX_SEQUENCE: i64 = 1 << 53;

/// Copies which numbers of `AUTOINCREMENT` were given out, as far as it can be read: also those of rows that were deleted.
fn copy_sequences(old: &Connection, new: &Connection) -> rusqlite::Result<()> {
    let read = || -> rusqlite::Result<Vec<(String, i64)>> {
        old.prepare("SELECT name, seq FROM sqlite_sequence")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    let has_any = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    if !new.query_row(has_any, [], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    let known = tables(new)?;
    // An error: the old database has no such numbers, or they are damaged.
    let sequences = read().unwrap_or_default().into_iter();
    for (table, last) in
        sequences.filter(|(table, last)| known.contains(table) && *last <= MAX_SEQUENCE)
    {
        let higher = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if new.execute(higher, params![table, last])? == 0 {
            let first = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
            new.execute(first, params![table, last])?;
        }
    }
    Ok(())
}

/// Returns how many rows each table holds.
pub(crate) fn counts(connection: &Connection) -> String {
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM {table}");
        match connection.query_row(&sql, [], |row| row.get::<_, i64>(0)) {
            Ok(count) => format!("{table}: {count} rows"),
            Err(error) => format!("{table}: {error}"),
        }
    };
    match tables(connection) {
        Ok(tables) => tables.into_iter().map(count).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    }
}

/// Returns the names of the tables.
pub(crate) fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn copy_table(
    old: &Connection,
    new: &Connection,
    table: String,
    state: OldState,
) -> rusqlite::Result<CopiedTable> {
    // A row that every new database has must not keep out the one that is copied.
    new.execute(&format!("DELETE FROM {table}"), [])?;
    let columns = new
        .prepare(&format!("SELECT * FROM {table}"))?
        .column_count();
    let select = |order: &str| {
        let sql = format!(
            "SELECT rowid, * FROM {table} NOT INDEXED WHERE rowid > ?1 AND rowid < ?2 ORDER BY rowid {order}"
        );
        let statement = old.prepare(&sql).ok();
        statement.filter(|statement| statement.column_count() == columns + 1)
    };
    let (Some(up), Some(down)) = (select("ASC"), select("DESC")) else {
        return Ok(CopiedTable {
            table,
            rows: 0,
            is_complete: false,
        });
    };
    let values = vec!["?"; columns].join(", ");
    let mut copier = Copier {
        up,
        down,
        insert: new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({values})"))?,
        rows: 0,
    };
    let is_complete = copier.copy_all()?
        && match state {
            OldState::Whole => true,
            OldState::Damaged => is_sound(old, &table),
            OldState::WithoutSomeWrites => false,
        };
    Ok(CopiedTable {
        table,
        rows: copier.rows,
        is_complete,
    })
}

/// Whether a table and its indexes have the same rows: a damaged page can be readable, and have fewer than it had.
fn is_sound(old: &Connection, table: &str) -> bool {
    let check = format!("PRAGMA integrity_check({table})");
    let found = old.query_row(&check, [], |row| row.get::<_, String>(0));
    found.is_ok_and(|found| found == "ok")
}

struct Copier<'a> {
    up: Statement<'a>,
    down: Statement<'a>,
    insert: Statement<'a>,
    rows: u64,
}

/// The result of copying a run of rows.
struct Run {
    /// The number of the last row that was read.
    last: Option<i64>,
    /// Whether it ended because there are no more rows, and not because the next one cannot be read.
    reached_end: bool,
}

impl Copier<'_> {
    /// Copies all rows that can be reached. Returns whether those are all.
    fn copy_all(&mut self) -> rusqlite::Result<bool> {
        let first = self.run(true, i64::MIN, i64::MAX)?;
        if first.reached_end {
            return Ok(true);
        }
        let mut low = first.last.unwrap_or(i64::MIN);
        let end = self.run(false, low, i64::MAX)?;
        let high = end.last.unwrap_or(i64::MAX);
        let mut step = 1;
        while let Some(probe) = low.checked_add(step).filter(|probe| *probe < high) {
            let island = self.run(true, probe - 1, high)?;
            match island.last {
                Some(last) => {
                    self.run(false, low, probe)?; // what the step went over
                    low = last;
                    step = 1;
                }
                // From below zero, one step does not reach the end.
                None if step == i64::MAX => (low, step) = (probe, 1),
                None => step = step.saturating_mul(2),
            }
            if island.reached_end {
                break;
            }
        }
        Ok(false)
    }

    /// Copies the rows above `low` and below `high`, upwards or downwards, until one cannot be read.
    fn run(&mut self, upwards: bool, low: i64, high: i64) -> rusqlite::Result<Run> {
        let select = match upwards {
            true => &mut self.up,
            false => &mut self.down,
        };
        let columns = select.column_count();
        let mut run = Run {
            last: None,
            reached_end: false,
        };
        let Ok(mut rows) = select.query([low, high]) else {
            return Ok(run);
        };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => {
                    run.reached_end = true;
                    return Ok(run);
                }
                Err(_) => return Ok(run),
            };
            let Ok(id) = row.get::<_, i64>(0) else {
                return Ok(run);
            };
            // A damaged tree can lead in a circle.
            let goes_on = match (run.last, upwards) {
                (None, _) => true,
                (Some(last), true) => id > last,
                (Some(last), false) => id < last,
            };
            if !goes_on {
                return Ok(run);
            }
            for at in 1..columns {
                let Ok(value) = row.get_ref(at) else {
                    return Ok(run);
                };
                // Unchanged, also if it is not text: the reader of a row decides.
                (self.insert).raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?;
            }
            self.rows += u64::try_from(self.insert.raw_execute()?).unwrap_or(0);
            // A search in a damaged tree can end outside the range. Such a row is kept, but it does not count for the
            // end of the run: `copy_all` would return to it for ever.
            if id <= low || id >= high {
                return Ok(run);
            }
            run.last = Some(id);
        }
    }
}
