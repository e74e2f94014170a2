//! The event: a validated OpenLineage event as text, and the fields that decide how it is processed.
//!
//! An [`Event`] is created only by validating a text, so code that has one need not check it again. Called at every edge
//! (HTTP body, queue message, file), and after each rewrite.

use std::borrow::Cow;
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::check::{self, Kind};
use crate::finding::{Finding, Severity};
use crate::json::{Json, Member, last};
use crate::{Indexed, Level, formats, text};

/// A RunEvent, JobEvent or DatasetEvent, with its original text. Cheap to clone: one counter, since the threads of all targets
/// clone the same events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event(Arc<Contents>);

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    text: Arc<str>,
    time: OffsetDateTime,
    subject: Subject,
}

/// The subject of the event. The kind is determined by the members present, as the schema's `oneOf` does,
/// never by `schemaURL`: old clients send one without a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// RunEvent.
    Run {
        /// `run.runId`.
        id: Uuid,
        /// `eventType`, which the specification leaves optional.
        event_type: Option<EventType>,
        /// `job`.
        job: Identity,
    },
    /// JobEvent.
    Job {
        /// `job`.
        job: Identity,
    },
    /// DatasetEvent.
    Dataset {
        /// `dataset`.
        dataset: Identity,
    },
}

/// Namespace and name of a job or dataset. Not a URI: `bigquery` and `file` are namespaces too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The namespace.
    pub namespace: String,
    /// The name, unique within the namespace.
    pub name: String,
}

/// The transition of the run that a RunEvent reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are terms of the specification")]
pub enum EventType {
    Start,
    Running,
    Complete,
    Abort,
    Fail,
    Other,
}

/// A validated event and its repairs.
#[derive(Debug, Clone)]
pub struct ValidEvent {
    /// The event, repairs made.
    pub event: Event,
    /// One finding per repair; empty if the text is unchanged.
    pub repairs: Vec<Finding>,
}

/// Why a text is not a valid event: all findings, at least one of them an error. Errors come first.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not an OpenLineage event: {}", summary(.findings))]
pub struct InvalidEvent {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Event {
    /// Reads and validates one event.
    pub fn read(bytes: &[u8], level: Level) -> Result<ValidEvent, InvalidEvent> {
        let text = text::decode(bytes).map_err(|finding| InvalidEvent {
            findings: vec![finding],
        })?;
        Event::read_as(text, level, |accepted| Arc::from(accepted))
    }

    /// Like [`read`](Event::read), from a shared text: an event without repairs shares it.
    pub fn read_shared(shared: &Arc<str>, level: Level) -> Result<ValidEvent, InvalidEvent> {
        Event::read_as(shared, level, |accepted| {
            if accepted.len() == shared.len() {
                shared.clone()
            } else {
                Arc::from(accepted)
            }
        })
    }

    /// Reads an event that was validated before, from a text that was kept where nobody else writes, such as the log of
    /// `serve`. Checks the grammar, and what the fields of an event are made of. The rest is what it was when the event was
    /// accepted: checking that again takes most of the time that an event costs.
    ///
    /// `None` if it is not such a text. [`read_shared`](Event::read_shared) says why.
    pub fn read_again(shared: &Arc<str>) -> Option<Event> {
        let root = Json::parse(shared).ok()?;
        let members = root.members();
        let (time, subject) = fields(&members, check::kind(&members)?)?;
        (root.text().len() == shared.len()).then(|| Event::new(shared.clone(), time, subject))
    }

    fn read_as(
        text: &str,
        level: Level,
        keep: impl FnOnce(&str) -> Arc<str>,
    ) -> Result<ValidEvent, InvalidEvent> {
        let text = text::without_bom(text);
        let scanned = text::check(text);
        if !scanned.findings.is_empty() {
            return Err(InvalidEvent {
                findings: with_rest(scanned, level),
            });
        }
        let indexed = Indexed::of(Json::parsed(text)); // without findings
        let root = indexed.json();
        // White space around the event is not part of it, repaired or not.
        let members = root.members();
        let accepted = check::event(root.text(), root, &members, level);
        let accepted = accepted.map_err(|findings| InvalidEvent {
            findings: findings.into_vec(),
        })?;
        let (text, fields) = match accepted.text {
            Some(repaired) => {
                let text: Arc<str> = Arc::from(repaired);
                let fields = fields(&Json::parsed(&text).members(), accepted.kind);
                (text, fields)
            }
            None => (keep(root.text()), fields(&members, accepted.kind)),
        };
        let (time, subject) =
            fields.ok_or_else(|| unreadable("a field changed while it was read"))?;
        Ok(ValidEvent {
            event: Event::new(text, time, subject),
            repairs: accepted.repairs,
        })
    }

    fn new(text: Arc<str>, time: OffsetDateTime, subject: Subject) -> Event {
        Event(Arc::new(Contents {
            text,
            time,
            subject,
        }))
    }

    /// Reads the text that a rewrite of this event produced.
    pub fn rewritten(&self, text: String) -> Result<Event, InvalidEvent> {
        Event::read(text.as_bytes(), Level::Strict).map(|read| read.event)
    }

    /// The event as JSON: the original bytes, except for repairs and rewrites.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The same text, shared.
    pub fn shared_text(&self) -> Arc<str> {
        self.0.text.clone()
    }

    /// Whether the event has this text. Compares no bytes if both share it.
    pub fn has_text(&self, text: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.0.text, text) || *self.0.text == **text
    }

    /// Whether both events have the same text. Compares no bytes if they share it, as with an event that no rule changed.
    pub fn has_text_of(&self, other: &Event) -> bool {
        self.has_text(&other.0.text)
    }

    /// A view of the event.
    pub fn json(&self) -> Json<'_> {
        Json::parsed(&self.0.text)
    }

    /// The same for callers that look up many values.
    pub fn indexed(&self) -> Indexed<'_> {
        Indexed::of(self.json())
    }

    /// `eventTime`.
    pub fn time(&self) -> OffsetDateTime {
        self.0.time
    }

    /// The subject of the event.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// `run.runId`, of a RunEvent.
    pub fn run_id(&self) -> Option<Uuid> {
        match &self.0.subject {
            Subject::Run { id, .. } => Some(*id),
            Subject::Job { .. } | Subject::Dataset { .. } => None,
        }
    }

    /// The job, of a RunEvent or JobEvent.
    pub fn job(&self) -> Option<&Identity> {
        match &self.0.subject {
            Subject::Run { job, .. } | Subject::Job { job } => Some(job),
            Subject::Dataset { .. } => None,
        }
    }

    /// The kind in the specification's terms, with the event type if there is one: `RunEvent START`.
    pub fn label(&self) -> &'static str {
        match &self.0.subject {
            Subject::Run { event_type, .. } => match event_type {
                Some(EventType::Start) => "RunEvent START",
                Some(EventType::Running) => "RunEvent RUNNING",
                Some(EventType::Complete) => "RunEvent COMPLETE",
                Some(EventType::Abort) => "RunEvent ABORT",
                Some(EventType::Fail) => "RunEvent FAIL",
                Some(EventType::Other) => "RunEvent OTHER",
                None => "RunEvent",
            },
            Subject::Job { .. } => "JobEvent",
            Subject::Dataset { .. } => "DatasetEvent",
        }
    }
}

/// Reads what decides how the event is processed.
fn fields(members: &[Member<'_>], kind: Kind) -> Option<(OffsetDateTime, Subject)> {
    let member = |name| last(members, name);
    let string = |name| member(name).and_then(Json::string);
    let identity = |name| member(name).and_then(Identity::of);
    let time = formats::date_time(&string("eventTime")?)?;
    let subject = match kind {
        Kind::Run => Subject::Run {
            id: formats::uuid(&member("run")?.get("runId")?.string()?)?,
            event_type: string("eventType").as_deref().and_then(EventType::of),
            job: identity("job")?,
        },
        Kind::Job => Subject::Job {
            job: identity("job")?,
        },
        Kind::Dataset => Subject::Dataset {
            dataset: identity("dataset")?,
        },
    };
    Some((time, subject))
}

impl EventType {
    /// Whether the event ends the run.
    pub fn ends(self) -> bool {
        match self {
            EventType::Complete | EventType::Abort | EventType::Fail => true,
            EventType::Start | EventType::Running | EventType::Other => false,
        }
    }

    fn of(text: &str) -> Option<EventType> {
        match text {
            "START" => Some(EventType::Start),
            "RUNNING" => Some(EventType::Running),
            "COMPLETE" => Some(EventType::Complete),
            "ABORT" => Some(EventType::Abort),
            "FAIL" => Some(EventType::Fail),
            "OTHER" => Some(EventType::Other),
            _ => None,
        }
    }
}

impl Identity {
    /// Reads `namespace` and `name` of an object, if both are strings.
    pub fn of(value: Json<'_>) -> Option<Identity> {
        let members = value.members();
        let string = |name| {
            last(&members, name)
                .and_then(Json::string)
                .map(Cow::into_owned)
        };
        Some(Identity {
            namespace: string("namespace")?,
            name: string("name")?,
        })
    }
}

/// The findings of the text, and of the event in it as far as it can be read.
fn with_rest(scanned: text::TextScan, level: Level) -> Vec<Finding> {
    let mut findings = scanned.findings;
    let masked = scanned.masked.unwrap_or_default();
    if let Some(Err(rest)) = Json::parse(&masked)
        .ok()
        .map(|root| check::event(&masked, root, &root.members(), level))
    {
        findings.extend(rest);
    }
    findings.into_vec()
}

fn unreadable(message: &str) -> InvalidEvent {
    InvalidEvent {
        findings: vec![Finding {
            severity: Severity::Error,
            pointer: String::new(),
            rule: "json",
            message: message.to_owned(),
        }],
    }
}

/// Pointers and rules of the first errors, without values, so that it can be logged.
fn summary(findings: &[Finding]) -> String {
    const SHOWN: usize = 5;
    let errors = || (findings.iter()).filter(|finding| finding.severity == Severity::Error);
    let mut shown: Vec<String> = errors().take(SHOWN).map(Finding::brief).collect();
    if let Some(more) = errors().count().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
