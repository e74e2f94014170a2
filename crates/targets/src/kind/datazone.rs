//! Amazon DataZone: PostLineageEvent, one RunEvent a call.
//!
//! The client token is a hash of the content, so that a redelivery is the same event for DataZone. The rate stays below the
//! quota of the account. Events are adapted to the size and the kind before (`Capabilities`). 200 means accepted, not yet
//! processed.

mod verify;

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_datazone::Client;
use aws_sdk_datazone::config::Builder;
use aws_sdk_datazone::config::retry::RetryConfig;
use aws_sdk_datazone::config::timeout::TimeoutConfig;
use aws_sdk_datazone::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datazone::operation::post_lineage_event::PostLineageEventError;
use aws_sdk_datazone::primitives::Blob;
use openlineage::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{AccountId, Count, Format, OneOf, Setting, Text, TextCheck};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::rate::RateController;
use crate::response::{
    OwnCredentials, ResponseDetail, ResponseFilter, causes, denied_action, is_code,
    is_denied_by_domain,
};
use crate::{
    AcceptedEvents, Capabilities, Delivery, DeliveryReport, Failure, JobEvents, Kind, OpenQuestion,
    Reason, Scope, SettingError,
};

pub use verify::{FailedEvent, Verification, Verifier};

/// The largest event that PostLineageEvent accepts, in bytes (service model 2018-05-10, `LineageEvent`, max 300000).
const MAX_EVENT_BYTES: usize = 300_000;

/// The time for one request. One takes some 50 ms; a longer wait is left to the queue.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause before an event is posted again after a conflict: ten times as long as another request takes.
const CONFLICT_PAUSE: Duration = Duration::from_millis(500);

/// The settings of a DataZone target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataZoneSettings {
    /// The domain. Required.
    pub domain_id: Option<Setting<DomainId>>,
    /// The region of the domain, if it differs from that of the process.
    pub region: Option<Setting<Text>>,
    /// A role to assume for delivery, such as one in the account of the domain.
    pub role_arn: Option<Setting<RoleArn>>,
    /// The most requests a second. The quota of PostLineageEvent is per account and region, so it is shared.
    pub posts_per_second: Setting<Count<1, { u32::MAX }>>,
    /// What is done with JobEvents, which DataZone does not accept: `convert` makes RunEvents of those with inputs or
    /// outputs, `drop` drops all.
    pub job_events: Setting<OneOf<JobEvents>>,
    /// What of the response to a rejected event is kept in logs and dead letters, as in `openlineage.response`.
    #[schemars(extend("x-not-on-aws" = "the default shows nothing of events"))]
    pub response: Setting<OneOf<ResponseDetail>>,
}

/// The settings of a DataZone target, complete and checked.
#[derive(Debug, Clone)]
pub struct DataZoneConfig {
    /// The domain, `dzd_…`.
    pub domain_id: String,
    /// The region of the domain, if it differs from that of the process.
    pub region: Option<String>,
    /// The role to assume for delivery.
    pub role_arn: Option<String>,
    /// The most requests a second.
    pub posts_per_second: NonZeroU32,
    /// What is done with JobEvents.
    pub job_events: JobEvents,
    /// What is kept of a response that reports a failure.
    pub response: ResponseDetail,
    /// What makes client tokens other ones than those of the content alone; empty for these.
    token_salt: String,
}

impl DataZoneConfig {
    /// Makes client tokens of the content and this salt: with one that is new, DataZone takes events again that it has accepted
    /// already.
    pub(super) fn salt_tokens(&mut self, salt: &str) {
        salt.clone_into(&mut self.token_salt);
    }

    /// The id of a domain is unique.
    pub(super) fn is_same_destination(&self, other: &DataZoneConfig) -> bool {
        self.domain_id == other.domain_id
    }

    /// What tells its destination from others.
    pub(super) fn identity(&self) -> String {
        format!("{:?}", self.domain_id)
    }
}

/// `DomainId` of the DataZone service model: `dzd[-_][a-zA-Z0-9_-]{1,36}`.
pub enum DomainId {}

/// `arn:aws:iam::123456789012:role/name`, in any partition.
pub enum RoleArn {}

/// Quota of PostLineageEvent, in requests a second for an account and region (Amazon DataZone, "Quotas").
const QUOTA: u32 = 20;

impl Default for DataZoneSettings {
    fn default() -> DataZoneSettings {
        DataZoneSettings {
            domain_id: None,
            region: None,
            role_arn: None,
            posts_per_second: Setting(QUOTA),
            job_events: Setting::default(),
            response: Setting::default(),
        }
    }
}

impl DataZoneSettings {
    pub(super) fn validate(self) -> Result<DataZoneConfig, Vec<SettingError>> {
        let domain_id = self.domain_id.ok_or(vec![SettingError::Required {
            setting: DOMAIN_ID,
            kind: Kind::DataZone,
        }])?;
        Ok(DataZoneConfig {
            domain_id: domain_id.into_value(),
            region: self.region.map(Setting::into_value),
            role_arn: self.role_arn.map(Setting::into_value),
            posts_per_second: NonZeroU32::new(*self.posts_per_second).unwrap_or(NonZeroU32::MIN),
            job_events: *self.job_events,
            response: *self.response,
            token_salt: String::new(),
        })
    }
}

const DOMAIN_ID: &str = "domain_id";

/// What is kept of a denial by the domain itself, instead of its message.
pub const DENIED_BY_DOMAIN: &str = "denied by the domain, not by IAM";

impl Format for DomainId {
    type Value = String;

    fn expected() -> String {
        "a domain id such as dzd_a1b2c3".to_owned()
    }

    fn parse(text: &str) -> Result<String, String> {
        let rest = (text.strip_prefix("dzd_")).or_else(|| text.strip_prefix("dzd-"));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        match rest {
            Some(rest) if (1..=36).contains(&rest.len()) && rest.bytes().all(is_plain) => {
                Ok(text.to_owned())
            }
            Some(_) | None => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

impl Format for RoleArn {
    type Value = String;

    fn expected() -> String {
        "a role such as arn:aws:iam::123456789012:role/name".to_owned()
    }

    fn parse(text: &str) -> Result<String, String> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", _, "iam", "", id, name]
                if AccountId::is_valid(id) && name.starts_with("role/") =>
            {
                Ok(text.to_owned())
            }
            _ => Err(format!("expected {}, found {text:?}", Self::expected())),
        }
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

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
    pub(super) async fn new(config: &DataZoneConfig, aws: &SdkConfig) -> DataZone {
        let client = client_config(config, aws).await;
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
    pub(crate) async fn deliver(&self, event: &Event, until: Instant) -> DeliveryReport {
        let token = client_token(&self.domain, event.text(), &self.token_salt);
        let report = (self.rate)
            .deliver(until, |time| self.post(event, &token, time))
            .await;
        if report.delivery != Some(Delivery::AlreadyThere) {
            return report;
        }
        tokio::time::sleep_until(until.min(Instant::now() + CONFLICT_PAUSE)).await;
        let again = (self.rate)
            .deliver(until, |time| self.post(event, &token, time))
            .await;
        DeliveryReport {
            // Without time for the second post, it is not known whether the event is there.
            delivery: again.delivery.or(Some(Delivery::Transient(conflict()))),
            attempts: report.attempts + again.attempts,
            throttled: report.throttled + again.throttled,
        }
    }

    pub(crate) fn stop(&self) {
        self.rate.stop();
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

/// The configuration of a client with the region and the credentials for the domain.
async fn client_config(config: &DataZoneConfig, aws: &SdkConfig) -> Builder {
    let mut client = Builder::from(aws);
    if let Some(role) = &config.role_arn {
        let role = AssumeRoleProvider::builder(role)
            .session_name("lineage-proxy")
            .configure(aws)
            .build()
            .await;
        client = client.credentials_provider(role);
    }
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

fn conflict() -> Failure {
    let message = "409 ConflictException, and no time to post again";
    Failure::new(Reason::Unavailable, Scope::Event, message)
}

fn no_answer() -> Failure {
    Failure::new(Reason::Unavailable, Scope::Event, "no response in time")
}

/// Whether a connection was refused.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let io = source::<std::io::Error>(error);
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Finds the first error of a type among an error and its causes.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Whether a text has the form of an id of DataZone. It is logged.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// Describes an error without its message, which may quote the event, or the request with its session token.
fn structure(status: u16, error: &PostLineageEventError) -> String {
    let code = error.code().filter(|code| is_code(code));
    let description = format!("{status} {}", code.unwrap_or("untyped"));
    let message = error.message().unwrap_or_default();
    match denied_action(message) {
        Some(action) => format!("{description}: not authorized to perform: {action}"),
        None if is_denied_by_domain(message) => format!("{description}: {DENIED_BY_DOMAIN}"),
        None => description,
    }
}

/// Classifies an error. `kept` returns what is kept of the service's message.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "non-exhaustive: errors without a type are classified by status and code"
)]
fn classify(
    error: &SdkError<PostLineageEventError>,
    kept: impl Fn(&str) -> Option<String>,
) -> Delivery {
    use PostLineageEventError as E;
    let transient =
        |reason, scope, message: &str| Delivery::Transient(Failure::new(reason, scope, message));
    let permanent =
        |reason, message: &str| Delivery::Permanent(Failure::new(reason, Scope::Event, message));
    let context = || causes(error);
    let answer = match error {
        SdkError::ServiceError(answer) => answer,
        // Whether DataZone has the event is not known; the client token makes a repetition harmless.
        SdkError::TimeoutError(_) => return Delivery::Transient(no_answer()),
        SdkError::ResponseError(_) => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            return Delivery::Transient(no_answer());
        }
        // Nothing listens there: every event fails alike.
        SdkError::DispatchFailure(failure) if failure.is_io() && is_refused(error) => {
            return transient(Reason::Unavailable, Scope::Target, &context());
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        // A response that is not HTTP, or ends within its headers.
        SdkError::DispatchFailure(failure) if source::<hyper::Error>(error).is_some() => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        // The rest fails before anything is sent, because of credentials or configuration and not because of the event.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            return transient(Reason::Permission, Scope::Target, &context());
        }
        _ => return transient(Reason::Unavailable, Scope::Event, &context()),
    };
    let (status, error) = (answer.raw().status().as_u16(), answer.err());
    let mut message = structure(status, error);
    if let Some(kept) = error.message().and_then(kept) {
        message = format!("{message}: {kept}");
    }
    match error {
        // The event itself: the same bytes will be rejected again.
        E::ValidationException(_) => permanent(Reason::Invalid, &message),
        // Our rights or the domain: every event fails alike, and all succeed once that is corrected.
        E::AccessDeniedException(_) | E::UnauthorizedException(_) => {
            transient(Reason::Permission, Scope::Target, &message)
        }
        E::ResourceNotFoundException(_) => transient(Reason::Missing, Scope::Target, &message),
        // Slow down. The others may still be within the budget of the next second.
        E::ThrottlingException(_) => transient(Reason::Throttled, Scope::Target, &message),
        E::ServiceQuotaExceededException(_) => transient(Reason::Quota, Scope::Target, &message),
        // The client token, a hash of the content, is in use: DataZone has this event. See `deliver` for what else it may
        // mean.
        E::ConflictException(_) => Delivery::AlreadyThere,
        E::InternalServerException(_) => transient(Reason::Unavailable, Scope::Event, &message),
        // Errors without a type come from the front of the service or from an intermediary: by status and common code.
        _ => match (status, error.code()) {
            (
                _,
                Some(
                    "ExpiredTokenException"
                    | "InvalidSignatureException"
                    | "UnrecognizedClientException"
                    | "RequestExpired"
                    | "MissingAuthenticationToken"
                    | "IncompleteSignature"
                    | "InvalidClientTokenId",
                ),
            ) => transient(Reason::Permission, Scope::Target, &message),
            (401 | 403, _) => transient(Reason::Permission, Scope::Target, &message),
            (404, _) => transient(Reason::Missing, Scope::Target, &message),
            (408 | 429, _) => transient(Reason::Throttled, Scope::Target, &message),
            (402, _) => transient(Reason::Quota, Scope::Target, &message),
            (503, _) => transient(Reason::Unavailable, Scope::Target, &message),
            (413, _) => permanent(Reason::TooLarge, &message),
            (400..=499, _) => permanent(Reason::Invalid, &message),
            _ => transient(Reason::Unavailable, Scope::Event, &message),
        },
    }
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
