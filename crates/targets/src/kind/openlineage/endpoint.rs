//! The endpoint that events are posted to: one request for one event or for several, and what follows from its response.

use std::iter;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::{Aws, error_chain};
use openlineage::Event;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Url};
use tokio::time::{Instant, timeout};

use super::auth::{Authenticator, Rereads, Session};
use super::body::{BatchFormat, Compression, joined, read_start, request_body};
use super::response::{Reply, StatusRules, classify, of_events};
use super::settings::{OpenLineageConfig, URL};
use super::tls;
use crate::answer::{Keeper, MAX_READ};
use crate::batch::BatchEvent;
use crate::rate::RateController;
use crate::secret::Credential;
use crate::{Delivery, DeliveryReport, Failure, OpenError, Reason, Scope};

/// How much of the answer to a batch is read, in bytes: a list of 10,000 failed events with a short reason each.
const MAX_BATCH_ANSWER: usize = 1_000_000;

/// An endpoint that events are posted to.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    auth: Authenticator,
    format: BatchFormat,
    statuses: StatusRules,
    request_id_parameter: Option<String>,
    compression: Compression,
    timeout: Duration,
    rate: RateController,
}

/// The result of a request, and those of its events where it was accepted.
type Answer = (Delivery, Option<Vec<Delivery>>);

impl Endpoint {
    /// Creates a client, which reads the files for TLS and nothing else.
    pub(super) fn new(
        config: &OpenLineageConfig,
        aws: &Aws,
        rereads: Rereads,
    ) -> Result<Endpoint, OpenError> {
        let client = tls::configure(Client::builder(), &config.tls)?
            .user_agent(concat!("lineage-proxy/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none()) // a redirected POST becomes a GET
            .build()
            .map_err(|error| OpenError::Invalid {
                setting: URL,
                message: format!("cannot create an HTTP client: {}", error.without_url()),
            })?;
        let auth = Authenticator::new(
            config.auth.clone(),
            client.clone(),
            aws,
            config.response,
            config.url.credentials(),
            rereads,
        );
        auth.check()?;
        Ok(Endpoint {
            client,
            url: config.url.with_default_path(config.path),
            auth,
            format: config.batch.format,
            statuses: config.statuses.clone(),
            request_id_parameter: config.request_id_parameter.clone(),
            compression: config.compression,
            timeout: config.timeout,
            rate: RateController::new(None),
        })
    }

    /// Begins with a credential that was read.
    pub(super) async fn open(&self, credential: &Credential) -> Result<(), OpenError> {
        self.auth.open(credential).await
    }

    pub(super) fn host(&self) -> Option<&str> {
        self.url.host_str()
    }

    pub(super) fn stop(&self) {
        self.rate.stop();
    }

    /// Delivers one event in a request of its own.
    pub(super) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        let post = |time| async move { self.post(&[event.text()], attempts, time).await.0 };
        self.rate.deliver(deadline, post).await
    }

    /// Delivers events in one request. A request that is rejected for good may be so because of one event: it is split in
    /// halves until the event is found.
    pub(super) async fn deliver_batch(
        &self,
        events: Vec<BatchEvent>,
        deadline: Instant,
    ) -> Vec<DeliveryReport> {
        let mut reports = vec![DeliveryReport::default(); events.len()];
        let mut waiting: Vec<Range<usize>> = iter::once(0..events.len()).collect();
        while let Some(range) = waiting.pop() {
            let part = events.get(range.clone()).unwrap_or_default();
            let (report, results) = self.deliver_part(part, deadline).await;
            match (&report.delivery, results) {
                (Some(Delivery::Permanent(_)), _) if part.len() > 1 => {
                    let middle = range.start.midpoint(range.end);
                    waiting.push(middle..range.end);
                    waiting.push(range.start..middle);
                }
                (Some(Delivery::Delivered { .. }), Some(results)) => {
                    for (index, result) in range.zip(results) {
                        let delivery = Some(result);
                        set(
                            &mut reports,
                            index..index + 1,
                            &DeliveryReport { delivery, ..report },
                        );
                    }
                }
                (Some(Delivery::Transient(failure)), _) if failure.scope == Scope::Target => {
                    // The other parts would fail alike.
                    set(&mut reports, range, &report);
                    for range in waiting.drain(..) {
                        set(&mut reports, range, &report);
                    }
                }
                (Some(_) | None, _) => set(&mut reports, range, &report),
            }
        }
        reports
    }

    /// Posts events as one request until it is answered with something other than throttling. Returns the results of the
    /// events, too, if it was accepted.
    async fn deliver_part(
        &self,
        events: &[BatchEvent],
        deadline: Instant,
    ) -> (DeliveryReport, Option<Vec<Delivery>>) {
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
        let report = self.rate.deliver(deadline, post).await;
        let results = results.into_inner();
        (report, results.unwrap_or_else(PoisonError::into_inner))
    }

    /// Posts events, and once more if the credential was rejected and there is a new one.
    async fn post(&self, texts: &[&str], attempts: u32, time: Duration) -> Answer {
        let until = Instant::now() + time;
        let session = match timeout(time, self.auth.session()).await {
            Ok(Ok(session)) => session,
            Ok(Err(failure)) => return (Delivery::Transient(failure), None),
            Err(_) => return unavailable("no credential in time", Scope::Target),
        };
        let text = joined(texts, self.format);
        let count = texts.len();
        let answer = self.send(&session, &text, count, attempts, time).await;
        let is_rejected = matches!(&answer.0, Delivery::Transient(failure) if failure.reason == Reason::Permission);
        if !is_rejected {
            return answer;
        }
        let left = until.saturating_duration_since(Instant::now());
        match timeout(left, self.auth.renew(&session)).await {
            Ok(Some(renewed)) => {
                let left = until.saturating_duration_since(Instant::now());
                self.send(&renewed, &text, count, attempts, left).await
            }
            Ok(None) | Err(_) => answer,
        }
    }

    async fn send(
        &self,
        session: &Session,
        text: &str,
        count: usize,
        attempts: u32,
        time: Duration,
    ) -> Answer {
        let body = request_body(text, self.compression);
        let mut url = session.url(&self.url);
        if let (Some(name), BatchFormat::None) = (&self.request_id_parameter, self.format) {
            let id = openlineage::content_id(text).to_string();
            url.query_pairs_mut().append_pair(name, &id);
        }
        let headers = match session.headers(&url, &body.bytes) {
            Ok(headers) => headers,
            Err(failure) => return (Delivery::Transient(failure), None),
        };
        let mut post = self
            .client
            .post(url)
            .headers(headers)
            .timeout(time.min(self.timeout))
            .header(CONTENT_TYPE, "application/json")
            .body(body.bytes);
        if body.is_gzip {
            post = post.header(CONTENT_ENCODING, "gzip");
        }
        let mut response = match post.send().await {
            Ok(response) => response,
            Err(error) => {
                // Nothing listens there, for any event.
                let scope = match error.is_connect() && !error.is_timeout() {
                    true => Scope::Target,
                    false => Scope::Event,
                };
                return unavailable(&causes(&error, &session.keeper), scope);
            }
        };
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let is_batch = self.format != BatchFormat::None && response.status().is_success();
        let limit = if is_batch { MAX_BATCH_ANSWER } else { MAX_READ };
        let start = match read_start(&mut response, limit).await {
            Ok(start) => start,
            Err(error) => return unavailable(&causes(&error, &session.keeper), Scope::Event),
        };
        let reply = Reply {
            status: response.status(),
            after: after.map(Duration::from_secs),
            body: &start.bytes,
            is_whole: start.is_whole,
        };
        let kept = || {
            let media_type = response.headers().get(CONTENT_TYPE);
            let media_type = media_type.and_then(|value| value.to_str().ok());
            session.keeper.body(media_type, &start.bytes, text)
        };
        let delivery = classify(&reply, &self.statuses, attempts, kept);
        let is_delivered = matches!(delivery, Delivery::Delivered { .. });
        let results = (is_delivered && is_batch).then(|| of_events(&reply, count));
        (delivery, results)
    }
}

fn set(reports: &mut [DeliveryReport], range: Range<usize>, report: &DeliveryReport) {
    if let Some(reports) = reports.get_mut(range) {
        reports.fill(report.clone());
    }
}

fn unavailable(message: &str, scope: Scope) -> Answer {
    let failure = Failure::new(Reason::Unavailable, scope, message);
    (Delivery::Transient(failure), None)
}

/// The error and its causes, without the URL (which may carry a key).
pub(super) fn causes(error: &reqwest::Error, keeper: &Keeper) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let causes = std::error::Error::source(error).map(error_chain);
    let causes = causes.map_or(String::new(), |causes| format!(": {causes}"));
    keeper.causes(&format!("no whole answer{causes}"))
}
