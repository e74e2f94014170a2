//! A batch between its admission and its end: the worker holds it, and may split, hurry or give up what is in it.
//!
//! `../pipeline.rs` admits and completes it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::outcome::DecidedRecord;
use super::run::{BatchContext, Run};
use crate::queue::Record;

/// An admitted batch: each of its runs has its place after the runs of earlier batches.
#[must_use = "the events of a batch have no outcome yet"]
#[derive(Debug)]
pub(crate) struct InFlightBatch {
    pub(super) decided: Vec<DecidedRecord>,
    pub(super) runs: Vec<Run>,
    pub(super) context: BatchContext,
}

impl InFlightBatch {
    /// The records that have no settlement yet.
    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        let decided = self.decided.iter().map(|decided| &decided.record);
        let events = self.runs.iter().flat_map(|run| &run.events);
        let records = decided.chain(events.map(|event| &*event.record));
        records.cloned().collect()
    }

    /// The same batch without time for an attempt: [`Pipeline::complete`](super::Pipeline::complete) returns its events to the queue.
    pub(crate) fn without_time(mut self) -> InFlightBatch {
        self.context.deadline = Instant::now();
        self
    }

    /// Splits a permit for events in hand between the runs.
    pub(crate) fn with_permit(mut self, mut permit: OwnedSemaphorePermit) -> InFlightBatch {
        for run in &mut self.runs {
            run.permit = permit.split(run.events.len().min(permit.num_permits()));
        }
        self
    }
}
