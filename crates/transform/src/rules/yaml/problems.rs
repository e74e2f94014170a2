//! What is wrong with a rules file, and what in it can never do anything: collected, so that a person sees all at once.

use std::fmt;

use super::At;

/// One thing that is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when the place is not known.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong, and what was expected.
    pub message: String,
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

/// All that is wrong so far.
#[derive(Debug, Default)]
pub(in crate::rules) struct Problems {
    pub(in crate::rules) found: Vec<Problem>,
    /// What is right as it is written and can do nothing.
    pub(in crate::rules) warnings: Vec<Problem>,
    /// Said before each message: the rule that is being read.
    pub(in crate::rules) within: String,
    /// The names that a target may have.
    pub(in crate::rules) targets: Vec<String>,
}

impl Problems {
    pub(in crate::rules) fn say(&mut self, at: At, message: impl fmt::Display) {
        let message = format!("{}{message}", self.within);
        let At { line, column } = at;
        self.found.push(Problem {
            line,
            column,
            message,
        });
    }

    /// As [`say`](Self::say), of what is no error: it can never do anything.
    pub(in crate::rules) fn warn(&mut self, at: At, message: impl fmt::Display) {
        let message = format!("{}{message}", self.within);
        let At { line, column } = at;
        self.warnings.push(Problem {
            line,
            column,
            message,
        });
    }

    /// The value, or nothing and a problem.
    pub(in crate::rules) fn ok<T>(
        &mut self,
        at: At,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        result.map_err(|error| self.say(at, error)).ok()
    }
}
