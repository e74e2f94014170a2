//! The settings of a queue of others.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{CheckedText, Seconds, Setting, TextCheck};

use crate::SettingError;

/// The longest visibility timeout: 12 hours
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub(crate) const MAX_VISIBILITY_SECONDS: u64 = 43_200;

/// Long enough for a queue of ours that is slow, or restarts.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(120);

/// The longest that SQS waits for a message, which costs the fewest requests.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// The settings of a source that is a queue.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SqsSettings {
    /// The URL of the queue. Required.
    pub queue_url: Option<Setting<CheckedText<QueueUrl>>>,
    /// How long a received message is invisible to other receivers: longer than the queue of this process may be out of reach.
    pub visibility_timeout: Setting<Seconds<30, MAX_VISIBILITY_SECONDS>>,
    /// How long a request waits for a message.
    pub wait: Setting<Seconds<0, 20>>,
}

/// The settings of a source that is a queue, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsConfig {
    /// The URL of the queue.
    pub queue_url: String,
    /// How long a received message is invisible.
    pub visibility_timeout: Duration,
    /// How long a request waits for a message.
    pub wait: Duration,
}

/// The URL of a queue.
pub enum QueueUrl {}

impl TextCheck for QueueUrl {
    const EXPECTED: &'static str = "the URL of an SQS queue";

    /// A scheme, a host, and a path that names a queue.
    fn is_valid(text: &str) -> bool {
        let Some((scheme, rest)) = text.split_once("://") else {
            return false;
        };
        let Some((host, path)) = rest.split_once('/') else {
            return false;
        };
        let is_plain = !text.contains(|c: char| c.is_whitespace() || c == '@' || c == '?');
        matches!(scheme, "http" | "https") && !host.is_empty() && !path.is_empty() && is_plain
    }
}

impl Default for SqsSettings {
    fn default() -> SqsSettings {
        SqsSettings {
            queue_url: None,
            visibility_timeout: Setting(VISIBILITY),
            wait: Setting(WAIT),
        }
    }
}

impl SqsSettings {
    /// Checks that all settings are present that are required.
    ///
    /// # Errors
    ///
    /// The queue is missing.
    pub fn validate(self) -> Result<SqsConfig, Vec<SettingError>> {
        let queue_url = self.queue_url.ok_or(vec![SettingError {
            setting: "queue_url",
            problem: "is required".to_owned(),
        }])?;
        Ok(SqsConfig {
            queue_url: queue_url.into_value(),
            visibility_timeout: *self.visibility_timeout,
            wait: *self.wait,
        })
    }
}
