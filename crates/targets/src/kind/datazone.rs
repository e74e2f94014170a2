//! Amazon DataZone: PostLineageEvent, one RunEvent a call.
//!
//! The client token is a hash of the content, so that a redelivery is the same event for DataZone. The rate stays below the
//! quota of the account. Events are adapted to the size and the kind before (`Capabilities`). 200 means accepted, not yet
//! processed.

mod response;
mod settings;
mod verify;

use std::time::Duration;

use aws::Aws;
use aws_config::Region;
use aws_sdk_datazone::Client;
use aws_sdk_datazone::config::Builder;
use aws_sdk_datazone::config::retry::RetryConfig;
use aws_sdk_datazone::config::timeout::TimeoutConfig;
use aws_sdk_datazone::primitives::Blob;
use openlineage::Event;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::rate::RateController;
use crate::response::{OwnCredentials, ResponseDetail, ResponseFilter};
use crate::{
    AcceptedEvents, Capabilities, Delivery, DeliveryReport, JobEvents, OpenQuestion, Pace,
};
use response::{classify, conflict, no_answer};
use settings::DOMAIN_ID;

pub(crate) use settings::{DataZoneConfig, DataZoneSettings};
pub use verify::{FailedEvent, Verification, Verifier};

/// The largest event that PostLineageEvent accepts, in bytes (service model 2018-05-10, `LineageEvent`, max 300000).
const MAX_EVENT_BYTES: usize = 300_000;

/// The time for one request. One takes some 50 ms; a longer wait is left to the queue.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before an event is posted again after a conflict: ten times as long as another request takes.
const CONFLICT_PAUSE: Duration = Duration::from_millis(500);

/// What is kept of a denial by the domain itself, instead of its message.
pub const DENIED_BY_DOMAIN: &str = "denied by the domain, not by IAM";

pub(super) fn check(config: &DataZoneConfig) -> Vec<OpenQuestion> {
    let what = format!("whether {} accepts events", config.domain_id);
    let setting = DOMAIN_ID;
    vec![OpenQuestion { setting, what }]
}

/// A domain that events are posted to.
#[derive(Clone)]
pub(crate) struct DataZone {
    client: Client,
    domain: String,
    token_salt: String,
    rate: RateController,
    filter: ResponseFilter,
}

/// What a domain accepts.
pub(super) const fn capabilities(job_events: JobEvents) -> Capabilities {
    Capabilities {
        events: AcceptedEvents::RunEvents { job_events },
        max_event_bytes: Some(MAX_EVENT_BYTES),
        needs_redshift_endpoints: true,
        ..Capabilities::UNLIMITED
    }
}

impl std::fmt::Debug for DataZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataZone")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

impl DataZone {
    /// Creates a client for the domain.
    pub(super) async fn new(config: &DataZoneConfig, aws: &Aws) -> DataZone {
        let client = client_config(config, aws, "datazone").await;
        let client = client
            // Every request counts against the budget, so `RateController` decides on retries.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(REQUEST_TIMEOUT)
                    .build(),
            )
            .build();
        DataZone {
            client: Client::from_conf(client),
            domain: config.domain_id.clone(),
            token_salt: config.token_salt.clone(),
            rate: RateController::new(Some(config.posts_per_second.get())),
            // The credentials change while the process runs: whatever looks like one is removed.
            filter: ResponseFilter {
                response: config.response,
                own: OwnCredentials::default(),
            },
        }
    }

    /// Posts an event, and once more with the same client token if the answer is a conflict. DataZone says of a conflict
    /// only that there was one (<https://docs.aws.amazon.com/datazone/latest/APIReference/API_PostLineageEvent.html>): that
    /// the token was used, or perhaps that another event of the same node came at the same time. The latter has passed by
    /// the second post, which brings the event there. The token is that of the content, so if it conflicts again, DataZone
    /// has the event. A fresh token would post again what a client repeats, or a redrive.
    pub(crate) async fn deliver(
        &self,
        event: &Event,
        token_salt: Option<&str>,
        until: Instant,
    ) -> DeliveryReport {
        let salt = token_salt.unwrap_or(&self.token_salt);
        let token = client_token(&self.domain, event.text(), salt);
        let report = self.post_in_turn(event, &token, until).await;
        if report.delivery != Some(Delivery::AlreadyThere) {
            return report;
        }
        tokio::time::sleep_until(until.min(Instant::now() + CONFLICT_PAUSE)).await;
        let again = self.post_in_turn(event, &token, until).await;
        DeliveryReport {
            // Without time for the second post, it is not known whether the event is there.
            delivery: again.delivery.or(Some(Delivery::Transient(conflict()))),
            attempts: report.attempts + again.attempts,
            throttled: report.throttled + again.throttled,
        }
    }

    /// Posts an event when the rate allows it, and again while it is throttled.
    async fn post_in_turn(&self, event: &Event, token: &str, until: Instant) -> DeliveryReport {
        (self.rate)
            .deliver(until, |time| self.post(event, token, time))
            .await
    }

    pub(crate) fn stop(&self) {
        self.rate.stop();
    }

    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.rate.pace(now)
    }

    async fn post(&self, event: &Event, token: &str, time: Duration) -> Delivery {
        let post = self
            .client
            .post_lineage_event()
            .domain_identifier(&self.domain)
            .client_token(token)
            .event(Blob::new(event.text()));
        match tokio::time::timeout(time, post.send()).await {
            Ok(Ok(answer)) => Delivery::Delivered {
                id: answer.id.filter(|id| is_id(id)),
            },
            Ok(Err(error)) => classify(&error, |message| match self.filter.response {
                ResponseDetail::Structure => None,
                ResponseDetail::Redacted => Some(self.filter.words(message, event.text())),
            }),
            Err(_) => Delivery::Transient(no_answer()),
        }
    }
}

/// The configuration of a client with the region and the credentials for the domain. `who` assumes the role, if there is one.
async fn client_config(config: &DataZoneConfig, aws: &Aws, who: &str) -> Builder {
    let aws = aws.assume(config.role.as_ref(), who);
    let mut client = Builder::from(aws.config().await);
    if let Some(region) = &config.region {
        client = client.region(Region::new(region.clone()));
    }
    client
}

/// The client token, equal for equal content: 64 hex digits of the 1 to 128 characters allowed.
fn client_token(domain: &str, text: &str, salt: &str) -> String {
    let token = Sha256::new()
        .chain_update(domain)
        .chain_update([0])
        .chain_update(text);
    let token = match salt {
        "" => token,
        salt => token.chain_update([0]).chain_update(salt),
    };
    hex::encode(token.finalize())
}

/// Whether a text has the form of an id of DataZone. It is logged.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_that_of_the_content_until_it_is_salted() {
        let token = client_token("dzd_1", "{}", "");
        assert_eq!(token, hex::encode(Sha256::digest(b"dzd_1\0{}")));
        assert_ne!(token, client_token("dzd_1", "{}", "again"));
    }
}
