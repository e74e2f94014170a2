//! DataHub, by the write API of its metadata service: datasets, flows, jobs and runs as its own entities.
//!
//! `conversion.rs` makes proposals of an event: `naming.rs` and `urn.rs` name entities, and `job.rs`, `run.rs`, `schema.rs`,
//! `columns.rs` and `people.rs` have their aspects. `calls.rs` packs proposals into calls, and `gms.rs` makes them. Here a target
//! is put together. DataHub's OpenLineage endpoint is a preset of the OpenLineage kind, not this.

mod budget;
mod calls;
mod columns;
mod conversion;
mod environment;
mod essential;
mod facets;
mod gms;
mod job;
mod naming;
mod newest;
mod people;
mod proposal;
mod run;
mod schema;
mod settings;
#[cfg(test)]
mod tests;
mod urn;

use std::sync::Arc;
use std::time::Duration;

use ::openlineage::Event;
use aws::Aws;
use tokio::time::Instant;

use crate::batch::{BatchLimits, Batches};
use crate::http::{REREADS, RereadPolicy, identity, open_questions};
use crate::secret::Credential;
use crate::{Capabilities, DeliveryReport, OpenError, OpenQuestion, Pace};
use gms::Gms;

pub(crate) use settings::{DataHubConfig, DataHubSettings};

/// What a target of this kind accepts: events of every kind and size, since only what DataHub has a place for is sent.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    batches: true,
    ..Capabilities::UNLIMITED
};

/// How events share calls. An event makes some ten proposals, of the 200 of a call, most of them the same for the events of a
/// flow; and a megabyte of events makes no more than one or two calls.
const LIMITS: BatchLimits = BatchLimits {
    events: 50,
    bytes: 1_000_000,
    linger: Duration::from_millis(50),
    requests: 4,
};

impl DataHubConfig {
    pub(super) fn is_same_destination(&self, other: &DataHubConfig) -> bool {
        self.endpoint() == other.endpoint()
            && self.auth == other.auth
            && self.tls.certificate == other.tls.certificate
    }

    /// What tells its destination from others, but for credentials, which are replaced. May hold a key in the query of the URL.
    pub(super) fn identity(&self) -> String {
        identity(self.endpoint(), &self.auth, &self.tls)
    }

    pub(super) async fn credential(&self, aws: &Aws) -> Result<Option<Credential>, OpenError> {
        self.auth.credential(aws).await
    }
}

/// Checks what can be known without a request.
pub(super) fn check(config: &DataHubConfig) -> Result<Vec<OpenQuestion>, OpenError> {
    Gms::new(config, &Aws::new(), REREADS)?;
    open_questions(settings::URL, &config.url, &config.auth)
}

/// DataHub, to which events are delivered.
#[derive(Debug, Clone)]
pub(crate) struct DataHub {
    gms: Arc<Gms>,
    batches: Batches,
}

impl DataHub {
    /// Creates a client. `credential` was read before; without it, it is read for the first event.
    ///
    /// Fails for a token that cannot be sent, and for TLS files that cannot be loaded. No error contains the token.
    pub(super) async fn open(
        config: &DataHubConfig,
        aws: &Aws,
        credential: Option<&Credential>,
    ) -> Result<DataHub, OpenError> {
        DataHub::open_with(config, aws, credential, REREADS).await
    }

    async fn open_with(
        config: &DataHubConfig,
        aws: &Aws,
        credential: Option<&Credential>,
        rereads: RereadPolicy,
    ) -> Result<DataHub, OpenError> {
        let gms = Arc::new(Gms::new(config, aws, rereads)?);
        gms.http.open(credential).await?;
        let shared = gms.clone();
        let batches = Batches::start(LIMITS, move |events, deadline| {
            let gms = shared.clone();
            async move { gms.deliver_batch(events, deadline).await }
        });
        Ok(DataHub { gms, batches })
    }

    pub(crate) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        deadline: Instant,
    ) -> DeliveryReport {
        self.batches.deliver(event, attempts, deadline).await
    }

    pub(crate) fn stop(&self) {
        self.gms.http.stop();
    }

    pub(crate) fn pace(&self, now: Instant) -> Pace {
        self.gms.http.pace(now)
    }
}
