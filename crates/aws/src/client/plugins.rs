//! The parts of the SDKs' runtime that a call runs on: endpoint, signing, retries, timeouts, credentials.
//!
//! Called by `client.rs` for every call.

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
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime::client::stalled_stream_protection::StalledStreamProtectionInterceptor;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::endpoint::{EndpointResolverParams, SharedEndpointResolver};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::SensitiveOutput;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugins, StaticRuntimePlugin};
use aws_smithy_runtime_api::client::ser_de::{SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::{FrozenLayer, Layer};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::Notify;

use super::Client;
use super::codec::{Deserializer, ResponseWatch, Serializer};
use crate::endpoint::{self, EndpointError, Variant};
use crate::error::ServiceError;
use crate::protocol::Request;
use crate::service::{Protocol, Service};

/// The timeout of a call with its retries. The SDKs have none; no call here is worth waiting longer for.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The timeout of one attempt, so that a connection that hangs leaves time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    /// What the runtime needs for this request, which gets its place at the endpoint.
    pub(super) fn plugins(
        &self,
        config: &SdkConfig,
        service: &'static Service,
        request: &mut Request,
        begun: Arc<Notify>,
    ) -> Result<RuntimePlugins, EndpointError> {
        let configured = config.region().map(Region::as_ref);
        let region = self.region.as_deref().or(configured);
        let region = region.ok_or(EndpointError::NoRegion)?.to_owned();
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
        let body = ResponseWatch {
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
        timeouts.set_operation_attempt_timeout(self.attempt);
        if let Some(limit) = self.first_byte {
            // An attempt has the time of the whole call, once its response has begun.
            timeouts.set_operation_attempt_timeout(Some(self.timeout.unwrap_or(OPERATION_TIMEOUT)));
            timeouts.set_read_timeout(Some(limit));
        }
        let mut timeouts = timeouts.build();
        if let Some(configured) = config.timeout_config() {
            timeouts.take_defaults_from(configured);
        }
        let ours = TimeoutConfig::builder()
            .operation_timeout(OPERATION_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        timeouts.take_defaults_from(&ours);
        timeouts
    }
}

/// Returns the endpoint, with the bucket of the request in its host or path.
fn place(
    config: &SdkConfig,
    service: &Service,
    region: &str,
    request: &mut Request,
) -> Result<String, EndpointError> {
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

/// Returns the URL to use instead of a public endpoint: one for the service (`AWS_ENDPOINT_URL_<SERVICE>`, `endpoint_url` in
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

fn components(
    config: &SdkConfig,
    endpoint: String,
    body: ResponseWatch,
) -> RuntimeComponentsBuilder {
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

pub(super) fn layer(fill: impl FnOnce(&mut Layer)) -> FrozenLayer {
    let mut layer = Layer::new("aws");
    fill(&mut layer);
    layer.freeze()
}
