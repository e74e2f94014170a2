//! The settings of a target of DataHub, and their check.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use settings::{Count, FilePath, Flag, Format, OneOf, Pairs, Seconds, Secret, Setting, Text};

use super::conversion::Conversion;
use super::environment::Environment;
use super::naming::{ByNamespace, Naming};
use crate::http::{
    Address, AuthConfig, CLIENT_CERTIFICATE_FILE, CLIENT_KEY_FILE, HttpUrl, Method, TlsFiles,
};
use crate::response::ResponseDetail;
use crate::secret::SecretSettings;
use crate::{Kind, SettingError};

/// The settings of a target of DataHub.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataHubSettings {
    /// The metadata service (GMS), such as `http://datahub-gms:8080`, or `https://HOST/api/gms` behind the front end. Required.
    pub url: Option<Setting<HttpUrl>>,
    /// The access token.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub api_key: Option<Setting<Secret>>,
    /// A file whose whole text is the access token. It is read again every 5 minutes and when the token is rejected.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub api_key_file: Option<Setting<FilePath>>,
    /// A secret in AWS Secrets Manager whose whole text is the access token. It is read again every 5 minutes and when the token
    /// is rejected.
    pub api_key_secret_id: Option<Setting<Text>>,
    /// A PEM file with certificates of authorities that are trusted besides those of the system.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub ca_file: Option<Setting<FilePath>>,
    /// A PEM file with the certificate of this client, for mutual TLS. Read once, at the start.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub client_certificate_file: Option<Setting<FilePath>>,
    /// A PEM file with its private key, if that is not in `client_certificate_file`.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub client_key_file: Option<Setting<FilePath>>,
    /// The environment of datasets: `PROD`, `DEV`, `TEST` or another one of DataHub's.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub environment: Setting<OneOf<Environment>>,
    /// Environments of datasets by namespace. `*` in a namespace matches any text; the longest that matches counts.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub environments: Option<Setting<EnvironmentPairs>>,
    /// Platform instances of datasets by namespace, as `environments`.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub platform_instances: Option<Setting<Pairs>>,
    /// Platforms that have another name in DataHub than they would get, such as `hive=iceberg`.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub platforms: Option<Setting<Pairs>>,
    /// The orchestrator of all jobs. By default, each event decides: see
    /// [Names](targets.md#names-in-datahub).
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    #[schemars(extend("x-default" = "from the event"))]
    pub orchestrator: Option<Setting<Text>>,
    /// The platform instance of all jobs. It takes the place of the job's namespace in their URNs.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub job_platform_instance: Option<Setting<Text>>,
    /// Whether schemas of datasets are written. Set `false` where another source writes better ones.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub schemas: Setting<Flag>,
    /// After how many attempts an event that is answered with 500 becomes a dead letter: DataHub answers so for some invalid
    /// events, too.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub max_attempts_on_500: Setting<Count<1, 1_000>>,
    /// The time for a whole call, connection included. DataHub answers when it has written.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub timeout: Setting<Seconds<1, 300>>,
    /// What of the response to a rejected event is kept in logs and dead letters, as for `openlineage.response`.
    #[schemars(extend("x-not-on-aws" = "the template passes the URL and the secret"))]
    pub response: Setting<OneOf<ResponseDetail>>,
}

/// The settings of a target of DataHub, complete and checked.
#[derive(Debug, Clone)]
pub struct DataHubConfig {
    pub(super) url: Address,
    pub(super) auth: AuthConfig,
    pub(super) tls: TlsFiles,
    pub(super) conversion: Conversion,
    pub(super) max_attempts_on_500: u32,
    pub(super) timeout: Duration,
    pub(super) response: ResponseDetail,
}

/// Environments by namespace: a map as [`Pairs`].
pub enum EnvironmentPairs {}

impl Format for EnvironmentPairs {
    type Value = BTreeMap<String, Environment>;

    fn expected() -> String {
        Pairs::expected()
    }

    fn values() -> String {
        Pairs::values()
    }

    fn parse(text: &str) -> Result<Self::Value, String> {
        environments(Pairs::parse(text)?)
    }

    fn read(value: Json) -> Result<Self::Value, String> {
        environments(Pairs::read(value)?)
    }

    fn show(value: &Self::Value) -> String {
        let pairs = value.iter();
        let pairs =
            pairs.map(|(namespace, environment)| format!("{namespace}={}", environment.name()));
        pairs.collect::<Vec<_>>().join(", ")
    }
}

fn environments(pairs: BTreeMap<String, String>) -> Result<BTreeMap<String, Environment>, String> {
    let pairs = pairs.into_iter();
    pairs
        .map(|(namespace, name)| Ok((namespace, OneOf::<Environment>::parse(&name)?)))
        .collect()
}

impl Default for DataHubSettings {
    fn default() -> DataHubSettings {
        DataHubSettings {
            url: None,
            api_key: None,
            api_key_file: None,
            api_key_secret_id: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            environment: Setting::default(),
            environments: None,
            platform_instances: None,
            platforms: None,
            orchestrator: None,
            job_platform_instance: None,
            schemas: Setting(true),
            // With the delays between attempts this is half an hour of an outage.
            max_attempts_on_500: Setting(10),
            timeout: Setting(Duration::from_secs(30)),
            response: Setting::default(),
        }
    }
}

pub(super) const URL: &str = "url";
const API_KEY: &str = "api_key";
const API_KEY_FILE: &str = "api_key_file";
const API_KEY_SECRET_ID: &str = "api_key_secret_id";
const ENVIRONMENTS: &str = "environments";
const PLATFORM_INSTANCES: &str = "platform_instances";

impl DataHubSettings {
    pub(in crate::kind) fn validate(self) -> Result<DataHubConfig, Vec<SettingError>> {
        let mut errors = Vec::new();
        let source = SecretSettings {
            text: (API_KEY, self.api_key),
            file: (API_KEY_FILE, self.api_key_file),
            secret_id: (API_KEY_SECRET_ID, self.api_key_secret_id),
        };
        let auth = AuthConfig {
            method: Method::Bearer,
            secret: source.source(&mut errors),
        };
        let url = self.url.map(Setting::into_value);
        if let Some(url) = &url
            && url.has_user()
            && auth.has_credential()
        {
            errors.push(SettingError::Insufficient {
                setting: URL,
                reason: "holds a user or a password, which cannot be combined with another credential",
            });
        }
        if self.client_key_file.is_some() && self.client_certificate_file.is_none() {
            errors.push(SettingError::RequiredWith {
                setting: CLIENT_CERTIFICATE_FILE,
                with: CLIENT_KEY_FILE,
            });
        }
        if url.is_none() {
            let (setting, kind) = (URL, Kind::DataHub);
            errors.push(SettingError::Required { setting, kind });
        }
        let pairs =
            |setting: Option<Setting<Pairs>>| setting.map(Setting::into_value).unwrap_or_default();
        let environments = self
            .environments
            .map(Setting::into_value)
            .unwrap_or_default();
        let environments = by_namespace(ENVIRONMENTS, environments, &mut errors);
        let instances = pairs(self.platform_instances);
        let instances = by_namespace(PLATFORM_INSTANCES, instances, &mut errors);
        let (Some(url), true) = (url, errors.is_empty()) else {
            return Err(errors);
        };
        let file = |setting: Option<Setting<FilePath>>| setting.map(Setting::into_value);
        let text = |setting: Option<Setting<Text>>| setting.map(Setting::into_value);
        Ok(DataHubConfig {
            url,
            auth,
            tls: TlsFiles {
                ca: file(self.ca_file),
                certificate: file(self.client_certificate_file),
                key: file(self.client_key_file),
            },
            conversion: Conversion {
                naming: Naming {
                    environment: *self.environment,
                    environments,
                    platform_instances: instances,
                    platforms: pairs(self.platforms),
                    orchestrator: text(self.orchestrator),
                    job_platform_instance: text(self.job_platform_instance),
                },
                schemas: *self.schemas,
            },
            max_attempts_on_500: *self.max_attempts_on_500,
            timeout: *self.timeout,
            response: *self.response,
        })
    }
}

fn by_namespace<T>(
    setting: &'static str,
    pairs: BTreeMap<String, T>,
    errors: &mut Vec<SettingError>,
) -> ByNamespace<T> {
    ByNamespace::new(pairs).unwrap_or_else(|_| {
        let reason = "holds a namespace that is too long for a pattern";
        errors.push(SettingError::Insufficient { setting, reason });
        ByNamespace::default()
    })
}

impl DataHubConfig {
    /// The action that ingests proposals, below the path of GMS.
    pub(super) fn endpoint(&self) -> Url {
        let mut url = self.url.url().clone();
        let path = format!("{}/aspects", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut()
            .append_pair("action", "ingestProposalBatch");
        url
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn validate(section: Json) -> Result<DataHubConfig, Vec<String>> {
        let settings: DataHubSettings = serde_json::from_value(section).unwrap();
        settings.validate().map_err(|errors| {
            let text = |error: &SettingError| format!("{}: {error}", error.setting());
            errors.iter().map(text).collect()
        })
    }

    #[test]
    fn the_endpoint_is_below_the_path_of_the_service() {
        for (url, expected) in [
            ("http://gms:8080", "http://gms:8080/aspects"),
            ("https://h/api/gms/", "https://h/api/gms/aspects"),
        ] {
            let config = validate(json!({ "url": url })).unwrap();
            let expected = format!("{expected}?action=ingestProposalBatch");
            assert_eq!(config.endpoint().as_str(), expected);
        }
    }

    #[test]
    fn what_excludes_or_requires_another_setting_is_reported() {
        for (section, error) in [
            (json!({}), "url: required by a target of type datahub"),
            (
                json!({"url": "http://x", "api_key": "a", "api_key_file": "f"}),
                "api_key_file: cannot be combined with api_key",
            ),
            (
                json!({"url": "http://me:pw@x", "api_key": "a"}),
                "url: holds a user or a password, which cannot be combined with another credential",
            ),
            (
                json!({"url": "http://x", "client_key_file": "k"}),
                "client_certificate_file: required with client_key_file",
            ),
        ] {
            assert_eq!(validate(section).map(drop).unwrap_err(), [error]);
        }
    }

    #[test]
    fn an_environment_that_datahub_does_not_know_is_an_error() {
        for section in [
            json!({"environment": "prod"}),
            json!({"environments": {"a*": "LIVE"}}),
        ] {
            let read = serde_json::from_value::<DataHubSettings>(section);
            let error = read.unwrap_err().to_string();
            assert!(error.starts_with("expected one of PROD, DEV"), "{error}");
        }
    }
}
