//! The rest of an event of which a filter let only the beginning through.

use super::pending::{MAX_BYTES, Pending, Step, bare};
use super::{Lines, LogEvent};
use crate::{Identity, guarded};

/// Says which stream has to be read without a filter, and from when; and reads it. Then [`Scanner::close`] takes it back.
///
/// [`Scanner::close`]: super::Scanner::close
#[derive(Debug, Clone)]
pub struct Rest {
    pub(super) pending: Pending,
    pub(super) end: Option<Step>,
    head: Identity,
    is_begun: bool,
    read: usize,
}

impl Rest {
    pub(super) fn new(pending: Pending, message: &str) -> Rest {
        Rest {
            pending,
            end: None,
            head: Identity::of(&[bare(message)]),
            is_begun: false,
            read: 0,
        }
    }

    /// The log group.
    pub fn group(&self) -> &str {
        &self.pending.place.group
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.pending.place.stream
    }

    /// The time of its first log event, in milliseconds since 1970: all events of the stream since then are to be read.
    pub fn since(&self) -> i64 {
        self.pending.place.timestamp.unwrap_or_default()
    }

    /// Reads the next event of the stream. Returns whether more are wanted.
    pub fn read(&mut self, event: &LogEvent<'_>) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.read += event.message.len();
        if !self.is_begun {
            // The events that CloudWatch lists have no ids.
            self.is_begun = Identity::of(&[bare(event.message)]) == self.head;
            let is_past = event
                .timestamp
                .is_some_and(|timestamp| timestamp > self.since());
            if !self.is_begun && (is_past || self.read > MAX_BYTES) {
                self.end = Some(Step::Beyond("where it began"));
            }
            return self.end.is_none();
        }
        let pending = &mut self.pending;
        let step = guarded(event.message.as_bytes(), || pending.next(event, Lines::All));
        let end = match step {
            Some(Step::Piece | Step::Other) if self.read <= MAX_BYTES => return true,
            Some(Step::Piece | Step::Other) => Step::Beyond("within 16 MB"),
            Some(step @ (Step::Last { .. } | Step::Anew | Step::Beyond(_) | Step::Bug)) => step,
            None => {
                pending.add_unread(event.message);
                Step::Bug
            }
        };
        self.end = Some(end);
        false
    }
}
