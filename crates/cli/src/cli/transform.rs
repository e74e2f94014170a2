//! `lineage-proxy transform`: the workbench for rules.
//!
//! `transform` itself shows what happens to events; `check`, `test`, `explain` and `replay` examine the rules. The
//! crate `transform` applies the rules; these commands print the results, as coloured text or as JSON.

mod check;
mod explain;
mod replay;
mod show;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::transform::{Builtins, Conditions, Redshift, RuleSet, Transforms};
use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};
use openlineage::{Event, Level};
use proxy::config::{
    Config, Errors, HashKey, HashKeySource, Layers, PipelineConfig, Role, RulesSource,
};
use proxy::pipeline::{Adapter, builtins};
use proxy::rules::{RuleOptions, RulesError, read_path};
use proxy::topology::rule_options;
use targets::{Kind, TargetConfig};

use super::input::LocatedEvent;
use super::{FINE, Output, input, no};

pub(super) use replay::Summary;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = super::FORMS)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: show::Show,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report all errors of a rules file, and rules that can never have an effect.
    Check(check::Arguments),
    /// Run the examples of a rules file.
    Test(test::Arguments),
    /// Show which rules apply to an event, which condition the others do not meet, and which rule changes which name.
    #[command(after_help = super::FORMS)]
    Explain(explain::Arguments),
    /// Apply the rules to an archive of events, and summarise what would change.
    #[command(after_help = super::FORMS)]
    Replay(replay::Arguments),
    /// Print the JSON Schema of rules files, for editors.
    Schema,
}

/// The arguments that select a rules file.
#[derive(Debug, Clone, Args)]
struct File {
    /// The rules file [default: that of --config, else transforms.yaml].
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The settings that `serve` will run with: its rules file, hash key and queue. With several targets, those of the
    /// first, or of --target where the command has it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments that select a target.
#[derive(Debug, Clone, Args)]
struct TargetArgs {
    /// The target that the events are for: a kind of target, or the name of a target of --config [default: the target of
    /// --config, else store].
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

/// `--target` is neither the name of a configured target nor a kind.
#[derive(Debug, thiserror::Error)]
#[error("--target: expected one of {}, found {found:?}", .expected.join(", "))]
pub(super) struct UnknownTarget {
    expected: Vec<String>,
    found: String,
}

pub(super) fn run(
    arguments: Arguments,
    transforms: Transforms,
    environment: Layers,
) -> anyhow::Result<ExitCode> {
    let loader = RuleLoader {
        transforms,
        environment,
    };
    match arguments.command {
        None => show::run(&arguments.show, &loader),
        Some(Command::Check(arguments)) => check::run(&arguments, &loader),
        Some(Command::Test(arguments)) => test::run(&arguments, &loader),
        Some(Command::Explain(arguments)) => explain::run(&arguments, &loader),
        Some(Command::Replay(arguments)) => replay::run(&arguments, &loader),
        Some(Command::Schema) => {
            super::print(::transform::SCHEMA.trim_end())?;
            Ok(FINE)
        }
    }
}

/// Reads rules for every command of the workbench.
struct RuleLoader {
    transforms: Transforms,
    environment: Layers,
}

/// A rules file, what it may contain, and the configured target.
struct RulesLocation {
    /// `None` where events are only selected.
    path: Option<PathBuf>,
    options: RuleOptions,
    hash_key: Option<HashKey>,
    target: Option<TargetConfig>,
    /// The events that the configured target gets.
    when: Option<Conditions>,
}

impl RuleLoader {
    /// Locates the rules file of the target with that name, or else of the first. With a configuration, its contents are
    /// limited as in `serve`; without one, everything is allowed that some configuration allows.
    fn locate(&self, file: &File, target: Option<&str>) -> anyhow::Result<RulesLocation> {
        let given = file.rules.clone();
        let Some(config) = &file.config else {
            let config = Config::read(self.environment.clone(), Role::Tool)?;
            return Ok(RulesLocation {
                path: Some(given.unwrap_or_else(|| PathBuf::from("transforms.yaml"))),
                options: RuleOptions {
                    transforms: self.transforms.clone(),
                    max_window: None,
                    targets: Vec::new(),
                    builtins: Builtins::default(),
                },
                hash_key: Some(hash_key(&config.pipeline).unwrap_or_else(HashKey::stand_in)),
                target: None,
                when: None,
            });
        };
        let settings = self.environment.clone().over(super::settings(config)?);
        let config = Config::read(settings, Role::Serve)?;
        let named = |it: &&PipelineConfig| target == Some(it.target.name.as_str());
        let pipeline = config.pipelines().find(named).unwrap_or(&config.pipeline);
        let setting = &pipeline.rules.setting;
        let path = match (given, &pipeline.rules.source) {
            (Some(path), _) => Some(path),
            (None, Some(RulesSource::Path(path))) => Some(path.clone()),
            (None, Some(RulesSource::S3 { bucket, key })) => {
                let why = format!(
                    "{setting}: s3://{bucket}/{key} is read by serve; say --rules for a copy of it here"
                );
                return Err(Errors::general(why).into());
            }
            (None, None) if pipeline.when.is_some() => None,
            (None, None) => return Err(no_rules().into()),
        };
        Ok(RulesLocation {
            path,
            options: rule_options(&config, pipeline, self.transforms.clone()),
            hash_key: hash_key(pipeline),
            target: Some(pipeline.target.clone()),
            when: pipeline.when.clone(),
        })
    }

    /// The rules, followed by those that the target needs; and the target.
    fn complete(&self, file: &File, target: &TargetArgs) -> anyhow::Result<(RuleSet, Adapter)> {
        let located = self.locate(file, target.target.as_deref())?;
        let adapter = target.adapter(located.target.as_ref())?;
        let rules = complete(located.read()?, &adapter, located.when(&adapter));
        Ok((rules, adapter))
    }
}

fn no_rules() -> Errors {
    Errors::general("rules.file: not set, so serve applies no rules; say --rules for a file")
}

/// Returns the configured hash key. A key in Secrets Manager is not read, so hashes differ from those of `serve`.
fn hash_key(pipeline: &PipelineConfig) -> Option<HashKey> {
    match &pipeline.rules.hash_key {
        Some(HashKeySource::Key(key)) => Some(key.clone()),
        Some(HashKeySource::SecretId(_)) => Some(HashKey::stand_in()),
        None => None,
    }
}

impl RulesLocation {
    /// The rules file, for commands that are about it.
    fn path(&self) -> Result<&Path, Errors> {
        self.path.as_deref().ok_or_else(no_rules)
    }

    fn read(&self) -> anyhow::Result<RuleSet> {
        let key = self.hash_key.as_ref().map(HashKey::bytes);
        match &self.path {
            Some(path) => Ok(read_path(path, &self.options, key)?),
            None => Ok(RuleSet::default()),
        }
    }

    /// The conditions of a target: another one than the configured target gets all events.
    fn when(&self, adapter: &Adapter) -> Option<&Conditions> {
        let configured = self.target.as_ref();
        let is_configured = configured.is_some_and(|target| target.name == adapter.target);
        self.when.as_ref().filter(|_| is_configured)
    }
}

impl TargetArgs {
    /// Finds the target: the one that is `configured` if it has that name, or one of that kind with its default settings.
    fn adapter(&self, configured: Option<&TargetConfig>) -> Result<Adapter, UnknownTarget> {
        let own = configured.map(|target| Adapter {
            target: target.name.clone(),
            capabilities: target.kind.capabilities(),
        });
        let of_kind = |kind: Kind| Adapter {
            target: kind.into(),
            capabilities: kind.capabilities(),
        };
        let Some(wanted) = &self.target else {
            return Ok(own.unwrap_or_else(|| of_kind(Kind::Store)));
        };
        let mut expected: Vec<String> = Vec::new();
        for adapter in own.into_iter().chain(Kind::ALL.map(of_kind)) {
            let name = adapter.target.to_string();
            if name == *wanted {
                return Ok(adapter);
            }
            // A target may be named after its kind.
            if !expected.contains(&name) {
                expected.push(name);
            }
        }
        Err(UnknownTarget {
            expected,
            found: wanted.clone(),
        })
    }
}

/// Returns the rules with those that the target needs. Redshift names stay unchanged, because nothing is looked up.
fn complete(rules: RuleSet, adapter: &Adapter, when: Option<&Conditions>) -> RuleSet {
    let redshift = Redshift {
        style: ::transform::Style::None,
        ..Redshift::default()
    };
    rules.with_builtins(&builtins(adapter.capabilities, &redshift, when))
}

/// Reads an event of a file. Returns why it is invalid otherwise.
fn event(found: &LocatedEvent) -> Result<Event, String> {
    let read = Event::read(&found.text, Level::Repair);
    read.map(|read| read.event)
        .map_err(|refused| format!("{}: {refused}{}", found.place(), found.which()))
}

/// Prints, with colours on a terminal. A reader that closes the pipe is not an error.
fn paint(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match writeln!(anstream::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn coloured(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Shortens a JSON text for a line.
fn short(text: &str) -> String {
    const LONGEST: usize = 160;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONGEST).collect();
    format!("{head}… ({} bytes)", text.len())
}

fn exit(fine: bool) -> ExitCode {
    if fine { FINE } else { no() }
}
