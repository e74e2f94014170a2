//! `lineage-proxy dead-letters` and `queue status`: the embedded queue, looked at from beside a running `serve`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Common, FINE, Output, no, print};
use crate::config::Role;
use crate::config::settings::Settings;
use crate::queue::{DeadLetter, Embedded};

/// Dead letters that are listed or chosen at once.
const MOST: u32 = 10_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which queue, and how results are printed.
#[derive(Debug, Args)]
pub(super) struct Local {
    /// A YAML file with settings, for its `data_dir`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder that `serve` keeps its queue in [default: lineage-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Chosen {
    /// Their ids.
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Of all, those whose reason contains this text.
    #[arg(long, value_name = "TEXT", requires = "all", default_value = "")]
    reason: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows when, after how many tries and why events were given up.
    List {
        #[command(flatten)]
        local: Local,
        /// Only those whose reason contains this text.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Prints an event.
    Show {
        #[command(flatten)]
        local: Local,
        /// Its id.
        id: String,
    },
    /// Puts events back into the queue, to be tried as new ones.
    Redrive {
        #[command(flatten)]
        local: Local,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Deletes events for good.
    Delete {
        #[command(flatten)]
        local: Local,
        #[command(flatten)]
        chosen: Chosen,
    },
}

pub(super) async fn run(arguments: Arguments, environment: Settings) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::List { local, reason } => {
            let (queue, output) = local.open(environment)?;
            list(&queue.dead_letters(&reason, MOST).await?, output)
        }
        Command::Show { local, id } => {
            let (queue, _) = local.open(environment)?;
            match queue.dead_letter_body(&id).await? {
                Some(body) => print(body).map(|()| FINE),
                None => Ok(unknown(&id)),
            }
        }
        Command::Redrive { local, chosen } => {
            let (queue, output) = local.open(environment)?;
            let ids = chosen.ids(&queue).await?;
            let mut moved = Vec::new();
            for id in &ids {
                moved.push(queue.redrive(id).await?);
            }
            told("redriven", &ids, &moved, output)
        }
        Command::Delete { local, chosen } => {
            let (queue, output) = local.open(environment)?;
            let ids = chosen.ids(&queue).await?;
            let mut deleted = Vec::new();
            for id in &ids {
                deleted.push(queue.delete_dead_letter(id).await?);
            }
            told("deleted", &ids, &deleted, output)
        }
    }
}

pub(super) async fn status(arguments: Local, environment: Settings) -> anyhow::Result<ExitCode> {
    let (queue, output) = arguments.open(environment)?;
    let status = queue.status().await?;
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
                print(format!(
                    "oldest         {}",
                    humantime::format_duration(Duration::from_secs(seconds))
                ))?;
            }
        }
    }
    Ok(FINE)
}

impl Local {
    fn open(self, environment: Settings) -> anyhow::Result<(Embedded, Output)> {
        let output = self.output;
        let flags = Common {
            config: self.config,
            listen: None,
            data_dir: self.data_dir,
            allow_anonymous: false,
            only: None,
        };
        let config = flags.config(environment, Role::Tool)?;
        anyhow::ensure!(
            config.data_dir.is_dir(),
            "{}: there is no such folder",
            config.data_dir.display()
        );
        Ok((
            Embedded::open(&config.data_dir, config.queue.visibility_timeout)?,
            output,
        ))
    }
}

impl Chosen {
    async fn ids(self, queue: &Embedded) -> anyhow::Result<Vec<String>> {
        if !self.all {
            return Ok(self.ids);
        }
        let letters = queue.dead_letters(&self.reason, MOST).await?;
        Ok(letters.into_iter().map(|letter| letter.id).collect())
    }
}

fn list(letters: &[DeadLetter], output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => print(serde_json::to_string(letters)?)?,
        Output::Text if letters.is_empty() => print("no dead letters")?,
        Output::Text => {
            let mut table = Table::new();
            table
                .load_style(UTF8_BORDERS_ONLY)
                .set_header(["id", "given up", "tries", "bytes", "reason"]);
            for letter in letters {
                let dead_at = OffsetDateTime::from_unix_timestamp(letter.dead_at / 1_000)?
                    .format(&Rfc3339)?;
                let row = [
                    letter.id.clone(),
                    dead_at,
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

/// Says what was done to which; ids that are not there make the answer no.
fn told(done: &str, ids: &[String], results: &[bool], output: Output) -> anyhow::Result<ExitCode> {
    let missing: Vec<&String> = ids
        .iter()
        .zip(results)
        .filter(|(_, result)| !**result)
        .map(|(id, _)| id)
        .collect();
    let count = ids.len() - missing.len();
    match output {
        Output::Json => print(json!({done: count, "unknown": missing}))?,
        Output::Text => print(format!("{count} {done}"))?,
    }
    let unknown = missing.into_iter().map(|id| unknown(id)).next_back();
    Ok(unknown.unwrap_or(FINE))
}

fn unknown(id: &str) -> ExitCode {
    eprintln!("lineage-proxy: there is no dead letter {id}");
    no()
}
