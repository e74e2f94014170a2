//! Amazon DataZone: PostLineageEvent, one RunEvent a call.
//!
//! The client token is made from the content, so that a redelivery is the same event there. A rate budget keeps below
//! the account's quota. Size and kind are settled before (`Capabilities`); 200 means accepted, not yet processed.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_datazone::Client;
use aws_sdk_datazone::config::retry::RetryConfig;
use aws_sdk_datazone::config::timeout::TimeoutConfig;
use aws_sdk_datazone::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datazone::operation::post_lineage_event::PostLineageEventError;
use aws_sdk_datazone::primitives::Blob;
use openlineage::Event;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::answer::{Keeper, Own, Response, causes, is_code};
use crate::pace::Pace;
use crate::{
    AcceptedEvents, Capabilities, Delivery, DeliveryReport, Failure, JobEvents, Reason, Scope,
};

/// The largest event that PostLineageEvent accepts, in bytes (service model 2018-05-10, `LineageEvent`, max 300000).
const MAX_EVENT_BYTES: usize = 300_000;

/// For one post. They take some 50 ms; the queue is the place to wait longer.
const POST: Duration = Duration::from_secs(5);

/// A domain to post to.
#[derive(Clone)]
pub struct DataZone {
    client: Client,
    domain: String,
    pace: Pace,
    keeper: Keeper,
    job_events: JobEvents,
}

/// What a domain accepts.
pub(crate) const fn capabilities(job_events: JobEvents) -> Capabilities {
    Capabilities {
        events: AcceptedEvents::RunEvents { job_events },
        max_event_bytes: Some(MAX_EVENT_BYTES),
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
    /// The client's configuration, to be refined: another region, another role.
    pub fn config(aws: &aws_config::SdkConfig) -> aws_sdk_datazone::config::Builder {
        aws_sdk_datazone::config::Builder::from(aws)
    }

    /// Posts to `domain` (`dzd_…`) with that client's credentials and region, at most `per_second` times a second. `response`
    /// is what is kept of an answer that is no success.
    pub fn new(
        config: aws_sdk_datazone::config::Builder,
        domain: String,
        per_second: NonZeroU32,
        job_events: JobEvents,
        response: Response,
    ) -> DataZone {
        let config = config
            // Every post is counted against the budget, so tries are `Pace`'s business.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(POST)
                    .build(),
            )
            .build();
        DataZone {
            client: Client::from_conf(config),
            domain,
            pace: Pace::new(Some(per_second.get())),
            // The credentials change while we run: what looks like one goes whoever's it is.
            keeper: Keeper {
                response,
                own: Own::default(),
            },
            job_events,
        }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        capabilities(self.job_events)
    }

    pub(crate) async fn deliver(&self, event: &Event, until: Instant) -> DeliveryReport {
        self.pace
            .deliver(until, |time| self.post(event, time))
            .await
    }

    pub(crate) fn stop(&self) {
        self.pace.stop();
    }

    async fn post(&self, event: &Event, time: Duration) -> Delivery {
        let post = self
            .client
            .post_lineage_event()
            .domain_identifier(&self.domain)
            .client_token(token(&self.domain, event.text()))
            .event(Blob::new(event.text()));
        match tokio::time::timeout(time, post.send()).await {
            Ok(Ok(answer)) => Delivery::Delivered {
                id: answer.id.filter(|id| is_id(id)),
            },
            Ok(Err(error)) => classified(&error, |message| match self.keeper.response {
                Response::Structure => None,
                Response::Redacted => Some(self.keeper.words(message, event.text())),
            }),
            Err(_) => Delivery::Transient(no_answer()),
        }
    }
}

/// The same for the same content: 64 hex digits of the 1 to 128 characters allowed.
fn token(domain: &str, text: &str) -> String {
    hex::encode(
        Sha256::new()
            .chain_update(domain)
            .chain_update([0])
            .chain_update(text)
            .finalize(),
    )
}

fn no_answer() -> Failure {
    Failure::new(Reason::Unavailable, Scope::Event, "no answer in time")
}

/// Whether a connection was refused.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let io = source::<std::io::Error>(error);
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The first of that type among an error and its causes.
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

/// Whether it has the form of an id of DataZone: the log holds it.
fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// What an error is, without its words: they quote the event, or the request with its session token.
fn structure(status: u16, error: &PostLineageEventError) -> String {
    let code = error.code().filter(|code| is_code(code));
    let told = format!("{status} {}", code.unwrap_or("untyped"));
    // `User: arn:… is not authorized to perform: datazone:PostLineageEvent on resource: …`
    // (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html): which right to grant.
    let action = error.message().and_then(|message| {
        let (_, rest) = message.split_once("not authorized to perform: ")?;
        let action = rest.split_whitespace().next()?;
        let (service, name) = action.split_once(':')?;
        (is_code(service) && is_code(name)).then(|| action.to_owned())
    });
    match action {
        Some(action) => format!("{told}: not authorized to perform: {action}"),
        None => told,
    }
}

/// What an error means for the event. `kept` is what is kept of the service's words.
fn classified(
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
        // Reset, refused, no credentials, half an answer: nothing is known of the event; the token makes a repeat harmless.
        SdkError::TimeoutError(_) => return Delivery::Transient(no_answer()),
        SdkError::ResponseError(_) => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            return Delivery::Transient(no_answer());
        }
        // Nobody is there: for no event.
        SdkError::DispatchFailure(failure) if failure.is_io() && is_refused(error) => {
            return transient(Reason::Unavailable, Scope::Target, &context());
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        // An answer that is none, or breaks off in its headers.
        SdkError::DispatchFailure(failure) if source::<hyper::Error>(error).is_some() => {
            return transient(Reason::Unavailable, Scope::Event, &context());
        }
        // What is left fails before anything is sent, in credentials or configuration: no fault of the event.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            return transient(Reason::Permission, Scope::Target, &context());
        }
        _ => return transient(Reason::Unavailable, Scope::Event, &context()),
    };
    let (status, error) = (answer.raw().status().as_u16(), answer.err());
    let mut said = structure(status, error);
    if let Some(kept) = error.message().and_then(kept) {
        said = format!("{said}: {kept}");
    }
    match error {
        // The event itself: the same bytes will be refused again.
        E::ValidationException(_) => permanent(Reason::Invalid, &said),
        // Our rights or the domain: every event fares alike, and all are good once it is put right.
        E::AccessDeniedException(_) | E::UnauthorizedException(_) => {
            transient(Reason::Permission, Scope::Target, &said)
        }
        E::ResourceNotFoundException(_) => transient(Reason::Missing, Scope::Target, &said),
        // Slow down. The others may still be within the budget of the next second.
        E::ThrottlingException(_) => transient(Reason::Throttled, Scope::Target, &said),
        E::ServiceQuotaExceededException(_) => transient(Reason::Quota, Scope::Target, &said),
        // The token is in use, and the token is the content: this very event is there.
        E::ConflictException(_) => Delivery::Delivered { id: None },
        E::InternalServerException(_) => transient(Reason::Unavailable, Scope::Event, &said),
        // Errors without a type, from the front of the service or from something between: by status and common code.
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
            ) => transient(Reason::Permission, Scope::Target, &said),
            (401 | 403, _) => transient(Reason::Permission, Scope::Target, &said),
            (404, _) => transient(Reason::Missing, Scope::Target, &said),
            (408 | 429, _) => transient(Reason::Throttled, Scope::Target, &said),
            (402, _) => transient(Reason::Quota, Scope::Target, &said),
            (503, _) => transient(Reason::Unavailable, Scope::Target, &said),
            (413, _) => permanent(Reason::TooLarge, &said),
            (400..=499, _) => permanent(Reason::Invalid, &said),
            _ => transient(Reason::Unavailable, Scope::Event, &said),
        },
    }
}
