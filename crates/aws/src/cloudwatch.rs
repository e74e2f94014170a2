//! CloudWatch: which metrics have data.

use serde::{Deserialize, Serialize};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// CloudWatch.
pub static SERVICE: Service = Service {
    id: "CloudWatch",
    signing_name: "monitoring",
    host: "monitoring",
    protocol: Protocol::Json10 {
        target_prefix: "GraniteServiceVersion20100801",
    },
    endpoints: Exceptions::GovCloudIsAlwaysFips,
};

/// Lists metrics that had data in the last two weeks, up to 500 in a page (`cloudwatch:ListMetrics`). A new metric may take 15 minutes
/// to be listed (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html>).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMetrics {
    /// Such as `AWS/ApiGateway`.
    pub namespace: String,
    /// Such as `Count`.
    pub metric_name: String,
    /// Those that a metric has to have; it may have others.
    pub dimensions: Vec<Dimension>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A dimension of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// Such as `ApiId`.
    pub name: String,
    /// The value.
    pub value: String,
}

/// The metrics of one page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metrics {
    /// The metrics.
    pub metrics: Vec<Metric>,
    next_token: Option<String>,
}

/// A metric.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metric {
    /// All that it has.
    pub dimensions: Vec<Dimension>,
}

impl Operation for ListMetrics {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "ListMetrics";
    type Output = Metrics;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<Metrics, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for ListMetrics {
    fn next_token(output: &Metrics) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> ListMetrics {
        ListMetrics {
            next_token: Some(token),
            ..self
        }
    }
}
