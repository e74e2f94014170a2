//! Delivery: the only way out for an event.
//!
//! A [`Target`] delivers one event and reports the result: delivered, to be retried, or rejected for good. `kind.rs` lists
//! the kinds of targets; each kind owns its settings and classifies the responses of its service. What follows from a
//! result (retry, dead letter) is decided by the pipeline.

mod batch;
mod capabilities;
mod config;
mod http;
mod kind;
mod name;
mod rate;
mod reason;
mod response;
mod secret;

use std::time::Duration;

use openlineage::Event;
use tokio::time::Instant;

pub use capabilities::{AcceptedEvents, Capabilities, EventTypes, JobEvents, RequiredDatasets};
pub use config::{OpenError, Resources, SettingError, TargetConfig};
pub use kind::datazone::{DENIED_BY_DOMAIN, FailedEvent, Verification, Verifier};
pub use kind::{Gathering, Kind, KindConfig, OpenQuestion, RuleUse, TargetSettings};
pub use name::{InvalidTargetName, TargetName};
pub use rate::Pace;
pub use reason::Reason;
pub use response::{ResponseDetail, causes, escaped, shown, words};
pub use secret::Credential;

use kind::Client;

/// Where events go: a client of one kind under a name that the user chose.
#[derive(Debug, Clone)]
pub struct Target {
    name: TargetName,
    capabilities: Capabilities,
    client: Client,
}

/// The result of one delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The target has the event.
    Delivered {
        /// The target's own id of the event, if it returned one.
        id: Option<String>,
    },
    /// The target says that it had the event already. It may say so for another reason, and is counted separately.
    AlreadyThere,
    /// The target has no place for what the event says, and nothing was changed: why.
    Unchanged {
        /// For a log line.
        reason: String,
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
    /// What is kept of the target's answer (`response.rs`): none of our credentials, and nothing of the event.
    pub message: String,
    /// For how long the target asks to be sent nothing.
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
    /// Opens the target of a configuration: creates its client, and its file where it has one.
    pub async fn open(
        config: &TargetConfig,
        resources: Resources<'_>,
    ) -> Result<Target, OpenError> {
        Ok(Target {
            name: config.name.clone(),
            capabilities: config.kind.capabilities(),
            client: config.kind.open(resources).await?,
        })
    }

    /// The name that the user chose.
    pub fn name(&self) -> &TargetName {
        &self.name
    }

    /// The kind of the target.
    pub fn kind(&self) -> Kind {
        self.client.kind()
    }

    /// What the target accepts, as it is configured.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Ends the deliveries that wait for the rate limit: the process is about to end. A request that was sent is not
    /// disturbed.
    pub fn stop(&self) {
        self.client.stop();
    }

    /// Returns how fast it is sent requests, if it is sent any.
    pub fn pace(&self, now: Instant) -> Option<Pace> {
        self.client.pace(now)
    }

    /// Checks that open files are still those at their paths, and reopens them where not: they may have been rotated,
    /// moved or restored.
    pub fn reopen(&self) {
        self.client.reopen();
    }

    /// Lets the events that are delivered from now on be written together, where the target can do that, until the result is dropped:
    /// for events whose delivery begins within moments.
    #[must_use = "it ends when it is dropped"]
    pub fn gather(&self) -> Option<Gathering> {
        self.client.gather()
    }

    /// Delivers one event, giving up at `deadline`. `attempts` is how often it was attempted, this time included. With a
    /// `token_salt`, a target that tells repetitions by client tokens takes the event again although it has accepted it
    /// before, unless that was with the same salt.
    pub async fn deliver(
        &self,
        event: &Event,
        attempts: u32,
        token_salt: Option<&str>,
        deadline: Instant,
    ) -> DeliveryReport {
        let delivery = (self.client).deliver(event, attempts, token_salt, deadline);
        delivery.await
    }
}

impl DeliveryReport {
    /// The report of a target that is tried once.
    pub(crate) fn once(delivery: Delivery) -> DeliveryReport {
        DeliveryReport {
            delivery: Some(delivery),
            attempts: 1,
            throttled: 0,
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
