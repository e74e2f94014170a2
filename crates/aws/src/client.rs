//! Sends operations: signs them, retries them, limits their time and the size of their answers.
//!
//! This is what the generated SDKs do, through the same runtime: standard retries with a budget per service and region
//! (`AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS`, `Retry-After` in milliseconds), correction of a wrong clock, proxies and
//! certificates of the system, cached credentials. Differences: every call has time-outs, and every answer a limit.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions, sigv4};
use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::recursion_detection::RecursionDetectionInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::service_clock_skew::{
    DisableClockSkewCorrection, ServiceClockSkewClassifier, ServiceClockSkewInterceptor,
};
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::defaults::{DefaultPluginParams, default_plugins};
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::orchestrator::invoke;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime::client::stalled_stream_protection::StalledStreamProtectionInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::endpoint::{EndpointResolverParams, SharedEndpointResolver};
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Error as ErasedError, Input, Output,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, SharedInterceptor};
use aws_smithy_runtime_api::client::orchestrator::{
    HttpRequest, HttpResponse, Metadata, OrchestratorError, SensitiveOutput,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::{
    RuntimeComponents, RuntimeComponentsBuilder,
};
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugins, StaticRuntimePlugin};
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use http_body_util::{LengthLimitError, Limited};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::endpoint::{self, NoEndpoint, Variant};
use crate::error::{Error, ServiceError};
use crate::handle::Aws;
use crate::protocol::{Operation, Paginated, Request, Response, service_error};
use crate::service::{Protocol, Service};

/// For a call with its retries. The SDKs have none; nothing here is worth waiting longer for.
const OPERATION: Duration = Duration::from_secs(30);

/// For one attempt, so that a connection that hangs leaves time for another.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The largest answer of an API, in bytes: a page of log events has at most 1 MB of them, more as JSON.
const ANSWER: usize = 8_000_000;

/// A way to call services, with a region and limits. Cheap to create and to clone.
#[derive(Debug, Clone)]
pub struct Client {
    aws: Aws,
    region: Option<String>,
    timeout: Option<Duration>,
    first_byte: Option<Duration>,
    max_bytes: usize,
}

impl Client {
    pub(crate) fn new(aws: Aws) -> Client {
        Client {
            aws,
            region: None,
            timeout: None,
            first_byte: None,
            max_bytes: ANSWER,
        }
    }

    /// Calls the services of another region than the configured one.
    #[must_use]
    pub fn region(self, region: impl Into<String>) -> Client {
        Client {
            region: Some(region.into()),
            ..self
        }
    }

    /// Limits a call, its retries and the reading of its answer included.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Client {
        Client {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Limits how long a call may take until its answer begins, its retries included. What is left of the [`timeout`] is for
    /// the answer, as long as that moves: one that stands still for 5 s is cut.
    ///
    /// [`timeout`]: Client::timeout
    #[must_use]
    pub fn first_byte(self, limit: Duration) -> Client {
        Client {
            first_byte: Some(limit),
            ..self
        }
    }

    /// Limits the size of an answer. What is larger is [`Error::TooLarge`].
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Client {
        Client { max_bytes, ..self }
    }

    /// Calls a service.
    ///
    /// # Errors
    ///
    /// The service answers with an error, or not at all, or with what cannot be read.
    pub async fn send<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        let service = O::SERVICE;
        let config = self.aws.config().await;
        let mut request = operation.request();
        let begun = Arc::new(Notify::new());
        let plugins = self
            .plugins(config, service, &mut request, begun.clone())
            .map_err(|error| Error::not_sent(service.id, error))?;
        let plugins =
            plugins.with_operation_plugin(StaticRuntimePlugin::new().with_config(layer(|layer| {
                layer.store_put(Metadata::new(O::NAME, service.id));
            })));
        let input = Input::erase(request);
        let call = invoke(service.id, O::NAME, input, &plugins);
        let output = tokio::select! {
            output = call => output.map_err(|error| self.error(service, error))?,
            late = self.not_begun(&begun) => return Err(Error::NoAnswer {
                service: service.id,
                source: late.into(),
            }),
        };
        let response = output.downcast::<Response>().map_err(|_| Error::NotSent {
            service: service.id,
            source: "the response has another type".into(), // our own deserializer makes it
        })?;
        O::read(response).map_err(|source| Error::Unreadable {
            service: service.id,
            source,
        })
    }

    /// Waits until an answer should have begun and has not.
    async fn not_begun(&self, begun: &Notify) -> Late {
        if let Some(limit) = self.first_byte
            && timeout(limit, begun.notified()).await.is_err()
        {
            return Late(limit);
        }
        std::future::pending().await
    }

    /// Calls a service for one page after the other.
    pub fn pages<O: Paginated + Clone>(&self, operation: O) -> Pages<O> {
        Pages {
            client: self.clone(),
            next: Some(operation),
            token: None,
        }
    }

    /// What the runtime needs for this request, which gets its place at the endpoint.
    fn plugins(
        &self,
        config: &SdkConfig,
        service: &'static Service,
        request: &mut Request,
        begun: Arc<Notify>,
    ) -> Result<RuntimePlugins, NoEndpoint> {
        let configured = config.region().map(Region::as_ref);
        let region = self.region.as_deref().or(configured);
        let region = region.ok_or(NoEndpoint::NoRegion)?.to_owned();
        let endpoint = place(config, service, &region, request)?;
        let version = config
            .behavior_version()
            .unwrap_or_else(BehaviorVersion::latest);
        let params = DefaultPluginParams::new()
            .with_retry_partition_name(format!("{}-{region}", service.signing_name))
            .with_behavior_version(version)
            .with_is_aws_sdk(true);
        let settings = layer(|layer| {
            layer.store_put(self.timeouts(config));
            if let Some(retries) = config.retry_config() {
                layer.store_put(retries.clone());
            }
            if let Some(protection) = config.stalled_stream_protection() {
                layer.store_put(protection);
            }
            if let Some(disabled) = config.disable_clock_skew_correction() {
                layer.store_put(DisableClockSkewCorrection::from(disabled));
            }
            if let Some(name) = config.app_name() {
                layer.store_put(name.clone());
            }
            layer.store_put(ApiMetadata::new(
                service.signing_name,
                env!("CARGO_PKG_VERSION"),
            ));
            layer.store_put(SigningName::from(service.signing_name));
            layer.store_put(SigningRegion::from(Region::new(region)));
            layer.store_put(signing(service.protocol));
            layer.store_put(AuthSchemeOptionResolverParams::new(()));
            layer.store_put(EndpointResolverParams::new(()));
            layer.store_put(SensitiveOutput); // never in a trace
            layer.store_put(SharedRequestSerializer::new(Serializer));
            layer.store_put(SharedResponseDeserializer::new(Deserializer(
                service.protocol,
            )));
        });
        let body = WatchBody {
            max_bytes: self.max_bytes,
            begun,
        };
        let components = components(config, endpoint, body);
        let plugin = StaticRuntimePlugin::new()
            .with_config(settings)
            .with_runtime_components(components);
        Ok(RuntimePlugins::new()
            .with_client_plugins(default_plugins(params))
            .with_client_plugin(plugin))
    }

    fn timeouts(&self, config: &SdkConfig) -> TimeoutConfig {
        let mut timeouts = TimeoutConfig::builder();
        timeouts.set_operation_timeout(self.timeout);
        if let Some(limit) = self.first_byte {
            // An attempt has the time of the whole call, once its answer has begun.
            timeouts.set_operation_attempt_timeout(Some(self.timeout.unwrap_or(OPERATION)));
            timeouts.set_read_timeout(Some(limit));
        }
        let mut timeouts = timeouts.build();
        if let Some(configured) = config.timeout_config() {
            timeouts.take_defaults_from(configured);
        }
        let ours = TimeoutConfig::builder()
            .operation_timeout(OPERATION)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        timeouts.take_defaults_from(&ours);
        timeouts
    }

    fn error(&self, service: &Service, error: SdkError<ErasedError, HttpResponse>) -> Error {
        let service = service.id;
        if is_too_large(&error) {
            let limit = self.max_bytes;
            return Error::TooLarge { service, limit };
        }
        match error {
            SdkError::ServiceError(context) => {
                match context.into_err().downcast::<ServiceError>() {
                    Ok(error) => Error::Service(error),
                    Err(_) => Error::NotSent {
                        service,
                        source: "the error has another type".into(), // our own deserializer makes it
                    },
                }
            }
            error @ SdkError::ConstructionFailure(_) => Error::NotSent {
                service,
                source: source(error),
            },
            error => Error::NoAnswer {
                service,
                source: source(error),
            },
        }
    }
}

/// The pages of a paginated operation.
#[derive(Debug)]
pub struct Pages<O> {
    client: Client,
    next: Option<O>,
    token: Option<String>,
}

impl<O: Paginated + Clone> Pages<O> {
    /// Fetches the next page; `None` after the last and after an error.
    pub async fn next(&mut self) -> Option<Result<O::Output, Error>> {
        let operation = self.next.take()?;
        let page = self.client.send(&operation).await;
        if let Ok(page) = &page {
            let token = O::next_token(page).filter(|token| !token.is_empty());
            // A service that repeats itself would be asked for ever.
            if let Some(token) = token.filter(|token| self.token.as_deref() != Some(*token)) {
                self.token = Some(token.to_owned());
                self.next = Some(operation.with_token(token.to_owned()));
            }
        }
        Some(page)
    }
}

/// Returns the endpoint, and puts the bucket where it belongs.
fn place(
    config: &SdkConfig,
    service: &Service,
    region: &str,
    request: &mut Request,
) -> Result<String, NoEndpoint> {
    let variant = Variant {
        fips: config.use_fips().unwrap_or(false),
        dual_stack: config.use_dual_stack().unwrap_or(false),
    };
    let endpoint = match configured_endpoint(config, service) {
        Some(url) => endpoint::configured(service, &url)?,
        None => endpoint::public(service, region, variant)?,
    };
    match &request.bucket {
        None => Ok(endpoint),
        Some(bucket) => {
            let (endpoint, path) = endpoint::bucket(&endpoint, bucket)?;
            request.path.insert_str(0, &path);
            Ok(endpoint)
        }
    }
}

/// The URL that is used in place of a public endpoint: one for the service (`AWS_ENDPOINT_URL_<SERVICE>`, `endpoint_url` in
/// its section of the profile), or one for all.
fn configured_endpoint(config: &SdkConfig, service: &Service) -> Option<String> {
    let of_all = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return of_all(); // set in code
    }
    let key = ServiceConfigKey::builder()
        .service_id(service.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = key
        .ok()
        .and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(of_all)
}

fn signing(protocol: Protocol) -> SigV4OperationSigningConfig {
    let mut options = SigningOptions::default();
    if protocol == Protocol::S3 {
        // S3 compares the path as it came, and asks for the hash of the body.
        options.double_uri_encode = false;
        options.normalize_uri_path = false;
        options.content_sha256_header = true;
    }
    SigV4OperationSigningConfig {
        signing_options: options,
        ..SigV4OperationSigningConfig::default()
    }
}

fn components(config: &SdkConfig, endpoint: String, body: WatchBody) -> RuntimeComponentsBuilder {
    let mut components = RuntimeComponentsBuilder::new("aws")
        .with_auth_scheme(SharedAuthScheme::new(sigv4::SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]),
        )))
        .with_endpoint_resolver(Some(SharedEndpointResolver::new(
            StaticUriEndpointResolver::uri(endpoint),
        )))
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_retry_classifier(TransientErrorClassifier::<ServiceError>::new())
        .with_retry_classifier(AwsErrorCodeClassifier::<ServiceError>::new())
        .with_retry_classifier(ServiceClockSkewClassifier::<ServiceError>::new())
        .with_interceptor(SharedInterceptor::permanent(
            ConnectionPoisoningInterceptor::new(),
        ))
        .with_interceptor(ServiceClockSkewInterceptor::new())
        .with_interceptor(RequestInfoInterceptor::new())
        .with_interceptor(UserAgentInterceptor::new())
        .with_interceptor(InvocationIdInterceptor::new())
        .with_interceptor(SharedInterceptor::permanent(
            RecursionDetectionInterceptor::new(),
        ))
        .with_interceptor(SharedInterceptor::permanent(
            StalledStreamProtectionInterceptor::default(),
        ))
        .with_interceptor(SharedInterceptor::permanent(body));
    if let Some(credentials) = config.credentials_provider() {
        components.set_identity_resolver(sigv4::SCHEME_ID, credentials);
    }
    if let Some(client) = config.http_client() {
        components.set_http_client(Some(client));
    }
    if let Some(cache) = config.identity_cache() {
        components.set_identity_cache(Some(cache));
    }
    if let Some(sleep) = config.sleep_impl() {
        components.set_sleep_impl(Some(sleep));
    }
    if let Some(time) = config.time_source() {
        components.set_time_source(Some(time));
    }
    components
}

fn layer(fill: impl FnOnce(&mut Layer)) -> aws_smithy_types::config_bag::FrozenLayer {
    let mut layer = Layer::new("aws");
    fill(&mut layer);
    layer.freeze()
}

#[derive(Debug)]
struct Serializer;

impl SerializeRequest for Serializer {
    fn serialize_input(&self, input: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let request = input
            .downcast::<Request>()
            .map_err(|_| BoxError::from("the input has another type"))?;
        let has_body = request.method != "GET" && request.method != "DELETE";
        let length = request.body.len();
        let mut http = HttpRequest::new(SdkBody::from(request.body));
        http.set_method(request.method)?;
        http.set_uri(request.path)?;
        let headers = http.headers_mut();
        if has_body {
            headers.try_insert("content-length", length.to_string())?;
        }
        for (name, value) in request.headers {
            headers.try_insert(name, value)?;
        }
        Ok(http)
    }
}

#[derive(Debug)]
struct Deserializer(Protocol);

impl DeserializeResponse for Deserializer {
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<ErasedError>> {
        let body = response.body().bytes().unwrap_or_default(); // it was read before
        let headers = response.headers();
        if response.status().is_success() {
            let headers = headers.iter();
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            return Ok(Output::erase(Response {
                headers: headers.collect(),
                body: body.to_vec().into(),
            }));
        }
        let header = |name: &str| headers.get(name).map(str::to_owned);
        let error = service_error(self.0, response.status().as_u16(), header, body);
        Err(OrchestratorError::operation(ErasedError::erase(error)))
    }
}

/// Ends the reading of an answer that is larger than allowed, and tells when one begins.
#[derive(Debug)]
struct WatchBody {
    max_bytes: usize,
    begun: Arc<Notify>,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for WatchBody {
    fn name(&self) -> &'static str {
        "WatchBody"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // An error may be retried, and is no more than a beginning of that.
        if response.status().is_success() {
            self.begun.notify_one();
        }
        let length = response.headers().get("content-length");
        let length = length.and_then(|length| length.parse::<u64>().ok());
        // Known in advance: not retried.
        if length.is_some_and(|length| {
            usize::try_from(length).map_or(true, |length| length > self.max_bytes)
        }) {
            return Err(TooLarge.into());
        }
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, self.max_bytes));
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than allowed")]
struct TooLarge;

#[derive(Debug, thiserror::Error)]
#[error("no answer began within {0:?}")]
struct Late(Duration);

fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<TooLarge>() || error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What happened, without the raw response.
fn source(error: SdkError<ErasedError, HttpResponse>) -> BoxError {
    let kind = error.to_string();
    error.into_source().unwrap_or_else(|_| kind.into())
}

#[cfg(test)]
mod tests;
