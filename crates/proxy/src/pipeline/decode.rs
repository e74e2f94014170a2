//! Decodes records into events.
//!
//! Pure; the first stage of the pipeline.

use std::sync::Arc;

use openlineage::{Event, InvalidEvent, Level};
use targets::Reason;

use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use super::panics::isolate;
use crate::queue::Record;

/// How much is known about the text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provenance {
    /// Intake has validated it, and nobody else writes to the queue.
    Intake,
    /// Anyone who may write to the queue has sent it. It is validated at this level.
    Anyone(Level),
}

/// Decodes a record, or makes it a dead letter.
///
/// An event that ingest accepts is unchanged. Any other is repaired where that is possible, also with strict
/// validation: another producer may have sent it to the queue.
pub(super) fn decode(
    record: Arc<Record>,
    provenance: Provenance,
) -> Result<PendingEvent, Box<DecidedRecord>> {
    if let Some(why) = &record.unreadable {
        let outcome = Outcome::dead_letter(Reason::Invalid, why);
        return Err(Box::new(DecidedRecord::without_event(record, outcome)));
    }
    // Another target of this process may have read it.
    let read = || (record.event).get_or_read(|| read(&record.body, provenance));
    let outcome = match isolate(read) {
        Ok(Ok(event)) => return Ok(PendingEvent::new(record, event)),
        Ok(Err(refused)) => Outcome::dead_letter(Reason::Invalid, refused),
        Err(panicked) => panicked,
    };
    Err(Box::new(DecidedRecord::without_event(record, outcome)))
}

fn read(body: &Arc<str>, provenance: Provenance) -> Result<Event, InvalidEvent> {
    let known = match provenance {
        Provenance::Intake => Event::read_again(body),
        Provenance::Anyone(level) => Event::read_shared(body, level).ok().map(|read| read.event),
    };
    match known {
        Some(event) => Ok(event),
        None => Event::read_shared(body, Level::Repair).map(|read| read.event),
    }
}
