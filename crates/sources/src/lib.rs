//! Reads lineage from what others write. Each module takes the bytes of one producer and returns an [`Extraction`]: the
//! events that it found, and findings about what it could not read.
//!
//! Nothing here does IO or asks for the time. `fetch` gets the bytes, and the proxy sends the events to its intake. An
//! event has the same [`Identity`] however often, and by whatever way, it is found: so a second poll changes nothing.

mod event;
mod finding;
mod messages;
mod sns;
mod unread;

pub mod crawler;
pub mod flyte;
pub mod logs;
pub mod redshift;
pub mod streams;

pub use event::{Extraction, FoundEvent, Identity};
pub use finding::{Finding, FindingRule};
pub use messages::{SavedMessage, saved_messages};
pub use unread::{UnreadInput, guarded};
