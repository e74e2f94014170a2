//! Finds one event by its id, for a person who looks at it.
//!
//! Ids have no index: nothing else looks for one. Whoever asks knows about when the event was accepted, so only events of that
//! time are compared.

use rusqlite::{Connection, OptionalExtension, params};

use super::part::{Part, halve};
use super::{Candidate, Form, View, event_text};
use crate::log::read::{DISORDER, LoggedEvent, RECEIVED_AT};
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
        let find = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction()?;
            for within in [CLOSE, DISORDER] {
                if let Some(found) = find(&snapshot, &id, near, within)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        self.journal.read(find).await.map_err(unavailable)
    }
}

fn find(
    connection: &Connection,
    id: &str,
    near: i64,
    within: i64,
) -> rusqlite::Result<Option<KeptEvent>> {
    let end_of_old = end_of_old(connection)?;
    let new = Part {
        first: end_of_old.saturating_add(1),
        last: i64::MAX,
    };
    let old = Part {
        first: i64::MIN,
        last: end_of_old,
    };
    let (since, until) = (near.saturating_sub(within), near.saturating_add(within));
    for part in [new, old] {
        let first = halve(connection, part, |times| {
            times.iter().any(|it| *it >= since)
        })?;
        let last = halve(connection, part, |times| times.iter().all(|it| *it > until))?;
        let sql = format!(
            "SELECT seq, {RECEIVED_AT} FROM events WHERE seq >= ?1 AND seq <= ?2 AND id = ?3 ORDER BY seq DESC LIMIT 1"
        );
        let mut select = connection.prepare_cached(&sql)?;
        let found = select.query_row(params![first, last.min(part.last), id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        if let Some((seq, received_at)) = found.optional()? {
            return kept(connection, id, seq, received_at).map(Some);
        }
    }
    Ok(None)
}

fn kept(
    connection: &Connection,
    id: &str,
    seq: i64,
    received_at: i64,
) -> rusqlite::Result<KeptEvent> {
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
