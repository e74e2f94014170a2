//! Follows one marked event, which `send.rs` sends: through the batch function's log to DataZone, until it is processed.
//!
//! Missing permissions of the functions are found here, as the functions logged them.

use std::time::{Duration, SystemTime};

use aws::logs::FilterLogEvents;
use aws::{Aws, ProvideErrorMetadata};
use aws_sdk_datazone::Client;
use aws_sdk_datazone::types::{EventSummary, LineageEventProcessingStatus as Status, SortOrder};
use indicatif::ProgressBar;
use proxy::aws_error::summarize;
use reqwest::Url;
use serde_json::Value;
use targets::DENIED_BY_DOMAIN;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::assumed_role::AssumedRole;
use super::parts::datazone;
use super::{Step, Verdict, queries, send};
use crate::cli::stack::Stack;

/// The time between two polls: far below the rate limits of the APIs.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How far the clocks of this machine and of AWS may differ.
const SKEW: Duration = Duration::from_secs(300);

/// An event to follow, and what is needed for that.
pub(super) struct Trace<'a> {
    pub(super) aws: &'a Aws,
    /// The stack that accepts it.
    pub(super) ingest: &'a Stack,
    /// The stack that delivers it: the same, or that of a target.
    pub(super) stack: &'a Stack,
    /// Whether that stack gets the events that are accepted, and delivers them now.
    pub(super) is_delivered: bool,
    pub(super) url: &'a Url,
    pub(super) key: Option<&'a str>,
    pub(super) patience: Duration,
    pub(super) waiting: &'a ProgressBar,
}

/// What the batch function's log contains about an event.
enum LogFinding {
    Delivered,
    NotDelivered(Step),
    Nothing,
    Unreadable(String),
}

impl Trace<'_> {
    /// Sends the event and follows it to its end, or until `patience` is over.
    pub(super) async fn follow(&self) -> anyhow::Result<Vec<Step>> {
        let started = SystemTime::now();
        let until = Instant::now() + self.patience;
        let run_id = Uuid::now_v7();
        let run = run_id.to_string();
        let mut steps = Vec::new();
        self.waiting.set_message("sending an event");
        let sent = send::send(self, &run).await?;
        steps.extend(sent.steps);
        let Some(id) = sent.id else {
            return Ok(steps);
        };
        if !self.is_delivered {
            return Ok(steps);
        }
        let (delivered, step) = self.delivery(&id, started, until).await?;
        let is_logged = delivered && step.verdict == Verdict::Good;
        steps.push(step);
        if is_logged {
            self.waiting
                .set_message("waiting for CloudWatch Logs Insights");
            steps.push(queries::step(self.stack, run_id, started - SKEW).await);
        }
        if delivered && self.stack.optional("DomainId").is_some() {
            steps.push(self.processing(&run, started, until).await?);
        }
        Ok(steps)
    }

    /// Waits until the batch function logs the event. Returns whether the event may be at the target, and the step.
    async fn delivery(
        &self,
        id: &str,
        started: SystemTime,
        until: Instant,
    ) -> anyhow::Result<(bool, Step)> {
        self.waiting.set_message("waiting for the batch function");
        let log = self.stack.output("BatchLogGroup")?;
        loop {
            match self.search_log(log, id, started).await {
                LogFinding::Delivered => {
                    return Ok((true, Step::good("delivered", "by the batch function")));
                }
                LogFinding::NotDelivered(step) => return Ok((false, step)),
                LogFinding::Unreadable(why) => {
                    let advice = "you need logs:FilterLogEvents to read the batch function's log";
                    return Ok((true, Step::unsure("delivered", why, advice)));
                }
                LogFinding::Nothing if Instant::now() >= until => {
                    let found = format!("{log} does not mention it");
                    let advice = "does the batch function run? See its log and its event source: it ends at its start if a setting is wrong";
                    return Ok((false, Step::bad("delivered", found, advice)));
                }
                LogFinding::Nothing => sleep(POLL_INTERVAL).await,
            }
        }
    }

    async fn search_log(&self, log: &str, id: &str, started: SystemTime) -> LogFinding {
        let since = (started - SKEW).duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or_default().as_millis();
        let mut pages = self.aws.client().pages(FilterLogEvents {
            log_group_name: Some(log.to_owned()),
            filter_pattern: Some(format!("\"{id}\"")),
            start_time: i64::try_from(since).ok(),
            ..FilterLogEvents::default()
        });
        let mut last = LogFinding::Nothing;
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    return LogFinding::Unreadable(summarize(&error));
                }
            };
            let lines = page.events.iter().map(|event| event.message.as_str());
            for line in lines {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                match line.get("fields").map(|fields| finding(fields, self.stack)) {
                    Some(LogFinding::Nothing) | None => {}
                    Some(finding) => last = finding,
                }
            }
        }
        last
    }

    /// Waits for DataZone to process the event.
    async fn processing(
        &self,
        run: &str,
        started: SystemTime,
        until: Instant,
    ) -> anyhow::Result<Step> {
        self.waiting.set_message("waiting for DataZone");
        let client = datazone(self.aws, self.stack).await;
        let domain = self.stack.output("DomainId")?;
        let (mut id, mut status) = (None, None);
        loop {
            let looked = match &id {
                None => listed(&client, domain, run, started)
                    .await
                    .map(|found| id = found),
                Some(id) => read_status(&client, domain, id)
                    .await
                    .map(|found| status = found),
            };
            if let Err(step) = looked {
                return Ok(step);
            }
            match processed(id.as_deref(), status.as_ref()) {
                Some(step) => return Ok(step),
                None if Instant::now() >= until => {
                    return Ok(not_processed(status.as_ref(), self.patience));
                }
                None => sleep(POLL_INTERVAL).await,
            }
        }
    }
}

/// Looks for the event of a run. Returns the id that DataZone gave it, or why it cannot be looked for.
async fn listed(
    client: &Client,
    domain: &str,
    run: &str,
    started: SystemTime,
) -> Result<Option<String>, Step> {
    let listed = client
        .list_lineage_events()
        .domain_identifier(domain)
        .timestamp_after((started - SKEW).into())
        .sort_order(SortOrder::Descending)
        .max_results(50)
        .into_paginator()
        .items()
        .send();
    let listed = listed.collect::<Result<Vec<_>, _>>().await;
    let listed = listed.map_err(|error| unseen(&error, "datazone:ListLineageEvents"))?;
    let mut listed = listed.into_iter();
    let ours = listed.find(|event| match event.event_summary() {
        Some(EventSummary::OpenLineageRunEventSummary(summary)) => summary.run_id() == Some(run),
        Some(_) | None => false,
    });
    Ok(ours.and_then(|event| event.id))
}

/// Reads how far DataZone is with an event, or returns why that cannot be read.
async fn read_status(client: &Client, domain: &str, id: &str) -> Result<Option<Status>, Step> {
    let get = client
        .get_lineage_event()
        .domain_identifier(domain)
        .identifier(id);
    let event = get.send().await;
    let event = event.map_err(|error| unseen(&error, "datazone:GetLineageEvent"))?;
    Ok(event.processing_status)
}

/// The result of the step, if DataZone is done with the event.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "non-exhaustive: every other status is that of an event in progress"
)]
fn processed(id: Option<&str>, status: Option<&Status>) -> Option<Step> {
    let (id, status) = id.zip(status)?;
    match status {
        Status::Success => {
            let found = format!("DataZone reports SUCCESS for {id}");
            Some(Step::good("processed", found))
        }
        Status::Failed => {
            let found = format!("DataZone reports FAILED for {id}");
            let advice = "DataZone does not report a reason: ask AWS support, with that id";
            Some(Step::bad("processed", found, advice))
        }
        _ => None,
    }
}

/// The result of the step when the time for the event is over.
fn not_processed(status: Option<&Status>, patience: Duration) -> Step {
    let status = status.map_or("not listed", Status::as_str);
    let found = format!("after {patience:?} it is {status}");
    let advice = "DataZone sometimes takes minutes: try again with a longer --patience";
    Step::unsure("processed", found, advice)
}

/// Reads a log line of the batch function about the event.
fn finding(fields: &Value, stack: &Stack) -> LogFinding {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("outcome"), text("message")) {
        // It arrived: a catalog has no table of the event that doctor sends.
        ("delivered" | "unchanged", _) => LogFinding::Delivered,
        ("dropped", _) => {
            let found = format!("dropped by rule {}", text("rule"));
            LogFinding::NotDelivered(Step::unsure(
                "delivered",
                found,
                "a rule drops the event that doctor sends",
            ))
        }
        ("dead_lettered", _) => {
            let advice = format!("lineage-proxy dead-letters list --stack {}", stack.name);
            LogFinding::NotDelivered(Step::bad("delivered", text("error"), advice))
        }
        (_, "delivery failed, will retry") => {
            let found = format!("not yet: {}", text("error"));
            let advice = advice(text("reason"), text("error"), stack);
            LogFinding::NotDelivered(Step::bad("delivered", found, advice))
        }
        _ => LogFinding::Nothing,
    }
}

fn advice(reason: &str, error: &str, stack: &Stack) -> String {
    let role = stack
        .optional("BatchRoleArn")
        .unwrap_or("the batch function's role");
    match reason {
        "permission" if AssumedRole::Target.is_cause_of(error, stack) => {
            AssumedRole::Target.advice(role, stack)
        }
        "permission" if error.contains(DENIED_BY_DOMAIN) => format!(
            "IAM allows it, the domain does not: give {role} (or TargetRoleArn) a user profile in the domain whose status is ACTIVATED, and make it a member of the project that owns the assets"
        ),
        "permission" => format!(
            "let {role} (or TargetRoleArn) use datazone:PostLineageEvent on the domain, and the customer key of the domain if it has one (DomainKmsKeyArn); a domain in another account must be shared with this one, or posted to through a role"
        ),
        "missing" => "is DomainId right, and DomainRegion its region?".to_owned(),
        "throttled" | "quota" => {
            "the account's quota is used up: lower PostsPerSecond, or find out who else posts"
                .to_owned()
        }
        "body" => "may the batch function read the bucket for large events?".to_owned(),
        _ => "the target is down or slow: no event is lost, they are retried".to_owned(),
    }
}

fn unseen<E: std::error::Error + ProvideErrorMetadata>(error: &E, action: &str) -> Step {
    let why = summarize(error);
    Step::unsure(
        "processed",
        why,
        format!("you need {action} to see it; the event was delivered"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_followed_until_datazone_is_done_with_it() {
        let is_done = |id, status: Option<Status>| processed(id, status.as_ref()).is_some();
        assert!(!is_done(None, None));
        assert!(!is_done(Some("e1"), None));
        assert!(!is_done(Some("e1"), Some(Status::Requested)));
        assert!(!is_done(Some("e1"), Some(Status::Processing)));
        assert!(is_done(Some("e1"), Some(Status::Success)));
        assert!(is_done(Some("e1"), Some(Status::Failed)));
    }
}
