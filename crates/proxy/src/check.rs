//! Checks how DataZone processed the events that it accepted: 200 means accepted, and processing may fail later.
//!
//! Counts the events that failed in one period. Called by the check function on its schedule; costs a request for every 50
//! events that failed, and one at least.

use std::time::Duration;

use aws_sdk_datazone::Client;
use aws_sdk_datazone::primitives::DateTime;
use aws_sdk_datazone::types::{
    EventSummary, LineageEventProcessingStatus, LineageEventSummary, SortOrder,
};
use tracing::{info, warn};

use crate::aws_error::summarize;
use crate::telemetry::metric::Metric;

/// Processing takes minutes: younger events are left for the next check.
const SETTLED: Duration = Duration::from_secs(600);

/// How much older than its arrival an event may be: the service filters by the event time.
const LATE: Duration = Duration::from_secs(86_400);

/// The most requests of a check: 50 events each.
const PAGES: usize = 20;

/// Counts the events whose processing failed in the last whole `period` that ended ten minutes before `now`, and logs each.
/// Fails if the list cannot be read.
pub async fn count_failures(
    client: &Client,
    domain: &str,
    period: Duration,
    now: DateTime,
) -> Result<usize, String> {
    // Whole periods, whenever exactly we are called: each event is in one of them.
    let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    let to = earlier(now, SETTLED);
    let to = DateTime::from_secs(to.secs() - to.secs().rem_euclid(seconds));
    let from = earlier(to, period);
    let mut pages = client
        .list_lineage_events()
        .domain_identifier(domain)
        .processing_status(LineageEventProcessingStatus::Failed)
        .timestamp_after(earlier(from, LATE))
        .sort_order(SortOrder::Descending)
        .max_results(50)
        .into_paginator()
        .send();
    let mut failed = 0;
    let mut read = 0;
    while let Some(page) = pages.next().await {
        if read == PAGES {
            warn!(
                pages = PAGES,
                "stopped after the last page allowed; more failures exist"
            );
            break;
        }
        read += 1;
        let page = page.map_err(|error| summarize(&error))?;
        let items = page.items();
        for event in items.iter().filter(|event| is_within(event, from, to)) {
            failed += 1;
            log_failure(event);
        }
    }
    Metric::DataZoneProcessingFailures.add([], failed as u64);
    info!(
        failed,
        period_s = period.as_secs(),
        "checked DataZone for failed events"
    );
    Ok(failed)
}

/// Goes by the time of arrival, so that each event is in one period only.
fn is_within(event: &LineageEventSummary, from: DateTime, to: DateTime) -> bool {
    let at = event.created_at().or(event.event_time());
    at.is_some_and(|at| (from..to).contains(at))
}

fn log_failure(event: &LineageEventSummary) {
    let run = match event.event_summary() {
        Some(EventSummary::OpenLineageRunEventSummary(run)) => Some(run),
        Some(_) | None => None,
    };
    let job = run.and_then(|run| run.job());
    warn!(
        target.id = event.id(),
        run.id = run.and_then(|run| run.run_id()),
        job.namespace = job.and_then(|job| job.namespace()),
        job.name = job.and_then(|job| job.name()),
        "DataZone accepted the event but failed to process it"
    );
}

fn earlier(time: DateTime, by: Duration) -> DateTime {
    let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_secs(time.secs().saturating_sub(by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_in_one_period() {
        let event = |created_at: i64| {
            LineageEventSummary::builder()
                .created_at(DateTime::from_secs(created_at))
                .event_time(DateTime::from_secs(1))
                .build()
        };
        let (first, second, third) = (
            DateTime::from_secs(100),
            DateTime::from_secs(200),
            DateTime::from_secs(300),
        );
        for at in [100, 150, 199, 200, 299] {
            let within = [(first, second), (second, third)]
                .iter()
                .filter(|(from, to)| is_within(&event(at), *from, *to))
                .count();
            assert_eq!(within, 1, "{at}");
        }
        assert!(!is_within(&event(99), first, second));
    }
}
