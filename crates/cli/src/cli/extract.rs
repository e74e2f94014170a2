//! `lineage-proxy extract`: finds lineage that no client sent, and sends it to a proxy, a queue or a file.
//!
//! A source is read once, from its service or from files, page by page, in constant memory. This file has the
//! arguments; `extract/source.rs` decides what to read, `extract/read.rs` reads it, `extract/input.rs` opens files,
//! `extract/destination.rs` takes the events, `extract/state.rs` remembers how far an extraction is, and `extract/summary.rs` says
//! what became of everything. `serve` does the same by itself, for sources of its configuration.

mod destination;
mod input;
mod read;
mod source;
mod state;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws::Aws;
use clap::{Args, Subcommand};
use fetch::Kind;
use indicatif::ProgressBar;
use proxy::config::{Errors, Layers};

use super::{Output, settings as file_settings};
use destination::Destination;
use read::{read_logs, read_saved, read_service};
use source::{ExtractionSource, extraction_source};
use state::State;
use summary::Summary;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Events that a console transport printed to a log: kubectl logs POD | lineage-proxy extract logs.
    Logs(Arguments),
    /// The crawls of AWS Glue crawlers, and the tables that they keep.
    GlueCrawlers(Arguments),
    /// Events of Flyte, from an SQS queue that subscribes to its topic.
    Flyte(Arguments),
    /// OpenLineage events that clients put on an SQS queue.
    Sqs(Arguments),
    /// The history of queries of Amazon Redshift, as lineage of tables and columns.
    Redshift(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Read these files instead of a service; `-` is standard input. They may be compressed with gzip.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["since", "until", "state"])]
    input: Vec<String>,
    /// With --input: a folder with the objects that messages name, copied from below `literals`.
    #[arg(long, value_name = "FOLDER", requires = "input")]
    objects: Option<PathBuf>,
    /// A setting of the source, as in `sources`: `--set region=eu-west-1`.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Take the settings from this source of the configuration.
    #[arg(long, value_name = "NAME", requires = "config")]
    source: Option<String>,
    /// What is this old or younger: `7d`, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// What is older than this.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Where events go: `queue` of the configuration, the URL of a proxy, a FILE, which is replaced, or `-`.
    #[arg(long, value_name = "queue|URL|FILE|-", default_value = "-")]
    to: String,
    /// Send nothing; only say what would be sent.
    #[arg(long)]
    dry_run: bool,
    /// Remember in this file how far it is, and go on there. Only with `--to queue` or a URL.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    state: Option<PathBuf>,
    /// A YAML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File with the API key; or set OPENLINEAGE_API_KEY. A key on the command line would be visible to others.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Returns the end of the help of a source: its settings, and what holds for all.
pub(super) fn notes(kind: Kind) -> String {
    let mut notes = "Settings, for --set:\n".to_owned();
    for entry in kind.settings() {
        let (short, _) = super::help(&entry);
        let short = short.replace('…', "..."); // a manual page is ASCII
        notes += &format!("  {:20} {short}\n", entry.name);
    }
    let what = match destination::is_queue(kind) {
        true => QUEUE,
        false => ONCE,
    };
    notes + "\n" + what + NOTES
}

/// Returns the arguments that a source has no use for, and refuses.
pub(super) fn unused(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Logs | Kind::GlueCrawlers | Kind::Redshift => &["objects"],
        Kind::Flyte => &["since", "until", "state"],
        Kind::Sqs => &["since", "until", "state", "objects"],
    }
}

const ONCE: &str = "\
Running it twice changes nothing with `--to queue`, and with the URL of a proxy whose
queue is its data_dir: they take the identity of each event once. A proxy with SQS as
its queue, and other endpoints, are sent everything again. A FILE is replaced.

";

const QUEUE: &str = "\
Messages are deleted when their events are taken: not by `--dry-run` or `--to -`, which
look at the first messages only. A FILE may not exist before.

";

const NOTES: &str = "\
Exit status 1: lineage was lost, or an event was rejected or not sent. Findings name
what could not be read, and where it is.";

pub(super) async fn run(command: Command, environment: Layers) -> anyhow::Result<ExitCode> {
    let (kind, arguments) = match command {
        Command::Logs(arguments) => (Kind::Logs, arguments),
        Command::GlueCrawlers(arguments) => (Kind::GlueCrawlers, arguments),
        Command::Flyte(arguments) => (Kind::Flyte, arguments),
        Command::Sqs(arguments) => (Kind::Sqs, arguments),
        Command::Redshift(arguments) => (Kind::Redshift, arguments),
    };
    let layers = match &arguments.config {
        Some(file) => environment.over(file_settings(file)?),
        None => environment,
    };
    let source = extraction_source(kind, &arguments, &layers)?;
    let aws = Aws::new();
    let inputs: &[String] = match &source {
        ExtractionSource::Logs(files) | ExtractionSource::Saved(files, _) => files,
        ExtractionSource::Service(_) => &[],
    };
    let mut destination = Destination::open(kind, inputs, &arguments, layers, &aws).await?;
    let mut summary = Summary::new();
    // It hides itself without a terminal.
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(200));
    let read = match source {
        ExtractionSource::Logs(files) => {
            let are_named = !arguments.input.is_empty();
            read_logs(&files, are_named, &mut destination, &mut summary, &progress).await
        }
        ExtractionSource::Saved(files, source) => {
            read_saved(&files, *source, &mut destination, &mut summary, &progress).await
        }
        ExtractionSource::Service(config) => {
            let state = arguments.state.as_deref().map(|file| {
                let settings = format!("{config:?}"); // --since and --until included
                State::open(kind.name(), &[&settings, destination.name()], file)
            });
            let state = state.transpose()?;
            read_service(
                *config,
                &aws,
                state,
                &mut destination,
                &mut summary,
                &progress,
            )
            .await
        }
    };
    progress.finish_and_clear();
    // What was found before an error is kept, and said, too; but a file is replaced only by all of it.
    match &read {
        Ok(()) => destination.complete()?,
        Err(_) => destination.abandon(),
    }
    if read.is_ok() || !summary.is_empty() {
        summary.print(arguments.output, destination.prints_events())?;
    }
    read?;
    Ok(summary.exit_status())
}

fn wrong(message: String) -> anyhow::Error {
    Errors::general(message).into()
}
