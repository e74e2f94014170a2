//! One event at a time for each table, and what was written last. Called by `glue.rs` around each table of an event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::fact::Fact;
use super::name::TableRef;
use super::seen::TableMemory;
use crate::{Delivery, DeliveryReport};

/// How many tables are remembered; of those not in use, old ones are forgotten then.
const MOST: usize = 10_000;

/// How long it is remembered that a table has an event: longer than the longest backoff of the queue, so that an event with
/// more tables than one attempt has time for makes progress. Not for ever: somebody may have restored an old table.
const MEMORY: Duration = Duration::from_secs(1_800);

/// The SHA-256 of the text of an event.
type Content = [u8; 32];

/// The slots of all tables. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Arc<SyncMutex<HashMap<TableRef, Slot>>>);

/// The place of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The event that the table has, and since when. Held while one is written.
    last: Mutex<Option<(Content, Instant)>>,
    /// Whether it was said that the table is left alone.
    is_told: AtomicBool,
    seen: SyncMutex<TableMemory>,
}

impl Slots {
    /// The slot of a table.
    pub(super) fn of(&self, place: &TableRef) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(place) {
            // In use: somebody else has a clone.
            slots.retain(|_, slot| Arc::strong_count(&slot.0) > 1);
        }
        slots.entry(place.clone()).or_default().clone()
    }
}

impl Slot {
    /// Delivers an event, when no other is being delivered to the table, unless the table has it.
    pub(super) async fn once<F>(
        &self,
        content: Content,
        until: Instant,
        deliver: impl FnOnce() -> F,
    ) -> DeliveryReport
    where
        F: Future<Output = DeliveryReport>,
    {
        let Ok(mut last) = timeout_at(until, self.0.last.lock()).await else {
            return DeliveryReport::default();
        };
        if last.is_some_and(|(has, since)| has == content && since.elapsed() < MEMORY) {
            return DeliveryReport {
                delivery: Some(Delivery::Delivered { id: None }),
                ..DeliveryReport::default()
            };
        }
        let report = deliver().await;
        if let Some(Delivery::Delivered { .. }) = report.delivery {
            *last = Some((content, Instant::now()));
        }
        report
    }

    /// What earlier events said of the table.
    pub(super) fn seen(&self) -> TableMemory {
        *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what an event said, after it was applied.
    pub(super) fn see(&self, fact: &Fact) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = seen.with(fact);
    }

    /// Whether it was not yet said that the table is left alone.
    pub(super) fn is_news(&self) -> bool {
        !self.0.is_told.swap(true, Ordering::Relaxed)
    }
}
