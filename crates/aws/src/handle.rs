//! The shared AWS configuration of a process. Created by the mains, passed by reference, never an `Option`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use tokio::sync::OnceCell;

use crate::client::Client;

/// The AWS configuration (region, credentials, endpoints), loaded on first use. Cheap to clone: clones share it.
#[derive(Clone, Default)]
pub struct Aws {
    loaded: Arc<OnceCell<SdkConfig>>,
    operation_timeout: Option<Duration>,
}

impl Aws {
    /// Creates a handle that has loaded nothing yet.
    #[must_use]
    pub fn new() -> Aws {
        Aws::default()
    }

    /// Limits each call, its retries included, to `timeout`.
    #[must_use]
    pub fn with_operation_timeout(timeout: Duration) -> Aws {
        Aws {
            operation_timeout: Some(timeout),
            ..Aws::default()
        }
    }

    /// Returns a client for calls without an SDK.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// Returns the configuration, and loads it on the first call: region and settings are read from the environment, the
    /// profile and the instance metadata; credentials are looked for by the first request.
    pub async fn config(&self) -> &SdkConfig {
        let load = || async {
            let version = BehaviorVersion::latest();
            let mut loader = aws_config::defaults(version);
            if let Some(client) = http_client(version) {
                loader = loader.http_client(client);
            }
            if let Some(timeout) = self.operation_timeout {
                let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
                loader = loader.timeout_config(timeouts);
            }
            loader.load().await
        };
        self.loaded.get_or_init(load).await
    }
}

/// The HTTP client that the SDKs use by default, once for all: each would open connections and read the certificates of the
/// system for itself.
fn http_client(version: BehaviorVersion) -> Option<SharedHttpClient> {
    let plugin = default_http_client_plugin_v2(version)?;
    let components = RuntimeComponentsBuilder::new("aws");
    plugin.runtime_components(&components).http_client()
}

impl From<SdkConfig> for Aws {
    /// Uses a configuration that is there already.
    fn from(config: SdkConfig) -> Aws {
        Aws {
            loaded: Arc::new(OnceCell::from(config)),
            operation_timeout: None,
        }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = self.loaded.initialized();
        f.debug_struct("Aws").field("loaded", &loaded).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clones_share_one_configuration_that_is_loaded_on_demand() {
        let aws = Aws::new();
        let clone = aws.clone();
        assert_eq!(format!("{clone:?}"), "Aws { loaded: false }");
        let preset = SdkConfig::builder().build();
        aws.loaded.set(preset).unwrap();
        assert_eq!(format!("{clone:?}"), "Aws { loaded: true }");
        assert!(clone.config().await.region().is_none());
    }
}
