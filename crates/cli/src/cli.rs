//! The commands, their arguments, and the function that runs each.
//!
//! Output is for people, or JSON with `--output json`.

mod config;
mod dead_letters;
mod demo;
mod doctor;
mod events;
mod extract;
mod healthcheck;
mod input;
mod keys;
mod package;
mod replay;
mod send;
mod serve;
mod stack;
mod table;
mod transform;
mod validate;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use ::transform::Transforms;
use proxy::config::{Config, Errors, Layers, Role};
use proxy::queue::QueueError;
use proxy::rules::RulesError;
use proxy::topology::StartErrors;

/// Accepts OpenLineage events over HTTP, queues them durably, and delivers them to targets such as Amazon DataZone, Marquez,
/// DataHub, files and archives.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lineage-proxy demo                               see what it does
  lineage-proxy config check --config proxy.yaml   check the settings
  lineage-proxy serve --config proxy.yaml          run with them
  lineage-proxy validate events.jsonl.gz           find errors
  lineage-proxy transform --diff events.jsonl      show what rules do

Exit status:
   0  success
   1  the answer is no: an invalid or rejected event, a failed example
   2  wrong usage
  64  a setting, the rules or a folder has to be corrected first
  70  a bug in lineage-proxy
  75  temporary failure: try again";

/// The end of the help of commands that read events.
const FORMS: &str = "\
A FILE contains JSON events: one a line, over several lines, in arrays, or as
GET /api/v1/events/lineage returns them. It may be compressed with gzip.
A folder means all files in it. `-` means standard input.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy on this machine.
    Serve(serve::Arguments),
    /// Show and check the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Start a proxy, send it the events of a small pipeline, and show the result.
    Demo(demo::Arguments),
    /// Find errors in events in files.
    #[command(after_help = FORMS)]
    Validate(validate::Arguments),
    /// Apply rules to events and show the result; check, test and explain rules.
    Transform(transform::Arguments),
    /// Send events in files to a proxy or any other OpenLineage endpoint.
    #[command(after_help = FORMS)]
    Send(send::Arguments),
    /// Extract lineage that no client sent: from logs, crawls, the history of a warehouse, messages.
    #[command(subcommand)]
    Extract(extract::Command),
    /// Send events again, from the log of serve, an archive or files.
    Replay(replay::Arguments),
    /// List, show, redrive and delete events that could not be delivered.
    DeadLetters(dead_letters::Arguments),
    /// Show what happened to events of a serve, or of a deployed stack from the request to the outcome.
    Events(events::Arguments),
    /// Check a deployed stack from end to end, and report how to repair it.
    Doctor(doctor::Arguments),
    /// Inspect the queue.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Generate API keys, and the hashes of keys for `auth.keys`.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check whether a running proxy can queue events.
    Healthcheck(healthcheck::Arguments),
    /// Print a completion script for a shell.
    Completions(package::Completions),
    /// Print the manual page, or write the pages of all commands.
    Man(package::Man),
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    /// Count the events that are waiting, in flight or dead-lettered.
    Status(dead_letters::QueueArgs),
    /// Delete for good what is kept for a target that is not configured any more. Asks for confirmation.
    Discard(dead_letters::DiscardArgs),
}

/// The flags of settings that the environment and the file can set, too. Their help comes from the list of settings
/// ([`command`]).
#[derive(Debug, Args)]
struct Common {
    /// A YAML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[arg(long)]
    allow_anonymous: bool,
    #[arg(long, value_name = "ingest|batch")]
    only: Option<String>,
}

/// How results are printed.
// Values without doc comments: each would make the help of every command longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Output {
    #[default]
    Text,
    Json,
}

/// Success.
const FINE: ExitCode = ExitCode::SUCCESS;
/// A negative result: an invalid event, a rejected event.
fn no() -> ExitCode {
    ExitCode::from(1)
}

/// Runs a command.
pub(crate) async fn run(cli: Cli, transforms: Transforms) -> ExitCode {
    let environment = Layers::from_env();
    let result = match cli.command {
        Command::Serve(arguments) => Box::pin(serve::run(arguments, transforms, environment)).await,
        Command::Config(command) => Box::pin(config::run(command, transforms, environment)).await,
        Command::Demo(arguments) => Box::pin(demo::run(arguments)).await,
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Transform(arguments) => transform::run(arguments, transforms, environment),
        Command::Send(arguments) => send::run(arguments).await,
        Command::Extract(command) => Box::pin(extract::run(command, environment)).await,
        Command::Replay(arguments) => replay::run(arguments, transforms, environment).await,
        Command::DeadLetters(arguments) => dead_letters::run(arguments, environment).await,
        Command::Events(arguments) => events::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Queue(QueueCommand::Status(arguments)) => {
            dead_letters::status(arguments, environment).await
        }
        Command::Queue(QueueCommand::Discard(arguments)) => {
            dead_letters::discard(arguments, environment).await
        }
        Command::Keys(command) => keys::run(&command),
        Command::Healthcheck(arguments) => healthcheck::run(arguments).await,
        Command::Completions(arguments) => package::completions(&arguments, command()),
        Command::Man(arguments) => package::man(&arguments, command()),
    };
    result.unwrap_or_else(|error| {
        tell(format_args!("lineage-proxy: {error:#}"));
        let status = if let Some(errors) = error.downcast_ref::<StartErrors>() {
            errors.exit_status()
        } else if let Some(error) = error.downcast_ref::<events::LookError>() {
            error.exit_status()
        } else if error.is::<Errors>() || error.is::<RulesError>() {
            64
        } else if error.is::<QueueError>()
            || error.is::<replay::ReplayError>()
            || error.is::<events::QueryError>()
        {
            75 // the queue or the logs are unreachable, or another process uses it; a replay can be resumed
        } else if error.is::<input::ReadError>()
            || error.is::<stack::StackError>()
            || error.is::<transform::UnknownTarget>()
            || error.is::<history::SearchError>()
        {
            2
        } else {
            70
        };
        ExitCode::from(status)
    })
}

/// The settings of the flags of [`Common`], by the id of the flag.
const FLAGS: [(&str, &str); 5] = [
    ("listen", "listen"),
    ("data_dir", "data_dir"),
    ("rules", "rules.file"),
    ("allow_anonymous", "auth.allow_anonymous"),
    ("only", "only"),
];

/// Returns the command line. The help of a flag for a setting comes from the list of settings.
pub(crate) fn command() -> clap::Command {
    let described = |command: clap::Command| {
        FLAGS.iter().fold(command, |command, (flag, setting)| {
            let entry = proxy::config::settings()
                .iter()
                .find(|entry| entry.name == *setting);
            match entry {
                Some(entry) => command.mut_arg(flag, |arg| {
                    let help = help(entry);
                    arg.help(help.0).long_help(help.1)
                }),
                None => command,
            }
        })
    };
    let noted = |command: clap::Command| {
        fetch::Kind::ALL.into_iter().fold(command, |command, kind| {
            command.mut_subcommand(kind.name(), |source| {
                let source = source.after_help(extract::notes(kind));
                let hidden = extract::unused(kind).iter();
                hidden.fold(source, |source, argument| {
                    source.mut_arg(argument, |argument| argument.hide(true))
                })
            })
        })
    };
    Cli::command()
        .mut_subcommand("extract", noted)
        .mut_subcommand("serve", described)
        .mut_subcommand("config", |command| {
            command
                .mut_subcommand("show", described)
                .mut_subcommand("check", described)
        })
}

/// Returns the help of a setting, short and long.
fn help(entry: &proxy::config::Entry) -> (String, String) {
    let text = plain(&entry.description);
    let first = text.split_inclusive(". ").next().unwrap_or(&text);
    let first = first.trim_end().trim_end_matches('.');
    let mut notes = String::new();
    if let Some(default) = entry
        .default
        .as_deref()
        .filter(|default| *default != "false")
    {
        notes += &format!(" [default: {default}]");
    }
    let variable = proxy::config::variable(&entry.name);
    (
        format!("{first}{notes}"),
        format!("{text}\n\n{notes} [env: {variable}]").replace("\n\n ", "\n\n"),
    )
}

/// Converts Markdown to plain text: links lose their addresses, code its backticks.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, name) = before.rsplit_once('[').unwrap_or((before, ""));
        text += before;
        text += name;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    (text + rest).replace('`', "")
}

impl Common {
    /// Returns the settings: flags, then environment, then file.
    fn layers(self, environment: Layers) -> Result<Layers, Errors> {
        let mut flags = Layers::default();
        let data_dir = self.data_dir.map(|folder| folder.display().to_string());
        let rules = self.rules.map(|file| file.display().to_string());
        let anonymous = self.allow_anonymous.then(|| "true".to_owned());
        let values = [self.listen, data_dir, rules, anonymous, self.only];
        for ((flag, setting), value) in FLAGS.iter().zip(values) {
            if let Some(value) = value {
                flags.set(setting, value, &format!("--{}", flag.replace('_', "-")));
            }
        }
        let layers = flags.over(environment);
        match self.config {
            Some(file) => Ok(layers.over(self::settings(&file)?)),
            None => Ok(layers),
        }
    }

    /// Reads the configuration of a command.
    fn config(self, environment: Layers, role: Role) -> Result<Config, Errors> {
        Config::read(self.layers(environment)?, role)
    }
}

/// Reads the settings of a file. The path of its rules file is relative to its folder.
fn settings(file: &Path) -> Result<Layers, Errors> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Errors::general(format!("{name}: {error}")))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    Ok(Layers::yaml(&name, &text).beside("rules.file", folder))
}

/// Prints to standard output. A reader that closes the pipe (`| head`) is not an error.
fn print(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints a line to standard error. If that cannot be written, nobody can be told.
pub(crate) fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_that_is_a_setting_is_in_the_list_of_settings() {
        command().debug_assert();
        for (flag, setting) in FLAGS {
            let known = proxy::config::settings();
            assert!(known.iter().any(|entry| entry.name == setting), "{flag}");
        }
    }

    #[test]
    fn links_and_code_of_documentation_are_plain_text_in_the_help() {
        let markdown = "See [Keys](#keys): `[::1]:5000`, or [rules](rules.md).";
        assert_eq!(plain(markdown), "See Keys: [::1]:5000, or rules.");
    }
}
