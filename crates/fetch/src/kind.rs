//! The kinds of sources: the one list. For each kind: its name, its settings, how often it looks, its client.
//!
//! A kind has a module of its own beside this file with its settings, its client and its cursor. A new kind is such a module,
//! and one line for it in each `match` here; nothing else in the workspace lists kinds.

use std::time::Duration;

use aws::Aws;
use serde::de::{Deserialize, Deserializer};
use settings::{Choice, Entry, PointInTime};
use time::OffsetDateTime;

use crate::crawler::{CrawlerConfig, CrawlerSettings, CrawlerSource};
use crate::{FetchError, Fetched};

/// A kind of source: the value of its setting `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Crawls of AWS Glue.
    GlueCrawlers,
}

/// The settings of a source as they are written, not yet checked against each other.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(untagged)]
pub enum SourceSettings {
    /// Crawls of AWS Glue.
    GlueCrawlers(CrawlerSettings),
}

/// The settings of a source, complete and checked.
#[derive(Debug, Clone)]
pub enum KindConfig {
    /// Crawls of AWS Glue.
    GlueCrawlers(CrawlerConfig),
}

/// A source that fetches.
#[derive(Debug)]
pub enum Source {
    /// Crawls of AWS Glue.
    GlueCrawlers(Box<CrawlerSource>),
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

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 1] = [Kind::GlueCrawlers];

    /// The value of the setting `type`, and the name of the subcommand of `extract`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::GlueCrawlers => "glue-crawlers",
        }
    }

    /// How long a source waits after it has seen all there is, if no setting says.
    pub const fn interval(self) -> Duration {
        match self {
            // Crawls take minutes, and run by the hour or the day.
            Kind::GlueCrawlers => Duration::from_secs(300),
        }
    }

    /// Lists the settings of this kind, with their documentation and defaults.
    pub fn settings(self) -> Vec<Entry> {
        match self {
            Kind::GlueCrawlers => settings::list::<CrawlerSettings>(),
        }
    }

    /// Reads the settings of a source of this kind from a map of them, without those of all kinds.
    pub fn read<'de, D: Deserializer<'de>>(self, section: D) -> Result<SourceSettings, D::Error> {
        Ok(match self {
            Kind::GlueCrawlers => {
                SourceSettings::GlueCrawlers(CrawlerSettings::deserialize(section)?)
            }
        })
    }
}

impl Choice for Kind {
    const CHOICES: &'static [(&'static str, Kind)] =
        &[(Kind::GlueCrawlers.name(), Kind::GlueCrawlers)];
}

impl SourceSettings {
    /// Checks that all settings are present that the source requires, and that none exclude each other.
    pub fn validate(self) -> Result<KindConfig, Vec<SettingError>> {
        Ok(match self {
            SourceSettings::GlueCrawlers(settings) => {
                let config = settings.validate().map_err(|errors| {
                    let errors = errors.into_iter();
                    let error = |error: crate::crawler::InvalidCrawlerSettings| SettingError {
                        setting: error.setting,
                        problem: error.problem,
                    };
                    errors.map(error).collect::<Vec<_>>()
                });
                KindConfig::GlueCrawlers(config?)
            }
        })
    }
}

impl KindConfig {
    /// The kind of the source.
    pub fn kind(&self) -> Kind {
        match self {
            KindConfig::GlueCrawlers(_) => Kind::GlueCrawlers,
        }
    }

    /// Sets where a first look begins and all looks end, for an extraction of the past.
    pub fn set_range(&mut self, since: Option<PointInTime>, until: Option<PointInTime>) {
        match self {
            KindConfig::GlueCrawlers(config) => (config.since, config.until) = (since, until),
        }
    }

    /// Creates the source. It has called nothing yet.
    pub fn open(self, aws: &Aws) -> Source {
        match self {
            KindConfig::GlueCrawlers(config) => {
                Source::GlueCrawlers(Box::new(CrawlerSource::new(config, aws)))
            }
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
            Source::GlueCrawlers(source) => source.next(cursor, now).await,
        }
    }

    /// Tells that the events of these messages are in the queue.
    pub async fn taken(&mut self, messages: &[String]) -> Result<(), FetchError> {
        let _ = messages;
        match self {
            Source::GlueCrawlers(_) => Ok(()), // it has no messages
        }
    }
}
