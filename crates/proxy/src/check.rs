//! Checks events that the target accepted: logs and counts those that it failed to process.
//!
//! The query is in `targets` (`kind/datazone/verify.rs`). Called by the check function on a schedule.

use std::time::{Duration, SystemTime};

use aws::Aws;
use targets::{FailedEvent, Verifier};
use tracing::{info, warn};

use crate::config::{Config, ConfigError};
use crate::telemetry::metric::Metric;
use crate::topology::{StartError, StartErrors};

/// Creates the verifier of the configured target.
pub async fn verifier(config: &Config, aws: &Aws) -> Result<Verifier, StartErrors> {
    let message = "the check function requires datazone";
    let invalid = || StartError::Invalid(ConfigError::about("target", message));
    let verifier = config.pipeline.target.kind.verifier(aws).await;
    Ok(verifier.ok_or_else(invalid)?)
}

/// Logs and counts the events whose processing failed in the last whole `period`. Fails if they cannot be listed.
pub async fn count_failures(
    verifier: &Verifier,
    period: Duration,
    now: SystemTime,
) -> Result<usize, String> {
    let verification = verifier.verify(period, now).await?;
    if verification.is_truncated {
        let pages = Verifier::MAX_PAGES;
        warn!(
            pages,
            "stopped after the last page allowed; more failures exist"
        );
    }
    for event in &verification.failed {
        log(event);
    }
    let failed = verification.failed.len();
    Metric::DataZoneProcessingFailures.add([], failed as u64);
    info!(
        failed,
        period_s = period.as_secs(),
        "checked DataZone for failed events"
    );
    Ok(failed)
}

fn log(event: &FailedEvent) {
    warn!(
        target.id = event.id,
        run.id = event.run_id,
        job.namespace = event.job_namespace,
        job.name = event.job_name,
        "DataZone accepted the event but failed to process it"
    );
}
