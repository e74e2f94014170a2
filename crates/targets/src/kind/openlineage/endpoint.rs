//! The endpoint that events are posted to: one request for one event or for several, and what follows from its response.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::Aws;
use openlineage::Event;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::batch_format::{BatchFormat, joined};
use super::response::of_events;
use super::settings::{OpenLineageConfig, URL};
use crate::batch::{BatchEvent, BatchReport, Halves};
use crate::http::{
    HttpClient, HttpConfig, HttpResponse, Post, PostResult, RereadPolicy, StatusRules, classify,
};
use crate::response::MAX_READ;
use crate::{Delivery, DeliveryReport, OpenError};

/// How much of the response to a batch is read, in bytes: a list of 10,000 failed events with a short reason each.
const MAX_BATCH_RESPONSE: usize = 1_000_000;

/// An endpoint that events are posted to.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) http: HttpClient,
    format: BatchFormat,
    statuses: StatusRules,
    request_id_parameter: Option<String>,
}

impl Endpoint {
    /// Creates a client, which reads the files for TLS and nothing else.
    pub(super) fn new(
        config: &OpenLineageConfig,
        aws: &Aws,
        rereads: RereadPolicy,
    ) -> Result<Endpoint, OpenError> {
        let http = HttpConfig {
            setting: URL,
            url: config.url.with_default_path(config.path),
            of_url: config.url.credentials(),
            auth: &config.auth,
            tls: &config.tls,
            headers: HeaderMap::new(),
            compression: config.compression,
            timeout: config.timeout,
            response: config.response,
        };
        Ok(Endpoint {
            http: HttpClient::new(http, aws, rereads)?,
            format: config.batch.format,
            statuses: config.statuses.clone(),
            request_id_parameter: config.request_id_parameter.clone(),
        })
    }

    /// Delivers one event in a request of its own.
    pub(super) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        let post = |time| async move { self.post(&[event.text()], attempts, time).await.0 };
        self.http.rate.deliver(deadline, post).await
    }

    /// Delivers events in one request, or in several where one is rejected.
    pub(super) async fn deliver_batch(
        &self,
        events: Vec<BatchEvent>,
        deadline: Instant,
    ) -> Vec<DeliveryReport> {
        let mut halves = Halves::of(events.len());
        while let Some(range) = halves.next() {
            let part = events.get(range.clone()).unwrap_or_default();
            halves.settle(range, self.deliver_part(part, deadline).await);
        }
        halves.into_reports()
    }

    /// Posts events as one request until it is answered with something other than throttling. Returns the results of the
    /// events, too, if it was accepted.
    async fn deliver_part(&self, events: &[BatchEvent], deadline: Instant) -> BatchReport {
        let texts: Vec<&str> = events.iter().map(|event| event.event.text()).collect();
        let attempts = match events {
            [event] => event.attempts,
            _ => 1, // a failure need not be that of each event
        };
        let results = Mutex::new(None);
        let (texts, kept) = (&texts, &results);
        let post = |time| async move {
            let (delivery, results) = self.post(texts, attempts, time).await;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = results;
            delivery
        };
        let report = self.http.rate.deliver(deadline, post).await;
        let results = results.into_inner();
        let results = results.unwrap_or_else(PoisonError::into_inner);
        BatchReport { report, results }
    }

    /// Posts events. Returns the results of each, too, if they were accepted as a batch.
    async fn post(
        &self,
        texts: &[&str],
        attempts: u32,
        time: Duration,
    ) -> PostResult<Vec<Delivery>> {
        let body = joined(texts, self.format);
        let is_batch = self.format != BatchFormat::None;
        let post = Post {
            events: &[], // they are the body
            parameter: match (&self.request_id_parameter, is_batch) {
                (Some(name), false) => Some((name, openlineage::content_id(&body).to_string())),
                (Some(_) | None, _) => None,
            },
            max_success: if is_batch {
                MAX_BATCH_RESPONSE
            } else {
                MAX_READ
            },
            body: &body,
        };
        let count = texts.len();
        let read = |reply: &HttpResponse<'_>, kept: &dyn Fn() -> Option<String>| {
            let delivery = classify(reply, &self.statuses, attempts, kept);
            let is_delivered = matches!(delivery, Delivery::Delivered { .. });
            let is_success = reply.status.is_success();
            let results = (is_delivered && is_batch && is_success).then(|| of_events(reply, count));
            (delivery, results)
        };
        self.http.post(&post, time, read).await
    }
}
