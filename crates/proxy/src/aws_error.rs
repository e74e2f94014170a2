//! What an error of an AWS service says, fit for a log line.
//!
//! Its code and message, or the chain of its causes; never the raw answer, which may hold a secret or an event.

use std::error::Error;

use aws_sdk_sqs::error::ProvideErrorMetadata;

/// Longer messages are cut: more characters than any code and message that helps.
const LONGEST: usize = 500;

/// Code and message, or the causes of an error that came from no service.
pub fn said<E: Error + ProvideErrorMetadata>(error: &E) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => cut(format!("{code}: {message}")),
        (Some(code), None) => cut(code.to_owned()),
        (None, _) => causes(error),
    }
}

/// An error and its causes, from the outside in.
pub fn causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    cut(told)
}

fn cut(text: String) -> String {
    text.chars().take(LONGEST).collect()
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
        assert_eq!(
            causes(&std::io::Error::other("x".repeat(9_000))).len(),
            LONGEST
        );
    }
}
