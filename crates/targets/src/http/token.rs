//! Access tokens: exchanges a long-lived credential for a bearer token that expires, or asks the metadata server of Google
//! Cloud for one.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::Value as Json;
use settings::SecretText;
use time::OffsetDateTime;

use super::address::Address;
use super::body::read_start;
use super::google;
use crate::response::{OwnCredentials, ResponseDetail, ResponseFilter};
use crate::{Failure, Reason, Scope};

/// The time for a request of a token.
const REQUEST: Duration = Duration::from_secs(10);

/// The lifetime of a token whose response does not have one: the member is only recommended (RFC 6749, section 5.1).
const LIFETIME: Duration = Duration::from_secs(300);

/// The largest response that is read, in bytes. Tokens with many claims have some kilobytes.
const MAX_RESPONSE: usize = 65_536;

/// The parameter for what a token is for.
const SCOPE: &str = "scope";

/// The parameter for the kind of a token that is exchanged, and its value unless another one is set: the token of a Kubernetes
/// service account and most others are JWTs (RFC 8693, section 3).
const SUBJECT_TOKEN_TYPE: &str = "subject_token_type";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// The header without which the metadata server of Google Cloud does not respond, so that nobody is made to ask it; it responds
/// with the same (<https://cloud.google.com/compute/docs/metadata/querying-metadata#parts-of-a-request>).
const METADATA_FLAVOR: (&str, &str) = ("metadata-flavor", "Google");

/// Where tokens come from, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenEndpoint {
    pub(crate) url: Address,
    pub(crate) grant: Grant,
    /// Further parameters of the request: `scope` and `audience`, but also a `password` or a `client_assertion`.
    pub(crate) parameters: BTreeMap<String, SecretText>,
}

/// What is exchanged for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// OAuth2 client credentials (RFC 6749, section 4.4).
    ClientCredentials {
        client_id: String,
        client_auth: ClientAuth,
    },
    /// A token of another issuer (RFC 8693, section 2.1). Who the client is, is optional there.
    TokenExchange { client_id: Option<String> },
    /// An API key of IBM Cloud (<https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey>).
    IbmApiKey,
    /// The key of a Google service account (`google.rs`).
    GoogleServiceAccount,
    /// Nothing: the metadata server of Google Cloud knows who asks
    /// (<https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>).
    GoogleMetadata,
}

/// How a client authenticates itself to the token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// With HTTP Basic, which every server has to support.
    #[default]
    Basic,
    /// With `client_id` and `client_secret` in the body.
    Body,
}

impl settings::Choice for ClientAuth {
    const CHOICES: &'static [(&'static str, ClientAuth)] =
        &[("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];
}

/// A token, and how long it is valid.
pub(crate) struct Token {
    pub(crate) text: SecretText,
    pub(crate) lifetime: Duration,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    /// Of any form: a token is no worse for it.
    expires_in: Option<Json>,
}

impl TokenEndpoint {
    /// What of a credential is secret, and has to be masked.
    pub(crate) fn masked(&self, secret: &SecretText) -> String {
        match self.grant {
            Grant::ClientCredentials { .. }
            | Grant::TokenExchange { .. }
            | Grant::IbmApiKey
            | Grant::GoogleMetadata => secret.expose().to_owned(),
            // The rest of a key file is words that occur in every response.
            Grant::GoogleServiceAccount => {
                google::private_key(secret.expose()).unwrap_or_else(|| secret.expose().to_owned())
            }
        }
    }

    /// Requests a token for a credential. Every failure concerns all events.
    pub(crate) async fn token(
        &self,
        client: &Client,
        secret: &SecretText,
    ) -> Result<Token, Failure> {
        let filter = ResponseFilter {
            response: ResponseDetail::Structure,
            own: OwnCredentials::of(
                [self.masked(secret).as_str()]
                    .into_iter()
                    .chain(self.url.credentials().iter().map(String::as_str))
                    .chain(self.parameters.values().map(SecretText::expose)),
            ),
        };
        let request = self.request(client, secret);
        let request =
            request.map_err(|error| Failure::new(Reason::Permission, Scope::Target, error))?;
        let failed = |reason, message: &str| {
            let message = format!("token endpoint {}: {message}", self.url.host());
            Failure::new(reason, Scope::Target, &message)
        };
        let no_answer = |error: &reqwest::Error| {
            let why = super::client::causes(error, &filter);
            failed(Reason::Unavailable, &why)
        };
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        let body = read_start(&mut response, MAX_RESPONSE).await;
        let body = body.map_err(|error| no_answer(&error))?.bytes;
        let status = response.status();
        if !status.is_success() {
            // RFC 6749, section 5.2: `{"error": "invalid_client"}`.
            let kept = filter.body(None, &body, "");
            let message =
                kept.map_or_else(|| status.to_string(), |kept| format!("{status}: {kept}"));
            let reason = match status.as_u16() {
                429 => Reason::Throttled,
                300..=399 | 404 | 405 | 410 => Reason::Missing,
                400..=499 => Reason::Permission,
                _ => Reason::Unavailable,
            };
            return Err(failed(reason, &message));
        }
        let (name, value) = METADATA_FLAVOR;
        let is_metadata = (response.headers().get(name)).is_some_and(|found| found == value);
        if self.grant == Grant::GoogleMetadata && !is_metadata {
            // Outside of Google Cloud another host may have the name.
            let message = "the response is not one of a metadata server";
            return Err(failed(Reason::Permission, message));
        }
        match serde_json::from_slice::<TokenResponse>(&body) {
            Ok(token) if !token.access_token.is_empty() => Ok(Token {
                lifetime: lifetime(token.expires_in.as_ref()),
                text: SecretText::new(token.access_token),
            }),
            // Not repeated: it may contain a token.
            Ok(_) | Err(_) => Err(failed(
                Reason::Permission,
                "the response holds no access_token",
            )),
        }
    }

    fn request(
        &self,
        client: &Client,
        secret: &SecretText,
    ) -> Result<RequestBuilder, &'static str> {
        let mut url = self.url.url().clone();
        let request = if self.grant == Grant::GoogleMetadata {
            let parameters = (self.parameters.iter()).map(|(name, value)| (name, value.expose()));
            if !self.parameters.is_empty() {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            let (name, value) = METADATA_FLAVOR;
            client.get(url).header(name, value)
        } else {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            let (form, authorization) = self.form(secret, now)?;
            let post = client.post(url).body(form);
            let post = post.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            match authorization {
                Some(authorization) => post.header(AUTHORIZATION, authorization),
                None => post,
            }
        };
        Ok(request.timeout(REQUEST).header(ACCEPT, "application/json"))
    }

    /// The body of a request, and its `Authorization`.
    fn form(
        &self,
        secret: &SecretText,
        now: i64,
    ) -> Result<(String, Option<HeaderValue>), &'static str> {
        let mut fields = Vec::new();
        let mut authorization = None;
        let assertion;
        match &self.grant {
            Grant::ClientCredentials {
                client_id,
                client_auth,
            } => {
                fields.push(("grant_type", "client_credentials"));
                match client_auth {
                    ClientAuth::Basic => {
                        authorization = basic(&encoded(client_id), &encoded(secret.expose()))
                    }
                    ClientAuth::Body => {
                        fields.push(("client_id", client_id));
                        fields.push(("client_secret", secret.expose()));
                    }
                }
            }
            Grant::TokenExchange { client_id } => {
                let grant_type = "urn:ietf:params:oauth:grant-type:token-exchange";
                fields.push(("grant_type", grant_type));
                fields.push(("subject_token", secret.expose()));
                if !self.parameters.contains_key(SUBJECT_TOKEN_TYPE) {
                    fields.push((SUBJECT_TOKEN_TYPE, JWT));
                }
                fields.extend(client_id.as_deref().map(|id| ("client_id", id)));
            }
            Grant::IbmApiKey => {
                fields.push(("grant_type", "urn:ibm:params:oauth:grant-type:apikey"));
                fields.push(("apikey", secret.expose()));
            }
            Grant::GoogleServiceAccount => {
                let scope = self.parameters.get(SCOPE).map(SecretText::expose);
                let audience = self.url.url().as_str();
                assertion = google::assertion(secret.expose(), audience, scope, now)?;
                fields.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"));
                fields.push(("assertion", &assertion));
            }
            Grant::GoogleMetadata => {} // it is asked without a body
        }
        // The scope of a service account is in its assertion.
        let is_google = matches!(self.grant, Grant::GoogleServiceAccount);
        let more = (self.parameters.iter()).filter(|(name, _)| !is_google || *name != SCOPE);
        fields.extend(more.map(|(name, value)| (name.as_str(), value.expose())));
        Ok((form(&fields), authorization))
    }
}

/// `Authorization: Basic`. It can carry every text, since that is encoded.
pub(crate) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {credentials}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A number of seconds, which some servers write with a fraction or as a text.
fn lifetime(expires_in: Option<&Json>) -> Duration {
    let seconds = match expires_in {
        Some(Json::Number(seconds)) => seconds.as_f64(),
        Some(Json::String(text)) => text.trim().parse().ok(),
        Some(Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_)) | None => None,
    };
    let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    lifetime.unwrap_or(LIFETIME)
}

/// Encodes fields as `application/x-www-form-urlencoded`, which is how a query is encoded.
fn form(fields: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://form") else {
        return String::new(); // it is a URL
    };
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

/// One value in that encoding.
fn encoded(text: &str) -> String {
    form(&[("", text)]).trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::Format;

    fn endpoint(grant: Grant) -> TokenEndpoint {
        TokenEndpoint {
            url: super::super::address::HttpUrl::parse("https://idp.example.com/token").unwrap(),
            grant,
            parameters: [("scope".to_owned(), SecretText::new("a b".to_owned()))].into(),
        }
    }

    #[test]
    fn credentials_are_encoded_as_the_standard_says() {
        let client = |client_auth| Grant::ClientCredentials {
            client_id: "me".to_owned(),
            client_auth,
        };
        let secret = SecretText::new("p@ss:w=rd".to_owned());
        let (form, authorization) = endpoint(client(ClientAuth::Basic))
            .form(&secret, 0)
            .unwrap();
        assert_eq!(form, "grant_type=client_credentials&scope=a+b");
        let expected = BASE64_STANDARD.encode("me:p%40ss%3Aw%3Drd");
        assert_eq!(authorization.unwrap(), format!("Basic {expected}"));
        let (form, authorization) = endpoint(client(ClientAuth::Body)).form(&secret, 0).unwrap();
        assert_eq!(
            form,
            "grant_type=client_credentials&client_id=me&client_secret=p%40ss%3Aw%3Drd&scope=a+b"
        );
        assert!(authorization.is_none());
    }

    #[test]
    fn a_token_is_exchanged_as_a_jwt_unless_its_type_is_set() {
        let token = SecretText::new("a.b.c".to_owned());
        let mut exchange = endpoint(Grant::TokenExchange { client_id: None });
        let (form, authorization) = exchange.form(&token, 0).unwrap();
        assert_eq!(
            form,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=a.b.c\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&scope=a+b"
        );
        assert!(authorization.is_none());
        let other = SecretText::new("urn:other".to_owned());
        let parameters = [(SUBJECT_TOKEN_TYPE.to_owned(), other)];
        exchange.parameters = parameters.into();
        let (form, _) = exchange.form(&token, 0).unwrap();
        assert!(
            form.ends_with("&subject_token=a.b.c&subject_token_type=urn%3Aother"),
            "{form}"
        );
    }

    #[test]
    fn a_lifetime_is_a_number_a_text_or_the_default() {
        for (json, seconds) in [
            (r#"{"access_token":"t","expires_in":60}"#, 60),
            (r#"{"access_token":"t","expires_in":"60"}"#, 60),
            (r#"{"access_token":"t","expires_in":60.0}"#, 60),
            (r#"{"access_token":"t","expires_in":"60.5"}"#, 60),
            (r#"{"access_token":"t","expires_in":-1}"#, 300),
            (r#"{"access_token":"t","expires_in":1e300}"#, 300),
            (r#"{"access_token":"t","expires_in":"never"}"#, 300),
            (r#"{"access_token":"t","expires_in":{}}"#, 300),
            (r#"{"access_token":"t","expires_in":null}"#, 300),
            (r#"{"access_token":"t"}"#, 300),
        ] {
            let response: TokenResponse = serde_json::from_str(json).unwrap();
            assert_eq!(
                lifetime(response.expires_in.as_ref()).as_secs(),
                seconds,
                "{json}"
            );
        }
    }
}
