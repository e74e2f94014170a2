//! The first half of a batch for a record on which the pipeline may panic: it is processed alone, so that it harms no other.
//!
//! It is not held back, and nothing that is held back is released into its batch. Called by the worker of `serve`
//! (`serve/worker.rs`); a function holds nothing back, and one that panicked has its batch again.

use openlineage::OrderingKey;
use tokio::time::Instant;

use super::{InFlightBatch, Pipeline};
use crate::queue::Record;

impl Pipeline {
    /// Admits a record as a batch of its own. Before it, in a batch without it, come the events of its run that were held
    /// back: it must not overtake them.
    pub(crate) async fn admit_alone(
        &self,
        record: Record,
        deadline: Instant,
    ) -> Vec<InFlightBatch> {
        self.rules.refresh().await;
        let rules = self.rules.current();
        let (events, decided) = self.read(vec![record], deadline).await;
        let now = Instant::now();
        let mut batches = Vec::new();
        for event in &events {
            let run = OrderingKey::from(&event.event);
            let held = self.buffer().take_run(&run, &event.record, now);
            if !held.events.is_empty() {
                let deadline = held.limit(deadline, now);
                batches.push(self.in_flight(held.events, Vec::new(), rules.clone(), deadline));
            }
        }
        batches.push(self.in_flight(events, decided, rules, deadline));
        batches
    }
}
