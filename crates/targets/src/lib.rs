//! Delivery: the only way out for an event.
//!
//! A [`Target`] takes one event and says what became of it: delivered, to be tried again, or never to be taken.
//! Which of these an answer means is decided here, target by target; what follows from it is the batch's business.

mod answer;
mod datazone;
mod file;
mod openlineage_http;
mod pace;
mod store;

use std::time::Duration;

use openlineage::Event;
use tokio::time::Instant;

pub use answer::{Response, causes, escaped, is_unseen, shown, words};
pub use datazone::{DATAZONE_MAX_BYTES, DataZone};
pub use file::{File, FileSettings};
pub use openlineage_http::{Compression, HttpSettings, OpenLineageHttp};
pub use store::{Order, Place, Store};

/// Where events go.
#[derive(Debug, Clone)]
pub enum Target {
    /// Amazon DataZone / SageMaker Catalog.
    DataZone(DataZone),
    /// Any endpoint that takes OpenLineage over HTTP: Marquez, DataHub, another proxy.
    OpenLineage(OpenLineageHttp),
    /// JSON lines in a file.
    File(File),
    /// The store in the data folder.
    Store(Store),
}

/// What a target can take; what it cannot is to be sorted out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// Only RunEvents.
    pub runs_only: bool,
    /// The largest event, in bytes.
    pub max_bytes: Option<usize>,
}

/// What became of an event at its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is there, or was already.
    Delivered {
        /// The target's own id for it, if it gives one.
        id: Option<String>,
    },
    /// It may be there after another try.
    Transient(Failure),
    /// No try will bring it there.
    Permanent(Failure),
}

/// What it took to bring an event to its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries {
    /// What became of it; nothing where there was no time for a try.
    pub delivery: Option<Delivery>,
    /// How often it was posted.
    pub posts: u32,
    /// How often the target said: not now.
    pub refused: u32,
}

/// Why an event is not at its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class, for counters and alarms.
    pub class: Class,
    /// What it says about other events.
    pub scope: Scope,
    /// What is kept of the target's answer (`answer.rs`): no credential of ours, and nothing of the event.
    pub message: String,
    /// How long the target asks to be left alone.
    pub after: Option<Duration>,
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Credentials or rights are missing or expired.
    Permission,
    /// The domain, path or host is not there.
    Missing,
    /// Too many requests.
    Throttled,
    /// A quota of the account is used up.
    Quota,
    /// The target is down, slow, or failed inside.
    Unavailable,
    /// The target says that the event is wrong.
    Invalid,
    /// The event is larger than the target takes.
    TooLarge,
}

/// What a failure says about the events beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Perhaps only this event: the others are tried.
    Event,
    /// Every event would fare alike: trying the others only adds to it.
    Target,
}

impl Target {
    /// What it can take.
    pub fn takes(&self) -> Takes {
        match self {
            Target::DataZone(_) => Takes {
                runs_only: true,
                max_bytes: Some(DATAZONE_MAX_BYTES),
            },
            Target::OpenLineage(_) | Target::File(_) | Target::Store(_) => Takes {
                runs_only: false,
                max_bytes: None,
            },
        }
    }

    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Target::DataZone(_) => "datazone",
            Target::OpenLineage(_) => "openlineage",
            Target::File(_) => "file",
            Target::Store(_) => "store",
        }
    }

    /// Ends what waits for its turn to be posted: the process is about to end. What is on its way is not disturbed.
    pub fn stop(&self) {
        match self {
            Target::DataZone(target) => target.stop(),
            Target::OpenLineage(target) => target.stop(),
            Target::File(_) | Target::Store(_) => {}
        }
    }

    /// Looks now whether what is held open is still what its path names, and opens it anew where not: somebody has
    /// rotated, moved or restored files.
    pub async fn reopen(&self) -> Result<(), journal::Error> {
        match self {
            Target::DataZone(_) | Target::OpenLineage(_) => Ok(()),
            Target::File(target) => {
                target.reopen();
                Ok(())
            }
            Target::Store(target) => target.verify().await,
        }
    }

    /// Brings one event there, and is done with it at `until`. `id` is the event's id in the queue: the same for each try.
    pub async fn deliver(&self, id: &str, event: &Event, until: Instant) -> Tries {
        let once = |delivery| Tries {
            delivery: Some(delivery),
            posts: 1,
            refused: 0,
        };
        match self {
            Target::DataZone(target) => target.deliver(event, until).await,
            Target::OpenLineage(target) => target.deliver(event, until).await,
            Target::File(target) => once(target.deliver(event).await),
            Target::Store(target) => once(target.deliver(id, event).await),
        }
    }
}

impl Failure {
    pub(crate) fn new(class: Class, scope: Scope, message: &str) -> Failure {
        Failure {
            class,
            scope,
            message: escaped(message),
            after: None,
        }
    }
}

impl Class {
    /// The name in logs, metrics and dead letters.
    pub fn name(self) -> &'static str {
        match self {
            Class::Permission => "permission",
            Class::Missing => "missing",
            Class::Throttled => "throttled",
            Class::Quota => "quota",
            Class::Unavailable => "unavailable",
            Class::Invalid => "invalid",
            Class::TooLarge => "too_large",
        }
    }
}
