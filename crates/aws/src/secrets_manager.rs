//! Secrets Manager: the value of a secret. [`read_text`] is what reads secrets: API keys, the key of hashes, the credentials
//! of targets. When it is called, and what the text means, is up to the caller.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use aws_smithy_types::error::metadata::{
    EMPTY_ERROR_METADATA, ErrorMetadata, ProvideErrorMetadata,
};

use crate::error::{Error, UnreadableResponse};
use crate::handle::Aws;
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

/// Why the text of a secret could not be read. Shows nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] Error),
    /// The secret is not text.
    #[error("the secret holds no text")]
    NoText,
}

impl ReadError {
    /// Whether another read may succeed without anyone changing something: the service did not reject the call.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            ReadError::Call(error) => error.may_pass(),
            ReadError::NoText => false,
        }
    }
}

impl ProvideErrorMetadata for ReadError {
    fn meta(&self) -> &ErrorMetadata {
        static NONE: ErrorMetadata = EMPTY_ERROR_METADATA;
        match self {
            ReadError::Call(error) => error.meta(),
            ReadError::NoText => &NONE,
        }
    }
}

/// Reads the text of the secret with this name or ARN, within `timeout`.
///
/// # Errors
///
/// The secret cannot be read, or is not text.
pub async fn read_text(aws: &Aws, id: &str, timeout: Duration) -> Result<String, ReadError> {
    let get = GetSecretValue {
        secret_id: id.to_owned(),
    };
    let value = aws.client().timeout(timeout).send(&get).await?;
    value.secret_string.ok_or(ReadError::NoText)
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
