//! An endpoint that accepts OpenLineage over HTTP: Marquez, DataHub, OpenMetadata, another proxy.
//!
//! The settings are in `settings.rs`. `endpoint.rs` makes requests, `auth.rs` and `token.rs` authenticate them, `body.rs` has
//! their bodies, and `response.rs` classifies responses. Here a target is put together: each event has a request of its
//! own, or shares one by `batch.rs` of the crate.

mod address;
mod auth;
mod body;
mod endpoint;
mod formats;
mod google;
mod preset;
mod response;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod token;

use std::sync::Arc;
use std::time::Duration;

use ::openlineage::Event;
use aws::Aws;
use reqwest::Url;
use tokio::time::Instant;

use crate::batch::{BatchLimits, Batcher};
use crate::secret::Credential;
use crate::{Capabilities, DeliveryReport, OpenError, Unchecked};
use auth::{REREADS, Rereads};
use body::BatchFormat;
use endpoint::{Endpoint, causes};

pub(crate) use settings::{OpenLineageConfig, OpenLineageSettings};

/// How long the first event of a request waits for others: about as long as events of one batch take to get through the
/// rules.
const LINGER: Duration = Duration::from_millis(50);

/// How many requests with several events are made at once: while they are, the next events gather.
const REQUESTS: usize = 4;

/// How many requests with one event are made at once besides.
const REQUESTS_ALONE: usize = 20;

impl OpenLineageConfig {
    pub(super) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// A credential may select a tenant of the service behind the URL, and so may a user or a certificate.
    pub(super) fn is_same_destination(&self, other: &OpenLineageConfig) -> bool {
        self.destination() == other.destination()
            && self.auth == other.auth
            && self.tls.certificate == other.tls.certificate
    }

    /// The URL that events are posted to, one or several: the endpoint for several is another path of the same service.
    fn destination(&self) -> Url {
        let mut url = self.url.with_default_path(self.path);
        if let (BatchFormat::Array | BatchFormat::Events, Some(path)) =
            (self.batch.format, url.path().strip_suffix("/batch"))
        {
            let path = path.to_owned();
            url.set_path(&path);
        }
        url
    }

    pub(super) async fn credential(&self, aws: &Aws) -> Result<Option<Credential>, OpenError> {
        match &self.auth.secret {
            Some((setting, source)) => source.read_first(aws, setting).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Checks what can be known without a request.
pub(super) fn check(config: &OpenLineageConfig) -> Result<Vec<Unchecked>, OpenError> {
    Endpoint::new(config, &Aws::new(), REREADS)?;
    let mut unchecked = vec![Unchecked {
        setting: settings::URL,
        what: format!("whether {} answers", config.url.host()),
    }];
    if let Some((setting, source)) = &config.auth.secret {
        source.check(setting)?;
        unchecked.extend(source.unchecked(setting));
    }
    Ok(unchecked)
}

/// An endpoint that events are posted to.
#[derive(Clone)]
pub(crate) struct OpenLineage {
    endpoint: Arc<Endpoint>,
    batches: Option<Batches>,
}

/// Events that share requests, and those that have been attempted before: one of those may be what a request fails for, so it
/// goes alone, where it fails for no other.
#[derive(Clone)]
struct Batches {
    together: Batcher,
    alone: Batcher,
}

impl std::fmt::Debug for OpenLineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may carry a key.
        f.debug_struct("OpenLineage")
            .field("host", &self.endpoint.host())
            .finish_non_exhaustive()
    }
}

impl OpenLineage {
    /// Creates a client. `credential` was read before; without it, it is read for the first event.
    ///
    /// Fails for a credential that cannot be sent, and for TLS files that cannot be loaded. No error contains the
    /// credential.
    pub(super) async fn open(
        config: &OpenLineageConfig,
        aws: &Aws,
        credential: Option<&Credential>,
    ) -> Result<OpenLineage, OpenError> {
        OpenLineage::open_with(config, aws, credential, REREADS).await
    }

    async fn open_with(
        config: &OpenLineageConfig,
        aws: &Aws,
        credential: Option<&Credential>,
        rereads: Rereads,
    ) -> Result<OpenLineage, OpenError> {
        let endpoint = Arc::new(Endpoint::new(config, aws, rereads)?);
        if let Some(credential) = credential {
            endpoint.open(credential).await?;
        }
        let batcher = |limits| {
            let endpoint = endpoint.clone();
            Batcher::start(limits, move |events, deadline| {
                let endpoint = endpoint.clone();
                async move { endpoint.deliver_batch(events, deadline).await }
            })
        };
        let together = BatchLimits {
            events: config.batch.events,
            bytes: config.batch.bytes,
            linger: LINGER,
            requests: REQUESTS,
        };
        let alone = BatchLimits {
            events: 1,
            linger: Duration::ZERO,
            requests: REQUESTS_ALONE,
            ..together
        };
        let batches = match config.batch.format {
            BatchFormat::None => None,
            BatchFormat::Array | BatchFormat::Events => Some(Batches {
                together: batcher(together),
                alone: batcher(alone),
            }),
        };
        Ok(OpenLineage { endpoint, batches })
    }

    pub(crate) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        match &self.batches {
            None => self.endpoint.deliver(event, attempts, deadline).await,
            Some(batches) if attempts > 1 => batches.alone.deliver(event, attempts, deadline).await,
            Some(batches) => batches.together.deliver(event, attempts, deadline).await,
        }
    }

    pub(crate) fn stop(&self) {
        self.endpoint.stop();
    }
}
