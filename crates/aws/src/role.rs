//! A role to assume: who it is, and its credentials as the SDK's own provider gets them from STS.
//!
//! Called by `handle.rs`, which keeps what was assumed. An error names the role: the SDK's own says only that there are no
//! credentials.

use std::error::Error as StdError;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_types::error::metadata::ErrorMetadata;

use crate::error::find;

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Role {
    arn: String,
    external_id: Option<String>,
}

/// An external id without a role whose trust policy could ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("used only with role_arn, whose trust policy asks for it")]
pub struct ExternalIdAlone;

impl Role {
    /// The role that two settings describe, which were checked when they were read; `None` if they name none. Each caller has
    /// its own error of a setting, and makes it of this one.
    ///
    /// # Errors
    ///
    /// There is an external id, and no role.
    pub fn of(
        arn: Option<impl Into<String>>,
        external_id: Option<impl Into<String>>,
    ) -> Result<Option<Role>, ExternalIdAlone> {
        match (arn, external_id) {
            (Some(arn), external_id) => Ok(Some(Role {
                arn: arn.into(),
                external_id: external_id.map(Into::into),
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ExternalIdAlone),
        }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The account that it belongs to, and in which it acts.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.arn.split(':').nth(4)
    }

    /// The configuration of `caller`, with the credentials of this role. They are asked for by the first request, and again
    /// shortly before they end.
    pub(crate) async fn configuration(&self, session: &str, caller: &SdkConfig) -> SdkConfig {
        let provider = AssumeRoleProvider::builder(&self.arn)
            .session_name(session)
            .configure(caller);
        let provider = match &self.external_id {
            Some(id) => provider.external_id(id),
            None => provider,
        };
        let credentials = RoleCredentials {
            provider: Box::pin(provider.build()).await,
            arn: self.arn.clone(),
        };
        caller
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // Of this role alone: the caller may have none, and then each request would assume the role.
            .identity_cache(IdentityCache::lazy().build())
            .build()
    }
}

/// The SDK's provider, with errors that name the role.
#[derive(Debug)]
struct RoleCredentials {
    provider: AssumeRoleProvider,
    arn: String,
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let provided = self.provider.provide_credentials().await;
            provided.map_err(|error| {
                CredentialsError::provider_error(NotAssumed {
                    arn: self.arn.clone(),
                    is_denied: is_denied(&error),
                    error,
                })
            })
        })
    }
}

/// Why there are no credentials of a role.
#[derive(Debug)]
pub(crate) struct NotAssumed {
    pub(crate) arn: String,
    /// Whether that stays so until somebody changes a trust or a permission.
    pub(crate) is_denied: bool,
    error: CredentialsError,
}

impl std::fmt::Display for NotAssumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the role {} cannot be assumed", self.arn)
    }
}

impl StdError for NotAssumed {
    /// What STS said. The error itself says that credentials are missing, as the one around this does.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Whether STS refuses: the role does not trust the caller, or the caller may not assume it
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>).
fn is_denied(error: &CredentialsError) -> bool {
    let answer: Option<&ErrorMetadata> = find(error.source());
    answer.is_some_and(|answer| answer.code() == Some("AccessDenied"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_id_needs_a_role_and_a_role_has_an_account() {
        let (arn, id) = ("arn:aws:iam::111122223333:role/r", Some("x1"));
        let role = Role::of(Some(arn), id).unwrap().unwrap();
        assert_eq!((role.arn(), role.account()), (arn, Some("111122223333")));
        let none: Option<&str> = None;
        assert_eq!(Role::of(none, none), Ok(None));
        assert_eq!(Role::of(none, id), Err(ExternalIdAlone));
    }
}
