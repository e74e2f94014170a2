//! `serve --check`: everything that a start looks at, and nothing that it leaves behind.
//!
//! No port is bound, no folder or file is made, no service is called. What could be known only so is named. The parts
//! are checked by the code that sets them up; only where that code would make something, this looks whether it could.

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

/// What a start would find.
#[derive(Debug)]
pub struct Checked {
    /// How many rules there are; nothing where none are read, or none can be read here.
    pub rules: Option<usize>,
    /// What only a start can tell.
    pub unchecked: Vec<String>,
}

/// Checks a configuration.
pub async fn check(config: &Config, transforms: Transforms) -> Result<Checked, NotStarted> {
    let mut checked = Checked {
        rules: None,
        unchecked: vec![format!("whether {} is free", config.listen)],
    };
    let mut left = |what: String| checked.unchecked.push(what);
    if let Some(id) = &config.ingest.auth.secret_id {
        left(format!("auth.secret_id: what is in {id}"));
    }
    if let QueueConfig::Sqs(settings) = &config.queue {
        let url = settings.queue.url();
        left(format!("queue.url: whether {url} can be reached"));
    }
    let takes_out = config.only != Some(Part::Ingest);
    if takes_out {
        let key = match &config.rules.hash_key {
            Some(HashKeySource::Key(key)) => Some(key.clone()),
            Some(HashKeySource::SecretId(id)) => {
                left(format!("rules.hash_key_secret_id: what is in {id}"));
                Some(HashKey::stand_in())
            }
            None => None,
        };
        if let Some(RulesSource::S3 { bucket, key }) = &config.rules.source {
            left(format!("rules.file: what is in s3://{bucket}/{key}"));
        } else if config.rules.source.is_some() {
            let options = rule_options(config, transforms);
            let rules = setup::rules(config, key, &Aws::new(), options).await?;
            checked.rules = Some(rules.current().rules.len());
        }
        let mut left = |what: String| checked.unchecked.push(what);
        let checked = config.target.kind.check();
        let unchecked = checked.map_err(|error| setup::not_opened(&config.target, error))?;
        for Unchecked { setting, what } in unchecked {
            left(format!("{}: {what}", config.target.setting(setting)));
        }
    }
    if matches!(config.queue, QueueConfig::Embedded(_))
        || takes_out && config.target.kind.uses_data_folder()
    {
        let folder = config.data_dir.display();
        usable(&config.data_dir)
            .map_err(|error| NotStarted::Wrong(format!("data_dir: {folder}: {error}")))?;
    }
    Ok(checked)
}

/// Whether the folder could be used, or made.
fn usable(folder: &Path) -> io::Result<()> {
    let there = folder
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    writable(there.unwrap_or(Path::new(".")))
}

/// Whether something can be made in the folder.
fn writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}
