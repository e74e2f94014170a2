//! Finds events by their ids.
//!
//! Ids have no index: few look for one. Whoever asks knows about when each event was accepted, so only events of that time are
//! compared, and those of times that overlap once for all. Of an event that is compared only the beginning of its row is read, which is
//! not its text.

use std::collections::HashMap;

use rusqlite::{Connection, ToSql};

use super::part::{Part, Times};
use super::{Candidate, Form, View, event_text};
use crate::log::read::{DISORDER, LoggedEvent, RECEIVED_AT, text};
use crate::log::store::end_of_old;
use crate::log::{Log, unavailable};
use crate::{QueueError, StoredForm};

/// How far the time of acceptance that is known may differ from that in the log, at first, in milliseconds.
const CLOSE: i64 = 2_000;

/// An event of the log, with what the store has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The event, as it was accepted.
    pub event: LoggedEvent,
    /// The form that the target `store` has; `None` if it has none, or there is no such target.
    pub stored: Option<StoredForm>,
}

impl Log {
    /// Returns the event with this id, which was accepted at about this time, in milliseconds since 1970. `None`: it was deleted,
    /// or never was here.
    pub async fn event(&self, id: String, near: i64) -> Result<Option<KeptEvent>, QueueError> {
        let found = self.events(vec![(id, near)]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// The same for some events, by their ids and times, in one snapshot. Returns them in the order in which they are asked for. Some
    /// dozens are asked for at once: their texts are in memory together, and each may be of another time.
    pub async fn events(
        &self,
        sought: Vec<(String, i64)>,
    ) -> Result<Vec<Option<KeptEvent>>, QueueError> {
        let find = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let found = find(&snapshot, &sought)?;
            let kept = sought
                .iter()
                .zip(found)
                .map(|((id, _), found)| match found {
                    Some(found) => kept(&snapshot, id, found).map(Some),
                    None => Ok(None),
                });
            kept.collect()
        };
        self.journal.read(find).await.map_err(unavailable)
    }
}

/// Where an event is.
#[derive(Clone, Copy)]
struct Found {
    seq: i64,
    received_at: i64,
}

/// The numbers among which an event is looked for.
struct Range<'s> {
    id: &'s str,
    first: i64,
    last: i64,
    found: &'s mut Option<Found>,
}

/// Ranges that overlap, which are read once.
struct Group<'s> {
    first: i64,
    last: i64,
    ranges: Vec<Range<'s>>,
}

/// Finds events, each in its own range, so that what else is looked for makes no difference: the newest one with its id, close to its
/// time or else further from it.
fn find(connection: &Connection, sought: &[(String, i64)]) -> rusqlite::Result<Vec<Option<Found>>> {
    let end_of_old = end_of_old(connection)?;
    let new = Part {
        first: end_of_old.saturating_add(1),
        last: i64::MAX,
    };
    let old = Part {
        first: i64::MIN,
        last: end_of_old,
    };
    let mut parts = [Times::of(connection, new)?, Times::of(connection, old)?];
    let mut all = vec![None; sought.len()];
    for within in [CLOSE, DISORDER] {
        for times in &mut parts {
            let mut ranges = Vec::new();
            let rest = sought.iter().zip(&mut all);
            for ((id, near), found) in rest.filter(|(_, found)| found.is_none()) {
                let (since, until) = (near.saturating_sub(within), near.saturating_add(within));
                let first = times.halve(|span| span.latest >= since)?;
                let last = times.halve(|span| span.earliest > until)?;
                let last = last.min(times.part().last);
                ranges.push(Range {
                    id,
                    first,
                    last,
                    found,
                });
            }
            for mut group in groups(ranges) {
                group.look_through(connection)?;
            }
        }
    }
    Ok(all)
}

/// Puts together the ranges that overlap.
fn groups(mut ranges: Vec<Range<'_>>) -> Vec<Group<'_>> {
    ranges.sort_by_key(|range| range.first);
    let mut groups: Vec<Group<'_>> = Vec::new();
    for range in ranges {
        match groups.last_mut() {
            Some(group) if range.first <= group.last => {
                group.last = group.last.max(range.last);
                group.ranges.push(range);
            }
            Some(_) | None => groups.push(Group {
                first: range.first,
                last: range.last,
                ranges: vec![range],
            }),
        }
    }
    groups
}

impl Group<'_> {
    /// Finds the newest event of each range that has its id.
    fn look_through(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut by_id: HashMap<&str, Vec<&mut Range<'_>>> = HashMap::new();
        for range in &mut self.ranges {
            by_id.entry(range.id).or_default().push(range);
        }
        let ids: Vec<&str> = by_id.keys().copied().collect();
        let mut values: Vec<&dyn ToSql> = vec![&self.first, &self.last];
        values.extend(ids.iter().map(|id| id as &dyn ToSql));
        let mut select = connection.prepare_cached(&select(ids.len()))?;
        let mut rows = select.query(values.as_slice())?;
        while !by_id.is_empty()
            && let Some(row) = rows.next()?
        {
            let (seq, received_at, id) = (row.get(0)?, row.get(1)?, text(row, 2)?);
            if let Some(ranges) = by_id.get_mut(id.as_str()) {
                ranges.retain_mut(|range| {
                    let is_in = (range.first..=range.last).contains(&seq);
                    if is_in {
                        *range.found = Some(Found { seq, received_at });
                    }
                    !is_in
                });
                if ranges.is_empty() {
                    by_id.remove(id.as_str());
                }
            }
        }
        Ok(())
    }
}

/// The statement that finds events with any of so many ids, the newest first.
fn select(ids: usize) -> String {
    let ids = vec!["?"; ids].join(",");
    format!(
        "SELECT seq, {RECEIVED_AT}, id FROM events WHERE seq >= ? AND seq <= ? AND id IN ({ids}) ORDER BY seq DESC"
    )
}

fn kept(connection: &Connection, id: &str, found: Found) -> rusqlite::Result<KeptEvent> {
    let Found { seq, received_at } = found;
    let body = event_text(connection, Form::Accepted, seq)?.unwrap_or_default();
    let candidate = Candidate {
        seq,
        received_at,
        size: body.len(),
    };
    let view = View::read(connection, &[candidate])?;
    let stored = match (view.shows(seq), view.sizes.contains_key(&seq)) {
        (false, _) => None,
        (true, false) => Some(StoredForm::Accepted),
        (true, true) => {
            event_text(connection, Form::Stored, seq)?.map(|text| StoredForm::Changed(text.into()))
        }
    };
    let event = LoggedEvent {
        position: seq,
        id: id.to_owned(),
        received_at,
        body,
    };
    Ok(KeptEvent { event, stored })
}
