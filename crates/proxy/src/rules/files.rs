//! Fetches a rules file and the scripts and modules that it refers to, from disk or S3.
//!
//! Does not read their contents. Called by `rules.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use aws::s3::GetObject;
use aws::{Aws, Client};
use sha2::{Digest, Sha256};

use super::RulesError;
use crate::aws_error::summarize;

/// The largest rules file, script or module, in bytes: far larger than any that a person writes.
const MAX_FILE: usize = 16_000_000;

/// The limit for all of them together, in bytes: a function has 256 MB.
const MAX_FILES: usize = 32_000_000;

/// The timeout for one file from S3: below the time that a batch function has to spare.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);

/// Where the rules file is.
#[derive(Debug, Clone)]
pub(super) enum Location {
    Folder {
        folder: PathBuf,
        file: String,
    },
    S3 {
        client: Client,
        bucket: String,
        prefix: String,
        file: String,
    },
}

/// A rules file and the files that it refers to. For a file that cannot be read, the error: reading the rules reports it
/// with the line that refers to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) rules: String,
    referenced: BTreeMap<String, Result<Vec<u8>, String>>,
}

/// Why one file could not be fetched.
#[derive(Debug)]
enum FetchError {
    /// It does not exist, is too large, or may not be read.
    Unreadable(String),
    /// Another attempt may succeed.
    Unavailable(String),
}

impl From<FetchError> for RulesError {
    fn from(error: FetchError) -> RulesError {
        match error {
            FetchError::Unreadable(message) => RulesError::Unreadable(message),
            FetchError::Unavailable(message) => RulesError::Unavailable(message),
        }
    }
}

impl Location {
    pub(super) fn folder(path: &Path) -> Location {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let file = path.file_name().unwrap_or_default();
        Location::Folder {
            folder,
            file: file.to_string_lossy().into_owned(),
        }
    }

    pub(super) fn s3(aws: &Aws, bucket: &str, key: &str) -> Location {
        let (prefix, file) = match key.rsplit_once('/') {
            Some((prefix, file)) => (format!("{prefix}/"), file),
            None => (String::new(), key),
        };
        Location::S3 {
            client: aws.client().timeout(FETCH_TIMEOUT).max_bytes(MAX_FILE),
            bucket: bucket.to_owned(),
            prefix,
            file: file.to_owned(),
        }
    }

    /// Whether a reader can see a half-written file. An object of S3 is there in full or not at all.
    pub(super) fn is_written_in_place(&self) -> bool {
        match self {
            Location::Folder { .. } => true,
            Location::S3 { .. } => false,
        }
    }

    /// Returns the name of the rules file, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Location::Folder { folder, file } => folder.join(file).display().to_string(),
            Location::S3 {
                bucket,
                prefix,
                file,
                ..
            } => format!("s3://{bucket}/{prefix}{file}"),
        }
    }

    /// Fetches the rules file, and the files that `references` finds in it.
    pub(super) async fn files(
        &self,
        references: impl Fn(&str) -> BTreeSet<String>,
    ) -> Result<Files, RulesError> {
        let file = match self {
            Location::Folder { file, .. } | Location::S3 { file, .. } => file,
        };
        let bytes = self.fetch(file).await.map_err(RulesError::from)?;
        let rules = String::from_utf8(bytes)
            .map_err(|error| RulesError::Unreadable(format!("{}: {error}", self.name())))?;
        let (mut referenced, mut sum) = (BTreeMap::new(), 0);
        for name in references(&rules) {
            let bytes = match self.fetch(&name).await {
                Ok(bytes) => Ok(bytes),
                Err(FetchError::Unreadable(error)) => Err(error),
                // Nothing says yet whether the rules are invalid.
                Err(error @ FetchError::Unavailable(_)) => return Err(error.into()),
            };
            sum += bytes.as_ref().map_or(0, Vec::len);
            if sum > MAX_FILES {
                let name = self.name();
                return Err(RulesError::Unreadable(format!(
                    "{name}: expected at most {MAX_FILES} bytes, with the files that it refers to"
                )));
            }
            referenced.insert(name, bytes);
        }
        Ok(Files { rules, referenced })
    }

    async fn fetch(&self, name: &str) -> Result<Vec<u8>, FetchError> {
        match self {
            Location::Folder { folder, .. } => disk(folder, name).map_err(FetchError::Unreadable),
            Location::S3 {
                client,
                bucket,
                prefix,
                ..
            } => {
                let name = relative(name).map_err(FetchError::Unreadable)?;
                let key = format!("{prefix}{name}");
                let location = format!("s3://{bucket}/{key}");
                let get = GetObject {
                    bucket: bucket.clone(),
                    key,
                };
                match client.send(&get).await {
                    Ok(body) => Ok(body.into()),
                    Err(aws::Error::TooLarge { limit, .. }) => Err(FetchError::Unreadable(
                        format!("{location}: expected at most {limit} bytes"),
                    )),
                    Err(error) => {
                        let message = format!("{location}: {}", summarize(&error));
                        Err(match error.may_pass() {
                            true => FetchError::Unavailable(message),
                            false => FetchError::Unreadable(message),
                        })
                    }
                }
            }
        }
    }
}

impl Files {
    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, String> {
        let found = self.referenced.get(name);
        found
            .cloned()
            .unwrap_or_else(|| Err(format!("{name}: not found")))
    }

    /// Returns the first digits of the SHA-256 of all files.
    pub(super) fn version(&self) -> String {
        const DIGITS: usize = 12;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        add(self.rules.as_bytes());
        for (name, bytes) in &self.referenced {
            add(name.as_bytes());
            match bytes {
                Ok(bytes) => add(bytes),
                Err(error) => add(error.as_bytes()),
            }
        }
        let digits = hex::encode(hash.finalize());
        digits.chars().take(DIGITS).collect()
    }
}

/// Reads a file of this machine.
pub(super) fn disk(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(relative(name)?);
    let with_path = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::metadata(&path).map_err(with_path)?;
    if !file.is_file() {
        // Reading a pipe would block.
        return Err(format!("{}: not a regular file", path.display()));
    }
    if usize::try_from(file.len()).is_ok_and(|size| size <= MAX_FILE) {
        std::fs::read(&path).map_err(with_path)
    } else {
        Err(format!(
            "{}: expected at most {MAX_FILE} bytes",
            path.display()
        ))
    }
}

/// Checks that a name stays in the folder of the rules file: rules must not give access to other files of the machine.
fn relative(name: &str) -> Result<&str, String> {
    let mut parts = Path::new(name).components();
    if !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_))) {
        return Ok(name);
    }
    Err(format!(
        "{name}: expected a file in the folder of the rules file, or below it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_away_from_the_rules_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rhai"), "x").unwrap();
        assert_eq!(disk(folder.path(), "a.rhai").unwrap(), b"x");
        for name in ["../a.rhai", "/etc/hostname", "", "b/../../a.rhai", "./../x"] {
            let error = disk(folder.path(), name).unwrap_err();
            assert!(error.contains("expected a file in the folder"), "{error}");
        }
    }
}
