//! Errors of the deserializer. Position and value are added on the way out.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::{FilePosition, Node, Problems};

/// An error that has not been reported.
#[derive(Debug)]
pub(super) struct Error {
    at: Option<FilePosition>,
    what: ErrorKind,
}

/// The kind of an error.
#[derive(Debug)]
pub(super) enum ErrorKind {
    Message(String),
    /// What was expected. What was found is read from the value.
    Expected(String),
    OneOf(&'static [&'static str]),
}

impl Error {
    pub(super) fn new(what: ErrorKind) -> Error {
        Error { at: None, what }
    }

    /// Adds the position of `node`, unless the error already has that of a value inside.
    pub(super) fn at(self, node: &Node) -> Error {
        let at = Some(self.at.unwrap_or(node.at));
        let what = match self.what {
            ErrorKind::Expected(what) => {
                ErrorKind::Message(format!("expected {what}, found {}", node.found()))
            }
            ErrorKind::OneOf(words) => ErrorKind::Message(node.expected_one_of(words)),
            ErrorKind::Message(message) => ErrorKind::Message(message),
        };
        Error { at, what }
    }

    pub(super) fn report(self, node: &Node, problems: &Problems) {
        let error = self.at(node);
        if let ErrorKind::Message(message) = error.what {
            problems.error(error.at.unwrap_or_default(), message);
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            ErrorKind::Message(message) => f.write_str(message),
            ErrorKind::Expected(what) => write!(f, "expected {what}"),
            ErrorKind::OneOf(words) => write!(f, "expected one of {}", words.join(", ")),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::new(ErrorKind::Message(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(ErrorKind::Expected(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(ErrorKind::Expected(expected.to_string()))
    }

    fn unknown_variant(_: &str, words: &'static [&'static str]) -> Error {
        Error::new(ErrorKind::OneOf(words))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(ErrorKind::Message(format!("missing {field:?}")))
    }
}
