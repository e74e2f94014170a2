//! The client of a target: one line for each kind in each `match`. Called by `Target`.

use ::openlineage::Event;
use tokio::time::Instant;

use super::Kind;
use super::archive::Archive;
use super::datahub::DataHub;
use super::datazone::DataZone;
use super::file::{File, Gathering};
use super::glue::Glue;
use super::openlineage::OpenLineage;
use crate::{Delivery, DeliveryReport, Pace};

/// The client of a target.
#[derive(Debug, Clone)]
pub(crate) enum Client {
    Store,
    File(File),
    Archive(Archive),
    OpenLineage(OpenLineage),
    DataHub(DataHub),
    DataZone(DataZone),
    Glue(Glue),
}

impl Client {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Client::Store => Kind::Store,
            Client::File(_) => Kind::File,
            Client::Archive(_) => Kind::Archive,
            Client::OpenLineage(_) => Kind::OpenLineage,
            Client::DataHub(_) => Kind::DataHub,
            Client::DataZone(_) => Kind::DataZone,
            Client::Glue(_) => Kind::Glue,
        }
    }

    pub(crate) fn stop(&self) {
        match self {
            Client::DataZone(target) => target.stop(),
            Client::OpenLineage(target) => target.stop(),
            Client::DataHub(target) => target.stop(),
            Client::Glue(target) => target.stop(),
            Client::File(_) | Client::Archive(_) | Client::Store => {}
        }
    }

    pub(crate) fn pace(&self, now: Instant) -> Option<Pace> {
        match self {
            Client::DataZone(target) => Some(target.pace(now)),
            Client::OpenLineage(target) => Some(target.pace(now)),
            Client::DataHub(target) => Some(target.pace(now)),
            Client::Glue(target) => Some(target.pace(now)),
            Client::File(_) | Client::Archive(_) | Client::Store => None,
        }
    }

    pub(crate) fn reopen(&self) {
        match self {
            Client::File(target) => target.reopen(),
            Client::DataZone(_)
            | Client::OpenLineage(_)
            | Client::DataHub(_)
            | Client::Archive(_)
            | Client::Glue(_)
            | Client::Store => {}
        }
    }

    #[must_use = "it ends when it is dropped"]
    pub(crate) fn gather(&self) -> Option<Gathering> {
        match self {
            Client::File(target) => Some(target.gather()),
            // These form batches themselves, or send each event alone.
            Client::DataZone(_)
            | Client::OpenLineage(_)
            | Client::DataHub(_)
            | Client::Archive(_)
            | Client::Glue(_)
            | Client::Store => None,
        }
    }

    /// Delivers one event, giving up at `deadline`.
    ///
    /// What sends requests is boxed: a future is as large as its largest branch, and moved several times on its way to where
    /// it runs, also for a target that only writes a line.
    pub(crate) async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        token_salt: Option<&str>,
        deadline: Instant,
    ) -> DeliveryReport {
        match self {
            Client::DataZone(target) => Box::pin(target.deliver(event, token_salt, deadline)).await,
            Client::OpenLineage(target) => {
                Box::pin(target.deliver(event, attempts, deadline)).await
            }
            Client::DataHub(target) => Box::pin(target.deliver(event, attempts, deadline)).await,
            Client::File(target) => DeliveryReport::once(target.deliver(event).await),
            Client::Archive(target) => Box::pin(target.deliver(event, deadline)).await,
            Client::Glue(target) => Box::pin(target.deliver(event, deadline)).await,
            // The queue has the event, and shows it once it is settled.
            Client::Store => DeliveryReport::once(Delivery::Delivered { id: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::openlineage::Level;

    #[test]
    fn a_delivery_is_small_whatever_kinds_there_are() {
        let text = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","job":{"namespace":"n","name":"j"}}"#;
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        let delivery = Client::Store.deliver(&event, 1, None, Instant::now());
        let size = size_of_val(&delivery);
        assert!(size <= 512, "{size} bytes");
    }
}
