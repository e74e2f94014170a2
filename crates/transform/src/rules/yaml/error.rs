//! Errors of a deserializer, which get their position and the value that was found where they leave it.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::{At, Node, Problems};

/// An error that has not been reported.
#[derive(Debug)]
pub(super) struct Error {
    at: Option<At>,
    what: What,
}

/// The kind of an error.
#[derive(Debug)]
pub(super) enum What {
    Message(String),
    /// What was expected; the value tells what was found.
    Expected(String),
    OneOf(&'static [&'static str]),
}

impl Error {
    pub(super) fn new(what: What) -> Error {
        Error { at: None, what }
    }

    /// The error with the position of `node`, unless a value inside of it has been named.
    pub(super) fn at(self, node: &Node) -> Error {
        let at = Some(self.at.unwrap_or(node.at));
        let what = match self.what {
            What::Expected(what) => {
                What::Message(format!("expected {what}, found {}", node.found()))
            }
            What::OneOf(words) => What::Message(node.expected_one_of(words)),
            What::Message(message) => What::Message(message),
        };
        Error { at, what }
    }

    pub(super) fn report(self, node: &Node, problems: &Problems) {
        let error = self.at(node);
        if let What::Message(message) = error.what {
            problems.error(error.at.unwrap_or_default(), message);
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Message(message) => f.write_str(message),
            What::Expected(what) => write!(f, "expected {what}"),
            What::OneOf(words) => write!(f, "expected one of {}", words.join(", ")),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::new(What::Message(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(What::Expected(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(What::Expected(expected.to_string()))
    }

    fn unknown_variant(_: &str, words: &'static [&'static str]) -> Error {
        Error::new(What::OneOf(words))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(What::Message(format!("missing {field:?}")))
    }
}
