//! Signs requests that another HTTP client sends, such as those to an API Gateway that authorizes with IAM.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;

use crate::error::error_chain;
use crate::handle::Aws;

/// The credentials of this process, for requests to one service in one region. `Debug` does not show them.
#[derive(Clone)]
pub struct Signer {
    credentials: Credentials,
    region: String,
    service: String,
}

/// Why a request cannot be signed. The message does not contain a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SigningError {
    message: String,
    may_pass: bool,
}

impl SigningError {
    /// Whether another try may succeed: what gives out credentials is down, and did not refuse.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.may_pass
    }

    fn refused(message: &str) -> SigningError {
        SigningError {
            message: message.to_owned(),
            may_pass: false,
        }
    }

    /// By the kinds of errors of `aws-credential-types`, of which `ProviderError` is also what STS refuses.
    fn without_credentials(error: &CredentialsError) -> SigningError {
        let message = error_chain(error);
        // None at all, or none as configured.
        let is_missing = matches!(
            error,
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
        );
        let is_refused = REFUSALS.iter().any(|code| message.contains(code));
        SigningError {
            message,
            may_pass: !is_missing && !is_refused,
        }
    }
}

/// Codes, or their beginnings, with which STS refuses credentials
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>, `AssumeRoleWithWebIdentity`).
const REFUSALS: [&str; 7] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "IDPRejectedClaim",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
];

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Looks up the credentials of this process. They are not looked up again: see [`lifetime`](Self::lifetime).
    ///
    /// # Errors
    ///
    /// There are no credentials, or no region is given and none is configured.
    pub async fn new(
        aws: &Aws,
        service: &str,
        region: Option<&str>,
    ) -> Result<Signer, SigningError> {
        let config = aws.config().await;
        let configured = config.region().map(|region| region.to_string());
        let region = region.map(str::to_owned).or(configured);
        let region = region.ok_or_else(|| SigningError::refused("no AWS region is configured"))?;
        let provider = config.credentials_provider();
        let provider =
            provider.ok_or_else(|| SigningError::refused("no AWS credentials are configured"))?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| SigningError::without_credentials(&error))?;
        Ok(Signer {
            credentials,
            region,
            service: service.to_owned(),
        })
    }

    /// How long the credentials are valid; `None` if they do not expire.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        let expiry = self.credentials.expiry()?;
        Some(expiry.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The parts of the credentials that have to stay secret, and the id of the key, which services repeat in errors.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let credentials = &self.credentials;
        let key = [credentials.access_key_id(), credentials.secret_access_key()];
        key.into_iter().chain(self.credentials.session_token())
    }

    /// Returns the headers that sign a POST. `Host` is signed too, and has to be that of the URL.
    ///
    /// # Errors
    ///
    /// The URL is invalid.
    pub fn sign_post(
        &self,
        url: &str,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Vec<(String, String)>, SigningError> {
        let failed = || SigningError::refused("the request cannot be signed");
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| failed())?
            .into();
        let request =
            SignableRequest::new("POST", url, std::iter::empty(), SignableBody::Bytes(body));
        let signed = sign(request.map_err(|_| failed())?, &params).map_err(|_| failed())?;
        let (instructions, _) = signed.into_parts();
        let headers = instructions.headers();
        Ok(headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn an_outage_of_what_gives_out_credentials_may_pass_and_a_refusal_does_not() {
        let failed = |error| SigningError::without_credentials(&error).may_pass();
        assert!(failed(CredentialsError::provider_timed_out(
            Duration::from_secs(5)
        )));
        assert!(failed(CredentialsError::provider_error(
            "503 Service Unavailable"
        )));
        assert!(!failed(CredentialsError::provider_error(
            "unhandled error (AccessDenied)"
        )));
        assert!(!failed(CredentialsError::not_loaded_no_source()));
        assert!(!failed(CredentialsError::invalid_configuration(
            "no such profile"
        )));
    }

    #[test]
    fn a_request_is_signed_as_botocore_signs_it() {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            Some("token-of-the-session".to_owned()),
            None,
            "test",
        );
        let signer = Signer {
            credentials,
            region: "eu-west-1".to_owned(),
            service: "execute-api".to_owned(),
        };
        let url = "https://abc.execute-api.eu-west-1.amazonaws.com/prod/api/v1/lineage?a=b%20c";
        let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let headers = signer.sign_post(url, br#"{"a":1}"#, time).unwrap();
        let value = |name: &str| {
            let found = headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap()
        };
        assert_eq!(value("x-amz-date"), "20150830T123600Z");
        assert_eq!(value("x-amz-security-token"), "token-of-the-session");
        assert_eq!(
            value("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/execute-api/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token, \
             Signature=8066dbc77910796807eed0d8c90f6411d741b357c464e965cf5e97c87b211c67"
        );
        assert!(!format!("{signer:?}").contains("wJalr"));
    }
}
