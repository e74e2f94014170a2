//! Verification: which accepted events DataZone failed to process. 200 means accepted, and processing may fail later.
//!
//! Looks back over one period. A check takes a request for every 50 events that failed, and at least one.

use std::time::{Duration, SystemTime};

use aws::{Aws, summarize};
use aws_sdk_datazone::Client;
use aws_sdk_datazone::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datazone::operation::list_lineage_events::ListLineageEventsError;
use aws_sdk_datazone::primitives::DateTime;
use aws_sdk_datazone::types::{
    EventSummary, LineageEventProcessingStatus, LineageEventSummary, SortOrder,
};

use super::{DENIED_BY_DOMAIN, DataZoneConfig, client_config};
use crate::response::{is_denied_by_domain, words};

/// Processing takes minutes: younger events are left to the next check.
const SETTLED: Duration = Duration::from_secs(600);

/// How much older than its arrival an event may be: the service filters by the time of the event.
const MAX_LATENESS: Duration = Duration::from_secs(86_400);

/// Verifies the events of one domain.
#[derive(Debug, Clone)]
pub struct Verifier {
    client: Client,
    domain: String,
    /// The role that is assumed, if there is one.
    role: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// The events that DataZone accepted and failed to process.
    pub failed: Vec<FailedEvent>,
    /// Whether there are more, past the most requests of a check.
    pub is_truncated: bool,
}

/// An event that was accepted and not processed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedEvent {
    /// DataZone's id of the event.
    pub id: Option<String>,
    /// The run of the event.
    pub run_id: Option<String>,
    /// The namespace of its job.
    pub job_namespace: Option<String>,
    /// The name of its job.
    pub job_name: Option<String>,
}

impl Verifier {
    /// The most requests of a check, for 50 events each.
    pub const MAX_PAGES: usize = 20;

    pub(in crate::kind) async fn new(config: &DataZoneConfig, aws: &Aws) -> Verifier {
        let client = client_config(config, aws, "check").await;
        Verifier {
            client: Client::from_conf(client.build()),
            domain: config.domain_id.clone(),
            role: config.role.as_ref().map(|role| role.arn().to_owned()),
        }
    }

    /// Lists the events whose processing failed in the last whole `period` that ended ten minutes before `now`. Fails if the
    /// list cannot be read.
    pub async fn verify(&self, period: Duration, now: SystemTime) -> Result<Verification, String> {
        let (from, to) = last_period(period, now.into());
        let mut pages = self
            .client
            .list_lineage_events()
            .domain_identifier(&self.domain)
            .processing_status(LineageEventProcessingStatus::Failed)
            .timestamp_after(earlier(from, MAX_LATENESS))
            .sort_order(SortOrder::Descending)
            .max_results(50)
            .into_paginator()
            .send();
        let mut verification = Verification::default();
        let mut read = 0;
        while let Some(page) = pages.next().await {
            if read == Verifier::MAX_PAGES {
                verification.is_truncated = true;
                break;
            }
            read += 1;
            let page = page.map_err(|error| {
                let summary = summarize(&error, words);
                match remedy(&error, self.role.as_deref()) {
                    Some(remedy) => format!("{summary}: {remedy}"),
                    None => summary,
                }
            })?;
            let within = page
                .items()
                .iter()
                .filter(|event| is_within(event, from, to));
            verification.failed.extend(within.map(failed_event));
        }
        Ok(verification)
    }
}

/// Which permission is missing, if one is.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "non-exhaustive: all others are no matter of permissions"
)]
fn remedy(error: &SdkError<ListLineageEventsError>, role: Option<&str>) -> Option<String> {
    match error {
        SdkError::ServiceError(answer) => {
            let message = answer.err().message().unwrap_or_default();
            let lister = role.unwrap_or("the check function's role");
            answer
                .err()
                .code()
                .and_then(|code| denial(code, message, lister))
        }
        // It fails before anything is sent: there are no credentials.
        SdkError::DispatchFailure(failure) if !failure.is_io() && !failure.is_timeout() => {
            role.map(not_assumed)
        }
        SdkError::ConstructionFailure(_) => role.map(not_assumed),
        _ => None,
    }
}

/// What an answer of the service says of the permissions of `lister`.
fn denial(code: &str, message: &str, lister: &str) -> Option<String> {
    match code {
        "AccessDeniedException" | "UnauthorizedException" if is_denied_by_domain(message) => {
            Some(format!(
                "{DENIED_BY_DOMAIN}: {lister} needs a user profile in the domain whose status is ACTIVATED"
            ))
        }
        "AccessDeniedException" | "UnauthorizedException" => Some(format!(
            "{lister} needs datazone:ListLineageEvents on the domain"
        )),
        _ => None,
    }
}

fn not_assumed(role: &str) -> String {
    format!(
        "{role} cannot be assumed: it has to trust the check function's role, which needs sts:AssumeRole on it"
    )
}

/// Whole periods, at whatever moment a check runs, so that each event falls into exactly one.
fn last_period(period: Duration, now: DateTime) -> (DateTime, DateTime) {
    let seconds = i64::try_from(period.as_secs()).unwrap_or(i64::MAX).max(1);
    let to = earlier(now, SETTLED);
    let to = DateTime::from_secs(to.secs() - to.secs().rem_euclid(seconds));
    (earlier(to, period), to)
}

/// By the time of arrival, so that each event is in one period only.
fn is_within(event: &LineageEventSummary, from: DateTime, to: DateTime) -> bool {
    let at = event.created_at().or(event.event_time());
    at.is_some_and(|at| (from..to).contains(at))
}

fn failed_event(event: &LineageEventSummary) -> FailedEvent {
    let run = match event.event_summary() {
        Some(EventSummary::OpenLineageRunEventSummary(run)) => Some(run),
        Some(_) | None => None,
    };
    let job = run.and_then(|run| run.job());
    FailedEvent {
        id: event.id().map(str::to_owned),
        run_id: run.and_then(|run| run.run_id()).map(str::to_owned),
        job_namespace: job.and_then(|job| job.namespace()).map(str::to_owned),
        job_name: job.and_then(|job| job.name()).map(str::to_owned),
    }
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

    #[test]
    fn an_error_names_the_permission_that_is_missing() {
        let denied = |message| denial("AccessDeniedException", message, "arn:r");
        let by_iam = "User: arn:… is not authorized to perform: datazone:ListLineageEvents";
        let text = denied(by_iam).unwrap();
        assert_eq!(text, "arn:r needs datazone:ListLineageEvents on the domain");
        let by_domain = "User is not permitted to perform operation: ListLineageEvents";
        let text = denied(by_domain).unwrap();
        assert!(text.starts_with("denied by the domain, not by IAM: arn:r needs a user profile"));
        assert_eq!(
            denial("ThrottlingException", "Rate exceeded", "arn:r"),
            None
        );
        let no_credentials = SdkError::construction_failure("AccessDenied: sts:AssumeRole");
        let text = remedy(&no_credentials, Some("arn:r")).unwrap();
        assert!(text.starts_with("arn:r cannot be assumed"), "{text}");
        assert_eq!(
            remedy(&SdkError::timeout_error("late"), Some("arn:r")),
            None
        );
    }

    #[test]
    fn periods_are_whole_and_adjacent() {
        let hour = Duration::from_secs(3_600);
        let at = |seconds| last_period(hour, DateTime::from_secs(seconds));
        let (from, to) = at(10 * 3_600 + 700);
        assert_eq!((from.secs(), to.secs()), (9 * 3_600, 10 * 3_600));
        assert_eq!(at(10 * 3_600 + 4_199), (from, to));
        assert_eq!(at(10 * 3_600 + 4_200).0, to);
    }
}
