//! The settings of this source.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Flag, List, PointInTime, Seconds, Setting, Text};
use time::OffsetDateTime;

use crate::SettingError;

/// What every event of every client and version contains, the URL of its schema; also where a log line escapes it.
const FILTER: &str = "\"openlineage.io/spec\"";

/// The longest filter pattern
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>).
const LONGEST_FILTER: usize = 1_024;

/// How late log events may come at most: CloudWatch Logs takes none that are older.
const LATEST_SECONDS: u64 = 14 * 24 * 3_600;

/// For how long a log group can keep its events: ten years.
const KEPT_SECONDS: u64 = 10 * 366 * 24 * 3_600;

/// The settings of a source of CloudWatch logs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogsSettings {
    /// The log groups: names, or ARNs for those of other accounts. Required.
    pub groups: Setting<List>,
    /// Reads only log streams whose name begins so.
    pub stream_prefix: Option<Setting<Text>>,
    /// The filter pattern of CloudWatch Logs that the first log event of each OpenLineage event matches.
    pub filter: Setting<Text>,
    /// Whether all lines are read, and no filter pattern is used. It takes longer; it finds events whose first piece does not
    /// match a pattern.
    pub all_lines: Setting<Flag>,
    /// The region of the log groups, if it differs from that of the process.
    pub region: Option<Setting<Text>>,
    /// How far back the first poll reads. Later polls continue where the last one ended.
    pub lookback: Setting<Seconds<0, KEPT_SECONDS>>,
    /// How much of what was read is read again, for log events that come late.
    pub overlap: Setting<Seconds<0, LATEST_SECONDS>>,
    /// How old log events are when they are read at the earliest, so that most of a split event is there.
    pub settle: Setting<Seconds<0, 3_600>>,
}

/// The settings of a source of CloudWatch logs, checked.
#[derive(Debug, Clone)]
pub struct LogsConfig {
    /// The log groups: at least one.
    pub groups: Vec<String>,
    /// What the names of streams begin with.
    pub stream_prefix: Option<String>,
    /// The filter pattern; without it all lines are read.
    pub filter: Option<String>,
    /// The region, if it differs from that of the process.
    pub region: Option<String>,
    /// How far back the first poll reads.
    pub lookback: Duration,
    /// How much of what was read is read again.
    pub overlap: Duration,
    /// How old log events are when they are read at the earliest.
    pub settle: Duration,
    /// Where the first poll begins instead.
    pub since: Option<PointInTime>,
    /// Where all polls end, instead of now.
    pub until: Option<PointInTime>,
}

impl Default for LogsSettings {
    fn default() -> LogsSettings {
        LogsSettings {
            groups: Setting(Vec::new()),
            stream_prefix: None,
            filter: Setting(FILTER.to_owned()),
            all_lines: Setting(false),
            region: None,
            lookback: Setting(Duration::from_secs(3_600)),
            overlap: Setting(Duration::from_secs(900)),
            settle: Setting(Duration::from_secs(10)),
        }
    }
}

impl LogsSettings {
    /// Checks the settings together.
    ///
    /// # Errors
    ///
    /// No log group is named, or one twice, or the filter pattern is too long.
    pub fn validate(self) -> Result<LogsConfig, Vec<SettingError>> {
        let invalid = |setting, problem: String| SettingError { setting, problem };
        let groups = self.groups.into_value();
        let mut errors = Vec::new();
        if groups.is_empty() {
            errors.push(invalid("groups", "name at least one log group".to_owned()));
        }
        for (index, group) in groups.iter().enumerate() {
            if group.trim().is_empty() {
                errors.push(invalid("groups", "a log group has no name".to_owned()));
            } else if groups.iter().take(index).any(|other| other == group) {
                errors.push(invalid("groups", format!("{group:?} is named twice")));
            }
        }
        if self.filter.chars().count() > LONGEST_FILTER {
            let problem = format!("it has more than {LONGEST_FILTER} characters");
            errors.push(invalid("filter", problem));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(LogsConfig {
            groups,
            stream_prefix: self.stream_prefix.map(Setting::into_value),
            filter: (!*self.all_lines).then(|| self.filter.into_value()),
            region: self.region.map(Setting::into_value),
            lookback: *self.lookback,
            overlap: *self.overlap,
            settle: *self.settle,
            since: None,
            until: None,
        })
    }
}

impl LogsConfig {
    /// Where the first poll begins, in milliseconds since 1970.
    pub(super) fn begin(&self, now: i64) -> i64 {
        let since = self.since.unwrap_or(PointInTime::Ago(self.lookback));
        since.resolve(now)
    }

    /// Where a poll ends, in milliseconds since 1970.
    pub(super) fn end(&self, now: i64) -> i64 {
        let settled = now.saturating_sub(in_millis(self.settle));
        self.until
            .map_or(settled, |until| until.resolve(now).min(settled))
    }

    /// The time by which what is not complete may still be under way. None where all polls have an end: nobody polls
    /// again, so it is reported.
    pub(super) fn patient(&self, now: i64) -> Option<i64> {
        self.until.is_none().then_some(now)
    }

    /// How much is read again, in milliseconds.
    pub(super) fn overlap(&self) -> i64 {
        in_millis(self.overlap)
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(time: OffsetDateTime) -> i64 {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn in_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
