//! API Gateway: stages and deployments of REST APIs.

use serde::Deserialize;

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response, encoded};
use crate::service::{Exceptions, Protocol, Service};

/// API Gateway.
pub static SERVICE: Service = Service {
    id: "API Gateway",
    signing_name: "apigateway",
    host: "apigateway",
    protocol: Protocol::RestJson,
    endpoints: Exceptions::None,
};

/// Describes a stage (`apigateway:GET`).
#[derive(Debug, Clone)]
pub struct GetStage {
    /// The id of the API.
    pub rest_api_id: String,
    /// The stage.
    pub stage_name: String,
}

/// A stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stage {
    /// The deployment that it serves.
    pub deployment_id: Option<String>,
}

/// Describes a deployment (`apigateway:GET`).
#[derive(Debug, Clone)]
pub struct GetDeployment {
    /// The id of the API.
    pub rest_api_id: String,
    /// The deployment.
    pub deployment_id: String,
}

/// A deployment: a snapshot of an API.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// When it was made, in seconds since 1970.
    pub created_date: Option<f64>,
}

impl Operation for GetStage {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetStage";
    type Output = Stage;

    fn request(&self) -> Request {
        let (api, stage) = (encoded(&self.rest_api_id), encoded(&self.stage_name));
        let request = Request::get(format!("/restapis/{api}/stages/{stage}"));
        accepting_json(request)
    }

    fn read(response: Response) -> Result<Stage, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Operation for GetDeployment {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetDeployment";
    type Output = Deployment;

    fn request(&self) -> Request {
        let (api, id) = (encoded(&self.rest_api_id), encoded(&self.deployment_id));
        let request = Request::get(format!("/restapis/{api}/deployments/{id}"));
        accepting_json(request)
    }

    fn read(response: Response) -> Result<Deployment, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

/// API Gateway answers in HAL, with dates as texts, unless it is asked for JSON: the SDKs ask so
/// (botocore, `handlers.py`, `add_accept_header`).
fn accepting_json(request: Request) -> Request {
    Request {
        headers: vec![("accept", "application/json".to_owned())],
        ..request
    }
}
