//! A configuration with several targets: read once for each of them, as if it were the only one, and put together.
//!
//! So the settings of every target are read and checked by the same code, with `targets.NAME.…` where a message names one.
//! What the targets require of each other is checked here. Called by `config.rs` and `show.rs`.

use queue::QueueConfig;

use super::problems::{ConfigError, InvalidConfig, Origins, Problems};
use super::raw::Raw;
use super::rules::RulesFile;
use super::source::{self, SourceView};
use super::{Config, Layers, Role};

/// The settings as they are written for one target, and its configuration.
pub(super) struct TargetView {
    pub(super) raw: Raw,
    pub(super) config: Config,
    pub(super) problems: Problems,
}

/// Reads and validates all settings. Returns the configuration, the view of each target, and the sources.
pub(super) fn read(
    layers: Layers,
    role: Role,
) -> Result<(Config, Vec<TargetView>, Vec<SourceView>), InvalidConfig> {
    let mut views = Vec::new();
    let mut rules: Vec<RulesFile> = Vec::new();
    let mut all = Problems::default();
    let mut origins = Origins::default();
    let entries = layers.entries();
    for layers in layers.for_each_target() {
        let (raw, mut problems) = layers.read();
        let config = raw.clone().validate(role, &mut problems);
        for error in &problems.errors {
            // What is wrong for all targets is reported once.
            if !all.errors.contains(error) {
                all.errors.push(error.clone());
            }
        }
        origins.extend(problems.origins.values());
        let file = RulesFile::to_check(&raw, &problems);
        if let Some(file) = file
            && !rules.iter().any(|other| other.source == file.source)
        {
            rules.push(file);
        }
        if let Some(config) = config {
            views.push(TargetView {
                raw,
                config,
                problems,
            });
        }
    }
    let mut read = Vec::new();
    for entry in entries {
        let mut problems = Problems::default();
        read.extend(source::read(entry, &mut problems));
        origins.extend(problems.origins.values());
        all.errors.extend(problems.errors);
    }
    check_together(&views, role, &mut all.errors);
    match all.check(together(&views)) {
        Ok(config) => {
            let sources = read.iter().filter_map(SourceView::config).collect();
            let config = Config {
                origins,
                sources,
                ..config
            };
            Ok((config, views, read))
        }
        Err(errors) => Err(InvalidConfig {
            errors,
            rules,
            origins,
        }),
    }
}

/// The configuration with the targets of all views.
fn together(views: &[TargetView]) -> Option<Config> {
    let mut configs = views.iter().map(|view| &view.config);
    let mut config = configs.next()?.clone();
    config.further = configs.map(|other| other.pipeline.clone()).collect();
    Some(config)
}

/// Reports what the targets require of each other.
fn check_together(views: &[TargetView], role: Role, errors: &mut Vec<ConfigError>) {
    let [first, second, ..] = views else {
        return;
    };
    let needs_one = match (role, &first.config.queue) {
        (Role::Ingest | Role::Batch | Role::Check | Role::Source, _) => {
            Some("a function delivers to one target: only serve with its own queue has several")
        }
        (Role::Serve | Role::Tool, QueueConfig::Sqs(_)) => Some(
            "cannot be combined with queue.url: an SQS queue has one target, and each message is received once",
        ),
        (Role::Serve | Role::Tool, QueueConfig::Embedded(_)) => None,
    };
    if let Some(message) = needs_one {
        errors.push(error_at(second, message.to_owned()));
    }
    for (place, view) in views.iter().enumerate() {
        let target = &view.config.pipeline.target;
        let earlier = views
            .iter()
            .take(place)
            .map(|view| &view.config.pipeline.target);
        let mut same = earlier.filter(|other| other.kind.is_same_destination(&target.kind));
        if let Some(other) = same.next() {
            let message = format!("is the same destination as {}", other.section);
            errors.push(error_at(view, message));
        }
    }
}

/// An error about a target, at its `type`.
fn error_at(view: &TargetView, message: String) -> ConfigError {
    let origin = view.problems.origins.get("target");
    ConfigError {
        setting: Some(view.config.pipeline.target.section.clone()),
        origin: origin.map(|origin| origin.place.clone()),
        message,
    }
}
