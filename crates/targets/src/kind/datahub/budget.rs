//! What an event may come to: a bound on the text of its proposals. Pure.
//!
//! Paths repeat names: that of a field is in the path of each nested one, and that of a column in the lineage from each of its
//! inputs. So the proposals of an event can be larger than the event by any factor. Conversion counts what it builds, and
//! stops before it builds too much.

/// What any event may come to, in bytes, however small it is.
const LEAST: usize = 1_000_000;

/// What an event may come to for each of its bytes: a column that is derived from many others, or a struct that is nested
/// deeply, comes to some 20 times its text.
const GROWTH: usize = 32;

/// The most that any event comes to, in bytes: two full calls. It takes some ten times as much memory until it is sent.
const MOST: usize = 32_000_000;

/// The longest path of a field, and the longest name of a column, in bytes. Those of databases have at most 300, and nested ones
/// some times that.
pub(super) const MAX_FIELD: usize = 2_000;

/// The longest operation of column lineage, in bytes: DataHub shows it in a label.
pub(super) const MAX_OPERATION: usize = 500;

/// What is around the texts of something, in bytes.
const AROUND: usize = 200;

/// What is left for the proposals of an event.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

/// An event would come to more than is sent for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proposals of the event would be larger than {MOST} bytes, or than {GROWTH} times the event"
)]
pub(super) struct OversizeError;

impl Budget {
    /// For an event of so many bytes.
    pub(super) fn of(event_bytes: usize) -> Budget {
        let left = event_bytes.saturating_mul(GROWTH).saturating_add(LEAST);
        Budget {
            left: left.min(MOST),
        }
    }

    /// Takes what something with so many bytes of text needs.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), OversizeError> {
        let needed = bytes.saturating_add(AROUND);
        self.left = self.left.checked_sub(needed).ok_or(OversizeError)?;
        Ok(())
    }
}
