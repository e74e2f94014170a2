//! Finds events by their ids.
//!
//! Ids have no index, because lookups by id are rare. The caller knows about when each event was accepted, so only events of that time
//! are compared. Ranges of time that overlap are scanned once. Of an event that is compared only the beginning of its row is read, which is
//! not its text.

use std::collections::HashMap;

use rusqlite::Connection;

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

/// The text of an event that is sought by its id and its time, in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoughtText {
    /// The event was found, and this is its text.
    Found(String),
    /// The event was found, but not in this form: the store does not have it.
    NotInForm,
    /// The event was not found: it was deleted, never was here, or was accepted at another time.
    NotFound,
}

impl SoughtText {
    /// The text, if there is one.
    pub fn into_text(self) -> Option<String> {
        match self {
            SoughtText::Found(text) => Some(text),
            SoughtText::NotInForm | SoughtText::NotFound => None,
        }
    }

    /// Whether the event was found, in this form or not.
    pub fn is_found(&self) -> bool {
        match self {
            SoughtText::Found(_) | SoughtText::NotInForm => true,
            SoughtText::NotFound => false,
        }
    }
}

impl Log {
    /// Returns the event with this id, which was accepted at about this time, in milliseconds since 1970. `None`: it was deleted,
    /// or never was here.
    pub async fn event(&self, id: String, near: i64) -> Result<Option<KeptEvent>, QueueError> {
        let event = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            for within in [CLOSE, DISORDER] {
                let found = find(&snapshot, &[(id.clone(), near)], within)?;
                if let Some(found) = found.into_iter().next().flatten() {
                    return kept(&snapshot, &id, found).map(Some);
                }
            }
            Ok(None)
        };
        self.journal.read(event).await.map_err(unavailable)
    }

    /// Returns the texts in this form of some events, by their ids and times, in one snapshot, in the order in which they are asked for.
    /// Some dozens are asked for at once: their texts are in memory together, and each may be of another time. Only events that were
    /// accepted within two seconds of these times are compared: see [`distant_texts_of`](Log::distant_texts_of).
    pub async fn texts_of(
        &self,
        sought: Vec<(String, i64)>,
        form: Form,
    ) -> Result<Vec<SoughtText>, QueueError> {
        self.texts_within(sought, form, CLOSE).await
    }

    /// The same for events that [`texts_of`](Log::texts_of) has not found: a clock may have been wrong when they were accepted. Few are
    /// asked for at once: for each, two minutes of the log are compared.
    pub async fn distant_texts_of(
        &self,
        sought: Vec<(String, i64)>,
        form: Form,
    ) -> Result<Vec<SoughtText>, QueueError> {
        self.texts_within(sought, form, DISORDER).await
    }

    async fn texts_within(
        &self,
        sought: Vec<(String, i64)>,
        form: Form,
        within: i64,
    ) -> Result<Vec<SoughtText>, QueueError> {
        let texts = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            let found = find(&snapshot, &sought, within)?.into_iter();
            let texts = found.map(|found| match found {
                Some(found) => shown(&snapshot, found, form),
                None => Ok(SoughtText::NotFound),
            });
            texts.collect()
        };
        self.journal.read(texts).await.map_err(unavailable)
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

/// Finds events, each in its own range, so that what else is looked for makes no difference: the newest one with its id that was accepted
/// within so many milliseconds of its time. What was taken over from an older version comes last.
fn find(
    connection: &Connection,
    sought: &[(String, i64)],
    within: i64,
) -> rusqlite::Result<Vec<Option<Found>>> {
    let end_of_old = end_of_old(connection)?;
    let new = Part {
        first: end_of_old.saturating_add(1),
        last: i64::MAX,
    };
    let old = Part {
        first: i64::MIN,
        last: end_of_old,
    };
    let mut all = vec![None; sought.len()];
    for part in [new, old] {
        let mut times = Times::of(connection, part)?;
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
        let ids = serde_json::Value::from(ids).to_string();
        // One statement for any number of ids: a reader remembers few statements.
        let select = format!(
            "SELECT seq, {RECEIVED_AT}, id FROM events
            WHERE seq >= ?1 AND seq <= ?2 AND id IN (SELECT value FROM json_each(?3)) ORDER BY seq DESC"
        );
        let mut select = connection.prepare_cached(&select)?;
        let mut rows = select.query((self.first, self.last, ids))?;
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

/// Returns the text of an event that was found, in this form.
fn shown(connection: &Connection, found: Found, form: Form) -> rusqlite::Result<SoughtText> {
    let text = match form {
        Form::Stored if !view_of(connection, found, 0)?.shows(found.seq) => None,
        Form::Accepted | Form::Stored => event_text(connection, form, found.seq)?,
    };
    Ok(text.map_or(SoughtText::NotInForm, SoughtText::Found))
}

fn kept(connection: &Connection, id: &str, found: Found) -> rusqlite::Result<KeptEvent> {
    let Found { seq, received_at } = found;
    let body = event_text(connection, Form::Accepted, seq)?.unwrap_or_default();
    let view = view_of(connection, found, body.len())?;
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

/// What the store has of an event with an accepted text of this size.
fn view_of(connection: &Connection, found: Found, size: usize) -> rusqlite::Result<View> {
    let Found { seq, received_at } = found;
    let candidate = Candidate {
        seq,
        received_at,
        size,
    };
    View::read(connection, &[candidate])
}
