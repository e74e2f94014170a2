//! What an error of the Data Catalog means for an event. Pure.
//!
//! The codes are those of the service model 2017-03-31 for GetTable, CreateDatabase, CreateTable and UpdateTable, and those
//! that every service has (<https://docs.aws.amazon.com/glue/latest/webapi/CommonErrors.html>).

use aws::{Error, ProvideErrorMetadata, ServiceError};

use super::catalog::TableError;
use crate::response::{causes, denied_action, is_code};
use crate::{Delivery, Failure, Reason, Scope};

/// Classifies an error. `kept` returns what is kept of the service's message.
pub(super) fn classify(error: &TableError, kept: impl Fn(&str) -> Option<String>) -> Delivery {
    let transient =
        |reason, scope, message: &str| Delivery::Transient(Failure::new(reason, scope, message));
    match error {
        TableError::Service(Error::Service(error)) => {
            let mut message = structure(error);
            if let Some(kept) = error.message().and_then(kept) {
                message = format!("{message}: {kept}");
            }
            service(error, &message)
        }
        TableError::Service(error) => {
            let message = causes(error);
            let (reason, scope) = match error {
                _ if error.lacks_credentials() => (Reason::Permission, Scope::Target),
                _ if error.is_refused() => (Reason::Unavailable, Scope::Target),
                Error::NotSent { .. } => (Reason::Permission, Scope::Target),
                Error::NoResponse { .. }
                | Error::Service(_)
                | Error::TooLarge { .. }
                | Error::Unreadable { .. } => (Reason::Unavailable, Scope::Event),
            };
            transient(reason, scope, &message)
        }
        TableError::Contended => transient(Reason::Unavailable, Scope::Event, &error.to_string()),
        TableError::NameTaken => {
            let failure = Failure::new(Reason::Invalid, Scope::Event, &error.to_string());
            Delivery::Permanent(failure)
        }
    }
}

/// Describes an error without its message, which may quote the event.
fn structure(error: &ServiceError) -> String {
    let code = error.code().filter(|code| is_code(code));
    let description = format!("{} {}", error.status, code.unwrap_or("untyped"));
    match error.message().and_then(denied_action) {
        Some(action) => format!("{description}: not authorized to perform: {action}"),
        None => description,
    }
}

fn service(error: &ServiceError, message: &str) -> Delivery {
    let transient = |reason, scope| Delivery::Transient(Failure::new(reason, scope, message));
    let permanent = |reason| Delivery::Permanent(Failure::new(reason, Scope::Event, message));
    match (error.status, error.code().unwrap_or_default()) {
        // The same table with the same parameters: it will be rejected again.
        (_, "InvalidInputException" | "ValidationException" | "SerializationException") => {
            permanent(Reason::Invalid)
        }
        // IAM and Lake Formation grant by table: others may be allowed.
        (_, "AccessDeniedException") => transient(Reason::Permission, Scope::Event),
        // The key of the catalog, or our credentials: the same for every table.
        (
            _,
            "GlueEncryptionException"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "UnrecognizedClientException"
            | "RequestExpired"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId",
        )
        | (401 | 403, _) => transient(Reason::Permission, Scope::Target),
        // Of tables in the account or the database: those that exist can still be written.
        (_, "ResourceNumberLimitExceededException") => transient(Reason::Quota, Scope::Event),
        _ if aws_throttles(error) => transient(Reason::Throttled, Scope::Target),
        (503, _) => transient(Reason::Unavailable, Scope::Target),
        (
            _,
            "InternalServiceException"
            | "OperationTimeoutException"
            | "ResourceNotReadyException"
            | "ConcurrentModificationException"
            | "EntityNotFoundException"
            | "AlreadyExistsException"
            | "FederatedResourceAlreadyExistsException"
            | "FederationSourceException"
            | "FederationSourceRetryableException",
        ) => transient(Reason::Unavailable, Scope::Event),
        (413, _) => permanent(Reason::TooLarge),
        (400..=499, _) => permanent(Reason::Invalid),
        _ => transient(Reason::Unavailable, Scope::Event),
    }
}

fn aws_throttles(error: &ServiceError) -> bool {
    Error::from(error.clone()).is_throttling() || error.status == 408
}
