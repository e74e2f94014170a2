//! Prints dead letters, the state of a queue, and what became of dead letters. Called by `dead_letters.rs`.

use std::process::ExitCode;
use std::time::Duration;

use proxy::queue::{DeadLetter, DeadLetterGroups, Status, now};
use serde_json::json;

use super::act::Summary;
use crate::cli::table::{Fit, Table};
use crate::cli::tell;
use crate::cli::{FINE, Output, no, print};

/// Prints dead letters as a table, or as JSON.
pub(super) fn list(letters: &[DeadLetter], output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => print(serde_json::to_string(letters)?)?,
        Output::Text if letters.is_empty() => print("no dead letters")?,
        Output::Text => {
            let now = now();
            let mut table = Table::new([
                ("id", Fit::Whole),
                ("target", Fit::Whole),
                ("dead since", Fit::Whole),
                ("attempts", Fit::Whole),
                ("bytes", Fit::From(100)),
                ("reason", Fit::Wrap),
            ]);
            for letter in letters {
                table.row([
                    letter.id.clone(),
                    letter.target.clone().unwrap_or_else(|| "-".to_owned()),
                    ago(letter.dead_at, now),
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

/// Prints dead letters by reason as a table, or as JSON.
pub(super) fn groups(found: &DeadLetterGroups, output: Output) -> anyhow::Result<ExitCode> {
    match output {
        Output::Json => print(serde_json::to_string(found)?)?,
        Output::Text if found.groups.is_empty() => print("no dead letters")?,
        Output::Text => {
            let now = now();
            let mut table = Table::new([
                ("count", Fit::Whole),
                ("target", Fit::Whole),
                ("first", Fit::From(100)),
                ("last", Fit::Whole),
                ("came back", Fit::Whole),
                ("reason", Fit::Wrap),
                ("example", Fit::Whole),
            ]);
            for group in &found.groups {
                table.row([
                    group.count.to_string(),
                    group.target.clone().unwrap_or_else(|| "-".to_owned()),
                    ago(group.first_dead_at, now),
                    ago(group.last_dead_at, now),
                    group
                        .came_back
                        .map_or_else(|| "-".to_owned(), |count| count.to_string()),
                    group.shape.clone(),
                    group.example.id.clone(),
                ]);
            }
            print(table.text())?;
            if found.others > 0 {
                tell(format_args!(
                    "lineage-proxy: {} dead letters have further reasons",
                    found.others
                ));
            }
        }
    }
    Ok(FINE)
}

/// Prints the result. Fails if an id does not exist.
pub(super) fn report(word: &str, done: &Summary, output: Output) -> anyhow::Result<ExitCode> {
    let Summary {
        count,
        unknown: missing,
        stopped,
    } = done;
    match output {
        Output::Json => print(json!({word: count, "unknown": missing}))?,
        Output::Text => print(format!("{count} {word}"))?,
    }
    for target in stopped {
        tell(format_args!(
            "lineage-proxy: target {target} is not configured: what was redriven is delivered once serve starts with it"
        ));
    }
    let unknown = missing.iter().map(|id| unknown(id)).next_back();
    Ok(unknown.unwrap_or(FINE))
}

/// Reports an id that no dead letter has.
pub(super) fn unknown(id: &str) -> ExitCode {
    tell(format_args!(
        "lineage-proxy: no dead letter has the id {id}"
    ));
    no()
}

/// Prints how much is queued.
pub(super) fn status(status: &Status) -> anyhow::Result<()> {
    print(format!("waiting        {}", status.waiting))?;
    print(format!(
        "in flight      {}   (received, or to be retried)",
        status.in_flight
    ))?;
    print(format!("dead letters   {}", status.dead_letters))?;
    match status.oldest_seconds {
        Some(seconds) => print(format!("oldest         {}", age(seconds))),
        None => Ok(()),
    }
}

/// Formats a time as how long ago it was.
fn ago(at: i64, now: i64) -> String {
    let seconds = u64::try_from(now.saturating_sub(at) / 1_000).unwrap_or(0);
    format!("{} ago", age(seconds))
}

/// Formats an age by its two largest units: `2h 5m`.
fn age(seconds: u64) -> String {
    let whole = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    let units: Vec<&str> = whole.split(' ').take(2).collect();
    units.join(" ")
}
