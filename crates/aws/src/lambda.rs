//! Lambda: invokes a function; the state of functions and event source mappings, and concurrency.

use bytes::Bytes;
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
    /// How long an invocation may take, in seconds.
    pub timeout: Option<u32>,
    /// What it writes to X-Ray.
    pub tracing_config: Option<TracingConfig>,
}

/// What a function writes to X-Ray.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TracingConfig {
    /// `Active` or `PassThrough`.
    pub mode: Option<String>,
}

/// Reads the concurrency that is reserved for a function (`lambda:GetFunctionConcurrency`).
#[derive(Debug, Clone)]
pub struct GetFunctionConcurrency {
    /// Its name or ARN.
    pub function_name: String,
}

/// The concurrency of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FunctionConcurrency {
    /// How many invocations at once are reserved for it, which is its limit, too.
    pub reserved_concurrent_executions: Option<u32>,
}

/// Reads the limits of the account in the region (`lambda:GetAccountSettings`).
#[derive(Debug, Clone)]
pub struct GetAccountSettings;

/// The limits of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountSettings {
    /// The limits.
    pub account_limit: AccountLimit,
}

/// The limits of an account on invocations at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccountLimit {
    /// Of all functions.
    pub concurrent_executions: Option<u32>,
    /// What is left for functions that have reserved none.
    pub unreserved_concurrent_executions: Option<u32>,
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
    /// How long it gathers a batch, in seconds.
    pub maximum_batching_window_in_seconds: Option<u32>,
    /// How many batches at once.
    pub scaling_config: Option<ScalingConfig>,
    /// Such as `ReportBatchItemFailures`.
    pub function_response_types: Option<Vec<String>>,
}

/// How far an event source scales.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ScalingConfig {
    /// The most invocations at once.
    pub maximum_concurrency: Option<u32>,
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

impl Operation for GetFunctionConcurrency {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetFunctionConcurrency";
    type Output = FunctionConcurrency;

    fn request(&self) -> Request {
        let name = encoded(&self.function_name);
        Request::get(format!("/2019-09-30/functions/{name}/concurrency"))
    }

    fn read(response: Response) -> Result<FunctionConcurrency, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for GetAccountSettings {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetAccountSettings";
    type Output = AccountSettings;

    fn request(&self) -> Request {
        Request::get("/2016-08-19/account-settings".to_owned())
    }

    fn read(response: Response) -> Result<AccountSettings, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

/// Invokes a function, and waits for its answer (`lambda:InvokeFunction`).
#[derive(Debug, Clone)]
pub struct Invoke {
    /// Its name or ARN.
    pub function_name: String,
    /// What it is given: JSON, at most 6 MB.
    pub payload: Bytes,
}

/// What a function answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// `Unhandled` or the like, if the function failed.
    pub function_error: Option<String>,
    /// The answer, or the error as JSON (`errorType`, `errorMessage`).
    pub payload: Bytes,
}

impl Operation for Invoke {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "Invoke";
    type Output = Invocation;

    fn request(&self) -> Request {
        let name = encoded(&self.function_name);
        Request {
            method: "POST",
            body: self.payload.clone(),
            ..Request::get(format!("/2015-03-31/functions/{name}/invocations"))
        }
    }

    fn read(response: Response) -> Result<Invocation, UnreadableResponse> {
        Ok(Invocation {
            function_error: response.header("x-amz-function-error").map(str::to_owned),
            payload: response.body,
        })
    }
}
