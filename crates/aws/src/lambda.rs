//! Lambda: the state of functions and event source mappings.

use serde::Deserialize;

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response, encoded};
use crate::service::{Exceptions, Protocol, Service};

/// Lambda.
pub static SERVICE: Service = Service {
    id: "Lambda",
    signing_name: "lambda",
    host: "lambda",
    protocol: Protocol::RestJson,
    endpoints: Exceptions::None,
};

/// Describes a function (`lambda:GetFunctionConfiguration`).
#[derive(Debug, Clone)]
pub struct GetFunctionConfiguration {
    /// Its name or ARN.
    pub function_name: String,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionConfiguration {
    /// `Active`, `Pending`, `Inactive` or `Failed`.
    pub state: Option<String>,
    /// The reason for it.
    pub state_reason: Option<String>,
    /// `Successful`, `InProgress` or `Failed`.
    pub last_update_status: Option<String>,
    /// The reason for it.
    pub last_update_status_reason: Option<String>,
    /// The SHA-256 of its package, in Base64.
    pub code_sha256: Option<String>,
}

impl Operation for GetFunctionConfiguration {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetFunctionConfiguration";
    type Output = FunctionConfiguration;

    fn request(&self) -> Request {
        let name = encoded(&self.function_name);
        Request::get(format!("/2015-03-31/functions/{name}/configuration"))
    }

    fn read(response: Response) -> Result<FunctionConfiguration, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

/// Describes an event source mapping (`lambda:GetEventSourceMapping`).
#[derive(Debug, Clone)]
pub struct GetEventSourceMapping {
    /// Its id.
    pub uuid: String,
}

/// What feeds a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventSourceMapping {
    /// `Enabled`, `Disabled`, or on its way to either.
    pub state: Option<String>,
    /// The largest batch.
    pub batch_size: Option<u32>,
    /// Such as `ReportBatchItemFailures`.
    pub function_response_types: Option<Vec<String>>,
}

impl Operation for GetEventSourceMapping {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetEventSourceMapping";
    type Output = EventSourceMapping;

    fn request(&self) -> Request {
        let uuid = encoded(&self.uuid);
        Request::get(format!("/2015-03-31/event-source-mappings/{uuid}"))
    }

    fn read(response: Response) -> Result<EventSourceMapping, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}
