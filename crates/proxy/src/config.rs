//! The configuration: every setting, its default and its limits, read once at the start.
//!
//! [`Layers`] contains what flags, environment and file set; `raw.rs` lists the settings as they are written;
//! `validate.rs` builds a [`Config`], which is complete and valid. All errors are reported together, with exit status
//! 64. Only [`Layers::environment`] reads the environment. Called by the mains.

mod formats;
mod injected;
mod keys;
mod layers;
mod names;
mod problems;
mod raw;
mod rules;
mod several;
mod show;
mod source;
mod start;
mod target;
mod validate;
mod when;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fetch::KindConfig;
use openlineage::Level;
use queue::QueueConfig;
use targets::TargetConfig;
use transform::{Conditions, Redshift};

pub use self::formats::Part;
pub use self::keys::{Key, KeyEntry, KeyError, KeyRole, RateLimit, hash};
pub use self::layers::Layers;
pub use self::names::{PREFIX, all as settings, variable};
pub use self::problems::{ConfigError, Errors, InvalidConfig, Origins};
pub use self::rules::{HashKey, HashKeySource, RulesFile, RulesSource};
pub use self::show::EffectiveSetting;
pub use self::source::source_settings;
pub use self::start::StartFrom;
pub use ::settings::{Entry, PointInTime};

pub(crate) use self::keys::{key_entries, too_many};

/// The role of the process, which decides what settings it requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `serve`: everything on one machine.
    Serve,
    /// The ingest function.
    Ingest,
    /// The batch function.
    Batch,
    /// The check function.
    Check,
    /// The source function.
    Source,
    /// A command that reads or changes the data of a `serve`.
    Tool,
}

/// All settings, valid and complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address that `serve` listens on.
    pub listen: SocketAddr,
    /// The folder in which `serve` keeps its events.
    pub data_dir: PathBuf,
    /// How requests are accepted.
    pub ingest: Ingest,
    /// The queue between ingest and delivery.
    pub queue: QueueConfig,
    /// The pipeline to the target, or to the first of several.
    pub pipeline: PipelineConfig,
    /// The pipelines to the other targets.
    pub further: Vec<PipelineConfig>,
    /// The sources that `serve` reads.
    pub sources: Vec<SourceConfig>,
    /// The check function.
    pub check: Check,
    /// The table in which the source function remembers what it has seen.
    pub function_table: Option<String>,
    /// Where the source function sets aside what cannot be read because of a bug.
    pub function_dead_letters: Option<queue::QueueUrl>,
    /// The CloudWatch namespace of the metrics of the functions.
    pub metrics_namespace: String,
    /// How long what happened to each event is remembered.
    pub history: history::Retention,
    /// The largest number of open connections of `serve`.
    pub max_connections: usize,
    /// The half of `serve` that runs, if not both.
    pub only: Option<Part>,
    /// The filter of the log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// Where the settings were set, for errors that are found later.
    pub origins: Origins,
}

/// The way of events from the queue to one target.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The target.
    pub target: TargetConfig,
    /// The events that the target gets, if not all.
    pub when: Option<Conditions>,
    /// Where in the log the target starts if it is new, if that is not the usual start.
    pub start_from: Option<StartFrom>,
    /// How events are received from the queue and delivered.
    pub batch: Batch,
    /// The rules file.
    pub rules: RulesFile,
    /// How the names of Redshift datasets are written.
    pub redshift: Redshift,
    /// Whether short names of Redshift are looked up with AWS.
    pub redshift_lookup: bool,
    /// The role that is assumed for that.
    pub redshift_role: Option<aws::Role>,
}

/// A source that `serve` reads.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name, by which its position is kept: `sources.NAME` in the file.
    pub name: String,
    /// How long it waits after it has seen all there is.
    pub interval: Duration,
    /// Its kind, with the settings of that.
    pub kind: KindConfig,
}

/// How requests are accepted.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// A prefix of every path, such as the base path of a custom domain: empty, or `/lineage`.
    pub path_prefix: String,
    /// How events are validated.
    pub level: Level,
    /// The largest body as sent, in bytes.
    pub max_body_size: usize,
    /// The largest body when decompressed, in bytes.
    pub max_decompressed_size: usize,
    /// The memory for the bodies of all requests, in bytes; once it is used up, requests get `503`.
    pub max_body_memory: usize,
    /// Host names by which clients may read, besides the address of `serve`.
    pub allowed_hosts: Vec<String>,
    /// Who may send and read.
    pub auth: Auth,
    /// Whether `serve` has the page.
    pub page: bool,
}

/// Who may send and read.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// The keys of the configuration.
    pub keys: Vec<Key>,
    /// A secret of Secrets Manager with further keys.
    pub secret_id: Option<String>,
    /// Whether anyone may send, and also read if there is no key with the role `read`.
    pub anonymous: bool,
}

/// How events are received from the queue and delivered.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The largest number of events in a batch; a target on this machine gets several batches at once while they wait.
    pub size: usize,
    /// How long the first event of a batch waits for others.
    pub window: Duration,
    /// How many deliveries are in progress at once.
    pub concurrency: usize,
    /// How long another copy of an event is dropped as a duplicate.
    pub deduplication_window: Duration,
}

/// The check function.
#[derive(Debug, Clone)]
pub struct Check {
    /// The period that one run checks: the time between two runs.
    pub period: Duration,
}

impl Config {
    /// Returns the pipelines to all targets.
    pub fn pipelines(&self) -> impl Iterator<Item = &PipelineConfig> {
        std::iter::once(&self.pipeline).chain(&self.further)
    }

    /// Returns the pipelines that `serve` runs: none if it only accepts events.
    pub fn running_pipelines(&self) -> impl Iterator<Item = &PipelineConfig> {
        let runs = match self.only {
            Some(Part::Ingest) => false,
            Some(Part::Batch) | None => true,
        };
        self.pipelines().filter(move |_| runs)
    }

    /// Returns the sources that `serve` reads: none if it only delivers.
    pub fn running_sources(&self) -> impl Iterator<Item = &SourceConfig> {
        let runs = match self.only {
            Some(Part::Batch) => false,
            Some(Part::Ingest) | None => true,
        };
        self.sources.iter().filter(move |_| runs)
    }

    /// Returns the names of all targets.
    pub fn target_names(&self) -> Vec<&str> {
        let names = self
            .pipelines()
            .map(|pipeline| pipeline.target.name.as_str());
        names.collect()
    }

    /// Reads and validates all settings for `role`. Reports all errors.
    pub fn read(layers: Layers, role: Role) -> Result<Config, Errors> {
        Config::read_to_check(layers, role).map_err(|invalid| invalid.errors)
    }

    /// Reads the settings of one source of this kind: those of the source `name` of the file, if one is named, and over them
    /// `set`, which flags have set. Reports all errors.
    pub fn read_source(
        layers: &Layers,
        name: Option<&str>,
        kind: fetch::Kind,
        set: &[(String, String)],
    ) -> Result<SourceConfig, Errors> {
        source::read_one(layers, name, kind, set)
    }

    /// The same for what was saved of such a source, in place of its service; nothing for logs. `objects` is a folder with the
    /// objects that messages of Flyte name.
    pub fn read_saved(
        layers: &Layers,
        name: Option<&str>,
        kind: fetch::Kind,
        set: &[(String, String)],
        objects: Option<PathBuf>,
    ) -> Result<Option<fetch::SavedSource>, Errors> {
        source::read_saved(layers, name, kind, set, objects)
    }

    /// Reads and validates all settings, and returns what can be checked in spite of errors.
    pub fn read_to_check(layers: Layers, role: Role) -> Result<Config, InvalidConfig> {
        several::read(layers, role).map(|(config, _, _)| config)
    }
}

#[cfg(test)]
mod tests;
