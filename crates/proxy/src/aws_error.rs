//! Formats errors of AWS services as one line for a log.
//!
//! The line has code and message, or the chain of causes, but never the raw response, which may contain a secret or an
//! event. A message may quote the request, so `targets::words` removes what looks like a key or a body.

use std::error::Error;

use aws::ProvideErrorMetadata;
use targets::words;

/// Returns code and message of a service's error, or the causes of another error.
pub fn summarize<E: Error + ProvideErrorMetadata>(error: &E) -> String {
    aws::summarize(error, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::error::ErrorMetadata;
    use targets::causes;

    #[test]
    fn an_error_is_summarized_by_code_and_message_or_by_its_causes() {
        let error = ErrorMetadata::builder()
            .code("AccessDenied")
            .message("not authorized to perform: sqs:SendMessage")
            .build();
        let expected = "AccessDenied: not authorized to perform: sqs:SendMessage";
        assert_eq!(summarize(&error), expected);
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
            let line = summarize(&error);
            assert!(line.starts_with("Refused: "), "{line}");
            assert!(
                !line.contains("hunter2") && !line.contains("b3JpZ2lu"),
                "{line}"
            );
        }
    }
}
