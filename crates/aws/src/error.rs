//! Why a call failed, by what a caller can do about it.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::error::metadata::{
    EMPTY_ERROR_METADATA, ErrorMetadata, ProvideErrorMetadata,
};

use crate::endpoint::EndpointError;
use crate::role::NotAssumed;

/// A call to AWS that failed, after its retries.
///
/// `Display` names neither the message of the service, which may quote the request, nor a credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service answered with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// There is no response: no connection, no credentials, or no time left. The request may have been carried out.
    #[error("no response from {service}")]
    NoResponse {
        /// The service.
        service: &'static str,
        /// The reason.
        source: BoxError,
    },
    /// The request was not sent.
    #[error("the request to {service} could not be made")]
    NotSent {
        /// The service.
        service: &'static str,
        /// The reason.
        source: BoxError,
    },
    /// The response is larger than the caller allows.
    #[error("the response of {service} is larger than {limit} bytes")]
    TooLarge {
        /// The service.
        service: &'static str,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The response does not match the model of the API.
    #[error("the response of {service} cannot be read")]
    Unreadable {
        /// The service.
        service: &'static str,
        /// The reason.
        source: UnreadableResponse,
    },
}

impl Error {
    /// Whether the service answered with this error code.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// Whether the service throttles.
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        match self {
            Error::Service(error) => {
                let is_known = |code| THROTTLING_ERRORS.contains(&code);
                error.status == 429 || error.code().is_some_and(is_known)
            }
            Error::NoResponse { .. }
            | Error::NotSent { .. }
            | Error::TooLarge { .. }
            | Error::Unreadable { .. } => false,
        }
    }

    /// Whether nothing was sent because there are no credentials.
    #[must_use]
    pub fn lacks_credentials(&self) -> bool {
        self.cause::<CredentialsError>().is_some()
    }

    /// Whether nothing listens at the address of the service.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let io = self.cause::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
    }

    /// The first of the causes that has this type.
    fn cause<E: StdError + 'static>(&self) -> Option<&E> {
        find(self.source())
    }

    /// Whether the same call may succeed later: there is no response, or the service throttles or has failed. A role that STS
    /// denies has to be allowed first.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Error::Service(error) => {
                let is_known =
                    |codes: &[&str]| error.code().is_some_and(|code| codes.contains(&code));
                error.status >= 500
                    || error.status == 429
                    || is_known(THROTTLING_ERRORS)
                    || is_known(TRANSIENT_ERRORS)
            }
            Error::NoResponse { .. } => self.cause::<NotAssumed>().is_none_or(|it| !it.is_denied),
            Error::NotSent { .. } | Error::TooLarge { .. } | Error::Unreadable { .. } => false,
        }
    }
}

impl ProvideErrorMetadata for Error {
    fn meta(&self) -> &ErrorMetadata {
        static NONE: ErrorMetadata = EMPTY_ERROR_METADATA;
        match self {
            Error::Service(error) => error.meta(),
            Error::NoResponse { .. }
            | Error::NotSent { .. }
            | Error::TooLarge { .. }
            | Error::Unreadable { .. } => &NONE,
        }
    }
}

impl Error {
    pub(crate) fn not_sent(service: &'static str, error: EndpointError) -> Error {
        Error::NotSent {
            service,
            source: error.into(),
        }
    }
}

/// An error that a service answered with.
#[derive(Clone)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The service's own id of the request, for AWS support.
    pub request_id: Option<String>,
    pub(crate) metadata: ErrorMetadata,
}

impl ProvideErrorMetadata for ServiceError {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().unwrap_or("error without a code"))?;
        write!(f, " (status {}", self.status)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")
    }
}

/// As `Display`: the message may quote the request.
impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

impl StdError for ServiceError {}

/// A response that does not follow the model of its operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableResponse(pub(crate) String);

impl UnreadableResponse {
    /// Names a member that is missing.
    pub(crate) fn without(member: &str) -> UnreadableResponse {
        UnreadableResponse(format!("{member} is missing"))
    }
}

impl From<serde_json::Error> for UnreadableResponse {
    fn from(error: serde_json::Error) -> UnreadableResponse {
        // Its text may quote what was read.
        UnreadableResponse(format!(
            "JSON: {:?} error in column {}",
            error.classify(),
            error.column()
        ))
    }
}

/// Returns code and message of a service's error, or the causes of an error that came from no service, as `redact` leaves
/// them: a service may quote the request.
pub fn summarize<E: StdError + ProvideErrorMetadata>(
    error: &E,
    redact: impl Fn(&str) -> String,
) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => redact(&format!("{code}: {message}")),
        (Some(code), None) => redact(code),
        (None, _) => naming_role(error, redact(&error_chain(error))),
    }
}

/// Adds the role that could not be assumed to what was kept of an error, if that is why it failed and the redaction has
/// taken the name for a secret. It is a setting of ours.
#[must_use]
pub fn naming_role(error: &dyn StdError, kept: String) -> String {
    match find::<NotAssumed>(error.source()) {
        Some(failure) if !kept.contains(&failure.arn) => format!("{kept} ({failure})"),
        Some(_) | None => kept,
    }
}

/// The first of a cause and its own causes that has this type.
pub(crate) fn find<'e, E: StdError + 'static>(
    mut cause: Option<&'e (dyn StdError + 'static)>,
) -> Option<&'e E> {
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Returns an error and its causes, from the outside in.
#[must_use]
pub fn error_chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_was_refused_or_not_understood_fails_for_good() {
        let service = |status, code: &str| {
            Error::Service(ServiceError {
                status,
                request_id: None,
                metadata: ErrorMetadata::builder().code(code).build(),
            })
        };
        let no_answer = Error::NoResponse {
            service: "S3",
            source: "no route to host".into(),
        };
        for error in [
            no_answer,
            service(503, "SlowDown"),
            service(500, "InternalError"),
            service(429, "TooManyRequestsException"),
            service(400, "ThrottlingException"),
        ] {
            assert!(error.may_pass(), "{error}");
        }
        let too_large = Error::TooLarge {
            service: "S3",
            limit: 1,
        };
        for error in [
            too_large,
            service(403, "AccessDenied"),
            service(404, "NoSuchKey"),
        ] {
            assert!(!error.may_pass(), "{error}");
        }
    }
}
