//! What a target accepts: its kinds and sizes of events, and how they are handed over. The pipeline adapts events to it.
//!
//! Each kind of target has its own, some by their settings (`kind.rs`).

use settings::Choice;

/// The limits of a target; events are adapted to them before delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The kinds of events it accepts.
    pub events: AcceptedEvents,
    /// The types of RunEvents that it uses.
    pub event_types: EventTypes,
    /// The datasets that an event has to have.
    pub datasets: RequiredDatasets,
    /// The largest event it accepts, in bytes of JSON; `None` for no limit.
    pub max_event_bytes: Option<usize>,
    /// Whether it finds a Redshift dataset only by the full name of the warehouse's endpoint.
    pub needs_redshift_endpoints: bool,
    /// Whether events that are delivered at the same time share requests: the requests are bounded here then, and the number
    /// of deliveries need not be.
    pub batches: bool,
    /// Whether the events of a run have to be delivered one after the other.
    pub ordered: bool,
    /// Whether it is on this machine, so that an event is in hand for a moment only: while many wait, it is given several
    /// batches at once.
    pub local: bool,
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

/// The types of RunEvents that a target uses; others are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventTypes {
    /// All, and those without one.
    #[default]
    All,
    /// COMPLETE, FAIL and ABORT.
    Ends,
    /// COMPLETE.
    Complete,
}

/// The datasets that a RunEvent or a JobEvent has to have; others are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequiredDatasets {
    /// None.
    #[default]
    None,
    /// An input or an output.
    InputsOrOutputs,
    /// An input and an output.
    InputsAndOutputs,
}

/// What is done with JobEvents where a target accepts only RunEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobEvents {
    /// Those with inputs or outputs are converted to RunEvents, the others are dropped.
    #[default]
    Convert,
    /// All are dropped.
    Drop,
}

impl Capabilities {
    /// Every kind of event, of any size, one a request, in the order of its run.
    pub const UNLIMITED: Capabilities = Capabilities {
        events: AcceptedEvents::All,
        event_types: EventTypes::All,
        datasets: RequiredDatasets::None,
        max_event_bytes: None,
        needs_redshift_endpoints: false,
        batches: false,
        ordered: true,
        local: false,
    };
}

impl Choice for EventTypes {
    const CHOICES: &'static [(&'static str, EventTypes)] = &[
        ("all", EventTypes::All),
        ("ends", EventTypes::Ends),
        ("complete", EventTypes::Complete),
    ];
}

impl Choice for RequiredDatasets {
    const CHOICES: &'static [(&'static str, RequiredDatasets)] = &[
        ("none", RequiredDatasets::None),
        ("inputs_or_outputs", RequiredDatasets::InputsOrOutputs),
        ("inputs_and_outputs", RequiredDatasets::InputsAndOutputs),
    ];
}

impl Choice for JobEvents {
    const CHOICES: &'static [(&'static str, JobEvents)] =
        &[("convert", JobEvents::Convert), ("drop", JobEvents::Drop)];
}
