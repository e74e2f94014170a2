//! Why a poll of a service failed, and the one place where the words of a service become text that is logged.
//!
//! A service may quote the request: a statement with its literals, a URL with its user. So no other file of this crate reads
//! the message of an error; a test below holds that.

use aws::ProvideErrorMetadata;
use aws::redshift_data::{TOO_MANY_SESSIONS, TOO_MANY_STATEMENTS};
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::SdkError;

/// The most bytes of a service's words that are shown.
const MAX_WORDS: usize = 500;

/// The codes of errors that may pass, beside those that every service has:
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_GetTables.html> for the first, and
/// <https://docs.aws.amazon.com/redshift-data/latest/APIReference/API_ExecuteStatement.html> for the others.
const PASSING: [&str; 4] = [
    "OperationTimeoutException",
    TOO_MANY_STATEMENTS,
    TOO_MANY_SESSIONS,
    "ExecuteStatementException",
];

/// Why a poll of a service failed. The caller waits and tries again from the same position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It may succeed later: the service is slow, limits the rate, or cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// It fails until somebody changes something, such as a permission or a name.
    #[error("{0}")]
    Refused(String),
}

impl FetchError {
    /// Tells what will pass from what will not.
    pub(crate) fn of(error: &aws::Error) -> FetchError {
        let is_passing = error.code().is_some_and(|code| PASSING.contains(&code));
        FetchError::new(error.may_pass() || is_passing, summary(error))
    }

    /// The same for an error of the SDK of SQS.
    pub(crate) fn of_sqs<E>(error: &SdkError<E, HttpResponse>) -> FetchError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let may_pass = match error.raw_response() {
            Some(response) => {
                let is_throttled = error.code().is_some_and(|code| code.contains("Throttl"));
                !response.status().is_client_error()
                    || response.status().as_u16() == 429
                    || is_throttled
            }
            None => true, // no answer
        };
        FetchError::new(may_pass, summary(error))
    }

    fn new(may_pass: bool, text: String) -> FetchError {
        match may_pass {
            true => FetchError::Unavailable(text),
            false => FetchError::Refused(text),
        }
    }
}

/// Says what an error is, without the secrets and literals that it may quote.
pub(crate) fn summary<E: std::error::Error + ProvideErrorMetadata>(error: &E) -> String {
    aws::summarize(error, words)
}

/// The first line of what a service says, without the secrets and literals that it may quote, and not too much of it.
pub(crate) fn words(text: &str) -> String {
    // Redacted as a whole: a line alone may not look like a part of a statement any more.
    let text = transform::redact_text(text);
    let line = text.lines().next().unwrap_or_default().trim();
    let end = line.floor_char_boundary(MAX_WORDS);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_words_of_a_service_are_shown_without_literals_and_secrets_and_not_all() {
        let quoting = "ERROR: syntax error in: INSERT INTO people VALUES ('Ada Lovelace', '4711')\n  Position: 7";
        let shown = words(quoting);
        assert!(shown.starts_with("ERROR: syntax error"), "{shown}");
        for secret in ["Ada", "4711", "Position"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let shown = words("cannot connect to redshift://etl:hunter2@dwh:5439/dev");
        assert!(!shown.contains("hunter2"), "{shown}");
        let long = words(&"ä".repeat(MAX_WORDS));
        assert_eq!(long.len(), MAX_WORDS);
    }

    /// The law: whatever a service says becomes text here, and nowhere else.
    #[test]
    fn no_other_file_reads_the_message_of_an_error() {
        let mut files = Vec::new();
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        assert!(files.len() > 10, "{files:?}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for reader in ["summarize(", "error_chain(", ".message()", "redact_text("] {
                assert!(!text.contains(reader), "{}: {reader}", file.display());
            }
        }
    }

    /// The files of a folder, without this one.
    fn sources(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, files),
                false if path.ends_with("src/error.rs") => {}
                false => files.push(path),
            }
        }
    }
}
