//! The rules in use: read at the start, checked for changes from time to time, and replaced when the file has changed and
//! is valid.
//!
//! An invalid file never replaces valid rules: the last valid rules stay in use, and the error is logged and counted. What
//! rules do is in the crate `transform`; getting files from disk and S3 is in `rules/files.rs`, and reading their text in
//! `rules/read.rs`. Called by the pipeline.

mod files;
mod hash_key;
mod options;
mod read;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws::Aws;
use tokio::time::Instant;
use tracing::{error, info};
use transform::{Builtins, Problem, RuleSet, Transforms};

use files::Location;
use read::References;

pub use hash_key::RulesKey;
pub use options::{RuleOptions, read_path};

use crate::config::{RulesFile, RulesSource};
use crate::telemetry::metric::Metric;

/// The timeout for reading a changed file and the files that it names: a batch waits for it.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// The most problems of a file that are logged one by one; the line after them has the total.
const MAX_LOGGED: usize = 20;

/// Why rules could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The file, or one that it names, cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file, or one that it names, cannot be read now: S3 does not answer, throttles or has failed.
    #[error("{0}")]
    Unavailable(String),
    /// The file is invalid.
    #[error("invalid rules:{}", .problems.iter().map(|problem| format!("\n  - {file}:{problem}")).collect::<String>())]
    Invalid {
        /// The name of the file.
        file: String,
        /// What is wrong with it, and where.
        problems: Vec<Problem>,
    },
}

/// Rules with their version.
#[derive(Debug, Clone)]
pub struct LoadedRules {
    /// The rules.
    pub rules: RuleSet,
    /// The first digits of the SHA-256 of the file and the files that it names, and which key of hashes it is since the start.
    pub version: String,
    /// The file; `None` without one.
    pub file: Option<RulesText>,
}

/// A rules file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesText {
    /// Where it is.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

/// The rules in use by a process.
pub struct RuleStore {
    location: Option<Location>,
    transforms: Transforms,
    hash_key: Option<RulesKey>,
    max_window: Option<Duration>,
    target_names: Vec<String>,
    builtins: Builtins,
    refresh_interval: Duration,
    current: RwLock<Arc<LoadedRules>>,
    last_check: Mutex<LastCheck>,
    references: Mutex<References>,
}

/// The last check for changes.
#[derive(Debug)]
struct LastCheck {
    at: Instant,
    /// The version that was found invalid: it is logged once.
    rejected: Option<String>,
    /// The version that was found.
    found: Option<String>,
}

/// The result of comparing the version of the file with those that are known.
enum VersionState {
    /// It is in use, or it may be half written and is loaded at the next check.
    Unchanged,
    /// It is known to be invalid.
    Rejected,
    /// It has to be loaded.
    New,
}

impl std::fmt::Debug for RuleStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.location.fmt(f) // the rest holds a key
    }
}

impl RuleStore {
    /// Reads the file for the first time. Without a file there are no rules.
    pub async fn open(
        config: &RulesFile,
        hash_key: Option<RulesKey>,
        aws: &Aws,
        options: RuleOptions,
    ) -> Result<RuleStore, RulesError> {
        let location = match &config.source {
            None => None,
            Some(RulesSource::Path(path)) => Some(Location::folder(path)),
            Some(RulesSource::S3 { bucket, key }) => Some(Location::s3(aws, bucket, key)),
        };
        let store = RuleStore {
            location,
            target_names: options.target_names(),
            transforms: options.transforms,
            hash_key,
            max_window: options.max_window,
            builtins: options.builtins.clone(),
            refresh_interval: config.refresh,
            current: RwLock::new(Arc::new(LoadedRules {
                rules: RuleSet::default().with_builtins(&options.builtins),
                version: "none".to_owned(),
                file: None,
            })),
            last_check: Mutex::new(LastCheck {
                at: Instant::now(),
                rejected: None,
                found: None,
            }),
            references: Mutex::default(),
        };
        if let Some(location) = &store.location {
            let files = location.files(|text| store.references(text)).await?;
            store.replace(location, store.read(location, &files)?);
        }
        Ok(store)
    }

    /// Returns the rules in use.
    pub fn current(&self) -> Arc<LoadedRules> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Checks the file for changes if the last check is long enough ago. Never fails: without valid new rules, the old
    /// ones stay in use.
    pub async fn refresh(&self) {
        if self.is_due() {
            self.check(false).await;
        }
    }

    /// Checks the file now, because an operator asked for it. An error is logged again.
    pub async fn reload(&self) {
        self.clear_error();
        // A file that may be half written is loaded only when two checks find the same version.
        self.check(true).await;
        self.check(false).await;
    }

    /// Checks the file, and the key of hashes: that one `at_once`, or now and then.
    async fn check(&self, at_once: bool) {
        let Some(location) = &self.location else {
            return;
        };
        let reading = location.files(|text| self.references(text));
        let reading = tokio::time::timeout(READ_TIMEOUT, reading);
        let key = async {
            if let Some(key) = &self.hash_key {
                key.refresh(at_once).await;
            }
        };
        let (files, ()) = tokio::join!(reading, key);
        let files = files.unwrap_or_else(|_| {
            let late = format!("{}: not read within {READ_TIMEOUT:?}", location.name());
            Err(RulesError::Unavailable(late))
        });
        let read = match files {
            Ok(files) => {
                let version = self.version(&files);
                match self.version_state(&version, location.is_written_in_place()) {
                    VersionState::Unchanged => return,
                    VersionState::Rejected => {
                        Metric::RulesReloadFailures.add([], 1);
                        return;
                    }
                    VersionState::New => self
                        .read(location, &files)
                        .map_err(|error| (version, error)),
                }
            }
            Err(error) => Err((error.to_string(), error)),
        };
        match read {
            Ok(loaded) => {
                self.clear_error();
                self.replace(location, loaded);
            }
            Err((version, error)) => self.report(version, &error),
        }
    }

    fn is_due(&self) -> bool {
        let mut last = self
            .last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = last.at.elapsed() >= self.refresh_interval;
        if due {
            last.at = Instant::now();
        }
        due
    }

    /// Compares a version with those that are known. One that may be half written is new when two checks in a row find it.
    fn version_state(&self, version: &str, in_place: bool) -> VersionState {
        let is_current = self.current().version == version;
        let mut last = self
            .last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = last.found.replace(version.to_owned());
        if is_current {
            last.rejected = None;
            VersionState::Unchanged
        } else if last.rejected.as_deref() == Some(version) {
            VersionState::Rejected
        } else if in_place && before.as_deref() != Some(version) {
            VersionState::Unchanged
        } else {
            VersionState::New
        }
    }

    fn clear_error(&self) {
        let mut last = self
            .last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last.rejected = None;
    }

    fn replace(&self, location: &Location, loaded: LoadedRules) {
        info!(
            file = location.name(),
            version = loaded.version,
            rules = loaded.rules.len(),
            "rules loaded"
        );
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(loaded);
    }

    /// Counts every check that finds no valid rules, so that an alarm stays on, and logs the error once.
    fn report(&self, version: String, error: &RulesError) {
        Metric::RulesReloadFailures.add([], 1);
        let mut last = self
            .last_check
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.rejected.as_ref() == Some(&version) {
            return;
        }
        last.rejected = Some(version);
        match error {
            RulesError::Unreadable(error) | RulesError::Unavailable(error) => {
                error!(
                    error,
                    "failed to read rules; the last valid rules stay in use"
                );
            }
            RulesError::Invalid { file, problems } => {
                for problem in problems.iter().take(MAX_LOGGED) {
                    let (line, column) = (problem.line, problem.column);
                    error!(file, line, column, error = problem.message, "invalid rule");
                }
                error!(
                    file,
                    problems = problems.len(),
                    "invalid rules file; the last valid rules stay in use"
                );
            }
        }
    }
}
