//! What is left to deliver of a batch, and the result of each of its events. Pure.
//!
//! Called by what sends a batch: it asks for the events of the next request, and gives back the result of each.

use std::iter;
use std::ops::Range;

use crate::{Delivery, DeliveryReport, Reason, Scope};

/// The result of a request with several events, and those of the events where it was accepted and says so.
#[derive(Debug)]
pub(crate) struct BatchReport {
    pub(crate) report: DeliveryReport,
    pub(crate) results: Option<Vec<Delivery>>,
}

/// What is left to deliver of a batch. A request that is rejected for good may be so because of one event: it is split in
/// halves until the event is found.
#[derive(Debug)]
pub(crate) struct Halves {
    waiting: Vec<Range<usize>>,
    reports: Vec<DeliveryReport>,
}

impl Halves {
    /// A batch of so many events, none of which has a result yet.
    pub(crate) fn of(events: usize) -> Halves {
        Halves {
            waiting: iter::once(0..events).collect(),
            reports: vec![DeliveryReport::default(); events],
        }
    }

    /// The events of the next request.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.waiting.pop()
    }

    /// Keeps the result of a request with these events.
    pub(crate) fn settle(&mut self, range: Range<usize>, result: BatchReport) {
        let BatchReport { report, results } = result;
        match (&report.delivery, results) {
            (Some(delivery), _) if range.len() > 1 && may_be_of_one(delivery) => {
                let middle = range.start.midpoint(range.end);
                self.waiting.push(middle..range.end);
                self.waiting.push(range.start..middle);
            }
            (Some(Delivery::Delivered { .. }), Some(results)) => {
                for (index, result) in range.zip(results) {
                    let delivery = Some(result);
                    let report = DeliveryReport { delivery, ..report };
                    set(&mut self.reports, index..index + 1, &report);
                }
            }
            (Some(Delivery::Transient(failure)), _) if failure.scope == Scope::Target => {
                // The other parts would fail alike.
                set(&mut self.reports, range, &report);
                for range in self.waiting.drain(..) {
                    set(&mut self.reports, range, &report);
                }
            }
            (Some(_) | None, _) => set(&mut self.reports, range, &report),
        }
    }

    /// The result of each event, in order.
    pub(crate) fn into_reports(self) -> Vec<DeliveryReport> {
        self.reports
    }
}

/// Whether a request may have failed because of one of its events, and would fail again with it.
fn may_be_of_one(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Permanent(_) => true,
        Delivery::Transient(failure) => {
            failure.reason == Reason::Permission && failure.scope == Scope::Event
        }
        Delivery::Delivered { .. } | Delivery::AlreadyThere | Delivery::Unchanged { .. } => false,
    }
}

fn set(reports: &mut [DeliveryReport], range: Range<usize>, report: &DeliveryReport) {
    if let Some(reports) = reports.get_mut(range) {
        reports.fill(report.clone());
    }
}
