//! What an error of an AWS service says, fit for a log line.
//!
//! Its code and message, or the chain of its causes; never the raw answer, which may hold a secret or an event. A message
//! may quote the request, so it goes through `targets::words`: what looks like a key or a body is taken out.

use std::error::Error;

use aws_sdk_sqs::error::ProvideErrorMetadata;
use targets::{causes, words};

/// Code and message, or the causes of an error that came from no service.
pub fn said<E: Error + ProvideErrorMetadata>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => words(&format!("{code}: {message}")),
        (Some(code), None) => words(code),
        (None, _) => causes(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::error::ErrorMetadata;

    #[test]
    fn an_error_says_its_code_and_message_or_its_causes() {
        let error = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("not authorized to perform: sqs:SendMessage")
            .build();
        let expected = "AccessDenied: not authorized to perform: sqs:SendMessage";
        assert_eq!(said(&error), expected);
        let cause = std::io::Error::other("refused");
        let outer = std::io::Error::other(cause);
        assert!(causes(&outer).starts_with("refused"));
        let long = causes(&std::io::Error::other("x".repeat(9_000)));
        assert!(long.chars().count() <= 501, "{long}");
    }

    #[test]
    fn a_service_that_quotes_the_request_shows_neither_token_nor_event() {
        let token = "IQoJb3JpZ2luX2VjEJr//////////wEaCWV1LXdlc3QtMSJHMEUCIQ";
        let quotes = [
            format!(
                "The request signature we calculated does not match.\n\nThe Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:{token}\n"
            ),
            format!("The security token {token} included in the request is invalid"),
            format!(
                r#"Value {{"sql": "select 'hunter2'"}} for parameter MessageBody is invalid: {token}"#
            ),
            format!("<Body>select 'hunter2'</Body>{token}"),
        ];
        for quote in quotes {
            let error = ErrorMetadata::builder()
                .code("Refused")
                .message(&quote)
                .build();
            let said = said(&error);
            assert!(said.starts_with("Refused: "), "{said}");
            assert!(
                !said.contains("hunter2") && !said.contains("b3JpZ2lu"),
                "{said}"
            );
        }
    }
}
