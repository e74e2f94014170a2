//! The parts of the log in which numbers and times of acceptance grow together, and where a time is in them.
//!
//! A clock may have been wrong for some events, so no single event decides that. Inside of transactions only.

use rusqlite::Connection;

use super::super::read::{DISORDER, RECEIVED_AT};
use super::Order;

/// How many events in a row have to be on one side of a time, to look on the other side only.
const PROBE: i64 = 16;

/// A part of the log in which numbers and times grow together: the numbers from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Part {
    /// Returns the part in which a search goes on.
    pub(super) fn at(order: Order, position: Option<i64>, end_of_old: i64) -> Part {
        let is_old = match order {
            Order::Asc => position.unwrap_or(i64::MIN) < end_of_old,
            Order::Desc => position.unwrap_or(i64::MAX) <= end_of_old.saturating_add(1),
        };
        let (first, last) = match is_old {
            true => (i64::MIN, end_of_old),
            false => (end_of_old.saturating_add(1), i64::MAX),
        };
        Part { first, last }
    }

    /// Returns the position of the part after this one.
    pub(super) fn next(self, order: Order, end_of_old: i64) -> Option<i64> {
        match order {
            _ if end_of_old == i64::MIN => None,
            Order::Asc => (self.last == end_of_old).then_some(end_of_old),
            Order::Desc => (self.first > end_of_old).then_some(end_of_old.saturating_add(1)),
        }
    }
}

/// Returns a number before which all events of a part are older than `since`.
pub(super) fn begin(connection: &Connection, part: Part, since: i64) -> rusqlite::Result<i64> {
    let older = since.saturating_sub(DISORDER);
    match since {
        i64::MIN => Ok(part.first),
        _ => halve(connection, part, |times| {
            times.iter().any(|time| *time >= older)
        }),
    }
}

/// Returns a number after which no event of a part is older than `until`.
pub(super) fn end(connection: &Connection, part: Part, until: i64) -> rusqlite::Result<i64> {
    let younger = until.saturating_add(DISORDER);
    match until {
        i64::MAX => Ok(part.last),
        _ => halve(connection, part, |times| {
            times.iter().all(|time| *time >= younger)
        }),
    }
}

/// Returns a number in a part from which on the times of some events in a row have a property, by halving. The time of a
/// single event decides nothing: a clock may have been wrong. No event has the property, too.
pub(super) fn halve(
    connection: &Connection,
    part: Part,
    has: impl Fn(&[i64]) -> bool,
) -> rusqlite::Result<i64> {
    let ends = "SELECT (SELECT min(seq) FROM events WHERE seq >= ?1), (SELECT max(seq) FROM events WHERE seq <= ?2)";
    let ends = connection.query_row(ends, [part.first, part.last], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = ends else {
        return Ok(part.first);
    };
    let sql = format!(
        "SELECT {RECEIVED_AT} FROM events WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
    );
    let mut probe = connection.prepare_cached(&sql)?;
    let (mut low, mut high) = (first, last.saturating_add(1));
    while low < high {
        let middle = low + high.saturating_sub(low) / 2;
        let times = probe.query_map([middle, part.last, PROBE], |row| row.get(0))?;
        let times = times.collect::<rusqlite::Result<Vec<i64>>>()?;
        match times.is_empty() || has(&times) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Ok(high)
}
