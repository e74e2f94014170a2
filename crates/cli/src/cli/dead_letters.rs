//! `lineage-proxy dead-letters` and `queue status`, for a stack, an SQS queue, or the embedded queue of a `serve` that may
//! be running. The operations are in `dead_letters/letters.rs`, what is printed in `dead_letters/show.rs`.

mod act;
mod confirm;
mod letters;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use proxy::config::{Errors, Layers, Role};
use proxy::queue::{Embedded, QueueConfig, QueueUrl, Rate, SqsDeadLetters};
use serde_json::json;

use self::act::Operation;
use self::confirm::{Confirmation, confirmed, refuse};
use self::letters::{DeadLetterSource, Filter, Selection};
use super::stack::{self, Stack};
use super::{Common, FINE, Output, no, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The arguments that select the queue and the output format.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// A CloudFormation stack with a target, for its queue.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "data_dir"])]
    stack: Option<String>,
    /// A YAML file with settings, for its `queue` or its `data_dir`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that `serve` keeps its queue in [default: lineage-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Only the events and dead letters of this target [default: all targets].
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    target: Option<String>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The arguments of `queue discard`.
#[derive(Debug, Args)]
pub(super) struct DiscardArgs {
    /// The name of the target.
    target: String,
    /// A YAML file with settings, for its `data_dir` and its targets.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that `serve` keeps its queue in [default: lineage-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
}

/// The arguments that filter dead letters.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Only those whose reason contains this text.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Only those that became dead letters longer ago, such as `2h` or `1day`.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Only those that became dead letters more recently.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

/// The arguments that select dead letters.
#[derive(Debug, Args)]
struct SelectionArgs {
    /// Their ids.
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All dead letters, or those that match the filters.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    of: FilterArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, with their time, reason and number of attempts.
    List {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        of: FilterArgs,
        /// List the reasons, without what differs from event to event, with the number of dead letters for each.
        #[arg(long)]
        by_reason: bool,
    },
    /// Print an event.
    Show {
        #[command(flatten)]
        queue: QueueArgs,
        /// Its id.
        id: String,
    },
    /// Return events to the queue, where they are delivered like new ones.
    Redrive {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        selection: SelectionArgs,
        /// Events a second; 0 for no limit. DataZone accepts 20 a second from the whole account.
        #[arg(long, value_name = "EVENTS", default_value_t = 10)]
        rate: u32,
    },
    /// Delete events for good. `--all` asks for confirmation.
    Delete {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        selection: SelectionArgs,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(arguments: Arguments, environment: Layers) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::List {
            queue,
            of,
            by_reason: true,
        } => {
            let output = queue.output;
            let letters = queue.letters(environment).await?;
            show::groups(&letters.groups(&of.filter()).await?, output)
        }
        Command::List {
            queue,
            of,
            by_reason: false,
        } => {
            let output = queue.output;
            let letters = queue.letters(environment).await?;
            show::list(&letters.list(&of.filter()).await?, output)
        }
        Command::Show { queue, id } => {
            let letters = queue.letters(environment).await?;
            match letters.body(&id).await? {
                Some(body) => print(body).map(|()| FINE),
                None => Ok(show::unknown(&id)),
            }
        }
        Command::Redrive {
            queue,
            selection,
            rate,
        } => {
            act(
                queue,
                environment,
                Operation::Redrive,
                selection,
                rate,
                true,
            )
            .await
        }
        Command::Delete {
            queue,
            selection,
            yes,
        } => act(queue, environment, Operation::Delete, selection, 0, yes).await,
    }
}

pub(super) async fn status(arguments: QueueArgs, environment: Layers) -> anyhow::Result<ExitCode> {
    let output = arguments.output;
    let letters = arguments.letters(environment).await?;
    let statuses = letters.statuses().await?;
    match output {
        Output::Json => {
            let mut all = serde_json::to_value(letters.status().await?)?;
            if let Some(all) = all.as_object_mut() {
                let named =
                    |(target, status): &(Option<String>, _)| Some((target.clone()?, json!(status)));
                let named: serde_json::Map<_, _> = statuses.iter().filter_map(named).collect();
                // A queue in SQS is that of one target, whose name it does not know.
                if !named.is_empty() {
                    all.insert("targets".to_owned(), named.into());
                }
            }
            print(all)?;
        }
        Output::Text => match statuses.as_slice() {
            [(_, status)] => show::status(status)?,
            statuses => {
                for (target, status) in statuses {
                    print(format!(
                        "target         {}",
                        target.as_deref().unwrap_or("-")
                    ))?;
                    show::status(status)?;
                }
            }
        },
    }
    Ok(FINE)
}

/// `queue discard`: deletes what is kept for a target that is not configured any more.
pub(super) async fn discard(
    arguments: DiscardArgs,
    environment: Layers,
) -> anyhow::Result<ExitCode> {
    let DiscardArgs {
        target,
        config,
        data_dir,
        yes,
    } = arguments;
    let flags = Common {
        rules: None,
        config,
        listen: None,
        data_dir,
        allow_anonymous: false,
        only: None,
    };
    let config = flags.config(environment, Role::Tool)?;
    if config.target_names().contains(&target.as_str()) {
        let why = format!("{target} is configured: remove it from the configuration first");
        return Err(Errors::general(why).into());
    }
    let mut selected = embedded(&config.data_dir, Some(&target)).await?;
    let Some(queue) = selected.pop() else {
        return Ok(no()); // there is one, or an error
    };
    let status = queue.status().await?;
    let events = status.waiting + status.in_flight;
    let count = usize::try_from(events + status.dead_letters).unwrap_or(usize::MAX);
    if !yes {
        match confirmed(count)? {
            Confirmation::Yes => {}
            answer @ (Confirmation::No | Confirmation::NoTerminal) => {
                return Ok(refuse(&answer, count));
            }
        }
    }
    if !queue.discard().await? {
        let why = format!(
            "serve is running and delivers to {target}: remove it from the configuration of serve and restart it first"
        );
        return Err(Errors::general(why).into());
    }
    print(format!(
        "discarded {target}: {events} events, {} dead letters",
        status.dead_letters
    ))?;
    Ok(FINE)
}

/// Opens the queues in a data folder: of that target, or of all.
async fn embedded(data_dir: &Path, target: Option<&str>) -> anyhow::Result<Vec<Embedded>> {
    let folder = data_dir.display();
    let wrong = |why: &str| Errors::general(format!("data_dir: {folder}: {why}"));
    if !data_dir.is_dir() {
        return Err(wrong("not a folder").into());
    }
    let mut queues = Embedded::open(data_dir)
        .await
        .map_err(|error| wrong(&error.0))?;
    if let Some(target) = target {
        let known = queues.iter().map(|queue| queue.target().to_owned());
        let known = known.collect::<Vec<_>>().join(", ");
        queues.retain(|queue| queue.target() == target);
        if queues.is_empty() {
            let why = format!("no queue for target {target}, only for {known}");
            return Err(wrong(&why).into());
        }
    }
    Ok(queues)
}

impl QueueArgs {
    async fn letters(self, environment: Layers) -> anyhow::Result<DeadLetterSource> {
        if let Some(name) = &self.stack {
            let aws = stack::aws();
            let stack = Stack::find(&aws, name).await?;
            if stack.optional("FanOutTopicArn").is_some() && stack.optional("QueueUrl").is_none() {
                let why = format!("stack {name} has no target of its own: name that of a target");
                return Err(Errors::general(why).into());
            }
            return Ok(DeadLetterSource::Sqs(
                SqsDeadLetters::new(
                    &aws,
                    QueueUrl::new(stack.output("QueueUrl")?),
                    QueueUrl::new(stack.output("DeadLetterQueueUrl")?),
                    stack.optional("LargeEventsBucket").map(str::to_owned),
                    targets::words,
                )
                .await,
            ));
        }
        let flags = Common {
            rules: None,
            config: self.config,
            listen: None,
            data_dir: self.data_dir,
            allow_anonymous: false,
            only: None,
        };
        let config = flags.config(environment, Role::Tool)?;
        match config.queue {
            QueueConfig::Embedded(_) => {}
            QueueConfig::Sqs(_) if self.target.is_some() => {
                let why = "--target: an SQS queue has one target";
                return Err(Errors::general(why).into());
            }
            QueueConfig::Sqs(settings) => {
                let (Some(queue), Some(dead_letters)) = (settings.queue, settings.dead_letters)
                else {
                    let why = "queue.url and queue.dead_letter_url are required with SQS";
                    return Err(Errors::general(why).into());
                };
                let aws = stack::aws();
                let bucket = settings.bucket;
                let letters =
                    SqsDeadLetters::new(&aws, queue, dead_letters, bucket, targets::words).await;
                return Ok(DeadLetterSource::Sqs(letters));
            }
        }
        let queues = embedded(&config.data_dir, self.target.as_deref()).await?;
        Ok(DeadLetterSource::Embedded(queues))
    }
}

impl FilterArgs {
    fn filter(self) -> Filter {
        Filter {
            reason: self.reason,
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }
}

async fn act(
    queue: QueueArgs,
    environment: Layers,
    act: Operation,
    selection: SelectionArgs,
    rate: u32,
    yes: bool,
) -> anyhow::Result<ExitCode> {
    let output = queue.output;
    let letters = queue.letters(environment).await?;
    let selected = match selection.all {
        true => Selection::All(selection.of.filter()),
        false => Selection::Ids(selection.ids),
    };
    if let (Selection::All(filter), false) = (&selected, yes) {
        let count = letters.list(filter).await?.len();
        match confirmed(count)? {
            Confirmation::Yes => {}
            answer @ (Confirmation::No | Confirmation::NoTerminal) => {
                return Ok(refuse(&answer, count));
            }
        }
    }
    // It hides itself without a terminal.
    let progress = ProgressBar::new(letters.status().await?.dead_letters).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?,
    );
    let done = letters
        .act(act, &selected, Rate::new(rate), &progress)
        .await;
    progress.finish_and_clear();
    let word = match act {
        Operation::Redrive => "redriven",
        Operation::Delete => "deleted",
    };
    show::report(word, &done?, output)
}
