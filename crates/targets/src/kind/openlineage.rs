//! An endpoint that accepts OpenLineage over HTTP: Marquez, DataHub, OpenMetadata, another proxy.
//!
//! The settings are in `settings.rs`. `endpoint.rs` posts events by the client of `http.rs` of the crate, and `response.rs`
//! reads the response to a batch. Here a target is put together: each event has a request of its own, or shares one by
//! `batch.rs` of the crate.

mod batch_format;
mod endpoint;
mod formats;
mod preset;
mod response;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use ::openlineage::Event;
use aws::Aws;
use reqwest::Url;
use tokio::time::Instant;

use crate::batch::{BatchLimits, Batches};
use crate::http::{REREADS, RereadPolicy, identity, open_questions};
use crate::secret::Credential;
use crate::{Capabilities, DeliveryReport, OpenError, OpenQuestion, Pace};
use batch_format::BatchFormat;
use endpoint::Endpoint;

pub(crate) use settings::{OpenLineageConfig, OpenLineageSettings};

/// How long the first event of a request waits for others: about as long as events of one batch take to get through the
/// rules.
const LINGER: Duration = Duration::from_millis(50);

/// How many requests with several events are made at once: while they are, the next events gather.
const REQUESTS: usize = 4;

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

    /// What tells its destination from others, but for credentials, which are replaced. May hold a key in the query of the URL.
    pub(super) fn identity(&self) -> String {
        identity(self.destination(), &self.auth, &self.tls)
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
        self.auth.credential(aws).await
    }
}

/// Checks what can be known without a request.
pub(super) fn check(config: &OpenLineageConfig) -> Result<Vec<OpenQuestion>, OpenError> {
    Endpoint::new(config, &Aws::new(), REREADS)?;
    open_questions(settings::URL, &config.url, &config.auth)
}

/// An endpoint that events are posted to.
#[derive(Debug, Clone)]
pub(crate) struct OpenLineage {
    endpoint: Arc<Endpoint>,
    batches: Option<Batches>,
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
        rereads: RereadPolicy,
    ) -> Result<OpenLineage, OpenError> {
        let endpoint = Arc::new(Endpoint::new(config, aws, rereads)?);
        endpoint.http.open(credential).await?;
        let batches = match config.batch.format {
            BatchFormat::None => None,
            BatchFormat::Array | BatchFormat::Events => {
                let limits = BatchLimits {
                    events: config.batch.events,
                    bytes: config.batch.bytes,
                    linger: LINGER,
                    requests: REQUESTS,
                };
                let endpoint = endpoint.clone();
                Some(Batches::start(limits, move |events, deadline| {
                    let endpoint = endpoint.clone();
                    async move { endpoint.deliver_batch(events, deadline).await }
                }))
            }
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
            Some(batches) => batches.deliver(event, attempts, deadline).await,
        }
    }

    pub(crate) fn stop(&self) {
        self.endpoint.http.stop();
    }

    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.endpoint.http.pace(now)
    }
}
