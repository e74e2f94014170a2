//! Checks events that the target accepted: logs and counts those that it failed to process.
//!
//! The query is in `targets` (`kind/datazone/verify.rs`). Called by the check function on a schedule.

use std::time::{Duration, SystemTime};

use aws::Aws;
use serde_json::Value;
use targets::{FailedEvent, Verifier};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
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

/// Returns when an invocation was due: the `time` of an event of EventBridge
/// (<https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>), or `now`. An invocation that is late or
/// repeated looks at the period of its schedule, so that none is left out or counted twice. Somebody who invokes the function by
/// hand can pass the time of a look that has failed.
pub fn due_at(invocation: &Value, now: SystemTime) -> SystemTime {
    let time = invocation.get("time").and_then(Value::as_str);
    let time = time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
    time.map_or(now, |time| SystemTime::from(time).min(now))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_late_invocation_is_due_when_it_was_scheduled_and_no_later_than_now() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let now = at(1_800_000_000);
        let due = |time| due_at(&json!({"source": "aws.events", "time": time}), now);
        assert_eq!(due(json!("2026-11-28T20:40:00Z")), at(1_795_898_400));
        assert_eq!(due(json!("2099-01-01T00:00:00Z")), now);
        for odd in [json!(null), json!("soon"), json!(7)] {
            assert_eq!(due(odd), now);
        }
    }
}
