//! The settings of a target behind HTTP, and their check. Values that only these settings have are in `formats.rs`, and what
//! a preset sets in `preset.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    Checked, Count, FilePath, Format, OneOf, Seconds, Secret, SecretPairs, SecretText, Setting,
    Size, Text,
};

use super::batch_format::BatchFormat;
use super::formats::{AuthKind, Events, Statuses, Token};
use super::preset::{Defaults, Preset};
use crate::answer::Response;
use crate::http::{
    Address, AuthConfig, CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE, ClientAuth, Compression, Grant,
    HttpUrl, Method, StatusRules, TlsFiles, TokenEndpoint,
};
use crate::secret::SecretSettings;
use crate::{
    AcceptedEvents, Capabilities, EventTypes, JobEvents, Kind, RequiredDatasets, SettingError,
};

/// The settings of a target behind HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenLineageSettings {
    /// Fills in, for a known back end, what is not set: see [Presets](targets.md#presets).
    #[schemars(extend("x-not-on-aws" = "the template has no presets"))]
    pub preset: Option<Setting<OneOf<Preset>>>,
    /// The endpoint. A URL without a path gets `/api/v1/lineage`, or `/api/v1/lineage/batch` with `batch`. Required.
    pub url: Option<Setting<HttpUrl>>,
    /// How requests are authenticated with the credential in `api_key`, `api_key_file` or `api_key_secret_id`: `bearer` sends it
    /// as `Authorization: Bearer`, `header` as the header `auth_field`, `query` as the parameter `auth_field` of the URL, `basic` as
    /// the password of `username`. `oauth2` exchanges it, as the secret of the client `client_id`, for a token of `token_url`,
    /// `ibm_iam` as an API key of IBM Cloud, and `google` as the JSON key file of a Google service account. `sigv4` signs requests
    /// with the AWS credentials of the process instead.
    #[schemars(extend("x-not-on-aws" = "the template has the default"))]
    #[schemars(extend("x-default" = "bearer"))]
    pub auth: Option<Setting<OneOf<AuthKind>>>,
    /// The credential. With the default of `auth`, an API key.
    #[schemars(extend("x-not-on-aws" = "the key is in a secret"))]
    pub api_key: Option<Setting<Secret>>,
    /// A file whose whole text is the credential. It is read again every 5 minutes and when the credential is rejected.
    #[schemars(extend("x-not-on-aws" = "the key is in a secret"))]
    pub api_key_file: Option<Setting<FilePath>>,
    /// A secret in AWS Secrets Manager whose whole text is the credential. It is read again every 5 minutes and when the credential
    /// is rejected.
    pub api_key_secret_id: Option<Setting<Text>>,
    /// The name of the header or the parameter for `auth: header` and `auth: query`.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub auth_field: Option<Setting<Checked<Token>>>,
    /// The service that `auth: sigv4` signs for.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    #[schemars(extend("x-default" = "execute-api"))]
    pub aws_service: Option<Setting<Text>>,
    /// The region that `auth: sigv4` signs for, if it is not that of the process.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub aws_region: Option<Setting<Text>>,
    /// The user for `auth: basic`.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub username: Option<Setting<Text>>,
    /// The client for `auth: oauth2`.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub client_id: Option<Setting<Text>>,
    /// How the client authenticates itself at `token_url`: with HTTP Basic, or in the body.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub client_auth: Setting<OneOf<ClientAuth>>,
    /// Where tokens come from, for `auth: oauth2`. For `ibm_iam` and `google` it is known, and can be another one.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub token_url: Option<Setting<HttpUrl>>,
    /// Further parameters of the request of a token, such as `scope` and `audience`.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub token_parameters: Option<Setting<SecretPairs>>,
    /// A PEM file with certificates of authorities that are trusted besides those of the system.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub ca_file: Option<Setting<FilePath>>,
    /// A PEM file with the certificate of this client, for mutual TLS. Read once, at the start.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub client_certificate_file: Option<Setting<FilePath>>,
    /// A PEM file with its private key, if that is not in `client_certificate_file`.
    #[schemars(extend("x-not-on-aws" = "no file outlives a function"))]
    pub client_key_file: Option<Setting<FilePath>>,
    /// Whether several events are sent in one request: `array` sends a JSON array, `events` an object `{"events": […]}`. Each event
    /// keeps its own result; one that failed is sent alone the next time.
    #[schemars(extend("x-not-on-aws" = "the default is understood everywhere"))]
    #[schemars(extend("x-default" = "none"))]
    pub batch: Option<Setting<OneOf<BatchFormat>>>,
    /// The most events in a request.
    #[schemars(extend("x-not-on-aws" = "the template does not batch"))]
    pub max_batch_events: Setting<Count<1, 10_000>>,
    /// The largest body of a request with several events, before compression.
    #[schemars(extend("x-not-on-aws" = "the template does not batch"))]
    pub max_batch_bytes: Setting<Size>,
    /// The kinds of events that the endpoint accepts: `all`, or `run` for RunEvents only. Others are dropped, JobEvents as
    /// `job_events` says.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "all"))]
    pub events: Option<Setting<OneOf<Events>>>,
    /// What is done with JobEvents where only RunEvents are accepted: `convert` makes RunEvents of those with inputs or outputs,
    /// `skip` drops all.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub job_events: Setting<OneOf<JobEvents>>,
    /// The types of RunEvents that are delivered: `all`, `ends` for COMPLETE, FAIL and ABORT, or `complete`.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "all"))]
    pub event_types: Option<Setting<OneOf<EventTypes>>>,
    /// The datasets that a RunEvent or JobEvent has to have to be delivered.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "none"))]
    pub required_datasets: Option<Setting<OneOf<RequiredDatasets>>>,
    /// The largest event that the endpoint accepts. Of a larger one facets are cut, as for [DataZone](targets.md#datazone).
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "no limit"))]
    pub max_event_bytes: Option<Setting<Size>>,
    /// A parameter of the URL that is set to a UUID of the event's content, so that the endpoint recognises an event that is
    /// delivered twice. Not with `batch`.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub request_id_parameter: Option<Setting<Checked<Token>>>,
    /// Statuses after which another attempt may succeed, besides those of [Responses and retries](targets.md#responses-and-retries).
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub retry_statuses: Option<Setting<Statuses>>,
    /// Statuses of an event that is never accepted: it becomes a dead letter at once.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub reject_statuses: Option<Setting<Statuses>>,
    /// After how many attempts an event that is answered with 500 becomes a dead letter, where 500 may mean an invalid event.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "queue.max_attempts"))]
    pub max_attempts_on_500: Option<Setting<Count<1, 1_000>>>,
    /// The compression of request bodies.
    #[schemars(extend("x-not-on-aws" = "the default is understood everywhere"))]
    #[schemars(extend("x-default" = "none"))]
    pub compression: Option<Setting<OneOf<Compression>>>,
    /// The time for a whole request, connection included.
    #[schemars(extend("x-not-on-aws" = "the default fits a function"))]
    pub timeout: Setting<Seconds<1, 300>>,
    /// What of the answer to a rejected event is kept in logs and dead letters. `structure` keeps the status, error codes and
    /// the names of fields (`422 Unprocessable Entity: {"code": 1001, "message"}`). `redacted` keeps the text too, with stars
    /// for the proxy's own credentials, for every word of the event and for what looks like a secret.
    #[schemars(extend("x-not-on-aws" = "the default shows nothing of events"))]
    pub response: Setting<OneOf<Response>>,
}

/// The settings of a target behind HTTP, complete and checked.
#[derive(Debug, Clone)]
pub struct OpenLineageConfig {
    pub(super) url: Address,
    pub(super) auth: AuthConfig,
    pub(super) tls: TlsFiles,
    pub(super) batch: BatchConfig,
    pub(super) statuses: StatusRules,
    pub(super) capabilities: Capabilities,
    /// The path of a URL that has none.
    pub(super) path: &'static str,
    pub(super) request_id_parameter: Option<String>,
    pub(super) compression: Compression,
    pub(super) timeout: Duration,
    pub(super) response: Response,
}

/// How events share requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchConfig {
    pub(super) format: BatchFormat,
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Default for OpenLineageSettings {
    fn default() -> OpenLineageSettings {
        OpenLineageSettings {
            preset: None,
            url: None,
            auth: None,
            api_key: None,
            api_key_file: None,
            api_key_secret_id: None,
            auth_field: None,
            aws_service: None,
            aws_region: None,
            username: None,
            client_id: None,
            client_auth: Setting::default(),
            token_url: None,
            token_parameters: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            batch: None,
            max_batch_events: Setting(100),
            max_batch_bytes: Setting(1_000_000),
            events: None,
            job_events: Setting::default(),
            event_types: None,
            required_datasets: None,
            max_event_bytes: None,
            request_id_parameter: None,
            retry_statuses: None,
            reject_statuses: None,
            max_attempts_on_500: None,
            compression: None,
            timeout: Setting(Duration::from_secs(10)),
            response: Setting::default(),
        }
    }
}

pub(super) const URL: &str = "url";
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

/// The service name of API Gateway in signatures.
const EXECUTE_API: &str = "execute-api";

impl OpenLineageSettings {
    pub(in crate::kind) fn validate(mut self) -> Result<OpenLineageConfig, Vec<SettingError>> {
        let mut errors = Vec::new();
        let preset = self.preset.as_deref().copied();
        let defaults = preset.map_or(Defaults::PLAIN, Defaults::of);
        let auth = self.auth(defaults, &mut errors);
        let batch = self.batch.map_or(defaults.batch, |batch| *batch);
        let url = self.url.take().map(Setting::into_value);
        let url = url.or_else(|| HttpUrl::parse(defaults.url?).ok());
        if let (Some(url), Some(auth)) = (&url, &auth)
            && url.has_user()
            && auth.has_credential()
        {
            // Of two headers `Authorization` the endpoint would see one, or refuse both.
            errors.push(SettingError::Insufficient {
                setting: URL,
                reason: "holds a user or a password, which cannot be combined with another credential",
            });
        }
        let path = match batch {
            BatchFormat::None => defaults.path,
            BatchFormat::Array | BatchFormat::Events => defaults.batch_path,
        };
        if let (Some(url), None) = (&url, path)
            && !url.has_path()
        {
            errors.push(SettingError::Insufficient {
                setting: URL,
                reason: "needs a path with this preset: see docs/targets.md, Presets",
            });
        }
        if self.client_key_file.is_some() && self.client_certificate_file.is_none() {
            errors.push(SettingError::RequiredWith {
                setting: CLIENT_CERTIFICATE_FILE,
                with: CLIENT_KEY_FILE,
            });
        }
        if url.is_none() {
            let (setting, kind) = (URL, Kind::OpenLineage);
            errors.push(SettingError::Required { setting, kind });
        }
        let (Some(url), Some(auth), true) = (url, auth, errors.is_empty()) else {
            return Err(errors);
        };
        let file = |setting: Option<Setting<FilePath>>| setting.map(Setting::into_value);
        let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        Ok(OpenLineageConfig {
            url,
            path: path.unwrap_or_default(),
            auth,
            tls: TlsFiles {
                ca: file(self.ca_file),
                certificate: file(self.client_certificate_file),
                key: file(self.client_key_file),
            },
            batch: BatchConfig {
                format: batch,
                events: size((*self.max_batch_events).into()),
                bytes: size(*self.max_batch_bytes),
            },
            statuses: StatusRules {
                rejected: self
                    .reject_statuses
                    .map(Setting::into_value)
                    .unwrap_or_default(),
                retried: self
                    .retry_statuses
                    .map(Setting::into_value)
                    .unwrap_or_default(),
                max_attempts_on_500: (self.max_attempts_on_500)
                    .map(Setting::into_value)
                    .or(defaults.max_attempts_on_500),
            },
            capabilities: Capabilities {
                events: match self.events.map_or(defaults.events, |events| *events) {
                    Events::All => AcceptedEvents::All,
                    Events::Run => AcceptedEvents::RunEvents {
                        job_events: *self.job_events,
                    },
                },
                event_types: self
                    .event_types
                    .map_or(defaults.event_types, |types| *types),
                datasets: self
                    .required_datasets
                    .map_or(defaults.datasets, |datasets| *datasets),
                max_event_bytes: (self.max_event_bytes.map(Setting::into_value))
                    .or(defaults.max_event_bytes)
                    .map(size),
                batches: batch != BatchFormat::None,
                ..Capabilities::UNLIMITED
            },
            request_id_parameter: (self.request_id_parameter.map(Setting::into_value))
                .or(defaults.request_id_parameter.map(str::to_owned)),
            compression: self
                .compression
                .map_or(defaults.compression, |compression| *compression),
            timeout: *self.timeout,
            response: *self.response,
        })
    }

    /// The authentication, and what it lacks.
    fn auth(&mut self, defaults: Defaults, errors: &mut Vec<SettingError>) -> Option<AuthConfig> {
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
            AuthKind::Bearer | AuthKind::SigV4 => false,
            AuthKind::Header
            | AuthKind::Query
            | AuthKind::Basic
            | AuthKind::OAuth2
            | AuthKind::IbmIam
            | AuthKind::Google => true,
        };
        if let (Some((setting, _)), AuthKind::SigV4) = (&secret, auth) {
            let with = AUTH;
            errors.push(SettingError::Conflict { setting, with });
        }
        if secret.is_none() && needs_secret {
            errors.push(SettingError::RequiredWith {
                setting: API_KEY,
                with: AUTH,
            });
        }
        let mut require = |setting, value: Option<String>| {
            if value.is_none() {
                errors.push(SettingError::RequiredWith {
                    setting,
                    with: AUTH,
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
            AuthKind::IbmIam | AuthKind::Google => &[TOKEN_URL, TOKEN_PARAMETERS],
            AuthKind::SigV4 => &[AWS_SERVICE, AWS_REGION],
        };
        const TOKENS: &str = "oauth2, ibm_iam or google";
        let is_client_auth_set = *self.client_auth != ClientAuth::default();
        let settings = [
            (AUTH_FIELD, self.auth_field.is_some(), "header or query"),
            (AWS_SERVICE, self.aws_service.is_some(), "sigv4"),
            (AWS_REGION, self.aws_region.is_some(), "sigv4"),
            (USERNAME, self.username.is_some(), "basic"),
            (CLIENT_ID, self.client_id.is_some(), "oauth2"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use settings::Choice;

    fn validate(section: serde_json::Value) -> Result<OpenLineageConfig, Vec<String>> {
        let settings: OpenLineageSettings = serde_json::from_value(section).unwrap();
        let validated = settings.validate();
        validated.map_err(|errors| {
            let text = |error: &SettingError| format!("{}: {error}", error.setting());
            errors.iter().map(text).collect()
        })
    }

    #[test]
    fn each_way_to_authenticate_names_what_it_lacks() {
        for (section, errors) in [
            (json!({}), &[][..]),
            (
                json!({"auth": "header"}),
                &[
                    "api_key: required with auth",
                    "auth_field: required with auth",
                ],
            ),
            (
                json!({"auth": "query", "api_key": "k"}),
                &["auth_field: required with auth"],
            ),
            (
                json!({"auth": "basic", "api_key": "k"}),
                &["username: required with auth"],
            ),
            (
                json!({"auth": "oauth2", "api_key": "k"}),
                &[
                    "client_id: required with auth",
                    "token_url: required with auth",
                ],
            ),
            (json!({"auth": "ibm_iam"}), &["api_key: required with auth"]),
            (json!({"auth": "ibm_iam", "api_key_file": "k"}), &[]),
            (json!({"auth": "sigv4"}), &[]),
            (
                json!({"auth": "sigv4", "api_key": "k"}),
                &["api_key: cannot be combined with auth"],
            ),
            (
                json!({"api_key": "k", "api_key_file": "f", "api_key_secret_id": "s"}),
                &[
                    "api_key_file: cannot be combined with api_key",
                    "api_key_secret_id: cannot be combined with api_key",
                ],
            ),
            (
                json!({"auth": "sigv4", "url": "http://me:pw@x"}),
                &[
                    "url: holds a user or a password, which cannot be combined with another credential",
                ],
            ),
            (
                json!({"api_key": "k", "url": "http://me:pw@x"}),
                &[
                    "url: holds a user or a password, which cannot be combined with another credential",
                ],
            ),
            (json!({"url": "http://me:pw@x"}), &[]),
            (
                json!({"auth": "ibm_iam", "api_key": "k", "token_url": "http://me@x"}),
                &[
                    "token_url: holds a user or a password: the client authenticates itself with client_id and the credential",
                ],
            ),
            (
                json!({"client_key_file": "k"}),
                &["client_certificate_file: required with client_key_file"],
            ),
        ] {
            let mut section = section;
            if section["url"].is_null() {
                section["url"] = json!("http://x");
            }
            let found = validate(section.clone()).map(drop);
            assert_eq!(found.err().unwrap_or_default(), errors, "{section}");
        }
    }

    #[test]
    fn a_setting_of_another_way_to_authenticate_is_an_error_and_not_ignored() {
        for (name, value, values) in [
            (AUTH_FIELD, "X-Key", "header or query"),
            (AWS_SERVICE, "execute-api", "sigv4"),
            (AWS_REGION, "eu-west-1", "sigv4"),
            (USERNAME, "me", "basic"),
            (CLIENT_ID, "me", "oauth2"),
            (CLIENT_AUTH, "body", "oauth2"),
            (TOKEN_URL, "http://x/token", "oauth2, ibm_iam or google"),
            (TOKEN_PARAMETERS, "scope=s", "oauth2, ibm_iam or google"),
        ] {
            for (auth, _) in AuthKind::CHOICES {
                let mut section = json!({"url": "http://x", "auth": auth});
                section[name] = json!(value);
                let expected = format!("{name}: used only when auth is {values}");
                let errors = validate(section).map(drop).err().unwrap_or_default();
                let is_used = values.split([',', ' ']).any(|value| value == *auth);
                assert_eq!(!errors.contains(&expected), is_used, "{auth} {errors:?}");
            }
        }
        let section = json!({"url": "http://x", "client_id": "me", "token_url": "http://x/token", "api_key": "secret"});
        assert_eq!(validate(section).map(drop).unwrap_err().len(), 2);
    }

    #[test]
    fn a_preset_fills_in_what_is_not_set() {
        let config =
            validate(json!({"preset": "openmetadata", "url": "https://om.example.com"})).unwrap();
        assert_eq!(config.path, "/api/v1/openlineage/lineage");
        assert_eq!(config.capabilities.event_types, EventTypes::Complete);
        assert_eq!(
            config.capabilities.datasets,
            RequiredDatasets::InputsAndOutputs
        );
        let section = json!({"preset": "openmetadata", "url": "https://om.example.com", "event_types": "all", "batch": "events"});
        let config = validate(section).unwrap();
        assert_eq!(config.path, "/api/v1/openlineage/lineage/batch");
        assert_eq!(config.capabilities.event_types, EventTypes::All);
        assert!(config.capabilities.batches);
    }

    #[test]
    fn every_preset_is_complete_with_a_url_and_a_credential() {
        for (name, _) in Preset::CHOICES {
            let section =
                json!({"preset": name, "url": "https://x.example.com/a/path", "api_key": "k"});
            assert!(validate(section).is_ok(), "{name}");
        }
        for name in ["dataplex", "atlan", "egeria"] {
            let section = json!({"preset": name, "url": "https://x.example.com", "api_key": "k"});
            let errors = validate(section).map(drop).unwrap_err();
            assert!(errors[0].starts_with("url: needs a path"), "{errors:?}");
        }
        assert!(validate(json!({"preset": "datadog", "api_key": "k"})).is_ok());
    }
}
