//! The events that a consumer could receive, and the choice among them.
//!
//! `../receive.rs` receives those that are chosen.

use rusqlite::Connection;
use tracing::warn;

use crate::log::recent::RecentEvent;

/// Bytes of the events that are received at once, unless the first alone is larger. A batch takes a multiple of that in
/// memory.
const MAX_BYTES: i64 = 32_000_000;

/// Bytes of those that are received beyond a batch that is large enough: they save commits, which matters for small events.
const MAX_FURTHER_BYTES: i64 = 8_000_000;

/// An event that could be received: since when it has been visible, its number, its size.
pub(super) struct Candidate {
    visible_at: i64,
    seq: i64,
    size: i64,
}

/// An event that is in memory, beside no other kind: when it became visible does not matter.
impl From<&(i64, RecentEvent)> for Candidate {
    fn from((seq, event): &(i64, RecentEvent)) -> Candidate {
        Candidate {
            visible_at: 0,
            seq: *seq,
            size: i64::try_from(event.body.len()).unwrap_or(i64::MAX),
        }
    }
}

/// When an event was appended; 0 if another writer has put something else there.
pub(super) const APPENDED_AT: &str = "iif(typeof(appended_at) = 'integer', appended_at, 0)";

/// Returns the pending events that are visible. Rows whose event a repair could not read are removed.
pub(super) fn pending(
    connection: &Connection,
    consumer: i64,
    now: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Candidate>> {
    let mut select = connection.prepare_cached(
        "SELECT pending.visible_at, pending.seq, octet_length(body) FROM pending LEFT JOIN events USING (seq)
         WHERE consumer = ?1 AND visible_at <= ?2 ORDER BY visible_at, pending.seq LIMIT ?3",
    )?;
    let rows = select.query_map([consumer, now, limit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut candidates = Vec::with_capacity(rows.len());
    let mut lost = 0;
    for (visible_at, seq, size) in rows {
        match size {
            Some(size) => candidates.push(Candidate {
                visible_at,
                seq,
                size,
            }),
            None => {
                let delete = "DELETE FROM pending WHERE consumer = ?1 AND seq = ?2";
                lost += connection.execute(delete, [consumer, seq])?;
            }
        }
    }
    if lost > 0 {
        warn!(
            events = lost,
            "pending events were lost when the queue was damaged"
        );
    }
    Ok(candidates)
}

pub(super) fn never_received(
    connection: &Connection,
    received: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Candidate>> {
    let sql = format!(
        "SELECT {APPENDED_AT}, seq, octet_length(body) FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map([received, limit], |row| {
        Ok(Candidate {
            visible_at: row.get(0)?,
            seq: row.get(1)?,
            size: row.get::<_, Option<i64>>(2)?.unwrap_or(0),
        })
    })?;
    rows.collect()
}

/// Chooses the events to receive: those that have been visible for longest, as many as the limits allow. Of `new`, it takes
/// the first ones: a cursor leaves nothing out.
///
/// More than `enough` are chosen only if all are new. One of the pending ones may have ended the process before, and costs all
/// that are received with it an attempt.
pub(super) fn chosen(
    pending: Vec<Candidate>,
    new: Vec<Candidate>,
    enough: i64,
    most: i64,
) -> Vec<i64> {
    let (mut pending, mut new) = (pending.into_iter().peekable(), new.into_iter().peekable());
    let (mut seqs, mut bytes, mut further_bytes) = (Vec::new(), 0i64, 0i64);
    let mut limit = most;
    while i64::try_from(seqs.len()).is_ok_and(|count| count < limit) {
        let is_pending = match (pending.peek(), new.peek()) {
            (Some(first), Some(other)) => {
                (first.visible_at, first.seq) <= (other.visible_at, other.seq)
            }
            (pending, _) => pending.is_some(),
        };
        let is_further = i64::try_from(seqs.len()).is_ok_and(|count| count >= enough);
        if is_pending && is_further {
            break;
        }
        let next = if is_pending { &mut pending } else { &mut new };
        let Some(next) = next.next() else { break };
        bytes = bytes.saturating_add(next.size);
        if is_further {
            further_bytes = further_bytes.saturating_add(next.size);
        }
        if (bytes > MAX_BYTES || further_bytes > MAX_FURTHER_BYTES) && !seqs.is_empty() {
            break;
        }
        if is_pending {
            limit = enough;
        }
        seqs.push(next.seq);
    }
    seqs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(seqs: std::ops::Range<i64>, size: i64) -> Vec<Candidate> {
        seqs.map(|seq| Candidate {
            visible_at: seq,
            seq,
            size,
        })
        .collect()
    }

    #[test]
    fn more_than_enough_are_received_only_if_all_are_on_their_first_attempt() {
        let count = |pending, new| chosen(pending, new, 20, 160).len();
        assert_eq!(count(Vec::new(), candidates(0..200, 1)), 160);
        assert_eq!(count(candidates(0..1, 1), candidates(1..200, 1)), 20);
        assert_eq!(count(candidates(5..6, 1), candidates(6..200, 1)), 20);
        assert_eq!(count(candidates(50..60, 1), candidates(0..50, 1)), 50);
        assert_eq!(count(candidates(0..200, 1), Vec::new()), 20);
    }

    #[test]
    fn events_beyond_a_large_enough_batch_are_bounded_in_bytes() {
        let size = MAX_FURTHER_BYTES / 10;
        let chosen = chosen(Vec::new(), candidates(0..200, size), 20, 160);
        assert_eq!(chosen.len(), 20 + 10);
    }
}
