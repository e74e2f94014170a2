//! Decodes records into events.
//!
//! Pure; the first stage of the pipeline.

use openlineage::{Event, Level};
use targets::Reason;

use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use super::panics::isolate;
use crate::queue::Record;

/// Decodes a record, or makes it a dead letter.
///
/// An event that ingest accepts is unchanged. Any other is repaired where that is possible, also with strict
/// validation: another producer may have sent it to the queue.
pub(super) fn decode(record: Record, level: Level) -> Result<PendingEvent, Box<DecidedRecord>> {
    if let Some(why) = &record.unreadable {
        let outcome = Outcome::dead_letter(Reason::Invalid, why);
        return Err(Box::new(DecidedRecord::without_event(record, outcome)));
    }
    let read = isolate(|| {
        Event::read_shared(&record.body, level)
            .or_else(|_| Event::read_shared(&record.body, Level::Repair))
    });
    let outcome = match read {
        Ok(Ok(read)) => return Ok(PendingEvent::new(record, read.event)),
        Ok(Err(refused)) => Outcome::dead_letter(Reason::Invalid, refused),
        Err(panicked) => panicked,
    };
    Err(Box::new(DecidedRecord::without_event(record, outcome)))
}
