//! `transform explain`: for each event, which rules are for it, and which condition keeps the others from it.

use std::collections::HashMap;
use std::process::ExitCode;

use ::transform::{Facts, Verdict};
use clap::Args;

use super::show::{lines, told};
use super::{BOLD, Bench, DIM, File, Output, Target, coloured, event, exit, input, paint};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: File,
    /// The target that the events are for.
    #[arg(long, value_enum, default_value_t)]
    target: Target,
    /// Files with events.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, bench: &Bench) -> anyhow::Result<ExitCode> {
    let rules = bench.rules(&arguments.file)?;
    let prepare = arguments.target.prepare();
    let lookups = HashMap::new();
    let facts = Facts {
        target: prepare.target,
        lookups: &lookups,
    };
    let (events, mut fine) = input::read(&arguments.files)?;
    for found in events {
        let event = match event(&found) {
            Ok(event) => event,
            Err(error) => {
                fine = false;
                eprintln!("{error}");
                continue;
            }
        };
        let (place, explained) = (found.place(), rules.explain(&event, &facts));
        if arguments.file.output == Output::Json {
            paint(&told(&place, &event, &explained).to_string())?;
            continue;
        }
        let job = event.job();
        let job = job.map(|job| format!(" {} {}", job.namespace, job.name));
        let title = format!("{place} {}{}", event.label(), job.unwrap_or_default());
        paint(&coloured(&title, BOLD))?;
        for line in explained.steps.iter().flat_map(lines) {
            paint(&line)?;
        }
        match (explained.verdict, rules.coalesces(&event, prepare.target)) {
            (Verdict::Keep(_), Some(_)) => {
                let note = "  coalesce: may become one with others of its run";
                paint(&coloured(note, DIM))?;
            }
            (Verdict::Keep(_) | Verdict::Drop { .. } | Verdict::DeadLetter { .. }, _) => {}
        }
    }
    Ok(exit(fine))
}
