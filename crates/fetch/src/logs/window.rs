//! Which part of a log group is read next. Pure.

use super::cursor::Position;
use super::settings::LogsConfig;

/// The longest window, in milliseconds, apart from its overlap: so that a long past is read in steps, each of which the
/// cursor keeps.
const LONGEST: i64 = 6 * 3_600_000;

/// A span of time, both ends included, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Whether it ends where reading ends for now.
    pub(super) is_last: bool,
}

impl Window {
    /// The window that follows what was read: from the overlap before it. `None` if there is no time to read.
    pub(super) fn after(position: &Position, config: &LogsConfig, now: i64) -> Option<Window> {
        let end = config.end(now);
        let to = end.min(position.read_to.saturating_add(LONGEST));
        let from = position
            .read_to
            .saturating_sub(config.overlap())
            .max(position.begin);
        let is_new = to > position.read_to || position.read_to == position.begin;
        (is_new && from <= to).then_some(Window {
            from,
            to,
            is_last: to == end,
        })
    }

    /// The time by which an event has to be complete: what goes on beyond the window may be under way.
    pub(super) fn patient(&self, config: &LogsConfig, now: i64) -> Option<i64> {
        match self.is_last {
            true => config.patient(now),
            false => Some(self.to),
        }
    }
}
