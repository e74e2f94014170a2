//! The settings of this source.

use std::time::Duration;

use aws::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    AccountId, CheckedText, ExternalId, Flag, List, PointInTime, RoleArn, Seconds, Setting, Text,
};
use sources::crawler::Tables;
use time::OffsetDateTime;

use super::plan::millis;
use crate::SettingError;

/// How far back the first poll reads without a setting: over a weekly crawl.
const LOOKBACK: Duration = Duration::from_secs(7 * 24 * 3600);

/// For how long the service keeps crawls (<https://docs.aws.amazon.com/glue/latest/webapi/API_ListCrawls.html>: 12 months).
const KEPT_SECONDS: u64 = 366 * 24 * 3600;

/// The settings of a source of Glue crawlers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CrawlerSettings {
    /// The names of the crawlers. All of the account in the region, without it.
    pub crawlers: Setting<List>,
    /// The region of the crawlers, if it differs from that of the process.
    pub region: Option<Setting<Text>>,
    /// A role to assume, such as one in the account of the crawlers.
    pub role_arn: Option<Setting<RoleArn>>,
    /// The external id that the trust policy of the role asks for, if it does.
    pub external_id: Option<Setting<CheckedText<ExternalId>>>,
    /// The account of the crawlers. That of the role, or asked for without one (`sts:GetCallerIdentity`).
    pub account: Option<Setting<CheckedText<AccountId>>>,
    /// Whether tables that a crawl left as they were become runs too, so that each crawl shows all that it looked at.
    pub unchanged_tables: Setting<Flag>,
    /// How far back the first poll reads. Later polls continue where the last one ended.
    pub lookback: Setting<Seconds<0, KEPT_SECONDS>>,
}

/// The settings of a source of Glue crawlers, checked.
#[derive(Debug, Clone)]
pub struct CrawlerConfig {
    /// The names of the crawlers; all if there are none.
    pub crawlers: Vec<String>,
    /// The region, if it differs from that of the process.
    pub region: Option<String>,
    /// The role to assume.
    pub role: Option<Role>,
    /// The account, if it need not be asked for.
    pub account: Option<String>,
    /// Which tables of a crawl become runs.
    pub tables: Tables,
    /// How far back the first poll reads.
    pub lookback: Duration,
    /// Where the first poll begins instead.
    pub since: Option<PointInTime>,
    /// Where all polls end, instead of now. A crawl counts by its start.
    pub until: Option<PointInTime>,
}

impl Default for CrawlerSettings {
    fn default() -> CrawlerSettings {
        CrawlerSettings {
            crawlers: Setting::default(),
            region: None,
            role_arn: None,
            external_id: None,
            account: None,
            unchanged_tables: Setting(true),
            lookback: Setting(LOOKBACK),
        }
    }
}

/// The settings for answers that were saved.
#[derive(Debug, Clone)]
pub(crate) struct SavedCrawls {
    /// The names of the crawlers; all if there are none.
    pub(crate) crawlers: Vec<String>,
    pub(crate) region: String,
    /// The account, unless tables tell it.
    pub(crate) account: Option<String>,
    pub(crate) tables: Tables,
}

impl CrawlerSettings {
    /// Checks the settings for answers that were saved.
    pub(crate) fn saved(mut self) -> Result<SavedCrawls, Vec<SettingError>> {
        let region = self.region.take().map(Setting::into_value);
        let checked = self.validate();
        match (region, checked) {
            (Some(region), Ok(config)) => Ok(SavedCrawls {
                crawlers: config.crawlers,
                region,
                account: config.account,
                tables: config.tables,
            }),
            (region, checked) => {
                let mut errors = checked.err().unwrap_or_default();
                if region.is_none() {
                    errors.push(SettingError {
                        setting: "region",
                        problem: "required: saved answers do not tell it".to_owned(),
                    });
                }
                Err(errors)
            }
        }
    }

    /// Checks the settings together.
    ///
    /// # Errors
    ///
    /// A crawler has no name, or is named twice; an external id has no role.
    pub fn validate(self) -> Result<CrawlerConfig, Vec<SettingError>> {
        let crawlers = self.crawlers.into_value();
        let invalid = |problem: String| SettingError {
            setting: "crawlers",
            problem,
        };
        let mut errors = Vec::new();
        for (index, name) in crawlers.iter().enumerate() {
            if name.trim().is_empty() {
                errors.push(invalid("a crawler has no name".to_owned()));
            } else if crawlers.iter().take(index).any(|other| other == name) {
                errors.push(invalid(format!("{name:?} is named twice")));
            }
        }
        let role = match Role::of(self.role_arn, self.external_id) {
            Ok(role) if errors.is_empty() => role,
            role => {
                errors.extend(role.err().map(SettingError::from));
                return Err(errors);
            }
        };
        let of_role = || Some(role.as_ref()?.account()?.to_owned());
        Ok(CrawlerConfig {
            crawlers,
            region: self.region.map(Setting::into_value),
            account: self.account.map(Setting::into_value).or_else(of_role),
            role,
            tables: match *self.unchanged_tables {
                true => Tables::All,
                false => Tables::Changed,
            },
            lookback: *self.lookback,
            since: None,
            until: None,
        })
    }
}

impl CrawlerConfig {
    /// The same for these crawlers alone.
    #[must_use]
    pub fn only(self, crawlers: Vec<String>) -> CrawlerConfig {
        CrawlerConfig { crawlers, ..self }
    }

    /// Where the first poll begins, in milliseconds since 1970.
    pub(super) fn begin(&self, now: OffsetDateTime) -> i64 {
        let since = self.since.unwrap_or(PointInTime::Ago(self.lookback));
        since.resolve(millis(now))
    }

    /// Where a poll ends, in milliseconds since 1970.
    pub(super) fn end(&self, now: OffsetDateTime) -> i64 {
        let now = millis(now);
        self.until.map_or(now, |until| until.resolve(now).min(now))
    }
}
