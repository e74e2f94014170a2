//! Checks before a start: everything that `serve` looks at when it starts, without leaving anything behind.
//!
//! Binds no port, creates no folder or file and calls no service; what only that would tell is listed as unchecked. The parts
//! are checked by the code that opens them. Called by `lineage-proxy config check` and `serve --check`.

use std::collections::{BTreeMap, BTreeSet};

use aws::Aws;
use journal::check_creatable;
use targets::{TargetName, Unchecked};
use transform::Transforms;

use super::{StartError, StartErrors, rule_options, storage, target};
use crate::config::{Config, HashKey, HashKeySource, PipelineConfig, RulesSource};
use crate::queue::{Destination, QueueConfig};

/// A configuration that `serve` can start with.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The number of rules for each target that has a rules file which can be read here.
    pub rules: BTreeMap<TargetName, usize>,
    /// What only a start can tell.
    pub unchecked: Vec<String>,
}

/// Checks a configuration. Reports everything that would keep `serve` from starting, or from opening a target.
pub async fn check(config: &Config, transforms: Transforms) -> Result<CheckReport, StartErrors> {
    let mut report = CheckReport::default();
    let mut errors = Vec::new();
    let mut unchecked = |what: String| report.unchecked.push(what);
    unchecked(format!("whether {} is free", config.listen));
    if let Some(id) = &config.ingest.auth.secret_id {
        unchecked(format!("auth.secret_id: what is in {id}"));
    }
    if let QueueConfig::Sqs(settings) = &config.queue {
        if let Some(queue) = &settings.queue {
            unchecked(format!("queue.url: whether {} can be reached", queue.url()));
        }
        if let Destination::Topic(topic) = &settings.destination {
            let arn = topic.arn();
            unchecked(format!(
                "queue.topic_arn: whether {arn} can be published to"
            ));
        }
    }
    for pipeline in config.running_pipelines() {
        let (target, rules) = (&pipeline.target, &pipeline.rules);
        if let Some(HashKeySource::SecretId(id)) = &rules.hash_key {
            unchecked(format!("rules.hash_key_secret_id: what is in {id}"));
        }
        match &rules.source {
            None => {}
            Some(RulesSource::S3 { bucket, key }) => {
                unchecked(format!("{}: what is in s3://{bucket}/{key}", rules.setting));
            }
            Some(RulesSource::Path(_)) => {
                match count_rules(config, pipeline, transforms.clone()).await {
                    Ok(count) => drop(report.rules.insert(target.name.clone(), count)),
                    Err(error) => errors.push(error),
                }
            }
        }
        match target::check_settings(config, target) {
            Ok(found) => {
                let name =
                    |found: Unchecked| format!("{}: {}", target.setting(found.setting), found.what);
                found.into_iter().map(name).for_each(&mut unchecked);
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
    // What the targets share is named once.
    let mut seen = BTreeSet::new();
    report.unchecked.retain(|what| seen.insert(what.clone()));
    match errors.is_empty() {
        true => Ok(report),
        false => Err(StartErrors(errors)),
    }
}

/// Reads the rules of a target. Returns how many there are.
async fn count_rules(
    config: &Config,
    pipeline: &PipelineConfig,
    transforms: Transforms,
) -> Result<usize, StartError> {
    let key = match &pipeline.rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(_)) => Some(HashKey::stand_in()),
        None => None,
    };
    let options = rule_options(config, pipeline, transforms);
    let rules = target::read_rules(&pipeline.rules, key, &Aws::new(), options).await?;
    Ok(rules.current().rules.len())
}
