//! Runs queries of CloudWatch Logs Insights, and returns the log lines that they find. What to ask for is in `query.rs`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws::logs::insights::{
    GetQueryResults, QueryResults, QueryStatus, ResultField, StartQuery, StopQuery,
};
use aws::{Aws, Client, ProvideErrorMetadata};
use proxy::aws_error::summarize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep};

use super::history::Line;
use super::log_groups::LogGroups;
use crate::cli::tell;

/// The most log events that a query returns
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html>).
const MOST: u32 = 10_000;

/// The most log groups of a query (same page).
const GROUPS: usize = 50;

/// How long to wait for one query, and for one to be accepted: an account runs 30 or 100 at once, those of dashboards included
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>).
const PATIENCE: Duration = Duration::from_secs(300);

/// The first and the longest time between two polls of a query. `GetQueryResults` may be called five times a second (same page).
const POLLS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// A query that did not end well.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum QueryError {
    /// The service refuses it.
    #[error("{operation}: {why}{}", advice(*denied, operation))]
    Call {
        operation: &'static str,
        why: String,
        denied: bool,
    },
    /// It was not complete.
    #[error(
        "the query of CloudWatch Logs Insights ended as {0}: look at a shorter time (--since, --until)"
    )]
    NotComplete(&'static str),
    /// It takes too long.
    #[error(
        "the query of CloudWatch Logs Insights takes longer than {PATIENCE:?}: look at a shorter time (--since, --until)"
    )]
    TooLong,
}

/// A range of time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) since: i64,
    pub(super) until: i64,
}

/// Queries over the log groups of a stack.
pub(super) struct Insights {
    client: Client,
    groups: LogGroups,
    /// The query that runs, to be stopped if nobody waits for it any more: the service would go on, and charge for it.
    running: Mutex<Option<String>>,
}

impl Insights {
    pub(super) fn new(aws: &Aws, groups: LogGroups) -> Insights {
        Insights {
            client: aws.client(),
            groups,
            running: Mutex::new(None),
        }
    }

    /// Returns the newest lines that a query finds, and whether there are more.
    pub(super) async fn newest(
        &self,
        query: &str,
        range: Range,
    ) -> Result<(Vec<Line>, bool), QueryError> {
        self.search(query, range, WhenFull::Stop).await
    }

    /// Returns all lines that a query finds: where there are more than it may return, those of shorter times. Of a second with more,
    /// the rest is missing, which is said once.
    pub(super) async fn all(&self, query: &str, range: Range) -> Result<Vec<Line>, QueryError> {
        let (lines, is_cut) = self.search(query, range, WhenFull::Divide).await?;
        if is_cut {
            tell(format_args!(
                "lineage-proxy: more than {MOST} lines were logged within a second, and a query returns no more: some are missing"
            ));
        }
        Ok(lines)
    }

    /// Searches a range, the newest part first, and divides what one query cannot do. Also returns whether there are more lines.
    async fn search(
        &self,
        query: &str,
        range: Range,
        when_full: WhenFull,
    ) -> Result<(Vec<Line>, bool), QueryError> {
        let (mut lines, mut is_cut) = (Vec::new(), false);
        for groups in self.chunks() {
            let mut ranges = vec![range];
            while let Some(range) = ranges.pop() {
                match after(
                    self.run(query, groups.clone(), range).await,
                    range,
                    when_full,
                )? {
                    After::Divide(halves, why) => {
                        if let Some(why) = why {
                            tell(format_args!(
                                "lineage-proxy: {why}; each half of that time is looked at"
                            ));
                        }
                        ranges.extend(halves);
                    }
                    After::Lines(found) => {
                        is_cut |= found.is_full();
                        if found.is_full() && when_full == WhenFull::Stop {
                            ranges.clear(); // what is older is not among the newest
                        }
                        lines.extend(found.lines);
                    }
                }
            }
        }
        Ok((lines, is_cut))
    }

    /// Stops the query that runs.
    pub(super) async fn stop(&self) {
        let running = self.lock().take();
        if let Some(query_id) = running {
            let stop = StopQuery { query_id };
            // It may have ended, and this process is about to: nobody would do anything else.
            let _ = self.client.send(&stop).await;
        }
    }

    fn chunks(&self) -> impl Iterator<Item = Vec<String>> {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        let chunks: Vec<Vec<String>> = names.chunks(GROUPS).map(<[String]>::to_vec).collect();
        chunks.into_iter()
    }

    /// Runs a query. One that is given up is stopped, whatever the reason.
    async fn run(
        &self,
        query: &str,
        groups: Vec<String>,
        range: Range,
    ) -> Result<QueryLines, QueryError> {
        let found = self.results(query, groups, range).await;
        if found.is_err() {
            self.stop().await;
        }
        let rows = found?;
        Ok(QueryLines {
            rows: rows.len(),
            lines: rows.into_iter().filter_map(|row| self.line(row)).collect(),
        })
    }

    async fn results(
        &self,
        query: &str,
        groups: Vec<String>,
        range: Range,
    ) -> Result<Vec<Vec<ResultField>>, QueryError> {
        let start = StartQuery {
            log_group_names: groups,
            start_time: range.since.div_euclid(1_000),
            // The second that has begun belongs to it.
            end_time: range.until.div_euclid(1_000) + 1,
            query_string: query.to_owned(),
            limit: Some(MOST),
        };
        let until = Instant::now() + PATIENCE;
        let id = self.start(&start, until).await?;
        *self.lock() = Some(id.clone());
        let get = GetQueryResults { query_id: id };
        let mut pause = POLLS.0;
        loop {
            let next = match self.client.send(&get).await {
                Ok(found) => next(found, Instant::now() >= until)?,
                // The query goes on meanwhile.
                Err(error) if passes(&error) && Instant::now() < until => Next::Wait,
                Err(error) => return Err(refused("logs:GetQueryResults", &error)),
            };
            match next {
                Next::Results(rows) => {
                    self.lock().take();
                    return Ok(rows);
                }
                Next::Wait => sleep(pause).await,
            }
            pause = (pause * 2).min(POLLS.1);
        }
    }

    /// Starts a query, once the account has room for one more.
    async fn start(&self, start: &StartQuery, until: Instant) -> Result<String, QueryError> {
        let mut pause = POLLS.0;
        loop {
            match self.client.send(start).await {
                Ok(started) => return Ok(started.query_id),
                Err(error) if passes(&error) && Instant::now() < until => sleep(pause).await,
                Err(error) => return Err(refused("logs:StartQuery", &error)),
            }
            pause = (pause * 2).min(POLLS.1);
        }
    }

    /// Reads a row: a log event.
    fn line(&self, row: Vec<ResultField>) -> Option<Line> {
        let fields = row.into_iter().map(|field| (field.field, field.value));
        let mut fields: HashMap<String, String> = fields.collect();
        let mut field = |name: &str| fields.remove(name).unwrap_or_default();
        // ACCOUNT:GROUP
        let log = field("@log");
        let group = log.split_once(':').map_or(&*log, |(_, group)| group);
        let function = self.groups.get(group).map_or(group, String::as_str);
        Line::read(
            function,
            &field("@logStream"),
            &field("@timestamp"),
            &field("@message"),
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of a query.
struct QueryLines {
    lines: Vec<Line>,
    /// The rows of its result, those that are no line of ours included: they count for the limit.
    rows: usize,
}

impl QueryLines {
    /// Whether there may be more than the query has returned.
    fn is_full(&self) -> bool {
        self.rows >= MOST as usize
    }
}

/// What to do with a range that has more lines than a query returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    /// Leave the older ones.
    Stop,
    /// Look at shorter times.
    Divide,
}

/// What follows from a query.
enum After {
    Lines(QueryLines),
    /// Look at these, of which the last is the newest; why, if it is worth a word.
    Divide([Range; 2], Option<QueryError>),
}

fn after(
    found: Result<QueryLines, QueryError>,
    range: Range,
    when_full: WhenFull,
) -> Result<After, QueryError> {
    match (found, halves(range)) {
        (Ok(found), Some(halves)) if found.is_full() && when_full == WhenFull::Divide => {
            Ok(After::Divide(halves, None))
        }
        (Ok(found), _) => Ok(After::Lines(found)),
        (Err(error), Some(halves)) if error.is_too_long() => Ok(After::Divide(halves, Some(error))),
        (Err(error), _) => Err(error),
    }
}

impl QueryError {
    /// Whether the same query may succeed for a shorter time.
    fn is_too_long(&self) -> bool {
        match self {
            QueryError::TooLong => true,
            QueryError::NotComplete(status) => *status == QueryStatus::Timeout.name(),
            QueryError::Call { .. } => false,
        }
    }
}

/// Divides a range at a whole second, as queries have seconds. A second is not divided.
fn halves(range: Range) -> Option<[Range; 2]> {
    let (since, until) = (range.since.div_euclid(1_000), range.until.div_euclid(1_000));
    let middle = since.midpoint(until);
    (middle > since).then(|| {
        let first = Range {
            until: middle * 1_000 - 1,
            ..range
        };
        let second = Range {
            since: middle * 1_000,
            ..range
        };
        [first, second]
    })
}

/// What follows from the results so far.
enum Next {
    Results(Vec<Vec<ResultField>>),
    Wait,
}

fn next(found: QueryResults, is_over: bool) -> Result<Next, QueryError> {
    match found.status {
        QueryStatus::Complete => Ok(Next::Results(found.results)),
        QueryStatus::Scheduled | QueryStatus::Running | QueryStatus::Unknown if is_over => {
            Err(QueryError::TooLong)
        }
        QueryStatus::Scheduled | QueryStatus::Running | QueryStatus::Unknown => Ok(Next::Wait),
        status @ (QueryStatus::Failed | QueryStatus::Cancelled | QueryStatus::Timeout) => {
            Err(QueryError::NotComplete(status.name()))
        }
    }
}

/// Whether a call may succeed later: the account runs as many queries as it may, calls it too often, or the service has a fault
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html#API_StartQuery_Errors>).
fn passes(error: &aws::Error) -> bool {
    let is_known = |code| {
        matches!(
            code,
            "LimitExceededException" | "ServiceUnavailableException"
        )
    };
    error.is_throttling() || error.code().is_some_and(is_known)
}

fn refused(operation: &'static str, error: &aws::Error) -> QueryError {
    let code = error.code().unwrap_or_default();
    QueryError::Call {
        operation,
        why: summarize(error),
        denied: code.starts_with("AccessDenied"),
    }
}

fn advice(denied: bool, operation: &str) -> String {
    match denied {
        true => format!(
            ": you need {operation} on the log groups of the stack, and with logs:StartQuery also logs:GetQueryResults and logs:StopQuery"
        ),
        false => String::new(),
    }
}

/// The time of a row: `2026-11-20 10:00:00.000`, in UTC.
pub(super) fn time_of(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339).ok()
}

#[cfg(test)]
mod tests;
