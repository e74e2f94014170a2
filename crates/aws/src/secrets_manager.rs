//! Secrets Manager: the value of a secret.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Request, Response};
use crate::service::{Exceptions, Protocol, Service};

/// Secrets Manager.
pub static SERVICE: Service = Service {
    id: "Secrets Manager",
    signing_name: "secretsmanager",
    host: "secretsmanager",
    protocol: Protocol::Json {
        target_prefix: "secretsmanager",
    },
    endpoints: Exceptions::AlwaysDualStack,
};

/// Reads a secret's current value (`secretsmanager:GetSecretValue`).
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSecretValue {
    /// Its name or ARN.
    pub secret_id: String,
}

/// A secret's value. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretValue {
    /// The text; `None` for a secret of bytes.
    pub secret_string: Option<String>,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl Operation for GetSecretValue {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetSecretValue";
    type Output = SecretValue;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<SecretValue, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}
