//! Reads secrets from Secrets Manager. Nothing else does.

use std::time::Duration;

use aws::Aws;
use aws::secrets_manager::GetSecretValue;

use crate::aws_error::summarize;

/// Why a secret could not be read. `Display` shows nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The call failed.
    #[error("{}", summarize(.0))]
    Call(#[from] aws::Error),
    /// The secret is not text.
    #[error("the secret holds no text")]
    NoText,
}

impl SecretError {
    /// Whether another attempt may succeed: the service did not reject the call.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            SecretError::Call(error) => error.may_pass(),
            SecretError::NoText => false,
        }
    }
}

/// Reads the text of the secret with this name or ARN, within `timeout`.
///
/// # Errors
///
/// The secret cannot be read, or is not text.
pub async fn read(aws: &Aws, id: &str, timeout: Duration) -> Result<String, SecretError> {
    let get = GetSecretValue {
        secret_id: id.to_owned(),
    };
    let value = aws.client().timeout(timeout).send(&get).await?;
    value.secret_string.ok_or(SecretError::NoText)
}
