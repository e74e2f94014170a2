//! `lineage-proxy events`: shows what happened to events. For a `serve`, reads its history (`events/local.rs`). For a deployed
//! stack, reads its log groups, from the request to the outcome.
//!
//! For a stack, a first query finds the events that are asked for (`events/query.rs`), and a second one all lines about them, which
//! `events/history.rs` puts together. `events/log_groups.rs` says which log groups there are, `events/insights.rs` runs queries,
//! `events/follow.rs` goes on with new lines, and `events/show.rs` prints.

mod changes;
mod follow;
mod history;
mod insights;
mod local;
mod log_groups;
mod query;
mod show;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use proxy::aws_error::summarize;
use proxy::config::{Errors, PointInTime};
use uuid::Uuid;

use super::stack::{Stack, aws};
use super::{FINE, Output, no};
use insights::{Insights, Range};
use query::{OutcomeName, Selection};

use crate::cli::tell;
pub(super) use insights::QueryError;
pub(super) use source::LookError;

/// There are two forms, of which clap would make one that asks for both.
const USAGE: &str = "lineage-proxy events [OPTIONS] DIR|URL [SEARCH]...
       lineage-proxy events [OPTIONS] --stack NAME";

#[derive(Debug, Args)]
#[command(override_usage = USAGE)]
pub(super) struct Arguments {
    /// Where the history is: the data folder of a `serve`, or its URL.
    #[arg(
        value_name = "DIR|URL",
        required_unless_present_any = ["stack", "id", "run", "job", "outcome", "since", "until"],
        conflicts_with = "stack"
    )]
    from: Option<String>,
    /// What to look for there: job:dbt.* outcome:dead since:2h, and words. Without it, all events.
    #[arg(value_name = "SEARCH")]
    search: Vec<String>,
    /// The CloudFormation stack: the one with the API, or that of a target.
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// With --stack: only the event with this id, which ingest returned.
    #[arg(long, value_name = "ID")]
    id: Option<Uuid>,
    /// With --stack: only the events of a run.
    #[arg(long, value_name = "ID")]
    run: Option<Uuid>,
    /// With --stack: only the events of jobs: NAMESPACE/NAME, or the name alone; `*` stands for any text.
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// With --stack: only events that ended so.
    #[arg(long, value_enum)]
    outcome: Option<OutcomeName>,
    /// With --stack: only what was logged at this time or later: 2026-11-20T10:00:00Z, 2026-11-20, or how long ago. By default 1h.
    #[arg(long, value_name = "TIME", value_parser = PointInTime::parse_text)]
    since: Option<PointInTime>,
    /// With --stack: only what was logged before this time.
    #[arg(long, value_name = "TIME", value_parser = PointInTime::parse_text, conflicts_with = "follow")]
    until: Option<PointInTime>,
    /// The most events, the newest.
    #[arg(long, value_name = "EVENTS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Go on with new lines, one line each.
    #[arg(long)]
    follow: bool,
    /// How often to poll for new lines, at least 1s; by default 1s, of a stack 10s. There, each poll is a query, which CloudWatch
    /// charges by what it reads.
    #[arg(long, value_name = "TIME", value_parser = interval, requires = "follow")]
    interval: Option<Duration>,
    /// With a URL, the file with an API key of the role `read`; or set OPENLINEAGE_API_KEY.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    #[arg(long, env = "OPENLINEAGE_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<String>,
    /// How results are printed: JSON is one line an event, or one a log line with --follow.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// How far the clock of this machine may be behind that of AWS, in milliseconds.
const SKEW: i64 = 300_000;

/// What is looked at of a stack without --since.
const SINCE: PointInTime = PointInTime::Ago(Duration::from_secs(3_600));

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match (&arguments.from, &arguments.stack) {
        (Some(from), _) => local::run(from, &arguments).await,
        (None, Some(stack)) => of_stack(stack, &arguments).await,
        (None, None) => {
            local::refuse_selection(&arguments)?;
            Err(Errors::general("expected a data folder, a URL, or --stack").into())
        }
    }
}

/// Prints the events of a stack.
async fn of_stack(stack: &str, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let range = arguments.range();
    if range.since >= range.until {
        let why = "--since is not before --until: there is nothing between them";
        return Err(Errors::general(why).into());
    }
    let insights = Insights::new(&aws(), groups(stack).await?);
    let work = async {
        match arguments.follow {
            true => follow::follow(&insights, arguments).await,
            false => once(&insights, arguments).await,
        }
    };
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => {
            insights.stop().await;
            Ok(ExitCode::from(130)) // as a shell reports SIGINT
        }
    }
}

/// Finds the log groups. Without the permission to list stacks, they are those of the stack itself and of its ingest.
async fn groups(name: &str) -> anyhow::Result<log_groups::LogGroups> {
    let aws = aws();
    let stack = Stack::find(&aws, name).await?;
    let ingest = match stack.optional("IngestStackName") {
        Some(ingest) => Stack::find(&aws, ingest).await?,
        None => stack.clone(),
    };
    let all = Stack::all(&aws).await.unwrap_or_else(|error| {
        tell(format_args!(
            "lineage-proxy: the stacks of further targets and of sources are not looked at: {}",
            summarize(&error)
        ));
        Vec::new()
    });
    let groups = log_groups::related(&stack, &ingest, &all);
    if groups.is_empty() {
        stack.output("BatchLogGroup")?; // it has none, which is the error
    }
    Ok(groups)
}

/// Whether the query for a run finds a line about an event of it, as it would with `--stack` and `--run`.
pub(super) async fn finds_run(stack: &Stack, run: Uuid, since: i64) -> Result<bool, QueryError> {
    let insights = Insights::new(&aws(), log_groups::related(stack, stack, &[]));
    let selection = Selection {
        run: Some(run),
        ..Selection::default()
    };
    let range = Range {
        since,
        until: now() + SKEW,
    };
    let (found, _) = insights.newest(&selection.query(), range).await?;
    Ok(!history::selected(&history::distinct(found), &selection).is_empty())
}

/// Prints the events that are in the logs now.
async fn once(insights: &Insights, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let selection = arguments.selection();
    let range = arguments.range();
    let (found, is_cut) = insights.newest(&selection.query(), range).await?;
    let found = history::distinct(found);
    let mut ids = history::selected(&found, &selection);
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let more = is_cut || ids.len() > limit;
    ids.truncate(limit);
    let mut rejected = history::rejections(&found, &selection);
    let more = more || rejected.len() > limit;
    rejected.drain(..rejected.len().saturating_sub(limit));
    let mut lines = Vec::new();
    for query in query::by_ids(&ids) {
        lines.extend(insights.all(&query, range).await?);
    }
    let lines = history::distinct(lines);
    let events = history::histories(&lines, &ids, &rejected);
    for event in &events {
        show::event(event, arguments.output)?;
    }
    if events.is_empty() {
        let waits = selection.id.and_then(|id| history::accepted_at(&id));
        let waits = waits.map_or(
            "",
            |_| ". An event that waits in the queue is in no log yet",
        );
        tell(format_args!(
            "lineage-proxy: no such event in the logs since {}{waits}",
            history::time_text(range.since)
        ));
        return Ok(no());
    }
    if more {
        tell(format_args!(
            "lineage-proxy: there are more events: these are the newest {}. See --limit, --since and --until",
            events.len()
        ));
    }
    Ok(FINE)
}

impl Arguments {
    fn selection(&self) -> Selection {
        Selection {
            id: self.id,
            run: self.run,
            job: self.job.clone(),
            outcome: self.outcome,
        }
    }

    fn range(&self) -> Range {
        let now = now();
        Range {
            since: self.since.unwrap_or(SINCE).resolve(now),
            until: self.until.map_or(now + SKEW, |until| until.resolve(now)),
        }
    }
}

/// The shortest pause between two polls: more often finds nothing new, since lines take seconds to arrive.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match interval < LEAST_INTERVAL {
        true => Err("at least 1s is required".to_owned()),
        false => Ok(interval),
    }
}

/// The time, in milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_have_a_pause_between_them() {
        assert_eq!(interval("1s"), Ok(LEAST_INTERVAL));
        for short in ["0s", "999ms", "soon"] {
            assert!(interval(short).is_err(), "{short}");
        }
    }
}
