//! An endpoint that accepts OpenLineage over HTTP, one event a request: Marquez, DataHub, OpenMetadata, another proxy.

use std::io::Write;
use std::time::Duration;

use aws::error_chain;
use flate2::write::GzEncoder;
use openlineage::Event;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, StatusCode, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Choice, Format, OneOf, Seconds, Secret, SecretText, Setting, Text};
use tokio::time::Instant;

use crate::answer::{self, Keeper, MAX_READ, Own, Response};
use crate::rate::RateController;
use crate::{
    Delivery, DeliveryReport, Failure, Kind, OpenError, Reason, Scope, SettingError, Unchecked,
};

/// The path of the OpenLineage API, for a URL that has none.
const DEFAULT_PATH: &str = "/api/v1/lineage";

/// The smallest event that is compressed, in bytes: for a smaller one compression saves less than a packet.
const MIN_COMPRESSED: usize = 1_024;

/// The length from which a part of a path may be a token; a word is shorter.
const TOKEN: usize = 16;

/// The settings of a target behind HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenLineageSettings {
    /// The endpoint. A URL without a path gets `/api/v1/lineage`. Required.
    pub url: Option<Setting<HttpUrl>>,
    /// An API key, sent as `Authorization: Bearer`.
    #[schemars(extend("x-not-on-aws" = "the key is in a secret"))]
    pub api_key: Option<Setting<Secret>>,
    /// A secret in AWS Secrets Manager whose whole text is the API key. It is read once, at the start.
    pub api_key_secret_id: Option<Setting<Text>>,
    /// The compression of request bodies.
    #[schemars(extend("x-not-on-aws" = "the default is understood everywhere"))]
    pub compression: Setting<OneOf<Compression>>,
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
    url: Address,
    api_key: ApiKey,
    compression: Compression,
    timeout: Duration,
    response: Response,
}

/// Where an API key comes from.
#[derive(Debug, Clone)]
enum ApiKey {
    None,
    Text(SecretText),
    /// The id of a secret in AWS Secrets Manager.
    SecretId(String),
}

/// A URL that may carry a key: `Debug` shows its host only.
#[derive(Clone)]
pub struct Address(Url);

/// A URL of scheme `http` or `https`.
pub enum HttpUrl {}

/// The compression of request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// `Content-Encoding: gzip`.
    Gzip,
}

impl Choice for Compression {
    const CHOICES: &'static [(&'static str, Compression)] =
        &[("none", Compression::None), ("gzip", Compression::Gzip)];
}

impl Format for HttpUrl {
    type Value = Address;

    fn expected() -> String {
        "a URL, http://… or https://…".to_owned()
    }

    fn parse(text: &str) -> Result<Address, String> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                Ok(Address(url))
            }
            // Not repeated: it may carry a key.
            Ok(_) | Err(_) => Err("expected http://… or https://…".to_owned()),
        }
    }

    fn show(value: &Address) -> String {
        format!("{value:?}")
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}/…", self.0.scheme(), self.host())
    }
}

impl Address {
    fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl Default for OpenLineageSettings {
    fn default() -> OpenLineageSettings {
        OpenLineageSettings {
            url: None,
            api_key: None,
            api_key_secret_id: None,
            compression: Setting::default(),
            timeout: Setting(Duration::from_secs(10)),
            response: Setting::default(),
        }
    }
}

const URL: &str = "url";
const API_KEY: &str = "api_key";
const API_KEY_SECRET_ID: &str = "api_key_secret_id";

impl OpenLineageSettings {
    pub(super) fn validate(self) -> Result<OpenLineageConfig, Vec<SettingError>> {
        let mut errors = Vec::new();
        let api_key = match (self.api_key, self.api_key_secret_id) {
            (Some(_), Some(_)) => {
                let (setting, with) = (API_KEY_SECRET_ID, API_KEY);
                errors.push(SettingError::Conflict { setting, with });
                ApiKey::None
            }
            (Some(key), None) => ApiKey::Text(key.into_value()),
            (None, Some(id)) => ApiKey::SecretId(id.into_value()),
            (None, None) => ApiKey::None,
        };
        if self.url.is_none() {
            let (setting, kind) = (URL, Kind::OpenLineage);
            errors.push(SettingError::Required { setting, kind });
        }
        match self.url {
            Some(url) if errors.is_empty() => Ok(OpenLineageConfig {
                url: url.into_value(),
                api_key,
                compression: *self.compression,
                timeout: *self.timeout,
                response: *self.response,
            }),
            Some(_) | None => Err(errors),
        }
    }
}

impl OpenLineageConfig {
    pub(super) fn secret_id(&self) -> Option<(&'static str, &str)> {
        match &self.api_key {
            ApiKey::SecretId(id) => Some((API_KEY_SECRET_ID, id)),
            ApiKey::None | ApiKey::Text(_) => None,
        }
    }
}

pub(super) fn check(config: &OpenLineageConfig) -> Result<Vec<Unchecked>, OpenError> {
    OpenLineage::new(config, None)?;
    let mut unchecked = vec![Unchecked {
        setting: URL,
        what: format!("whether {} answers", config.url.host()),
    }];
    if let ApiKey::SecretId(id) = &config.api_key {
        unchecked.push(Unchecked {
            setting: API_KEY_SECRET_ID,
            what: format!("what is in {id}"),
        });
    }
    Ok(unchecked)
}

/// An endpoint that events are posted to.
#[derive(Clone)]
pub(crate) struct OpenLineage {
    client: Client,
    url: Url,
    compression: Compression,
    timeout: Duration,
    rate: RateController,
    keeper: Keeper,
}

impl std::fmt::Debug for OpenLineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may carry a key.
        f.debug_struct("OpenLineage")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

impl OpenLineage {
    /// Creates a client. `secret` is the API key, where the configuration names a secret.
    ///
    /// Fails for a key that is not a valid header value and for TLS roots that cannot be loaded. Neither error contains
    /// the key.
    pub(super) fn new(
        config: &OpenLineageConfig,
        secret: Option<&SecretText>,
    ) -> Result<OpenLineage, OpenError> {
        let (setting, key) = match &config.api_key {
            ApiKey::None => (API_KEY, None),
            ApiKey::Text(key) => (API_KEY, Some(key)),
            ApiKey::SecretId(_) => (API_KEY_SECRET_ID, secret),
        };
        let key = key.map(SecretText::expose);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut bearer = bearer.map_err(|_| OpenError::Invalid {
                setting,
                message: "the API key contains a character that no HTTP header can carry"
                    .to_owned(),
            })?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let client = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("lineage-proxy/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none()) // a redirected POST becomes a GET
            .build()
            .map_err(|error| OpenError::Invalid {
                setting: URL,
                message: format!("cannot create an HTTP client: {}", error.without_url()),
            })?;
        let own = credentials(&config.url.0, key);
        let mut url = config.url.0.clone();
        if matches!(url.path(), "" | "/") {
            url.set_path(DEFAULT_PATH);
        }
        Ok(OpenLineage {
            client,
            url,
            compression: config.compression,
            timeout: config.timeout,
            rate: RateController::new(None),
            keeper: Keeper {
                response: config.response,
                own,
            },
        })
    }

    pub(crate) async fn deliver(&self, event: &Event, until: Instant) -> DeliveryReport {
        self.rate
            .deliver(until, |time| self.post(event, time))
            .await
    }

    pub(crate) fn stop(&self) {
        self.rate.stop();
    }

    async fn post(&self, event: &Event, time: Duration) -> Delivery {
        let text = event.text();
        let mut post = self.client.post(self.url.clone());
        post = post.timeout(time.min(self.timeout));
        post = match self.compression {
            Compression::Gzip if text.len() >= MIN_COMPRESSED => match compressed(text) {
                Ok(body) => post.header(CONTENT_ENCODING, "gzip").body(body),
                Err(_) => post.body(text.to_owned()),
            },
            Compression::Gzip | Compression::None => post.body(text.to_owned()),
        };
        let mut answer = match post.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let message = self.chain(&error);
                // Nothing listens there, for any event.
                let scope = match error.is_connect() && !error.is_timeout() {
                    true => Scope::Target,
                    false => Scope::Event,
                };
                return Delivery::Transient(Failure::new(Reason::Unavailable, scope, &message));
            }
        };
        let after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut body_start = Vec::new();
        while body_start.len() < MAX_READ {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let left = MAX_READ - body_start.len();
                    body_start.extend_from_slice(chunk.get(..left).unwrap_or(&chunk));
                }
                Ok(None) => break,
                // An incomplete answer may come from an intermediary.
                Err(error) if answer.status().is_success() => {
                    let message = self.chain(&error);
                    return Delivery::Transient(Failure::new(
                        Reason::Unavailable,
                        Scope::Event,
                        &message,
                    ));
                }
                Err(_) => break,
            }
        }
        let status = answer.status();
        let kept = || {
            let media_type = answer.headers().get(CONTENT_TYPE);
            let media_type = media_type.and_then(|value| value.to_str().ok());
            self.keeper.body(media_type, &body_start, text)
        };
        classify(status, after.map(Duration::from_secs), &body_start, kept)
    }

    /// The error and its causes, without the URL (which may carry a key).
    fn chain(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        let causes = std::error::Error::source(error).map(error_chain);
        let causes = causes.map_or(String::new(), |causes| format!(": {causes}"));
        self.keeper.causes(&format!("no whole answer{causes}"))
    }
}

/// The credentials that an answer may echo: the key, and user, password, path and query of the URL, which may be keys too.
fn credentials(url: &Url, key: Option<&str>) -> Own {
    let mut secrets: Vec<String> = key.into_iter().map(str::to_owned).collect();
    if let Some(password) = url.password() {
        secrets.push(format!("{}:{password}", url.username()));
    }
    secrets.push(url.username().to_owned());
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    // Some endpoints have a token in their path.
    let segments = url.path_segments().into_iter().flatten();
    secrets.extend(
        segments
            .filter(|part| part.len() >= TOKEN)
            .map(str::to_owned),
    );
    Own::of(secrets.iter().map(String::as_str))
}

/// Classifies a status. `kept` returns what is kept of the body, for a failure.
fn classify(
    status: StatusCode,
    after: Option<Duration>,
    body_start: &[u8],
    kept: impl FnOnce() -> Option<String>,
) -> Delivery {
    if status.is_success() {
        return Delivery::Delivered { id: None };
    }
    let message = match kept() {
        Some(kept) => format!("{status}: {kept}"),
        None => status.to_string(),
    };
    let failure = |reason, scope| Failure {
        after,
        ..Failure::new(reason, scope, &message)
    };
    match status.as_u16() {
        401 | 403 => Delivery::Transient(failure(Reason::Permission, Scope::Target)),
        // A wrong URL, or one that moved: the configuration, not the event.
        300..=399 | 404 | 405 | 410 => Delivery::Transient(failure(Reason::Missing, Scope::Target)),
        408 | 425 | 429 => Delivery::Transient(failure(Reason::Throttled, Scope::Target)),
        413 => Delivery::Permanent(failure(Reason::TooLarge, Scope::Event)),
        400..=499 => Delivery::Permanent(failure(Reason::Invalid, Scope::Event)),
        // Marquez answers an event that it cannot read with 500 and a code 4xx in the body.
        500 if reports_client_error(body_start) => {
            Delivery::Permanent(failure(Reason::Invalid, Scope::Event))
        }
        503 => Delivery::Transient(failure(Reason::Unavailable, Scope::Target)),
        _ => Delivery::Transient(failure(Reason::Unavailable, Scope::Event)),
    }
}

fn reports_client_error(body_start: &[u8]) -> bool {
    let code = answer::json(body_start).and_then(|body| body.get("code")?.as_u64());
    code.is_some_and(|code| (400..=499).contains(&code))
}

fn compressed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(
        Vec::with_capacity(text.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_classified() {
        let classified = |status: u16, body_start: &str| match classify(
            StatusCode::from_u16(status).unwrap(),
            None,
            body_start.as_bytes(),
            || None,
        ) {
            Delivery::Delivered { .. } => "delivered".to_owned(),
            Delivery::Transient(failure) => {
                format!("transient {} {:?}", failure.reason.name(), failure.scope)
            }
            Delivery::Permanent(failure) => format!("permanent {}", failure.reason.name()),
        };
        let cases = [
            (200, "", "delivered"),
            (201, "", "delivered"),
            (204, "", "delivered"),
            (301, "", "transient missing Target"),
            (400, "", "permanent invalid"),
            (401, "", "transient permission Target"),
            (404, "", "transient missing Target"),
            (413, "", "permanent too_large"),
            (422, "", "permanent invalid"),
            (429, "", "transient throttled Target"),
            (500, "", "transient unavailable Event"),
            (
                500,
                r#"{"code":400,"message":"bad time"}"#,
                "permanent invalid",
            ),
            (500, r#"{"code":500}"#, "transient unavailable Event"),
            (502, "", "transient unavailable Event"),
            (503, "", "transient unavailable Target"),
        ];
        for (status, body_start, meaning) in cases {
            assert_eq!(
                classified(status, body_start),
                meaning,
                "{status} {body_start}"
            );
        }
    }
}
