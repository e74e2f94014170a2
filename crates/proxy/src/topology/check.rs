//! Checks before a start: everything that `serve` looks at when it starts, without leaving anything behind.
//!
//! Binds no port, creates no folder or file and calls no service; what only that would tell is listed as unchecked. The parts
//! are checked by the code that opens them. Called by `lineage-proxy config check` and `serve --check`.

use std::collections::{BTreeMap, BTreeSet};

use aws::Aws;
use journal::check_creatable;
use targets::{OpenQuestion, TargetName};
use transform::Transforms;

use super::{StartError, StartErrors, rule_options, storage, target};
use crate::config::{
    Config, ConfigError, Errors, HashKey, HashKeySource, InvalidConfig, PipelineConfig, RulesFile,
    RulesSource,
};
use crate::queue::{Destination, QueueConfig};
use crate::rules::{RuleOptions, RuleStore, RulesKey};

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
    for source in config.running_sources() {
        let (name, kind) = (&source.name, source.kind.kind().name());
        unchecked(format!("sources.{name}: whether {kind} can be read"));
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
                let name = |found: OpenQuestion| {
                    format!("{}: {}", target.setting(found.setting), found.what)
                };
                found.into_iter().map(name).for_each(&mut unchecked);
            }
            Err(error) => errors.push(error),
        }
    }
    if storage::uses_data_folder(config)
        && let Err(error) = check_creatable(&config.data_dir)
    {
        let message = format!("{}: {error}", config.data_dir.display());
        errors.push(StartError::Invalid(ConfigError::about("data_dir", message)));
    }
    // What the targets share is named once.
    let mut seen = BTreeSet::new();
    report.unchecked.retain(|what| seen.insert(what.clone()));
    match errors.is_empty() {
        true => Ok(report),
        false => Err(StartErrors(errors).located(&config.origins)),
    }
}

/// Reads the rules files on this machine that invalid settings name. Returns all errors, those of the settings first. What
/// rules require of other settings (the names of targets, windows) is left to a check of valid ones.
pub async fn check_rules(invalid: InvalidConfig, transforms: &Transforms) -> Errors {
    let Errors(mut errors) = invalid.errors;
    for rules in &invalid.rules {
        match &rules.source {
            Some(RulesSource::Path(_)) => {}
            Some(RulesSource::S3 { .. }) | None => continue,
        }
        let options = RuleOptions {
            transforms: transforms.clone(),
            ..RuleOptions::default()
        };
        if let Err(error) = read_rules(rules, options).await {
            errors.push(invalid.origins.locate(error.into_error()));
        }
    }
    Errors(errors)
}

/// Reads the rules of a target. Returns how many there are.
async fn count_rules(
    config: &Config,
    pipeline: &PipelineConfig,
    transforms: Transforms,
) -> Result<usize, StartError> {
    let options = rule_options(config, pipeline, transforms);
    let rules = read_rules(&pipeline.rules, options).await?;
    Ok(rules.current().rules.len())
}

/// Reads rules without the secret with their key.
async fn read_rules(rules: &RulesFile, options: RuleOptions) -> Result<RuleStore, StartError> {
    let key = match &rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(_)) => Some(HashKey::stand_in()),
        None => None,
    };
    let key = key.map(RulesKey::fixed);
    target::read_rules(rules, key, &Aws::new(), options).await
}
