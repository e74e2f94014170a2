//! Delivery: the only way out for an event.
//!
//! A [`Target`] delivers one event and reports the result: delivered, to be retried, or rejected for good. Each kind of
//! target classifies the answers of its service in its own file; `kind.rs` lists the kinds. What follows from a result
//! (retry, dead letter) is decided by the pipeline.

mod answer;
mod datazone;
mod file;
mod kind;
mod name;
mod openlineage_http;
mod pace;
mod reason;
mod store;

use std::time::Duration;

use openlineage::Event;
use tokio::time::Instant;

pub use answer::{Response, causes, escaped, is_unseen, shown, words};
pub use datazone::DataZone;
pub use file::{File, FileSettings};
pub use kind::{AcceptedEvents, Capabilities, JobEvents, Kind};
pub use name::{InvalidTargetName, TargetName};
pub use openlineage_http::{Compression, HttpSettings, OpenLineageHttp};
pub use reason::Reason;
pub use store::{Order, Place, Store};

/// Where events go: a client of one kind under a name that the user chose.
#[derive(Debug, Clone)]
pub struct Target {
    name: TargetName,
    client: Client,
}

/// The client of a target, by kind.
#[derive(Debug, Clone)]
pub enum Client {
    /// The store in the data folder.
    Store(Store),
    /// JSON lines in a file.
    File(File),
    /// An HTTP endpoint that accepts OpenLineage.
    OpenLineage(OpenLineageHttp),
    /// Amazon DataZone / SageMaker Catalog.
    DataZone(DataZone),
}

/// The result of one delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The target has the event, or had it already.
    Delivered {
        /// The target's own id of the event, if it returned one.
        id: Option<String>,
    },
    /// Another attempt may succeed.
    Transient(Failure),
    /// No attempt will succeed.
    Permanent(Failure),
}

/// The result of delivering an event, and how many attempts it took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// The last result; `None` if there was no time for an attempt.
    pub delivery: Option<Delivery>,
    /// How many requests were made.
    pub attempts: u32,
    /// How many of them the target throttled.
    pub throttled: u32,
}

/// Why an event was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The reason as a code, for logs, metrics and alarms.
    pub reason: Reason,
    /// Whether other events would fail too.
    pub scope: Scope,
    /// What is kept of the target's answer (`answer.rs`): none of our credentials, and nothing of the event.
    pub message: String,
    /// How long the target asks not to be sent anything.
    pub after: Option<Duration>,
}

/// Whether a failure concerns other events too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Perhaps only this event: others are still tried.
    Event,
    /// Every event would fail alike: trying others only adds to the load.
    Target,
}

impl Target {
    /// Names a client.
    pub fn new(name: TargetName, client: Client) -> Target {
        Target { name, client }
    }

    /// The name that the user chose.
    pub fn name(&self) -> &TargetName {
        &self.name
    }

    /// The kind of the target.
    pub fn kind(&self) -> Kind {
        match &self.client {
            Client::Store(_) => Kind::Store,
            Client::File(_) => Kind::File,
            Client::OpenLineage(_) => Kind::OpenLineage,
            Client::DataZone(_) => Kind::DataZone,
        }
    }

    /// What the target accepts, as it is configured.
    pub fn capabilities(&self) -> Capabilities {
        match &self.client {
            Client::DataZone(target) => target.capabilities(),
            Client::Store(_) | Client::File(_) | Client::OpenLineage(_) => {
                self.kind().capabilities()
            }
        }
    }

    /// The store, if that is what the target is: its events can be read back.
    pub fn store(&self) -> Option<&Store> {
        match &self.client {
            Client::Store(store) => Some(store),
            Client::File(_) | Client::OpenLineage(_) | Client::DataZone(_) => None,
        }
    }

    /// Ends the deliveries that wait for the rate limit: the process is about to end. A request that was sent is not
    /// disturbed.
    pub fn stop(&self) {
        match &self.client {
            Client::DataZone(target) => target.stop(),
            Client::OpenLineage(target) => target.stop(),
            Client::File(_) | Client::Store(_) => {}
        }
    }

    /// Checks that open files are still those at their paths, and reopens them where not: they may have been rotated,
    /// moved or restored.
    pub async fn reopen(&self) -> Result<(), journal::Error> {
        match &self.client {
            Client::DataZone(_) | Client::OpenLineage(_) => Ok(()),
            Client::File(target) => {
                target.reopen();
                Ok(())
            }
            Client::Store(target) => target.verify().await,
        }
    }

    /// Delivers one event, giving up at `deadline`. `id` is the event's id in the queue, the same for each attempt.
    pub async fn deliver(&self, id: &str, event: &Event, deadline: Instant) -> DeliveryReport {
        let once = |delivery| DeliveryReport {
            delivery: Some(delivery),
            attempts: 1,
            throttled: 0,
        };
        match &self.client {
            Client::DataZone(target) => target.deliver(event, deadline).await,
            Client::OpenLineage(target) => target.deliver(event, deadline).await,
            Client::File(target) => once(target.deliver(event).await),
            Client::Store(target) => once(target.deliver(id, event).await),
        }
    }
}

impl Failure {
    pub(crate) fn new(reason: Reason, scope: Scope, message: &str) -> Failure {
        Failure {
            reason,
            scope,
            message: escaped(message),
            after: None,
        }
    }
}
