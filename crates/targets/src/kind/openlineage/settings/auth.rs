//! The settings of authentication: which ones each `auth` needs, and which ones it does not use. How requests are
//! authenticated then is in `http/auth.rs`. Called by `settings.rs`.

use std::collections::BTreeMap;

use reqwest::header::HeaderName;
use settings::{Format, SecretText, Setting};

use super::super::formats::AuthKind;
use super::super::preset::Defaults;
use super::OpenLineageSettings;
use crate::SettingError;
use crate::http::{Address, AuthConfig, ClientAuth, Grant, HttpUrl, Method, TokenEndpoint};
use crate::secret::SecretSettings;

const API_KEY: &str = "api_key";
const API_KEY_FILE: &str = "api_key_file";
const API_KEY_SECRET_ID: &str = "api_key_secret_id";
const AUTH: &str = "auth";
const AUTH_FIELD: &str = "auth_field";
const AWS_SERVICE: &str = "aws_service";
const AWS_REGION: &str = "aws_region";
const USERNAME: &str = "username";
const CLIENT_ID: &str = "client_id";
const CLIENT_AUTH: &str = "client_auth";
const TOKEN_URL: &str = "token_url";
const TOKEN_PARAMETERS: &str = "token_parameters";

/// The token endpoint of IBM Cloud (<https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey>).
const IBM_IAM: &str = "https://iam.cloud.ibm.com/identity/token";

/// The token endpoint of Google (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>).
const GOOGLE: &str = "https://oauth2.googleapis.com/token";

/// The token of the service account of a machine or a pod in Google Cloud
/// (<https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>).
const GOOGLE_METADATA: &str =
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";

/// The service name of API Gateway in signatures.
const EXECUTE_API: &str = "execute-api";

impl OpenLineageSettings {
    /// The authentication, and what it lacks.
    pub(super) fn auth(
        &mut self,
        defaults: Defaults,
        errors: &mut Vec<SettingError>,
    ) -> Option<AuthConfig> {
        let auth = self.auth.take().map_or(defaults.auth, |auth| *auth);
        self.report_unused(auth, errors);
        if self.token_url.as_ref().is_some_and(|url| url.has_user()) {
            errors.push(SettingError::Insufficient {
                setting: TOKEN_URL,
                reason: "holds a user or a password: the client authenticates itself with client_id and the credential",
            });
        }
        let source = SecretSettings {
            text: (API_KEY, self.api_key.take()),
            file: (API_KEY_FILE, self.api_key_file.take()),
            secret_id: (API_KEY_SECRET_ID, self.api_key_secret_id.take()),
        };
        let secret = source.source(errors);
        let needs_secret = match auth {
            AuthKind::Bearer | AuthKind::SigV4 | AuthKind::GoogleMetadata => false,
            AuthKind::Header
            | AuthKind::Query
            | AuthKind::Basic
            | AuthKind::OAuth2
            | AuthKind::TokenExchange
            | AuthKind::IbmIam
            | AuthKind::Google => true,
        };
        if let (Some((setting, _)), AuthKind::SigV4 | AuthKind::GoogleMetadata) = (&secret, auth) {
            let with = AUTH;
            errors.push(SettingError::Conflict { setting, with });
        }
        if secret.is_none() && needs_secret {
            errors.push(SettingError::RequiredWhen {
                setting: API_KEY,
                with: AUTH,
                value: auth.name(),
            });
        }
        let mut require = |setting, value: Option<String>| {
            if value.is_none() {
                errors.push(SettingError::RequiredWhen {
                    setting,
                    with: AUTH,
                    value: auth.name(),
                });
            }
            value
        };
        let name = self.auth_field.take().map(Setting::into_value);
        let name = name.or(defaults.auth_field.map(str::to_owned));
        let method = match auth {
            AuthKind::Bearer => Method::Bearer,
            AuthKind::Header => {
                let name = require(AUTH_FIELD, name)?;
                Method::Header(HeaderName::from_bytes(name.as_bytes()).ok()?) // checked when it was read
            }
            AuthKind::Query => Method::Query {
                name: require(AUTH_FIELD, name)?,
            },
            AuthKind::Basic => Method::Basic {
                username: require(USERNAME, self.username.take().map(Setting::into_value))?,
            },
            AuthKind::OAuth2 => {
                let client_id = self.client_id.take().map(Setting::into_value);
                let url = self.token_url.take().map(Setting::into_value);
                let client_id = require(CLIENT_ID, client_id);
                if url.is_none() {
                    require(TOKEN_URL, None);
                }
                Method::Token(TokenEndpoint {
                    url: url?,
                    grant: Grant::ClientCredentials {
                        client_id: client_id?,
                        client_auth: *self.client_auth,
                    },
                    parameters: self.token_parameters(),
                })
            }
            AuthKind::TokenExchange => {
                let url = self.token_url.take().map(Setting::into_value);
                if url.is_none() {
                    require(TOKEN_URL, None);
                }
                Method::Token(TokenEndpoint {
                    url: url?,
                    grant: Grant::TokenExchange {
                        client_id: self.client_id.take().map(Setting::into_value),
                    },
                    parameters: self.token_parameters(),
                })
            }
            AuthKind::IbmIam => Method::Token(TokenEndpoint {
                url: self.known_token_url(IBM_IAM)?,
                grant: Grant::IbmApiKey,
                parameters: self.token_parameters(),
            }),
            AuthKind::SigV4 => Method::SigV4 {
                service: (self.aws_service.take())
                    .map_or_else(|| EXECUTE_API.to_owned(), Setting::into_value),
                region: self.aws_region.take().map(Setting::into_value),
            },
            AuthKind::Google => Method::Token(TokenEndpoint {
                url: self.known_token_url(GOOGLE)?,
                grant: Grant::GoogleServiceAccount,
                parameters: self.token_parameters(),
            }),
            AuthKind::GoogleMetadata => Method::Token(TokenEndpoint {
                url: self.known_token_url(GOOGLE_METADATA)?,
                grant: Grant::GoogleMetadata,
                parameters: self.token_parameters(),
            }),
        };
        Some(AuthConfig { method, secret })
    }

    /// Reports what is set for another `auth`. Ignored, it would hide that the credential is sent in another way, and to another
    /// server, than it is meant for: a client secret to the endpoint instead of `token_url`.
    fn report_unused(&self, auth: AuthKind, errors: &mut Vec<SettingError>) {
        let used: &[&str] = match auth {
            AuthKind::Bearer => &[],
            AuthKind::Header | AuthKind::Query => &[AUTH_FIELD],
            AuthKind::Basic => &[USERNAME],
            AuthKind::OAuth2 => &[CLIENT_ID, CLIENT_AUTH, TOKEN_URL, TOKEN_PARAMETERS],
            AuthKind::TokenExchange => &[CLIENT_ID, TOKEN_URL, TOKEN_PARAMETERS],
            AuthKind::IbmIam | AuthKind::Google | AuthKind::GoogleMetadata => {
                &[TOKEN_URL, TOKEN_PARAMETERS]
            }
            AuthKind::SigV4 => &[AWS_SERVICE, AWS_REGION],
        };
        const TOKENS: &str = "oauth2, token_exchange, ibm_iam, google or google_metadata";
        let is_client_auth_set = *self.client_auth != ClientAuth::default();
        let settings = [
            (AUTH_FIELD, self.auth_field.is_some(), "header or query"),
            (AWS_SERVICE, self.aws_service.is_some(), "sigv4"),
            (AWS_REGION, self.aws_region.is_some(), "sigv4"),
            (USERNAME, self.username.is_some(), "basic"),
            (
                CLIENT_ID,
                self.client_id.is_some(),
                "oauth2 or token_exchange",
            ),
            (CLIENT_AUTH, is_client_auth_set, "oauth2"),
            (TOKEN_URL, self.token_url.is_some(), TOKENS),
            (TOKEN_PARAMETERS, self.token_parameters.is_some(), TOKENS),
        ];
        for (setting, is_set, values) in settings {
            if is_set && !used.contains(&setting) {
                errors.push(SettingError::OnlyWith {
                    setting,
                    with: AUTH,
                    values,
                });
            }
        }
    }

    fn known_token_url(&mut self, known: &str) -> Option<Address> {
        match self.token_url.take() {
            Some(url) => Some(url.into_value()),
            None => HttpUrl::parse(known).ok(), // it is a URL
        }
    }

    fn token_parameters(&mut self) -> BTreeMap<String, SecretText> {
        let parameters = self.token_parameters.take();
        parameters.map(Setting::into_value).unwrap_or_default()
    }
}
