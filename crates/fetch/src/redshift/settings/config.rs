//! The settings of this source, checked, and the times of a poll that follow from them.
//!
//! `../settings.rs` makes them. Read by what polls.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::Role;
use settings::PointInTime;
use sources::redshift::{DatasetName, Options, Warehouse};
use time::OffsetDateTime;
use tokio::time::Instant;

/// How long before the end of a poll a statement that runs is cancelled: the pause between two questions whether it has ended, and
/// the two requests.
const CANCELLING: Duration = Duration::from_secs(5);

/// The settings of a source of Redshift's history, checked.
#[derive(Debug, Clone)]
pub struct RedshiftConfig {
    /// The warehouse.
    pub warehouse: WarehouseName,
    /// The database to connect to.
    pub database: String,
    /// The ARN of a secret with user and password.
    pub secret_arn: Option<String>,
    /// The region, if it differs from that of the process.
    pub region: Option<String>,
    /// The role to assume.
    pub role: Option<Role>,
    /// The host, if it need not be looked up.
    pub host: Option<String>,
    /// The account, if it need not be looked up.
    pub account: Option<String>,
    /// The databases of datashares, by their producers' names.
    pub datashares: BTreeMap<String, DatasetName>,
    /// What is reported, and how.
    pub options: Options,
    /// How late a statement may appear.
    pub overlap: Duration,
    /// How far back the first poll reads.
    pub lookback: Duration,
    /// Where the first poll begins instead.
    pub since: Option<PointInTime>,
    /// Where all polls end, instead of now. A statement counts by its start.
    pub until: Option<PointInTime>,
    /// When statements that run are cancelled, because whoever polls has no more time.
    pub(in crate::redshift) deadline: Option<Instant>,
}

/// The settings for results that were saved.
#[derive(Debug, Clone)]
pub(crate) struct SavedHistory {
    pub(crate) warehouse: Warehouse,
    pub(crate) options: Options,
}

/// Which warehouse to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarehouseName {
    /// A serverless workgroup.
    Workgroup(String),
    /// A provisioned cluster.
    Cluster {
        /// Its identifier.
        name: String,
        /// The user to connect as; without one, that of the IAM identity.
        user: Option<String>,
    },
}

impl RedshiftConfig {
    /// The same for whoever ends the poll at `end`: a statement that runs shortly before is cancelled, and does not run on
    /// unnoticed in the warehouse. The poll goes on until `end`.
    #[must_use]
    pub fn ending_at(self, end: Instant) -> RedshiftConfig {
        RedshiftConfig {
            deadline: end.checked_sub(CANCELLING),
            ..self
        }
    }

    /// Where the first poll begins.
    pub(in crate::redshift) fn begin(&self, now: OffsetDateTime) -> OffsetDateTime {
        let since = self.since.unwrap_or(PointInTime::Ago(self.lookback));
        of_millis(since.resolve(millis(now))).unwrap_or(now)
    }

    /// Where a poll ends.
    pub(in crate::redshift) fn end(&self, now: OffsetDateTime) -> OffsetDateTime {
        let until = self
            .until
            .and_then(|until| of_millis(until.resolve(millis(now))));
        until.map_or(now, |until| until.min(now))
    }
}

fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

fn of_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}
