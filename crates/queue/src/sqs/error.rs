//! Errors of AWS services as one line, without what must not be logged.
//!
//! Code and message, or the chain of causes; never the raw response, which may hold a secret or an event. A message may
//! quote the request, so each text goes through the caller's [`Redact`].

use std::error::Error;

use aws_sdk_sqs::error::ProvideErrorMetadata;

use crate::Redact;

/// Returns code and message of a service's error, or the causes of an error that came from no service.
pub(super) fn summarize<E: Error + ProvideErrorMetadata>(error: &E, redact: Redact) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => redact(&format!("{code}: {message}")),
        (Some(code), None) => redact(code),
        (None, _) => chain(error, redact),
    }
}

/// Returns an error and its causes, from the outside in.
pub(super) fn chain(error: &dyn Error, redact: Redact) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    redact(&text)
}
