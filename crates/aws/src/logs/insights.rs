//! CloudWatch Logs Insights: queries over several log groups. A query runs for a while; its results are asked for until it
//! has ended.

use serde::{Deserialize, Serialize};

use super::SERVICE;
use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::Service;

/// Starts a query (`logs:StartQuery`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartQuery {
    /// The log groups, by their names: at most 50.
    pub log_group_names: Vec<String>,
    /// The first second, since 1970.
    pub start_time: i64,
    /// The last second, since 1970; it is part of the range.
    pub end_time: i64,
    /// The query, of at most 10,000 characters.
    pub query_string: String,
    /// The most log events in the results, at most 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A query that was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartedQuery {
    /// Its id.
    pub query_id: String,
}

/// Reads the results of a query (`logs:GetQueryResults`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetQueryResults {
    /// The query.
    pub query_id: String,
}

/// The results of a query so far.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryResults {
    /// The fields of each log event that the query asked for, and `@ptr`.
    #[serde(default)]
    pub results: Vec<Vec<ResultField>>,
    /// Whether it has ended.
    pub status: QueryStatus,
}

/// A field of a log event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResultField {
    /// Its name.
    pub field: String,
    /// Its value.
    pub value: String,
}

/// Whether a query has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum QueryStatus {
    /// It waits to run.
    Scheduled,
    /// It runs: the results are not complete.
    Running,
    /// It has ended: the results are complete.
    Complete,
    /// It has failed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It took too long.
    Timeout,
    /// `Unknown`, or a status that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Stops a query that runs (`logs:StopQuery`).
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StopQuery {
    /// The query.
    pub query_id: String,
}

/// The answer to [`StopQuery`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StoppedQuery {
    /// Whether it ran.
    pub success: bool,
}

impl QueryStatus {
    /// Returns the name that the service gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            QueryStatus::Scheduled => "Scheduled",
            QueryStatus::Running => "Running",
            QueryStatus::Complete => "Complete",
            QueryStatus::Failed => "Failed",
            QueryStatus::Cancelled => "Cancelled",
            QueryStatus::Timeout => "Timeout",
            QueryStatus::Unknown => "Unknown",
        }
    }
}

impl Operation for StartQuery {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "StartQuery";
    type Output = StartedQuery;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<StartedQuery, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for GetQueryResults {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetQueryResults";
    type Output = QueryResults;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<QueryResults, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for StopQuery {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "StopQuery";
    type Output = StoppedQuery;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<StoppedQuery, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}
