//! The OpenLineage vocabulary: what an event is, whether it is one, and where names stand in it.
//!
//! An [`Event`] keeps the text it was read from. Whatever is changed is changed by an edit of that text, so
//! every byte that no rule touched comes out as it went in: duplicated keys, 70-bit integers, unknown facets.
//! Pure: no clock, no environment, no IO.

mod check;
mod edit;
mod event;
mod facets;
mod fault;
mod finding;
mod formats;
mod holders;
mod json;
mod ordering_key;
mod positions;
mod text;

pub use edit::Edits;
pub use event::{Event, EventType, Identity, Read, Refused, Subject};
pub use facets::warnings;
pub use finding::{Finding, MAX_FINDINGS, Severity};
pub use formats::{date_time, uri};
pub use holders::{FacetSet, Holder, Kind, Path, facets_named, holders, run_ids, runs_and_jobs};
pub use json::{Json, Member, quote};
pub use ordering_key::OrderingKey;
pub use positions::{Mention, Name, Positions, Role, names, positions};
pub use text::{MAX_DEPTH, MAX_VALUES, split_array, split_array_up_to};

/// How an event is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Exactly what the official JSON Schema of the core event accepts, with formats asserted.
    Strict,
    /// As strict, but harmless deviations that real clients send are put right, and said so.
    #[default]
    Repair,
    /// As repair, but a run id that is no UUID is refused: code that rewrites an event was given its run id, and one that
    /// it makes up would split the run.
    RepairRewritten,
}
