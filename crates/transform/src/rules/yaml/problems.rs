//! Collects the errors and warnings of a rules file, so that a user sees all of them at once.

use std::cell::RefCell;
use std::fmt;

use super::FilePosition;

/// An error or a warning, and where it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when the position is not known.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl Problem {
    /// A problem at `at`.
    pub fn new(at: FilePosition, message: impl fmt::Display) -> Problem {
        Problem {
            line: at.line,
            column: at.column,
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            line,
            column,
            message,
        } = self;
        write!(f, "{line}:{column}: {message}")
    }
}

/// Collects problems. Shared by reference, so that a deserializer can report an error and continue.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// Prefix of each message: the rule that is being read.
    scope: RefCell<String>,
}

impl Problems {
    /// Prefixes the messages from now on: `rule "a": `.
    pub(crate) fn enter(&self, scope: impl Into<String>) {
        self.scope.replace(scope.into());
    }

    /// Reports an error.
    pub(crate) fn error(&self, at: FilePosition, message: impl fmt::Display) {
        let message = format!("{}{message}", self.scope.borrow());
        self.errors.borrow_mut().push(Problem::new(at, message));
    }

    /// Reports a warning: something valid that can never have an effect.
    pub(crate) fn warn(&self, at: FilePosition, message: impl fmt::Display) {
        let message = format!("{}{message}", self.scope.borrow());
        self.warnings.borrow_mut().push(Problem::new(at, message));
    }

    /// Returns the value, or reports the error.
    pub(crate) fn ok<T>(
        &self,
        at: FilePosition,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|error| self.error(at, error)).ok()
    }

    /// Returns the number of warnings so far.
    pub(crate) fn warning_count(&self) -> usize {
        self.warnings.borrow().len()
    }

    /// Returns the warnings from number `from` on, without their common prefix.
    pub(crate) fn warnings_since(&self, from: usize) -> Vec<String> {
        let scope = self.scope.borrow();
        let warnings = self.warnings.borrow();
        let messages = warnings.iter().skip(from).map(|warning| &warning.message);
        messages
            .map(|message| message.strip_prefix(scope.as_str()).unwrap_or(message))
            .map(str::to_owned)
            .collect()
    }

    /// Returns the warnings, or all errors; both in the order of the file.
    pub(crate) fn finish(self) -> Result<Vec<Problem>, Vec<Problem>> {
        let position = |problem: &Problem| (problem.line, problem.column);
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        errors.sort_by_key(position);
        warnings.sort_by_key(position);
        match errors.is_empty() {
            true => Ok(warnings),
            false => Err(errors),
        }
    }
}
