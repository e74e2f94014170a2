//! Logs: OpenLineage events that a console transport printed, whatever stands around them.
//!
//! [`Scanner`] is fed with log events of CloudWatch, and [`TextLog`] with the bytes of a file or a pipe; [`subscription`]
//! unpacks what a subscription filter sends. `json.rs` reads an object as far as it goes and goes on when more comes,
//! `scan.rs` finds objects in one text, `pending.rs` holds one that has not ended, `seen.rs` remembers what was found.
//!
//! What is decided here, for all of them:
//! - The text of an event is taken as it was printed, not as it was parsed: duplicate keys, the order of keys and large
//!   numbers stay.
//! - The identity of an event is its text. So the same event is the same one, whether it is read again, printed again (by a
//!   second handler, at DEBUG, into a second log group), polled, pushed by a subscription, or found in a file.
//! - Log lines of one JSON object each (structlog, Docker, Fluent Bit) are looked into: see `scan`.
//! - Pieces of an event are joined within one stream, and only where all lines of the stream are there: between the lines
//!   that a filter lets through, pieces are missing, and what is joined over a gap may still be JSON.
//!
//! Fetching is not done here: a [`Rest`] says what has to be read without a filter.

mod fresh;
mod json;
mod pending;
mod rest;
mod scan;
mod scanner;
mod seen;
pub mod subscription;
#[cfg(test)]
mod tests;
mod text_log;

pub use rest::Rest;
pub use scanner::Scanner;
pub use seen::{Seen, UnreadableSeen};
pub use text_log::TextLog;

/// One event of a log: a line, mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEvent<'a> {
    /// The log group; empty where there is none.
    pub group: &'a str,
    /// The stream within the group, or the name of a file.
    pub stream: &'a str,
    /// What names the event within its stream: CloudWatch's event id, or a line number.
    pub id: &'a str,
    /// When it was logged, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// What was logged.
    pub message: &'a str,
}

/// Which lines of its streams a [`Scanner`] gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// All of them, in order. Pieces are joined as they are.
    All,
    /// All lines of a text, without the line feeds between them.
    Text,
    /// Those that match a pattern. Pieces are not joined: the rest of an event is asked for.
    Filtered,
}
