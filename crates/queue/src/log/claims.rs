//! When the visibility timeout of first attempts ends: the part of a consumer that is only in memory.
//!
//! A claim is a range of events that one receive has handed out for the first time. Its entry is added inside of the
//! transaction of the receive, since the caller may be gone when that is committed. So the transaction of an entry may never be
//! committed: entries beyond the cursor's `received` are ignored.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The claims of a consumer, oldest first. Their events are those above the cursor's `settled`.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<VecDeque<Claim>>);

/// The events up to `last`, above those of the claim before.
#[derive(Debug, Clone, Copy)]
struct Claim {
    last: i64,
    /// By the clock of the owner.
    ends_at: i64,
}

impl Claims {
    /// Adds the events above `received` and up to `last`.
    pub(super) fn add(&self, received: i64, last: i64, ends_at: i64) {
        let mut claims = self.lock();
        remove_beyond(&mut claims, received);
        claims.push_back(Claim { last, ends_at });
    }

    /// Whether a claim in memory has ended by `now`.
    pub(super) fn has_ended(&self, now: i64) -> bool {
        self.lock()
            .front()
            .is_some_and(|claim| claim.ends_at <= now)
    }

    /// Returns the last event whose claim has ended by `now`, of those up to `received`.
    pub(super) fn ended(&self, received: i64, now: i64) -> Option<i64> {
        let mut claims = self.lock();
        remove_beyond(&mut claims, received);
        let ended = claims.iter().take_while(|claim| claim.ends_at <= now);
        ended.last().map(|claim| claim.last)
    }

    /// Returns when the claim of an event ends. An event that has none is visible at once.
    pub(super) fn ends_at(&self, seq: i64) -> i64 {
        let claims = self.lock();
        let mut claims = claims.iter();
        let claim = claims.find(|claim| claim.last >= seq);
        claim.map_or(0, |claim| claim.ends_at)
    }

    /// Removes the claims up to a committed `settled`: their events have rows, or are settled.
    pub(super) fn forget(&self, settled: i64) {
        let mut claims = self.lock();
        while claims.front().is_some_and(|claim| claim.last <= settled) {
            claims.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_beyond(claims: &mut VecDeque<Claim>, received: i64) {
    while claims.back().is_some_and(|claim| claim.last > received) {
        claims.pop_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_of_a_transaction_that_was_not_committed_counts_for_nothing() {
        let claims = Claims::default();
        claims.add(0, 5, 100);
        claims.add(5, 9, 200); // not committed
        assert_eq!(claims.ended(5, 999), Some(5));
        claims.add(5, 7, 300);
        let ends = [3, 6, 8].map(|seq| claims.ends_at(seq));
        assert_eq!(ends, [100, 300, 0]);
    }

    #[test]
    fn a_claim_ends_at_its_time_and_is_forgotten_when_settled() {
        let claims = Claims::default();
        claims.add(0, 5, 100);
        claims.add(5, 9, 200);
        let ended = [99, 100, 200].map(|now| claims.ended(9, now));
        assert_eq!(ended, [None, Some(5), Some(9)]);
        claims.forget(7);
        assert!(!claims.has_ended(199) && claims.has_ended(200));
    }
}
