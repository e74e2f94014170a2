//! The rows of a database that may be damaged, moved to another.
//!
//! Tables are read row by row, forwards to the damage, backwards to it from the end, and in between wherever a row can
//! be reached. Called where a file is set aside (`damage.rs`) or put back (`held.rs`).

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Statement};

/// What was moved, table by table.
pub(crate) fn told(copied: &[Copied]) -> String {
    let rows: Vec<String> = copied.iter().map(Copied::told).collect();
    rows.join(", ")
}

/// What was moved of a table.
pub(crate) struct Copied {
    table: String,
    rows: u64,
    /// No row was left behind.
    whole: bool,
}

impl Copied {
    fn told(&self) -> String {
        let which = if self.whole { "all" } else { "those readable" };
        format!("{}: {} rows ({which})", self.table, self.rows)
    }
}

/// Moves the rows of a table that can be read. Errors are those of the new file.
pub(crate) fn move_over(
    old: &Connection,
    new: &Connection,
    table: String,
) -> rusqlite::Result<Copied> {
    let all = new.prepare(&format!("SELECT * FROM {table}"))?;
    let columns: Vec<&str> = all.column_names().collect();
    let places = vec!["?"; columns.len()].join(", ");
    let columns = columns.join(", ");
    let insert = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})");
    let select = |order: &str| {
        format!(
            "SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ?1 AND rowid < ?2 ORDER BY rowid {order}"
        )
    };
    let mut copied = Copied {
        table: table.clone(),
        rows: 0,
        whole: true,
    };
    let (Ok(up), Ok(down)) = (old.prepare(&select("ASC")), old.prepare(&select("DESC"))) else {
        copied.whole = false;
        return Ok(copied);
    };
    let mut moving = Moving {
        up,
        down,
        insert: new.prepare(&insert)?,
        rows: 0,
    };
    copied.whole = moving.all()?;
    copied.rows = moving.rows;
    Ok(copied)
}

struct Moving<'a> {
    up: Statement<'a>,
    down: Statement<'a>,
    insert: Statement<'a>,
    rows: u64,
}

/// How far a run of rows went: the last one, and whether it ended for want of rows and not of sense.
struct Ran {
    last: Option<i64>,
    ended: bool,
}

impl Moving<'_> {
    /// Moves all rows that can be reached. Whether that is all.
    fn all(&mut self) -> rusqlite::Result<bool> {
        let first = self.run(true, i64::MIN, i64::MAX)?;
        if first.ended {
            return Ok(true);
        }
        let mut low = first.last.unwrap_or(0);
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
                None => step = step.saturating_mul(2),
            }
            if island.ended {
                break;
            }
        }
        Ok(false)
    }

    /// Moves the rows above `low` and below `high` upwards or downwards, until one cannot be read.
    fn run(&mut self, upwards: bool, low: i64, high: i64) -> rusqlite::Result<Ran> {
        let select = if upwards {
            &mut self.up
        } else {
            &mut self.down
        };
        let columns = select.column_count();
        let mut ran = Ran {
            last: None,
            ended: false,
        };
        let Ok(mut rows) = select.query([low, high]) else {
            return Ok(ran);
        };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => {
                    ran.ended = true;
                    return Ok(ran);
                }
                Err(_) => return Ok(ran),
            };
            let Ok(id) = row.get::<_, i64>(0) else {
                return Ok(ran);
            };
            // A damaged tree can lead in a circle.
            let goes_on = match (ran.last, upwards) {
                (None, _) => true,
                (Some(last), true) => id > last,
                (Some(last), false) => id < last,
            };
            if !goes_on {
                return Ok(ran);
            }
            for at in 1..columns {
                let Ok(value) = row.get_ref(at) else {
                    return Ok(ran);
                };
                // As it is, bytes that are no text too: who reads it decides.
                (self.insert).raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?;
            }
            self.rows += u64::try_from(self.insert.raw_execute()?).unwrap_or(0);
            ran.last = Some(id);
        }
    }
}
