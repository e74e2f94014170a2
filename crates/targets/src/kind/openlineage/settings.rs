//! The settings of a target behind HTTP, and their check. Authentication is checked in `settings/auth.rs`. Values that only
//! these settings have are in `formats.rs`, and what a preset sets in `preset.rs`.

mod auth;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{
    CheckedText, Count, FilePath, Format, OneOf, Seconds, Secret, SecretPairs, Setting, Size, Text,
};

use super::batch_format::BatchFormat;
use super::formats::{AuthKind, Events, Statuses, Token};
use super::preset::{Defaults, Preset};
use crate::http::{
    Address, AuthConfig, CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE, ClientAuth, Compression,
    HttpUrl, StatusRules, TlsFiles,
};
use crate::response::ResponseDetail;
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
    /// `token_exchange` as a token of another issuer, such as that of a Kubernetes service account, `ibm_iam` as an API key of IBM
    /// Cloud, and `google` as the JSON key file of a Google service account. Without a credential, `google_metadata` sends the token of
    /// the service account that the machine or pod has in Google Cloud, and `sigv4` signs requests with the AWS credentials of the
    /// process.
    #[schemars(extend("x-not-on-aws" = "the template has the default"))]
    #[schemars(extend("x-default" = "`bearer`"))]
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
    pub auth_field: Option<Setting<CheckedText<Token>>>,
    /// The service that `auth: sigv4` signs for.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    #[schemars(extend("x-default" = "`execute-api`"))]
    pub aws_service: Option<Setting<Text>>,
    /// The region that `auth: sigv4` signs for, if it differs from that of the process.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub aws_region: Option<Setting<Text>>,
    /// The user for `auth: basic`.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub username: Option<Setting<Text>>,
    /// The client for `auth: oauth2`, and for `token_exchange` where the server asks for one.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub client_id: Option<Setting<Text>>,
    /// How the client authenticates itself at `token_url`: with HTTP Basic, or in the body.
    #[schemars(extend("x-not-on-aws" = "the template has the default of auth"))]
    pub client_auth: Setting<OneOf<ClientAuth>>,
    /// Where tokens come from, for `auth: oauth2` and `token_exchange`. For `ibm_iam`, `google` and `google_metadata` it is known, and
    /// can be another one.
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
    #[schemars(extend("x-default" = "`none`"))]
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
    #[schemars(extend("x-default" = "`all`"))]
    pub events: Option<Setting<OneOf<Events>>>,
    /// What is done with JobEvents where only RunEvents are accepted: `convert` makes RunEvents of those with inputs or outputs,
    /// `drop` drops all.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub job_events: Setting<OneOf<JobEvents>>,
    /// The types of RunEvents that are delivered: `all`, `ends` for COMPLETE, FAIL and ABORT, or `complete`.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "`all`"))]
    pub event_types: Option<Setting<OneOf<EventTypes>>>,
    /// The datasets that a RunEvent or JobEvent has to have to be delivered.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "`none`"))]
    pub required_datasets: Option<Setting<OneOf<RequiredDatasets>>>,
    /// The largest event that the endpoint accepts. Of a larger one facets are cut, as for [DataZone](targets.md#datazone).
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "no limit"))]
    pub max_event_bytes: Option<Setting<Size>>,
    /// A parameter of the URL that is set to a UUID of the event's content, so that the endpoint recognises an event that is
    /// delivered twice. Not with `batch`.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub request_id_parameter: Option<Setting<CheckedText<Token>>>,
    /// Statuses after which another attempt may succeed, besides those of [Responses and retries](targets.md#responses-and-retries).
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub retry_statuses: Option<Setting<Statuses>>,
    /// Statuses of an event that is never accepted: it becomes a dead letter at once. None of them may be one of `retry_statuses`.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    pub reject_statuses: Option<Setting<Statuses>>,
    /// After how many attempts an event that is answered with 500 becomes a dead letter, where 500 may mean an invalid event.
    #[schemars(extend("x-not-on-aws" = "the default fits most endpoints"))]
    #[schemars(extend("x-default" = "`queue.max_attempts`"))]
    pub max_attempts_on_500: Option<Setting<Count<1, 1_000>>>,
    /// The compression of request bodies.
    #[schemars(extend("x-not-on-aws" = "the default is understood everywhere"))]
    #[schemars(extend("x-default" = "`none`"))]
    pub compression: Option<Setting<OneOf<Compression>>>,
    /// The time for a whole request, connection included.
    #[schemars(extend("x-not-on-aws" = "the default fits a function"))]
    pub timeout: Setting<Seconds<1, 300>>,
    /// What of the response to a rejected event is kept in logs and dead letters. `structure` keeps the status, error codes and
    /// the names of fields (`422 Unprocessable Entity: {"code": 1001, "message"}`). `redacted` keeps the text too, with stars
    /// for the proxy's own credentials, for every word of the event and for what looks like a secret.
    #[schemars(extend("x-not-on-aws" = "the default shows nothing of events"))]
    pub response: Setting<OneOf<ResponseDetail>>,
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
    pub(super) response: ResponseDetail,
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
const BATCH: &str = "batch";
const REQUEST_ID_PARAMETER: &str = "request_id_parameter";
const REJECT_STATUSES: &str = "reject_statuses";

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
        if self.request_id_parameter.is_some() && batch != BatchFormat::None {
            // Such an id is that of one event.
            errors.push(SettingError::Conflict {
                setting: REQUEST_ID_PARAMETER,
                with: BATCH,
            });
        }
        if let (Some(rejected), Some(retried)) = (&self.reject_statuses, &self.retry_statuses)
            && !rejected.is_disjoint(retried)
        {
            errors.push(SettingError::Insufficient {
                setting: REJECT_STATUSES,
                reason: "a status cannot also be one of retry_statuses",
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
}

#[cfg(test)]
mod tests;
