//! Reads secrets from Secrets Manager: the only place that does.

use std::time::Duration;

use aws::Aws;
use aws::secrets_manager::GetSecretValue;

use crate::aws_error::summarize;

/// Why a secret was not read. `Display` shows nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The call failed.
    #[error("{}", summarize(.0))]
    Call(#[from] aws::Error),
    /// It is a secret of bytes.
    #[error("the secret holds no text")]
    NoText,
}

impl SecretError {
    /// Whether another try may succeed: the service did not answer, so it did not refuse either.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            SecretError::Call(error) => !matches!(error, aws::Error::Service(_)),
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
