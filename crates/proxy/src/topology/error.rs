//! Why a process cannot start, and its exit status.

use std::fmt::Display;
use std::io;
use std::io::ErrorKind;

use crate::config::{ConfigError, Origins};

/// Why a process cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A setting, the rules, a file or a permission has to be corrected.
    #[error("{0}")]
    Invalid(ConfigError),
    /// What one target needs is missing: its file or its secret does not exist, or access is denied. It may appear while
    /// `serve` runs, or somebody has to correct something.
    #[error("{0}")]
    Missing(ConfigError),
    /// Another start may succeed: another process uses the port or the folder, a disk is full, a service is unavailable.
    #[error("{0}")]
    Temporary(ConfigError),
}

/// All errors that a start or a check has found.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct StartErrors(pub Vec<StartError>);

impl StartError {
    /// What is wrong, with the setting that it is about.
    pub fn into_error(self) -> ConfigError {
        match self {
            StartError::Invalid(error)
            | StartError::Missing(error)
            | StartError::Temporary(error) => error,
        }
    }

    /// Adds where its setting was set.
    fn located(self, origins: &Origins) -> StartError {
        match self {
            StartError::Invalid(error) => StartError::Invalid(origins.locate(error)),
            StartError::Missing(error) => StartError::Missing(origins.locate(error)),
            StartError::Temporary(error) => StartError::Temporary(origins.locate(error)),
        }
    }

    /// The error of a file, folder or port, which a setting names.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "non-exhaustive: every other kind has to be corrected"
    )]
    pub(super) fn io(setting: &str, place: impl Display, error: &io::Error) -> StartError {
        let message = ConfigError::about(setting, format!("{place}: {error}"));
        match error.kind() {
            ErrorKind::AddrInUse
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ResourceBusy
            | ErrorKind::TimedOut
            | ErrorKind::StaleNetworkFileHandle => StartError::Temporary(message),
            _ => StartError::Invalid(message), // it does not exist, is not permitted, or is of another kind
        }
    }

    /// The error of what one target needs.
    pub(super) fn of_target(self) -> StartError {
        match self {
            StartError::Invalid(message) | StartError::Missing(message) => {
                StartError::Missing(message)
            }
            StartError::Temporary(message) => StartError::Temporary(message),
        }
    }

    /// The error of a database in the data folder.
    pub(super) fn database(what: &str, error: &journal::Error) -> StartError {
        let message = ConfigError::general(format!("{what}: {error}"));
        match error.may_pass() {
            true => StartError::Temporary(message),
            false => StartError::Invalid(message),
        }
    }

    /// The exit status of sysexits.h: `EX_USAGE`, 64, as for every invalid setting; `EX_TEMPFAIL`, 75, "the user is invited
    /// to try again later" (<https://man.freebsd.org/cgi/man.cgi?sysexits>).
    fn exit_status(&self) -> u8 {
        match self {
            StartError::Invalid(_) | StartError::Missing(_) => 64,
            StartError::Temporary(_) => 75,
        }
    }
}

impl StartErrors {
    /// Adds where each setting was set.
    pub(super) fn located(self, origins: &Origins) -> StartErrors {
        let errors = self.0.into_iter();
        StartErrors(errors.map(|error| error.located(origins)).collect())
    }

    /// The exit status: that of the errors that have to be corrected, if there are any.
    pub fn exit_status(&self) -> u8 {
        let statuses = self.0.iter().map(StartError::exit_status);
        statuses.min().unwrap_or(64)
    }
}

impl From<StartError> for StartErrors {
    fn from(error: StartError) -> StartErrors {
        StartErrors(vec![error])
    }
}
