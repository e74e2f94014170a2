//! Redshift Serverless: workgroups.

use serde::{Deserialize, Serialize};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// Redshift Serverless.
pub static SERVICE: Service = Service {
    id: "Redshift Serverless",
    signing_name: "redshift-serverless",
    host: "redshift-serverless",
    protocol: Protocol::Json {
        target_prefix: "RedshiftServerless",
    },
    endpoints: Exceptions::None,
};

/// The error code where no workgroup has that name.
pub const NOT_FOUND: &str = "ResourceNotFoundException";
/// The error code for what cannot be a workgroup's name: cluster identifiers may be shorter.
pub const INVALID: &str = "ValidationException";

/// Describes a workgroup (`redshift-serverless:GetWorkgroup`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetWorkgroup {
    /// Its name.
    pub workgroup_name: String,
}

/// A workgroup.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workgroup {
    /// `arn:aws:redshift-serverless:<region>:<account>:workgroup/<id>`.
    pub workgroup_arn: Option<String>,
    /// Where it is reached, once it is there.
    pub endpoint: Option<WorkgroupEndpoint>,
}

/// Where a workgroup is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WorkgroupEndpoint {
    /// The host name.
    pub address: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

impl Operation for GetWorkgroup {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetWorkgroup";
    type Output = Workgroup;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<Workgroup, UnreadableResponse> {
        #[derive(Deserialize)]
        struct Output {
            workgroup: Workgroup,
        }
        let output: Output = serde_json::from_slice(&response.body)?;
        Ok(output.workgroup)
    }
}
