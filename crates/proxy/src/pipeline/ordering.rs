//! The order of a run's events across the batches of a process.
//!
//! Batches overlap, so that a slow event does not hold up those that come after it; those of its own run wait for it
//! here. And what failed holds up what comes later of its run until it is tried again: the queue would give out the
//! later one first. Known to this process alone: after a restart everything is given out at once, in order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use targets::Failure;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use openlineage::OrderingKey;

/// Runs that wait, at most; past it the order of further ones is left to chance.
const WAITING: usize = 10_000;

/// Who is before whom, and who waits.
#[derive(Debug, Clone, Default)]
pub(super) struct RunOrder {
    inside: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The end of the last turn of each run in hand, and its number.
    last: HashMap<OrderingKey, (u64, CancellationToken)>,
    turns: u64,
    waiting: HashMap<OrderingKey, Block>,
}

/// Why what comes later of a run has to wait.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Until when what failed is out of sight.
    pub(super) until: Instant,
    /// Its id in the queue.
    pub(super) by: String,
    /// Why it failed.
    pub(super) failure: Failure,
}

/// The turn of some events of a run. The next turn begins when it is dropped.
#[derive(Debug)]
pub(super) struct RunTicket {
    order: RunOrder,
    key: OrderingKey,
    number: u64,
    before: Option<CancellationToken>,
    _ends: DropGuard,
}

impl RunOrder {
    /// Takes a place behind all that was taken before for that run.
    pub(super) fn turn(&self, key: OrderingKey) -> RunTicket {
        let ends = CancellationToken::new();
        let mut inside = self.inside();
        inside.turns += 1;
        let number = inside.turns;
        let before = inside.last.insert(key.clone(), (number, ends.clone()));
        RunTicket {
            order: self.clone(),
            key,
            number,
            before: before.map(|(_, ends)| ends),
            _ends: ends.drop_guard(),
        }
    }

    fn inside(&self) -> MutexGuard<'_, State> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunTicket {
    /// Waits until all before it are done. Whether there was time for that.
    pub(super) async fn ready(&self, deadline: Instant) -> bool {
        match &self.before {
            Some(before) => timeout_at(deadline, before.cancelled()).await.is_ok(),
            None => true,
        }
    }

    /// Why these records of the run have to wait, if something earlier of it does that is not among them.
    pub(super) fn held(&self, mut records: impl Iterator<Item = String>) -> Option<Block> {
        let now = Instant::now();
        let inside = self.order.inside();
        let held = inside.waiting.get(&self.key)?;
        // The clock of the queue may be a little before ours.
        if held.until <= now || records.any(|id| id == held.by) {
            return None;
        }
        let failure = Failure {
            after: Some(held.until - now),
            ..held.failure.clone()
        };
        Some(Block {
            failure,
            ..held.clone()
        })
    }

    /// What comes later has to wait.
    pub(super) fn hold(&self, held: Block) {
        let mut inside = self.order.inside();
        if inside.waiting.len() >= WAITING {
            let now = Instant::now();
            inside.waiting.retain(|_, held| held.until > now);
        }
        if inside.waiting.len() < WAITING {
            inside.waiting.insert(self.key.clone(), held);
        }
    }
}

impl Drop for RunTicket {
    fn drop(&mut self) {
        let mut inside = self.order.inside();
        if inside
            .last
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
        {
            inside.last.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use targets::{Reason, Scope};
    use uuid::Uuid;

    const SOON: Duration = Duration::from_millis(20);
    const RUN: OrderingKey = OrderingKey::Run(Uuid::nil());

    #[tokio::test]
    async fn a_turn_comes_when_all_before_it_are_over() {
        let order = RunOrder::default();
        let (first, second, third) = (order.turn(RUN), order.turn(RUN), order.turn(RUN));
        let other = order.turn(OrderingKey::Run(Uuid::max()));
        assert!(first.ready(Instant::now() + SOON).await);
        assert!(other.ready(Instant::now() + SOON).await);
        assert!(!third.ready(Instant::now() + SOON).await);
        drop(first);
        assert!(second.ready(Instant::now() + SOON).await);
        assert!(!third.ready(Instant::now() + SOON).await);
        drop(second);
        assert!(third.ready(Instant::now() + SOON).await);
        drop((third, other));
        assert!(order.inside().last.is_empty());
    }

    #[tokio::test]
    async fn what_waits_holds_up_what_comes_later_until_its_time() {
        let order = RunOrder::default();
        let failure = Failure {
            reason: Reason::Unavailable,
            scope: Scope::Event,
            message: "down".into(),
            after: None,
        };
        order.turn(RUN).hold(Block {
            until: Instant::now() + 10 * SOON,
            by: "a".into(),
            failure,
        });
        let later = order.turn(RUN);
        let held = |turn: &RunTicket, id: &str| turn.held([id.to_owned()].into_iter());
        let after = held(&later, "b").unwrap().failure.after;
        assert!(after.unwrap() <= 10 * SOON);
        assert!(held(&later, "a").is_none());
        let other = order.turn(OrderingKey::Run(Uuid::max()));
        assert!(held(&other, "b").is_none());
        tokio::time::sleep(10 * SOON).await;
        assert!(held(&later, "b").is_none());
    }
}
