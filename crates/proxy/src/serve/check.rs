//! Checks before a start: everything that `serve` looks at when it starts, without leaving anything behind.
//!
//! Binds no port, creates no folder or file and calls no service; what could be known only so is listed as unchecked. The
//! parts are checked by the code that sets them up. Called by `lineage-proxy config check` and `serve --check`.

use std::fs;
use std::io;
use std::path::Path;

use aws::Aws;
use rustix::fs::Access;
use targets::Unchecked;
use transform::Transforms;

use super::rule_options;
use crate::config::{Config, HashKey, HashKeySource, Part, RulesSource};
use crate::queue::QueueConfig;
use crate::setup::{self, NotStarted};

/// A configuration that `serve` can start with.
#[derive(Debug, Default)]
pub struct Checked {
    /// The number of rules; `None` if there is no rules file, or it cannot be read here.
    pub rules: Option<usize>,
    /// What only a start can tell.
    pub unchecked: Vec<String>,
}

/// Why `serve` would not start: everything that was found.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct WouldNotStart(pub Vec<NotStarted>);

impl WouldNotStart {
    /// The exit status: that of the errors that somebody has to correct, if there are any.
    pub fn status(&self) -> u8 {
        let statuses = self.0.iter().map(NotStarted::status);
        statuses.min().unwrap_or(64)
    }
}

/// Checks a configuration.
pub async fn check(config: &Config, transforms: Transforms) -> Result<Checked, WouldNotStart> {
    let mut checked = Checked::default();
    let mut errors = Vec::new();
    let mut unchecked = |what: String| checked.unchecked.push(what);
    unchecked(format!("whether {} is free", config.listen));
    if let Some(id) = &config.ingest.auth.secret_id {
        unchecked(format!("auth.secret_id: what is in {id}"));
    }
    if let QueueConfig::Sqs(settings) = &config.queue {
        let url = settings.queue.url();
        unchecked(format!("queue.url: whether {url} can be reached"));
    }
    let delivers = config.only != Some(Part::Ingest);
    if delivers {
        if let Some(HashKeySource::SecretId(id)) = &config.rules.hash_key {
            unchecked(format!("rules.hash_key_secret_id: what is in {id}"));
        }
        match &config.rules.source {
            Some(RulesSource::S3 { bucket, key }) => {
                unchecked(format!("rules.file: what is in s3://{bucket}/{key}"));
            }
            Some(RulesSource::Path(_)) => match rules(config, transforms).await {
                Ok(count) => checked.rules = Some(count),
                Err(error) => errors.push(error),
            },
            None => {}
        }
        match config.target.kind.check() {
            Ok(found) => {
                let name = |found: Unchecked| {
                    format!("{}: {}", config.target.setting(found.setting), found.what)
                };
                checked.unchecked.extend(found.into_iter().map(name));
            }
            Err(error) => errors.push(setup::not_opened(&config.target, error)),
        }
    }
    let uses_data_folder = matches!(config.queue, QueueConfig::Embedded(_))
        || delivers && config.target.kind.uses_data_folder();
    if uses_data_folder && let Err(error) = usable(&config.data_dir) {
        let folder = config.data_dir.display();
        errors.push(NotStarted::Wrong(format!("data_dir: {folder}: {error}")));
    }
    match errors.is_empty() {
        true => Ok(checked),
        false => Err(WouldNotStart(errors)),
    }
}

/// Reads the rules. Returns how many there are.
async fn rules(config: &Config, transforms: Transforms) -> Result<usize, NotStarted> {
    let key = match &config.rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(_)) => Some(HashKey::stand_in()),
        None => None,
    };
    let options = rule_options(config, transforms);
    let rules = setup::rules(config, key, &Aws::new(), options).await?;
    Ok(rules.current().rules.len())
}

/// Checks whether the folder can be used, or created.
fn usable(folder: &Path) -> io::Result<()> {
    let existing = folder
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    writable(existing.unwrap_or(Path::new(".")))
}

/// Checks whether files can be created in the folder.
fn writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}
