//! `lineage-proxy dead-letters` and `queue status`: of a stack, of an SQS queue, or of the embedded queue from beside a
//! running `serve`. What is done to them is in `dead_letters/letters.rs`.

mod letters;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use proxy::config::Role;
use proxy::config::settings::Settings;
use proxy::queue::{DeadLetter, Embedded, SqsDeadLetters, now};
use serde_json::json;

use self::letters::{Act, Done, Filter, Letters, Pace, Which};
use super::stack::{Stack, aws};
use super::{Common, FINE, Output, no, print};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which queue, and how results are printed.
#[derive(Debug, Args)]
pub(super) struct Place {
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
struct Of {
    /// Those whose reason contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Those that were given up longer ago, such as `2h` or `1day`.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Those that were given up more lately.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    newer_than: Option<Duration>,
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Chosen {
    /// Their ids.
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All of them, or those that the filters leave.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows when, after how many tries and why events were given up.
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        of: Of,
    },
    /// Prints an event.
    Show {
        #[command(flatten)]
        place: Place,
        /// Its id.
        id: String,
    },
    /// Puts events back into the queue, to be tried as new ones.
    Redrive {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        chosen: Chosen,
        /// Events a second; 0 for as many as there are. DataZone takes 20 a second from the whole account.
        #[arg(long, value_name = "EVENTS", default_value_t = 10)]
        rate: u32,
    },
    /// Deletes events for good.
    Delete {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        chosen: Chosen,
    },
}

pub(super) async fn run(arguments: Arguments, environment: Settings) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::List { place, of } => {
            let output = place.output;
            let letters = place.letters(environment).await?;
            list(&letters.list(&of.filter()).await?, output)
        }
        Command::Show { place, id } => {
            let letters = place.letters(environment).await?;
            match letters.body(&id).await? {
                Some(body) => print(body).map(|()| FINE),
                None => Ok(unknown(&id)),
            }
        }
        Command::Redrive {
            place,
            chosen,
            rate,
        } => act(place, environment, Act::Redrive, chosen, rate).await,
        Command::Delete { place, chosen } => act(place, environment, Act::Delete, chosen, 0).await,
    }
}

pub(super) async fn status(arguments: Place, environment: Settings) -> anyhow::Result<ExitCode> {
    let output = arguments.output;
    let status = arguments.letters(environment).await?.status().await?;
    match output {
        Output::Json => print(serde_json::to_string(&status)?)?,
        Output::Text => {
            print(format!("waiting        {}", status.waiting))?;
            print(format!(
                "out of sight   {}   (under way, or waiting for another try)",
                status.out_of_sight
            ))?;
            print(format!("dead letters   {}", status.dead_letters))?;
            if let Some(seconds) = status.oldest_seconds {
                print(format!("oldest         {}", age(seconds)))?;
            }
        }
    }
    Ok(FINE)
}

impl Place {
    async fn letters(self, environment: Settings) -> anyhow::Result<Letters> {
        if let Some(name) = &self.stack {
            let aws = aws().await;
            let stack = Stack::find(&aws, name).await?;
            return Ok(Letters::Sqs(SqsDeadLetters::new(
                &aws,
                stack.output("QueueUrl")?.to_owned(),
                stack.output("DeadLetterQueueUrl")?.to_owned(),
                stack.optional("LargeEventsBucket").map(str::to_owned),
            )));
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
        if let (Some(queue), Some(dead_letters)) = (config.queue.url, config.queue.dead_letter_url)
        {
            let aws = aws().await;
            let bucket = config.queue.bucket;
            return Ok(Letters::Sqs(SqsDeadLetters::new(
                &aws,
                queue,
                dead_letters,
                bucket,
            )));
        }
        anyhow::ensure!(
            config.data_dir.is_dir(),
            "{}: there is no such folder",
            config.data_dir.display()
        );
        let queue = Embedded::open(&config.data_dir, config.queue.visibility_timeout).await?;
        Ok(Letters::Embedded(queue))
    }
}

impl Of {
    fn filter(self) -> Filter {
        Filter {
            reason: self.reason,
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }
}

async fn act(
    place: Place,
    environment: Settings,
    act: Act,
    chosen: Chosen,
    rate: u32,
) -> anyhow::Result<ExitCode> {
    let output = place.output;
    let letters = place.letters(environment).await?;
    let which = match chosen.all {
        true => Which::All(chosen.of.filter()),
        false => Which::Ids(chosen.ids),
    };
    // Hidden by itself where there is no terminal.
    let progress = ProgressBar::new(letters.status().await?.dead_letters).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")?,
    );
    let done = letters.act(act, &which, Pace::new(rate), &progress).await;
    progress.finish_and_clear();
    let word = match act {
        Act::Redrive => "redriven",
        Act::Delete => "deleted",
    };
    told(word, &done?, output)
}

fn list(letters: &[DeadLetter], output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => print(serde_json::to_string(letters)?)?,
        Output::Text if letters.is_empty() => print("no dead letters")?,
        Output::Text => {
            let now = now();
            let mut table = Table::new();
            table
                .load_style(UTF8_BORDERS_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(["id", "given up", "tries", "bytes", "reason"]);
            for letter in letters {
                let seconds = u64::try_from((now - letter.dead_at) / 1_000).unwrap_or(0);
                let row = [
                    letter.id.clone(),
                    format!("{} ago", age(seconds)),
                    letter.receives.to_string(),
                    letter.size.to_string(),
                    letter.reason.clone(),
                ];
                table.add_row(row);
            }
            print(table)?;
        }
    }
    Ok(FINE)
}

/// Says what was done; ids that are not there make the answer no.
fn told(word: &str, done: &Done, output: Output) -> anyhow::Result<ExitCode> {
    let Done {
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

/// `2h 5m 3s`.
fn age(seconds: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(seconds))
}
