//! The shared AWS configuration of a process. Created by the mains, passed by reference, never an `Option`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::role::Role;

/// The AWS configuration (region, credentials, endpoints), loaded on first use. Cheap to clone: clones share it.
#[derive(Clone, Default)]
pub struct Aws(Arc<Shared>);

/// What clones share.
#[derive(Default)]
struct Shared {
    loaded: Arc<OnceCell<SdkConfig>>,
    operation_timeout: Option<Duration>,
    /// The role whose credentials these are, if they are not those of the process.
    assumed: Option<Assumed>,
    /// The handles of roles that were assumed by this one. None of them refers to this map.
    roles: Mutex<HashMap<(Role, String), Aws>>,
}

/// A role, and who assumes it.
struct Assumed {
    role: Role,
    session: String,
    /// The configuration of the process.
    caller: Arc<OnceCell<SdkConfig>>,
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
        Aws::of(Shared {
            operation_timeout: Some(timeout),
            ..Shared::default()
        })
    }

    fn of(shared: Shared) -> Aws {
        Aws(Arc::new(shared))
    }

    /// Returns a client for calls without an SDK.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// Returns a handle with the credentials of `role`, which the process assumes with the first request; this one without a
    /// role. The session is named `lineage-proxy-WHO`, which CloudTrail shows in the account of the role. Further calls with
    /// the same role and `who` return the same handle, which keeps its credentials.
    #[must_use]
    pub fn assume(&self, role: Option<&Role>, who: &str) -> Aws {
        let Some(role) = role else {
            return self.clone();
        };
        let session = format!("lineage-proxy-{who}");
        let caller = match &self.0.assumed {
            Some(assumed) => &assumed.caller, // a role does not assume another
            None => &self.0.loaded,
        };
        let mut roles = self.0.roles.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = roles
            .entry((role.clone(), session.clone()))
            .or_insert_with(|| {
                Aws::of(Shared {
                    operation_timeout: self.0.operation_timeout,
                    assumed: Some(Assumed {
                        role: role.clone(),
                        session,
                        caller: caller.clone(),
                    }),
                    ..Shared::default()
                })
            });
        handle.clone()
    }

    /// Returns the configuration, and loads it on the first call: region and settings are read from the environment, the
    /// profile and the instance metadata; credentials are looked for by the first request.
    pub async fn config(&self) -> &SdkConfig {
        let Shared {
            loaded, assumed, ..
        } = &*self.0;
        let load = || load(self.0.operation_timeout);
        let Some(assumed) = assumed else {
            return loaded.get_or_init(load).await;
        };
        let caller = assumed.caller.get_or_init(load).await;
        let of_role = || assumed.role.configuration(&assumed.session, caller);
        loaded.get_or_init(of_role).await
    }
}

/// Loads the configuration of the process.
async fn load(operation_timeout: Option<Duration>) -> SdkConfig {
    let version = BehaviorVersion::latest();
    let mut loader = aws_config::defaults(version);
    if let Some(client) = http_client(version) {
        loader = loader.http_client(client);
    }
    if let Some(timeout) = operation_timeout {
        let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
        loader = loader.timeout_config(timeouts);
    }
    Box::pin(loader.load()).await
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
        Aws::of(Shared {
            loaded: Arc::new(OnceCell::from(config)),
            ..Shared::default()
        })
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded = self.0.loaded.initialized();
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
        aws.0.loaded.set(preset).unwrap();
        assert_eq!(format!("{clone:?}"), "Aws { loaded: true }");
        assert!(clone.config().await.region().is_none());
    }

    #[test]
    fn a_role_has_a_handle_for_each_who_assumes_it() {
        let arn = "arn:aws:iam::111122223333:role/r".to_owned();
        let role = Role::of(Some(arn), None::<String>).unwrap();
        let aws = Aws::new();
        let session = |aws: &Aws| aws.0.assumed.as_ref().map(|it| it.session.clone());
        let one = aws.assume(role.as_ref(), "lookup");
        assert_eq!(session(&one).as_deref(), Some("lineage-proxy-lookup"));
        let again = aws.clone().assume(role.as_ref(), "lookup");
        assert!(Arc::ptr_eq(&one.0, &again.0));
        let other = aws.assume(role.as_ref(), "redshift");
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        let none = aws.assume(None, "lookup");
        assert!(Arc::ptr_eq(&aws.0, &none.0) && session(&none).is_none());
        // A handle with a role assumes another one with the credentials of the process.
        let nested = one.assume(role.as_ref(), "redshift");
        let caller = &nested.0.assumed.as_ref().unwrap().caller;
        assert!(Arc::ptr_eq(caller, &aws.0.loaded));
    }
}
