//! Admits a record on which the pipeline may panic: it is processed alone, so that it harms no other.
//!
//! The record is not buffered, and no buffered event is released into its batch. Called by the worker of `serve`
//! (`serve/worker.rs`). A function buffers nothing, and gets its batch again after a panic.

use std::sync::Arc;

use openlineage::OrderingKey;
use tokio::time::Instant;

use super::{InFlightBatch, Pipeline};
use crate::queue::Record;

impl Pipeline {
    /// Admits a record as a batch of its own. The buffered events of its run, which it must not overtake, become a
    /// batch before it.
    pub(crate) async fn admit_alone(
        &self,
        record: Arc<Record>,
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
