//! `lineage-proxy doctor`: follows an event through a deployed stack, and reports where it stops and how to repair that.
//!
//! First checks the parts (`doctor/parts.rs`, and a file for each other; `doctor/fan_out.rs` for stacks of several targets), with the
//! permissions of the user. Then sends a marked event (`doctor/send.rs`) and follows it from the endpoint to SUCCESS at DataZone
//! (`doctor/event.rs`), with the permissions of the functions. The stack of a source has parts
//! of its own, and polls instead (`doctor/source_stack.rs`). Nothing else changes anything in the account.

mod alarms;
mod assumed_role;
mod capacity;
mod check;
mod cold_start;
mod domain;
mod event;
mod fan_out;
mod logs;
mod message_size;
mod parts;
mod published;
mod queries;
mod queues;
mod request_metrics;
mod send;
mod source_stack;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::stack::{Stack, aws};
use super::{FINE, Output, no, print};
use fan_out::Route;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The CloudFormation stack: the one with the API, that of a target, or that of a source.
    #[arg(long, value_name = "NAME")]
    stack: String,
    /// The URL that clients use, if it is not the stack's own (a custom domain).
    #[arg(long)]
    url: Option<reqwest::Url>,
    /// A file that holds a key or token; or set OPENLINEAGE_API_KEY. By default, the stack's secret is read.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<std::path::PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// Check the parts only: send no event, and do not let a source poll.
    #[arg(long)]
    no_event: bool,
    /// How long to follow the event.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The result of one step.
#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    verdict: Verdict,
    found: String,
    /// How to repair it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It works.
    Good,
    /// It could not be checked, or it works but is not configured as it should be.
    Unsure,
    /// It does not work.
    Bad,
}

impl Step {
    fn good(step: &'static str, found: impl Into<String>) -> Step {
        Step {
            step,
            verdict: Verdict::Good,
            found: found.into(),
            advice: None,
        }
    }

    fn unsure(step: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Step {
        Step {
            verdict: Verdict::Unsure,
            advice: Some(advice.into()),
            ..Step::good(step, found)
        }
    }

    fn bad(step: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Step {
        Step {
            verdict: Verdict::Bad,
            ..Step::unsure(step, found, advice)
        }
    }
}

/// Prints steps as they finish, and keeps the worst verdict.
struct StepPrinter {
    output: Output,
    worst: Verdict,
}

impl StepPrinter {
    fn print(&mut self, step: &Step) -> anyhow::Result<()> {
        if self.worst == Verdict::Good || step.verdict == Verdict::Bad {
            self.worst = step.verdict;
        }
        if self.output == Output::Json {
            return print(serde_json::to_string(step)?);
        }
        let mark = match step.verdict {
            Verdict::Good => "ok  ",
            Verdict::Unsure => "?   ",
            Verdict::Bad => "FAIL",
        };
        print(format!("{mark}  {:<14} {}", step.step, step.found))?;
        match &step.advice {
            Some(advice) => print(format!("      {:<14} -> {advice}", "")),
            None => Ok(()),
        }
    }

    fn exit_status(&self) -> ExitCode {
        match self.worst {
            Verdict::Good | Verdict::Unsure => FINE,
            Verdict::Bad => no(),
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let aws = aws();
    let stack = Stack::find(&aws, &arguments.stack).await?;
    let mut printer = StepPrinter {
        output: arguments.output,
        worst: Verdict::Good,
    };
    printer.print(&parts::stack("stack", &stack))?;
    if stack.optional("SourceFunction").is_some() {
        let polls = !arguments.no_event;
        source_stack::check(&aws, &stack, polls, &mut printer).await?;
        return Ok(printer.exit_status());
    }
    let api_key = match &arguments.api_key_file {
        Some(file) => Some(std::fs::read_to_string(file)?.trim().to_owned()),
        None => arguments.api_key.clone(),
    };
    // A target stack is fed by another one.
    let ingest = match stack.optional("IngestStackName") {
        Some(name) => {
            let ingest = Stack::find(&aws, name).await?;
            printer.print(&parts::stack("ingest stack", &ingest))?;
            ingest
        }
        None => stack.clone(),
    };
    let route = Route::of(&stack)?;
    printer.print(&parts::function(&aws, &ingest, "ingest", "IngestFunction").await?)?;
    printer.print(&capacity::step(&aws, &ingest).await?)?;
    for step in fan_out::route(&aws, &stack, &route).await? {
        printer.print(&step)?;
    }
    if route.has_target() {
        printer.print(&parts::function(&aws, &stack, "batch", "BatchFunction").await?)?;
        printer.print(&parts::source(&aws, &stack).await?)?;
        for step in parts::queues(&aws, &stack).await? {
            printer.print(&step)?;
        }
        printer.print(&queues::step(&aws, &stack).await?)?;
    }
    printer.print(&logs::step(&aws, &stack).await)?;
    for step in alarms::steps(&aws, &stack).await {
        printer.print(&step)?;
    }
    let (key, step) = parts::key(&aws, &ingest, api_key).await?;
    printer.print(&step)?;
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => ingest.output("LineageProxyApiUrl")?.parse()?,
    };
    for step in parts::endpoint(&ingest, &url).await? {
        printer.print(&step)?;
    }
    if let Some(step) = published::step(&aws, &ingest).await {
        printer.print(&step)?;
    }
    if let Some(step) = domain::step(&aws, &stack).await? {
        printer.print(&step)?;
    }
    if !arguments.no_event {
        if let Some(step) = check::step(&aws, &stack).await {
            printer.print(&step)?;
        }
        let waiting = spinner();
        let trace = event::Trace {
            aws: &aws,
            ingest: &ingest,
            stack: &stack,
            is_delivered: route.delivers() && !parts::is_paused(&stack),
            url: &url,
            key: key.as_deref(),
            patience: arguments.patience,
            waiting: &waiting,
        };
        let steps = trace.follow().await;
        waiting.finish_and_clear();
        for step in steps? {
            printer.print(&step)?;
        }
    }
    printer.print(&request_metrics::step(&aws, &ingest).await?)?;
    // After the event, which may have been the first of an instance.
    printer.print(&cold_start::step(&aws, &ingest, proxy::queue::now()).await?)?;
    Ok(printer.exit_status())
}

/// Shows that something is waited for. It hides itself without a terminal.
fn spinner() -> ProgressBar {
    let waiting = ProgressBar::new_spinner();
    waiting.enable_steady_tick(Duration::from_millis(100));
    waiting
}
