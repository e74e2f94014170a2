//! What an answer of PostLineageEvent means for the event, and what is kept of it. Pure.

use std::error::Error;

use aws_sdk_datazone::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datazone::operation::post_lineage_event::PostLineageEventError;

use super::DENIED_BY_DOMAIN;
use crate::response::{causes, denied_action, is_code, is_denied_by_domain};
use crate::{Delivery, Failure, Reason, Scope};

/// Classifies an error. `kept` returns what is kept of the service's message.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "non-exhaustive: errors without a type are classified by status and code"
)]
pub(super) fn classify(
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

pub(super) fn conflict() -> Failure {
    let message = "409 ConflictException, and no time to post again";
    Failure::new(Reason::Unavailable, Scope::Event, message)
}

pub(super) fn no_answer() -> Failure {
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
