//! How many events ended how.

use rusqlite::Connection;

use crate::record::HOUR;
use crate::{Count, Tally, shown};

/// The most rows: a year of hours with some targets.
const MAX_ROWS: i64 = 100_000;

pub(super) fn tally(connection: &Connection, since: i64) -> rusqlite::Result<Tally> {
    let select = "
        SELECT hour, target, outcome, count FROM tally WHERE hour >= ?1
        ORDER BY hour, target, outcome LIMIT ?2";
    let mut select = connection.prepare_cached(select)?;
    let hour = since.div_euclid(HOUR);
    let counts = select.query_map([hour, MAX_ROWS], |row| {
        Ok(Count {
            hour: shown(row.get::<_, i64>(0)?.saturating_mul(HOUR)),
            target: row.get(1)?,
            outcome: row.get(2)?,
            count: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    })?;
    let hours = counts.collect::<rusqlite::Result<_>>()?;
    let counted = |select: &str| {
        let mut select = connection.prepare_cached(select)?;
        let since = [hour.saturating_mul(HOUR)];
        let count = select.query_row(since, |row| row.get::<_, i64>(0))?;
        Ok::<u64, rusqlite::Error>(count.unsigned_abs())
    };
    Ok(Tally {
        hours,
        not_recorded: counted("SELECT coalesce(sum(count), 0) FROM gaps WHERE at >= ?1")?,
        lineage_not_recorded: counted(
            "SELECT coalesce(sum(count), 0) FROM lineage_gaps WHERE at >= ?1",
        )?,
    })
}
