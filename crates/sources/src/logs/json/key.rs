//! The members of an object that say what it is: an event of OpenLineage, or a log line that may hold one. `json.rs` meets
//! them as it reads, and `scan.rs` and `pending.rs` decide by them.

/// A member of the top level that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Key {
    EventTime,
    EventType,
    Producer,
    SchemaUrl,
    Run,
    Job,
    Dataset,
    Inputs,
    Outputs,
    Level,
    Logger,
    Timestamp,
    Time,
    Event,
    Message,
    Msg,
    Log,
    Other,
}

/// Texts whose place is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::logs) enum Kept {
    Logger,
    Event,
    Message,
    Msg,
    Log,
    RunId,
    JobNamespace,
    JobName,
}

pub(super) const KEPT: usize = 8;

impl Key {
    /// The top-level keys of the specification (<https://openlineage.io/spec/2-0-2/OpenLineage.json>).
    pub(in crate::logs) const EVENT: [(&'static str, Key); 9] = [
        ("eventTime", Key::EventTime),
        ("eventType", Key::EventType),
        ("producer", Key::Producer),
        ("schemaURL", Key::SchemaUrl),
        ("run", Key::Run),
        ("job", Key::Job),
        ("dataset", Key::Dataset),
        ("inputs", Key::Inputs),
        ("outputs", Key::Outputs),
    ];

    /// What log lines of one JSON object have: structlog (Airflow 3), Docker's driver, Fluent Bit, JSON layouts of log4j.
    const LINE: [(&'static str, Key); 8] = [
        ("level", Key::Level),
        ("logger", Key::Logger),
        ("timestamp", Key::Timestamp),
        ("time", Key::Time),
        ("event", Key::Event),
        ("message", Key::Message),
        ("msg", Key::Msg),
        ("log", Key::Log),
    ];

    pub(super) fn of(text: &str) -> Key {
        let mut known = Key::EVENT.iter().chain(&Key::LINE);
        known
            .find(|(name, _)| *name == text)
            .map_or(Key::Other, |(_, key)| *key)
    }

    pub(in crate::logs) fn is_of_event(self) -> bool {
        Key::EVENT.iter().any(|(_, key)| *key == self)
    }

    pub(in crate::logs) fn is_of_line(self) -> bool {
        Key::LINE.iter().any(|(_, key)| *key == self)
    }

    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }

    pub(super) fn kept(self) -> Option<Kept> {
        match self {
            Key::Logger => Some(Kept::Logger),
            Key::Event => Some(Kept::Event),
            Key::Message => Some(Kept::Message),
            Key::Msg => Some(Kept::Msg),
            Key::Log => Some(Kept::Log),
            Key::EventTime
            | Key::EventType
            | Key::Producer
            | Key::SchemaUrl
            | Key::Run
            | Key::Job
            | Key::Dataset
            | Key::Inputs
            | Key::Outputs
            | Key::Level
            | Key::Timestamp
            | Key::Time
            | Key::Other => None,
        }
    }
}
