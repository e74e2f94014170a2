//! Reads records as events.
//!
//! Pure; the first stage of the pipeline.

use openlineage::{Event, Level};
use targets::Reason;

use super::outcome::{Decided, Outcome, Pending};
use super::panics::isolate;
use crate::queue::Record;

/// Decodes a record, or decides that it is a dead letter.
///
/// An event that ingest accepts is left as it is. Anything else is repaired where that is possible, also where ingest is
/// strict: another writer may have put it into the queue.
pub(super) fn decode(record: Record, level: Level) -> Result<Pending, Box<Decided>> {
    if let Some(why) = &record.unreadable {
        let outcome = Outcome::dead_letter(Reason::Invalid, why);
        return Err(Box::new(Decided::without_event(record, outcome)));
    }
    let read = isolate(|| {
        Event::read_shared(&record.body, level)
            .or_else(|_| Event::read_shared(&record.body, Level::Repair))
    });
    let outcome = match read {
        Ok(Ok(read)) => return Ok(Pending::new(record, read.event)),
        Ok(Err(refused)) => Outcome::dead_letter(Reason::Invalid, refused),
        Err(panicked) => panicked,
    };
    Err(Box::new(Decided::without_event(record, outcome)))
}
