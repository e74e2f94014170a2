//! The OpenLineage model: events, validation and repair, and the positions of names and facets.
//!
//! An [`Event`] keeps the text it was read from. Every change is an edit of that text, so
//! bytes that no rule touched come out as they went in: duplicated keys, 70-bit integers, unknown facets.
//! Pure: no clock, no environment, no IO.

mod check;
mod content_id;
mod edit;
mod event;
mod facets;
mod finding;
mod formats;
mod holders;
mod json;
mod ordering_key;
mod positions;
mod text;
mod tree;
mod unseen;
mod violation;

pub use content_id::content_id;
pub use edit::Edits;
pub use event::{Event, EventType, Identity, InvalidEvent, Subject, ValidEvent};
pub use facets::warnings;
pub use finding::{Finding, MAX_FINDINGS, Severity};
pub use formats::{date_time, uri};
pub use holders::{FacetSet, Holder, Kind, Path, facets_named, holders, run_ids, runs_and_jobs};
pub use json::{Json, Member, quote};
pub use ordering_key::OrderingKey;
pub use positions::{Mention, Name, Positions, Role, names, positions};
pub use text::{MAX_DEPTH, MAX_VALUES, split_array, split_array_up_to};
pub use tree::{Indexed, Tree, Value};
pub use unseen::{is_unseen, visible};

/// How strictly an event is validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Accepts exactly what the official JSON Schema of the core event accepts, with formats asserted.
    Strict,
    /// Like strict, but repairs harmless deviations that real clients send, and reports the repairs.
    #[default]
    Repair,
    /// Like repair, but rejects a run id that is not a UUID: code that rewrites an event received its run id, and an id that
    /// it invents would split the run.
    RepairRewritten,
}
