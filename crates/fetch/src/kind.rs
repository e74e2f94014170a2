//! The kinds of sources: the one list. For each kind: its name, its settings, how often it polls, its client.
//!
//! A kind has a module of its own beside this file with its settings, its client and its cursor. A new kind is such a module,
//! and one line for it in each `match` here; nothing else in the workspace lists kinds, but the subcommands of `extract`.

use std::path::PathBuf;
use std::time::Duration;

use aws::{Aws, ExternalIdAlone};
use serde::de::{Deserialize, Deserializer};
use settings::{Choice, Entry, PointInTime};
use time::OffsetDateTime;

use crate::crawler::{CrawlerConfig, CrawlerSettings, CrawlerSource};
use crate::flyte::{FlyteConfig, FlyteSettings, FlyteSource};
use crate::logs::{LogsConfig, LogsSettings, LogsSource};
use crate::redshift::{RedshiftConfig, RedshiftSettings, RedshiftSource};
use crate::sqs::{SqsConfig, SqsSettings, SqsSource};
use crate::{FetchError, Fetched, SavedSource};

/// A kind of source: the value of its setting `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Log groups of CloudWatch.
    Logs,
    /// Crawls of AWS Glue.
    GlueCrawlers,
    /// The history of queries of Amazon Redshift.
    Redshift,
    /// Events of Flyte, from a queue.
    Flyte,
    /// OpenLineage events that clients put on a queue.
    Sqs,
}

/// The settings of a source as they are written, not yet checked against each other.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(untagged)]
pub enum SourceSettings {
    /// Log groups of CloudWatch.
    Logs(Box<LogsSettings>),
    /// Crawls of AWS Glue.
    GlueCrawlers(Box<CrawlerSettings>),
    /// The history of queries of Amazon Redshift.
    Redshift(Box<RedshiftSettings>),
    /// Events of Flyte, from a queue.
    Flyte(Box<FlyteSettings>),
    /// OpenLineage events that clients put on a queue.
    Sqs(Box<SqsSettings>),
}

/// The settings of a source, complete and checked.
#[derive(Debug, Clone)]
pub enum KindConfig {
    /// Log groups of CloudWatch.
    Logs(Box<LogsConfig>),
    /// Crawls of AWS Glue.
    GlueCrawlers(Box<CrawlerConfig>),
    /// The history of queries of Amazon Redshift.
    Redshift(Box<RedshiftConfig>),
    /// Events of Flyte, from a queue.
    Flyte(Box<FlyteConfig>),
    /// OpenLineage events that clients put on a queue.
    Sqs(Box<SqsConfig>),
}

/// A source that fetches.
#[derive(Debug)]
pub enum Source {
    /// Log groups of CloudWatch.
    Logs(Box<LogsSource>),
    /// Crawls of AWS Glue.
    GlueCrawlers(Box<CrawlerSource>),
    /// The history of queries of Amazon Redshift.
    Redshift(Box<RedshiftSource>),
    /// Events of Flyte, from a queue.
    Flyte(Box<FlyteSource>),
    /// OpenLineage events that clients put on a queue.
    Sqs(Box<SqsSource>),
}

/// A setting of a source that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct SettingError {
    /// The setting, without the name of the source.
    pub setting: &'static str,
    /// What is wrong, without the value.
    pub problem: String,
}

/// Of the settings `role_arn` and `external_id`, which [`aws::Role::of`] checks together.
impl From<ExternalIdAlone> for SettingError {
    fn from(alone: ExternalIdAlone) -> SettingError {
        SettingError {
            setting: "external_id",
            problem: alone.to_string(),
        }
    }
}

/// A range of time for a source without a past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a queue has no past, only what is in it")]
pub struct NoPast;

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 5] = [
        Kind::Logs,
        Kind::GlueCrawlers,
        Kind::Redshift,
        Kind::Flyte,
        Kind::Sqs,
    ];

    /// The value of the setting `type`, and the name of the subcommand of `extract`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Logs => "logs",
            Kind::GlueCrawlers => "glue-crawlers",
            Kind::Redshift => "redshift",
            Kind::Flyte => "flyte",
            Kind::Sqs => "sqs",
        }
    }

    /// How long a source waits after it has seen all there is, if no setting says.
    pub const fn interval(self) -> Duration {
        match self {
            // Log events are read a minute after they were logged, at the earliest.
            Kind::Logs => Duration::from_secs(60),
            // Crawls take minutes, and run by the hour or the day.
            Kind::GlueCrawlers => Duration::from_secs(300),
            // A query wakes a warehouse that is paused, and costs a minute of it at least
            // (https://docs.aws.amazon.com/redshift/latest/mgmt/serverless-billing.html).
            Kind::Redshift => Duration::from_secs(900),
            // A request waits for messages by itself.
            Kind::Flyte | Kind::Sqs => Duration::from_secs(1),
        }
    }

    /// Lists the settings of this kind, with their documentation and defaults.
    pub fn settings(self) -> Vec<Entry> {
        match self {
            Kind::Logs => settings::list::<LogsSettings>(),
            Kind::GlueCrawlers => settings::list::<CrawlerSettings>(),
            Kind::Redshift => settings::list::<RedshiftSettings>(),
            Kind::Flyte => settings::list::<FlyteSettings>(),
            Kind::Sqs => settings::list::<SqsSettings>(),
        }
    }

    /// Reads the settings of a source of this kind from a map of them, without those of all kinds.
    pub fn read<'de, D: Deserializer<'de>>(self, section: D) -> Result<SourceSettings, D::Error> {
        Ok(match self {
            Kind::Logs => SourceSettings::Logs(Box::new(LogsSettings::deserialize(section)?)),
            Kind::GlueCrawlers => {
                SourceSettings::GlueCrawlers(Box::new(CrawlerSettings::deserialize(section)?))
            }
            Kind::Redshift => {
                SourceSettings::Redshift(Box::new(RedshiftSettings::deserialize(section)?))
            }
            Kind::Flyte => SourceSettings::Flyte(Box::new(FlyteSettings::deserialize(section)?)),
            Kind::Sqs => SourceSettings::Sqs(Box::new(SqsSettings::deserialize(section)?)),
        })
    }
}

impl Choice for Kind {
    const CHOICES: &'static [(&'static str, Kind)] = &[
        (Kind::Logs.name(), Kind::Logs),
        (Kind::GlueCrawlers.name(), Kind::GlueCrawlers),
        (Kind::Redshift.name(), Kind::Redshift),
        (Kind::Flyte.name(), Kind::Flyte),
        (Kind::Sqs.name(), Kind::Sqs),
    ];
}

impl SourceSettings {
    /// Checks that all settings are present that the source requires, and that none exclude each other.
    pub fn validate(self) -> Result<KindConfig, Vec<SettingError>> {
        Ok(match self {
            SourceSettings::Logs(settings) => KindConfig::Logs(Box::new(settings.validate()?)),
            SourceSettings::GlueCrawlers(settings) => {
                KindConfig::GlueCrawlers(Box::new(settings.validate()?))
            }
            SourceSettings::Redshift(settings) => {
                KindConfig::Redshift(Box::new(settings.validate()?))
            }
            SourceSettings::Flyte(settings) => KindConfig::Flyte(Box::new(settings.validate()?)),
            SourceSettings::Sqs(settings) => KindConfig::Sqs(Box::new(settings.validate()?)),
        })
    }
}

impl SourceSettings {
    /// Opens what was saved of such a source, in place of its service; nothing for logs, which are read as they are.
    /// `objects` is a folder with the objects that messages of Flyte name.
    ///
    /// # Errors
    ///
    /// A setting is missing that the files do not tell, or cannot be as it is.
    pub fn saved(self, objects: Option<PathBuf>) -> Result<Option<SavedSource>, Vec<SettingError>> {
        Ok(match self {
            SourceSettings::Logs(_) => None,
            SourceSettings::GlueCrawlers(settings) => Some(SavedSource::crawls(settings.saved()?)),
            SourceSettings::Redshift(settings) => Some(SavedSource::history(settings.saved()?)),
            SourceSettings::Flyte(settings) => Some(SavedSource::flyte(settings.saved()?, objects)),
            SourceSettings::Sqs(_) => Some(SavedSource::Sqs),
        })
    }
}

impl KindConfig {
    /// The kind of the source.
    pub fn kind(&self) -> Kind {
        match self {
            KindConfig::Logs(_) => Kind::Logs,
            KindConfig::GlueCrawlers(_) => Kind::GlueCrawlers,
            KindConfig::Redshift(_) => Kind::Redshift,
            KindConfig::Flyte(_) => Kind::Flyte,
            KindConfig::Sqs(_) => Kind::Sqs,
        }
    }

    /// Prepares for an extraction of the past, after which nobody polls again: it begins at `since` and ends at `until`, or now.
    ///
    /// # Errors
    ///
    /// One of the two is given, and the source has no past: a queue has only what is in it.
    pub fn poll_once(
        &mut self,
        since: Option<PointInTime>,
        until: Option<PointInTime>,
    ) -> Result<(), NoPast> {
        match self {
            KindConfig::Logs(config) => {
                // With an end, what is not complete is reported, and not waited for.
                let until = until.unwrap_or(PointInTime::Ago(Duration::ZERO));
                (config.since, config.until) = (since, Some(until));
            }
            KindConfig::GlueCrawlers(config) => (config.since, config.until) = (since, until),
            KindConfig::Redshift(config) => (config.since, config.until) = (since, until),
            KindConfig::Flyte(_) | KindConfig::Sqs(_) => {
                if since.is_some() || until.is_some() {
                    return Err(NoPast);
                }
            }
        }
        Ok(())
    }

    /// Creates the source. It has called nothing yet.
    pub fn open(self, aws: &Aws) -> Source {
        match self {
            KindConfig::Logs(config) => Source::Logs(Box::new(LogsSource::new(*config, aws))),
            KindConfig::GlueCrawlers(config) => {
                Source::GlueCrawlers(Box::new(CrawlerSource::new(*config, aws)))
            }
            KindConfig::Redshift(config) => {
                Source::Redshift(Box::new(RedshiftSource::new(*config, aws)))
            }
            KindConfig::Flyte(config) => Source::Flyte(Box::new(FlyteSource::new(*config, aws))),
            KindConfig::Sqs(config) => Source::Sqs(Box::new(SqsSource::new(*config, aws))),
        }
    }
}

impl Source {
    /// Gets what comes next after `cursor`; from the beginning without one. A damaged cursor, and that of another source, is
    /// an error.
    pub async fn next(
        &mut self,
        cursor: Option<&serde_json::Value>,
        now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        match self {
            Source::Logs(source) => source.next(cursor, now).await,
            Source::GlueCrawlers(source) => source.next(cursor, now).await,
            Source::Redshift(source) => source.next(cursor, now).await,
            Source::Flyte(source) => source.next(cursor, now).await,
            Source::Sqs(source) => source.next(cursor, now).await,
        }
    }

    /// Tells that the events of these messages are in the queue.
    pub async fn taken(&mut self, messages: &[String]) -> Result<(), FetchError> {
        match self {
            Source::Flyte(source) => source.taken(messages).await,
            Source::Sqs(source) => source.taken(messages).await,
            Source::Logs(_) | Source::GlueCrawlers(_) | Source::Redshift(_) => {
                let _ = messages; // they have none
                Ok(())
            }
        }
    }
}
