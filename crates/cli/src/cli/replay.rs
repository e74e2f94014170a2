//! `lineage-proxy replay`: sends events again, from the log of a data folder, an archive or files, through the rules of a
//! target or none.
//!
//! ```text
//! origin.rs ──▶ feed.rs ──▶ queue in memory ──▶ worker and pipeline of serve ──▶ target
//!   reads        filters     proxy::replay                │      or the queue of a stack
//!                            record.rs ◀── what has ended ┘
//! ```
//!
//! `deliver.rs` runs these parts. `progress.rs` is the state file, by which a replay is resumed. Memory is bounded by the events that are on their way.

mod ahead;
mod bucket;
mod deliver;
mod dry_run;
mod feed;
mod filter;
mod lock;
mod origin;
mod output;
mod progress;
mod record;
mod report;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use ::transform::{RuleSet, Transforms};
use clap::{ArgGroup, Args};
use proxy::config::{Errors, Layers};
use proxy::pipeline::Adapter;
use proxy::queue::{AcceptedBetween, now};
use proxy::telemetry;
use reqwest::Url;
use serde_json::json;
use targets::Capabilities;
use tokio::sync::mpsc;

use super::{FINE, Output, no, print};
use crate::cli::tell;
use deliver::deliver;
use dry_run::DryRun;
use feed::{Feed, ReplayContext};
use filter::{FilterArgs, time_text};
use lock::StateLock;
use origin::{Range, ReplayOrigin};
use progress::{Identity, Progress, State};
use record::{Recorder, RejectedFile};
use report::Report;
use settings::{Destination, Way};

/// The events between reading and filtering: as large as ingest accepts them, so only a few.
const FOUND: usize = 8;

/// How old a replay may be, in milliseconds, for relative times to mean about the same as when it began.
const MOST_AGE: i64 = 3_600_000;

/// `EX_TEMPFAIL` of sysexits.h: the same command goes on where this one has stopped.
const EX_TEMPFAIL: u8 = 75;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("destination").required(true).args(["to", "url", "stack"])))]
pub(super) struct Arguments {
    /// The events: a data folder of serve, an archive (a folder, or s3://BUCKET/PREFIX), a file, or - for standard input.
    from: String,
    /// A target of the configuration. Its current rules are applied.
    #[arg(long, value_name = "TARGET")]
    to: Option<String>,
    /// An endpoint: a proxy, or any other that accepts OpenLineage. Without a path, `/api/v1/lineage` is used.
    #[arg(long)]
    url: Option<Url>,
    /// A CloudFormation stack with a target, for its queue: its function delivers the events, with its own rules.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "api_key_file", "no_rules"])]
    stack: Option<String>,
    /// A YAML file with settings, for --to.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File with the API key for --url; or set OPENLINEAGE_API_KEY. A key on the command line would be visible to others.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// Do not apply the rules file. The rules that the target needs by its kind, and its `when`, still apply.
    #[arg(long)]
    no_rules: bool,
    /// Let DataZone take events again that it has accepted before, as after it failed to process them. Each has a new client
    /// token; otherwise DataZone may answer as before, and do nothing.
    #[arg(long, conflicts_with = "url")]
    new_token: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// The most events a second, retries included. The limit of the target applies as well.
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Send nothing: count what would be sent by kind and job, and what rules would change.
    #[arg(long)]
    dry_run: bool,
    /// Where progress is kept, to resume an interrupted replay [default: FROM.HASH.replay.json, for local files and folders; the hash is that of the target].
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    state: Option<PathBuf>,
    /// Forget the progress of an interrupted replay, and begin again.
    #[arg(long, conflicts_with = "dry_run")]
    restart: bool,
    /// Resume a replay with a relative --since or --until (2h) although it began over an hour ago: they count from then.
    #[arg(long, conflicts_with_all = ["dry_run", "restart"])]
    resume: bool,
    /// Append the events that are rejected or given up to this file, one a line.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    rejected: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Why a replay cannot go on now: FROM cannot be read, or its progress not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReplayError(String);

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything was read and has ended.
    Complete,
    /// By a signal.
    Interrupted,
    /// The target accepts nothing.
    NotAccepted,
}

pub(super) async fn run(
    arguments: Arguments,
    transforms: Transforms,
    environment: Layers,
) -> anyhow::Result<ExitCode> {
    let origin = ReplayOrigin::find(&arguments.from)?;
    let mut destination = Destination::find(&arguments, environment).await?;
    let identity = identity(&arguments, &origin, &destination);
    if arguments.dry_run {
        return dry_run(&arguments, origin, destination, identity, transforms).await;
    }
    let state_file = output::state_file(arguments.state.as_deref(), &origin, &destination)?;
    if let Some(rejected) = &arguments.rejected {
        output::check("--rejected", rejected, &origin)?;
    }
    let _lock = state_file.as_deref().map(StateLock::take).transpose()?;
    let before = match &state_file {
        Some(path) if !arguments.restart => {
            State::read(path, &identity).map_err(|error| Errors::general(error.to_string()))?
        }
        Some(_) | None => None,
    };
    if let Some(before) = &before {
        let (confirmed, given_up) = (before.confirmed, before.given_up);
        let began = time_text(before.started_at);
        let range = arguments.filter.build(before.started_at)?.shown();
        tell(format_args!(
            "lineage-proxy: resuming a replay that began at {began}{range}: {confirmed} events were sent or dropped, and {given_up} given up"
        ));
        let age = now().saturating_sub(before.started_at);
        if arguments.filter.is_relative() && age > MOST_AGE && !arguments.resume {
            let why = format!(
                "the replay to resume began at {began}, and --since and --until count from then{range}; pass --resume to go on with it, or --restart to begin again"
            );
            return Err(Errors::general(why).into());
        }
    }
    let before = match before {
        Some(before) => before,
        None => State::new(identity, now(), origin.newest().await?),
    };
    if let Some(salt) = &before.token_salt {
        // Only the target of a replay with --new-token has a salt, and it takes it.
        let _ = destination.salt_tokens(salt);
        if let Some(path) = &state_file {
            before.write(path)?; // before the first post, whatever ends this process
        }
    }
    if let Some(file) = origin.old_store() {
        let file = file.display();
        tell(format_args!(
            "lineage-proxy: {file}: serve is still taking over the events of an older version: this replay may miss some of them"
        ));
    }
    let rejected = arguments.rejected.as_deref().map(|path| {
        let opened = RejectedFile::open(path);
        opened.map_err(|error| Errors::general(format!("{}: {error}", path.display())))
    });
    let rejected = rejected.transpose()?;
    telemetry::log_to_stderr("warn");
    let shared = ReplayContext {
        progress: Arc::new(Mutex::new(Progress::new(before.clone()))),
        before: Arc::new(before),
        report: Report::default(),
    };
    let feed = feed(&arguments, &origin, &destination, shared.clone())?;
    let recorder = Recorder {
        shared: shared.clone(),
        state: state_file.clone(),
        written: None,
        rejected,
    };
    let end = deliver(&arguments, origin, &destination, feed, recorder, transforms).await;
    // What was sent until then is not to be guessed.
    let end = end.inspect_err(|_| {
        tell(format_args!(
            "lineage-proxy: {}",
            shared.report.counts().text()
        ))
    })?;
    finish(&arguments, end, &shared, state_file)
}

/// What identifies the replay.
fn identity(arguments: &Arguments, origin: &ReplayOrigin, destination: &Destination) -> Identity {
    let mut identity = Identity {
        from: origin.name(),
        to: destination.name.clone(),
        destination: destination.digest(),
        rules: destination.has_rules(),
        new_token: arguments.new_token,
        since: None,
        until: None,
        job: None,
        run: None,
        kind: None,
        conditions: None,
    };
    arguments.filter.identify(&mut identity);
    identity
}

fn feed(
    arguments: &Arguments,
    origin: &ReplayOrigin,
    destination: &Destination,
    shared: ReplayContext,
) -> Result<Feed, Errors> {
    Ok(Feed {
        filter: arguments.filter.build(shared.before.started_at)?,
        shared,
        target: destination.target().to_string(),
        level: destination.level(),
        verifies_first: matches!(origin, ReplayOrigin::Files(_)),
    })
}

/// The events to read. What is accepted or archived after the replay began does not belong to it: a replay to its own proxy
/// would never end. A log tells that by the order of its events, since a clock may be wrong.
fn range(feed: &Feed, origin: &ReplayOrigin) -> Range {
    let before = &feed.shared.before;
    let AcceptedBetween { since, until } = feed.filter.times;
    Range {
        accepted: match origin {
            ReplayOrigin::Log(_) => feed.filter.times,
            ReplayOrigin::Archive(_) | ReplayOrigin::Bucket(_) => AcceptedBetween {
                since,
                until: until.min(before.started_at),
            },
            ReplayOrigin::Files(_) => AcceptedBetween::EVER,
        },
        asked_until: until,
        last: before.newest,
        after: match origin {
            // The first event of a file is compared.
            ReplayOrigin::Files(_) => None,
            ReplayOrigin::Log(_) | ReplayOrigin::Archive(_) | ReplayOrigin::Bucket(_) => {
                before.position.clone()
            }
        },
    }
}

/// Prints the result, and keeps or removes the state. Returns the exit status.
fn finish(
    arguments: &Arguments,
    end: End,
    shared: &ReplayContext,
    state_file: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let counts = shared.report.counts();
    match arguments.output {
        Output::Json => {
            let mut report = counts.json();
            if let Some(members) = report.as_object_mut() {
                members.insert("complete".to_owned(), json!(end == End::Complete));
            }
            print(report)?;
        }
        Output::Text => print(counts.text())?,
    }
    if end == End::Complete {
        if let Some(path) = state_file
            && path.exists()
        {
            std::fs::remove_file(path)?;
        }
        if counts.read + counts.earlier == 0 {
            tell(format_args!(
                "lineage-proxy: {}: no event found",
                arguments.from
            ));
            return Ok(no());
        }
        return Ok(if counts.is_fine() { FINE } else { no() });
    }
    let why = match (end, &counts.last_error) {
        (End::NotAccepted, Some(error)) => format!("the target accepts nothing: {error}"),
        (End::NotAccepted, None) => "the target accepts nothing".to_owned(),
        (End::Interrupted | End::Complete, _) => "interrupted".to_owned(),
    };
    match state_file {
        Some(path) => {
            let state = shared.progress().state(&shared.before);
            state.write(&path)?;
            let path = path.display();
            tell(format_args!(
                "lineage-proxy: {why}; the same command goes on from here ({path})"
            ));
        }
        None => tell(format_args!(
            "lineage-proxy: {why}; progress is kept only with --state"
        )),
    }
    Ok(ExitCode::from(EX_TEMPFAIL))
}

/// Counts what would be sent.
async fn dry_run(
    arguments: &Arguments,
    origin: ReplayOrigin,
    destination: Destination,
    identity: Identity,
    transforms: Transforms,
) -> anyhow::Result<ExitCode> {
    let (rules, capabilities) = match &destination.to {
        Way::Target(to) => {
            let loaded = proxy::replay::rules(&to.config, &to.pipeline, transforms).await?;
            let capabilities = to.pipeline.target.kind.capabilities();
            (loaded.rules.clone(), capabilities)
        }
        // Its function has the rules.
        Way::Queue(_) => (RuleSet::default(), Capabilities::UNLIMITED),
    };
    let adapter = Adapter {
        target: destination.target().clone(),
        capabilities,
    };
    let mut dry_run = DryRun::new(rules, adapter);
    let state = State::new(identity, now(), origin.newest().await?);
    let shared = ReplayContext {
        progress: Arc::new(Mutex::new(Progress::new(state.clone()))),
        before: Arc::new(state),
        report: Report::default(),
    };
    let feed = feed(arguments, &origin, &destination, shared.clone())?;
    let (out, mut found) = mpsc::channel(FOUND);
    let reading = tokio::spawn(origin.clone().read(range(&feed, &origin), out));
    while let Some(found) = found.recv().await {
        if let Some(event) = feed.readable(found).and_then(|found| feed.accepted(&found)) {
            dry_run.add(event);
        }
    }
    reading.await??;
    dry_run.finish();
    let counts = shared.report.counts();
    let (read, filtered, invalid) = (counts.read, counts.filtered, counts.invalid);
    match arguments.output {
        Output::Json => {
            let mut report = dry_run.json();
            if let Some(members) = report.as_object_mut() {
                for (name, count) in [("read", read), ("filtered", filtered), ("invalid", invalid)]
                {
                    members.insert(name.to_owned(), json!(count));
                }
            }
            print(report)?;
        }
        Output::Text => {
            print(dry_run.text())?;
            print(format!(
                "{read} read, {filtered} filtered, {invalid} not events; nothing was sent"
            ))?;
        }
    }
    Ok(if counts.is_fine() && read > 0 {
        FINE
    } else {
        no()
    })
}
