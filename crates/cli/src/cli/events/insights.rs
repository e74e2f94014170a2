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
        let mut lines = Vec::new();
        let mut is_cut = false;
        for groups in self.chunks() {
            let found = self.run(query, groups, range).await?;
            is_cut |= found.is_full();
            lines.extend(found.lines);
        }
        Ok((lines, is_cut))
    }

    /// Returns all lines that a query finds: where there are more than it may return, those of shorter times. Of a second with more,
    /// the rest is missing, which is said once.
    pub(super) async fn all(&self, query: &str, range: Range) -> Result<Vec<Line>, QueryError> {
        let mut lines = Vec::new();
        let mut is_cut = false;
        for groups in self.chunks() {
            let mut ranges = vec![range];
            while let Some(range) = ranges.pop() {
                let found = self.run(query, groups.clone(), range).await?;
                match halves(range) {
                    Some(halves) if found.is_full() => ranges.extend(halves),
                    Some(_) | None => {
                        is_cut |= found.is_full();
                        lines.extend(found.lines);
                    }
                }
            }
        }
        if is_cut {
            eprintln!(
                "lineage-proxy: more than {MOST} lines were logged within a second, and a query returns no more: some are missing"
            );
        }
        Ok(lines)
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
            let found = self.client.send(&get).await;
            let found = found.map_err(|error| refused("logs:GetQueryResults", &error))?;
            match next(found, Instant::now() >= until)? {
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
                Err(error)
                    if error.code() == Some("LimitExceededException") && Instant::now() < until =>
                {
                    sleep(pause).await;
                }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_complete_results_are_results() {
        let found = |status| QueryResults {
            results: vec![vec![]],
            status,
        };
        assert!(
            matches!(next(found(QueryStatus::Complete), true), Ok(Next::Results(rows)) if rows.len() == 1)
        );
        for status in [
            QueryStatus::Scheduled,
            QueryStatus::Running,
            QueryStatus::Unknown,
        ] {
            assert!(matches!(next(found(status), false), Ok(Next::Wait)));
            assert!(matches!(
                next(found(status), true),
                Err(QueryError::TooLong)
            ));
        }
        for status in [
            QueryStatus::Failed,
            QueryStatus::Cancelled,
            QueryStatus::Timeout,
        ] {
            let error = next(found(status), false)
                .err()
                .map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(status.name())));
        }
    }

    proptest! {
        /// No millisecond is left out, and it comes to an end.
        #[test]
        fn halves_cover_their_range(since in 0_i64..10_000_000, length in 0_i64..10_000_000) {
            let range = Range { since, until: since + length };
            if let Some([first, second]) = halves(range) {
                prop_assert_eq!((first.since, second.until), (range.since, range.until));
                prop_assert_eq!(first.until + 1, second.since);
                prop_assert!(first.since <= first.until && second.since <= second.until);
            } else {
                prop_assert!(length < 2_000);
            }
        }
    }

    #[test]
    fn rows_that_are_no_lines_of_ours_count_for_the_limit() {
        let found = |rows| QueryLines {
            lines: Vec::new(),
            rows,
        };
        assert!(found(MOST as usize).is_full());
        assert!(!found(MOST as usize - 1).is_full());
    }

    #[test]
    fn the_time_of_a_row_is_utc() {
        let time = time_of("2026-11-20 10:00:00.007").map(|time| time.unix_timestamp_nanos());
        assert_eq!(time, Some(1_795_168_800_007_000_000));
        assert_eq!(time_of("1795168800007"), None);
    }
}
