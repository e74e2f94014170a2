//! The metadata service of DataHub (GMS): the calls that write the proposals of events, and what follows from their responses.
//!
//! `AspectResource.java` in <https://github.com/datahub-project/datahub> has the action. It answers 200 when all proposals of a
//! call are written, 422 if one is invalid, 403 if the token may not write one, and 401 without a valid token. All else that
//! fails is a 500.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::Aws;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::warn;

use super::calls::calls;
use super::conversion::{Conversion, ConversionError};
use super::essential::essential;
use super::newest::NewestTimes;
use super::proposal::Proposal;
use super::settings::{DataHubConfig, URL};
use crate::batch::{BatchEvent, BatchReport, Halves};
use crate::http::{
    Compression, HttpClient, HttpConfig, HttpResponse, Post, PostResult, RereadPolicy, StatusRules,
    classify,
};
use crate::response::{self, MAX_READ};
use crate::{Delivery, DeliveryReport, Failure, OpenError, Reason, Scope};

/// The version of the protocol (<https://linkedin.github.io/rest.li/spec/protocol>), as DataHub's own client sends it.
const PROTOCOL: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-restli-protocol-version"),
    HeaderValue::from_static("2.0.0"),
);

/// How long an accepted call shows that the token is not to blame for a 403: the service refuses a call for one entity that the
/// token may not edit. Without one, all events wait, as for a token that may edit nothing.
const TRUSTED: Duration = Duration::from_secs(600);

/// The metadata service of DataHub.
#[derive(Debug)]
pub(super) struct Gms {
    pub(super) http: HttpClient,
    conversion: Conversion,
    statuses: StatusRules,
    newest: NewestTimes,
    /// When a call was accepted last.
    accepted: Mutex<Option<Instant>>,
}

/// An event of a batch, and its proposals.
struct ConvertedEvent<'e> {
    /// Its place in the batch.
    index: usize,
    event: &'e BatchEvent,
    /// The time of the event; one in the future counts as now.
    time: OffsetDateTime,
    proposals: Vec<Proposal>,
}

impl Gms {
    /// Creates a client, which reads the files for TLS and nothing else.
    pub(super) fn new(
        config: &DataHubConfig,
        aws: &Aws,
        rereads: RereadPolicy,
    ) -> Result<Gms, OpenError> {
        let http = HttpConfig {
            setting: URL,
            url: config.endpoint(),
            of_url: config.url.credentials(),
            auth: &config.auth,
            tls: &config.tls,
            headers: HeaderMap::from_iter([PROTOCOL]),
            compression: Compression::None,
            timeout: config.timeout,
            response: config.response,
        };
        Ok(Gms {
            http: HttpClient::new(http, aws, rereads)?,
            conversion: config.conversion.clone(),
            statuses: StatusRules {
                max_attempts_on_500: Some(config.max_attempts_on_500),
                ..StatusRules::default()
            },
            newest: NewestTimes::default(),
            accepted: Mutex::default(),
        })
    }

    /// Delivers events together: their proposals share calls. If a call is rejected for good, the events are delivered in
    /// halves until the one is found that it is rejected for.
    pub(super) async fn deliver_batch(
        &self,
        events: Vec<BatchEvent>,
        deadline: Instant,
    ) -> Vec<DeliveryReport> {
        let mut reports = vec![DeliveryReport::default(); events.len()];
        let now = OffsetDateTime::now_utc();
        let mut converted = Vec::new();
        for ((index, event), report) in events.iter().enumerate().zip(&mut reports) {
            match self.conversion.proposals(&event.event) {
                Ok(proposals) => converted.push(ConvertedEvent {
                    index,
                    event,
                    time: event.event.time().min(now),
                    proposals,
                }),
                Err(error) => {
                    let reason = match error {
                        ConversionError::Name { .. } => Reason::Invalid,
                        ConversionError::Oversize(_) => Reason::TooLarge,
                    };
                    *report = DeliveryReport::once(invalid(reason, &error.to_string()));
                }
            }
        }
        // Of aspects that several events replace, the newest is written.
        converted.sort_by_key(|converted| converted.time);
        let mut halves = Halves::of(converted.len());
        while let Some(range) = halves.next() {
            let part = converted.get(range.clone()).unwrap_or_default();
            let report = self.deliver_part(part, deadline).await;
            let results = None; // a call has one result
            halves.settle(range, BatchReport { report, results });
        }
        for (converted, mut report) in converted.iter().zip(halves.into_reports()) {
            if let Some(Delivery::Permanent(failure)) = &report.delivery
                && failure.reason == Reason::Invalid
                && let Some(reduced) = self.deliver_essential(converted, failure, deadline).await
            {
                report.attempts = report.attempts.saturating_add(reduced.attempts);
                report.delivery = reduced.delivery;
            }
            self.judge(&mut report);
            if let Some(place) = reports.get_mut(converted.index) {
                *place = report;
            }
        }
        reports
    }

    /// Writes what is essential of an event whose whole was rejected for good; `None` if that is not accepted either.
    async fn deliver_essential(
        &self,
        rejected: &ConvertedEvent<'_>,
        failure: &Failure,
        deadline: Instant,
    ) -> Option<DeliveryReport> {
        let (proposals, left_out) = essential(&rejected.proposals)?;
        let part = ConvertedEvent {
            proposals,
            ..*rejected
        };
        let report = self.deliver_part(&[part], deadline).await;
        if !matches!(report.delivery, Some(Delivery::Delivered { .. })) {
            return None;
        }
        warn!(
            left_out = left_out.join(","),
            error = failure.message.as_str(),
            "part of an event was rejected and is left out"
        );
        Some(report)
    }

    /// Decides whom a 403 is of, when all events of a batch were attempted: of the token, or of an entity of the event.
    fn judge(&self, report: &mut DeliveryReport) {
        if let Some(Delivery::Transient(failure)) = &mut report.delivery
            && failure.reason == Reason::Permission
            && failure.scope == Scope::Event
        {
            let accepted = *self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            if accepted.is_none_or(|last| last.elapsed() > TRUSTED) {
                failure.scope = Scope::Target;
            }
        }
    }

    /// Makes the calls of events one after the other, until one fails. All of them can be repeated.
    async fn deliver_part(&self, part: &[ConvertedEvent<'_>], deadline: Instant) -> DeliveryReport {
        let newest = |one: &ConvertedEvent<'_>| self.newest.without_older(&one.proposals, one.time);
        let proposals = part.iter().flat_map(newest);
        let calls = match calls(proposals.collect()) {
            Ok(calls) => calls,
            Err(error) => {
                return DeliveryReport::once(invalid(Reason::TooLarge, &error.to_string()));
            }
        };
        let attempts = match part {
            [one] => one.event.attempts,
            _ => 1, // a failure need not be that of each event
        };
        let texts: Vec<&str> = part.iter().map(|one| one.event.event.text()).collect();
        let mut all = DeliveryReport::once(Delivery::Delivered { id: None });
        all.attempts = 0;
        for call in &calls {
            let texts = &texts;
            let post = |time| async move {
                let post = Post {
                    body: call,
                    events: texts,
                    parameter: None,
                    max_success: MAX_READ,
                };
                let read = |reply: &HttpResponse<'_>,
                            kept: &dyn Fn() -> Option<String>|
                 -> PostResult<()> {
                    (self.read(reply, attempts, kept), None)
                };
                self.http.post(&post, time, read).await.0
            };
            let report = self.http.rate.deliver(deadline, post).await;
            all.attempts = all.attempts.saturating_add(report.attempts);
            all.throttled = all.throttled.saturating_add(report.throttled);
            if !matches!(report.delivery, Some(Delivery::Delivered { .. })) {
                all.delivery = report.delivery;
                return all;
            }
            *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        for one in part {
            self.newest.record(&one.proposals, one.time);
        }
        all
    }

    /// Classifies a response. A success is JSON: the front end of DataHub, or what stands before it, may answer a wrong path
    /// with a page.
    fn read(
        &self,
        reply: &HttpResponse<'_>,
        attempts: u32,
        kept: &dyn Fn() -> Option<String>,
    ) -> Delivery {
        let delivery = classify(reply, &self.statuses, attempts, kept);
        let is_answer =
            || response::json(reply.body).is_some_and(|body| body.get("value").is_some());
        match delivery {
            Delivery::Delivered { .. } if !is_answer() => {
                let message = format!(
                    "{}, but the response is not that of DataHub's metadata service: see datahub.url",
                    reply.status
                );
                let failure = Failure::new(Reason::Missing, Scope::Target, &message);
                Delivery::Transient(failure)
            }
            // `ingestProposals` refuses all proposals of a call if the token may not write one.
            Delivery::Transient(failure) if reply.status == StatusCode::FORBIDDEN => {
                let scope = Scope::Event;
                Delivery::Transient(Failure { scope, ..failure })
            }
            Delivery::Delivered { .. }
            | Delivery::AlreadyThere
            | Delivery::Unchanged { .. }
            | Delivery::Transient(_)
            | Delivery::Permanent(_) => delivery,
        }
    }
}

fn invalid(reason: Reason, message: &str) -> Delivery {
    Delivery::Permanent(Failure::new(reason, Scope::Event, message))
}
