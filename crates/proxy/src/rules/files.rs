//! The files of a rules file: from disk or S3, with what the rules refer to.
//!
//! Fetches and names them; reads none of them. Called by `rules.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use aws::s3::GetObject;
use aws::{Aws, Client};
use sha2::{Digest, Sha256};

use super::RulesError;
use crate::aws_error::summarize;

/// The largest rules file, script or module, in bytes: far above any that a person writes.
const MAX_FILE: usize = 16_000_000;

/// All of them together: a function has 256 MB.
const MAX_FILES: usize = 32_000_000;

/// For one file from S3: below the time that a batch function has to spare.
const FETCH: Duration = Duration::from_secs(4);

/// Where files are.
#[derive(Debug, Clone)]
pub(super) enum Place {
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

/// A rules file, and what it refers to, or why that cannot be read: reading the rules says so, with the line that
/// wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) rules: String,
    beside: BTreeMap<String, Result<Vec<u8>, String>>,
}

impl Place {
    pub(super) fn folder(path: &Path) -> Place {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let file = path.file_name().unwrap_or_default();
        Place::Folder {
            folder,
            file: file.to_string_lossy().into_owned(),
        }
    }

    pub(super) fn s3(aws: &Aws, bucket: &str, key: &str) -> Place {
        let (prefix, file) = match key.rsplit_once('/') {
            Some((prefix, file)) => (format!("{prefix}/"), file),
            None => (String::new(), key),
        };
        Place::S3 {
            client: aws.client().timeout(FETCH).max_bytes(MAX_FILE),
            bucket: bucket.to_owned(),
            prefix,
            file: file.to_owned(),
        }
    }

    /// Whether a reader can see a file while it is being written; an object of S3 is there whole or not at all.
    pub(super) fn is_written_in_place(&self) -> bool {
        match self {
            Place::Folder { .. } => true,
            Place::S3 { .. } => false,
        }
    }

    /// The rules file's name, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Place::Folder { folder, file } => folder.join(file).display().to_string(),
            Place::S3 {
                bucket,
                prefix,
                file,
                ..
            } => format!("s3://{bucket}/{prefix}{file}"),
        }
    }

    /// The rules file, and what it refers to as `references` finds out.
    pub(super) async fn files(
        &self,
        references: impl Fn(&str) -> BTreeSet<String>,
    ) -> Result<Files, RulesError> {
        let file = match self {
            Place::Folder { file, .. } | Place::S3 { file, .. } => file,
        };
        let bytes = self.fetch(file).await.map_err(RulesError::Unreadable)?;
        let rules = String::from_utf8(bytes)
            .map_err(|error| RulesError::Unreadable(format!("{}: {error}", self.name())))?;
        let (mut beside, mut sum) = (BTreeMap::new(), 0);
        for name in references(&rules) {
            let bytes = self.fetch(&name).await;
            sum += bytes.as_ref().map_or(0, Vec::len);
            if sum > MAX_FILES {
                let name = self.name();
                return Err(RulesError::Unreadable(format!(
                    "{name}: with what it refers to, larger than {MAX_FILES} bytes"
                )));
            }
            beside.insert(name, bytes);
        }
        Ok(Files { rules, beside })
    }

    async fn fetch(&self, name: &str) -> Result<Vec<u8>, String> {
        match self {
            Place::Folder { folder, .. } => disk(folder, name),
            Place::S3 {
                client,
                bucket,
                prefix,
                ..
            } => {
                let key = format!("{prefix}{}", checked(name)?);
                let place = format!("s3://{bucket}/{key}");
                let get = GetObject {
                    bucket: bucket.clone(),
                    key,
                };
                match client.send(&get).await {
                    Ok(body) => Ok(body.into()),
                    Err(aws::Error::TooLarge { limit, .. }) => {
                        Err(format!("{place}: expected at most {limit} bytes"))
                    }
                    Err(error) => Err(format!("{place}: {}", summarize(&error))),
                }
            }
        }
    }
}

impl Files {
    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, String> {
        let found = self.beside.get(name);
        found
            .cloned()
            .unwrap_or_else(|| Err(format!("{name}: not found")))
    }

    /// The beginning of a SHA-256 of all of it.
    pub(super) fn version(&self) -> String {
        const DIGITS: usize = 12;
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        };
        add(self.rules.as_bytes());
        for (name, bytes) in &self.beside {
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

/// A file on this machine.
pub(super) fn disk(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(checked(name)?);
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::metadata(&path).map_err(told)?;
    if !file.is_file() {
        return Err(format!("{}: no regular file", path.display())); // a pipe would be waited for
    }
    if usize::try_from(file.len()).is_ok_and(|size| size <= MAX_FILE) {
        std::fs::read(&path).map_err(told)
    } else {
        Err(format!("{}: larger than {MAX_FILE} bytes", path.display()))
    }
}

/// A name that stays beside the rules file: whoever writes rules does not thereby read the machine.
fn checked(name: &str) -> Result<&str, String> {
    let mut parts = Path::new(name).components();
    if !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_))) {
        return Ok(name);
    }
    Err(format!(
        "{name}: expected a file beside the rules file, or in a folder beside it"
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
            assert!(error.contains("expected a file beside"), "{error}");
        }
    }
}
