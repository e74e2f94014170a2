//! CloudWatch Logs: events of log groups and streams, and the class of a log group. Queries are in `logs/insights.rs`.

pub mod insights;

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
    /// The log group, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group_name: Option<String>,
    /// The log group, by its ARN: for one of another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group_identifier: Option<String>,
    /// Only streams whose name begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_stream_name_prefix: Option<String>,
    /// Which events, in CloudWatch's pattern syntax.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_pattern: Option<String>,
    /// Only events since then, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// Only events until then, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The events of one page, by time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogEvents {
    /// The events.
    pub events: Vec<LogEvent>,
    next_token: Option<String>,
}

impl LogEvents {
    /// The token of the next page; none after the last.
    #[must_use]
    pub fn next_token(&self) -> Option<&str> {
        self.next_token.as_deref()
    }
}

/// An event of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogEvent {
    /// The stream that it is in.
    pub log_stream_name: String,
    /// When it was logged, in milliseconds since 1970.
    pub timestamp: i64,
    /// What was logged.
    pub message: String,
    /// Its id, which no other event has.
    pub event_id: String,
}

/// Reads a stream (`logs:GetLogEvents`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetLogEvents {
    /// The log group, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group_name: Option<String>,
    /// The log group, by its ARN: for one of another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_group_identifier: Option<String>,
    /// The stream.
    pub log_stream_name: String,
    /// Only events since then, in milliseconds since 1970.
    pub start_time: i64,
    /// Whether the oldest come first.
    pub start_from_head: bool,
    /// The page. The same comes back with the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The events of one page of a stream. They have no ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamEvents {
    /// The events.
    pub events: Vec<StreamEvent>,
    /// The page after it: the same as the token that was sent, if there is none.
    pub next_forward_token: Option<String>,
}

/// An event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamEvent {
    /// When it was logged, in milliseconds since 1970.
    pub timestamp: i64,
    /// What was logged.
    pub message: String,
}

/// Lists log groups (`logs:DescribeLogGroups`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLogGroups {
    /// What their names begin with.
    pub log_group_name_prefix: String,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The log groups of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogGroups {
    /// The log groups.
    pub log_groups: Vec<LogGroup>,
    next_token: Option<String>,
}

/// A log group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogGroup {
    /// Its name.
    pub log_group_name: String,
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`.
    pub log_group_class: Option<String>,
    /// How many days its events are kept; for ever without it.
    pub retention_in_days: Option<u32>,
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
        output.next_token()
    }

    fn with_token(self, token: String) -> FilterLogEvents {
        FilterLogEvents {
            next_token: Some(token),
            ..self
        }
    }
}

impl Operation for GetLogEvents {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetLogEvents";
    type Output = StreamEvents;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<StreamEvents, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for DescribeLogGroups {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "DescribeLogGroups";
    type Output = LogGroups;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<LogGroups, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for DescribeLogGroups {
    fn next_token(output: &LogGroups) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> DescribeLogGroups {
        DescribeLogGroups {
            next_token: Some(token),
            ..self
        }
    }
}
