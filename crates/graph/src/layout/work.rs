//! Counts the steps of a layout: a bound in time would give another picture on another machine.

/// The steps after which no better order is searched for: some 0.3 s of one core.
pub const MAX_WORK: u64 = 40_000_000;

/// The steps so far. One is about what it takes to look at an edge.
#[derive(Debug, Default)]
pub(super) struct Work(u64);

impl Work {
    pub(super) fn spend(&mut self, steps: usize) {
        self.0 = self.0.saturating_add(steps as u64);
    }

    pub(super) fn is_left(&self) -> bool {
        self.0 < MAX_WORK
    }

    pub(super) fn done(&self) -> u64 {
        self.0
    }
}
