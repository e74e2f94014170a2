//! CloudWatch Logs: events of a log group.

use serde::{Deserialize, Serialize};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// CloudWatch Logs.
pub static SERVICE: Service = Service {
    id: "CloudWatch Logs",
    signing_name: "logs",
    host: "logs",
    protocol: Protocol::Json {
        target_prefix: "Logs_20140328",
    },
    endpoints: Exceptions::GovCloudIsFips,
};

/// Searches a log group (`logs:FilterLogEvents`). A page may be empty and still have a next one.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterLogEvents {
    /// The log group.
    pub log_group_name: String,
    /// Which events, in CloudWatch's pattern syntax.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_pattern: Option<String>,
    /// Only events since then, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The events of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogEvents {
    /// The events.
    pub events: Vec<LogEvent>,
    next_token: Option<String>,
}

/// An event of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogEvent {
    /// What was logged.
    pub message: String,
}

impl Operation for FilterLogEvents {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "FilterLogEvents";
    type Output = LogEvents;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<LogEvents, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for FilterLogEvents {
    fn next_token(output: &LogEvents) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> FilterLogEvents {
        FilterLogEvents {
            next_token: Some(token),
            ..self
        }
    }
}
