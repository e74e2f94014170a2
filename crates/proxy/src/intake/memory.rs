//! The memory budget of intake: bounds the bodies in memory, whatever strangers send.
//!
//! A body reserves memory as it grows. The reservation moves with the messages into the queue, and is released when the
//! queue has written them. Past the budget, new bodies are rejected for the moment.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of one permit. The first unit of each body is free: the number of connections is bounded, and the head of
/// a request takes as much. So an ordinary event is accepted while many large bodies are being read.
const UNIT: usize = 16_384;

/// The size above which a body is large. Large bodies leave a quarter of the budget free, so that ordinary events are
/// accepted under a load of large ones.
const LARGE_BODY: usize = 262_144;

/// The memory budget of all bodies.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    free: Arc<Semaphore>,
    units: usize,
}

/// The reservation of one body. Dropping it releases the memory.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

/// The budget is exhausted. Trying again later may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory budget for request bodies exhausted (max_body_memory)")]
pub struct BudgetError;

impl MemoryBudget {
    /// Creates a budget of `bytes`, rounded down to units of 16 KB.
    pub fn new(bytes: usize) -> MemoryBudget {
        let units = bytes / UNIT;
        MemoryBudget {
            free: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    /// Creates an empty reservation.
    pub fn reserve(&self) -> Reservation {
        Reservation {
            budget: self.clone(),
            permits: None,
            bytes: 0,
        }
    }
}

impl Reservation {
    /// Grows the reservation to `bytes` in total. It never shrinks. After an error it is what it was.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), BudgetError> {
        let units = |bytes: usize| bytes.div_ceil(UNIT).saturating_sub(1);
        let more = units(bytes).saturating_sub(units(self.bytes));
        if more == 0 {
            self.bytes = self.bytes.max(bytes);
            return Ok(());
        }
        let MemoryBudget { free, units } = &self.budget;
        if bytes > LARGE_BODY && free.available_permits() < more + units / 4 {
            return Err(BudgetError);
        }
        let more = u32::try_from(more).map_err(|_| BudgetError)?;
        let permits = free.clone().try_acquire_many_owned(more);
        let permits = permits.map_err(|_| BudgetError)?;
        match &mut self.permits {
            Some(held) => held.merge(permits),
            None => self.permits = Some(permits),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Returns the permits, to share between the messages of the body. A small body has none.
    pub(super) fn into_permit(self) -> Option<Arc<OwnedSemaphorePermit>> {
        self.permits.map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_large_body_leaves_a_quarter_of_the_budget_to_the_others() {
        let budget = MemoryBudget::new(100 * UNIT);
        let mut large = budget.reserve();
        assert!(large.grow_to(75 * UNIT).is_ok());
        assert_eq!(budget.reserve().grow_to(20 * UNIT), Err(BudgetError));
        let mut ordinary = budget.reserve();
        assert!(ordinary.grow_to(LARGE_BODY).is_ok());
        drop(large);
        assert!(budget.reserve().grow_to(60 * UNIT).is_ok());
    }

    #[test]
    fn what_could_not_be_reserved_is_reserved_later() {
        let budget = MemoryBudget::new(8 * UNIT);
        let mut reservation = budget.reserve();
        assert_eq!(reservation.grow_to(20 * UNIT), Err(BudgetError));
        assert!(reservation.grow_to(4 * UNIT).is_ok());
        assert_eq!(budget.free.available_permits(), 5);
    }

    proptest! {
        #[test]
        fn what_is_reserved_is_within_the_budget_and_released(
            bodies in proptest::collection::vec(proptest::collection::vec(0usize..3_000_000, 1..6), 1..30),
        ) {
            let budget = MemoryBudget::new(4_000_000);
            let mut held: Vec<Reservation> = Vec::new();
            for sizes in bodies {
                let mut reservation = budget.reserve();
                if sizes.iter().all(|size| reservation.grow_to(*size).is_ok()) {
                    held.push(reservation);
                }
                let reserved: usize = (held.iter())
                    .map(|held| held.bytes.saturating_sub(UNIT))
                    .sum();
                prop_assert!(reserved <= 4_000_000, "{}", reserved);
            }
            drop(held);
            prop_assert_eq!(budget.free.available_permits(), budget.units);
        }
    }
}
