//! The parts of the log in which numbers and times of acceptance grow together, and where a time is in them.
//!
//! A clock may have been wrong for some events, so no single event decides that. Inside of transactions only.

use std::collections::HashMap;

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
        _ => Times::of(connection, part)?.halve(|span| span.latest >= older),
    }
}

/// Returns a number after which no event of a part is older than `until`.
pub(super) fn end(connection: &Connection, part: Part, until: i64) -> rusqlite::Result<i64> {
    let younger = until.saturating_add(DISORDER);
    match until {
        i64::MAX => Ok(part.last),
        _ => Times::of(connection, part)?.halve(|span| span.earliest >= younger),
    }
}

/// The times of some events in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) earliest: i64,
    pub(super) latest: i64,
}

/// Where times are in a part. What it has looked at it remembers: who looks for several times looks at much of it again.
pub(super) struct Times<'c> {
    connection: &'c Connection,
    part: Part,
    /// The numbers of the first and of the last event. `None`: there are no events.
    ends: Option<(i64, i64)>,
    /// By the number from which on the events are. `None`: there are none.
    spans: HashMap<i64, Option<Span>>,
}

impl<'c> Times<'c> {
    pub(super) fn of(connection: &'c Connection, part: Part) -> rusqlite::Result<Times<'c>> {
        let ends = "SELECT (SELECT min(seq) FROM events WHERE seq >= ?1), (SELECT max(seq) FROM events WHERE seq <= ?2)";
        let mut ends = connection.prepare_cached(ends)?;
        let ends: (Option<i64>, Option<i64>) = ends.query_row([part.first, part.last], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(Times {
            connection,
            part,
            ends: ends.0.zip(ends.1),
            spans: HashMap::new(),
        })
    }

    pub(super) fn part(&self) -> Part {
        self.part
    }

    /// Returns a number in the part from which on the times of some events in a row have a property, by halving. The time of a
    /// single event decides nothing: a clock may have been wrong. No event has the property, too.
    pub(super) fn halve(&mut self, has: impl Fn(Span) -> bool) -> rusqlite::Result<i64> {
        let Some((first, last)) = self.ends else {
            return Ok(self.part.first);
        };
        let (mut low, mut high) = (first, last.saturating_add(1));
        while low < high {
            let middle = low + high.saturating_sub(low) / 2;
            match self.span(middle)?.is_none_or(&has) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(high)
    }

    /// Returns the times of the events from a number on.
    fn span(&mut self, from: i64) -> rusqlite::Result<Option<Span>> {
        if let Some(span) = self.spans.get(&from) {
            return Ok(*span);
        }
        let sql = format!(
            "SELECT min(time), max(time) FROM
                 (SELECT {RECEIVED_AT} AS time FROM events WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)"
        );
        let mut probe = self.connection.prepare_cached(&sql)?;
        let span = probe.query_row([from, self.part.last, PROBE], |row| {
            let (earliest, latest): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            let ends = earliest.zip(latest);
            Ok(ends.map(|(earliest, latest)| Span { earliest, latest }))
        })?;
        self.spans.insert(from, span);
        Ok(span)
    }
}
