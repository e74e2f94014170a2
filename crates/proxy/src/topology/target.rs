//! One target, from its configuration to the pipeline that delivers to it, in two steps.
//!
//! [`TargetPlan::read`] reads its credential and rules, and changes nothing outside the process. [`TargetPlan::open`] opens the
//! target. Between the two, `delivery.rs` reads the plans of the other targets. Also called by the batch function.

use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use aws::secrets_manager::{self, ReadError};
use targets::{Credential, OpenError, OpenQuestion, Resources, Target, TargetConfig};
use transform::{Builtins, Transforms};

use super::storage::uses_data_folder;
use super::{StartError, StartErrors};
use crate::aws_error::summarize;
use crate::config::{Config, ConfigError, HashKey, HashKeySource, PipelineConfig, RulesFile};
use crate::lookup::Lookups;
use crate::pipeline::{CoalesceBuffer, Pipeline, builtins};
use crate::queue::{Queue, QueueConfig};
use crate::rules::{LoadedRules, RuleOptions, RuleStore, RulesError, RulesKey};

/// How long a start waits for a secret.
const SECRET_TIMEOUT: Duration = Duration::from_secs(10);

/// A target that is not open yet, with its credential and its rules.
#[derive(Debug)]
pub struct TargetPlan {
    config: PipelineConfig,
    credential: Option<Credential>,
    rules: RuleStore,
}

impl TargetPlan {
    /// Reads the credential and the rules of a target. Reports all errors in them.
    pub async fn read(
        config: &PipelineConfig,
        aws: &Aws,
        options: RuleOptions,
    ) -> Result<TargetPlan, StartErrors> {
        let rules = read_all_rules(config, aws, options);
        let credential = async {
            let credential = config.target.kind.credential(aws).await;
            credential.map_err(|error| open_error(&config.target, error))
        };
        match tokio::join!(credential, rules) {
            (Ok(credential), Ok(rules)) => Ok(TargetPlan {
                config: config.clone(),
                credential,
                rules,
            }),
            (credential, rules) => {
                let errors = [credential.err(), rules.err()].into_iter().flatten();
                Err(StartErrors(errors.collect()))
            }
        }
    }

    /// The rules, as they were read.
    pub(super) fn rules(&self) -> Arc<LoadedRules> {
        self.rules.current()
    }

    /// Opens the target. Returns the pipeline from the queue to it.
    pub async fn open(
        self,
        config: &Config,
        aws: &Aws,
        queue: Queue,
    ) -> Result<Pipeline, StartErrors> {
        let resources = Resources {
            aws,
            credential: self.credential.as_ref(),
        };
        let opened = Target::open(&self.config.target, resources).await;
        let target = opened.map_err(|error| open_error(&self.config.target, error))?;
        let lookups = match self.config.redshift_lookup {
            true => Lookups::new(&aws.assume(self.config.redshift_role.as_ref(), "lookup")),
            false => Lookups::disabled(),
        };
        let pipeline = &self.config;
        Ok(Pipeline::new(
            config, pipeline, queue, target, lookups, self.rules,
        ))
    }
}

/// Checks the settings of a target, as far as they can be checked without opening it. Returns what is left unchecked.
pub(super) fn check_settings(
    config: &Config,
    target: &TargetConfig,
) -> Result<Vec<OpenQuestion>, StartError> {
    let data_dir = uses_data_folder(config).then_some(config.data_dir.as_path());
    (target.kind.check(data_dir)).map_err(|error| open_error(target, error))
}

/// What the rules of a target of `serve` may use.
pub fn rule_options(
    config: &Config,
    pipeline: &PipelineConfig,
    transforms: Transforms,
) -> RuleOptions {
    let visibility = config.queue.visibility_timeout();
    RuleOptions {
        transforms,
        max_window: Some(CoalesceBuffer::max_window(
            visibility,
            receive_delay(config, pipeline),
        )),
        targets: (config.pipelines())
            .map(|pipeline| pipeline.target.name.clone())
            .collect(),
        builtins: Builtins::default(),
    }
}

/// The coalesce buffer of a pipeline of `serve`.
pub(super) fn coalesce_buffer(config: &Config, pipeline: &PipelineConfig) -> CoalesceBuffer {
    match config.queue.is_fifo() {
        // A FIFO queue delivers no further event of a run while one of its events is held back.
        true => CoalesceBuffer::disabled(),
        false => CoalesceBuffer::new(
            config.queue.visibility_timeout(),
            receive_delay(config, pipeline),
        ),
    }
}

/// How long an event may have been invisible when its batch begins: SQS returns the events of a batch one after another.
fn receive_delay(config: &Config, pipeline: &PipelineConfig) -> Duration {
    match &config.queue {
        QueueConfig::Sqs(_) => pipeline.batch.window + Duration::from_secs(1),
        QueueConfig::Embedded(_) => Duration::ZERO,
    }
}

/// Reads the rules of a target for the first time, with those that it needs.
pub async fn read_all_rules(
    config: &PipelineConfig,
    aws: &Aws,
    options: RuleOptions,
) -> Result<RuleStore, StartError> {
    let options = RuleOptions {
        builtins: builtins(
            config.target.kind.capabilities(),
            &config.redshift,
            config.when.as_ref(),
        ),
        ..options
    };
    let hash_key = hash_key(&config.rules, aws).await?;
    read_rules(&config.rules, hash_key, aws, options).await
}

/// Reads the rules file for the first time.
pub(super) async fn read_rules(
    config: &RulesFile,
    hash_key: Option<RulesKey>,
    aws: &Aws,
    options: RuleOptions,
) -> Result<RuleStore, StartError> {
    let rules = RuleStore::open(config, hash_key, aws, options).await;
    rules.map_err(|error| {
        let message = ConfigError::about(&config.setting, error.to_string());
        match error {
            RulesError::Unavailable(_) => StartError::Temporary(message),
            RulesError::Unreadable(_) | RulesError::Invalid { .. } => StartError::Invalid(message),
        }
    })
}

/// The key of hashes, from the configuration or from its secret.
async fn hash_key(rules: &RulesFile, aws: &Aws) -> Result<Option<RulesKey>, StartError> {
    match &rules.hash_key {
        Some(HashKeySource::Key(key)) => Ok(Some(RulesKey::fixed(key.clone()))),
        Some(HashKeySource::SecretId(id)) => {
            let setting = "rules.hash_key_secret_id";
            let key = HashKey::new(secret_text(aws, setting, id).await?);
            let invalid = |error: String| StartError::Invalid(ConfigError::about(setting, error));
            let key = key.map_err(invalid)?;
            Ok(Some(RulesKey::of_secret(key, aws, id)))
        }
        None => Ok(None),
    }
}

/// Reads a secret whose text is a key, for the first time.
async fn secret_text(aws: &Aws, setting: &str, id: &str) -> Result<String, StartError> {
    let text = secrets_manager::read_text(aws, id, SECRET_TIMEOUT).await;
    let text = text.map_err(|error| {
        let message = ConfigError::about(setting, format!("{id}: {}", summarize(&error)));
        match error.may_pass() {
            true => StartError::Temporary(message),
            false => StartError::Missing(message), // it does not exist, or access is denied
        }
    })?;
    match text.trim() {
        "" => {
            let error = ReadError::NoText;
            let message = format!("{id}: {error}");
            Err(StartError::Invalid(ConfigError::about(setting, message)))
        }
        key => Ok(key.to_owned()),
    }
}

fn open_error(config: &TargetConfig, error: OpenError) -> StartError {
    match error {
        OpenError::File {
            setting,
            path,
            error,
        } => {
            let setting = config.setting(setting);
            StartError::io(&setting, path.display(), &error).of_target()
        }
        OpenError::Credential {
            setting,
            message,
            is_transient,
        } => {
            let message = ConfigError::about(config.setting(setting), message);
            match is_transient {
                true => StartError::Temporary(message),
                false => StartError::Missing(message), // it does not exist, or access is denied
            }
        }
        OpenError::Invalid { setting, message } => {
            StartError::Invalid(ConfigError::about(config.setting(setting), message))
        }
    }
}
