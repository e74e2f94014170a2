//! `lineage-proxy dead-letters` and `queue status`: of a stack, of an SQS queue, or of the embedded queue from beside a
//! running `serve`. The operations on them are in `dead_letters/letters.rs`.

mod letters;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use proxy::config::{Errors, Role, Sources};
use proxy::queue::{DeadLetter, Embedded, QueueConfig, QueueUrl, SqsDeadLetters, now};
use serde_json::json;

use self::letters::{DeadLetterSource, Filter, Operation, Rate, Selection, Summary};
use super::stack::{self, Stack};
use super::table::{Fit, Table};
use super::{Common, FINE, Output, no, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which queue, and how results are printed.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// A CloudFormation stack, for its queue.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "data_dir"])]
    stack: Option<String>,
    /// A YAML file with settings, for its `queue` or its `data_dir`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that `serve` keeps its queue in [default: lineage-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which dead letters of all.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Those whose reason contains this text.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Those that were given up longer ago, such as `2h` or `1day`.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Those that were given up more recently than that.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

/// Which dead letters.
#[derive(Debug, Args)]
struct SelectionArgs {
    /// Their ids.
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All of them, or those that the filters leave.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    of: FilterArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters: when and why they were given up, and after how many attempts.
    List {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        of: FilterArgs,
    },
    /// Print an event.
    Show {
        #[command(flatten)]
        queue: QueueArgs,
        /// Its id.
        id: String,
    },
    /// Put events back into the queue, to be tried as new ones.
    Redrive {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        selection: SelectionArgs,
        /// Events a second; 0 for as many as there are. DataZone takes 20 a second from the whole account.
        #[arg(long, value_name = "EVENTS", default_value_t = 10)]
        rate: u32,
    },
    /// Delete events for good; `--all` asks first.
    Delete {
        #[command(flatten)]
        queue: QueueArgs,
        #[command(flatten)]
        selection: SelectionArgs,
        /// Do not ask before all are deleted.
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(arguments: Arguments, environment: Sources) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::List { queue, of } => {
            let output = queue.output;
            let letters = queue.letters(environment).await?;
            list(&letters.list(&of.filter()).await?, output)
        }
        Command::Show { queue, id } => {
            let letters = queue.letters(environment).await?;
            match letters.body(&id).await? {
                Some(body) => print(body).map(|()| FINE),
                None => Ok(unknown(&id)),
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

pub(super) async fn status(arguments: QueueArgs, environment: Sources) -> anyhow::Result<ExitCode> {
    let output = arguments.output;
    let status = arguments.letters(environment).await?.status().await?;
    match output {
        Output::Json => print(serde_json::to_string(&status)?)?,
        Output::Text => {
            print(format!("waiting        {}", status.waiting))?;
            print(format!(
                "not visible    {}   (received, or waiting for another attempt)",
                status.not_visible
            ))?;
            print(format!("dead letters   {}", status.dead_letters))?;
            if let Some(seconds) = status.oldest_seconds {
                print(format!("oldest         {}", age(seconds)))?;
            }
        }
    }
    Ok(FINE)
}

impl QueueArgs {
    async fn letters(self, environment: Sources) -> anyhow::Result<DeadLetterSource> {
        if let Some(name) = &self.stack {
            let aws = stack::aws();
            let stack = Stack::find(&aws, name).await?;
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
        let settings = match config.queue {
            QueueConfig::Embedded(settings) => settings,
            QueueConfig::Sqs(settings) => {
                let Some(dead_letters) = settings.dead_letters else {
                    let why = "queue.dead_letter_url is required with an SQS queue";
                    return Err(Errors::general(why).into());
                };
                let aws = stack::aws();
                let (queue, bucket) = (settings.queue, settings.bucket);
                let letters =
                    SqsDeadLetters::new(&aws, queue, dead_letters, bucket, targets::words).await;
                return Ok(DeadLetterSource::Sqs(letters));
            }
        };
        let folder = config.data_dir.display();
        let wrong = |why: &str| Errors::general(format!("data_dir: {folder}: {why}"));
        if !config.data_dir.is_dir() {
            return Err(wrong("there is no such folder").into());
        }
        let queue = Embedded::open(&config.data_dir, settings.visibility_timeout).await;
        let queue = queue.map_err(|error| wrong(&error.0))?;
        Ok(DeadLetterSource::Embedded(queue))
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
    environment: Sources,
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
            Answer::Yes => {}
            Answer::No => {
                eprintln!("lineage-proxy: nothing was deleted");
                return Ok(no());
            }
            Answer::Nobody => {
                eprintln!(
                    "lineage-proxy: cannot ask whether to delete all {count} without a terminal; pass --yes"
                );
                return Ok(ExitCode::from(2));
            }
        }
    }
    // Hidden by itself where there is no terminal.
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
    report(word, &done?, output)
}

/// The answer to a question.
enum Answer {
    Yes,
    No,
    /// Nobody can be asked.
    Nobody,
}

/// Asks whether so many events are to be deleted: `yes`, or their number.
fn confirmed(count: usize) -> anyhow::Result<Answer> {
    let stdin = std::io::stdin();
    if count == 0 {
        return Ok(Answer::Yes);
    }
    if !stdin.is_terminal() {
        return Ok(Answer::Nobody);
    }
    let what = if count == 1 { "event" } else { "events" };
    eprint!("Delete {count} {what} for good? Type yes, or the number: ");
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    let line = line.trim();
    let is_yes = line.eq_ignore_ascii_case("yes") || line == count.to_string();
    Ok(if is_yes { Answer::Yes } else { Answer::No })
}

fn list(letters: &[DeadLetter], output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => print(serde_json::to_string(letters)?)?,
        Output::Text if letters.is_empty() => print("no dead letters")?,
        Output::Text => {
            let now = now();
            let mut table = Table::new([
                ("id", Fit::Whole),
                ("given up", Fit::Whole),
                ("attempts", Fit::Whole),
                ("bytes", Fit::From(100)),
                ("reason", Fit::Wrap),
            ]);
            for letter in letters {
                let seconds = u64::try_from((now - letter.dead_at) / 1_000).unwrap_or(0);
                table.row([
                    letter.id.clone(),
                    format!("{} ago", age(seconds)),
                    letter.attempts.to_string(),
                    letter.size.to_string(),
                    letter.reason.clone(),
                ]);
            }
            print(table.text())?;
        }
    }
    Ok(FINE)
}

/// Prints what was done. Ids that do not exist make the answer no.
fn report(word: &str, done: &Summary, output: Output) -> anyhow::Result<ExitCode> {
    let Summary {
        count,
        unknown: missing,
    } = done;
    match output {
        Output::Json => print(json!({word: count, "unknown": missing}))?,
        Output::Text => print(format!("{count} {word}"))?,
    }
    let unknown = missing.iter().map(|id| unknown(id)).next_back();
    Ok(unknown.unwrap_or(FINE))
}

fn unknown(id: &str) -> ExitCode {
    eprintln!("lineage-proxy: there is no dead letter {id}");
    no()
}

/// `2h 5m`: the two largest units.
fn age(seconds: u64) -> String {
    let whole = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    let units: Vec<&str> = whole.split(' ').take(2).collect();
    units.join(" ")
}
