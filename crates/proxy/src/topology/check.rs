//! Checks before a start: everything that `serve` looks at when it starts, without leaving anything behind.
//!
//! Binds no port, creates no folder or file and calls no service; what only that would tell is listed as unchecked. The parts
//! are checked by the code that opens them. Called by `lineage-proxy config check` and `serve --check`.

use aws::Aws;
use journal::check_creatable;
use targets::{TargetConfig, Unchecked};
use transform::Transforms;

use super::{StartError, StartErrors, rule_options, storage, target};
use crate::config::{Config, HashKey, HashKeySource, RulesSource};
use crate::queue::QueueConfig;

/// A configuration that `serve` can start with.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The number of rules; `None` if there is no rules file, or it cannot be read here.
    pub rules: Option<usize>,
    /// What only a start can tell.
    pub unchecked: Vec<String>,
}

/// Checks a configuration. Reports everything that would keep `serve` from starting.
pub async fn check(config: &Config, transforms: Transforms) -> Result<CheckReport, StartErrors> {
    let mut report = CheckReport::default();
    let mut errors = Vec::new();
    let mut unchecked = |what: String| report.unchecked.push(what);
    unchecked(format!("whether {} is free", config.listen));
    if let Some(id) = &config.ingest.auth.secret_id {
        unchecked(format!("auth.secret_id: what is in {id}"));
    }
    if let QueueConfig::Sqs(settings) = &config.queue {
        let url = settings.queue.url();
        unchecked(format!("queue.url: whether {url} can be reached"));
    }
    if !config.targets().is_empty() {
        if let Some(HashKeySource::SecretId(id)) = &config.rules.hash_key {
            unchecked(format!("rules.hash_key_secret_id: what is in {id}"));
        }
        if let Some(RulesSource::S3 { bucket, key }) = &config.rules.source {
            unchecked(format!("rules.file: what is in s3://{bucket}/{key}"));
        }
    }
    for target in config.targets() {
        if let Some(RulesSource::Path(_)) = &config.rules.source {
            match count_rules(config, target, transforms.clone()).await {
                Ok(count) => report.rules = Some(count),
                Err(error) => errors.push(error),
            }
        }
        match target::check_settings(config, target) {
            Ok(found) => {
                let name =
                    |found: Unchecked| format!("{}: {}", target.setting(found.setting), found.what);
                report.unchecked.extend(found.into_iter().map(name));
            }
            Err(error) => errors.push(error),
        }
    }
    if storage::uses_data_folder(config)
        && let Err(error) = check_creatable(&config.data_dir)
    {
        let folder = config.data_dir.display();
        errors.push(StartError::Invalid(format!("data_dir: {folder}: {error}")));
    }
    match errors.is_empty() {
        true => Ok(report),
        false => Err(StartErrors(errors)),
    }
}

/// Reads the rules of a target. Returns how many there are.
async fn count_rules(
    config: &Config,
    target: &TargetConfig,
    transforms: Transforms,
) -> Result<usize, StartError> {
    let key = match &config.rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(_)) => Some(HashKey::stand_in()),
        None => None,
    };
    let options = rule_options(config, target, transforms);
    let rules = target::read_rules(config, key, &Aws::new(), options).await?;
    Ok(rules.current().rules.len())
}
