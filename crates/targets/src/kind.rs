//! The kinds of targets: the one list of them, and what each accepts.

use crate::datazone;

/// A kind of target, the value of its setting `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The store in the data folder, from which events can be read back.
    Store,
    /// JSON lines in a file.
    File,
    /// An HTTP endpoint that accepts OpenLineage: Marquez, DataHub, another proxy.
    OpenLineage,
    /// Amazon DataZone / SageMaker Catalog.
    DataZone,
}

/// The limits of a target; events are adapted to them before delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The kinds of events it accepts.
    pub events: AcceptedEvents,
    /// The largest event it accepts, in bytes of JSON; `None` for no limit.
    pub max_event_bytes: Option<usize>,
}

/// The kinds of events that a target accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptedEvents {
    /// RunEvents, JobEvents and DatasetEvents.
    All,
    /// RunEvents only. DatasetEvents are dropped.
    RunEvents {
        /// What is done with JobEvents.
        job_events: JobEvents,
    },
}

/// What is done with JobEvents where a target accepts only RunEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobEvents {
    /// Those with inputs or outputs are converted to RunEvents, the others are dropped.
    #[default]
    Convert,
    /// All are dropped.
    Skip,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 4] = [Kind::Store, Kind::File, Kind::OpenLineage, Kind::DataZone];

    /// The value of the setting `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Store => "store",
            Kind::File => "file",
            Kind::OpenLineage => "openlineage",
            Kind::DataZone => "datazone",
        }
    }

    /// What a target of this kind accepts with its default settings.
    pub const fn capabilities(self) -> Capabilities {
        match self {
            Kind::Store | Kind::File | Kind::OpenLineage => Capabilities::UNLIMITED,
            Kind::DataZone => datazone::capabilities(JobEvents::Convert),
        }
    }
}

impl Capabilities {
    /// Every kind of event, of any size.
    pub const UNLIMITED: Capabilities = Capabilities {
        events: AcceptedEvents::All,
        max_event_bytes: None,
    };
}
