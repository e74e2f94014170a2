//! What events have said of a table, written or not. Pure.
//!
//! A table is written only if its lineage changes. So its parameters do not tell which event was the last that confirmed it,
//! nor of which run: without both, an older event could replace the lineage, and a later event of the run could not add to
//! it. Kept in the slot of a table (`slots.rs`), which `lineage.rs` reads beside the parameters.

use time::OffsetDateTime;
use uuid::Uuid;

use super::fact::Fact;

/// What the process remembers of the events of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TableMemory {
    /// The time of the newest event.
    pub(super) newest: Option<OffsetDateTime>,
    pub(super) upstream: Option<Statement>,
    pub(super) columns: Option<Statement>,
}

/// The newest event that said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) time: OffsetDateTime,
    /// Its run; `None` if it had none.
    pub(super) run: Option<Uuid>,
}

impl TableMemory {
    /// With an event that was merged, or was found to be too old.
    pub(super) fn with(self, fact: &Fact) -> TableMemory {
        let said = Statement {
            time: fact.time,
            run: fact.writer.as_ref().and_then(|writer| writer.run),
        };
        let newer = |before: Option<Statement>, says: bool| match before {
            _ if !says => before,
            Some(before) if before.time > said.time => Some(before),
            Some(_) | None => Some(said),
        };
        TableMemory {
            newest: self.newest.max(Some(fact.time)),
            upstream: newer(self.upstream, !fact.upstream.is_empty()),
            columns: newer(self.columns, fact.column_lineage.is_some()),
        }
    }
}
