//! `lineage-proxy extract`: finds lineage that no client sent, and sends it to a proxy, a queue or a file.
//!
//! A source is read once, from its service or from files, page by page, in constant memory. This file has the arguments and
//! the loop; `extract/input.rs` reads files, `extract/destination.rs` takes the events, `extract/state.rs` remembers how far an
//! extraction is, and `extract/summary.rs` says what became of everything. `serve` does the same by itself, for sources of its
//! configuration.

mod destination;
mod input;
mod state;
mod summary;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use aws::Aws;
use clap::{Args, Subcommand};
use fetch::{Checkpoint, FetchError, Kind, KindConfig, SavedSource};
use indicatif::ProgressBar;
use proxy::config::{Config, Errors, Layers};
use settings::{Format, PointInTime};
use sources::Extraction;
use time::OffsetDateTime;

use super::{Output, settings as file_settings};
use destination::Destination;
use state::State;
use summary::Summary;

/// How often a service that is not available is tried, and the pause after the first attempt; it doubles.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_secs(1);

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

/// What was asked for.
enum What {
    /// Logs in files, or on standard input.
    Logs(Vec<String>),
    /// What was saved of a service, in files or on standard input.
    Saved(Vec<String>, Box<SavedSource>),
    /// A service.
    Service(Box<KindConfig>),
}

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
    let what = what(kind, &arguments, &layers)?;
    let aws = Aws::new();
    let inputs: &[String] = match &what {
        What::Logs(files) | What::Saved(files, _) => files,
        What::Service(_) => &[],
    };
    let mut destination = Destination::open(kind, inputs, &arguments, layers, &aws).await?;
    let mut summary = Summary::new();
    // It hides itself without a terminal.
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(200));
    let read = match what {
        What::Logs(files) => {
            let are_named = !arguments.input.is_empty();
            read_logs(&files, are_named, &mut destination, &mut summary, &progress).await
        }
        What::Saved(files, source) => {
            read_saved(&files, *source, &mut destination, &mut summary, &progress).await
        }
        What::Service(config) => {
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

/// Decides what to read.
fn what(kind: Kind, arguments: &Arguments, layers: &Layers) -> anyhow::Result<What> {
    let names_no_service = arguments.set.is_empty() && arguments.source.is_none();
    if arguments.objects.is_some() && kind != Kind::Flyte {
        return Err(wrong(
            "--objects: only messages of Flyte name objects".to_owned(),
        ));
    }
    if !arguments.input.is_empty() {
        let files = arguments.input.clone();
        let (source, set) = (arguments.source.as_deref(), set(arguments)?);
        let objects = arguments.objects.clone();
        let saved = Config::read_saved(layers, source, kind, &set, objects)?;
        return match saved {
            Some(saved) => Ok(What::Saved(files, Box::new(saved))),
            None if names_no_service => Ok(What::Logs(files)),
            None => Err(wrong(
                "--input: logs in files are read as they are; --set and --source are for their service".to_owned(),
            )),
        };
    }
    if names_no_service && kind == Kind::Logs {
        if std::io::stdin().is_terminal() {
            return Err(wrong(
                "pipe a log into the command, name files with --input, or the settings of a service with --set".to_owned(),
            ));
        }
        let service_only = [
            ("--since", arguments.since.is_some()),
            ("--until", arguments.until.is_some()),
            ("--state", arguments.state.is_some()),
        ];
        if let Some((flag, _)) = service_only.iter().find(|(_, is_given)| *is_given) {
            return Err(wrong(format!(
                "{flag}: only for a service, which --set or --source names; standard input is read as a whole"
            )));
        }
        return Ok(What::Logs(vec!["-".to_owned()]));
    }
    let mut config = config(kind, arguments, layers)?;
    let time = |flag: &str, text: &Option<String>| -> anyhow::Result<Option<PointInTime>> {
        let read = |text: &String| PointInTime::parse(text.trim());
        let time = text.as_ref().map(read).transpose();
        time.map_err(|error| wrong(format!("{flag}: {error}")))
    };
    let since = time("--since", &arguments.since)?;
    let until = time("--until", &arguments.until)?;
    let prepared = config.poll_once(since, until);
    prepared.map_err(|error| wrong(format!("--since and --until: {error}")))?;
    if arguments.state.is_some() && destination::is_queue(kind) {
        return Err(wrong(
            "--state: a queue has no position; what was taken is deleted".to_owned(),
        ));
    }
    let now = OffsetDateTime::now_utc()
        .unix_timestamp()
        .saturating_mul(1_000);
    if let (Some(since), Some(until)) = (since, until)
        && since.resolve(now) >= until.resolve(now)
    {
        return Err(wrong(
            "--since is not before --until: there is nothing between them".to_owned(),
        ));
    }
    Ok(What::Service(Box::new(config)))
}

/// Reads the settings of the source: those of the configuration, and those of `--set`.
fn config(kind: Kind, arguments: &Arguments, layers: &Layers) -> anyhow::Result<KindConfig> {
    let source = arguments.source.as_deref();
    let found = Config::read_source(layers, source, kind, &set(arguments)?)?;
    Ok(found.kind)
}

/// The settings of `--set`.
fn set(arguments: &Arguments) -> anyhow::Result<Vec<(String, String)>> {
    let mut set = Vec::new();
    for text in &arguments.set {
        let Some((name, value)) = text.split_once('=') else {
            return Err(wrong(format!("--set {text}: expected NAME=VALUE")));
        };
        set.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(set)
}

/// Reads logs, in pieces. One that was named has an event: otherwise it is the wrong file.
async fn read_logs(
    files: &[String],
    are_named: bool,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    for file in files {
        let before = summary.events();
        let mut reader = input::LogReader::open(file)?;
        while let Some(extraction) = reader.next()? {
            take(
                extraction,
                Some(input::name(file)),
                destination,
                summary,
                progress,
            )
            .await?;
        }
        if are_named && summary.events() == before {
            summary.find_none(file, progress);
        }
    }
    Ok(())
}

/// Reads what was saved of a service. All files together have an event: one of them alone need not.
async fn read_saved(
    files: &[String],
    mut source: SavedSource,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    for file in files {
        let bytes = input::read(file)?;
        let found = source.read(input::name(file), &bytes);
        let found = found.map_err(|error| wrong(error.to_string()))?;
        take(
            found,
            Some(input::name(file)),
            destination,
            summary,
            progress,
        )
        .await?;
    }
    let found = source.end().map_err(|error| {
        for finding in error.findings() {
            summary.find(finding, progress);
        }
        wrong(error.to_string())
    })?;
    take(found, None, destination, summary, progress).await?;
    if summary.events() == 0 {
        for file in files {
            summary.find_none(input::name(file), progress);
        }
    }
    Ok(())
}

/// Reads a service until there is no more at once.
async fn read_service(
    config: KindConfig,
    aws: &Aws,
    mut state: Option<State>,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let mut source = config.open(aws);
    let mut cursor = state.as_ref().and_then(|state| state.cursor().cloned());
    let now = OffsetDateTime::now_utc();
    let mut failures = 0;
    loop {
        let fetched = match source.next(cursor.as_ref(), now).await {
            Ok(fetched) => fetched,
            Err(FetchError::Unavailable(why)) if failures + 1 < ATTEMPTS => {
                progress.set_message(format!("{why}; trying again"));
                tokio::time::sleep(PAUSE.saturating_mul(2_u32.saturating_pow(failures))).await;
                failures += 1;
                continue;
            }
            Err(FetchError::Unavailable(why)) => {
                return Err(proxy::queue::QueueError(why).into());
            }
            Err(FetchError::Refused(why)) => return Err(wrong(why)),
        };
        failures = 0;
        // Before anything is deleted or passed over: all events are taken, or this is an error.
        let keeps_unread = take(fetched.extraction, None, destination, summary, progress).await?;
        match fetched.checkpoint {
            Checkpoint::None => {}
            Checkpoint::Cursor(next) => {
                if let Some(state) = &mut state {
                    state.advance(&next)?;
                }
                cursor = Some(next);
            }
            Checkpoint::Messages { mut read, unread } if destination.keeps() => {
                destination.keep()?;
                read.extend(unread.into_iter().filter(|_| keeps_unread));
                let receipts = read.into_iter().map(|message| message.receipt);
                let taken = source.taken(&receipts.collect::<Vec<_>>()).await;
                taken.map_err(|error| proxy::queue::QueueError(error.to_string()))?;
            }
            // Without anybody who keeps their events, messages stay where they are, and would come again and again.
            Checkpoint::Messages { .. } => {
                if fetched.more {
                    summary.stop_early(progress);
                }
                return Ok(());
            }
        }
        if !fetched.more {
            return Ok(());
        }
    }
}

/// Sends what was found, and counts it. It is an error if not all could be sent. Returns whether the inputs are kept that
/// cannot be read because of a bug. `file` is where it was found, if it is a file.
async fn take(
    extraction: Extraction,
    file: Option<&str>,
    destination: &mut Destination,
    summary: &mut Summary,
    progress: &ProgressBar,
) -> anyhow::Result<bool> {
    for finding in &extraction.findings {
        summary.find(finding, progress);
    }
    let count = extraction.events.len() as u64;
    let (sent, failure) = destination.take(extraction.events, file, progress).await?;
    summary.add(count, sent);
    progress.set_message(format!("{} events found", summary.events()));
    match failure {
        Some(failure) => Err(failure),
        None => destination.set_aside(extraction.unread).await,
    }
}
